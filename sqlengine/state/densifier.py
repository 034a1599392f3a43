"""The distinct slots of a batch, and each row's place among them, without sorting or a table per batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sqlengine.kernels import group
from sqlengine.state.growable import Growable

Ints = npt.NDArray[np.int64]


MASK_COST = 16
"""A mask over all slots costs less than sorting when slots are at most so many times the numbers looked at."""


def distinct_ascending(slots: Ints, num_slots: int) -> Ints:
    """The distinct slots, ascending; all are in [0, num_slots)."""
    if num_slots > MASK_COST * len(slots):
        return np.unique(slots)
    there = np.zeros(num_slots, dtype=bool)
    there[slots] = True
    return np.flatnonzero(there)


class Densifier:
    """Remembers nothing between calls but its scratch array."""

    def __init__(self) -> None:
        self._marks = Growable(-1)
        self._base = 0

    def expect(self, num_slots: int) -> None:
        """There are so many slots by now; the scratch array grows with them, not all at the first call."""
        self._marks.grow(num_slots)

    def __call__(self, slots: Ints, num_slots: int) -> tuple[Ints, Ints]:
        """(distinct slots in order of first appearance, int64[n] positions among them); slots are below `num_slots`."""
        distinct, local = group.densify(slots, self._marks.grow(num_slots), self._base)
        self._base += len(distinct)
        return distinct, local
