"""Densifier: the distinct slots of a batch, and each row's place among them, without sorting or a table per batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sqlengine.kernels import group
from sqlengine.state.growable import Growable

Ints = npt.NDArray[np.int64]


class Densifier:
    """Remembers nothing between calls but its scratch array."""

    def __init__(self) -> None:
        self._marks = Growable(-1)
        self._base = 0

    def __call__(self, slots: Ints, num_slots: int) -> tuple[Ints, Ints]:
        """(distinct slots in order of first appearance, int64[n] positions among them); slots are below `num_slots`."""
        distinct, local = group.densify(slots, self._marks.grow(num_slots), self._base)
        self._base += len(distinct)
        return distinct, local
