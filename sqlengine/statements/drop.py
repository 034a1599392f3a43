"""DROP, RENAME, COMMENT, CREATE SCHEMA."""

from __future__ import annotations

from dataclasses import replace

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import (
    CatalogObject,
    MaterializedView,
    Namespace,
    Sink,
    SqlFunction,
    Stream,
    Table,
    View,
)
from sqlengine.catalog.system import SYSTEM_SCHEMA
from sqlengine.errors import DependentObjects, DuplicateTable, NotSupportedError, UndefinedTable
from sqlengine.result import Result
from sqlengine.runtime.replacement import replacement_of
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.topics import get_topic, topic_names

KINDS: dict[str, type[CatalogObject]] = {
    "stream": Stream,
    "source": Stream,
    "table": Table,
    "view": View,
    "materialized view": MaterializedView,
    "sink": Sink,
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


def _drop_topic(statement: ast.Drop, name: str, context: Context) -> Result:
    instance = context.instance
    if statement.if_exists and name not in topic_names(context):
        context.notice(f'topic "{name}" does not exist, skipping')
        return Result("DROP TOPIC")
    get_topic(context, name)
    users = [o for o in instance.catalog if isinstance(o, (Stream, Table)) and o.topic == name]
    if users and not statement.cascade:
        raise DependentObjects(
            f"cannot drop topic {name} because other objects depend on it",
            detail="; ".join(f"{o.kind} {o.name} depends on topic {name}" for o in users),
            hint="use DROP ... CASCADE to drop the dependent objects too",
        )
    for user in users:
        drop_object(context, user, cascade=True)
    if name in topic_names(context):
        instance.storage.drop_topic(name)
    return Result("DROP TOPIC")


def drop_object(context: Context, obj: CatalogObject, cascade: bool) -> None:
    """Drop an object (and, cascading, its dependents first); a topic made for it goes too."""
    instance = context.instance
    if isinstance(obj, Namespace):
        inside = [o for o in instance.catalog if o.name.startswith(f"{obj.name}.")]
        if inside and not cascade:
            raise DependentObjects(f"cannot drop schema {obj.name} because it is not empty")
        for member in inside:
            if member.name in instance.catalog:
                drop_object(context, member, cascade=True)
    if not cascade:
        instance.catalog.refuse_if_needed(obj.name, obj.kind)
    for dependent in instance.catalog.dependents(obj.name):
        if dependent.name in instance.catalog:
            _drop_one(context, dependent)
    _drop_one(context, obj)


def _drop_one(context: Context, obj: CatalogObject) -> None:
    instance = context.instance
    if isinstance(obj, (MaterializedView, Sink)):
        instance.stop_query(obj.query_id)
        instance.waiting.pop(obj.name, None)
        instance.release_sink(obj.name)
    if isinstance(obj, MaterializedView):
        replacement = instance.catalog.find(tuple(replacement_of(obj).split(".")))
        if replacement is not None:
            _drop_one(context, replacement)
    if isinstance(obj, (Stream, Table)):
        ingest = instance.ingests.get(obj.name)
        instance.stop_ingest(obj.name)
        if ingest is not None:
            ingest.forget()
        instance.scheduler.sources.pop(obj.name, None)
        instance.identities.pop(obj.name, None)
    instance.catalog.drop(obj.name)
    if isinstance(obj, (Stream, Table)):
        shared = any(isinstance(o, (Stream, Table)) and o.topic == obj.topic for o in instance.catalog)
        if not shared and getattr(obj, "owns_topic", True) and obj.topic in topic_names(context):
            instance.storage.drop_topic(obj.topic)


def rename(statement: ast.Rename, context: Context) -> Result:
    """ALTER kind name RENAME TO new: refused while something depends on the name."""
    instance = context.instance
    with instance.lock:
        obj = instance.catalog.get(context.prefer_path(statement.name))
        schema, dot, _ = obj.name.rpartition(".")
        new_name = f"{schema}{dot}{statement.new_name}"
        if new_name in instance.catalog:
            raise DuplicateTable(f'relation "{new_name}" already exists')
        instance.catalog.refuse_if_needed(obj.name, obj.kind)
        instance.fills.refuse_change(obj.name)
        if isinstance(obj, (MaterializedView, Sink)):
            instance.query_of(obj).name = new_name
        if obj.name in instance.scheduler.sources:
            instance.scheduler.sources[new_name] = instance.scheduler.sources.pop(obj.name)
        if obj.name in instance.ingests:
            raise DependentObjects(f'cannot rename "{obj.name}" while its connector feeds it')
        if obj.name in instance.identities:
            instance.identities[new_name] = instance.identities.pop(obj.name)
        renamed = replace(obj, name=new_name)
        instance.catalog.drop(obj.name)
        instance.catalog.add(renamed)
    return Result(f"ALTER {statement.kind.upper()}")


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
        context.instance.catalog.add(Namespace(name=name, created_us=context.instance.clock.now_us()))
    return Result("CREATE SCHEMA")
