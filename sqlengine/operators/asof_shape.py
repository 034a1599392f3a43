"""AsofShape: what of an as-of join does not change while it runs: columns, types, how output is put together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.errors import NotSupportedError
from sqlengine.plan import nodes
from sqlengine.state.arrow_buffers import null_array, validity
from sqlengine.state.key_columns import meeting
from sqlengine.state.order_codes import has_order_codes, order_codes
from sqlengine.types import to_sql

Ints = npt.NDArray[np.int64]
LEFT, RIGHT = 0, 1


class AsofShape:
    """Raises NotSupportedError (0A000) for a time column whose order does not fit in 64 bits."""

    def __init__(self, node: nodes.AsofJoin) -> None:
        self.schema = node.schema
        self.schemas = (node.left.schema, node.right.schema)
        self.retracting = (not node.left.append_only, not node.right.append_only)
        self.outer = node.kind == "left"
        self.backward = node.direction == "backward"
        self.strict = node.strict
        self._key_columns = meeting(self.schemas, (node.left_keys, node.right_keys))
        self._times = meeting(self.schemas, ((node.left_time,), (node.right_time,)))
        (time_type,) = self._times[LEFT].types
        if not has_order_codes(time_type):
            raise NotSupportedError(f"ASOF JOIN on a column of type {to_sql(time_type)}")

    @property
    def key_types(self) -> tuple[pa.DataType, ...]:
        """Types of the keys in the index shared by both sides."""
        return self._key_columns[LEFT].types

    def keys(self, batch: pa.RecordBatch, port: int) -> list[pa.Array]:
        """The key columns of a side's batch."""
        return self._key_columns[port].of(batch)

    def times(self, batch: pa.RecordBatch, port: int) -> Ints:
        """Order codes of the time column of a side's batch."""
        return order_codes(self._times[port].of(batch)[0])

    def split_nulls(self, delta: Delta, port: int) -> tuple[Delta, Delta | None]:
        """(rows that can match, the output of the others): a left row with a NULL key or time stands alone."""
        columns = (*self._key_columns[port].columns, *self._times[port].columns)
        present = [m for m in (validity(delta.batch.column(c)) for c in columns) if m is not None]
        if not present:
            return delta, None
        whole = np.logical_and.reduce(present)
        rest = delta.filter(pa.array(~whole))
        lonely = self.alone(rest.batch, rest.weights) if port == LEFT and self.outer and rest.num_rows else None
        return delta.filter(pa.array(whole)), lonely

    def joined(self, left: list[pa.Array], right: list[pa.Array], weight: int = 1) -> Delta:
        """Pairs of rows, all with one weight."""
        batch = pa.RecordBatch.from_arrays([*left, *right], schema=self.schema)
        return Delta(batch, None if weight == 1 else np.full(batch.num_rows, weight, dtype=np.int64))

    def alone(self, batch: pa.RecordBatch, weight: int | Ints | None) -> Delta:
        """Left rows without a right row."""
        nulls = [null_array(f.type, batch.num_rows) for f in self.schemas[RIGHT]]
        rows = pa.RecordBatch.from_arrays([*batch.columns, *nulls], schema=self.schema)
        if isinstance(weight, int):
            weight = None if weight == 1 else np.full(batch.num_rows, weight, dtype=np.int64)
        return Delta(rows, weight)
