"""DROP, RENAME, COMMENT, CREATE SCHEMA."""

from __future__ import annotations

from dataclasses import replace

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import (
    REPLACEMENT,
    STREAM_QUERY,
    CatalogObject,
    MaterializedView,
    Namespace,
    Sink,
    SqlFunction,
    Stream,
    Subscription,
    Table,
    View,
)
from sqlengine.catalog.system import SYSTEM_SCHEMA
from sqlengine.errors import DependentObjects, DuplicateTable, NotSupportedError, UndefinedTable
from sqlengine.result import Result
from sqlengine.runtime.outputs import ConnectorOutput
from sqlengine.runtime.replacement import replacement_of
from sqlengine.runtime.subscription import remove_topic
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.topics import drop_topic, get_topic, topic_names

KINDS: dict[str, type[CatalogObject]] = {
    "stream": Stream,
    "source": Stream,
    "table": Table,
    "view": View,
    "materialized view": MaterializedView,
    "sink": Sink,
    "subscription": Subscription,
    "schema": Namespace,
    "function": SqlFunction,
}


def drop(statement: ast.Drop, context: Context) -> Result:
    """DROP kind [IF EXISTS] name [CASCADE]."""
    tag = f"DROP {statement.kind.upper()}"
    name = object_name(statement.name)
    with context.instance.lock:
        if statement.kind == "topic":
            return _drop_topic(statement, name, context)
        if statement.kind not in KINDS:
            raise NotSupportedError(f"{tag} is not supported yet")
        if statement.if_exists and context.instance.catalog.find(statement.name) is None:
            context.notice(f'{statement.kind} "{name}" does not exist, skipping')
            return Result(tag)
        obj = context.instance.catalog.get_as(KINDS[statement.kind], context.prefer_path(statement.name), None)
        drop_object(context, obj, statement.cascade)
    return Result(tag)


def drop_temporary(context: Context) -> None:
    """Drop the session's temporary tables, and what depends on them."""
    catalog = context.instance.catalog
    with context.instance.lock:
        made, context.temporary = context.temporary, []
        for obj in catalog:
            if obj.name in catalog and catalog.oid(obj.name) in made:
                drop_object(context, obj, cascade=True)


def _drop_topic(statement: ast.Drop, name: str, context: Context) -> Result:
    instance = context.instance
    if statement.if_exists and name not in topic_names(context):
        context.notice(f'topic "{name}" does not exist, skipping')
        return Result("DROP TOPIC")
    get_topic(context, name)
    users: list[CatalogObject] = [o for o in instance.catalog if isinstance(o, (Stream, Table)) and o.topic == name]
    _drop_members(context, "topic", name, users, statement.cascade)
    if name in topic_names(context):
        drop_topic(context, name)
    return Result("DROP TOPIC")


def _drop_members(context: Context, kind: str, name: str, members: list[CatalogObject], cascade: bool) -> None:
    """Drop what belongs to a topic or schema and all that depends on it: DependentObjects (2BP01) unless cascading."""
    catalog = context.instance.catalog
    members = [o for o in members if not o.name.endswith(STREAM_QUERY)]
    if members and not cascade:
        lines = [f"{o.kind} {o.name} depends on {kind} {name}" for o in members]
        lines += [line for o in members for line in catalog.dependencies(o.name, o.kind)]
        raise DependentObjects(
            f"cannot drop {kind} {name} because other objects depend on it",
            detail="\n".join(dict.fromkeys(lines)),
            hint="use DROP ... CASCADE to drop the dependent objects too",
        )
    over = {o.name: o for member in members for o in [*catalog.dependents(member.name), member]}
    _drop_all(context, list(over.values()))


def _drop_all(context: Context, objects: list[CatalogObject]) -> None:
    """Drop in this order, and say so."""
    shown = [o for o in reversed(objects) if not o.name.endswith((STREAM_QUERY, REPLACEMENT))]
    lines = [f"drop cascades to {o.kind} {o.name}" for o in shown]
    if len(lines) > 1:
        lines = [f"drop cascades to {len(lines)} other objects\nDETAIL: " + "\n".join(lines)]
    for line in lines:
        context.notice(line)
    for obj in objects:
        if obj.name in context.instance.catalog:
            _drop_one(context, obj)


def drop_object(context: Context, obj: CatalogObject, cascade: bool) -> None:
    """Drop an object (and, cascading, its dependents first); a topic made for it goes too."""
    catalog = context.instance.catalog
    if isinstance(obj, Namespace):
        _drop_members(context, "schema", obj.name, [o for o in catalog if o.name.startswith(f"{obj.name}.")], cascade)
    if not cascade:
        catalog.refuse_if_needed(obj.name, obj.kind)
    _drop_all(context, catalog.dependents(obj.name))
    _drop_one(context, obj)


