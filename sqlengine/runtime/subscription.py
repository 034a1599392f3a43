"""A subscription's changes: a topic of the engine's own with what each tick has made of a view, and what is kept of it.

It is an output like any other (runtime/outputs.py), so that after a restart every change is in it once.  How far its
follower has come, and how far back its history reaches, are in the journal of consumer offsets, under the topic's name.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa

from sqlengine.catalog.objects import Subscription
from sqlengine.delta import Delta, concat
from sqlengine.errors import DataCorrupted, Error, HistoryGone, ObjectInUse, UndefinedObject
from sqlengine.operators.consolidate import consolidate
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.topic_output import TABLE_TOPIC, TopicOutput
from storage import CorruptFile, Log, OffsetOutOfRange, Storage, StorageError, TopicConfig, TopicNotFound

HEAD = pa.schema(
    [
        pa.field("$tick", pa.int64()),
        pa.field("$time_us", pa.int64()),
        pa.field("$weight", pa.int64()),
        pa.field("$is_last", pa.bool_()),
    ]
)
"""Before the view's columns, which go by their number: `$is_last` of the last row of its tick."""
TOPIC = "$subscription:"
"""How the topics' names begin."""
_OWN = (TOPIC, TABLE_TOPIC)
"""How those begin of all topics that somebody takes on, and commits how far."""
READ_ROWS_MAX = 1 << 16
"""Rows of one reading of the topic."""
_HINT = "drop the subscription and create it again"


@dataclass(frozen=True)
class Change:
    """What one tick has made of a view; `is_snapshot`: all rows there were after it."""

    tick: int
    time_us: int
    delta: Delta
    is_snapshot: bool = False


@dataclass(frozen=True)
class Kept:
    """`since`: the tick it began with; `floor`: all changes of later ticks are there (`floor_us`: since then the
    changes of all times are, None: unknown); `exact`: from this tick on each
    change is under the tick in which it happened; `acknowledged`: the follower has had all ticks up to it."""

    since: int
    floor: int
    exact: int
    acknowledged: int | None = None
    floor_us: int | None = None


def topic_schema(columns: pa.Schema) -> pa.Schema:
    """The schema of the topic of a view with these columns."""
    return pa.schema([*HEAD, *(pa.field(str(i), field.type) for i, field in enumerate(columns))])


def topic_name(storage: Storage, query_id: str) -> str:
    """A name for the topic of the subscription with that query; what a damaged one had stays with its files."""
    name, number = TOPIC + query_id, 1
    while name in storage.damaged:
        number += 1
        name = f"{TOPIC}{query_id}.{number}"
    return name


def make_topic(storage: Storage, subscription: Subscription) -> None:
    """Its topic, empty: what an earlier statement left of one of that name goes."""
    remove_topic(storage, subscription.topic)
    config = TopicConfig(durability="group")
    storage.create_topic(subscription.topic, topic_schema(subscription.arrow_schema()), config)


def remove_topic(storage: Storage, name: str) -> None:
    """Drop a topic, if there is one, and if it is of a subscription or a sink forget how far its follower was; the
    files of one whose description is damaged stay."""
    if name in {topic.name for topic in storage.topics()}:
        storage.drop_topic(name)
    if name.startswith(_OWN) and name in storage.offsets.groups():
        storage.offsets.delete(name)


def spread_topics(storage: Storage, directories: int) -> None:
    """Have replicas of all topics of subscriptions and of sinks into tables in so many of the storage's directories."""
    for topic in storage.topics():
        if topic.name.startswith(_OWN):
            storage.alter_topic(topic.name, replication_factor=max(1, directories))


