"""RowBag: the rows of each group in arrival order, under insertions and deletions.

Why: array_agg, string_agg and first/last over a changing input need every row.  A deletion takes away the oldest equal
row of its group, counted rather than searched: a row is alive when its occurrence number among equal rows is at least
the number of deletions of such rows.  So the outcome does not depend on how changes were batched.
It must not know which aggregate it serves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import group
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.ranges import expand
from sqlengine.state.row_chains import RowChains

Ints = npt.NDArray[np.int64]
NO_BYTES = np.empty(0, dtype=np.uint8)


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
        for array in (self._kind, self._occurrence, self._arrival):
            array.replace(np.empty(0, dtype=np.int64))
        self._chains = RowChains()
        self._append(slot_of_kind[kinds], new_kind[kinds], occurrence - base[kinds], arrival)

    def reclaim(self, num_slots: int) -> None:
        """Forget dead rows when they are the majority."""
        dead = int(np.minimum(self._deleted.values, self._arrived.values).sum())
        if dead > 1024 and 2 * dead > self.size:
            self.compact(np.arange(num_slots, dtype=np.int64))

    def snapshot(self) -> pa.Table:
        """Columns slot, k1, k2, ..., weight, arrival: living rows in arrival order, then deletions still owed."""
        kinds = self._kind.values
        rows = np.flatnonzero(self._occurrence.values >= self._deleted.values[kinds])
        rows = rows[np.argsort(self._arrival.values[rows], kind="stable")]
        owed = self._deleted.values - self._arrived.values
        pending = np.flatnonzero(owed > 0)
        which = np.concatenate([kinds[rows], pending])
        weight = np.concatenate([np.ones(len(rows), dtype=np.int64), -owed[pending]])
        arrival = np.concatenate([self._arrival.values[rows], np.zeros(len(pending), dtype=np.int64)])
        columns = [
            pa.array(self._kinds.words(which)[:, 0]),
            *self._values(which),
            pa.array(weight),
            pa.array(arrival),
        ]
        return pa.table(columns, names=["slot", *(f"k{i + 1}" for i in range(len(self.types))), "weight", "arrival"])

    def restore(self, table: pa.Table) -> None:
        """Replace all rows by a snapshot's."""
        self.__init__(self.types)  # type: ignore[misc]
        if table.num_rows:
            batch = table.combine_chunks().to_batches()[0]
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
