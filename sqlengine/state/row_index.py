"""RowIndex: whole rows to dense slots, by their 128-bit fingerprints.

Why: a deletion carries the row it deletes; this finds it without keeping the row's values a second time.
It must not keep rows: arenas do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.kernels import HashIndex
from sqlengine.state.fingerprint import batch_fingerprints

Ints = npt.NDArray[np.int64]


class RowIndex:
    """Distinct rows seen so far, numbered 0, 1, ... in order of first appearance."""

    def __init__(self) -> None:
        self._index = HashIndex(2)

    @property
    def size(self) -> int:
        """Distinct rows known."""
        return int(self._index.size)

    @property
    def nbytes(self) -> int:
        """Approximate bytes: two words a row and a table at most half full."""
        return self.size * (16 + 48)

    def insert(self, batch: pa.RecordBatch, prints: Ints | None = None) -> Ints:
        """int64[n] slots; new rows get the next ones.  `prints`: the rows' fingerprints if they are known."""
        return self._index.insert(batch_fingerprints(batch) if prints is None else prints)

    def find(self, batch: pa.RecordBatch, prints: Ints | None = None) -> Ints:
        """int64[n] slots, -1 where the row is unknown."""
        return self._index.find(batch_fingerprints(batch) if prints is None else prints)

    def compact(self, keep: npt.NDArray[np.bool_]) -> Ints:
        """Forget the slots where `keep` is false; returns old slot -> new slot (-1: gone)."""
        return self._index.compact(keep)


def net_weights(delta: Delta) -> tuple[Ints, Ints, Ints]:
    """(positions of the first appearance of each distinct row with a net weight, the net weights, the fingerprints of
    all rows)."""
    index = RowIndex()
    prints = batch_fingerprints(delta.batch) if delta.fingerprints is None else delta.fingerprints
    slots = index.insert(delta.batch, prints)
    total = np.zeros(index.size, dtype=np.int64)
    np.add.at(total, slots, delta.weight_array())
    kept = total != 0
    return first_positions(slots, 0, index.size)[kept], total[kept], prints


def first_positions(slots: Ints, known: int, size: int) -> Ints:
    """Where each of the slots known, known + 1, ..., size - 1 (given out in order of appearance) appears first."""
    first = np.empty(size - known, dtype=np.int64)
    at = np.flatnonzero(slots >= known)[::-1]
    first[slots[at] - known] = at
    return first
