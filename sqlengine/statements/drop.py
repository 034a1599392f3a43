"""DROP, COMMENT, CREATE SCHEMA."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlengine import warehouse
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import (
    FOLLOWED,
    REPLACEMENT,
    STREAM_QUERY,
    CatalogObject,
    ColumnInfo,
    FileTable,
    MaterializedView,
    Namespace,
    Sink,
    SqlFunction,
    Stream,
    Subscription,
    Table,
    TableSink,
    View,
)
from sqlengine.catalog.system import SYSTEM_SCHEMA
from sqlengine.errors import (
    DependentObjects,
    DuplicateTable,
    NotSupportedError,
    UndefinedColumn,
    UndefinedFunction,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.file_tables import description_of, overrides_of, remove_empty
from sqlengine.runtime.outputs import ConnectorOutput
from sqlengine.runtime.replacement import replacement_of
from sqlengine.runtime.subscription import remove_topic
from sqlengine.runtime.table_output import TableOutput
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.functions import function_object
from sqlengine.statements.indexes import drop_index
from sqlengine.statements.row_expiry import forget
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
        if statement.kind == "index":
            return drop_index(statement, context)
        if statement.kind not in KINDS:
            raise NotSupportedError(f"{tag} is not supported yet")
        if statement.kind == "function":
            return _drop_function(statement, context)
        if statement.if_exists and context.instance.catalog.find(statement.name) is None:
            context.notice(f'{statement.kind} "{name}" does not exist, skipping')
            return Result(tag)
        name_there = context.prefer_path(statement.name)
        found = context.instance.catalog.find(name_there)
        is_files = isinstance(found, FileTable) and (
            statement.kind == "table" or (statement.kind == "view" and is_source_view(context, found))
        )
        obj = found if is_files and found else context.instance.catalog.get_as(KINDS[statement.kind], name_there)
        drop_object(context, obj, statement.cascade)
    return Result(tag)


def _drop_function(statement: ast.Drop, context: Context) -> Result:
    try:
        obj = function_object(statement.name, statement.arguments, context)
    except UndefinedFunction as error:
        if not statement.if_exists:
            raise
        context.notice(f"{error.message}, skipping")
    else:
        drop_object(context, obj, statement.cascade)
    return Result("DROP FUNCTION")


def is_source_view(context: Context, table: FileTable) -> bool:
    """Whether it is a view USING files, which Spark's CREATE TEMPORARY VIEW has made in this session."""
    return table.is_external and context.instance.catalog.oid(table.name) in context.temporary


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
    _drop_together(context, _over_members(context, "topic", name, users, statement.cascade), topic=name)
    return Result("DROP TOPIC")


def _over_members(
    context: Context, kind: str, name: str, members: list[CatalogObject], cascade: bool
) -> list[CatalogObject]:
    """What belongs to a topic or schema and all that depends on it, in the order to drop it in: DependentObjects
    (2BP01) unless cascading."""
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
    _tell(context, list(over.values()))
    return list(over.values())


def _tell(context: Context, objects: list[CatalogObject]) -> None:
    """Say what goes as well."""
    shown = [o for o in reversed(objects) if not o.name.endswith((STREAM_QUERY, REPLACEMENT))]
    lines = [f"drop cascades to {o.kind} {o.name}" for o in shown]
    if len(lines) > 1:
        lines = [f"drop cascades to {len(lines)} other objects\nDETAIL: " + "\n".join(lines)]
    for line in lines:
        context.notice(line)


def drop_object(context: Context, obj: CatalogObject, cascade: bool) -> None:
    """Drop an object (and, cascading, its dependents first); a topic made for it goes too."""
    catalog = context.instance.catalog
    members: list[CatalogObject] = []
    if isinstance(obj, Namespace):
        inside = [o for o in catalog if o.name.startswith(f"{obj.name}.")]
        members = _over_members(context, "schema", obj.name, inside, cascade)
    if not cascade:
        catalog.refuse_if_needed(obj.name, obj.kind)
    over = catalog.dependents(obj.name)
    _tell(context, over)
    _drop_together(context, [*members, *over, obj])


def drop_alone(context: Context, obj: CatalogObject) -> None:
    """Drop an object whose dependents, plain views, stay."""
    _drop_together(context, [obj])


