"""MatchRecognize: the matches of a row pattern, kept up to date by searching the partitions again that a tick touches.

A partition is searched from the first row on whose fate was open: matches before it are *passed*, and stay what they
are as long as rows come behind all there are.  A row that goes, or comes among others, has its partition searched from
its beginning: what was decided may have been decided by the row behind it.  What was said of a partition is kept, so
that a retraction takes back exactly what was said.

With `closing`, rows come in the order of their time: only what no row to come can change is said, once, and passed rows
are forgotten, but for those that later matches look back at.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.errors import SkipFailed
from sqlengine.kernels.row_pattern_reference import NO_SUCH_ROW, NO_TIME, SAME_ROW
from sqlengine.operators.base import (
    END_OF_TIME,
    NO_WATERMARK,
    NUMBERS,
    ChosenKeys,
    State,
    Times,
    numbers_of,
    of_numbers,
)
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.match.answers import Answers
from sqlengine.operators.match.finder import Finder
from sqlengine.operators.match.rows import Matches, Rows, in_matches
from sqlengine.operators.partitioned import PartitionedOperator
from sqlengine.operators.ranking import Sorted
from sqlengine.operators.row_errors import Failure
from sqlengine.plan.match_node import BEGIN, MatchRecognize
from sqlengine.state.arrow_buffers import plain, validity
from sqlengine.state.order_codes import order_codes
from sqlengine.state.ranked_rows import LIVE, ROWS, RankedRows, living_of
from sqlengine.state.section import Changed, Section, Sections, below

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
SAID, MARKS = "said_", "marks"
NONE: Ints = np.empty(0, dtype=np.int64)
SEEN, PASSED, NEAR, COVERED, NUMBER = 1, 2, 4, 8, 16
"""A row's mark: it was there at the last search; it is passed; it is among those looked back at; it is in a match that
is decided; and from NUMBER on how many of those its partition had."""


class _Errors:
    """What became of rows on which an expression raised."""

    can_raise = True

    def __init__(self, finder: Finder, answers: Answers) -> None:
        self._finder, self._answers = finder, answers

    def take(self) -> list[Failure]:
        """The failures since the last call."""
        taken = [*self._finder.conditions.failures, *self._answers.failures]
        self._finder.conditions.failures.clear()
        self._answers.failures.clear()
        return taken


class MatchOperator(PartitionedOperator):
    """Keeps the rows of its input, and the rows it has said; with `closing` the open rows alone."""

    def __init__(self, node: MatchRecognize) -> None:
        super().__init__(node.forget)
        self.schema = node.schema
        self._node = node
        self._input = node.input.schema
        ordered = {column for column, _, _ in node.order} | set(node.partition)
        self._ties = [c for c in range(len(self._input)) if c not in ordered]
        looks_back = node.behind or node.counts or BEGIN in node.program.ops
        self._near = max(node.behind, int(bool(looks_back) or not node.closing))
        self._finder = Finder(node)
        self._answers = Answers(node)
        self.errors = _Errors(self._finder, self._answers)
        self._clear()

    def _clear(self) -> None:
        types = [self._input.field(c).type for c in self._node.partition]
        retracting, listed = not self._node.input.append_only, not self._node.closing
        self._rows = RankedRows(self._input, types, retracting=retracting, listed=listed)
        self._marked = Changed()
        self._said = RankedRows(self.schema, types, retracting=False, listed=True)
        self._said_marked = Changed()
        self._horizon = NO_WATERMARK
        self._late: list[pa.RecordBatch] = []
        self._now_us = 0
        self._begin()

    # ------------------------------------------------------------ ticks

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        self._now_us = now_us
        return super().process(self._in_order(delta) if self._node.closing else delta, port, now_us)

    def _in_order(self, delta: Delta) -> Delta:
        """The rows behind those that were searched; a partition that was idle, and did not hold the watermark back, can
        bring others, which are late."""
        late = self._times(delta.batch.column(self._node.order[0][0])) < self._horizon
        if not late.any():
            return delta
        self._late.append(delta.batch.filter(pa.array(late)))
        return delta.filter(pa.array(~late))

    def advance(self, times: Times) -> Delta | None:
        self._now_us = times.now_us
        moved = times.watermark_us > self._horizon
        self._horizon = max(self._horizon, times.watermark_us)
        change = super().advance(times)
        if not self._node.closing or not moved:
            return change
        due = self._due()
        released = self._searched(due, NONE, NONE) if len(due) else None
        self._compact()
        return _both(change, released)

    def _due(self) -> Ints:
        """The partitions with open rows whose fate the watermark alone may have decided."""
        living = self._rows.living()
        open_rows = living[self._rows.marks.values[living] & PASSED == 0]
        if self._horizon != END_OF_TIME:
            if self._node.within_us is None:
                return NONE
            times = self._times(self._rows.arena.take(open_rows, [self._node.order[0][0]])[0])
            open_rows = open_rows[times < self._horizon - self._node.within_us]
        return self._rows.partitions_of(open_rows)

    @staticmethod
    def _times(column: pa.Array) -> Ints:
        values, valid = order_codes(plain(column)), validity(plain(column))
        return values if valid is None else np.where(valid, values, NO_TIME)

    def _change(self, delta: Delta) -> Delta | None:
        removed, new = self._rows.apply(delta, self._node.partition)
        touched = self._rows.partitions_of(np.concatenate([removed, new]))
        return self._searched(touched, removed, new)

    # ------------------------------------------------------------ searching

    def _searched(self, touched: Ints, removed: Ints, new: Ints) -> Delta | None:
        """Search partitions; returns what that changes."""
        _, before = self._rows.buffers.get(touched)
        anew = np.unique(self._rows.slots.values[removed])
        candidates = np.concatenate([before[self._rows.alive(before)], new])
        order, by, columns = self._sorted(self._begun_anew(candidates, anew), self._node.order, self._ties)
        late = self._displaced(order, by)
        if len(late):
            anew = np.union1d(anew, late)
            order, by, columns = self._sorted(self._begun_anew(candidates, anew), self._node.order, self._ties)
        rows = self._as_rows(order, by, columns)
        matches, frontiers, failure = self._finder.find(rows, self._limits(rows), self._now_us)
        self._check(failure)
        batch, decided = self._answers.batch(rows, matches, frontiers, self._now_us)
        self._pass(touched, before, order, rows, matches, frontiers)
        if self._node.closing:
            return Delta(batch) if batch.num_rows else None
        return self._replaced(anew, np.concatenate([order[rows.starts], removed]), batch, decided)

    def _begun_anew(self, rows: Ints, partitions: Ints) -> Ints:
        """The rows, of some partitions all there are, which are to be searched from their beginnings."""
        if not len(partitions):
            return rows
        every = self._rows.of_partitions(partitions)
        self._rows.marks.values[every] = 0
        self._marked.mark(every)
        others = rows[~np.isin(self._rows.slots.values[rows], partitions)]
        return np.concatenate([others, every])

    def _displaced(self, order: Ints, by: Sorted) -> Ints:
        """The partitions in which a new row stands before others."""
        seen = self._rows.marks.values[order] & SEEN != 0
        behind = np.flatnonzero(seen[1:] & ~seen[:-1] & (by.segment[1:] == by.segment[:-1]))
        assert not (self._node.closing and len(behind)), "rows come in the order of their time"
        return self._rows.partitions_of(order[behind])

    def _as_rows(self, order: Ints, by: Sorted, columns: list[pa.Array]) -> Rows:
        marks = self._rows.marks.values[order]
        starts = by.starts
        ends = np.append(starts, len(order))[1:].astype(np.int64)
        near = np.bincount(by.segment, weights=marks & PASSED != 0, minlength=len(starts)).astype(np.int64)
        froms = starts + near
        last = np.where(near > 0, froms - 1, 0)
        numbers = np.where(near > 0, marks[last] // NUMBER, 0) if len(order) else near
        begins, covered = np.where(near > 0, -1, starts), marks & COVERED != 0
        return Rows(columns, len(order), starts, ends, froms, begins, numbers, covered)

    def _limits(self, rows: Rows) -> tuple[Ints, int, bool]:
        """(the rows' times where matches are limited by them, the time before which no row comes, whether none does)"""
        within = self._node.within_us is not None
        times = self._times(rows.columns[self._node.order[0][0]]) if within else np.empty(0, dtype=np.int64)
        horizon = self._horizon if self._node.closing else NO_WATERMARK
        return times, horizon, self._node.closing and self._horizon == END_OF_TIME

    def _check(self, failure: int) -> None:
        if failure == NO_SUCH_ROW:
            raise SkipFailed(
                "AFTER MATCH SKIP TO a variable that has no row in the match",
                hint="a variable that a match may lack is no place to go on at; SKIP TO NEXT ROW always is",
            )
        if failure == SAME_ROW:
            raise SkipFailed(
                "AFTER MATCH SKIP TO the first row of a match would find the same match for ever",
                sqlstate="2202L",
                hint="SKIP TO NEXT ROW begins at the row behind it",
            )

    # ------------------------------------------------------------ what stays

    def _pass(self, touched: Ints, before: Ints, order: Ints, rows: Rows, matches: Matches, frontiers: Ints) -> None:
        """Mark the rows before where the next search begins, and note how many matches there are up to there; buffers
        hold what the next search needs."""
        lengths = rows.ends - rows.starts
        frontier = np.repeat(frontiers, lengths)
        place = np.arange(rows.count)
        passed = place < frontier
        near = passed & (place >= frontier - self._near)
        count = np.bincount(matches.segments[matches.decided], minlength=len(lengths))
        number = np.repeat(rows.numbers + count, lengths)
        marks = self._rows.marks.values
        made = SEEN + np.where(passed, PASSED + NEAR * near + NUMBER * number, 0)
        made += COVERED * (rows.covered | in_matches(matches, matches.decided, rows.count))
        changed = made != marks[order]
        marks[order[changed]] = made[changed]
        self._marked.mark(order[changed])
        needed = ~passed | near
        _buffer(self._rows, touched, before, order[needed])
        if self._node.closing:
            self._rows.kill(order[~needed])

    def _replaced(self, anew: Ints, known: Ints, batch: pa.RecordBatch, decided: Mask) -> Delta | None:
        """Say new rows, and take back what is no longer true: all of partitions searched anew, else what was open.
        `known`: rows that tell which partitions were searched."""
        partitions, at = np.unique(self._rows.slots.values[known], return_index=True)
        own = self._said.slots_of(self._rows.arena.take(known[at], self._node.partition), len(partitions))
        _, before = self._said.buffers.get(own)
        again = own[np.isin(partitions, anew)]
        old = before
        if len(again):
            every = self._said.of_partitions(np.sort(again))
            old = np.concatenate([before[~np.isin(self._said.slots.values[before], again)], every])
        gone = pa.RecordBatch.from_arrays(self._said.arena.take(old), schema=self.schema)
        keys = [batch.column(i) for i in range(len(self._node.partition))]
        new = self._said.add(batch, self._said.slots_of(keys, batch.num_rows))
        self._said.marks.values[new] = decided
        self._said_marked.mark(new)
        _buffer(self._said, np.sort(own), before, new[~decided])
        self._said.kill(old)
        return consolidate(concat([Delta(gone, np.full(len(old), -1, dtype=np.int64)), Delta(batch)]))

    def _compact(self) -> None:
        if self._rows.compact_if_worth_it():
            self._marked.renumbered()
        if self._said.compact_if_worth_it():
            self._said_marked.renumbered()

    # ------------------------------------------------------------ state

    def take_late(self) -> list[pa.RecordBatch]:
        late, self._late = self._late, []
        return [*super().take_late(), *late]

    def _forget(self) -> None:
        living = self._rows.living()
        assert self._forget_by is not None
        (times,) = self._rows.arena.take(living, [self._forget_by.column])
        gone = living[self._forgetting.gone(times)]
        said = self._said.living()
        column = self._node.partition.index(self._forget_by.column)
        (said_times,) = self._said.arena.take(said, [column])
        self._said.forget(said[self._forgetting.gone(said_times)])
        self._rows.forget(gone)
        self._compact()
        self._forgetting.looked(self._entries())

    def state_size(self) -> Mapping[str, int]:
        return {"rows": self._rows.num_rows, "bytes": self._rows.num_bytes + self._said.num_bytes}

    def sections(self) -> Sections:
        marks = Section(self._marked, lambda: self._rows.arena.num_rows, lambda at: _marks(MARKS, self._rows, at))
        said = below(SAID, self._said.sections())
        said_marks = Section(
            self._said_marked, lambda: self._said.arena.num_rows, lambda at: _marks(SAID + MARKS, self._said, at)
        )
        return {**self._rows.sections(), MARKS: marks, **said, SAID + MARKS: said_marks}

    def rest(self) -> State:
        return {NUMBERS: of_numbers({"horizon_us": self._forgetting.horizon_us, "watermark_us": self._horizon})}

    def restore(self, state: State) -> None:
        self._clear()
        numbers = numbers_of(state[NUMBERS])
        self._forgetting.horizon_us, self._horizon = numbers["horizon_us"], numbers["watermark_us"]
        _restored(self._rows, self._marked, state, "", self._node.partition)
        keys = tuple(range(len(self._node.partition)))
        _restored(self._said, self._said_marked, state, SAID, keys)
        for rows, kept in ((self._rows, PASSED), (self._said, 1)):
            living = rows.living()
            marks = rows.marks.values[living]
            open_rows = living[(marks & kept == 0) | (marks & NEAR != 0)]
            _buffer(rows, rows.partitions_of(open_rows), NONE, open_rows)

    def keep(self, chosen: ChosenKeys) -> None:
        for rows, marked, keys in (
            (self._rows, self._marked, self._node.partition),
            (self._said, self._said_marked, tuple(range(len(self._node.partition)))),
        ):
            living = rows.living()
            rows.forget(living[~chosen(rows.arena.take(living, keys))])
            marked.renumbered()


def _both(one: Delta | None, other: Delta | None) -> Delta | None:
    made = [d for d in (one, other) if d is not None]
    return made[0] if len(made) == 1 else consolidate(concat(made)) if made else None


def _buffer(rows: RankedRows, partitions: Ints, before: Ints, held: Ints) -> None:
    """Let the buffers of partitions (ascending), which held `before`, hold those of `held` that are theirs."""
    slots = rows.slots.values[held]
    by_slot = np.argsort(slots, kind="stable")
    counts = np.bincount(np.searchsorted(partitions, slots), minlength=len(partitions))
    rows.set_buffers(partitions, before, counts, held[by_slot])


def _marks(name: str, rows: RankedRows, at: Ints) -> dict[str, pa.Table]:
    return {name: pa.table({name: pa.array(rows.marks.values[at])})}


def _restored(rows: RankedRows, marked: Changed, state: State, head: str, keys: tuple[int, ...]) -> None:
    """Rows with their marks, from sections under names that begin with `head`."""
    table, name = state[head + ROWS], head + MARKS
    both = table.append_column("$mark", state[name].column(name))
    for batch in living_of({**state, ROWS: both, LIVE: state[head + LIVE]}).to_batches():
        own = pa.RecordBatch.from_arrays(batch.columns[:-1], schema=rows.arena.schema)
        new = rows.add(own, rows.slots_of([own.column(c) for c in keys], own.num_rows))
        rows.marks.values[new] = batch.column(batch.num_columns - 1).to_numpy()
    rows.is_restored(table.num_rows)
    if table.num_rows != rows.arena.num_rows:
        marked.renumbered()
    marked.begin(rows.arena.num_rows)
