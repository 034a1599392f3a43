"""ALTER and DROP CONSUMER GROUP: where the programs that read topics by `storage.Consumer` go on."""

from __future__ import annotations

from sqlengine.catalog.catalog import object_name
from sqlengine.errors import UndefinedObject, did_you_mean
from sqlengine.result import Result
from sqlengine.runtime.sources import timestamp_us
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.topics import get_topic
from storage import Place, places


def alter_group(statement: ast.AlterConsumerGroup, context: Context) -> Result:
    """RESET TO a place, in all topics the group has read, or in one."""
    topic = get_topic(context, object_name(statement.topic)).name if statement.topic is not None else None
    if topic is None:
        _require(context, statement.group)
    context.instance.storage.groups.reset(statement.group, _place(statement), topic)
    return Result("ALTER CONSUMER GROUP")


def drop_group(statement: ast.DropConsumerGroup, context: Context) -> Result:
    """DROP CONSUMER GROUP: its offsets are forgotten."""
    if statement.if_exists and statement.group not in context.instance.storage.groups.names():
        context.notice(f'consumer group "{statement.group}" does not exist, skipping')
        return Result("DROP CONSUMER GROUP")
    _require(context, statement.group)
    context.instance.storage.groups.drop(statement.group)
    return Result("DROP CONSUMER GROUP")


def _place(statement: ast.AlterConsumerGroup) -> Place:
    """Where to, as storage finds it."""
    value = statement.value or ""
    match statement.to:
        case "earliest":
            return places.earliest
        case "latest":
            return places.latest
        case "offset":
            return places.at_offset(int(value))
        case _:
            return places.at_timestamp(timestamp_us(value))


def _require(context: Context, group: str) -> None:
    """UndefinedObject (42704) with the nearest names if there is no such group."""
    names = context.instance.storage.groups.names()
    if group not in names:
        raise UndefinedObject(f'consumer group "{group}" does not exist', hint=did_you_mean(group, names))
