"""Values of unique keys in rows: which rows have one, which have it again, and who has it already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.catalog.objects import IndexInfo, Table
from sqlengine.errors import UniqueViolation
from sqlengine.runtime.stored_expressions import computed_evaluator
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.row_store import RowStore

Ints = npt.NDArray[np.int64]
Rows: TypeAlias = "pa.Table | pa.RecordBatch"


def key_values(rows: Rows, key: IndexInfo, table: Table | None = None) -> tuple[Ints, list[pa.Array]]:
    """(positions of the rows that have a value of a key, one array a column of them): a row with a NULL has none,
    unless the key takes NULLs for equal. `table`: whose rows they are, where they lack what is computed of them."""
    columns = columns_of(rows, key, table)
    if key.nulls_equal or not any(column.null_count for column in columns):
        return np.arange(rows.num_rows, dtype=np.int64), columns
    whole = np.logical_and.reduce([np.asarray(column.is_valid()) for column in columns])
    return np.flatnonzero(whole), [column.filter(pa.array(whole)) for column in columns]


def columns_of(rows: Rows, key: IndexInfo, table: Table | None) -> list[pa.Array]:
    """The columns of a key; `table` as of `key_values`."""
    have = rows.schema.names
    if table is None or all(name in have for name in key.columns):
        return [_whole(rows.column(name)) for name in key.columns]
    base = [c.name for c in table.stored_columns()]
    batch = pa.RecordBatch.from_arrays([_whole(rows.column(name)) for name in base], names=base)
    evaluate = computed_evaluator(table)
    assert evaluate is not None
    made = dict(zip([c.name for c in table.columns if c.computed is not None], evaluate(batch, 0), strict=True))
    return [made[name] if name in made else batch.column(name) for name in key.columns]


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.nulls(0, column.type)])


def repeats(rows: Rows, key: IndexInfo, table: Table | None = None) -> Ints:
    """Ascending positions of the rows whose value of a key an earlier row has; `table` as of `key_values`."""
    at, values = key_values(rows, key, table)
    slots = KeyIndex([v.type for v in values]).insert(values, len(at))
    again = np.ones(len(at), dtype=bool)
    again[np.unique(slots, return_index=True)[1]] = False
    return at[again]


def not_among(values: Sequence[pa.Array], others: Sequence[pa.Array]) -> npt.NDArray[np.bool_]:
    """Which values, one array a column, are none of the others."""
    known = KeyIndex([v.type for v in others])
    known.insert(others, len(others[0]))
    return known.find(values, len(values[0])) < 0


def rows_with(store: RowStore, key: IndexInfo, values: Sequence[pa.Array]) -> tuple[Ints, pa.RecordBatch]:
    """(positions in `values`, the store's rows that have them)."""
    return store.lookup_by(tuple(store.schema.get_field_index(name) for name in key.columns), values)


def violation(table: Table, key: IndexInfo, rows: Rows, at: int) -> UniqueViolation:
    """The error for the row at a position."""
    return UniqueViolation(
        f'duplicate key value violates unique constraint "{key.name}"',
        detail=f"key {shown(rows, key, at, table)} already exists",
        hint="use INSERT ... ON CONFLICT to update or skip",
    )


def shown(rows: Rows, key: IndexInfo, at: int, table: Table | None = None) -> str:
    """The value of a key in the row at a position, as messages show it."""
    values = (column[at].as_py() for column in columns_of(rows, key, table))
    return f"({', '.join(key.columns)})=({', '.join('null' if v is None else str(v) for v in values)})"
