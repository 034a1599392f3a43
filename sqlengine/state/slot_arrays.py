"""SlotArrays: named NumPy arrays indexed by group slot that grow, shrink and travel together.

Why: an accumulator is a handful of such arrays; growing, compacting and snapshotting them is the same for all.
It must not know what the arrays mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class SlotArrays:
    """`kinds`: array name -> (NumPy dtype, value of a new slot).  `arrays[name]` may be longer than `size`."""

    def __init__(self, **kinds: tuple[str, float]) -> None:
        self._kinds = kinds
        self.size = 0
        self.arrays: dict[str, Array] = {n: np.full(16, fill, dtype=t) for n, (t, fill) in kinds.items()}

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        return sum(a.nbytes for a in self.arrays.values())

    def grow(self, size: int) -> None:
        """Slots up to `size` exist from now on."""
        self.size = max(self.size, size)
        for name, array in self.arrays.items():
            if size > len(array):
                kind, fill = self._kinds[name]
                bigger = np.full(max(size, 2 * len(array)), fill, dtype=kind)
                bigger[: len(array)] = array
                self.arrays[name] = bigger

    def compact(self, keep: Mask) -> None:
        """Keep the slots where `keep` (bool[size]) is true, in order."""
        self._replace({n: a[: self.size][keep] for n, a in self.arrays.items()}, int(keep.sum()))

    def snapshot(self) -> pa.Table:
        """One column per array, one row per slot."""
        return pa.table({n: pa.array(a[: self.size]) for n, a in self.arrays.items()})

    def restore(self, table: pa.Table) -> None:
        """Replace all values by a snapshot's."""
        self._replace({n: table.column(n).to_numpy() for n in self.arrays}, table.num_rows)

    def _replace(self, values: dict[str, Array], size: int) -> None:
        self.size = size
        for name, (kind, fill) in self._kinds.items():
            fresh = np.full(max(16, size), fill, dtype=kind)
            fresh[:size] = values[name]
            self.arrays[name] = fresh
