"""Arrays that grow: `widened` gives one more room, `Growable` is an array with an end that moves.

Why: per-row and per-slot state (weights, chain heads) is appended to for ever; NumPy arrays do not grow.  From a
megabyte on an array has addresses reserved behind it and grows without moving, so that no tick waits for a copy; below,
and where the system reserves none, it doubles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sqlengine.kernels import choose

if TYPE_CHECKING:
    from sqlengine.kernels import pages_reference as kernel
else:
    kernel = choose("pages", "pages_reference")

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


def widened(array: Array, size: int) -> tuple[Array, kernel.Pages | None]:
    """(a longer array for at least `size` places that begins with the values of `array`, the pages reserved for it:
    no memory until touched)."""
    room = max(size, 2 * len(array))
    pages = kernel.reserve(room * array.itemsize)
    wider = np.empty(room, array.dtype) if pages is None else np.frombuffer(pages.memory, array.dtype)
    if 2 * len(array) < size:
        expect(pages, array[:0], size)
    elif pages is not None:
        pages.promise(size * array.itemsize)
    wider[: len(array)] = array
    return wider, pages


def expect(pages: kernel.Pages | None, array: Array, size: int) -> None:
    """Before an array in these pages grows to `size` places."""
    if pages is not None:
        pages.expect(array.nbytes, (size - len(array)) * array.itemsize)


class Growable:
    """`values` is a view of `size` places of a larger buffer; new places hold `fill`.  `dtype` is int64, or uint8 for
    marks that are 0 or 1."""

    def __init__(self, fill: int = 0, dtype: type[np.int64] | type[np.uint8] = np.int64) -> None:
        self.fill = fill
        self.size = 0
        self._dtype = dtype
        self._empty()

    def _empty(self) -> None:
        self._buffer: Array = np.empty(16, dtype=self._dtype)
        self._pages: kernel.Pages | None = None

    @property
    def values(self) -> Array:
        """The live part, writable, valid until the next `grow`."""
        return self._buffer[: self.size]

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        return self.size * self._buffer.itemsize if self._pages is not None else int(self._buffer.nbytes)

    def grow(self, size: int) -> Array:
        """Have at least `size` places; returns `values`."""
        if size > self.size:
            self._have_room(size)
            self._buffer[self.size : size] = self.fill
            self.size = size
        return self.values

    def append(self, values: Array) -> None:
        """Add places holding `values`."""
        at = self.size
        self._have_room(at + len(values))
        self.size = at + len(values)
        self._buffer[at : self.size] = values

    def replace(self, values: Array) -> None:
        """Hold exactly these values from now on."""
        self._empty()
        self.size = 0
        self.append(values)

    def shorten(self, size: int, values: Array) -> None:
        """Keep the first `size` places and have `values` behind them; not longer than before.  Memory that most of the
        places took is given back."""
        if 2 * (size + len(values)) < self.size:
            self.replace(np.concatenate([self.values[:size], values]))
            return
        kept = values.copy()
        self.size = size + len(kept)
        self._buffer[size : self.size] = kept

    def _have_room(self, size: int) -> None:
        if size > len(self._buffer):
            self._buffer, self._pages = widened(self.values, size)
        else:
            expect(self._pages, self.values, size)
