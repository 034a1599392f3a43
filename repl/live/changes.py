"""The batches of a result without end as operations on rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.quick_dataclass import dataclass
from sqlengine.types import is_text

INSERT, UPDATE_BEFORE, UPDATE_AFTER, DELETE = 0, 1, 2, 3
OPERATIONS = ("insert", "update_before", "update_after", "delete")
"""As the column `op` names them, by number."""
MARKS = ("+I", "-U", "+U", "-D")
"""As the screen names them, by number (the short names of Flink's changelogs)."""
_HEAD = ("tick", "time", "op")
_NAMES = pa.array(OPERATIONS, pa.string())

Kinds = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Changes:
    """`rows`: n rows; `kinds`: int8[n], what happened to each."""

    rows: pa.RecordBatch
    kinds: Kinds

    def part(self, start: int, stop: int) -> Changes:
        """Those from `start` to before `stop`, without a copy."""
        return Changes(self.rows.slice(start, stop - start), self.kinds[start:stop])


class Decoder:
    """Takes the changelog's own columns off the batches of one result.

    `schema` is that of the rows.  Results without an `op` column (PRINT) are insertions only.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._op = _op_column(schema)
        first = 0 if self._op is None else self._op + 1
        self._kept = list(range(first, len(schema)))
        self.schema = pa.schema([schema.field(i) for i in self._kept])

    def decode(self, batch: pa.RecordBatch) -> Changes:
        """The operations of a batch, in order."""
        rows = pa.RecordBatch.from_arrays([batch.column(i) for i in self._kept], schema=self.schema)
        if self._op is None:
            return Changes(rows, np.zeros(batch.num_rows, np.int8))
        kinds = pc.index_in(batch.column(self._op), value_set=_NAMES)
        return Changes(rows, kinds.fill_null(INSERT).to_numpy(zero_copy_only=False).astype(np.int8))


def _op_column(schema: pa.Schema) -> int | None:
    """Where the changelog's `op` is: first, or behind `tick` and `time`."""
    for head in (_HEAD, _HEAD[2:]):
        if tuple(schema.names[: len(head)]) == head and is_text(schema.field(len(head) - 1).type):
            return len(head) - 1
    return None