def _drop_together(context: Context, objects: list[CatalogObject], topic: str | None = None) -> None:
    """Drop objects in this order, with what is theirs alone and perhaps a topic: all of them or, after a crash, none.

    What sinks hold back is shown first; the catalog then forgets everything at once, and topics that are left go when
    the database is opened.
    """
    instance = context.instance
    whole = {o.name: o for obj in objects for o in [*_parts(obj, context), obj] if o.name in instance.catalog}
    topics = {each: None for obj in whole.values() if (each := _own_topic(obj, whole, context)) is not None}
    if topic is not None:
        topics[topic] = None
    _release_sinks(context, whole.values())
    kept = [obj.topic for obj in whole.values() if isinstance(obj, (Subscription, TableSink))]
    instance.catalog.change((), list(whole), [*topics, *kept])
    for obj in whole.values():
        _let_go(context, obj)
    for name in topics:
        drop_topic(context, name)


def _parts(obj: CatalogObject, context: Context) -> list[CatalogObject]:
    """What is there for an object alone: what is to replace a view, the query that writes a stream."""
    names = [replacement_of(obj)] if isinstance(obj, MaterializedView) else [obj.name + STREAM_QUERY]
    names = [obj.name + FOLLOWED] if isinstance(obj, FileTable) else names
    found = [context.instance.catalog.find(tuple(name.split("."))) for name in names]
    return [part for part in found if part is not None]


def _release_sinks(context: Context, objects: Collection[CatalogObject]) -> None:
    """Have sinks show what they hold back, and end them."""
    instance = context.instance
    outputs = {obj.name: instance.outputs.get(obj.name) for obj in objects}
    for output in outputs.values():
        if isinstance(output, TableOutput):
            output.let_all_go()
    if any(isinstance(output, (ConnectorOutput, TableOutput)) for output in outputs.values()):
        instance.scheduler.catch_up(context.check)  # what was acknowledged before leaves with the rest
    for obj in objects:
        if isinstance(obj, Sink) and isinstance(outputs[obj.name], ConnectorOutput):
            instance.stop_query(obj.query_id)
            instance.release_sink(obj.name, "nothing")


def _let_go(context: Context, obj: CatalogObject) -> None:
    """End what runs for an object that the catalog has forgotten."""
    instance = context.instance
    if isinstance(obj, (MaterializedView, Sink)):
        instance.stop_query(obj.query_id)
        instance.waiting.pop(obj.name, None)
        instance.release_sink(obj.name, "nothing")
    if isinstance(obj, (Stream, Table)):
        ingest = instance.ingests.get(obj.name)
        instance.stop_ingest(obj.name)
        if ingest is not None:
            ingest.forget()
        instance.scheduler.sources.pop(obj.name, None)
        instance.identities.pop(obj.name, None)
    if isinstance(obj, Table):
        forget(instance, obj.topic)
    if isinstance(obj, SqlFunction):
        instance.functions.forget(obj.called)
    if isinstance(obj, FileTable):
        warehouse.drop_table(description_of(obj), overrides_of(obj))
    if isinstance(obj, Namespace):
        stated = obj.location or warehouse.database_location(instance.warehouse.location, obj.name)
        remove_empty(stated)
    if isinstance(obj, (Subscription, TableSink)):
        remove_topic(instance.storage, obj.topic)
        instance.catalog.forget_unowned(obj.topic)


def _own_topic(obj: CatalogObject, dropped: Collection[str], context: Context) -> str | None:
    """The topic that goes with an object, if all who read it are dropped."""
    if not isinstance(obj, (Stream, Table)) or obj.topic not in topic_names(context):
        return None
    others = [o for o in context.instance.catalog if isinstance(o, (Stream, Table)) and o.name not in dropped]
    is_shared = any(o.topic == obj.topic for o in others)
    return obj.topic if getattr(obj, "owns_topic", True) and not is_shared else None


def comment(statement: ast.Comment, context: Context) -> Result:
    """COMMENT ON kind name IS '...'."""
    instance = context.instance
    with instance.lock:
        path = context.prefer_path(statement.name)
        of_function = statement.kind == "function"
        obj = (
            function_object(statement.name, statement.arguments, context)
            if of_function
            else instance.catalog.find(path)
        )
        if obj is None:
            instance.catalog.get(path)  # raises unless the system has it
            raise WrongObjectType(f'"{object_name(statement.name)}" is a system table')
        if statement.column is None:
            instance.catalog.update(obj, comment=statement.comment)
        else:
            instance.catalog.update(obj, columns=_with_comment(obj, statement.column, statement.comment))
    return Result("COMMENT")


def _with_comment(obj: CatalogObject, column: str, text: str | None) -> tuple[ColumnInfo, ...]:
    """The columns with a comment on one of them."""
    names = [c.name for c in obj.columns]
    if column not in names:
        raise UndefinedColumn(
            f'column "{column}" of relation "{obj.name}" does not exist', hint=did_you_mean(column, names)
        )
    return tuple(replace(c, comment=text) if c.name == column else c for c in obj.columns)


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
