"""The values that expressions ask of matches, of many at once: positions are computed, then columns gathered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sqlengine.operators.aggregates.aggregate_set import AggregateSet
from sqlengine.operators.aggregates.base import NO_INTS, Inputs
from sqlengine.operators.match.rows import Ints, Mask, Matches, Rows, expanded
from sqlengine.plan.match_node import Slot

AT_ONCE = 4_000_000
"""So many pairs of an aggregate and a row are made at once; more are added row by row of the matches."""


class Values:
    """Values over some matches in some rows.  `labels`: what CLASSIFIER() calls the variables; `classifier`: the column
    that stands for it."""

    def __init__(self, rows: Rows, matches: Matches, labels: Sequence[str], classifier: int | None) -> None:
        self._rows = rows
        self._matches = matches
        self._labels = pa.array(labels, pa.string())
        self._classifier = classifier
        self._offsets = matches.offsets
        self._members: dict[tuple[int, ...] | None, tuple[Ints, Ints]] = {}
        which, place = expanded(matches.lengths)
        self._row_of = matches.starts[which] + place

    def of(self, slots: Sequence[Slot], match: Ints, upto: Ints) -> list[pa.Array]:
        """A column each slot: for match[i] as it is after its first rows, up to the place upto[i] among all matches'
        rows."""
        return [self._value(slot, match, upto) for slot in slots]

    def ends(self, match: Ints) -> Ints:
        """The places where matches end."""
        return self._offsets[match + 1]

    def _value(self, slot: Slot, match: Ints, upto: Ints) -> pa.Array:
        if slot.kind == "number":
            return pa.array(self._matches.numbers[match])
        end = self.ends(match) if slot.final else upto
        if slot.kind == "aggregate":
            return self._aggregate(slot, match, end)
        return self._row(slot, match, end)

    def _range(self, slot: Slot, match: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
        """(the places of a slot's rows in all matches, and which of them are those of each match: [low, high))."""
        if slot.variables not in self._members:
            lab = self._matches.variables
            among = np.zeros(len(self._labels), dtype=bool)
            among[list(slot.variables or ())] = True
            chosen = np.ones(len(lab), bool) if slot.variables is None else among[lab]
            before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(chosen)])
            self._members[slot.variables] = np.flatnonzero(chosen), before
        places, before = self._members[slot.variables]
        return places, before[self._offsets[match]], before[end]

    def _row(self, slot: Slot, match: Ints, end: Ints) -> pa.Array:
        places, low, high = self._range(slot, match, end)
        at = high - 1 - slot.offset if slot.last else low + slot.offset
        there: Mask = (at >= low) & (at < high)
        place = places[np.where(there, at, 0)] if len(places) else np.zeros(len(at), dtype=np.int64)
        if slot.column == self._classifier:
            place = place + slot.step
            there &= (place >= self._offsets[match]) & (place < end)
            place = np.where(there, place, 0)
            variable = self._matches.variables[place] if len(self._matches.variables) else place
            return self._labels.take(pa.array(variable, mask=~there))
        row = (self._row_of[place] if len(self._row_of) else place) + slot.step
        if slot.step:
            segment = self._matches.segments[match]
            there &= (row >= self._rows.starts[segment]) & (row < self._rows.ends[segment])
        return self._rows.columns[slot.column].take(pa.array(np.where(there, row, 0), mask=~there))

    # ------------------------------------------------------------ aggregates

    def _aggregate(self, slot: Slot, match: Ints, end: Ints) -> pa.Array:
        places, low, high = self._range(slot, match, end)
        pairs = int((high - low).sum())
        longest = int((high - low).max(initial=0))
        if pairs <= AT_ONCE or pairs <= 2 * len(places) or longest <= 1:
            which, place = expanded(high - low)
            return self._added(slot, places[low[which] + place], which, len(match))
        return self._running(slot, places, low, high)

    def _added(self, slot: Slot, places: Ints, groups: Ints, count: int) -> pa.Array:
        """The aggregate of groups of rows."""
        made = self._accumulators(slot)
        made.grow(count)
        made.update(groups, self._inputs(slot, places))
        return made.results(np.arange(count))[0]

    def _running(self, slot: Slot, places: Ints, low: Ints, high: Ints) -> pa.Array:
        """The aggregate of the first rows of each match, where that is asked for very many of them: in rounds, of which
        each adds one row to every match."""
        begins, group = np.unique(low, return_inverse=True)
        made = self._accumulators(slot)
        made.grow(len(begins))
        wanted = np.argsort(high - low, kind="stable")
        lengths = (high - low)[wanted]
        longest = np.zeros(len(begins), dtype=np.int64)
        np.maximum.at(longest, group, high - low)
        pieces: list[pa.Array] = []
        for length in range(int(lengths.max(initial=0)) + 1):
            if length:
                still = np.flatnonzero(longest >= length)
                made.update(still, self._inputs(slot, places[begins[still] + length - 1]))
            asked = wanted[np.searchsorted(lengths, length) : np.searchsorted(lengths, length + 1)]
            if len(asked):
                pieces.append(made.results(group[asked])[0])
        back = np.empty(len(wanted), dtype=np.int64)
        back[wanted] = np.arange(len(wanted))
        return pa.concat_arrays(pieces).take(pa.array(back))

    def _accumulators(self, slot: Slot) -> AggregateSet:
        assert slot.call is not None
        fields = [pa.field(f"c{i}", c.type) for i, c in enumerate(self._rows.columns)]
        return AggregateSet([slot.call], pa.schema(fields), append_only=True)

    def _inputs(self, slot: Slot, places: Ints) -> Inputs:
        """The columns a call reads, of rows given by their places in the matches."""
        call = slot.call
        assert call is not None
        needed = {*call.args, *(c for c, _, _ in call.order_by), *(() if call.filter is None else (call.filter,))}
        at = pa.array(self._row_of[places])
        columns: list[pa.Array] = []
        for i, column in enumerate(self._rows.columns):
            if i not in needed:
                columns.append(column)
            elif i == self._classifier:
                columns.append(self._labels.take(pa.array(self._matches.variables[places])))
            else:
                columns.append(column.take(at))
        return Inputs(columns, len(places), NO_INTS, 0)
