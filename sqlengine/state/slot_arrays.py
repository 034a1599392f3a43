"""SlotArrays: named NumPy arrays indexed by group slot that grow, shrink and travel together.

Why: an accumulator is a handful of such arrays; growing, compacting and snapshotting them is the same for all.
It must not know what the arrays mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.state.growable import expect, widened

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


FEWEST = 16
"""Arrays are never shorter, so that slot 0 can be read before it exists."""


class SlotArrays:
    """`kinds`: array name -> (NumPy dtype, value of a new slot).  `arrays[name]` may be longer than `size`; it is
    valid until the next `grow`."""

    def __init__(self, **kinds: tuple[str, float]) -> None:
        self._kinds = kinds
        self.size = 0
        self._buffers: dict[str, Array] = {n: np.full(FEWEST, fill, dtype=t) for n, (t, fill) in kinds.items()}
        self._pages: dict[str, Any] = dict.fromkeys(kinds)
        self.arrays: dict[str, Array] = dict(self._buffers)

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        held = (self._buffers if self._pages[n] is None else self.arrays for n in self._kinds)
        return sum(arrays[n].nbytes for n, arrays in zip(self._kinds, held, strict=True))

    def grow(self, size: int) -> None:
        """Slots up to `size` exist from now on."""
        self.size = max(self.size, size)
        for name, (_, fill) in self._kinds.items():
            known = len(self.arrays[name])
            if size <= known:
                continue
            if size > len(self._buffers[name]):
                self._buffers[name], self._pages[name] = widened(self.arrays[name], size)
            else:
                expect(self._pages[name], self.arrays[name], size)
            self._buffers[name][known:size] = fill
            self.arrays[name] = self._buffers[name][:size]

    def compact(self, keep: Mask) -> None:
        """Keep the slots where `keep` (bool[size]) is true, in order."""
        self._replace({n: a[: self.size][keep] for n, a in self.arrays.items()}, int(keep.sum()))

    def rows(self, slots: Ints) -> pa.Table:
        """One column per array, one row per slot given."""
        return pa.table({n: pa.array(a[slots]) for n, a in self.arrays.items()})

    def restore(self, table: pa.Table) -> None:
        """Replace all values by a snapshot's; an array it does not have is as in new slots."""
        known = set(table.schema.names)
        self._replace({n: table.column(n).to_numpy() for n in self.arrays if n in known}, table.num_rows)

    def _replace(self, values: dict[str, Array], size: int) -> None:
        self.__init__(**self._kinds)  # type: ignore[misc]
        self.grow(size)
        for name, array in values.items():
            self.arrays[name][:size] = array
