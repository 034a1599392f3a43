"""CREATE and ALTER TOPIC; and making topics on behalf of streams and tables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import pyarrow as pa

from sqlengine.catalog.authority import topic_target
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import Stream, Table
from sqlengine.catalog.privileges import Access
from sqlengine.errors import (
    DuplicateTable,
    InvalidParameter,
    UndefinedTable,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.tick_journal import is_internal
from sqlengine.sql import ast
from sqlengine.statements.compaction import key_of, key_of_topic
from sqlengine.statements.context import Context
from sqlengine.statements.options import refuse_reserved, topic_changes
from storage import Topic, TopicConfig


def topic_names(context: Context) -> set[str]:
    """Names of all topics but the engine's own."""
    return {t.name for t in context.instance.storage.topics() if not is_internal(t.name)}


def get_topic(context: Context, name: str, position: int | None = None) -> Topic:
    """The topic, or UndefinedTable (42P01) with the nearest names."""
    names = topic_names(context)
    if name not in names:
        raise UndefinedTable(f'topic "{name}" does not exist', hint=did_you_mean(name, names), position=position)
    return context.instance.storage.topic(name)


def topic_name(context: Context, name: str, options: Mapping[str, str]) -> str:
    """The topic of a new stream or table: what its options say, else its own name; a number goes with that where the
    topic so called is the own one of something that has been renamed."""
    renamed = {
        o.topic
        for o in context.instance.catalog
        if isinstance(o, (Stream, Table)) and o.topic != o.name and "topic" not in o.options
    }
    if "topic" in options or name not in renamed:
        return options.get("topic", name)
    taken = topic_names(context)
    return next(other for n in count(2) if (other := f"{name}_{n}") not in taken)


def make_topic(context: Context, obj: Stream | Table, schema: pa.Schema | None, options: dict[str, str]) -> Topic:
    """A new topic for a stream or table; an empty untyped topic of that name takes the schema."""
    storage, name = context.instance.storage, obj.topic
    if name not in topic_names(context):
        refuse_reserved(name)
        config = TopicConfig(**topic_changes(options))
        if config.compacts:
            config = config.changed(key_of(obj, context))
        context.instance.catalog.note_unowned(name)
        return storage.create_topic(name, schema, config)
    topic = storage.topic(name)
    if options:
        raise InvalidParameter(
            f'topic "{name}" exists: its options cannot be given again ({", ".join(options)})',
            hint=f"use ALTER TOPIC {name} SET (...)",
        )
    if schema is not None and topic.is_bytes and not any(log.end_offset for log in topic.partitions):
        config = topic.config.changed(key_of(obj, context)) if topic.config.compacts else topic.config
        storage.drop_topic(name)
        return storage.create_topic(name, schema, config)
    return topic


def create_topic(statement: ast.CreateTopic, context: Context) -> Result:
    """CREATE TOPIC."""
    name = object_name(statement.name)
    if name in topic_names(context):
        if statement.if_not_exists:
            context.notice(f'topic "{name}" already exists, skipping')
            return Result("CREATE TOPIC")
        raise DuplicateTable(f'topic "{name}" already exists')
    refuse_reserved(name)
    with context.instance.lock:
        context.instance.catalog.forget_unowned(name)
    context.instance.storage.create_topic(name, None, TopicConfig(**topic_changes(dict(statement.options))))
    with context.instance.lock:
        context.instance.catalog.set_access("topic", name, Access(context.role.current))
    return Result("CREATE TOPIC")


def drop_topic(context: Context, name: str) -> None:
    """Drop a topic that is there; the caller holds the lock."""
    context.instance.storage.drop_topic(name)
    context.instance.catalog.set_access("topic", name, None)
    context.instance.catalog.forget_unowned(name)


def keep_topic_owner(context: Context, name: str) -> None:
    """A topic that is there stays its owner's when a stream or table is declared over it; the caller holds the lock."""
    catalog = context.instance.catalog
    if name in topic_names(context) and catalog.access_of("topic", name) is None:
        catalog.set_access("topic", name, topic_target(catalog, name).access)


def alter_topic(statement: ast.AlterTopic, context: Context) -> Result:
    """ALTER TOPIC SET (...) and ADD PARTITIONS n."""
    topic = get_topic(context, object_name(statement.name))
    changes = topic_changes(dict(statement.options))
    if statement.add_partitions:
        changes["partitions"] = topic.config.partitions + statement.add_partitions
    with context.instance.lock:
        if changes.get("cleanup", "delete") != "delete":
            changes |= key_of_topic(topic, context)
        context.instance.storage.alter_topic(topic.name, **changes)
    return Result("ALTER TOPIC")
