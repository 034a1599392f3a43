"""SHOW and DESCRIBE: what exists, as ordinary result tables."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from sqlengine import types
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import CatalogObject, MaterializedView, Sink, Stream, Table, View
from sqlengine.connectors import CONNECTORS
from sqlengine.errors import UndefinedObject, did_you_mean
from sqlengine.functions import listing
from sqlengine.result import Result
from sqlengine.settings import setting_help, setting_names
from sqlengine.sql import ast
from sqlengine.statements.context import Context

Rows = tuple[list[tuple[str, pa.DataType]], list[tuple[Any, ...]]]
TEXT, BIGINT, STAMP = pa.string(), pa.int64(), types.TIMESTAMPTZ


def table_of(columns: Sequence[tuple[str, pa.DataType]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """A result table from Python rows."""
    arrays = [pa.array([r[i] for r in rows], t) for i, (_, t) in enumerate(columns)]
    return pa.table(arrays, schema=pa.schema([pa.field(n, t) for n, t in columns]))


def show(statement: ast.Show, context: Context) -> Result:
    """SHOW what [FOR target] [LIKE pattern]."""
    if statement.what in LISTS:
        with context.instance.lock:
            columns, rows = LISTS[statement.what](context, statement)
        if statement.like is not None:
            rows = [r for r in rows if like(str(r[0]), statement.like)]
        return Result("SHOW", table_of(columns, rows))
    if statement.what.replace("-", "_") in setting_names() or statement.what in ("time_zone", "statement_timeout"):
        value = context.settings.get(statement.what)
        return Result("SHOW", table_of([(statement.what, TEXT)], [(str(value),)]))
    names = [*LISTS, *setting_names()]
    raise UndefinedObject(f'unrecognized name "{statement.what}" after SHOW', hint=did_you_mean(statement.what, names))


def like(text: str, pattern: str) -> bool:
    """SQL LIKE for names (case-insensitive, as psql)."""
    return fnmatch.fnmatchcase(text.lower(), pattern.lower().replace("%", "*").replace("_", "?"))


def _objects(context: Context, *kinds: type[CatalogObject]) -> list[CatalogObject]:
    return [o for o in sorted(context.instance.catalog, key=lambda o: o.name) if isinstance(o, kinds)]


def _topics(context: Context, statement: ast.Show) -> Rows:
    columns = [
        ("name", TEXT),
        ("partitions", BIGINT),
        ("records", BIGINT),
        ("bytes", BIGINT),
        ("durability", TEXT),
        ("payload", TEXT),
    ]
    return columns, [
        (
            t.name,
            len(t.partitions),
            sum(p.end_offset - p.start_offset for p in t.partitions),
            sum(p.size_bytes for p in t.partitions),
            t.config.durability,
            "bytes" if t.is_bytes else "arrow",
        )
        for t in sorted(context.instance.storage.topics(), key=lambda t: t.name)
    ]


def _partitions(context: Context, statement: ast.Show) -> Rows:
    columns = [
        ("topic", TEXT),
        ("partition", BIGINT),
        ("start_offset", BIGINT),
        ("end_offset", BIGINT),
        ("high_watermark", BIGINT),
        ("bytes", BIGINT),
    ]
    wanted = object_name(statement.target) if statement.target else None
    return columns, [
        (t.name, i, p.start_offset, p.end_offset, p.high_watermark, p.size_bytes)
        for t in sorted(context.instance.storage.topics(), key=lambda t: t.name)
        if wanted in (None, t.name)
        for i, p in enumerate(t.partitions)
    ]


def _streams(context: Context, statement: ast.Show) -> Rows:
    columns = [("name", TEXT), ("topic", TEXT), ("format", TEXT), ("connector", TEXT), ("watermark", TEXT)]
    return columns, [
        (s.name, s.topic, s.format, s.connector, f"{s.watermark.column} AS {s.watermark.expr}" if s.watermark else None)
        for s in _objects(context, Stream)
        if isinstance(s, Stream)
    ]


def _tables(context: Context, statement: ast.Show) -> Rows:
    columns = [("name", TEXT), ("primary_key", TEXT), ("topic", TEXT), ("rows", BIGINT)]
    rows = []
    for t in _objects(context, Table):
        assert isinstance(t, Table)
        store = context.instance.scheduler.sources[t.name].store
        rows.append((t.name, ", ".join(t.primary_key) or None, t.topic, store.num_rows if store else 0))
    return columns, rows


def _views(context: Context, statement: ast.Show) -> Rows:
    columns = [("name", TEXT), ("kind", TEXT), ("query", TEXT)]
    return columns, [
        (v.name, v.kind, v.query)
        for v in _objects(context, View, MaterializedView)
        if isinstance(v, (View, MaterializedView))
    ]


def _materialized(context: Context, statement: ast.Show) -> Rows:
    columns = [("name", TEXT), ("query_id", TEXT), ("rows", BIGINT), ("emit", TEXT), ("maintained", TEXT)]
    rows = []
    for v in _objects(context, MaterializedView):
        assert isinstance(v, MaterializedView)
        if v.name in context.instance.waiting:
            rows.append((v.name, v.query_id, 0, v.emit.mode, f"waiting: {context.instance.waiting[v.name].message}"))
            continue
        query = context.instance.query_of(v)
        kind = "incremental" if query.reason is None else f"recompute: {query.reason}"
        rows.append((v.name, v.query_id, query.store.num_rows if query.store else 0, v.emit.mode, kind))
    return columns, rows


def _sinks(context: Context, statement: ast.Show) -> Rows:
    columns = [("name", TEXT), ("connector", TEXT), ("query_id", TEXT), ("guarantee", TEXT)]
    return columns, [
        (s.name, s.connector, s.query_id, "at least once") for s in _objects(context, Sink) if isinstance(s, Sink)
    ]


def _queries(context: Context, statement: ast.Show) -> Rows:
    columns = [
        ("query_id", TEXT),
        ("name", TEXT),
        ("status", TEXT),
        ("maintained", TEXT),
        ("rows_in", BIGINT),
        ("rows_out", BIGINT),
        ("late_rows", BIGINT),
        ("errors", BIGINT),
        ("state_rows", BIGINT),
        ("state_bytes", BIGINT),
        ("watermark", STAMP),
        ("error", TEXT),
    ]
    rows: list[tuple[Any, ...]] = []
    for q in context.instance.scheduler.queries.values():
        size = q.dataflow.state_size()
        rows.append(
            (
                q.query_id,
                q.name,
                q.status,
                "incremental" if q.reason is None else f"recompute: {q.reason}",
                q.counters.rows_in,
                q.counters.rows_out,
                q.counters.late_rows,
                q.counters.errors,
                size["rows"],
                size["bytes"],
                visible_watermark(q.dataflow.watermark_us),
                q.error.message if q.error else None,
            )
        )
    for obj in _objects(context, MaterializedView, Sink):
        if isinstance(obj, (MaterializedView, Sink)) and obj.name in context.instance.waiting:
            unknown = (None,) * 7
            rows.append((obj.query_id, obj.name, "waiting", None, *unknown, context.instance.waiting[obj.name].message))
    return columns, rows


def visible_watermark(watermark_us: int) -> int | None:
    """A watermark people may see: None for the marks before any event, after all, and where there is none."""
    far = 250_000_000_000_000_000
    return watermark_us if abs(watermark_us) < far else None


def _watermarks(context: Context, statement: ast.Show) -> Rows:
    columns = [("query", TEXT), ("source", TEXT), ("partition", BIGINT), ("watermark", STAMP)]
    return columns, [
        (q.name, name, partition, visible_watermark(at))
        for q in context.instance.scheduler.queries.values()
        for name, tracker in q.dataflow.trackers.items()
        for partition, at in sorted(tracker.by_partition().items())
    ]


def _functions(context: Context, statement: ast.Show) -> Rows:
    columns = [("name", TEXT), ("arguments", TEXT), ("kind", TEXT), ("description", TEXT)]
    rows: list[tuple[Any, ...]] = [row for row in listing() if row[2] != "operator"]
    for user in context.instance.functions.all():
        kind = "scalar" if user.function is not None else "aggregate"
        rows.append((user.name, user.signature.text, f"user {kind}", user.description))
    return columns, sorted(rows)


def _connectors(context: Context, statement: ast.Show) -> Rows:
    columns = [("name", TEXT), ("source", pa.bool_()), ("sink", pa.bool_()), ("description", TEXT)]
    return columns, [(c.name, c.source is not None, c.sink is not None, c.description) for c in CONNECTORS]


def _settings(context: Context, statement: ast.Show) -> Rows:
    columns = [("name", TEXT), ("value", TEXT), ("description", TEXT)]
    return columns, [(n, str(context.settings.get(n)), setting_help(n)) for n in setting_names()]


def _errors(context: Context, statement: ast.Show) -> Rows:
    columns = [
        ("time", STAMP),
        ("reason", TEXT),
        ("sqlstate", TEXT),
        ("partition", BIGINT),
        ("offset", BIGINT),
        ("raw", TEXT),
    ]
    assert statement.target is not None, "the grammar asks for FOR name"
    obj = context.instance.catalog.get(context.prefer_path(statement.target))
    context.instance.catch_up(context.check)
    found = context.instance.side_topics.errors(context.instance.error_topic(obj)).to_pylist()
    return columns, [
        (r["time"], r["reason"], r["sqlstate"], r["partition"], r["offset"], r["raw"].decode("utf-8", "replace"))
        for r in found
    ]


def _create(context: Context, statement: ast.Show) -> Rows:
    assert statement.target is not None, "the grammar asks for a name"
    obj = context.instance.catalog.get(context.prefer_path(statement.target))
    return [("name", TEXT), ("statement", TEXT)], [(obj.name, obj.sql.strip().rstrip(";") + ";")]


def _columns(context: Context, statement: ast.Show) -> Rows:
    assert statement.target is not None, "the grammar asks for a name"
    return _described(context.instance.catalog.get(context.prefer_path(statement.target)))


def _schemas(context: Context, statement: ast.Show) -> Rows:
    names = {"public", *(o.name for o in context.instance.catalog if o.kind == "schema")}
    return [("name", TEXT)], [(n,) for n in sorted(names)]


def _described(obj: CatalogObject) -> Rows:
    columns = [("column", TEXT), ("type", TEXT), ("nullable", pa.bool_()), ("extra", TEXT)]
    return columns, [
        (
            c.name,
            types.to_sql(c.type),
            not c.not_null,
            f"AS {c.computed}"
            if c.computed
            else f"METADATA {c.metadata}"
            if c.metadata
            else f"DEFAULT {c.default}"
            if c.default
            else None,
        )
        for c in obj.columns
    ]


def describe(statement: ast.Describe, context: Context) -> Result:
    """DESCRIBE [EXTENDED] name."""
    with context.instance.lock:
        obj = context.instance.catalog.get(context.prefer_path(statement.target))
        columns, rows = _described(obj)
        if statement.extended:
            rows = [*rows, *((f"# {k}", str(v), None, None) for k, v in _facts(obj).items() if v)]
    return Result("DESCRIBE", table_of(columns, rows))


def _facts(obj: CatalogObject) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": obj.kind, "name": obj.name, "comment": obj.comment}
    if isinstance(obj, (Stream, Table)):
        facts |= {
            "topic": obj.topic,
            "watermark": f"{obj.watermark.column} AS {obj.watermark.expr}" if obj.watermark else None,
        }
        facts |= {f"option {k}": v for k, v in obj.options.items()}
    if isinstance(obj, Table):
        facts["primary key"] = ", ".join(obj.primary_key)
    if isinstance(obj, (View, MaterializedView, Sink)):
        facts |= {"query": obj.query, "reads": ", ".join(obj.depends_on())}
    return facts


LISTS: dict[str, Callable[[Context, ast.Show], Rows]] = {
    "topics": _topics,
    "partitions": _partitions,
    "streams": _streams,
    "tables": _tables,
    "views": _views,
    "materialized views": _materialized,
    "sinks": _sinks,
    "queries": _queries,
    "watermarks": _watermarks,
    "functions": _functions,
    "connectors": _connectors,
    "settings": _settings,
    "all": _settings,
    "errors": _errors,
    "create": _create,
    "columns": _columns,
    "schemas": _schemas,
    "databases": _schemas,
    "sources": _streams,
}
