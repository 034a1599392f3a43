"""TopN: the rows of each partition whose row_number, rank or dense_rank is within a limit, kept up to date.

Per partition a sorted buffer holds the best rows, more than are shown, so that deletions seldom reach further: all
rows outside are worse than the last of the buffer, and only when a buffer runs short are the partition's rows sorted
again.  Over an append-only input there is no outside: what falls off the limit can never return and is forgotten.
A tick's changes are applied together in `advance`, and only partitions they touch are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.base import NUMBERS, ChosenKeys, State, numbers_of, of_numbers
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.partitioned import PartitionedOperator
from sqlengine.operators.ranking import sort_rows
from sqlengine.plan import nodes
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.arrow_buffers import validity
from sqlengine.state.densifier import distinct_ascending
from sqlengine.state.order_codes import has_order_codes, order_codes
from sqlengine.state.ranked_rows import ROWS, WORST, Ints, Mask, RankedRows, living_of, sides
from sqlengine.state.section import Sections

SPARE = 64
"""Rows the buffer of a global ranking holds beyond twice what is shown, over an input that can retract."""


WINNOW_AT = 16_384
"""Of so many rows that come together those that lose among themselves are dropped at once, if that is most of them."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows sorted by (partition slot, rank); `alike`: some were equal, so that either may have the better rank."""

    rows: Ints
    slots: Ints
    ranks: Ints
    alike: bool

    def where(self, mask: Mask) -> Ranked:
        """The rows where the mask is true."""
        return self if mask.all() else Ranked(self.rows[mask], self.slots[mask], self.ranks[mask], self.alike)

    def merged(self, other: Ranked) -> Ranked:
        """These rows and those of other partitions."""
        slots = np.concatenate([self.slots, other.slots])
        order = np.argsort(slots, kind="stable")
        rows, ranks = np.concatenate([self.rows, other.rows]), np.concatenate([self.ranks, other.ranks])
        return Ranked(rows[order], slots[order], ranks[order], self.alike or other.alike)


