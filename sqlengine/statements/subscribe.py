"""SUBSCRIBE and SELECT ... EMIT: a query's changes, tick by tick, until closed.

Who reads more slowly than the query changes slows its sources: while much waits, ticks that no statement needs wait,
too, and with them what connectors bring.  Ticks of statements do not, or who reads could wait for himself; what they
bring waits in files.  Who reads nothing for long does not hold the others back for ever: he is dropped.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import cache

import numpy as np
import pyarrow as pa

from sqlengine import sql
from sqlengine.delta import Delta
from sqlengine.errors import DuplicateColumn, Error, InvalidParameter, NotSupportedError, OperationalError, did_you_mean
from sqlengine.operators.operations import operations
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Result
from sqlengine.runtime.memory_limit import MemoryLimit
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.subscriber import Subscriber, read_as_of
from sqlengine.runtime.subscription import Change
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.followed_files import follow_files
from sqlengine.statements.past import tick_of
from sqlengine.statements.plain_select import plain_select

QUEUE_CHANGES_MAX = 10_000
"""Ticks a follower may lie behind before it is dropped with an error."""
QUEUE_BYTES = 64 << 20
"""Beyond so many bytes that wait to be read, more wait in files, and ticks wait, too..."""
QUEUE_PART = 16
"""...or beyond this part of the memory limit."""
PATIENCE_US = 60_000_000
"""A follower that holds ticks back and reads nothing for so long is dropped."""

POLL_S = 0.2
"""How often a waiting follower looks whether it was cancelled."""

HEAD = (pa.field("tick", pa.int64()), pa.field("time", pa.timestamp("us", "UTC")), pa.field("op", pa.string()))


@dataclass
class FollowedQuery:
    """Followers' end of a query: iterate for Changes; `close()` ends it from any thread."""

    schema: pa.Schema
    check: Callable[[], None]
    virtual: bool
    catch_up: Callable[[], None]
    on_close: Callable[[], None]
    queue: queue.Queue[Change | None] = field(default_factory=queue.Queue)
    overflowed: bool = False
    closed: bool = False
    query: ContinuousQuery | None = None
    keys: tuple[int, ...] | None = None
    memory: MemoryLimit | None = None
    came_bytes: int = 0
    taken_bytes: int = 0
    stuck: tuple[int, int] | None = None
    """What had been taken when it began to hold ticks back, and since when nothing more has, in microseconds."""

    @property
    def waiting_bytes(self) -> int:
        """Bytes of changes that have not been read, those in files too."""
        return self.came_bytes - self.taken_bytes

    @property
    def is_behind(self) -> bool:
        """Whether more waits than should be in memory."""
        limit = 0 if self.memory is None else self.memory.bytes
        return self.waiting_bytes > min(QUEUE_BYTES, limit // QUEUE_PART or QUEUE_BYTES)

    def holds_back(self, now_us: int) -> bool:
        """Whether ticks that nobody waits for should wait until something has been read."""
        if self.overflowed or self.closed or not self.is_behind:
            self.stuck = None
            return False
        if self.stuck is None or self.stuck[0] != self.taken_bytes:
            self.stuck = self.taken_bytes, now_us
        elif now_us - self.stuck[1] >= PATIENCE_US:
            self._drop()
            return False
        return True

    def _drop(self) -> None:
        """It hears of nothing more, and is told why when it has read what there is."""
        self.overflowed = True
        self.queue.put(None)

    def push(self, tick: int, time_us: int, delta: Delta | None) -> None:
        """Called by the engine at the end of a tick."""
        if delta is None or self.overflowed:
            return
        if self.queue.qsize() >= QUEUE_CHANGES_MAX:
            self._drop()
            return
        if self.is_behind and self.memory is not None:
            try:
                delta = Delta(self.memory.put_in_file(delta.batch), delta.weights)
            except OSError:  # the disk is full: it is not to take the query along
                self._drop()
                return
        self.came_bytes += delta.batch.nbytes
        self.queue.put(Change(tick, time_us, delta))

    def next(self, timeout_s: float | None = None) -> Change | None:
        """The next change, or None when nothing came within `timeout_s` or the subscription was closed.

        Under a virtual clock nothing happens by itself: the engine is brought up to date first, and None says that
        there is nothing more now.
        """
        if self.virtual:
            self.catch_up()
            timeout_s = 0.0
        waited = 0.0
        while not self.closed:
            self.check()
            step = POLL_S if timeout_s is None else min(POLL_S, timeout_s - waited)
            try:
                change = self.queue.get(timeout=step) if step > 0 else self.queue.get_nowait()
            except queue.Empty:
                waited += POLL_S
                if self.query is not None and self.query.status == "failed" and self.query.error is not None:
                    raise self.query.error from None
                if timeout_s is not None and waited >= timeout_s:
                    return None
                continue
            if change is None and self.overflowed:
                raise OperationalError(
                    "the follower was dropped: it lay too far behind",
                    sqlstate="53400",
                    hint="read faster, or subscribe to a view that changes less",
                )
            if change is not None and change.delta is not None:
                self.taken_bytes += change.delta.batch.nbytes
            return change
        return None

    def __iter__(self) -> Iterator[Change]:
        while (change := self.next()) is not None:
            yield change

    def close(self) -> None:
        """Stop following; idempotent."""
        if not self.closed:
            self.closed = True
            self.queue.put(None)
            self.on_close()


def open_subscription(context: Context, query: ast.Query, emit: ast.Emit, snapshot: bool) -> FollowedQuery:
    """Follow a query of one's own whose changes are queued; with `snapshot` what is there already comes first."""
    instance = context.instance
    follow_files(context, query)
    planned = instance.plan(query, emit, context.planning(), context.settings.threads)
    query_id = instance.next_id("follow")
    if planned.reason:
        context.notice(f"recomputed on every change: {planned.reason} has no incremental operator")

    def stop() -> None:
        with instance.lock:
            if subscription.holds_back in instance.scheduler.brakes:
                instance.scheduler.brakes.remove(subscription.holds_back)
            if query_id in instance.scheduler.queries:
                instance.stop_query(query_id)

    subscription = FollowedQuery(planned.schema, context.check, instance.clock.virtual, instance.catch_up, stop)
    subscription.keys = planned.physical.unique_keys

    def attach(running: ContinuousQuery) -> None:
        running.backend = context.backend.pid
        subscription.query, subscription.memory = running, instance.memory
        instance.scheduler.brakes.append(subscription.holds_back)
        running.followers.append(subscription.push)

    instance.start_query(
        query_id,
        f"${query_id}",
        query.text,
        planned,
        emit,
        keep=False,
        snapshot=snapshot,
        on_progress=context.on_progress,
        check=context.check,
        prepare=attach,
        staged=True,
        pace=context.pace(),
    )
    return subscription


@dataclass(frozen=True)
class Followed:
    """A followed query's changes as rows."""

    schema: pa.Schema
    changes: FollowedQuery | Subscriber
    ticks: bool

    def next(self, timeout_s: float | None = None) -> pa.RecordBatch | None:
        """The rows of the next change; None when none came within the time, or it was closed."""
        change = self.changes.next(timeout_s)
        return None if change is None else changelog(change, self.schema, self.ticks, self.changes.keys)

    def close(self) -> None:
        """Follow no longer; idempotent."""
        self.changes.close()


def followed_query(context: Context, query: ast.Query, emit: ast.Emit, snapshot: bool, ticks: bool = False) -> Followed:
    """Begin to follow a query: its columns, with `op` in front (and tick and time when asked)."""
    subscription = open_subscription(context, query, emit, snapshot)
    return _with_head(subscription.schema, subscription, ticks)


def _with_head(columns: pa.Schema, changes: FollowedQuery | Subscriber, ticks: bool) -> Followed:
    head = HEAD if ticks else HEAD[2:]
    clash = [f.name for f in head if f.name in columns.names]
    if clash:
        changes.close()
        raise DuplicateColumn(
            f'column "{clash[0]}" clashes with a column of the changelog', hint="give it another name with AS"
        )
    return Followed(pa.schema([*head, *columns]), changes, ticks)


def follow(context: Context, query: ast.Query, emit: ast.Emit, snapshot: bool, limit: int | None = None) -> Result:
    """A followed query as a result that is endless, or ends behind `limit` rows of changes."""
    return _endless("SELECT", followed_query(context, query, emit, snapshot), limit)


def _endless(tag: str, source: Followed, limit: int | None = None) -> Result:
    def batches() -> Iterator[pa.RecordBatch]:
        left = limit
        try:
            while left != 0 and (batch := source.next()) is not None:
                if left is not None:
                    batch = batch.slice(0, left)
                    left -= batch.num_rows
                yield batch
        finally:
            source.close()

    return Result(
        tag, schema=source.schema, batches=batches(), endless=limit is None, notices=[], on_close=source.close
    )


@cache
def _names_of_operations() -> pa.StringArray:
    """By the number of an operation; made when it is first needed, as pa.array imports pandas where it is installed."""
    return pa.array([None, "insert", "delete", "update_after", "update_before"], pa.string())


def changelog(change: Change, schema: pa.Schema, ticks: bool, keys: Sequence[int] | None = None) -> pa.RecordBatch:
    """A change as rows (see operators/operations.py), with `tick` and `time` in front when asked."""
    rows, ops = operations(change.delta, keys)
    arrays = [_names_of_operations().take(pa.array(ops)), *change.delta.batch.take(pa.array(rows)).columns]
    if ticks:
        n = len(rows)
        stamp = pa.array(np.full(n, change.time_us, dtype=np.int64)).cast(HEAD[1].type)
        arrays = [pa.array(np.full(n, change.tick, dtype=np.int64)), stamp, *arrays]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def subscribe(statement: ast.Subscribe, context: Context) -> Result:
    """SUBSCRIBE [TO] view | (query) [WITH (snapshot = ...)]."""
    return _endless("SUBSCRIBE", followed(statement, context))


def followed(statement: ast.Subscribe, context: Context) -> Followed:
    """Begin to follow what a SUBSCRIBE names."""
    options = dict(statement.options)
    for name in options:
        if name not in ("snapshot", "progress"):
            raise InvalidParameter(f'unrecognized option "{name}"', hint=did_you_mean(name, ("snapshot", "progress")))
    snapshot = options.get("snapshot", "true").lower() in ("true", "on", "1", "yes")
    if statement.as_of:
        return _followed_from(statement, context, snapshot)
    return followed_query(context, statement.query, ast.Emit(), snapshot, ticks=True)


def _without_parentheses(query: ast.Query) -> ast.Query:
    text = query.text.strip()
    if not (text.startswith("(") and text.endswith(")")):
        return query
    try:
        return sql.parse_query(text[1:-1])
    except Error:  # they are not the whole query's
        return query


def _followed_from(statement: ast.Subscribe, context: Context, snapshot: bool) -> Followed:
    """Begin with the rows of a view or table as they were: HistoryGone (72000) when no subscription to it tells."""
    instance = context.instance
    with instance.lock:
        instance.catch_up(context.check)
        query = _without_parentheses(statement.query)
        expanded = instance.expanded(query)
        plain = plain_select(context, query, expanded)
        if plain is None or plain.limit is not None or plain.offset:
            raise NotSupportedError(
                "SUBSCRIBE ... AS OF follows whole rows of a materialized view or table",
                hint="create a materialized view of the query, and a subscription to it, which keeps its changes",
            )
        (obj,) = expanded.inputs.values()
        tick = tick_of(context, statement.as_of_what, statement.as_of, [obj])
        reader = read_as_of(instance, obj, context.check, tick, snapshot=snapshot)
        if [(name, name) for name in reader.schema.names] != list(plain.columns):
            raise NotSupportedError(
                "SUBSCRIBE ... AS OF follows whole rows of a materialized view or table",
                hint=f"its columns are {', '.join(reader.schema.names)}",
            )
    return _with_head(reader.schema, reader, ticks=True)
