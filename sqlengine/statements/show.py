"""SHOW and DESCRIBE: what exists, as ordinary result tables; most of it is the schema `system` under other words."""

from __future__ import annotations

import datetime as dt
import fnmatch
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import (
    CatalogObject,
    ColumnInfo,
    MaterializedView,
    Sink,
    Stream,
    Subscription,
    Table,
    TableSink,
    View,
    indexes_of,
)
from sqlengine.catalog.system import SYSTEM_SCHEMA, SYSTEM_TABLES
from sqlengine.errors import UndefinedObject, WrongObjectType, did_you_mean
from sqlengine.pg_settings import PG_SETTINGS
from sqlengine.pg_words import quote_ident, quote_text
from sqlengine.result import Result
from sqlengine.settings import is_setting, setting_help, setting_names, shown_name
from sqlengine.sql import ast
from sqlengine.sql.dialect import HIVE_FAMILY
from sqlengine.statements.context import Context
from sqlengine.statements.cursors import SubscriptionRows
from sqlengine.statements.functions import function_object
from sqlengine.statements.indexes import existing_index
from sqlengine.statements.pg_catalog import setting_text
from sqlengine.statements.system_rows import system_rows, table_of

TEXT = pa.string()


def show(statement: ast.Show, context: Context) -> Result:
    """SHOW what [FOR target] [LIKE pattern]."""
    if statement.what in LISTS:
        with context.instance.lock:
            table = LISTS[statement.what](context, statement)
        if statement.like is not None and not _is_hive_functions(context, statement):
            kept = [like(str(name), statement.like) for name in table.column(0).to_pylist()]
            table = table.filter(pa.array(kept, pa.bool_()))
        return Result("SHOW", table)
    if is_setting(statement.what):
        return Result(
            "SHOW", table_of([(shown_name(statement.what), TEXT)], [(setting_text(context, statement.what),)])
        )
    names = [*LISTS, *setting_names(), *PG_SETTINGS]
    raise UndefinedObject(
        f'unrecognized configuration parameter "{statement.what}"', hint=did_you_mean(statement.what, names)
    )


def like(text: str, pattern: str) -> bool:
    """SQL LIKE for names (case-insensitive, as psql)."""
    return fnmatch.fnmatchcase(text.lower(), pattern.lower().replace("%", "*").replace("_", "?"))


Listing = Callable[[Context, ast.Show], pa.Table]


def _system(name: str) -> Listing:
    return lambda context, statement: system_rows(context, SYSTEM_TABLES[f"{SYSTEM_SCHEMA}.{name}"])


def _is_hive_functions(context: Context, statement: ast.Show) -> bool:
    return statement.what == "functions" and context.settings.dialect in HIVE_FAMILY


def _functions(context: Context, statement: ast.Show) -> pa.Table:
    """In Hive's dialect the names alone, chosen by its own patterns."""
    if not _is_hive_functions(context, statement):
        return _system("functions")(context, statement)
    catalogue = import_module("sqlengine.expr.hive.catalogue")  # only who speaks Hive pays for it
    return table_of([("tab_name", TEXT)], [(name,) for name in catalogue.matching(statement.like)])


def _partitions(context: Context, statement: ast.Show) -> pa.Table:
    table = _system("partitions")(context, statement)
    return _about(table, object_name(statement.target)) if statement.target else table


def _errors(context: Context, statement: ast.Show) -> pa.Table:
    context.instance.catch_up(context.check)
    table = _system("errors")(context, statement)
    if statement.target is None:
        return table
    obj = context.instance.catalog.get(context.prefer_path(statement.target))
    return _about(table, obj.name).drop_columns(["object", "origin"])


def _privileges(context: Context, statement: ast.Show) -> pa.Table:
    """FOR: of an object or, if there is a role of that name, of what a role has."""
    table = _system("privileges")(context, statement)
    if statement.target is None:
        return table
    name = object_name(statement.target)
    of_role = context.instance.catalog.roles.find(name) is not None or name == "public"
    return table.filter(pc.equal(table["grantee" if of_role else "object"], name))


def _about(table: pa.Table, name: str) -> pa.Table:
    return table.filter(pc.equal(table.column(0), name))


def _create(context: Context, statement: ast.Show) -> pa.Table:
    assert statement.target is not None, "the grammar asks for a name"
    return _statement_of(context.instance.catalog.get(context.prefer_path(statement.target)))


def _create_function(context: Context, statement: ast.Show) -> pa.Table:
    assert statement.target is not None, "the grammar asks for a name"
    return _statement_of(function_object(statement.target, None, context))


def _create_index(context: Context, statement: ast.Show) -> pa.Table:
    assert statement.target is not None, "the grammar asks for a name"
    obj, index = existing_index(context, statement.target)
    on, columns = obj.name.split("."), ", ".join(map(quote_ident, index.columns))
    unique = "UNIQUE " if index.unique else ""
    made = f"CREATE {unique}INDEX {quote_ident(index.name)} ON {'.'.join(map(quote_ident, on))} ({columns});"
    return table_of([("name", TEXT), ("statement", TEXT)], [(".".join([*on[:-1], index.name]), made)])


def _statement_of(obj: CatalogObject) -> pa.Table:
    if not obj.sql:
        raise WrongObjectType(f'"{obj.name}" is a {obj.kind}: no statement made it')
    return table_of([("name", TEXT), ("statement", TEXT)], [(obj.name, obj.sql.strip().rstrip(";") + ";")])


