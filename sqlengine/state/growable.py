"""Growable: an int64 array that doubles as it grows.

Why: per-row and per-slot state (weights, chain heads) is appended to for ever; NumPy arrays do not grow.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Growable:
    """`values` is an int64[size] view of a larger buffer; new places hold `fill`."""

    def __init__(self, fill: int = 0) -> None:
        self.fill = fill
        self.size = 0
        self._buffer: Ints = np.full(16, fill, dtype=np.int64)

    @property
    def values(self) -> Ints:
        """The live part, writable, valid until the next `grow`."""
        return self._buffer[: self.size]

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        return int(self._buffer.nbytes)

    def grow(self, size: int) -> Ints:
        """Make room for at least `size` places; returns `values`."""
        if size > len(self._buffer):
            bigger = np.empty(max(size, 2 * len(self._buffer)), dtype=np.int64)
            bigger[: self.size] = self.values
            bigger[self.size :] = self.fill
            self._buffer = bigger
        self.size = max(self.size, size)
        return self.values

    def append(self, values: Ints) -> None:
        """Add places holding `values`."""
        at = self.size
        self.grow(at + len(values))
        self._buffer[at : self.size] = values

    def replace(self, values: Ints) -> None:
        """Hold exactly these values from now on."""
        self.size = len(values)
        self._buffer = np.full(max(16, len(values)), self.fill, dtype=np.int64)
        self._buffer[: self.size] = values

    def shorten(self, size: int, values: Ints) -> None:
        """Keep the first `size` places and have `values` behind them; not longer than before."""
        kept = values.copy()
        self.size = size + len(kept)
        self._buffer[size : self.size] = kept
