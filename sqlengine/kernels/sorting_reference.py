"""The kernels of `sorting.pyx` in NumPy: same functions, same answers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def sort_segments(segments: Ints, num_segments: int, codes: Ints) -> tuple[Ints, Ints]:
    """(rows sorted by segment, then code, equal ones in their own order; where each segment starts in it)."""
    order = np.lexsort((codes, segments)).astype(np.int64, copy=False)
    return order, np.searchsorted(segments[order], np.arange(num_segments + 1)).astype(np.int64, copy=False)
