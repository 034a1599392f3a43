"""RowChains: which rows belong to each key slot, in arrival order.

Why: a join finds all rows of a key, a store pops the newest equal row.  The loops are in kernels/join.
It must not know what a slot stands for; whoever owns the key index says when slots are renumbered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sqlengine.kernels import choose
from sqlengine.state.growable import Growable
from sqlengine.state.spill import breathe

if TYPE_CHECKING:
    from sqlengine.kernels import join_reference as kernel
else:
    kernel = choose("join", "join_reference")

Ints = npt.NDArray[np.int64]
NOTHING: Ints = np.empty(0, dtype=np.int64)
PAIRS_AT_ONCE = 1 << 20
"""Most (probe, row) pairs handed out in one piece unless a single row has more."""


Pairs = Iterator[tuple[Ints, Ints]]
"""(probe positions, rows) in pieces; all of a position's are in one, positions ascend."""


def by_probe(earlier: Pairs, later: Pairs) -> Pairs:
    """Pairs with the rows that came earlier and those that came later as one: by position, then in arrival order.

    So it makes no difference to the order of what is found which rows are linked already: after a restart others are.
    """
    have: list[tuple[Ints, Ints]] = [(NOTHING, NOTHING), (NOTHING, NOTHING)]
    sources = (earlier, later)
    while True:
        for i, source in enumerate(sources):
            if not len(have[i][0]):
                have[i] = next(source, (NOTHING, NOTHING))
        lasts = [probes[-1] for probes, _ in have if len(probes)]
        if not lasts:
            return
        counts = [int(np.searchsorted(probes, min(lasts), side="right")) for probes, _ in have]
        pieces = [(probes[:n], rows[:n]) for (probes, rows), n in zip(have, counts, strict=True) if n]
        have = [(probes[n:], rows[n:]) for (probes, rows), n in zip(have, counts, strict=True)]
        if len(pieces) == 1:
            yield pieces[0]
            continue
        probes, rows = (np.concatenate(column) for column in zip(*pieces, strict=True))
        order = np.argsort(probes, kind="stable")
        yield probes[order], rows[order]


class RowChains:
    """Chains of row ids (0, 1, ... in the order of insertion) per slot."""

    def __init__(self) -> None:
        self._head = Growable(-1)
        self._prev = Growable(-1)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._head.nbytes + self._prev.nbytes

    def insert(self, slots: Ints, first_row: int, num_slots: int) -> None:
        """Link rows first_row, first_row + 1, ... to their slots (-1: to none); slots are below `num_slots`."""
        head = self._head.grow(num_slots)
        prev = self._prev.grow(first_row + len(slots))
        kernel.chain_insert(head, prev, slots, first_row)
        breathe()

    def probe(self, slots: Ints, weights: Ints = NOTHING) -> Iterator[tuple[Ints, Ints]]:
        """(probe positions, rows) in pieces: for every slot its rows in arrival order, positions ascending.

        Slots of -1 or never inserted have no rows.  `weights`: rows whose weight is 0 are skipped.
        """
        start, room = 0, max(1024, min(len(slots), PAIRS_AT_ONCE))
        head, prev = self._head.values, self._prev.values
        while start < len(slots):
            probe, rows = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
            stop, count = kernel.chain_probe(head, prev, weights, slots, start, probe, rows)
            breathe()
            if count:
                yield probe[:count], rows[:count]
            if stop < len(slots):
                room = room * 2 if stop == start or room < PAIRS_AT_ONCE else room
            start = stop

    def rows(self, slots: Ints, weights: Ints = NOTHING) -> tuple[Ints, Ints]:
        """All pieces of `probe` as one."""
        pieces = list(self.probe(slots, weights))
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate([NOTHING, *(p for p, _ in pieces)]), np.concatenate([NOTHING, *(r for _, r in pieces)])

    def pop(self, slots: Ints, counts: Ints) -> tuple[Ints, Ints]:
        """Unlink and return up to counts[i] newest rows of slots[i]: (positions in `slots`, rows)."""
        room = int(counts.sum())
        probe, rows = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        n = kernel.chain_pop(self._head.values, self._prev.values, slots, counts, probe, rows)
        return probe[:n], rows[:n]

    def clear_slots(self, slots: Ints) -> None:
        """Unlink all rows of these slots (-1 and unknown slots allowed)."""
        self._head.values[slots[(slots >= 0) & (slots < self._head.size)]] = -1

    def renumber_rows(self, new_row: Ints, kept: int) -> None:
        """Rows were compacted: old row r is new_row[r], -1 when gone; `kept` rows remain."""
        new_prev = np.full(kept, -1, dtype=np.int64)
        kernel.chain_compact(self._head.values, self._prev.values, new_row, new_prev)
        self._prev.replace(new_prev)

    def renumber_slots(self, new_slot: Ints, kept: int) -> None:
        """Slots were compacted: old slot s is new_slot[s], -1 when gone (it must have no rows)."""
        head = np.full(kept, -1, dtype=np.int64)
        known = new_slot[: self._head.size]
        head[known[known >= 0]] = self._head.values[: len(known)][known >= 0]
        self._head.replace(head)

    def has_rows(self, slots: Ints) -> npt.NDArray[np.bool_]:
        """bool[n]: which of the slots have any row."""
        known = slots < self._head.size
        if known.all():
            return self._head.values[slots] >= 0
        has = np.zeros(len(slots), dtype=bool)
        has[known] = self._head.values[slots[known]] >= 0
        return has

    def used_slots(self, num_slots: int) -> npt.NDArray[np.bool_]:
        """bool[num_slots]: the slots that have any row."""
        used = np.zeros(num_slots, dtype=bool)
        used[: self._head.size] = self._head.values[:num_slots] >= 0
        return used
