"""What is said to have changed of structures, of rare ways in which they change."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from sqlengine.delta import Delta
from sqlengine.operators.aggregates.aggregate_set import AggregateSet
from sqlengine.operators.over.running import RUNNING, Running
from sqlengine.operators.ranking import sort_rows
from sqlengine.operators.session_aggregate import SessionAggregateOperator
from sqlengine.plan.nodes import Frame, FrameBound, WindowCall
from sqlengine.state.multiset import Multiset
from sqlengine.state.ranked_rows import LIVE, REPLACE_AT, ROWS, RankedRows
from sqlengine.state.row_bag import RowBag
from sqlengine.state.section import Section, Sections
from sqlengine.state.time_queue import TimeQueue
from sqlengine.state.timed_rows import TimedRows
from tests.api.test_sections import Mirror
from tests.depth import rounds
from tests.operators.aggregate_support import SCHEMA, call, times
from tests.operators.test_session_aggregate import node_of
from tests.operators.test_window_aggregate import S


def expect(section: Section, mirror: Mirror) -> None:
    """The copy has what there is."""
    copied = mirror.follow(section)
    for name, table in section.whole().items():
        names = [str(i) for i in range(table.num_columns)]
        assert copied.get(name, []) == table.rename_columns(names).to_pylist(), name


def test_weights_that_are_replaced_and_entries_that_are_reclaimed() -> None:
    rng = np.random.default_rng(3)
    bag, mirror = Multiset([pa.int64()]), Mirror()
    for step in range(40):
        slots = rng.integers(0, 50, 200)
        bag.apply(slots, [pa.array(rng.integers(0, 400, 200))], rng.choice([-1, 1, 1], 200))
        expect(bag.section("m")["m"], mirror)
        entries = np.unique(rng.integers(0, bag.size, 60))
        bag.set_weights(entries, rng.integers(0, 3, len(entries)))
        expect(bag.section("m")["m"], mirror)
        if step % 7 == 6:
            before = bag.size
            bag.set_weights(np.arange(bag.size), np.where(np.arange(bag.size) % 3 == 0, 1, 0))
            bag.reclaim(50)
            assert bag.size < before
            expect(bag.section("m")["m"], mirror)


def test_newest_rows_that_are_replaced() -> None:
    """What a ranking does with a large batch: the losers leave no trace, others come to their positions."""
    schema = pa.schema([("k", pa.int64()), ("v", pa.int64())])
    rows, mirrors = RankedRows(schema, [pa.int64()], retracting=False), {ROWS: Mirror(), LIVE: Mirror()}

    def look() -> None:
        for name, section in rows.sections().items():
            expect(section, mirrors[name])

    def batch(first: int) -> pa.RecordBatch:
        numbers = np.arange(first, first + REPLACE_AT)
        return pa.record_batch([numbers % 7, numbers], schema=schema)

    for round_ in range(4):
        _, new = rows.apply(Delta(batch(round_ * 1_000_000)), [0])
        rows.kill(new[::5])
        look()
        _, new = rows.apply(Delta(batch(round_ * 1_000_000 + 500_000)), [0])
        rows.kill(new[1::3])
        look()
        assert rows.is_replaceable(new)
        kept = np.ascontiguousarray(new[::2])
        rows.replace_tail(int(new[0]), kept, rows.arena.take_batch(kept))
        look()


class Mirrors:
    """A copy of each section of something."""

    def __init__(self) -> None:
        self._mirrors: dict[str, Mirror] = {}

    def look(self, sections: Sections) -> None:
        for name, section in sections.items():
            expect(section, self._mirrors.setdefault(name, Mirror()))

    def restarted(self) -> None:
        """What is there next has been restored from the copy, at the same positions."""
        for mirror in self._mirrors.values():
            mirror.generation = 0

    def state(self, sections: Sections) -> dict[str, pa.Table]:
        """What a checkpoint would have."""
        return {name: table for section in sections.values() for name, table in section.whole().items()}


class Bag:
    """A RowBag beside lists: of each slot and value the arrival numbers, oldest first, and the deletions owed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.bag, self.mirrors = RowBag([pa.string()]), Mirrors()
        self.held: dict[tuple[int, str], list[int]] = {}
        self.owed: Counter[tuple[int, str]] = Counter()
        self.arrived, self.slots = 0, 6

    def change(self) -> None:
        """Insertions and deletions, some before what they delete."""
        slots, values = self.rng.integers(0, self.slots, 30), [f"v{v}" for v in self.rng.integers(0, 5, 30)]
        weights = self.rng.choice([-2, -1, 1, 1, 2], 30)
        arrivals = self.arrived + np.arange(30)
        self.arrived += 30
        self.bag.apply(slots, [pa.array(values)], weights, arrivals)
        rows = list(zip(zip(slots.tolist(), values, strict=True), weights.tolist(), arrivals.tolist(), strict=True))
        for key, weight, _ in rows:
            self.owed[key] -= min(weight, 0)
        for key, weight, arrival in rows:
            self.held.setdefault(key, []).extend([arrival] * max(weight, 0))
        for key, there in self.held.items():
            gone = min(self.owed[key], len(there))
            self.owed[key] -= gone
            del there[:gone]

    def drop_a_slot(self) -> None:
        """As groups are compacted."""
        gone = int(self.rng.integers(0, self.slots))
        moved = np.array([-1 if s == gone else s - (s > gone) for s in range(self.slots)])
        self.bag.compact(moved)
        self.held = {(int(moved[s]), v): there for (s, v), there in self.held.items() if s != gone}
        self.owed = Counter({(int(moved[s]), v): n for (s, v), n in self.owed.items() if s != gone})

    def restart(self) -> None:
        """Go on from what the sections have."""
        state, self.bag = self.mirrors.state(self.bag.sections()), RowBag([pa.string()])
        self.bag.restore(state)
        assert all(section.changed.count(section.size()) == 0 for section in self.bag.sections().values())
        self.mirrors.restarted()

    def check(self) -> None:
        """The bag has what the lists have, and the copy what the bag has."""
        self.mirrors.look(self.bag.sections())
        slots, rows = self.bag.rows(np.arange(self.slots))
        found: dict[tuple[int, str], list[int]] = {}
        values, arrivals = self.bag.values(rows)[0].to_pylist(), self.bag.arrivals(rows).tolist()
        for slot, value, arrival in zip(slots.tolist(), values, arrivals, strict=True):
            found.setdefault((slot, value), []).append(arrival)
        assert found == {key: there for key, there in self.held.items() if there}

    def run(self, steps: int, restarts: bool) -> None:
        """A random history."""
        for step in range(steps):
            self.change()
            self.bag.reclaim(self.slots)
            if step % 9 == 8:
                self.drop_a_slot()
            self.check()
            if restarts:
                self.restart()
                self.check()


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("seed", range(rounds(2, 4)))
def test_rows_of_groups(monkeypatch: pytest.MonkeyPatch, seed: int, restarts: bool) -> None:
    monkeypatch.setattr("sqlengine.state.row_bag.COMPACT_AT", 20)
    Bag(seed).run(40, restarts)


