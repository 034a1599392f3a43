"""TRUNCATE: the rows of a topic or a table go."""

from __future__ import annotations

from collections.abc import Collection

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import Stream, Table
from sqlengine.errors import DependentObjects
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.change import delete_all
from sqlengine.statements.context import Context
from sqlengine.statements.topics import get_topic


def truncate(statement: ast.Truncate, context: Context) -> Result:
    """TRUNCATE [TABLE | TOPIC] name; DependentObjects (2BP01) where a continuous query reads what only grows."""
    with context.instance.lock:
        if statement.kind == "topic":
            _truncate_topic(statement, context)
        else:
            _truncate_table(statement, context)
    return Result(f"TRUNCATE {statement.kind.upper()}")


def _truncate_topic(statement: ast.Truncate, context: Context) -> None:
    name = get_topic(context, object_name(statement.name)).name
    readers = [o.name for o in context.instance.catalog if isinstance(o, (Stream, Table)) and o.topic == name]
    _refuse_if_read(statement, context, readers)
    _clear(context, name, readers)


def _truncate_table(statement: ast.Truncate, context: Context) -> None:
    """With its topic; where queries are to follow, or the transaction can be rolled back, row by row as DELETE does."""
    path = context.prefer_path(statement.name)
    context.instance.catalog.get(path)  # where there is nothing PostgreSQL says "relation"
    table = context.instance.catalog.get_as(Table, path)
    if table.append_only:
        _refuse_if_read(statement, context, [table.name])
    elif context.transaction is not None or _queries_over(context, [table.name]):
        delete_all(context, table)
        return
    _clear(context, table.topic, [table.name])


def _queries_over(context: Context, readers: Collection[str]) -> list[str]:
    """The continuous queries that read one of these."""
    return [q.name for q in context.instance.scheduler.queries.values() if set(q.sources) & set(readers)]


def _refuse_if_read(statement: ast.Truncate, context: Context, readers: Collection[str]) -> None:
    users = _queries_over(context, readers)
    if users:
        raise DependentObjects(
            f"cannot truncate {statement.kind} {object_name(statement.name)} because continuous queries read it",
            detail="; ".join(f"{u} reads it" for u in users),
        )


def _clear(context: Context, topic: str, readers: Collection[str]) -> None:
    """Empty a topic; what is declared over it starts anew."""
    instance = context.instance
    instance.storage.truncate_topic(topic)
    for reader in readers:
        instance.scheduler.sources.pop(reader, None)
        obj = instance.catalog.get(tuple(reader.split(".")))
        if isinstance(obj, Table):
            instance.start_table(obj)
    instance.checkpoints.save()  # the last one has the rows, and nothing else tells that they are gone
