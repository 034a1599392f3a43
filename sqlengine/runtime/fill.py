"""Fill: continuous queries brought up to date beside the ticks, in bounded steps, and then let into them.

It begins with one consistent cut, under the scheduler's lock: contents of tables and views (and what running queries
have in common with the new one) as of the present tick, and from there on a tap that keeps what ticks change in them.
Steps read history through readers of their own and need no lock.  The last one, once little is left, is made under the
lock up to exactly where the shared readers stand, so nothing is missed and nothing comes twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from sqlengine.advance import Advance, OnProgress
from sqlengine.delta import Delta
from sqlengine.errors import Error, InvalidParameter, QueryCanceled
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.failures import as_error
from sqlengine.runtime.feed import Feed
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.reader import TopicReader
from sqlengine.runtime.scheduler import Scheduler
from sqlengine.runtime.tap import Tap

STEP_ROWS_MAX = 1 << 23
"""Rows taken in one step at most: what comes and goes within one is never said."""
STEP_ROWS_FIRST = 1 << 18
STEP_SECONDS = 1.0
"""How long a step takes, by what the one before has shown: in between a fill is shown and can be canceled."""
SWITCH_ROWS_MAX = 1 << 16
"""So few rows are taken in under the lock: everybody else waits for them."""
ROUNDS_MAX = 8
"""So often it is looked whether more has come than was taken in meanwhile; then everybody waits for the rest."""
STEPS_PER_SECOND = 10
"""Of a fill whose speed is limited."""
SPARE_MEMORY_ROWS = 262_144
"""A fill of so many rows leaves memory worth giving back."""


@dataclass
class Member:
    """One query of a fill.  `place`: the id of the running query whose place it takes, "" for none.
    `staged`: what it has said, told to its followers when it is let in; None: they are told at once.
    """

    query: ContinuousQuery
    place: str = ""
    staged: list[Delta] | None = None


@dataclass(frozen=True)
class Progress:
    """Rows taken in of those there are; `rate`: rows a second, `left_us`: the time the rest will take, if known."""

    rows: int
    total: int
    rate: float | None
    left_us: int | None

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return min(1.0, self.rows / self.total) if self.total else 1.0

    @property
    def advance(self) -> Advance:
        """The same for who waits for it."""
        return Advance(self.fraction, self.rows)


@dataclass
class Cut:
    """What a fill begins with: readers by source, rows of tables and views as of now, the tap behind them."""

    readers: Mapping[str, TopicReader]
    contents: Mapping[str, Feed]
    tap: Tap


@dataclass
class Pace:
    """How fast: `rows_per_second` 0 = as fast as it goes."""

    rows_per_second: int = 0

    def step_rows(self) -> int:
        """Rows of a step."""
        if not self.rows_per_second:
            return STEP_ROWS_MAX
        return max(1, min(STEP_ROWS_MAX, self.rows_per_second // STEPS_PER_SECOND))

    def switch_rows(self) -> int:
        """Rows that may be taken in under the lock."""
        return min(SWITCH_ROWS_MAX, self.rows_per_second or SWITCH_ROWS_MAX)


RATE_LIMIT = "backfill_rate_limit"
"""The option of a materialized view that stands in for the setting of that name."""


def rate_limit(options: Mapping[str, str]) -> int | None:
    """Rows a second that a view's options ask for; None when they do not say.  InvalidParameter (22023)."""
    text = options.get(RATE_LIMIT, "default").strip().lower()
    if text == "default":
        return None
    if not text.isdigit():
        raise InvalidParameter(
            f'invalid value for option "{RATE_LIMIT}": "{text}"',
            hint="a number of rows a second is expected; 0 for as many as it can, DEFAULT for the setting of this name",
        )
    return int(text)


