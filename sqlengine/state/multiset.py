"""Multiset: which values each group holds and how often, under insertions and deletions.

Why: DISTINCT, percentiles, mode, and min/max of a changing input need the values themselves, not a running number.
An entry is one (group slot, values) pair with a weight; weights may be negative for a while (a partial sum of changes)
and an entry of weight 0 is as good as absent.  It must not know which aggregate it serves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import group
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.densifier import Densifier
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.row_chains import RowChains
from sqlengine.state.section import Changed, Section, Sections

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
NO_BYTES = np.empty(0, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Changes:
    """The distinct entries a batch touched, with their weights before and after it."""

    entries: Ints
    before: Ints
    after: Ints


class Multiset:
    """Entries (slot, values of `types`) with weights."""

    def __init__(self, types: Sequence[pa.DataType]) -> None:
        self.types = tuple(types)
        self._index = KeyIndex([pa.int64(), *self.types])
        self._weights = Growable()
        self._chains = RowChains()
        self._densify = Densifier()
        self._changed = Changed()

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._index.nbytes + self._weights.nbytes + self._chains.nbytes

    @property
    def size(self) -> int:
        """Entries, dead ones included."""
        return self._index.size

    def apply(self, slots: Ints, columns: Sequence[pa.Array], weights: Ints) -> Changes:
        """Add weights (int64[n], or length 0 for 1 each) to the entries of the rows."""
        known = self._index.size
        rows = self._index.insert([slots, *columns])
        self._link(known)
        entries, local = self._densify(rows, self._index.size)
        net = np.zeros(len(entries), dtype=np.int64)
        group.count(net, local, NO_BYTES, weights)
        held = self._weights.grow(self._index.size)
        before = held[entries]
        after = before + net
        held[entries] = after
        self._changed.mark(entries)
        return Changes(entries, before, after)

    def merge(self, slots: Ints, other: Multiset, other_slots: Ints) -> Changes:
        """Add the entries of other's `other_slots[i]` to `slots[i]`."""
        position, entries = other.entries(other_slots)
        return self.apply(slots[position], other.values(entries), other.weights(entries))

    def entries(self, slots: Ints) -> tuple[Ints, Ints]:
        """(position in `slots`, entry) of every entry of the slots whose weight is not 0, positions ascending."""
        return self._chains.rows(slots, self._weights.values)

    def values(self, entries: Ints) -> list[pa.Array]:
        """The entries' values, one array per type."""
        return self._index.decode(self._index.words(entries), range(1, len(self.types) + 1))

    def slots(self, entries: Ints) -> Ints:
        """The entries' group slots."""
        return np.ascontiguousarray(self._index.words(entries)[:, 0])

    def weights(self, entries: Ints) -> Ints:
        """The entries' weights."""
        return self._weights.values[entries]

    def set_weights(self, entries: Ints, weights: Ints) -> None:
        """Replace the entries' weights."""
        self._changed.mark(entries)
        self._weights.values[entries] = weights

    def compact(self, moved: Ints) -> None:
        """Group slots were renumbered: old slot s is moved[s], -1 when gone; forgets dead entries."""
        words = self._index.words()
        slots = moved[words[:, 0]]
        keep = (slots >= 0) & (self._weights.values != 0)
        words[:, 0] = slots
        self._rebuild(np.ascontiguousarray(words[keep]), self._weights.values[keep])

    def reclaim(self, num_slots: int) -> None:
        """Forget dead entries when they are the majority; amortised over the changes that killed them."""
        if self.size > 1024 and 2 * int(np.count_nonzero(self._weights.values)) < self.size:
            self.compact(np.arange(num_slots, dtype=np.int64))

    def rows(self, entries: Ints) -> pa.Table:
        """Columns slot, k1, k2, ..., weight; a row per entry given."""
        columns = [pa.array(self.slots(entries)), *self.values(entries), pa.array(self._weights.values[entries])]
        return pa.table(columns, names=["slot", *(f"k{i + 1}" for i in range(len(self.types))), "weight"])

    def section(self, name: str) -> Sections:
        """The entries, as a table of that name."""
        return {name: Section(self._changed, lambda: self.size, lambda entries: {name: self.rows(entries)})}

    def restore(self, table: pa.Table) -> None:
        """Replace all entries by a snapshot's."""
        self.__init__(self.types)  # type: ignore[misc]
        if table.num_rows:
            batch = table.combine_chunks().to_batches()[0]
            self.apply(
                batch.column(0).to_numpy(),
                batch.columns[1:-1],
                batch.column(batch.num_columns - 1).to_numpy(),
            )
        self._changed.begin(self.size)

    def _link(self, known: int) -> None:
        """Chain the entries from number `known` on to their slots."""
        fresh = self.slots(np.arange(known, self._index.size, dtype=np.int64))
        if len(fresh):
            self._chains.insert(fresh, known, int(fresh.max()) + 1)

    def _rebuild(self, words: Ints, weights: Ints) -> None:
        """Hold exactly these entries."""
        self._changed.renumbered()
        self._index.replace_words(words)
        self._weights.replace(weights)
        self._chains = RowChains()
        self._link(0)
