"""Bringing rows from outside under an object's columns: names, types, defaults, NOT NULL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pyarrow as pa

from sqlengine import types
from sqlengine.catalog.objects import ColumnInfo
from sqlengine.errors import (
    DataError,
    DatatypeMismatch,
    DuplicateColumn,
    NotNullViolation,
    OutOfRange,
    StringTooLong,
    UndefinedColumn,
    did_you_mean,
)
from sqlengine.functions.casting import cast_kernel, castable
from sqlengine.functions.from_arrow import aligned
from sqlengine.json_canonical import normal_texts

Default = Callable[[ColumnInfo, int], pa.Array]
"""A column's DEFAULT for n rows."""


def conform(
    rows: pa.Table,
    columns: Sequence[ColumnInfo],
    named: Sequence[str] | None,
    default: Default,
    relation: str,
    keys: Collection[str] = (),
) -> pa.Table:
    """`rows` as a table of exactly `columns` of a relation, in their order and types.

    `named`: the target column of each of the rows' columns (None: by position when INSERT had no list).  Columns not
    named take their default, else NULL.  `keys`: columns of unique keys, in which equal values are to be the same, as
    they are in all types but jsonb.  Raises UndefinedColumn, DuplicateColumn, DatatypeMismatch, InvalidText,
    InvalidDatetime, OutOfRange, StringTooLong (22001), NotNullViolation (23502).
    """
    targets = list(named) if named is not None else [c.name for c in columns][: rows.num_columns]
    known = {c.name: c for c in columns}
    check_columns(targets, known, relation)
    if rows.num_columns != len(targets):
        more = (
            "more expressions than target columns"
            if rows.num_columns > len(targets)
            else "more target columns than expressions"
        )
        raise DatatypeMismatch(f"INSERT has {more}", sqlstate="42601")
    given = {name: rows.column(i) for i, name in enumerate(targets)}
    arrays = []
    for info in columns:
        column = given.get(info.name)
        if column is None:
            column = pa.chunked_array([default(info, rows.num_rows)])
        made = required(limited(cast_column(column, info), info), info, relation)
        arrays.append(_normal(made) if info.type == types.JSONB and info.name in keys else made)
    return pa.table(arrays, schema=pa.schema([pa.field(c.name, c.type) for c in columns]))


def _normal(column: pa.ChunkedArray) -> pa.ChunkedArray:
    chunks = [pa.ExtensionArray.from_storage(types.JSONB, normal_texts(chunk.storage)) for chunk in column.chunks]
    return pa.chunked_array(chunks, types.JSONB)


def check_columns(names: Sequence[str], known: Collection[str], relation: str) -> None:
    """UndefinedColumn (42703), DuplicateColumn (42701) unless each name is one of the relation's, and another."""
    for at, name in enumerate(names):
        if name not in known:
            raise UndefinedColumn(
                f'column "{name}" of relation "{_bare(relation)}" does not exist', hint=did_you_mean(name, known)
            )
        if name in names[:at]:
            raise DuplicateColumn(f'column "{name}" specified more than once')


def _bare(relation: str) -> str:
    return relation.rpartition(".")[2]


def limited(column: pa.ChunkedArray, info: ColumnInfo) -> pa.ChunkedArray:
    """The column as a VARCHAR(n) or CHAR(n) keeps it, where it is one; StringTooLong (22001) names it."""
    if info.limit is None:
        return column
    try:
        return info.limit.stored(column)
    except StringTooLong as error:
        raise StringTooLong(error.message, detail=f'column "{info.name}"') from None


def required(column: pa.ChunkedArray, info: ColumnInfo, relation: str) -> pa.ChunkedArray:
    """The column, which NotNullViolation (23502) refuses where it must have no NULL and has one."""
    if info.not_null and column.null_count:
        raise NotNullViolation(
            f'null value in column "{info.name}" of relation "{_bare(relation)}" violates not-null constraint'
        )
    return column


def cast_column(column: pa.ChunkedArray, info: ColumnInfo) -> pa.ChunkedArray:
    """The column as the declared type: what CAST would make of it, with CAST's errors and the column's name."""
    if column.type == info.type:
        return column
    try:
        chunks = [aligned(chunk, info.type) for chunk in column.chunks or [pa.array([], column.type)]]
        have = chunks[0].type
        if types.is_numeric(have) and pa.types.is_boolean(info.type):
            raise _mismatch(have, info)
        if pa.types.is_boolean(have) and types.is_numeric(info.type):
            raise _mismatch(have, info)
        if castable(have, info.type):
            kernel = cast_kernel(have, info.type)
            return pa.chunked_array([kernel(chunk) for chunk in chunks], info.type)
        if types.is_numeric(have) and pa.types.is_temporal(info.type):  # Arrow would count microseconds or days
            raise pa.ArrowTypeError("numbers are no moments")
        plain = pa.chunked_array([_storage(chunk) for chunk in chunks], types.storage_type(have))
        return _wrap(plain.cast(types.storage_type(info.type)), info.type)
    except (DataError, DatatypeMismatch) as error:
        detail = None if f'"{info.name}"' in error.message else f'column "{info.name}"'
        raise type(error)(error.message, sqlstate=error.sqlstate, detail=detail, hint=error.hint) from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise _cast_error(error, column.type, info) from None


def _storage(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _wrap(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if not isinstance(kind, pa.BaseExtensionType):
        return column
    return pa.chunked_array([pa.ExtensionArray.from_storage(kind, c) for c in column.chunks], kind)


def _cast_error(error: Exception, have: pa.DataType, info: ColumnInfo) -> OutOfRange | DatatypeMismatch:
    text = str(error).splitlines()[0]
    want = types.to_sql(info.type)
    if types.is_numeric(have) and types.is_numeric(info.type):
        return OutOfRange(f'value out of range for type {want} in column "{info.name}"', detail=text)
    return _mismatch(have, info)


def _mismatch(have: pa.DataType, info: ColumnInfo) -> DatatypeMismatch:
    return DatatypeMismatch(
        f'column "{info.name}" is of type {types.to_sql(info.type)} but expression is of type {types.to_sql(have)}',
        hint="you will need to rewrite or cast the expression",
    )
