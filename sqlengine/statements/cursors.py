"""DECLARE ... SUBSCRIPTION CURSOR, FETCH and CLOSE: a subscription's changes, some rows at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pyarrow as pa

from sqlengine.catalog.measures import duration_us
from sqlengine.catalog.objects import Subscription
from sqlengine.errors import DuplicateColumn, InvalidParameter, UndefinedObject, did_you_mean
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Result
from sqlengine.runtime.subscriber import Subscriber, follow, read_since
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.scrolling import only_forward
from sqlengine.statements.subscribe import HEAD, changelog

TIMEOUT = "timeout"


@dataclass
class CursorRows(ABC):
    """What FETCH reads. `subscription`: the name of the one it reads, "" for none; `hold`: it outlives its
    transaction; `is_binary`: clients get its values in binary."""

    name: str
    subscription: str
    schema: pa.Schema
    hold: bool
    is_binary: bool

    @abstractmethod
    def take(self, wanted: ast.Fetch, timeout_s: float, context: Context) -> pa.Table:
        """The rows it passes; 55000 for a way it cannot go."""

    @abstractmethod
    def close(self) -> None:
        """Read no more; idempotent."""


@dataclass
class ComingRows(CursorRows):
    """Of what goes on coming. `left`: rows that have been read and nobody has fetched yet."""

    left: pa.RecordBatch | None

    @abstractmethod
    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """The next rows, one at least; None when there are none within the time."""

    def take(self, wanted: ast.Fetch, timeout_s: float, context: Context) -> pa.Table:
        """Forward alone: rows that were fetched are not kept."""
        if wanted.way not in ("forward", "relative") or (wanted.rows is not None and wanted.rows < 0):
            raise only_forward("changes are not kept once they are fetched: declare the cursor for a query")
        if wanted.way == "forward" or not wanted.rows:
            return self._fetch(wanted.rows, timeout_s)
        passed = self._fetch(wanted.rows - 1, timeout_s).num_rows
        return self._fetch(1 if passed == wanted.rows - 1 else 0, timeout_s)

    def _fetch(self, count: int | None, timeout_s: float) -> pa.Table:
        """At most `count` rows, without waiting once there is one."""
        batches: list[pa.RecordBatch] = []
        wanted = count
        while wanted is None or wanted > 0:
            batch = self.left if self.left is not None else self.read(0.0 if batches else timeout_s)
            if batch is None:
                break
            taken = batch if wanted is None else batch.slice(0, wanted)
            self.left = batch.slice(taken.num_rows) if taken.num_rows < batch.num_rows else None
            batches.append(taken)
            wanted = None if wanted is None else wanted - taken.num_rows
        return pa.Table.from_batches(batches, self.schema)


@dataclass
class SubscriptionRows(ComingRows):
    """Of a subscription."""

    reader: Subscriber

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """The next tick's rows; of a view that was empty the snapshot has none."""
        while (change := self.reader.next(timeout_s)) is not None:
            if change.delta.num_rows:
                return changelog(change, self.schema, True, self.reader.keys)
        return None

    def close(self) -> None:
        """Follow no longer."""
        self.reader.close()


def declare(statement: ast.DeclareCursor, context: Context) -> Result:
    """DECLARE name SUBSCRIPTION CURSOR FOR subscription: as its follower, or SINCE somewhere beside it."""
    instance = context.instance
    if statement.cursor in context.cursors:
        raise InvalidParameter(f'cursor "{statement.cursor}" already exists', sqlstate="42P03", hint="CLOSE it first")
    found = instance.catalog.get_as(Subscription, context.prefer_path(statement.subscription))
    clash = next((f.name for f in HEAD if f.name in {c.name for c in found.columns}), None)
    if clash is not None:
        raise DuplicateColumn(
            f'column "{clash}" clashes with a column of the changelog',
            hint="subscribe to a materialized view that gives it another name",
        )
    if statement.since in ("", "full"):
        reader = follow(instance, found, context.check, statement.since == "full")
    else:
        since = int(statement.since) if statement.since.isdigit() else statement.since
        reader = read_since(instance, found, context.check, since)
    schema = pa.schema([*HEAD, *reader.schema])
    rows = SubscriptionRows(statement.cursor, found.name, schema, True, False, None, reader)
    context.cursors[statement.cursor] = rows
    return Result("DECLARE CURSOR")


def fetch(statement: ast.Fetch, context: Context) -> Result:
    """FETCH, MOVE: what there is, or within the time-out comes."""
    cursor = cursor_of(statement.cursor, context)
    timeout_s = 0.0
    for name, text in statement.options:
        if name != TIMEOUT:
            raise InvalidParameter(f'unrecognized option "{name}"', hint=did_you_mean(name, (TIMEOUT,)))
        timeout_s = duration_us(text) / 1e6
    if not timeout_s:
        context.instance.catch_up(context.check)
    table = cursor.take(statement, timeout_s, context)
    if statement.moves:
        return Result(f"MOVE {table.num_rows}", row_count=table.num_rows)
    return Result(f"FETCH {table.num_rows}", table, is_binary=cursor.is_binary)


def close(statement: ast.CloseCursor, context: Context) -> Result:
    """CLOSE cursor | ALL."""
    names = list(context.cursors) if statement.cursor is None else [cursor_of(statement.cursor, context).name]
    for name in names:
        context.cursors.pop(name).close()
    return Result("CLOSE CURSOR")


def end_with_transaction(context: Context) -> None:
    """Cursors that were not declared WITH HOLD end."""
    for name in [name for name, cursor in context.cursors.items() if not cursor.hold]:
        context.cursors.pop(name).close()


def cursor_of(name: str, context: Context) -> CursorRows:
    """UndefinedObject (34000) with near names."""
    found = context.cursors.get(name)
    if found is None:
        raise UndefinedObject(
            f'cursor "{name}" does not exist', sqlstate="34000", hint=did_you_mean(name, context.cursors)
        )
    return found
