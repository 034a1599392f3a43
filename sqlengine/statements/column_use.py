"""Who needs a column of a stream or table: objects that read it, and what the object itself says of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlengine import sql
from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import (
    STREAM_QUERY,
    CatalogObject,
    MaterializedView,
    PlanningInfo,
    Sink,
    Stream,
    Table,
    TableSink,
    View,
    indexes_of,
)
from sqlengine.catalog.seen import unseen
from sqlengine.errors import Error, ObjectInUse
from sqlengine.plan import nodes
from sqlengine.plan.nodes import Node
from sqlengine.runtime.planning import Planning, emit_of
from sqlengine.runtime.stored_expressions import bind_over
from sqlengine.sql import ast
from sqlengine.statements.context import Context


def readers(context: Context, new: Stream | Table) -> list[CatalogObject]:
    """The objects over a stream or table whose queries would mean something else, or nothing, were it `new`, and the
    sinks that write a column which it would not have as it is; nearest last. The caller holds the lock.

    They are planned as things are and as they would be: whatever way a query comes by a column (`*`, a natural join, a
    name that was another table's alone), it shows in the plan.
    """
    catalog = context.instance.catalog
    now, then = Planning(context.instance, catalog), Planning(context.instance, catalog.with_object(new))
    over = [o for o in catalog.dependents(new.name) if isinstance(o, (View, MaterializedView, Sink))]
    return [
        obj
        for obj in over
        if _writes_other(obj, catalog, new) or plan_of(obj, now) is None or plan_of(obj, now) != plan_of(obj, then)
    ]


def _writes_other(obj: CatalogObject, catalog: Catalog, new: Stream | Table) -> bool:
    """Whether it is a sink that writes a column which `new` does not have, or has with another type."""
    if not isinstance(obj, TableSink) or obj.into != new.name:
        return False
    now = {c.stored_name: c.type for c in catalog.get(tuple(new.name.split("."))).columns}
    then = {c.stored_name: c.type for c in new.columns}
    return any(then.get(target) != now[target] for target in obj.targets)


def plan_of(obj: View | MaterializedView | Sink, planning: Planning) -> Node | None:
    """The plan of an object's query; None when it has none."""
    emit, info = ast.Emit(), PlanningInfo()
    if isinstance(obj, (MaterializedView, Sink)):
        emit, info = emit_of(obj), unseen(obj.planning)
    try:
        return planning.plan(sql.parse_query(obj.query), emit, info).physical
    except Error:
        return None


def read_by(catalog: Catalog, reader: CatalogObject) -> list[CatalogObject]:
    """What a reader's plan is made of: streams, tables and plain views."""
    found: dict[str, CatalogObject] = {}
    todo = list(reader.depends_on())
    while todo:
        obj = catalog.find(tuple(todo.pop().split(".")))
        if isinstance(obj, (View, Stream, Table)) and obj.name not in found:
            found[obj.name] = obj
            todo += obj.depends_on()
    return list(found.values())


def shown(obj: CatalogObject) -> str:
    """An object as messages call it: what writes a stream is the stream."""
    if obj.name.endswith(STREAM_QUERY):
        return f"stream {obj.name.removesuffix(STREAM_QUERY)}"
    return f"{obj.kind} {obj.name}"


def refuse_running(
    context: Context,
    obj: Stream | Table,
    columns: Collection[str],
    *,
    but: Sequence[CatalogObject] = (),
) -> None:
    """ObjectInUse (55006) while a query reads one of the columns, those of the objects `but` left aside."""
    going = {getattr(o, "query_id", "") for o in but}
    for query in context.instance.scheduler.queries.values():
        if query.query_id in going:
            continue
        scans = [scan for scan in _scans(query.plan) if scan.source == obj.name]
        stored = {c.stored_name for c in obj.columns if c.name in columns}
        if any(scan.whole or stored & set(scan.columns) for scan in scans):
            raise ObjectInUse(
                f'cannot alter {obj.kind} "{obj.name}" because query {query.query_id} ("{query.name}") is reading it',
                hint="end the query first",
            )


def _scans(plan: Node) -> list[nodes.Scan]:
    found = [plan] if isinstance(plan, nodes.Scan) else []
    return [*found, *(scan for below in plan.inputs for scan in _scans(below))]


def own_uses(obj: Stream | Table, column: str) -> list[str]:
    """What of the object itself needs a column: its key, its watermark, constraints and computed columns."""
    found = []
    if isinstance(obj, Table) and column in obj.primary_key:
        found.append(f"the primary key of table {obj.name}")
    if isinstance(obj, Stream) and column in key_option(obj):
        found.append(f"the key of stream {obj.name}")
    if obj.watermark is not None and (column == obj.watermark.column or _reads(obj, obj.watermark.expr, column)):
        found.append(f"the watermark of {obj.kind} {obj.name}")
    found += [f"column {name} of {obj.kind} {obj.name}" for name in computed_of(obj, column)]
    return [*found, *(f"constraint {name} on table {obj.name}" for name in constraints_of(obj, column))]


def unique_indexes_of(obj: Stream | Table, column: str) -> list[str]:
    """Names of the UNIQUE indexes on a column that are no constraints."""
    return [i.name for i in indexes_of(obj) if i.unique and not i.constraint and column in i.columns]


def computed_of(obj: Stream | Table, column: str) -> list[str]:
    """Names of the computed columns made of a column."""
    return [c.name for c in obj.columns if c.computed is not None and _reads(obj, c.computed, column)]


def constraints_of(obj: Stream | Table, column: str) -> list[str]:
    """Names of the CHECK and UNIQUE constraints on a column."""
    if not isinstance(obj, Table):
        return []
    uniques = [index.name for index in obj.indexes if index.constraint and column in index.columns]
    return [*(check.name for check in obj.checks if _reads(obj, check.expr, column)), *uniques]


def key_option(stream: Stream) -> list[str]:
    """The columns of a stream's option `key`."""
    return [name.strip() for name in stream.options.get("key", "").split(",") if name.strip()]


def _reads(obj: Stream | Table, text: str, column: str) -> bool:
    """Whether an expression over the object's columns needs one of them."""
    try:
        bind_over(text, [c for c in obj.columns if c.name != column])
    except Error:
        return True
    return False
