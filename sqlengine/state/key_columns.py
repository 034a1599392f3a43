"""KeyColumns: which columns of one side of a join are its keys, brought to the types both sides meet at."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.quick_dataclass import dataclass
from sqlengine.types import common_type


@dataclass(frozen=True, slots=True)
class KeyColumns:
    """`columns`: positions in the side's schema; `types`: the types of the keys in the index shared by both sides."""

    columns: tuple[int, ...]
    types: tuple[pa.DataType, ...]

    def of(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The key columns of a batch, as the index wants them."""
        arrays = (batch.column(c) for c in self.columns)
        return [a if a.type == t else a.cast(t) for a, t in zip(arrays, self.types, strict=True)]


def meeting(schemas: Sequence[pa.Schema], columns: Sequence[tuple[int, ...]]) -> tuple[KeyColumns, KeyColumns]:
    """The key columns of the left and the right side, with the common type of each pair."""
    left, right = ([schema.field(c).type for c in which] for schema, which in zip(schemas, columns, strict=True))
    met = tuple(common_type(a, b) or a for a, b in zip(left, right, strict=True))
    return KeyColumns(columns[0], met), KeyColumns(columns[1], met)