class TopNOperator(PartitionedOperator):
    """See nodes.TopN; LIMIT/OFFSET is the ranking of one partition without keys."""

    def __init__(self, node: nodes.TopN) -> None:
        super().__init__(node.forget)
        self.schema = node.schema
        self._node = node
        self._input = node.input.schema
        self._last = node.limit + node.offset
        self._retracting = not node.input.append_only
        self.net = not self._retracting  # where rows come back, one may take the place of its equal
        spare = 4 if node.partition else SPARE
        self._room = 2 * self._last + spare if self._retracting else self._last
        ordered = {column for column, _, _ in node.order} | set(node.partition)
        self._ties = [c for c in range(len(self._input)) if c not in ordered] if node.function == "row_number" else []
        first = node.order[0] if node.order else None
        codable = first is not None and has_order_codes(self._input.field(first[0]).type)
        self._reject_by = first if codable and node.function != "dense_rank" else None
        self._clear()

    def _clear(self) -> None:
        types = [self._input.field(c).type for c in self._node.partition]
        self._rows = RankedRows(self._input, types, self._retracting)
        self._new: list[Ints] = []
        self._winnowing = True
        self._begin()

    def _take_in(self, delta: Delta) -> None:
        if self._retracting:
            super()._take_in(delta)
        elif delta.num_rows:
            self._new.append(self._add(sides(delta)[2]))

    def _apply_pending(self) -> Delta | None:
        if self._retracting:
            return super()._apply_pending()
        new, self._new = np.concatenate([np.empty(0, dtype=np.int64), *self._new]), []
        self._winnowing = True
        change = self._reranked(new, new)
        self._compact()
        return change

    def _change(self, delta: Delta) -> Delta | None:
        gone, counts, come = sides(delta)
        removed = self._rows.remove(gone, counts) if gone.num_rows else np.empty(0, dtype=np.int64)
        new = self._add(come)
        return self._reranked(np.concatenate([removed[self._rows.buffered(removed)], new]), new)

    # ------------------------------------------------------------ changes

    def _add(self, batch: pa.RecordBatch) -> Ints:
        """Keep rows; returns the ids of those not seen at once to be beyond the buffer of their partition."""
        slots = self._rows.slots_of([batch.column(c) for c in self._node.partition], batch.num_rows)
        if self._reject_by is not None:
            codes = self._codes(batch.column(self._reject_by[0]))
            good = np.flatnonzero(codes <= self._rows.thresholds.values[slots])
            if self._retracting:
                return self._rows.add(batch, slots)[good]
            if len(good) < batch.num_rows:
                batch, slots = batch.take(pa.array(good)), slots[good]
        if not self._retracting and self._winnowing and batch.num_rows >= WINNOW_AT:
            winners = self._winners(batch, slots)
            self._winnowing = 2 * len(winners) <= batch.num_rows
            if self._winnowing:
                batch, slots = batch.take(pa.array(winners)), slots[winners]
        return self._rows.add(batch, slots)

    def _winners(self, batch: pa.RecordBatch, slots: Ints) -> Ints:
        """Positions of the rows that can be among the best of their partition: those that are among their like."""

        def take(column: int, at: Ints | None) -> pa.Array:
            return batch.column(column) if at is None else batch.column(column).take(pa.array(at))

        by = sort_rows(slots, self._node.order, self._ties, take)
        return np.sort(by.order[by.ranks(self._node.function) <= self._last])

    def _codes(self, array: pa.Array) -> Ints:
        """Codes of values of the first ORDER BY column: greater is worse."""
        assert self._reject_by is not None
        _, descending, nulls_first = self._reject_by
        codes, valid = order_codes(array), validity(array)
        codes = ~codes if descending else codes
        return codes if valid is None else np.where(valid, codes, ~WORST if nulls_first else WORST)

    # ------------------------------------------------------------ ranking

    def _reranked(self, rows_touched: Ints, new: Ints) -> Delta | None:
        """Rank the partitions of rows again; returns the change of what is shown."""
        touched = self._rows.partitions_of(rows_touched)
        if not len(touched):
            return None
        rows = self._rows
        _, before = rows.buffers.get(touched)
        alive = before[rows.alive(before)]
        candidates = np.concatenate([alive, new])
        best = self._ranked(candidates, np.arange(len(candidates)) < len(alive))
        if self._retracting:
            best = self._refilled(best, touched)
        best = best.where(best.ranks <= self._room)
        counts = np.bincount(np.searchsorted(touched, best.slots), minlength=len(touched))
        change = self._changes(before, best, new)
        if not self._retracting and not self._node.offset and rows.is_replaceable(new):
            best, candidates = self._without_losers(best, new, change), alive
        rows.set_buffers(touched, before, counts, best.rows)
        if not self._retracting:
            rows.kill(candidates[~rows.buffered(candidates)])  # what is not among the best never will be
        self._set_thresholds(best, touched, counts)
        # The rank, or the place behind the offset, that one of several equal rows leaves is what another gets.
        exchanged = best.alike and (self._node.rank_column or self._node.offset)
        return consolidate(change) if self.net and exchanged else change

    def _without_losers(self, best: Ranked, new: Ints, change: Delta | None) -> Ranked:
        """Keep of the tick's new rows those that won, as the change shows them last: one copy serves both."""
        first = int(new[0])
        won = np.zeros(len(new), dtype=bool)
        won[best.rows[best.rows >= first] - first] = True
        kept = new[won]
        width, shown = len(self._input), 0 if change is None else change.num_rows
        batch = self._rows.arena.take_batch(kept) if change is None else change.batch.slice(shown - len(kept))
        winners = pa.RecordBatch.from_arrays(batch.columns[:width], schema=self._input)
        self._rows.replace_tail(first, kept, winners)
        place = np.cumsum(won) - 1
        is_new = best.rows >= first
        renumbered = np.where(is_new, first + place[np.where(is_new, best.rows - first, 0)], best.rows)
        return Ranked(renumbered, best.slots, best.ranks, best.alike)

    def _ranked(self, rows: Ints, old: Mask) -> Ranked:
        """Sort and rank rows with the best first in each partition, partitions ascending.

        Rows that are not `old` and come after the last old one of a partition with rows outside its buffer are left
        out: they belong outside too.
        """
        slots = self._rows.slots.values[rows]

        def take(column: int, at: Ints | None) -> pa.Array:
            return self._rows.arena.take(rows if at is None else rows[at], [column])[0]

        by = sort_rows(slots, self._node.order, self._ties, take)
        ranked = Ranked(rows[by.order], slots[by.order], by.ranks(self._node.function), by.alike)
        if not self._retracting or old.all() or not len(rows):
            return ranked
        outside = self._rows.partition_rows.values[ranked.slots[by.starts]] > np.diff(np.append(by.starts, len(rows)))
        place = np.arange(len(rows)) if self._node.function == "row_number" else np.cumsum(by.differs)
        last_old = np.maximum.reduceat(np.where(old[by.order], place, -1), by.starts)
        return ranked.where(~outside[by.segment] | (place <= last_old[by.segment]))

    def _refilled(self, best: Ranked, touched: Ints) -> Ranked:
        """Rank partitions again from all their rows where the buffer has become too short."""
        at = np.searchsorted(touched, best.slots)
        have = np.bincount(at, minlength=len(touched))
        reach = have.copy()
        if self._node.function == "dense_rank":
            reach[:] = 0
            np.maximum.at(reach, at, best.ranks)
        short = (reach < self._last) & (self._rows.partition_rows.values[touched] > have)
        if not short.any():
            return best
        rows = self._rows.of_partitions(touched[short])
        again = self._ranked(rows, np.ones(len(rows), dtype=bool))
        return best.where(~short[at]).merged(again)

    def _set_thresholds(self, best: Ranked, touched: Ints, counts: Ints) -> None:
        """A row worse than the last of a long enough buffer need not be looked at when it comes."""
        if self._reject_by is None:
            return
        full = counts >= max(self._last, 1)
        self._rows.thresholds.values[touched[~full]] = WORST
        last = best.rows[np.cumsum(counts)[full] - 1]
        (column,) = self._rows.arena.take(last, [self._reject_by[0]])
        self._rows.thresholds.values[touched[full]] = self._codes(column)

    def _changes(self, before: Ints, best: Ranked, new: Ints) -> Delta | None:
        """Note the ranks now shown, and emit the difference: rows hidden or moved, then rows shown or moved, those of
        them that are new last and in order of arrival."""
        rank = np.where((best.ranks > self._node.offset) & (best.ranks <= self._last), best.ranks, 0)
        shown = self._rows.marks.values
        old = shown[before].copy()
        was = shown[best.rows].copy()
        shown[before] = 0
        shown[best.rows] = rank
        now = shown[before]
        hidden = (old > 0) & ((old != now) if self._node.rank_column else (now == 0))
        appears = (rank > 0) & ((was != rank) if self._node.rank_column else (was == 0))
        first = int(new[0]) if len(new) else self._rows.arena.num_rows
        arriving = best.rows[appears]
        moved, fresh = arriving[arriving < first], arriving[arriving >= first] - first
        fresh = first + distinct_ascending(fresh, self._rows.arena.num_rows - first)
        rows = np.concatenate([before[hidden], moved, fresh])
        if not len(rows):
            return None
        columns = self._rows.arena.take(rows)
        if self._node.rank_column:
            columns.append(pa.array(np.concatenate([old[hidden], shown[moved], shown[fresh]])))
        batch = pa.RecordBatch.from_arrays(columns, schema=self.schema)
        gone = int(hidden.sum())
        return Delta(batch, np.repeat([-1, 1], [gone, len(rows) - gone]) if gone else None)

    # ------------------------------------------------------------ state

    def state_size(self) -> Mapping[str, int]:
        return {"rows": self._rows.num_rows, "bytes": self._rows.num_bytes}

    def sections(self) -> Sections:
        return self._rows.sections()

    def rest(self) -> State:
        return {NUMBERS: of_numbers({"horizon_us": self._forgetting.horizon_us})}

    def restore(self, state: State) -> None:
        self._clear()
        for batch in living_of(state).to_batches():
            self._take_in(Delta(batch))
        self._apply_pending()
        self._forgetting.horizon_us = numbers_of(state[NUMBERS])["horizon_us"]
        self._rows.is_restored(state[ROWS].num_rows)

    def keep(self, chosen: ChosenKeys) -> None:
        rows = self._rows.table()
        kept = [b.filter(pa.array(chosen([b.column(c) for c in self._node.partition]))) for b in rows.to_batches()]
        self.restore(self.rest() | {ROWS: pa.Table.from_batches(kept, schema=rows.schema)})
