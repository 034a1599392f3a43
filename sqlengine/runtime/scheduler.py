"""Ticks: every source polled, every query pushed in dependency order, every follower told; then the tick has a number.

One lock guards all of it.  A tick is run by whoever needs it: a statement that must see what was just written, or the
background pump when data or time moved.  All queries see the same prefix of every source at the end of a tick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from sqlengine.delta import Delta
from sqlengine.errors import Error
from sqlengine.runtime.channels import Channels
from sqlengine.runtime.clock import Clock
from sqlengine.runtime.failures import as_error
from sqlengine.runtime.feed import Feed
from sqlengine.runtime.latest import common_difference, latest_change
from sqlengine.runtime.memory_limit import MemoryLimit
from sqlengine.runtime.query import ContinuousQuery, Held, Outcome
from sqlengine.runtime.reader import POLL_ROWS_MAX, SourceBatch, TopicReader
from sqlengine.runtime.tap import Tap
from sqlengine.runtime.tick_journal import TickJournal, TickRecord
from sqlengine.state.row_store import RowStore
from storage import Log, Topic

OnOutputFailure = Callable[[ContinuousQuery, Sequence[Delta], Error], None]
"""Told of a query, the change it could not hand to its followers, and why."""


def _fail(query: ContinuousQuery, deltas: Sequence[Delta], error: Error) -> None:
    """What happens to a query whose output fails when nobody knows better."""
    query.status, query.error = "failed", error


class Timer(Protocol):
    """Something to be done when it is time, which is no part of a tick."""

    def due_us(self) -> int | None:
        """When; None = not by itself."""
        ...

    def show_due(self, now_us: int) -> None:
        """Do it, if it is due; never raises."""
        ...


class Mover(Protocol):
    """Writes into tables between ticks: what sinks have said, what of rows whose time is over."""

    def due_us(self) -> int | None:
        """When there is something to do that no rows announce; None = not by itself."""
        ...

    def waits(self) -> bool:
        """Whether there is something."""
        ...

    def move(self, now_us: int) -> bool:
        """Do what can be done; whether tables have got anything. Never raises."""
        ...


class Source:
    """A stream or table being read: its shared reader and, for a table, its contents."""

    def __init__(self, reader: TopicReader, store: RowStore | None) -> None:
        self.reader = reader
        self.store = store
        self.failure: Error | None = None
        """Why the topic cannot be read any more."""
        self.correction: Delta | None = None
        """What the next tick must change besides what the topic says."""
        self._keep_unread()

    def absorb(self, batches: Sequence[SourceBatch]) -> Feed:
        """Keep a table's contents up to date with its changelog; returns what queries get of these batches."""
        if self.store is None:
            return Feed(batches=batches)
        names = self.reader.renamed
        deltas = [Delta(batch.visible(), batch.weights) for batch in batches]
        feed = Feed(batches=batches, names=names)
        if deltas and self.reader.found_gaps:
            deltas = [latest_change(self.store, deltas)]
            feed = Feed(deltas=deltas, names=names)
        if self.correction is not None:
            deltas, self.correction = [self.correction, *deltas], None
            feed = Feed(deltas=deltas, names=names)
        for delta in deltas:
            self.store.apply(delta)
        self._keep_unread()
        return feed

    def _keep_unread(self) -> None:
        """A deletion must not be compacted away before it was read: nobody would miss the row."""
        if self.store is not None:
            for position, log in zip(self.reader.positions, self.reader.topic.partitions, strict=False):
                log.compaction_limit = position