class SubscriptionOutput(TopicOutput):
    """Appends a view's changes, gives them again, and knows who follows.

    Only appending, `cut` and `expire` change the topic: the engine's lock is held then.  DataCorrupted (XX001) when it
    cannot be opened.
    """

    def __init__(self, storage: Storage, subscription: Subscription) -> None:
        self.name = subscription.name
        self.columns = subscription.arrow_schema()
        self.retention_us = subscription.retention_us
        self._storage = storage
        self._mutex = threading.Lock()
        with self._readable():
            super().__init__(storage, subscription.topic)
            self._log.require_readable()
        if self._schema.types[len(HEAD) :] != self.columns.types:
            raise DataCorrupted(f'the topic of subscription "{self.name}" is not its own', hint=_HINT)
        text = storage.offsets.metadata(self._name)
        self.kept: Kept | None = Kept(**json.loads(text)) if text else None
        self.settled = 0
        """No restart needs the topic before this offset."""
        self.told = 0
        """The newest tick that somebody may have heard of before the database was opened."""
        self.is_new = False
        """No checkpoint knows of its beginning yet."""
        self.epoch = 0
        """The follower with the newest number is the one."""
        self.is_closed = False

    def close(self) -> None:
        """See TopicOutput.close; followers learn of it."""
        self.is_closed = True
        self._storage.arrivals.signal()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What reading the topic raises, as an error of ours."""
        try:
            yield
        except (CorruptFile, TopicNotFound) as error:
            raise DataCorrupted(
                f'the changes of subscription "{self.name}" cannot be read: {error}', hint=_HINT
            ) from error

    # ------------------------------------------------------------ writing

    def __call__(self, tick: int, now_us: int, delta: Delta | None) -> None:
        """A follower of the query (see runtime/query.py)."""
        change = consolidate(delta)
        if change is None:
            return
        count = change.num_rows
        is_last = np.zeros(count, dtype=bool)
        is_last[-1] = True
        head = [np.full(count, tick), np.full(count, now_us), change.weight_array(), is_last]
        arrays = [pa.array(values, field.type) for values, field in zip(head, HEAD, strict=True)]
        rows = [a.cast(f.type) for a, f in zip(change.batch.columns, list(self._schema)[len(HEAD) :], strict=True)]
        batch = pa.RecordBatch.from_arrays([*arrays, *rows], schema=self._schema)
        self._log.append(batch, timestamp_us=now_us)

    def cut(self, end: int) -> None:
        """See TopicOutput.cut; DataCorrupted when what was there has gone."""
        if end > self._log.end_offset:
            raise DataCorrupted(f'changes of subscription "{self.name}" have gone from its topic', hint=_HINT)
        self.told = self.last_tick()
        with self._readable():
            super().cut(max(end, self._log.start_offset))

    def tell_again(self, tick: int, end: int) -> None:
        """Followers know ticks, not offsets: what lies behind is written again."""
        self.cut(end)

    def begin(self, tick: int, now_us: int) -> None:
        """Nothing of earlier ticks is there: the history begins with this one, whose contents are its first snapshot;
        what the follower has acknowledged stays."""
        self._log.delete_before(self._log.end_offset)
        self.settled = self._log.end_offset
        acknowledged = None if self.kept is None else self.kept.acknowledged
        self._keep(Kept(tick, tick, tick, acknowledged, now_us))
        self.is_new = True

    def skip_to(self, tick: int) -> None:
        """The next change, of this tick, is of several ticks before it as well."""
        assert self.kept is not None
        self._keep(replace(self.kept, exact=max(self.kept.exact, tick)))

    def expire(self, now_us: int) -> None:
        """Let go of changes that retention does not cover and that no restart needs."""
        if self.retention_us is None or self.kept is None:
            return
        with self._readable():
            young = self._log.offset_for_timestamp(now_us - self.retention_us)
        end = min(self._log.end_offset if young is None else young, self.settled)
        if end > self._log.start_offset:
            tick, time_us = self._moment_at(end - 1)
            self._keep(replace(self.kept, floor=tick, floor_us=time_us))
            self._log.delete_before(end)

    def _keep(self, kept: Kept) -> None:
        with self._mutex:
            self._storage.offsets.commit(self._name, {}, json.dumps(asdict(kept)))
            self.kept = kept

    # ------------------------------------------------------------ the follower

    def take_over(self) -> int:
        """The number of a new follower: earlier ones have an end."""
        with self._mutex:
            self.epoch += 1
        self._storage.arrivals.signal()
        return self.epoch

    def require_follower(self, epoch: int | None) -> None:
        """ObjectInUse (55006) when another follower has taken over from that of the number; UndefinedObject (42704)
        when the subscription was dropped."""
        if self.is_closed:
            raise UndefinedObject(f'subscription "{self.name}" was dropped, or the database closed')
        if epoch is not None and epoch != self.epoch:
            raise ObjectInUse(
                f'another follower has taken over subscription "{self.name}"',
                hint="a subscription has one follower at a time: the newest",
            )

    def acknowledge(self, tick: int) -> None:
        """The follower has had all ticks up to this one; nothing when it has had more.  Durable when it returns."""
        with self._mutex:
            kept = self.kept
            if kept is None or (kept.acknowledged is not None and kept.acknowledged >= tick):
                return
            kept = replace(kept, acknowledged=tick)
            self._storage.offsets.commit(self._name, {}, json.dumps(asdict(kept)))
            self.kept = kept

    def wait(self, position: int, timeout_s: float) -> None:
        """Until there is something behind a position, the subscription has gone, or its time is over."""
        arrivals = self._storage.arrivals
        arrivals.wait_for(lambda: self.is_closed or self._log.high_watermark > position, timeout_s)

    # ------------------------------------------------------------ reading

    @property
    def log(self) -> Log:
        """The topic's partition."""
        return self._log

    def last_tick(self) -> int:
        """The newest tick that is known here; 0 for none."""
        known = [0] if self.kept is None else [self.kept.floor, self.kept.exact, self.kept.acknowledged or 0]
        if self._log.end_offset > self._log.start_offset:
            known.append(self._tick_at(self._log.end_offset - 1))
        return max(known)

    def require_history(self, tick: int) -> None:
        """HistoryGone (72000) unless all changes after this tick are there."""
        kept = self.kept
        if kept is None or tick < kept.floor:
            oldest = "none" if kept is None else str(kept.floor)
            raise HistoryGone(
                f'subscription "{self.name}" does not reach back to tick {tick}',
                detail=f"the oldest tick it has all changes after is {oldest}",
                hint="begin anew with a snapshot: DECLARE ... SUBSCRIPTION CURSOR FOR ... FULL, or "
                "subscription(..., anew=True) in Python; a longer retention keeps more",
            )

    def position_after(self, tick: int) -> int:
        """The offset of the first change of a later tick."""
        return self._first(lambda at, _: at > tick)

    def tick_before(self, time_us: int) -> int | None:
        """The newest tick after which the rows were those of a time (the clock is taken to go forward only), None when
        it may be any that is still to come; HistoryGone (72000) when it is too long ago."""
        position = self._first(lambda _, at_us: at_us > time_us)
        floor_us = None if self.kept is None else self.kept.floor_us
        if position == self._log.start_offset and (floor_us is None or time_us < floor_us):
            raise HistoryGone(
                f'subscription "{self.name}" does not reach back to that time', hint="a longer retention keeps more"
            )
        return None if position == self._log.end_offset else self._tick_at(position) - 1

    def time_of(self, tick: int) -> int | None:
        """When the rows became what they were after a tick, in microseconds; None if that is not known any more."""
        position = self.position_after(tick)
        if position > self._log.start_offset:
            return self._moment_at(position - 1)[1]
        return None if self.kept is None else self.kept.floor_us

    def _first(self, is_later: Callable[[int, int], bool]) -> int:
        """The offset of the first change whose (tick, time) is later."""
        low, high = self._log.start_offset, self._log.end_offset
        while low < high:
            middle = (low + high) // 2
            if is_later(*self._moment_at(middle)):
                high = middle
            else:
                low = middle + 1
        return low

    def _tick_at(self, offset: int) -> int:
        return self._moment_at(offset)[0]

    def _moment_at(self, offset: int) -> tuple[int, int]:
        """(tick, time in microseconds) of a change."""
        with self._readable():
            frames = self._log.read(offset, max_rows=1, columns=["$tick", "$time_us"])
        tick, time_us = (int(column[0].as_py()) for column in frames[0].batch.columns[:2])
        return tick, time_us

    def read(self, position: int) -> tuple[Change, int] | None:
        """(the first whole tick from a position on, the position behind it); None when there is none yet.  HistoryGone
        when retention has overtaken the reader."""
        parts: list[Delta] = []
        while True:
            try:
                with self._readable():
                    frames = self._log.read(position, max_rows=READ_ROWS_MAX)
            except OffsetOutOfRange as error:
                raise HistoryGone(
                    f'retention has overtaken a reader of subscription "{self.name}"',
                    hint="begin anew with a snapshot; a longer retention keeps more",
                ) from error
            if not frames:
                return None
            for frame in frames:
                batch = frame.batch
                ends = np.flatnonzero(batch.column(3).to_numpy(zero_copy_only=False))
                count = int(ends[0]) + 1 if len(ends) else batch.num_rows
                parts.append(self._delta(batch.slice(0, count)))
                position += count
                if len(ends):
                    whole = concat(parts)
                    assert whole is not None
                    tick, time_us = (int(batch.column(i)[0].as_py()) for i in range(2))
                    return Change(tick, time_us, whole), position

    def _delta(self, batch: pa.RecordBatch) -> Delta:
        weights = batch.column(2).to_numpy()
        rows = pa.RecordBatch.from_arrays(batch.columns[len(HEAD) :], schema=self.columns)
        return Delta(rows, weights)

    def change_from(self, position: int) -> Delta | None:
        """All changes from a position on as one."""
        found: list[Delta] = []
        while (read := self.read(position)) is not None:
            found.append(read[0].delta)
            position = read[1]
        return consolidate(concat(found))


def expire(outputs: Iterable[object], now_us: int, *, settled: bool) -> None:
    """Retention of all subscriptions among some outputs; `settled`: there are no restarts.  The lock is held.  Damage
    is left to be told to whoever reads."""
    for output in outputs:
        if isinstance(output, SubscriptionOutput):
            if settled:
                output.settled = output.end
            try:
                output.expire(now_us)
            except (Error, StorageError) as error:
                logging.getLogger("sqlengine").warning("retention leaves a subscription alone: %s", error)