@pytest.mark.parametrize(("which", "what"), [("_changed_kinds", "mark"), ("_changed_kinds", "renumbered"),
                                             ("_new_rows", "renumbered")])  # fmt: skip
def test_a_mark_of_rows_of_groups_that_is_missing_is_noticed(which: str, what: str) -> None:
    bag = Bag(0)
    setattr(getattr(bag.bag, which), what, lambda *_: None)
    with pytest.raises(AssertionError):
        bag.run(40, restarts=False)


TIMED = pa.schema([("k", pa.int64()), ("t", pa.int64())])


class Timed:
    """TimedRows beside a list of (key, time, number of arrival)."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.rows, self.mirrors = TimedRows(TIMED, retracting=True), Mirrors()
        self.held: list[tuple[int, int]] = []

    @staticmethod
    def entries(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        return batch.column(0).to_numpy(), batch.column(1).to_numpy()

    def change(self) -> None:
        """Rows come, some that came before go."""
        come = [(int(k), int(t)) for k, t in zip(*self.rng.integers(0, 9, (2, 10)), strict=True)]
        batch = pa.RecordBatch.from_pylist([{"k": k, "t": t} for k, t in come], TIMED)
        self.rows.add(batch, *self.entries(batch))
        self.held += come
        chosen = Counter(self.held[at] for at in self.rng.choice(len(self.held), min(9, len(self.held)), replace=False))
        gone = pa.RecordBatch.from_pylist([{"k": k, "t": t} for k, t in chosen], TIMED)
        self.rows.remove(gone, np.array(list(chosen.values())))
        for row in chosen.elements():
            self.held.remove(row)

    def restart(self) -> None:
        """Go on from what the sections have."""
        self.mirrors.look(self.rows.sections("s"))
        state = self.mirrors.state(self.rows.sections("s"))
        self.rows = TimedRows(TIMED, retracting=True)
        self.rows.restore(state, "s", self.entries)
        assert all(section.changed.count(section.size()) == 0 for section in self.rows.sections("s").values())
        self.mirrors.restarted()

    def check(self) -> None:
        """Every key has the nearest rows that the list has; the copy has what there is."""
        self.mirrors.look(self.rows.sections("s"))
        slots, at = (a.ravel() for a in np.meshgrid(np.arange(9), np.arange(9)))
        rows = self.rows.nearest(slots, at, backward=True, inclusive=True)
        found = [None if row < 0 else int(self.rows.times.values[row]) for row in rows]
        best = [
            max((t for k, t in self.held if k == s and t <= a), default=None) for s, a in zip(slots, at, strict=True)
        ]
        assert found == best
        assert self.rows.num_rows == len(self.held)

    def run(self, restarts: bool) -> None:
        """A random history."""
        for step in range(30):
            self.change()
            self.check()
            if self.rows.worth_compacting():
                self.rows.compact()
                if step % 2:
                    self.check()
            if restarts:
                self.restart()
                self.check()


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("seed", range(rounds(2, 3)))
def test_rows_by_time(monkeypatch: pytest.MonkeyPatch, seed: int, restarts: bool) -> None:
    monkeypatch.setattr("sqlengine.state.timed_rows.COMPACT_AT", 20)
    Timed(seed).run(restarts)


@pytest.mark.parametrize(("which", "what"), [("_died", "mark"), ("_died", "renumbered"), ("_new", "renumbered")])
def test_a_mark_of_rows_by_time_that_is_missing_is_noticed(
    monkeypatch: pytest.MonkeyPatch, which: str, what: str
) -> None:
    monkeypatch.setattr("sqlengine.state.timed_rows.COMPACT_AT", 20)
    timed = Timed(0)
    setattr(getattr(timed.rows, which), what, lambda *_: None)
    with pytest.raises(AssertionError):
        timed.run(restarts=False)


class Queue:
    """A TimeQueue beside a list of (time, number of arrival, weight)."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.queue, self.mirrors = TimeQueue(pa.schema([("n", pa.int64())])), Mirrors()
        self.waiting: list[tuple[int, int, int]] = []
        self.arrived = self.now = 0

    def change(self) -> None:
        """Rows come; those whose time has come leave by time and arrival."""
        count = int(self.rng.integers(0, 20))
        numbers, times = self.arrived + np.arange(count), self.now + self.rng.integers(-3, 20, count)
        delta = Delta(pa.record_batch([pa.array(numbers)], names=["n"]))
        if self.rng.integers(0, 2):
            delta = Delta(delta.batch, self.rng.choice([-1, 1, 2], count))
        self.queue.add(delta, times)
        self.waiting += zip(times.tolist(), numbers.tolist(), delta.weight_array().tolist(), strict=True)
        self.arrived += count
        assert self.queue.next_us == min((time for time, _, _ in self.waiting), default=None)
        self.now += int(self.rng.integers(0, 5))
        due = self.queue.take_due(self.now)
        left = sorted(row for row in self.waiting if row[0] <= self.now)
        found = [] if due is None else zip(due.batch.column(0).to_pylist(), due.weight_array().tolist(), strict=True)
        assert list(found) == [(number, weight) for _, number, weight in left]
        self.waiting = [row for row in self.waiting if row[0] > self.now]
        assert self.queue.num_rows == len(self.waiting)

    def restart(self) -> None:
        """Go on from what the sections have."""
        self.mirrors.look(self.queue.sections("q"))
        state = self.mirrors.state(self.queue.sections("q"))
        self.queue = TimeQueue(pa.schema([("n", pa.int64())]))
        self.queue.restore(state, "q")
        assert all(section.changed.count(section.size()) == 0 for section in self.queue.sections("q").values())
        self.mirrors.restarted()

    def run(self, restarts: bool) -> None:
        """A random history."""
        for step in range(60):
            self.change()
            if step % 3:
                self.mirrors.look(self.queue.sections("q"))
            if restarts:
                self.restart()


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("seed", range(rounds(2, 3)))
def test_rows_that_wait(monkeypatch: pytest.MonkeyPatch, seed: int, restarts: bool) -> None:
    monkeypatch.setattr("sqlengine.state.time_queue.COMPACT_AT", 20)
    Queue(seed).run(restarts)


