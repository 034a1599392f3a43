"""Column definitions of CREATE STREAM and CREATE TABLE: types looked up, computed columns typed, keys checked."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine import types
from sqlengine.catalog.objects import ColumnInfo, WatermarkInfo
from sqlengine.errors import DatatypeMismatch, DuplicateColumn, InvalidDefinition, UndefinedColumn, did_you_mean
from sqlengine.runtime.record_metadata import METADATA_TYPES, converts
from sqlengine.runtime.stored_expressions import bind_over
from sqlengine.sql import ast
from sqlengine.text_limits import limit_in, limit_of


def column_infos(columns: Sequence[ast.ColumnDef], key: Sequence[str] = ()) -> tuple[ColumnInfo, ...]:
    """The catalog's columns; computed ones may use every column that is not computed."""
    seen: set[str] = set()
    for c in columns:
        if c.name in seen:
            raise DuplicateColumn(f'column "{c.name}" specified more than once', position=c.position)
        seen.add(c.name)
    for name in key:
        if name not in seen:
            raise UndefinedColumn(f'column "{name}" named in key does not exist', hint=did_you_mean(name, seen))
    plain = {c.name: _plain(c, c.name in key) for c in columns if c.expr is None}
    base = list(plain.values())
    return tuple(plain[c.name] if c.expr is None else _computed(c, base) for c in columns)


def _plain(column: ast.ColumnDef, in_key: bool) -> ColumnInfo:
    if column.metadata is not None and column.metadata not in METADATA_TYPES:
        raise InvalidDefinition(
            f'unknown metadata "{column.metadata}"',
            hint="one of: " + ", ".join(METADATA_TYPES),
            position=column.position,
        )
    kind = types.from_sql(column.type_name or "", column.position)
    if column.metadata is not None and not converts(column.metadata, kind):
        raise DatatypeMismatch(
            f'metadata "{column.metadata}" cannot be of type {types.to_sql(kind)}',
            hint=f"it is {types.to_sql(METADATA_TYPES[column.metadata])}",
            position=column.position,
        )
    if column.default_text is not None:
        bind_over(column.default_text, ())
    return ColumnInfo(
        column.name,
        kind,
        not_null=column.not_null or column.primary_key or in_key,
        metadata=column.metadata,
        default=column.default_text,
        identity=_identity(column, kind),
        limit=limit_of(column.type_name or "", column.position),
        comment=column.comment,
    )


def _identity(column: ast.ColumnDef, kind: pa.DataType) -> str | None:
    if column.identity is not None and not types.is_integer(kind):
        raise InvalidDefinition(
            f'identity column "{column.name}" must be smallint, integer or bigint',
            sqlstate="22023",
            position=column.position,
        )
    if column.identity is not None and column.default_text is not None:
        raise InvalidDefinition(f'column "{column.name}" has both a default and an identity', position=column.position)
    return column.identity


def _computed(column: ast.ColumnDef, base: Sequence[ColumnInfo]) -> ColumnInfo:
    text = column.expr_text or ""
    kind = bind_over(text, base).type
    if column.type_name:
        kind = types.from_sql(column.type_name, column.position)
    return ColumnInfo(
        column.name,
        kind,
        computed=text,
        limit=limit_of(column.type_name or "", column.position),
        comment=column.comment,
    )


def watermark_info(mark: ast.WatermarkDef | None) -> WatermarkInfo | None:
    """The catalog's form of WATERMARK FOR."""
    return None if mark is None else WatermarkInfo(mark.column, mark.expr_text)


def infos_of_schema(schema: pa.Schema) -> tuple[ColumnInfo, ...]:
    """Columns as a query or a file brings them."""
    seen: set[str] = set()
    for name in schema.names:
        if name in seen:
            raise DuplicateColumn(f'column "{name}" specified more than once', hint="give one of them an alias")
        seen.add(name)
    return tuple(ColumnInfo(f.name, f.type, limit=limit_in(f)) for f in schema)
