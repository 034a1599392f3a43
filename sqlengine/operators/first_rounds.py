"""FirstRounds: in which round of a recursion by UNION each row was found first, while what rounds find changes.

A row is of the working table of the first round that finds it and of no later one.  Rounds are told in order, from 0
on, once a tick each.  Kept are how often each round finds each row, and the first one that does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.base import State
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.section import Changed, Section, Sections

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEVER = int(np.iinfo(np.int64).max)
"""The first round of a row that none finds."""

COMPACT_ABOVE = 1024
"""Counts that are 0 are kept until there are so many of them and they are the majority."""

ROWS, FOUND = "rows", "found"
_NOTHING = np.empty(0, dtype=np.int64)


class FirstRounds:
    """`schema`: of the rows."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows = KeyIndex(schema.types)
        self._first = Growable(fill=NEVER)
        self._found = KeyIndex([pa.int64(), pa.int64()])
        self._counts = Growable()
        self._changed_rows, self._changed_found = Changed(), Changed()
        self._leaving: dict[int, list[Ints]] = {}
        self._homeless = _NOTHING

    def enter(self, number: int, found: Delta | None) -> Delta | None:
        """The change of the working table of round `number`, given that of the rows it finds."""
        touched = self._count(number, found)
        candidates = np.unique(np.concatenate([touched, self._homeless]))
        first = self._first.values[candidates]
        has = self._has(candidates, number)
        joins, loses = candidates[has & (first > number)], candidates[~has & (first == number)]
        self._displace(joins)
        self._first.values[joins] = number
        self._first.values[loses] = NEVER
        self._changed_rows.mark(joins)
        self._changed_rows.mark(loses)
        homeless = np.concatenate([self._homeless, loses])
        self._homeless = homeless[self._first.values[homeless] == NEVER]
        gone = np.concatenate([*self._leaving.pop(number, []), loses])
        return concat([self._delta(gone, -1), self._delta(joins, 1)])

    def _count(self, number: int, found: Delta | None) -> Ints:
        """Add a change to a round's counts; the rows it touches."""
        if found is None:
            return _NOTHING
        slots = self._rows.insert(found.batch.columns, found.num_rows)
        self._first.grow(self._rows.size)
        places = self._found.insert([slots, np.full(len(slots), number, dtype=np.int64)])
        self._counts.grow(self._found.size)
        np.add.at(self._counts.values, places, found.weight_array())
        self._changed_found.mark(places)
        return slots

    def _has(self, slots: Ints, number: int) -> Mask:
        """Whether the round finds the rows."""
        places = self._found.find([slots, np.full(len(slots), number, dtype=np.int64)])
        return (places >= 0) & (self._counts.values[np.maximum(places, 0)] > 0) if self._found.size else places >= 0

    def _displace(self, slots: Ints) -> None:
        """Rows that a round finds before their first one leave that."""
        first = self._first.values[slots]
        for later in np.unique(first[first != NEVER]).tolist():
            self._leaving.setdefault(later, []).append(slots[first == later])

    def up_to(self, number: int) -> Delta:
        """All rows of the working tables up to that of round `number`."""
        return self._delta(np.flatnonzero(self._first.values <= number).astype(np.int64), 1)

    def found_by(self, number: int) -> Delta:
        """What round `number` finds, as often as it does."""
        slots, numbers = (np.asarray(column) for column in self._found.columns())
        chosen = (numbers == number) & (self._counts.values != 0)
        return Delta(self._delta(slots[chosen], 1).batch, self._counts.values[chosen].copy())

    def finish(self) -> None:
        """End of a tick: rows that no round finds any more are gone."""
        self._homeless, self._leaving = _NOTHING, {}
        dead = int(np.count_nonzero(self._counts.values == 0))
        if dead > COMPACT_ABOVE and 2 * dead > self._found.size:
            self._forget()

    def _forget(self) -> None:
        """Leave out counts of 0, then rows without a count."""
        kept = self._counts.values != 0
        slots, numbers = (np.asarray(column) for column in self._found.columns(np.flatnonzero(kept).astype(np.int64)))
        counts = self._counts.values[kept].copy()
        alive = np.zeros(self._rows.size, dtype=np.bool_)
        alive[slots] = True
        self._first.replace(self._first.values[alive])
        moved = self._rows.compact(alive)
        self._found = KeyIndex([pa.int64(), pa.int64()])
        self._found.insert([moved[slots], np.ascontiguousarray(numbers)])
        self._counts.replace(counts)
        self._changed_rows.renumbered()
        self._changed_found.renumbered()

    def size(self) -> tuple[int, int]:
        """Rows and bytes kept."""
        size = self._rows.nbytes + self._first.nbytes + self._found.nbytes + self._counts.nbytes
        return int(np.count_nonzero(self._first.values != NEVER)), size

    def sections(self) -> Sections:
        """All state, between ticks."""
        rows = Section(self._changed_rows, lambda: self._rows.size, self._row_rows)
        found = Section(self._changed_found, lambda: self._found.size, self._found_rows)
        return {ROWS: rows, FOUND: found}

    def _row_rows(self, slots: Ints) -> State:
        return {ROWS: self._rows.rows(slots).append_column("$first", pa.array(self._first.values[slots]))}

    def _found_rows(self, places: Ints) -> State:
        return {FOUND: self._found.rows(places).append_column("$n", pa.array(self._counts.values[places]))}

    def rest(self) -> State:
        """Nothing else."""
        return {}

    def restore(self, state: State) -> None:
        """Hold what the sections had; a table without rows may be missing."""
        rows, found = (
            state.get(ROWS, self._row_rows(_NOTHING)[ROWS]),
            state.get(FOUND, self._found_rows(_NOTHING)[FOUND]),
        )
        self._rows.restore(rows)
        self._first.replace(rows.column("$first").to_numpy())
        self._found.restore(found)
        self._counts.replace(found.column("$n").to_numpy())
        self._changed_rows.begin(self._rows.size)
        self._changed_found.begin(self._found.size)

    def _delta(self, slots: Ints, weight: int) -> Delta:
        batch = pa.RecordBatch.from_arrays(self._rows.columns(slots), schema=self._schema)
        return Delta(batch, None if weight == 1 else np.full(len(slots), weight, dtype=np.int64))
