"""What GetTables, GetColumns and their like answer, of the objects a session's role may use.

Source: the result sets of Hive's operations of those names, which are JDBC's DatabaseMetaData.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import pyarrow as pa

from sqlengine.catalog.authority import Authority, schema_of, target_of
from sqlengine.catalog.catalog import DEFAULT_SCHEMA
from sqlengine.catalog.objects import CatalogObject, ColumnInfo, MaterializedView, Namespace, Stream, Table, View
from sqlengine.catalog.system import SYSTEM_SCHEMA, SYSTEM_TABLES
from sqlengine.functions import BUILTINS, aggregates
from sqlengine.quick_dataclass import dataclass
from sqlengine.server.hive.types import HIVE_TYPES, STRING, column_size, decimal_digits, hive_type, type_name
from sqlengine.sql.dialect import HIVE_FAMILY
from sqlengine.statements.context import Context

DEFAULT_DATABASE = "default"
"""Hive's name for the schema a session begins in."""
_TABLE_TYPES: tuple[tuple[type[CatalogObject], str], ...] = (
    (Stream, "TABLE"),
    (Table, "TABLE"),
    (View, "VIEW"),
    (MaterializedView, "MATERIALIZED_VIEW"),
)
_SYSTEM_TABLE = "SYSTEM TABLE"
_NO_NULLS, _NULLABLE = 0, 1
_NO_TABLE_FUNCTION = 1
_SEARCHABLE, _NOT_SEARCHABLE = 3, 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A table or view as clients know it."""

    database: str
    name: str
    type: str
    obj: CatalogObject


def database_name(schema: str) -> str:
    """A schema's name as Hive's clients know it."""
    return DEFAULT_DATABASE if schema == DEFAULT_SCHEMA else schema


# ---------------------------------------------------------------- patterns


def matcher(pattern: str | None) -> Callable[[str], bool]:
    """Whether a name, in any case, fits a pattern of JDBC: `%` any characters, `_` one, a backslash before either makes
    it stand for itself.  `*` and `.*` are understood as `%`: Hive makes regular expressions of patterns, and some
    clients count on it.  None fits all."""
    if pattern is None:
        return lambda name: True
    parts = re.findall(r"\\[%_\\]|\.\*|.", pattern, re.DOTALL)
    expression = re.compile("".join(map(_part, parts)), re.IGNORECASE | re.DOTALL)
    return lambda name: expression.fullmatch(name) is not None


def _part(part: str) -> str:
    if part in ("%", "*", ".*"):
        return ".*"
    if part == "_":
        return "."
    return re.escape(part[1:] if len(part) == 2 and part[0] == "\\" else part)


# ---------------------------------------------------------------- objects


def _shown(context: Context, database: str | None, name: str | None) -> list[Shown]:
    """The tables and views that fit, by database and name."""
    fits_database, fits_name = matcher(database or None), matcher(name)
    found = [shown for shown in _all(context) if fits_database(shown.database) and fits_name(shown.name)]
    return sorted(found, key=lambda shown: (shown.database, shown.name))


def _all(context: Context) -> Iterator[Shown]:
    catalog = context.instance.catalog
    authority = Authority(catalog, context.role.current)
    with context.instance.lock:
        objects = list(catalog)
    for obj in objects:
        kind = next((word for cls, word in _TABLE_TYPES if isinstance(obj, cls)), None)
        if kind is not None and "$" not in obj.name and _may_use(authority, obj):
            schema = schema_of(obj.name)
            yield Shown(database_name(schema), obj.name.rpartition(".")[2], kind, obj)
    for system in SYSTEM_TABLES.values():
        yield Shown(SYSTEM_SCHEMA, system.name.rpartition(".")[2], _SYSTEM_TABLE, system)


def _may_use(authority: Authority, obj: CatalogObject) -> bool:
    """As information_schema has it: whoever owns it or has any privilege on it may see it."""
    target = target_of(obj)
    return authority.owns(target) or any(
        authority.may_any_column(target, privilege)
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES")
    )


# ---------------------------------------------------------------- answers


def schemas(context: Context, schema: str | None) -> pa.Table:
    """GetSchemas."""
    fits = matcher(schema or None)
    with context.instance.lock:
        own = [obj.name for obj in context.instance.catalog if isinstance(obj, Namespace)]
    names = sorted({DEFAULT_DATABASE, SYSTEM_SCHEMA, *own})
    return _table({"TABLE_SCHEM": pa.string(), "TABLE_CATALOG": pa.string()}, [(n, "") for n in names if fits(n)])


def catalogs() -> pa.Table:
    """GetCatalogs: there are none."""
    return _table({"TABLE_CAT": pa.string()}, [])


def tables(context: Context, schema: str | None, name: str | None, kinds: Sequence[str] | None) -> pa.Table:
    """GetTables; kinds None: all."""
    wanted = None if kinds is None else {kind.upper() for kind in kinds}
    found = [s for s in _shown(context, schema, name) if wanted is None or s.type in wanted]
    found.sort(key=lambda shown: shown.type)
    names = ("TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS", "TYPE_CAT", "TYPE_SCHEM", "TYPE_NAME")
    columns = dict.fromkeys((*names, "SELF_REFERENCING_COL_NAME", "REF_GENERATION"), pa.string())
    rows = [("", s.database, s.name, s.type, s.obj.comment, *[None] * 5) for s in found]
    return _table(columns, rows)


def table_types() -> pa.Table:
    """GetTableTypes."""
    names = sorted({_SYSTEM_TABLE, *(word for _, word in _TABLE_TYPES)})
    return _table({"TABLE_TYPE": pa.string()}, [(name,) for name in names])


_COLUMNS: dict[str, pa.DataType] = {
    "TABLE_CAT": pa.string(),
    "TABLE_SCHEM": pa.string(),
    "TABLE_NAME": pa.string(),
    "COLUMN_NAME": pa.string(),
    "DATA_TYPE": pa.int32(),
    "TYPE_NAME": pa.string(),
    "COLUMN_SIZE": pa.int32(),
    "BUFFER_LENGTH": pa.int8(),
    "DECIMAL_DIGITS": pa.int32(),
    "NUM_PREC_RADIX": pa.int32(),
    "NULLABLE": pa.int32(),
    "REMARKS": pa.string(),
    "COLUMN_DEF": pa.string(),
    "SQL_DATA_TYPE": pa.int32(),
    "SQL_DATETIME_SUB": pa.int32(),
    "CHAR_OCTET_LENGTH": pa.int32(),
    "ORDINAL_POSITION": pa.int32(),
    "IS_NULLABLE": pa.string(),
    "SCOPE_CATALOG": pa.string(),
    "SCOPE_SCHEMA": pa.string(),
    "SCOPE_TABLE": pa.string(),
    "SOURCE_DATA_TYPE": pa.int16(),
    "IS_AUTO_INCREMENT": pa.string(),
}


def columns(context: Context, schema: str | None, name: str | None, column: str | None) -> pa.Table:
    """GetColumns."""
    fits = matcher(column)
    rows = [
        _column_row(shown, info, position)
        for shown in _shown(context, schema, name)
        for position, info in enumerate(shown.obj.columns, 1)
        if fits(info.name)
    ]
    return _table(_COLUMNS, rows)


def _column_row(shown: Shown, info: ColumnInfo, position: int) -> tuple[Any, ...]:
    kind = hive_type(info.type)
    radix = 10 if kind.digits is not None else None
    required = info.not_null or info.name in getattr(shown.obj, "primary_key", ())
    place = (None, shown.database, shown.name, info.name)
    size = (column_size(info.type), None, decimal_digits(info.type), radix)
    rest = (None, info.default, None, None, None, position, "NO" if required else "YES", None, None, None, None)
    nullable = _NO_NULLS if required else _NULLABLE
    return (*place, kind.java, type_name(info.type), *size, nullable, *rest, "YES" if info.identity else "NO")


_TYPE_INFO: dict[str, pa.DataType] = {
    "TYPE_NAME": pa.string(),
    "DATA_TYPE": pa.int32(),
    "PRECISION": pa.int32(),
    "LITERAL_PREFIX": pa.string(),
    "LITERAL_SUFFIX": pa.string(),
    "CREATE_PARAMS": pa.string(),
    "NULLABLE": pa.int16(),
    "CASE_SENSITIVE": pa.bool_(),
    "SEARCHABLE": pa.int16(),
    "UNSIGNED_ATTRIBUTE": pa.bool_(),
    "FIXED_PREC_SCALE": pa.bool_(),
    "AUTO_INCREMENT": pa.bool_(),
    "LOCAL_TYPE_NAME": pa.string(),
    "MINIMUM_SCALE": pa.int16(),
    "MAXIMUM_SCALE": pa.int16(),
    "SQL_DATA_TYPE": pa.int32(),
    "SQL_DATETIME_SUB": pa.int32(),
    "NUM_PREC_RADIX": pa.int32(),
}


def type_info() -> pa.Table:
    """GetTypeInfo."""
    rows = []
    for kind in HIVE_TYPES:
        is_number = kind.digits is not None
        searchable = _NOT_SEARCHABLE if kind.is_complex else _SEARCHABLE
        flags = (_NULLABLE, kind is STRING, searchable, not is_number, False, False, None, 0, 0, None, None)
        rows.append((kind.name, kind.java, kind.digits, None, None, None, *flags, 10 if is_number else None))
    return _table(_TYPE_INFO, rows)


def functions(context: Context, name: str | None) -> pa.Table:
    """GetFunctions."""
    fits = matcher(name)
    described = dict(_described(context))
    text = pa.string()
    kinds = {"FUNCTION_CAT": text, "FUNCTION_SCHEM": text, "FUNCTION_NAME": text, "REMARKS": text}
    rows = [
        (None, None, function, described[function], _NO_TABLE_FUNCTION, function)
        for function in sorted(described)
        if fits(function)
    ]
    return _table({**kinds, "FUNCTION_TYPE": pa.int32(), "SPECIFIC_NAME": text}, rows)


def _described(context: Context) -> Iterator[tuple[str, str]]:
    """Names of functions and what they do, of the session's dialect."""
    if context.settings.dialect in HIVE_FAMILY:
        catalogue = import_module("sqlengine.expr.hive.catalogue")  # only who speaks Hive pays for it
        for name in catalogue.names():
            yield name, catalogue.entry(name).words
    else:
        yield from _our_own()
    for user in context.instance.functions.all():
        yield user.name, "a function of the program"


