"""Delta: the one thing that flows between operators.

A Delta is an Arrow RecordBatch with one int64 weight per row (+1 inserted, -1 deleted; an update is a -1 row and a +1
row).  `weights is None` says every row is +1: the append-only fast path, which costs nothing.  The model is the Z-set
of DBSP (Budiu et al., VLDB 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.masks import truth
from sqlengine.quick_dataclass import dataclass

Weights = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Delta:
    """`batch`: n rows; `weights`: int64[n], never 0, or None when all are +1.  `fingerprints`: int64[n, 2], the rows'
    own (state/fingerprint.py) where they are known already."""

    batch: pa.RecordBatch
    weights: Weights | None = None
    fingerprints: npt.NDArray[np.int64] | None = None

    @property
    def num_rows(self) -> int:
        """Rows in the batch, whatever their weights."""
        return int(self.batch.num_rows)

    def weight_array(self) -> Weights:
        """The weights as an array even when they are implicit."""
        if self.weights is None:
            return np.ones(self.num_rows, dtype=np.int64)
        return self.weights

    def negated(self) -> Delta:
        """The same rows with the opposite weights."""
        return Delta(self.batch, -self.weight_array())

    def take(self, rows: npt.NDArray[np.int64]) -> Delta:
        """The rows at the given positions, in that order."""
        weights = None if self.weights is None else self.weights[rows]
        return Delta(self.batch.take(pa.array(rows)), weights)

    def pieces(self, count: int) -> list[Delta]:
        """The rows in order, cut into `count` deltas or fewer, without a copy."""
        size = max(1, -(-self.num_rows // count))
        return [self.span(start, start + size) for start in range(0, self.num_rows, size)]

    def span(self, start: int, stop: int) -> Delta:
        """The rows from `start` to before `stop`, without a copy."""
        return Delta(self.batch.slice(start, stop - start), None if self.weights is None else self.weights[start:stop])

    def filter(self, mask: pa.BooleanArray) -> Delta:
        """The rows where `mask` is true (null counts as false)."""
        kept = self.batch.filter(mask)
        if kept.num_rows == self.num_rows:
            return self
        if self.weights is None:
            return Delta(kept)
        return Delta(kept, self.weights.take(np.flatnonzero(truth(mask))))


def part(batch: pa.RecordBatch, rows: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """The rows at ascending distinct positions: a slice without a copy where they lie together."""
    if len(rows) and int(rows[-1] - rows[0]) == len(rows) - 1:
        return batch.slice(int(rows[0]), len(rows))
    return batch.take(pa.array(rows))


def concat(deltas: Sequence[Delta]) -> Delta | None:
    """One delta with the rows of all, in order; None when there are no rows."""
    full = [d for d in deltas if d.num_rows]
    if not full:
        return None
    if len(full) == 1:
        return full[0]
    batch = pa.concat_batches([d.batch for d in full])
    if all(d.weights is None for d in full):
        return Delta(batch)
    return Delta(batch, np.concatenate([d.weight_array() for d in full]))
