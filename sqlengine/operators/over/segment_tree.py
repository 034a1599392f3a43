"""Folding many ranges of one array at once: sums, minima or maxima of values[lo:hi] for every (lo, hi).

A segment tree over all values, walked bottom-up by all ranges together: log n vectorized steps (Leis et al., "Efficient
Processing of Window Functions in Analytical SQL Queries", VLDB 2015).  Unlike differences of running sums it adds only
values of the range, so large neighbours do not spoil small sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]


def fold(combine: np.ufunc, values: Numbers, neutral: float | int, lo: Ints, hi: Ints) -> Numbers:
    """`combine` over values[lo[i]:hi[i]] for every i, `neutral` of an empty range; lo <= hi, both in 0..len(values)."""
    out = np.full(len(lo), neutral, dtype=values.dtype)
    lo, hi, level = lo.copy(), hi.copy(), values
    while True:
        active = lo < hi
        if not active.any():
            return out
        left = np.flatnonzero(active & (lo & 1 == 1))
        out[left] = combine(out[left], level[lo[left]])
        lo[left] += 1
        right = np.flatnonzero((lo < hi) & (hi & 1 == 1))
        hi[right] -= 1
        out[right] = combine(out[right], level[hi[right]])
        if len(level) & 1:
            level = np.append(level, np.asarray([neutral], dtype=values.dtype))
        level = combine(level[0::2], level[1::2])
        lo >>= 1
        hi >>= 1
