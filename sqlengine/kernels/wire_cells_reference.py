"""The Python reference of wire_cells.pyx."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def locate(data: npt.NDArray[np.uint8], start: int, columns: int) -> tuple[Ints, Ints, int, bool]:
    """Where the cells are; see wire_cells.pyx."""
    raw, at, done = data.tobytes(), start, False
    begins: list[list[int]] = []
    sizes: list[list[int]] = []
    while at + 2 <= len(raw) and not done:
        fields = int.from_bytes(raw[at : at + 2], "big", signed=True)
        if fields == -1:
            at, done = at + 2, True
            break
        if fields != columns:
            raise ValueError(f"row field count is {fields}, expected {columns}")
        found = _row(raw, at + 2, columns)
        if found is None:
            break
        begins.append(found[0])
        sizes.append(found[1])
        at = found[2]
    shape = (len(begins), columns)
    return np.array(begins, np.int64).reshape(shape), np.array(sizes, np.int64).reshape(shape), at, done


def _row(raw: bytes, at: int, columns: int) -> tuple[list[int], list[int], int] | None:
    """(where each field begins, its length, where the row ends); None when it is not all there."""
    begins, sizes = [], []
    for _ in range(columns):
        if at + 4 > len(raw):
            return None
        size = int.from_bytes(raw[at : at + 4], "big", signed=True)
        at += 4
        if size < -1:
            raise ValueError(f"field length {size}")
        if at + max(size, 0) > len(raw):
            return None
        begins.append(at)
        sizes.append(size)
        at += max(size, 0)
    return begins, sizes, at
