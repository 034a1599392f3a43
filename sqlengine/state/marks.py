"""Marks: which of the numbers 0, 1, ... (slots, rows) have been met since the marks were last taken away."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Marks:
    """A byte a number; taking the marks away costs as much as they are, not as much as there are numbers."""

    def __init__(self) -> None:
        self._marked = np.zeros(16, dtype=bool)
        self._pieces: list[Ints] = []

    def unmarked(self, numbers: Ints, size: int) -> Ints:
        """Those of the numbers (distinct, below `size`) that have no mark; they are marked from now on."""
        self._grow(size)
        fresh = numbers[~self._marked[numbers]] if self._pieces else numbers
        self._marked[fresh] = True
        self._pieces.append(fresh)
        return fresh

    def clear(self) -> None:
        """Nothing is marked."""
        for piece in self._pieces:
            self._marked[piece] = False
        self._pieces = []

    def _grow(self, size: int) -> None:
        if size > len(self._marked):
            bigger = np.zeros(max(size, 2 * len(self._marked)), dtype=bool)
            bigger[: len(self._marked)] = self._marked
            self._marked = bigger