@pytest.mark.parametrize(("which", "what"), [("_changed", "mark"), ("_changed", "renumbered"), ("_new", "renumbered")])
def test_a_mark_of_rows_that_wait_that_is_missing_is_noticed(
    monkeypatch: pytest.MonkeyPatch, which: str, what: str
) -> None:
    monkeypatch.setattr("sqlengine.state.time_queue.COMPACT_AT", 20)
    one = Queue(0)
    setattr(getattr(one.queue, which), what, lambda *_: None)
    with pytest.raises(AssertionError):
        one.run(restarts=False)


def sessions_of_new_keys(operator: SessionAggregateOperator) -> None:
    """Every tick brings keys that no other has; those of sessions that are over are forgotten."""
    mirrors, most = Mirrors(), 0
    for tick in range(12):
        columns = {f.name: pa.nulls(4, f.type) for f in SCHEMA}
        columns["t"] = pa.array([tick * S + i for i in range(4)], pa.timestamp("us"))
        columns["k"] = pa.array([10 * tick + i // 2 for i in range(4)])
        operator.process(Delta(pa.RecordBatch.from_pydict(columns, schema=SCHEMA)), 0, 0)
        mirrors.look(operator.sections())
        operator.advance(times(tick * S))
        mirrors.look(operator.sections())
        most = max(most, operator.sections()["keys"].size())
    assert most < 24, "no key was forgotten"


@pytest.mark.parametrize("missing", [None, "_new_keys", "_changed"])
def test_keys_of_sessions_that_are_forgotten(monkeypatch: pytest.MonkeyPatch, missing: str | None) -> None:
    monkeypatch.setattr(AggregateSet, "worth_compacting", lambda _self, dead: dead > 2)
    operator = SessionAggregateOperator(node_of(("k",), [call("count")], 2, emit="close"))
    if missing is None:
        sessions_of_new_keys(operator)
        return
    getattr(operator, missing).renumbered = lambda: None
    with pytest.raises(AssertionError):
        sessions_of_new_keys(operator)


def totals_that_are_forgotten(running: Running) -> None:
    """Partitions come, go on and go."""
    mirror = Mirror()
    for step in range(6):
        columns = [pa.array([step, step, step + 1, step + 2]), pa.array([1, 2, 3, 4])]
        by = sort_rows(columns[0].to_numpy(), [], [], lambda column, _at, columns=columns: columns[column])
        running.answers(by, columns, [pa.array([step, step + 1, step + 2])])
        expect(running.section(), mirror)
        running.forget(lambda columns, step=step: columns[0].to_numpy() < step)
        expect(running.section(), mirror)
    assert running.section().whole()[RUNNING].column(0).to_pylist() == [5, 6, 7]


@pytest.mark.parametrize("missing", [None, "mark", "renumbered"])
def test_totals_of_partitions_that_are_forgotten(missing: str | None) -> None:
    frame = Frame("rows", FrameBound("unbounded preceding"), FrameBound("current row"))
    total = WindowCall("sum", (1,), (), None, pa.int64(), frame, (), "", "", by_row=False)
    running = Running([total], pa.schema([("k", pa.int64()), ("v", pa.int64())]), [0])
    if missing is None:
        totals_that_are_forgotten(running)
        return
    setattr(running._changed, missing, lambda *_: None)
    with pytest.raises(AssertionError):
        totals_that_are_forgotten(running)
