"""ALTER SYSTEM ADD and DROP REPLICA; ALTER TOPIC ... REPAIR, ADD, DROP and SET REPLICAS, ELECT UNCLEAN LEADER."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlengine.catalog.catalog import object_name
from sqlengine.errors import InvalidParameter, QueryCanceled, UndefinedObject
from sqlengine.result import Result
from sqlengine.runtime.subscription import spread_topics
from sqlengine.runtime.tick_journal import TickJournal
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.topics import get_topic
from storage import DirectoryNotFound, Storage, TopicNotFound


def alter_system(statement: ast.AlterSystem, context: Context) -> Result:
    """ALTER SYSTEM ADD REPLICA: one more directory, for topics whose replication_factor is raised; DROP REPLICA: one
    less, when nothing needs it any more.
    """
    if not statement.directory:
        raise InvalidParameter("the directory's name is empty", position=statement.at)
    storage, journal = context.instance.storage, context.instance.scheduler.journal
    more = statement.action == "add"
    if more:
        storage.add_replica(statement.directory)
    elif journal is not None and storage.directories():
        _spread(journal, storage, len(storage.directories()) - 1)
    try:
        if not more:
            _drop_replica(statement, context)
    finally:
        if journal is not None and storage.directories():
            _spread(journal, storage, len(storage.directories()))
    return Result("ALTER SYSTEM")


def _spread(journal: TickJournal, storage: Storage, directories: int) -> None:
    """The engine's own topics have a replica in so many directories."""
    journal.spread(directories)
    spread_topics(storage, directories)


def _drop_replica(statement: ast.AlterSystem, context: Context) -> None:
    """Wait until the directory is dropped; when that is cancelled, the error says how far it was."""

    def check(moved: int, partitions: int) -> None:
        try:
            context.check()
        except QueryCanceled as error:
            error.detail = f"{moved} of {partitions} partitions had no replica in the directory; it stays in use"
            raise

    try:
        left = context.instance.storage.drop_replica(statement.directory, check)
    except DirectoryNotFound as error:
        raise UndefinedObject(error.message, hint=error.hint, position=statement.at) from error
    if left is not None:
        context.notice(f'files of the database are left in directory "{statement.directory}": {left}')


def alter_replicas(statement: ast.AlterReplicas, context: Context) -> Result:
    """What is asked for of the replicas of a topic's partitions."""
    name = get_topic(context, object_name(statement.topic)).name
    try:
        _ACTIONS[statement.action](statement, name, context)
    except TopicNotFound as error:
        raise UndefinedObject(error.message, hint=error.hint, position=statement.at) from error
    return Result("ALTER TOPIC")


def _repair(statement: ast.AlterReplicas, name: str, context: Context) -> None:
    """Read everything, bring back what is damaged or behind; say what was done and what could not be."""

    def check(done: int, partitions: int) -> None:
        try:
            context.check()
        except QueryCanceled as error:
            error.detail = f"{done} of {partitions} partitions were found or made whole"
            raise

    found = context.instance.storage.repair_topic(name, statement.partition, check)
    for each in found.repaired:
        context.notice(f'the replica of partition {each.partition} in directory "{each.directory}" was repaired')
    for each in found.broken:
        where = f'partition {each.partition} in directory "{each.directory}"'
        context.notice(f"the replica of {where} is still out of sync: {each.error}")


def _assign(statement: ast.AlterReplicas, name: str, context: Context) -> None:
    """Begin to move a partition to the directories that are named."""
    assert statement.partition is not None
    with _named_directories(statement):
        context.instance.storage.assign_replicas(name, statement.partition, statement.directories)


def _add(statement: ast.AlterReplicas, name: str, context: Context) -> None:
    """Begin to replicate the topic to one more directory."""
    with _named_directories(statement):
        context.instance.storage.add_topic_replica(name, statement.directories[0])


def _drop(statement: ast.AlterReplicas, name: str, context: Context) -> None:
    """Begin to replicate the topic to one directory less."""
    with _named_directories(statement):
        context.instance.storage.drop_topic_replica(name, statement.directories[0])


@contextmanager
def _named_directories(statement: ast.AlterReplicas) -> Iterator[None]:
    """Errors of the directories in a statement are told with their place in it."""
    for directory, position in zip(statement.directories, statement.positions, strict=True):
        if not directory:
            raise InvalidParameter("the directory's name is empty", position=position)
    try:
        yield
    except DirectoryNotFound as error:
        raise UndefinedObject(error.message, hint=error.hint, position=statement.positions[0]) from error


def _elect(statement: ast.AlterReplicas, name: str, context: Context) -> None:
    """Let the partition go on, and say what that may have cost."""
    assert statement.partition is not None
    loss = context.instance.storage.elect_unclean(name, statement.partition)
    absent = f"; directories that had all of them and cannot be used: {', '.join(loss.absent)}" if loss.absent else ""
    context.notice(
        f'partition {statement.partition} of topic "{name}" goes on with what directory "{loss.directory}" has: '
        f"records from offset {loss.end_offset} on that had been committed are lost{absent}"
    )


_ACTIONS = {"repair": _repair, "assign": _assign, "elect": _elect, "add": _add, "drop": _drop}