class Scheduler:
    """All sources and continuous queries of one database.  `derived`: streams and tables whose rows ticks write; `cut`:
    up to where partitions may be read, as of one moment.
    """

    def __init__(self, clock: Clock, cut: Callable[[Sequence[Log]], list[int]]) -> None:
        self.cut = cut
        self.on_output_failure: OnOutputFailure = _fail
        self.channels = Channels()
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.clock = clock
        self.tick_number = 0
        self.tick_time_us = 0
        self.sources: dict[str, Source] = {}
        self.queries: dict[str, ContinuousQuery] = {}
        self.feeders: list[Callable[[int], bool]] = []
        self.timers: dict[str, Timer] = {}
        """By the name of the sink."""
        self.movers: list[Mover] = []
        self.brakes: list[Callable[[int], bool]] = []
        """Asked, with the time, whether ticks that no statement needs are to wait."""
        self.derived: set[str] = set()
        self.taps: list[Tap] = []
        self.journal: TickJournal | None = None
        """What ticks have read is written to it."""
        self.memory = MemoryLimit(self, None, {})
        self.spare_memory = False
        """A large back-fill left memory that should be given back when there is time."""
        self._wakeup_us: int | None = None
        self._force = False
        self._repeatable: int | None = None

    # ------------------------------------------------------------ ticks

    def tick(self) -> bool:
        """One step of everything; False when nothing was there to do (no tick is numbered then)."""
        with self.lock:
            now_us = self.clock.now_us()
            fed = [feeder(now_us) for feeder in list(self.feeders)]
            for timer in list(self.timers.values()):
                timer.show_due(now_us)
            self._move(now_us)
            ends = self._ends()
            polled = {name: found for name in self.sources if (found := self._poll(name, ends[name])) is not None}
            if not polled and not self._time_due(now_us):
                return any(fed)
            self.tick_number += 1
            recorded = self._note(now_us, {name: self.sources[name].reader.positions for name in polled})
            self._run(polled, now_us, repeatable=recorded)
            self._move(now_us)
            return True

    def _move(self, now_us: int) -> None:
        for mover in self.movers:
            mover.move(now_us)

    def _run(self, polled: Mapping[str, Sequence[SourceBatch]], now_us: int, *, repeatable: bool) -> None:
        """The tick of the present number, of these rows."""
        self.tick_time_us = now_us
        self._repeatable = self.tick_number if repeatable else None
        self._push({name: self.sources[name].absorb(batches) for name, batches in polled.items()}, now_us)
        self._repeatable = None
        self.memory.after_tick()
        self.changed.notify_all()

    def is_repeatable(self, tick: int) -> bool:
        """Whether a restart runs a tick, of which somebody is being told, again as it is."""
        return self.journal is None or tick == self._repeatable

    def next_number(self) -> int:
        """The number of a new tick that is told of, but not run, by the ticks."""
        with self.lock:
            self.tick_number += 1
            self._note(self.tick_time_us, None)
            return self.tick_number

    def _note(self, now_us: int, positions: Mapping[str, Sequence[int]] | None) -> bool:
        """Record the tick of the present number before it begins; see TickRecord. False when there is no record."""
        return self.journal is not None and self.journal.write(self.tick_number, now_us, positions)

    def note_boundary(self) -> None:
        """A number for what happens between ticks: those before it are over, and a restart comes by here again."""
        with self.lock:
            self.tick_number += 1
            self._note(self.tick_time_us, {})

    def resume(self) -> None:
        """Time goes on: since the last tick nothing could happen."""
        by_us = max(0, self.clock.now_us() - self.tick_time_us)
        trackers = [tracker for query in self.queries.values() for tracker in query.dataflow.all_trackers()]
        for tracker in {id(tracker): tracker for tracker in trackers}.values():
            tracker.postpone(by_us)

    def run_again(self, record: TickRecord) -> None:
        """A tick as it was before a restart, as far as what it read is not behind the sources already."""
        with self.lock:
            self.tick_number = record.tick
            if record.positions is None:
                return
            polled: dict[str, list[SourceBatch]] = {}
            for name, positions in record.positions.items():
                source = self.sources.get(name)
                while source is not None and source.failure is None and not source.reader.at_end(positions):
                    before = list(source.reader.positions)
                    polled.setdefault(name, []).extend(self._poll(name, positions) or ())
                    if source.reader.positions == before:
                        break
            self._run(polled, record.now_us, repeatable=True)

    def _poll(self, name: str, until: Sequence[int]) -> list[SourceBatch] | None:
        """What has come; None when there is nothing. A topic that cannot be read stops the queries that read it."""
        source = self.sources[name]
        if source.failure is not None:
            return None
        try:
            found = source.reader.poll(self.memory.rows_at_once(POLL_ROWS_MAX), until)
        except Exception as error:
            source.failure = as_error(error)
            for query in self.queries.values():
                if name in query.sources and query.status == "running":
                    query.status, query.error = "failed", source.failure
            return None
        return found if found or source.correction else None

    def _ends(self) -> dict[str, list[int]]:
        """The ends of all sources as of one moment, so that a transaction is in a tick wholly or not at all."""
        return self.ends_beside(())[0]

    def ends_beside(self, topics: Sequence[Topic]) -> tuple[dict[str, list[int]], list[list[int]]]:
        """(the ends of all sources, those of other topics) as of one moment."""
        parts = [source.reader.topic.partitions for source in self.sources.values()]
        parts += [topic.partitions for topic in topics]
        logs = [log for each in parts for log in each]
        found = dict(zip(logs, self.cut(logs), strict=True))
        ends = [[found[log] for log in each] for each in parts]
        count = len(self.sources)
        return dict(zip(self.sources, ends[:count], strict=True)), ends[count:]

    def is_up_to_date(self) -> bool:
        """Whether a tick would have nothing to do; the caller holds the lock."""
        due = self._wakeup_us is not None and self.clock.now_us() >= self._wakeup_us
        moves = any(mover.waits() for mover in self.movers)
        return not due and not moves and not self.feeders and self.is_at(self._ends())

    def is_at(self, ends: Mapping[str, Sequence[int]]) -> bool:
        """Whether all sources that can be read have been, up to these ends."""
        return all(s.failure or s.reader.at_end(ends.get(name)) for name, s in self.sources.items())

    def _push(self, feeds: dict[str, Feed], now_us: int, without: Collection[str] = ()) -> None:
        """Every query in dependency order; a view's change is the feed of those that read it.  `without`: ids of
        queries that know already."""
        stepped: dict[int, Outcome | None] = {}
        taps = list(self.taps)
        for query in list(self.queries.values()):
            if query.status != "running" or query.query_id in without:
                continue
            shared = id(query.dataflow)
            if shared not in stepped:
                stepped[shared] = self._step(query, feeds, now_us)
            outcome = stepped[shared]
            if outcome is not None:
                deltas = query.note(outcome, self.tick_number, now_us)
                feeds[query.name] = Feed(deltas=deltas, watermark_us=query.dataflow.watermark_us)
                if deltas:
                    self.channels.changed(query.name, self.tick_number)
                try:
                    query.hand_on(outcome, self.tick_number)
                except Exception as error:  # its late or failed rows cannot be written
                    query.status, query.error = "failed", as_error(error)
                else:
                    self.tell_followers(query, deltas, now_us)
        for tap in taps:
            tap.record(feeds, now_us)

    def tell_followers(self, query: ContinuousQuery, deltas: Sequence[Delta], now_us: int) -> None:
        """What the present tick has made of a query; an output that fails stops its own query alone."""
        try:
            query.tell(deltas, self.tick_number, now_us)
        except Exception as error:
            self.on_output_failure(query, deltas, as_error(error))

    def _step(self, query: ContinuousQuery, feeds: Mapping[str, Feed], now_us: int) -> Outcome | None:
        """The dataflow of a query through a tick; a failure stops those that share it alone."""
        try:
            return query.step(feeds, now_us)
        except Exception as error:  # a fault of ours must not take the other queries along either
            failure = as_error(error)
        for other in self.queries.values():
            if other.dataflow is query.dataflow:
                other.status, other.error = "failed", failure
        return None

    def _time_due(self, now_us: int) -> bool:
        """Whether the passing of time alone asks for a tick."""
        wakeup = self._wakeup_us
        return wakeup is not None and now_us >= wakeup or self._force

    def next_wakeup_us(self) -> int | None:
        """The earliest time at which a tick is due even without data; None = never."""
        with self.lock:
            flows = {id(q.dataflow): q.dataflow for q in self.queries.values() if q.status == "running"}
            times = [t for flow in flows.values() if (t := flow.next_wakeup_us()) is not None]
            self._wakeup_us = min(times, default=None)
            others: list[Timer | Mover] = [*self.timers.values(), *self.movers]
            times += [t for other in others if (t := other.due_us()) is not None]
            return min(times, default=None)

    def catch_up(self, deadline: Callable[[], None] | None = None) -> None:
        """Ticks until everything committed before the call has been processed by every query, what queries write into
        streams in answer to it included.

        `deadline` is called between ticks and may raise (cancel, timeout).
        """
        with self.lock:
            targets = self._ends()
            self._force_if_due()
            while True:
                self.tick()
                self._force = False
                targets |= {name: self.sources[name].reader.ends() for name in self.derived & self.sources.keys()}
                if self.is_at(targets):
                    return
                if deadline is not None:
                    deadline()

    def _force_if_due(self) -> None:
        wakeup = self.next_wakeup_us()
        self._force = wakeup is not None and self.clock.now_us() >= wakeup

    def run_timers(self) -> bool:
        """A tick when time alone asks for one."""
        with self.lock:
            self._force = True
            try:
                return self.tick()
            finally:
                self._force = False

    # ------------------------------------------------------------ queries

    def add_source(self, name: str, reader: TopicReader, store: RowStore | None) -> Source:
        """Begin to read a stream or table; its reader stands where its contents so far end."""
        with self.lock:
            source = self.sources[name] = Source(reader, store)
            return source

    def add_query(self, query: ContinuousQuery) -> None:
        """Begin to maintain a query that has been brought up to the sources' present positions."""
        with self.lock:
            self.queries[query.query_id] = query
            self.changed.notify_all()

    def swap(self, entering: Mapping[str, ContinuousQuery]) -> None:
        """In one tick queries that are up to date take the places of running ones, by the ids of these; whoever reads
        those is told the difference."""
        with self.lock:
            leaving = {place: self.queries.pop(place) for place in entering}
            for old in leaving.values():
                if old.held is not None:
                    self.taps.remove(old.held.tap)
            self.queries |= {query.query_id: query for query in entering.values()}
            self._put_in_order()
            feeds = {}
            for place, query in entering.items():
                if self._is_read(query.name):
                    change = common_difference(leaving[place].contents(), query.contents())
                    deltas = [] if change is None else [change]
                    feeds[query.name] = Feed(deltas=deltas, watermark_us=query.dataflow.watermark_us)
            self.tell_all(feeds, [query.query_id for query in entering.values()])
            self.forget_unread()

    def tell_all(self, feeds: dict[str, Feed], without: Collection[str]) -> None:
        """A tick that changes views from outside and in which no time passes: shared parts have nothing to say to
        those that know already, by their ids `without`."""
        self.next_number()
        self._push(feeds, self.tick_time_us, without)
        self._note(self.tick_time_us, None)  # what it has said cannot be said again: it is over
        self.changed.notify_all()

    def tell_alone(self, tell: Callable[[int, int], None]) -> None:
        """A tick in which nothing happens but one telling, given its number and time."""
        with self.lock:
            tell(self.next_number(), self.tick_time_us)
            self._note(self.tick_time_us, None)  # it is over

    def _is_read(self, name: str) -> bool:
        return any(name in query.upstream for query in self.queries.values()) or any(t.takes(name) for t in self.taps)

    def _put_in_order(self) -> None:
        """Each query behind those whose views it reads."""
        by_name = {query.name: query for query in self.queries.values()}
        ordered: dict[str, ContinuousQuery] = {}

        def visit(query: ContinuousQuery) -> None:
            if query.query_id not in ordered:
                for name in query.upstream:
                    if name in by_name:
                        visit(by_name[name])
                ordered[query.query_id] = query

        for query in self.queries.values():
            visit(query)
        self.queries = ordered

    def hold(self, query: ContinuousQuery, positions: Mapping[str, Sequence[int]] | None = None) -> None:
        """Keep where a query stands still: at these offsets by source, else at the end of the present tick."""
        views = {name: view for name in query.upstream if (view := self.by_name(name)) is not None}
        tap = Tap({name: view.plan.schema for name, view in views.items()}, (), query.sources)
        self.taps.append(tap)
        where = positions or {name: self.sources[name].reader.positions for name in query.sources}
        query.held = Held({name: list(at) for name, at in where.items()}, tap)
        query.status = "paused"

    def end_query(self, query: ContinuousQuery, error: Error) -> None:
        """A query fails and frees what it holds; its contents stay as long as others read them, who must be told how
        they differ from those it is made anew with."""
        query.status, query.error = "failed", error
        query.dataflow = query.dataflow.emptied()
        if query.store is not None and not self._is_read(query.name):
            query.store = RowStore(query.store.schema, query.store.key_columns)

    def remove_query(self, query_id: str) -> ContinuousQuery:
        """Stop and forget a query, and sources nobody reads any more."""
        with self.lock:
            query = self.queries.pop(query_id)
            if query.held is not None:
                self.taps.remove(query.held.tap)
            self.forget_unread()
            return query

    def forget_unread(self) -> None:
        """Sources without contents are read as long as a query needs them."""
        read = {name for q in self.queries.values() for name in q.sources}
        read |= {name for tap in self.taps for name in tap.sources}
        for name in [n for n, s in self.sources.items() if n not in read and s.store is None]:
            del self.sources[name]

    def by_name(self, name: str) -> ContinuousQuery | None:
        """The query that maintains a view of that name."""
        return next((q for q in self.queries.values() if q.name == name), None)

    def pack(self) -> bool:
        """Make some contents smaller, for about as long as a tick may take; False when there is nothing left to do, or
        somebody is at work: who has just made something reads it next.
        """
        if not self.lock.acquire(blocking=False):
            return False
        try:
            stores = [query.store for query in self.queries.values()] + [s.store for s in self.sources.values()]
            return any(store is not None and store.pack() for store in stores)
        finally:
            self.lock.release()

    def is_held_back(self) -> bool:
        """Whether somebody who follows is so far behind that ticks are to wait."""
        if not self.brakes:
            return False
        with self.lock:
            now_us = self.clock.now_us()
            return True in [brake(now_us) for brake in self.brakes]

    def wait_for_change(self, after_tick: int, timeout_s: float | None) -> bool:
        """Block until a tick later than `after_tick`, at most `timeout_s`; False on time-out."""
        with self.changed:
            return self.changed.wait_for(lambda: self.tick_number > after_tick, timeout_s)