def _drop_one(context: Context, obj: CatalogObject) -> None:
    instance = context.instance
    if isinstance(obj, (MaterializedView, Sink)):
        if isinstance(instance.outputs.get(obj.name), ConnectorOutput):
            instance.scheduler.catch_up(context.check)  # what was acknowledged before leaves with the rest
        instance.stop_query(obj.query_id)
        instance.waiting.pop(obj.name, None)
        instance.release_sink(obj.name, "nothing")
    if isinstance(obj, MaterializedView):
        replacement = instance.catalog.find(tuple(replacement_of(obj).split(".")))
        if replacement is not None:
            _drop_one(context, replacement)
    if isinstance(obj, Stream) and (written := instance.catalog.find(tuple((obj.name + STREAM_QUERY).split(".")))):
        _drop_one(context, written)
    if isinstance(obj, (Stream, Table)):
        ingest = instance.ingests.get(obj.name)
        instance.stop_ingest(obj.name)
        if ingest is not None:
            ingest.forget()
        instance.scheduler.sources.pop(obj.name, None)
        instance.identities.pop(obj.name, None)
    topic = _own_topic(obj, context)
    if topic is not None:
        instance.catalog.note_unowned(topic)
    instance.catalog.drop(obj.name)
    if isinstance(obj, Subscription):
        remove_topic(instance.storage, obj)
    if topic is not None:
        drop_topic(context, topic)


def _own_topic(obj: CatalogObject, context: Context) -> str | None:
    """The topic that goes with an object."""
    if not isinstance(obj, (Stream, Table)) or obj.topic not in topic_names(context):
        return None
    others = [o for o in context.instance.catalog if isinstance(o, (Stream, Table)) and o.name != obj.name]
    is_shared = any(o.topic == obj.topic for o in others)
    return obj.topic if getattr(obj, "owns_topic", True) and not is_shared else None


def rename(statement: ast.Rename, context: Context) -> Result:
    """ALTER kind name RENAME TO new: refused while something depends on the name."""
    instance = context.instance
    with instance.lock:
        obj = instance.catalog.get(context.prefer_path(statement.name))
        schema, dot, _ = obj.name.rpartition(".")
        new_name = f"{schema}{dot}{statement.new_name}"
        if new_name in instance.catalog:
            raise DuplicateTable(f'relation "{new_name}" already exists')
        instance.catalog.refuse_if_needed(obj.name, obj.kind, "rename")
        instance.fills.refuse_change(obj.name)
        if obj.name in instance.ingests:
            raise DependentObjects(f'cannot rename "{obj.name}" while its connector feeds it')
        _rename(context, obj, new_name)
        written = instance.catalog.find(tuple((obj.name + STREAM_QUERY).split(".")))
        if written is not None:
            _rename(context, written, new_name + STREAM_QUERY)
    return Result(f"ALTER {statement.kind.upper()}")


def _rename(context: Context, obj: CatalogObject, new_name: str) -> None:
    instance = context.instance
    query = instance.query_of(obj) if isinstance(obj, (MaterializedView, Sink)) else None
    instance.catalog.change([replace(obj, name=new_name)], without=obj.name)
    if query is not None:
        query.name = new_name
    if obj.name in instance.scheduler.sources:
        instance.scheduler.sources[new_name] = instance.scheduler.sources.pop(obj.name)
    if obj.name in instance.identities:
        instance.identities[new_name] = instance.identities.pop(obj.name)
    if obj.name in instance.outputs:
        instance.outputs[new_name] = instance.outputs.pop(obj.name)
    if obj.name in instance.scheduler.timers:
        instance.scheduler.timers[new_name] = instance.scheduler.timers.pop(obj.name)
    if obj.name in instance.scheduler.derived:
        instance.scheduler.derived.remove(obj.name)
        instance.scheduler.derived.add(new_name)


def comment(statement: ast.Comment, context: Context) -> Result:
    """COMMENT ON kind name IS '...'."""
    instance = context.instance
    with instance.lock:
        obj = instance.catalog.find(context.prefer_path(statement.name))
        if obj is None:
            raise UndefinedTable(f'{statement.kind} "{object_name(statement.name)}" does not exist')
        instance.catalog.update(obj, comment=statement.comment)
    return Result("COMMENT")


def create_schema(statement: ast.CreateSchema, context: Context) -> Result:
    """CREATE SCHEMA | DATABASE."""
    name = object_name(statement.name)
    with context.instance.lock:
        if name in ("public", SYSTEM_SCHEMA) or name in context.instance.catalog:
            if statement.if_not_exists:
                context.notice(f'schema "{name}" already exists, skipping')
                return Result("CREATE SCHEMA")
            raise DuplicateTable(f'schema "{name}" already exists', sqlstate="42P06")
        made = Namespace(name=name, created_us=context.instance.clock.now_us())
        context.instance.catalog.add(context.owned(made))
    return Result("CREATE SCHEMA")
