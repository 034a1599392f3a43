"""Rows on their way into tables over files: cast by Hive's rules, which never fail, then NOT NULL and DEFAULT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from sqlengine import warehouse
from sqlengine.catalog.objects import ColumnInfo, FileTable
from sqlengine.errors import (
    CannotCoerce,
    DatatypeMismatch,
    NotNullViolation,
    NotSupportedError,
    UndefinedColumn,
    did_you_mean,
)
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.dialects import rules
from sqlengine.expr.tree import Const, Expr, InputRef
from sqlengine.runtime.file_tables import description_of, overrides_of
from sqlengine.runtime.stored_expressions import constant
from sqlengine.statements.context import Context

BATCH_ROWS = 1 << 16


def write_files(
    context: Context,
    table: FileTable,
    rows: pa.Table,
    *,
    overwrite: bool,
    static: Mapping[str, str | None] | None = None,
    if_not_exists: bool = False,
    named: Sequence[str] = (),
) -> warehouse.Written:
    """Write rows into a table, all of them or none. `static`: values of PARTITION (...); `named`: the columns that the
    rows have, in their order, all by default. Raises what `conformed` and `warehouse.write_rows` raise."""
    stated = dict(static or {})
    infos = [column for column in table.columns if column.name not in stated]
    batches = conformed(context, table, rows, infos, named)
    return warehouse.write_rows(
        description_of(table),
        batches,
        mode=warehouse.OVERWRITE if overwrite else warehouse.APPEND,
        static=stated or None,
        overrides=overrides_of(table),
        if_not_exists=if_not_exists,
    )


def refuse_in_transaction(context: Context, table: FileTable) -> None:
    """Files have no transactions; what was left of statements before is settled first."""
    if context.transaction is not None:
        raise NotSupportedError(
            f'table "{table.name}" is over files: it cannot be written within a transaction',
            hint="COMMIT first; each INSERT is whole or not at all by itself",
        )
    context.instance.warehouse.recover(table.location)


def conformed(
    context: Context, table: FileTable, rows: pa.Table, infos: Sequence[ColumnInfo], named: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """The rows in batches of just these columns.

    DatatypeMismatch (42804) for another number of columns or a type that cannot become the column's, UndefinedColumn
    (42703) for a name in `named`, NotNullViolation (23502).
    """
    names = [info.name for info in infos]
    targets = list(named) or names
    for name in targets:
        if name not in names:
            raise UndefinedColumn(
                f'column "{name}" of table "{table.name}" does not exist', hint=did_you_mean(name, names)
            )
    if len(targets) != rows.num_columns:
        raise DatatypeMismatch(
            f'table "{table.name}" takes {len(targets)} columns here, the query has {rows.num_columns}',
            hint="columns: " + ", ".join(targets),
        )
    plain = rows.rename_columns([f"${i}" for i in range(rows.num_columns)])
    by_name = {info.name: info for info in infos}
    casts = compile_exprs([cast_to(plain, i, by_name[name]) for i, name in enumerate(targets)])
    schema = pa.schema([pa.field(info.name, info.type) for info in infos])
    for batch in plain.to_batches(max_chunksize=BATCH_ROWS):
        context.check()
        values = dict(zip(targets, casts(batch, context.instance.clock.now_us()), strict=True))
        columns = [_column(context, table, info, values.get(info.name), batch.num_rows) for info in infos]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def cast_to(rows: pa.Table, at: int, info: ColumnInfo) -> Expr:
    """A column of the rows as a column's type, by Hive's CAST; DatatypeMismatch (42804) when there is none."""
    if rows.column(at).null_count == rows.num_rows:  # bare NULLs of VALUES have a type of no meaning
        return Const(info.type, None)
    try:
        return rules("hive").to(InputRef(rows.schema.types[at], at, info.name), info.type)
    except CannotCoerce as error:
        raise DatatypeMismatch(f'column "{info.name}": {error.message}') from None


def _column(context: Context, table: FileTable, info: ColumnInfo, values: pa.Array | None, rows: int) -> pa.Array:
    if values is None and info.default is not None:
        values = constant(info.default, info, rows, context.instance.clock.now_us())
    elif values is None:
        values = pa.nulls(rows, info.type)
    if info.not_null and values.null_count:
        raise NotNullViolation(
            f'null value in column "{info.name}" of table "{table.name}" violates not-null constraint'
        )
    return values