def _our_own() -> Iterator[tuple[str, str]]:
    for name in BUILTINS.names():
        yield name, BUILTINS.lookup(name)[0].description
    for name in aggregates.names():
        found = aggregates.aggregate(name)
        if found is not None:
            yield name, found.description


def primary_keys(context: Context, schema: str | None, name: str | None) -> pa.Table:
    """GetPrimaryKeys; the names are no patterns."""
    text = pa.string()
    kinds = {"TABLE_CAT": text, "TABLE_SCHEM": text, "TABLE_NAME": text, "COLUMN_NAME": text}
    rows = [
        (None, shown.database, shown.name, column, sequence, f"{shown.name}_pkey")
        for shown in _all(context)
        if isinstance(shown.obj, Table)
        and (not schema or shown.database == schema.lower())
        and (name is None or shown.name == name.lower())
        for sequence, column in enumerate(shown.obj.primary_key, 1)
    ]
    return _table({**kinds, "KEQ_SEQ": pa.int32(), "PK_NAME": text}, rows)


def cross_reference() -> pa.Table:
    """GetCrossReference: there are no foreign keys."""
    text, number = pa.string(), pa.int32()
    place = ("TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "COLUMN_NAME")
    kinds = {**{f"PK{n}": text for n in place}, **{f"FK{n}": text for n in place}}
    rest = {"KEQ_SEQ": number, "UPDATE_RULE": number, "DELETE_RULE": number, "FK_NAME": text, "PK_NAME": text}
    return _table({**kinds, **rest, "DEFERRABILITY": number}, [])


def logs(lines: Sequence[str]) -> pa.RecordBatch:
    """What FetchResults tells of an operation's log."""
    return pa.record_batch({"operation_log": pa.array(lines, pa.string())})


def _table(kinds: dict[str, pa.DataType], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    values = list(zip(*rows, strict=True)) if rows else [()] * len(kinds)
    return pa.table({name: pa.array(v, kind) for (name, kind), v in zip(kinds.items(), values, strict=True)})
