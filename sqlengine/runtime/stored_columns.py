"""StoredColumns: the columns of a stream or table out of rows written under any earlier state of it.

Why: ALTER writes no row again. A column keeps for ever the name its values were first stored under, no other column of
the object ever has that one, and what older rows lack is made of what they have (`ColumnInfo.before`). So a frame, the
contents in a checkpoint and rows that wait for COMMIT need no number of a version: the names of their columns say all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from sqlengine.catalog.objects import ColumnInfo, Stream, Table
from sqlengine.expr.compile import Evaluator, compile_exprs
from sqlengine.expr.tree import Cast
from sqlengine.runtime.stored_expressions import bind_over, computed_evaluator, value_before

GetColumn = Callable[[str], pa.Array]
"""A column by its stored name."""


class StoredColumns:
    """How an object's stored columns are found. `strict`: a value that cannot be made of an older one is an error;
    else it is NULL: no row that was there when the column changed has one, so it is of a row that went before.
    """

    def __init__(self, obj: Stream | Table, *, strict: bool = False) -> None:
        self.names = [c.name for c in obj.stored_columns()]
        self._stored = {c.name: c.stored_name for c in obj.stored_columns()}
        self._infos = {c.stored_name: c for c in (*obj.retired, *obj.stored_columns())}
        self._strict = strict
        self._makers: dict[str, Evaluator] = {}

    def stored_name(self, name: str) -> str:
        """What a column is called where its values are."""
        return self._stored[name]

    def select(self, names: Sequence[str], have: Collection[str], get: GetColumn, rows: int) -> pa.RecordBatch:
        """Columns by their present names of `rows` rows that `have` columns of some stored names. DataError if strict
        and a value cannot be made."""
        arrays = [self._values(self._stored[name], have, get, rows) for name in names]
        return pa.RecordBatch.from_arrays(arrays, names=list(names))

    def _values(self, stored: str, have: Collection[str], get: GetColumn, rows: int) -> pa.Array:
        if stored in have:
            return get(stored)
        info = self._infos[stored]
        if not info.reads:
            return value_before(info, rows)
        columns = [self._values(read, have, get, rows) for _, read in info.reads]
        batch = pa.RecordBatch.from_arrays(columns, names=[name for name, _ in info.reads])
        return self._made(info, batch)

    def _made(self, info: ColumnInfo, batch: pa.RecordBatch) -> pa.Array:
        """A column's values out of those it was made of."""
        maker = self._makers.get(info.stored_name)
        if maker is None:
            base = [ColumnInfo(name, self._infos[read].type) for name, read in info.reads]
            expr = bind_over(info.before or "NULL", base)
            maker = compile_exprs([expr if expr.type == info.type else Cast(type=info.type, arg=expr)])
            self._makers[info.stored_name] = maker
        if self._strict:
            return maker(batch, 0)[0]
        (values,), good, failed = maker.try_eval(batch, 0)
        return values if not failed else _spread(values, good, info.type)


def _spread(values: pa.Array, good: pa.BooleanArray, kind: pa.DataType) -> pa.Array:
    """Values of the good rows in their places, NULL in the others."""
    if not len(values):
        return pa.nulls(len(good), kind)
    is_good = np.asarray(good)
    return values.take(pa.array(np.cumsum(is_good) - 1, mask=~is_good))


def stored_names(columns: Sequence[ColumnInfo]) -> dict[str, str]:
    """Name -> stored name of those columns in which they differ."""
    return {c.name: c.stored_name for c in columns if c.stored_name != c.name}


def names_by_stored(columns: Sequence[ColumnInfo]) -> dict[str, str]:
    """The inverse of `stored_names`."""
    return {c.stored_name: c.name for c in columns if c.stored_name != c.name}


def widened(rows: pa.Table, obj: Table, was: Mapping[str, str], *, strict: bool = False) -> pa.Table:
    """Contents of a table in an earlier state as rows of its present columns; `was`: as `stored_names` of the
    earlier ones. Computed columns are computed again. Raises as `StoredColumns.select`."""
    stored = [was.get(name, name) for name in rows.column_names]
    schema = pa.schema([pa.field(c.name, c.type) for c in obj.columns])
    if stored == [c.stored_name for c in obj.columns]:
        return rows.rename_columns(schema.names) if rows.column_names != schema.names else rows
    columns, evaluate = StoredColumns(obj, strict=strict), computed_evaluator(obj)
    names = [c.name for c in obj.columns if c.computed is not None]
    batches = []
    for batch in rows.to_batches():
        have = dict(zip(stored, batch.columns, strict=True))
        base = columns.select(columns.names, have, have.__getitem__, batch.num_rows)
        made = dict(zip(base.schema.names, base.columns, strict=True))
        if evaluate is not None:
            made |= dict(zip(names, evaluate(base, 0), strict=True))
        batches.append(pa.RecordBatch.from_arrays([made[name] for name in schema.names], schema=schema))
    return pa.Table.from_batches(batches, schema)
