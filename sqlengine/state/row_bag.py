"""RowBag: the rows of each group in arrival order, under insertions and deletions.

Why: array_agg, string_agg and first/last over a changing input need every row.  A deletion takes away the oldest equal
row of its group, counted rather than searched: a row is alive when its occurrence number among equal rows is at least
the number of deletions of such rows.  So the outcome does not depend on how changes were batched.
A checkpoint has the kinds (equal rows of a group) with their deletions, and the rows in order of insertion; how many
rows of a kind stand before one follows from that.
It must not know which aggregate it serves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import group
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.ranges import expand
from sqlengine.state.row_chains import RowChains
from sqlengine.state.section import Changed, Section, Sections

Ints = npt.NDArray[np.int64]
NO_BYTES = np.empty(0, dtype=np.uint8)
KINDS, ROWS = "kinds", "rows"
COMPACT_AT = 1024
"""Fewer dead rows than this are not worth a compaction."""


class RowBag:
    """Rows (slot, values of `types`, arrival number)."""

    def __init__(self, types: Sequence[pa.DataType]) -> None:
        self.types = tuple(types)
        self._kinds = KeyIndex([pa.int64(), *self.types])
        self._arrived = Growable()
        self._deleted = Growable()
        self._kind = Growable()
        self._occurrence = Growable()
        self._arrival = Growable()
        self._chains = RowChains()
        self._deletions = 0
        self._changed_kinds, self._new_rows = Changed(), Changed()

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        arrays = (self._arrived, self._deleted, self._kind, self._occurrence, self._arrival)
        return self._kinds.nbytes + self._chains.nbytes + sum(a.nbytes for a in arrays)

    @property
    def size(self) -> int:
        """Rows held, dead ones included."""
        return self._kind.size

    def apply(self, slots: Ints, columns: Sequence[pa.Array], weights: Ints, arrivals: Ints) -> None:
        """Insert each row weight times (length 0: once), or delete it -weight times."""
        kinds = self._kinds.insert([slots, *columns])
        deleted, arrived = self._deleted.grow(self._kinds.size), self._arrived.grow(self._kinds.size)
        if len(weights):
            gone = weights < 0
            group.count(deleted, kinds[gone], NO_BYTES, -weights[gone])
            self._changed_kinds.mark(kinds[gone])
            self._deletions -= int(weights[gone].sum())
            repeats = np.maximum(weights, 0)
            kinds, arrivals, slots = (np.repeat(a, repeats) for a in (kinds, arrivals, slots))
        self._append(slots, kinds, arrived[kinds] + _occurrences(kinds), arrivals)
        group.count(arrived, kinds, NO_BYTES, np.empty(0, dtype=np.int64))

    def merge(self, slots: Ints, other: RowBag, other_slots: Ints) -> None:
        """Add the rows and pending deletions of other's `other_slots[i]` to `slots[i]`."""
        position, rows = other._chains.rows(other_slots)
        order = np.argsort(other._arrival.values[rows], kind="stable")
        position, rows = position[order], rows[order]
        kinds = other._kind.values[rows]
        none = np.empty(0, dtype=np.int64)
        self.apply(slots[position], other._values(kinds), none, other._arrival.values[rows])
        pending = np.flatnonzero(other._deleted.values)
        if not len(pending):
            return
        owner = other._kinds.words(pending)[:, 0]
        order = np.argsort(owner, kind="stable")
        first = np.searchsorted(owner[order], other_slots, side="left")
        last = np.searchsorted(owner[order], other_slots, side="right") - 1
        position, at = expand(first, last)
        chosen = pending[order[at]]
        self.apply(slots[position], other._values(chosen), -other._deleted.values[chosen], np.zeros_like(chosen))

    def rows(self, slots: Ints) -> tuple[Ints, Ints]:
        """(position in `slots`, row) of the living rows, positions ascending."""
        position, rows = self._chains.rows(slots)
        kinds = self._kind.values[rows]
        alive = self._occurrence.values[rows] >= self._deleted.values[kinds]
        return position[alive], rows[alive]

    def values(self, rows: Ints) -> list[pa.Array]:
        """The rows' values, one array per type."""
        return self._values(self._kind.values[rows])

    def arrivals(self, rows: Ints) -> Ints:
        """The rows' arrival numbers."""
        return self._arrival.values[rows]

    def compact(self, moved: Ints) -> None:
        """Group slots were renumbered: old slot s is moved[s], -1 when gone; forgets dead rows."""
        self._changed_kinds.renumbered()
        self._new_rows.renumbered()
        words = self._kinds.words()
        alive = self._occurrence.values >= self._deleted.values[self._kind.values]
        slot_of_kind = moved[words[:, 0]]
        rows = np.flatnonzero(alive & (slot_of_kind[self._kind.values] >= 0))
        owed = np.flatnonzero((self._deleted.values > self._arrived.values) & (slot_of_kind >= 0))
        used = np.zeros(len(words), dtype=bool)
        used[self._kind.values[rows]] = True
        used[owed] = True
        new_kind = np.cumsum(used) - 1
        words[:, 0] = slot_of_kind
        base = np.minimum(self._deleted.values, self._arrived.values)
        kinds, occurrence, arrival = (
            self._kind.values[rows],
            self._occurrence.values[rows],
            self._arrival.values[rows],
        )
        self._kinds.replace_words(np.ascontiguousarray(words[used]))
        self._arrived.replace((self._arrived.values - base)[used])
        self._deleted.replace((self._deleted.values - base)[used])
        self._deletions = int(self._deleted.values.sum())
        for array in (self._kind, self._occurrence, self._arrival):
            array.replace(np.empty(0, dtype=np.int64))
        self._chains = RowChains()
        self._append(slot_of_kind[kinds], new_kind[kinds], occurrence - base[kinds], arrival)

    def reclaim(self, num_slots: int) -> None:
        """Forget dead rows when they are the majority."""
        if self._deletions <= COMPACT_AT or 2 * self._deletions <= self.size:
            return
        dead = int(np.minimum(self._deleted.values, self._arrived.values).sum())
        if dead > COMPACT_AT and 2 * dead > self.size:
            self.compact(np.arange(num_slots, dtype=np.int64))

    def sections(self) -> Sections:
        """KINDS: slot, k1, k2, ..., deleted; ROWS: kind, arrival; dead ones included."""
        kinds = Section(self._changed_kinds, lambda: self._kinds.size, lambda at: {KINDS: self._kind_rows(at)})
        rows = Section(self._new_rows, lambda: self.size, lambda at: {ROWS: self._row_rows(at)})
        return {KINDS: kinds, ROWS: rows}

    def _kind_rows(self, kinds: Ints) -> pa.Table:
        slots = np.ascontiguousarray(self._kinds.words(kinds)[:, 0])
        columns = [pa.array(slots), *self._values(kinds), pa.array(self._deleted.values[kinds])]
        return pa.table(columns, names=["slot", *(f"k{i + 1}" for i in range(len(self.types))), "deleted"])

    def _row_rows(self, rows: Ints) -> pa.Table:
        return pa.table({"kind": pa.array(self._kind.values[rows]), "arrival": pa.array(self._arrival.values[rows])})

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Replace everything by what the sections had."""
        self.__init__(self.types)  # type: ignore[misc]
        if "weight" in state[ROWS].column_names:
            self._restore_unsectioned(state[ROWS])
            return
        kinds, rows = state[KINDS], state[ROWS]
        for batch in kinds.to_batches():
            self._kinds.insert(batch.columns[:-1], batch.num_rows)
        self._deleted.replace(kinds.column("deleted").to_numpy())
        self._deletions = int(self._deleted.values.sum())
        kind = rows.column("kind").to_numpy()
        self._arrived.replace(np.bincount(kind, minlength=self._kinds.size))
        slots = kinds.column("slot").to_numpy()
        self._append(slots[kind], kind, _occurrences(kind), rows.column("arrival").to_numpy())
        self._changed_kinds.begin(self._kinds.size)
        self._new_rows.begin(self.size)

    def _restore_unsectioned(self, table: pa.Table) -> None:
        """The form in which rows were written before they had sections: living ones, then deletions owed."""
        for batch in table.to_batches():
            slots, weights, arrivals = (batch.column(n).to_numpy() for n in ("slot", "weight", "arrival"))
            self.apply(slots, batch.columns[1:-2], weights, arrivals)

    def _values(self, kinds: Ints) -> list[pa.Array]:
        return self._kinds.decode(self._kinds.words(kinds), range(1, len(self.types) + 1))

    def _append(self, slots: Ints, kinds: Ints, occurrences: Ints, arrivals: Ints) -> None:
        first = self.size
        self._kind.append(kinds)
        self._occurrence.append(occurrences)
        self._arrival.append(arrivals)
        if len(slots):
            self._chains.insert(np.ascontiguousarray(slots), first, int(slots.max()) + 1)


def _occurrences(kinds: Ints) -> Ints:
    """How many equal values stand before each one."""
    order = np.argsort(kinds, kind="stable")
    ordered = kinds[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(kinds) else kinds
    lengths = np.diff(np.append(starts, len(kinds)))
    out = np.empty(len(kinds), dtype=np.int64)
    out[order] = np.arange(len(kinds)) - np.repeat(starts, lengths)
    return out