def _cursors(context: Context, statement: ast.Show) -> pa.Table:
    """The cursors of this session."""
    rows = [
        (c.name, c.subscription or None, isinstance(c, SubscriptionRows) and c.reader.is_follower)
        for _, c in sorted(context.cursors.items())
    ]
    return table_of([("name", TEXT), ("subscription", TEXT), ("follows", pa.bool_())], rows)


def _indexes(context: Context, statement: ast.Show) -> pa.Table:
    """Primary keys and secondary indexes; FOR: those of an object."""
    objects = list(context.instance.catalog)
    if statement.target is not None:
        objects = [context.instance.catalog.get(context.prefer_path(statement.target))]
    rows = []
    for obj in objects:
        keys = obj.unique_keys()[:1] if isinstance(obj, Table) and obj.primary_key else ()
        for index in (*keys, *indexes_of(obj)):
            rows.append((index.name, obj.name, ", ".join(index.columns), index.unique, index.constraint))
    kinds = [("name", TEXT), ("on", TEXT), ("columns", TEXT), ("unique", pa.bool_()), ("constraint", pa.bool_())]
    return table_of(kinds, sorted(rows))


def _columns(context: Context, statement: ast.Show) -> pa.Table:
    assert statement.target is not None, "the grammar asks for a name"
    return table_of(_DESCRIPTION, _described(context.instance.catalog.get(context.prefer_path(statement.target))))


def _schemas(context: Context, statement: ast.Show) -> pa.Table:
    names = {"public", SYSTEM_SCHEMA, *(o.name for o in context.instance.catalog if o.kind == "schema")}
    return table_of([("name", TEXT)], [(n,) for n in sorted(names)])


def _every_setting(context: Context, statement: ast.Show) -> pa.Table:
    """SHOW ALL as PostgreSQL answers it."""
    rows = {n: (n, setting_text(context, n), setting_help(n)) for n in setting_names()}
    rows |= {n: (s.name, setting_text(context, n), rows[n][2] if n in rows else "") for n, s in PG_SETTINGS.items()}
    return table_of([("name", TEXT), ("setting", TEXT), ("description", TEXT)], [rows[n] for n in sorted(rows)])


_DESCRIPTION = [("column", TEXT), ("type", TEXT), ("nullable", pa.bool_()), ("extra", TEXT)]


def _described(obj: CatalogObject) -> list[tuple[Any, ...]]:
    return [
        (
            c.name,
            c.type_text,
            not c.not_null,
            _extra(c),
        )
        for c in obj.columns
    ]


def _extra(column: ColumnInfo) -> str | None:
    """What a column is made of where a row does not say it, and the comment on it."""
    words = (("AS", column.computed), ("METADATA", column.metadata), ("DEFAULT", column.default))
    made = next((f"{word} {text}" for word, text in words if text), None)
    remark = None if column.comment is None else f"COMMENT {quote_text(column.comment)}"
    return " ".join(filter(None, (made, remark))) or None


def describe(statement: ast.Describe, context: Context) -> Result:
    """DESCRIBE [EXTENDED] name."""
    with context.instance.lock:
        obj = context.instance.catalog.get(context.prefer_path(statement.target))
        rows = _described(obj)
        if statement.extended:
            rows = [*rows, *((f"# {k}", str(v), None, None) for k, v in _facts(obj).items() if v)]
    return Result("DESCRIBE", table_of(_DESCRIPTION, rows))


def _facts(obj: CatalogObject) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": obj.kind, "name": obj.name, "comment": obj.comment}
    if isinstance(obj, (Stream, Table)):
        facts |= {
            "topic": obj.topic,
            "watermark": f"{obj.watermark.column} AS {obj.watermark.expr}" if obj.watermark else None,
        }
        facts |= {f"option {k}": v for k, v in obj.options.items()}
    if isinstance(obj, Subscription):
        facts["retention"] = "forever" if obj.retention_us is None else dt.timedelta(microseconds=obj.retention_us)
    if isinstance(obj, Table):
        facts["primary key"] = ", ".join(obj.primary_key)
    for index in indexes_of(obj):
        unique = "unique, " if index.unique else ""
        facts[f"index {index.name}"] = f"{unique}({', '.join(index.columns)})"
    if isinstance(obj, (View, MaterializedView, Sink)):
        reads = obj.inputs
        facts |= {
            "writes": obj.into if isinstance(obj, TableSink) else None,
            "query": obj.query,
            "reads": ", ".join(reads),
        }
    return facts


LISTS: dict[str, Listing] = {
    "topics": _system("topics"),
    "partitions": _partitions,
    "consumer groups": _system("consumer_groups"),
    "segments": _system("segments"),
    "checkpoints": _system("checkpoints"),
    "replicas": _system("replicas"),
    "directories": _system("directories"),
    "producers": _system("producers"),
    "transactions": _system("transactions"),
    "streams": _system("streams"),
    "tables": _system("tables"),
    "views": _system("views"),
    "materialized views": _system("materialized_views"),
    "sinks": _system("sinks"),
    "subscriptions": _system("subscriptions"),
    "cursors": _cursors,
    "queries": _system("queries"),
    "operators": _system("operators"),
    "watermarks": _system("watermarks"),
    "late rows": _system("late_rows"),
    "functions": lambda context, statement: _functions(context, statement),
    "roles": _system("roles"),
    "users": _system("roles"),
    "privileges": _privileges,
    "grants": _privileges,
    "connectors": _system("connectors"),
    "settings": _system("settings"),
    "all": _every_setting,
    "errors": _errors,
    "create": _create,
    "create function": _create_function,
    "create index": _create_index,
    "columns": _columns,
    "indexes": _indexes,
    "schemas": _schemas,
    "databases": _schemas,
    "sources": _system("streams"),
}