class Fill:
    """`let_in(fill)` is called once, with the lock held, when all members are up to date.

    One thread makes the steps; the lock guards everything but them.  `status`: backfilling, failed or done.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        members: Sequence[Member],
        cut: Cut,
        let_in: Callable[[Fill], None],
        pace: Pace,
        *,
        history: bool = True,
    ) -> None:
        self.members = tuple(members)
        self.status = "backfilling"
        self.error: Error | None = None
        self.pace = pace
        self.before: Callable[[], object] | None = None
        """What must be done before the first step, without the lock."""
        self._scheduler = scheduler
        self._readers = dict(cut.readers)
        self._tap = cut.tap
        self._let_in = let_in
        self._history = history
        self._now_us = scheduler.clock.now_us()
        self._feeds = dict(cut.contents)
        self._watermarks = {name: feed.watermark_us for name, feed in cut.contents.items()}
        self._rounds = 0
        self._began_us = scheduler.clock.now_us()
        self._ended = threading.Event()
        self._paced_rows, self._paced_us = 0, self._began_us
        self._step_rows = STEP_ROWS_FIRST
        self._waiting_rows = self._waiting()
        self._rows = 0
        self._starts = {name: list(reader.positions) for name, reader in self._readers.items()}
        self._goals = self._positions()
        scheduler.taps.append(cut.tap)
        for member in self.members:
            member.query.status = "backfilling"

    @property
    def query(self) -> ContinuousQuery:
        """The first member's query, by which the fill is known."""
        return self.members[0].query

    @property
    def reads(self) -> frozenset[str]:
        """Names of everything its members read."""
        return frozenset(n for member in self.members for n in (*member.query.sources, *member.query.upstream))

    @property
    def is_short(self) -> bool:
        """Whether little is left to be taken in."""
        return self._left() <= SWITCH_ROWS_MAX

    def progress(self) -> Progress:
        """How far it is."""
        read = self._read(self._positions_read())
        rows, total = self._rows + read, self._rows + self._waiting_rows + self._read(self._goals)
        micros = self._scheduler.clock.now_us() - self._began_us
        rate = rows / micros * 1e6 if rows and micros > 0 else None
        left_us = round((total - rows) / rate * 1e6) if rate and self.status == "backfilling" else None
        return Progress(rows, total, rate, left_us)

    # ------------------------------------------------------------ steps

    def run(self, check: Callable[[], None] | None, on_progress: OnProgress | None) -> None:
        """All steps that are left; what they or `check` raise ends the fill and is raised."""
        try:
            if self.before is not None:
                self.before()
            while not self.step():
                if on_progress is not None:
                    on_progress(self.progress().advance)
                if check is not None:
                    check()
                self._keep_pace(check)
        except BaseException as error:
            self.end(as_error(error) if isinstance(error, Exception) else None)
            raise
        if on_progress is not None:
            on_progress(Advance(1.0, self.progress().rows))

    def set_pace(self, pace: Pace) -> None:
        """Another speed from now on; the caller holds the lock."""
        self._paced_rows, self._paced_us = self.progress().rows, self._scheduler.clock.now_us()
        self.pace = pace

    def step(self) -> bool:
        """The next rows through all members; True when they have been let in.  Raises what ended the fill."""
        if self._left() <= self.pace.switch_rows() or self._is_at_goals():
            with self._scheduler.lock:
                self._require_going()
                self._look_ahead()
                if self._left() <= self.pace.switch_rows() or self._rounds > ROUNDS_MAX:
                    self._switch()
                    return True
        self._require_going()
        memory, started = self._scheduler.memory, perf_counter()
        before = self.progress().rows
        self._advance(memory.rows_at_once(min(self._step_rows, self.pace.step_rows())))
        memory.after_step(member.query for member in self.members)
        self._measure(self.progress().rows - before, perf_counter() - started)
        return False

    def _measure(self, rows: int, seconds: float) -> None:
        """How many rows the next step takes, after one that took so long for so many."""
        wanted = int(rows * STEP_SECONDS / max(seconds, 1e-6))
        self._step_rows = max(SWITCH_ROWS_MAX, min(wanted, STEP_ROWS_MAX))

    def end(self, error: Error | None) -> None:
        """Stop for a reason; nothing when it has ended.  Not while the lock's owner waits for the thread that steps."""
        with self._scheduler.lock:
            if self.status == "backfilling":
                self.status, self.error = "failed", error
                self._ended.set()
                self._let_go()

    def _require_going(self) -> None:
        if self.status != "backfilling":
            raise self.error or QueryCanceled("the query was ended while it was brought up to date")

    def _let_go(self) -> None:
        if self._tap in self._scheduler.taps:
            self._scheduler.taps.remove(self._tap)
        self._scheduler.forget_unread()

    def _keep_pace(self, check: Callable[[], None] | None) -> None:
        """Wait until so many rows may have been taken in."""
        if not self.pace.rows_per_second or self._scheduler.clock.virtual:
            return
        while (ahead_us := self._due_us() - self._scheduler.clock.now_us()) > 0 and self.status == "backfilling":
            self._wait(min(ahead_us / 1e6, 1 / STEPS_PER_SECOND))
            if check is not None:
                check()

    def _due_us(self) -> int:
        """When as many rows may have been taken in as have been."""
        rows = self.progress().rows - self._paced_rows
        rate = self.pace.rows_per_second
        return self._paced_us + rows * 1_000_000 // rate if rate else self._paced_us

    def _wait(self, seconds: float) -> None:
        self._ended.wait(seconds)

    # ------------------------------------------------------------ what is still to be read

    def _positions(self) -> dict[str, list[int]]:
        """Where the shared readers stand."""
        return {name: list(self._scheduler.sources[name].reader.positions) for name in self._readers}

    def _positions_read(self) -> dict[str, list[int]]:
        return {name: reader.positions for name, reader in self._readers.items()}

    def _read(self, positions: Mapping[str, Sequence[int]]) -> int:
        """Rows from the start to some positions."""
        return sum(
            max(0, at - start)
            for name, starts in self._starts.items()
            for start, at in zip(starts, positions[name], strict=False)
        )

    def _waiting(self) -> int:
        rows = sum(delta.num_rows for feed in self._feeds.values() for delta in feed.deltas)
        return rows + sum(part.ready_rows for part in self._tap.parts)

    def _is_at_goals(self) -> bool:
        return not self._waiting_rows and all(r.at_end(self._goals[name]) for name, r in self._readers.items())

    def _look_ahead(self) -> None:
        """New goals: where the ticks are now."""
        self._rounds += 1
        self._goals = self._positions()
        for name, taken in self._tap.take().items():
            waiting = self._feeds[name].deltas if name in self._feeds else ()
            deltas = [*waiting, *taken.deltas]
            self._feeds[name] = Feed(deltas=deltas, watermark_us=taken.watermark_us, names=taken.names)
            self._watermarks[name] = taken.watermark_us
        self._waiting_rows = self._waiting()

    def _left(self) -> int:
        return self._waiting_rows + self._read(self._goals) - self._read(self._positions_read())

    # ------------------------------------------------------------ through the members

    def _advance(self, max_rows: int) -> None:
        feeds = self._feeds
        self._feeds = {name: Feed(watermark_us=at) for name, at in self._watermarks.items()}
        each = max(1, max_rows // max(1, sum(len(r.positions) for r in self._readers.values())))
        for name, reader in self._readers.items():
            feeds[name] = Feed(batches=reader.poll(each, until=self._goals[name]))
        for member in self.members:
            query = member.query
            outcome = query.step(feeds, self._now_us, history=self._history)
            deltas = query.note(outcome, self._scheduler.tick_number, self._now_us)
            query.hand_on(outcome, self._scheduler.tick_number)
            feeds[query.name] = Feed(deltas=deltas, watermark_us=query.dataflow.watermark_us)
            if member.staged is not None:
                member.staged += deltas
            elif query.followers:
                query.tell(deltas, self._scheduler.next_number(), self._now_us)
        self._rows += self._waiting_rows
        self._waiting_rows = 0

    def _switch(self) -> None:
        """What is left, then into the ticks.  The lock is held."""
        self._now_us = self._scheduler.clock.now_us()
        for member in self.members:
            member.query.dataflow.wake(self._now_us)
        self._advance(STEP_ROWS_MAX)
        while not self._is_at_goals():
            self._advance(STEP_ROWS_MAX)
        for member in self.members:
            member.query.dataflow.join_parts()
            member.query.status = "running"
        self._let_in(self)
        self.status = "done"
        self._let_go()
        self._scheduler.spare_memory |= self.progress().rows >= SPARE_MEMORY_ROWS
