"""SlotLists: a list of row ids per slot, replaced as a whole.

Why: a ranking keeps its best rows per partition in order.  Lists live in one log; replacing a list writes it anew at
the end, and the log is rewritten when more than half of it is stale.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sqlengine.state.growable import Growable
from sqlengine.state.ranges import expand

Ints = npt.NDArray[np.int64]


class SlotLists:
    """Slots are 0, 1, ...; a slot never put has the empty list."""

    def __init__(self) -> None:
        self._start = Growable()
        self._count = Growable()
        self._log = Growable()
        self._size = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._start.nbytes + self._count.nbytes + self._log.nbytes

    def get(self, slots: Ints) -> tuple[Ints, Ints]:
        """(positions in `slots`, row ids) of the lists, in list order."""
        self._grow(slots)
        start = self._start.values[slots]
        positions, at = expand(start, start + self._count.values[slots] - 1)
        return positions, self._log.values[at]

    def put(self, slots: Ints, counts: Ints, rows: Ints) -> None:
        """Replace the lists of distinct `slots`: counts[i] of `rows`, one list after the other."""
        self._grow(slots)
        self._size += len(rows) - int(self._count.values[slots].sum())
        ends = self._log.size + np.cumsum(counts)
        self._start.values[slots] = ends - counts
        self._count.values[slots] = counts
        self._log.append(rows)
        if self._log.size > 1024 + 2 * self._size:
            self._rewrite()

    def _grow(self, slots: Ints) -> None:
        size = int(slots.max()) + 1 if len(slots) else 0
        self._start.grow(size)
        self._count.grow(size)

    def _rewrite(self) -> None:
        """Drop stale lists from the log."""
        _, rows = self.get(np.arange(self._start.size))
        ends = np.cumsum(self._count.values)
        self._start.values[:] = ends - self._count.values
        self._log.replace(rows)

    def renumber_rows(self, new_row: Ints) -> None:
        """Row ids were compacted; every listed row is kept."""
        self._rewrite()
        self._log.replace(new_row[self._log.values])

    def keep_slots(self, keep: npt.NDArray[np.bool_]) -> None:
        """Slots were compacted: only those where `keep` is true remain (the others' lists are empty)."""
        self._grow(np.array([len(keep) - 1]))
        self._start.replace(self._start.values[keep])
        self._count.replace(self._count.values[keep])
