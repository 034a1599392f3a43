"""How a side of a join that can take rows back knows which of its rows a deletion means: two ways of one interface.

`ByKey`: the input has a unique key, so a key leads to its one living row.  Whole rows are compared only where one goes,
and no index of rows is kept; where the key is (part of) the join's key, the join's own index serves.
`ByPrint`: rows are told apart by fingerprints of all their values; equal rows are one row with a weight.

A key is unique in what a tick adds up to, not in every order in which its changes may come: a delta ByKey cannot place
is netted first, and if that does not help either, the side goes on with ByPrint for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.kernels import choose
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.fingerprint import fingerprints
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.row_arena import RowArena
from sqlengine.state.row_index import RowIndex, first_positions

if TYPE_CHECKING:
    from sqlengine.kernels import join_reference as kernel
else:
    kernel = choose("join", "join_reference")

Ints = npt.NDArray[np.int64]
NO_WEIGHTS: Ints = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Placed:
    """`rows`: the arena row each row of a delta is or becomes; `new`: positions of those that become one, in order."""

    rows: Ints
    new: Ints


class ByPrint:
    """Rows by fingerprint; a dead row that comes again is the same row."""

    def __init__(self) -> None:
        self._index = RowIndex()
        self._row_of = Growable(-1)

    @property
    def nbytes(self) -> int:
        """Approximate bytes held."""
        return self._index.nbytes + self._row_of.nbytes

    def place(self, delta: Delta, first: int) -> Placed:
        """`first`: the arena row the next new row becomes."""
        known = self._row_of.size
        identity = self._index.insert(delta.batch)
        row_of = self._row_of.grow(self._index.size)
        new = first_positions(identity, known, self._index.size)
        row_of[known:] = np.arange(first, first + len(new))
        return Placed(row_of[identity], new)

    def enter(self, batch: pa.RecordBatch, rows: Ints) -> None:
        """Take in arena rows, all different, before anything is placed."""
        slots = self._index.insert(batch)
        self._row_of.grow(self._index.size)[slots] = rows

    def compact(self, new_row: Ints) -> None:
        """The arena was compacted: old row -> new row, -1 when gone."""
        rows = _renumbered(self._row_of.values, new_row)
        self._index.compact(rows >= 0)
        self._row_of.replace(rows[rows >= 0])


class ByKey:
    """Rows by `columns`, the positions of a unique key.  `shared`: slots are those of the join's index, given with each
    delta, and belong to whoever owns it; otherwise the key has an index of its own."""

    def __init__(self, schema: pa.Schema, columns: Sequence[int], shared: bool) -> None:
        self.shared = shared
        self._columns = tuple(columns)
        self._others = [i for i in range(len(schema)) if i not in columns]
        self._index = None if shared else KeyIndex([schema.field(c).type for c in columns])
        self._row_of = Growable(-1)

    @property
    def nbytes(self) -> int:
        """Approximate bytes held."""
        return self._row_of.nbytes + (0 if self._index is None else self._index.nbytes)

    def place(self, delta: Delta, arena: RowArena, living: Ints, slots: Ints | None, num_slots: int) -> Placed | None:
        """`living`: the weights of the arena's rows; `slots` below `num_slots`: the join's, where they are shared.

        None, and nothing has changed, where a deletion does not find the very row it deletes or an insertion finds its
        key taken.
        """
        if self._index is not None:
            slots = self._index.insert([delta.batch.column(c) for c in self._columns], delta.num_rows)
            num_slots = self._index.size
        assert slots is not None
        row_of = self._row_of.grow(num_slots)
        rows = np.empty(delta.num_rows, dtype=np.int64)
        weights = NO_WEIGHTS if delta.weights is None else delta.weights
        gone = np.flatnonzero(weights < 0)
        if len(gone) and not kernel.keyed_leave(row_of, living, slots, weights, rows):
            return None
        if self._are_stored(delta, gone, arena, rows[gone]) and kernel.keyed_enter(
            row_of, living, slots, weights, arena.num_rows, rows
        ):
            return Placed(rows, np.flatnonzero(weights > 0) if len(weights) else np.arange(delta.num_rows))
        row_of[slots[gone]] = rows[gone]
        return None

    def _are_stored(self, delta: Delta, gone: Ints, arena: RowArena, rows: Ints) -> bool:
        """Whether deleted rows equal the stored rows of their keys in all other columns."""
        if not len(gone) or not self._others:
            return True
        deleted = delta.batch.take(pa.array(gone))
        theirs = fingerprints([deleted.column(c) for c in self._others], len(gone))
        return bool((fingerprints(arena.take(rows, self._others), len(gone)) == theirs).all())

    def find(self, slots: Ints) -> Ints:
        """int64[n]: the row of each slot, -1 where there is none (slots of -1 and unknown ones allowed)."""
        row_of = self._row_of.values
        known = (slots >= 0) & (slots < len(row_of))
        if known.all():
            return row_of[slots]
        return np.where(known, row_of[np.where(known, slots, 0)], -1) if len(row_of) else np.full(len(slots), -1)

    def used_slots(self, num_slots: int) -> npt.NDArray[np.bool_]:
        """bool[num_slots]: the slots that have a row."""
        used = np.zeros(num_slots, dtype=bool)
        used[: self._row_of.size] = self._row_of.values >= 0
        return used

    def renumber_slots(self, new_slot: Ints, kept: int) -> None:
        """Shared slots were compacted: old slot s is new_slot[s], -1 when gone (it must have no row)."""
        row_of = np.full(kept, -1, dtype=np.int64)
        known = new_slot[: self._row_of.size]
        row_of[known[known >= 0]] = self._row_of.values[known >= 0]
        self._row_of.replace(row_of)

    def compact(self, new_row: Ints) -> None:
        """The arena was compacted: old row -> new row, -1 when gone."""
        rows = _renumbered(self._row_of.values, new_row)
        if self._index is not None:
            self._index.compact(rows >= 0)
            rows = rows[rows >= 0]
        self._row_of.replace(rows)


def _renumbered(rows: Ints, new_row: Ints) -> Ints:
    return np.where(rows >= 0, new_row[np.maximum(rows, 0)], -1) if len(new_row) else np.full(len(rows), -1)
