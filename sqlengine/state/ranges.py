"""Integer ranges written out: the NumPy way to say "for every row, for every value from a to b"."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def expand(first: Ints, last: Ints) -> tuple[Ints, Ints]:
    """(row, value) for every value of first[row]..last[row] inclusive (none when last < first); rows ascending."""
    counts = np.maximum(last - first + 1, 0)
    rows = np.repeat(np.arange(len(first), dtype=np.int64), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + first[rows]
