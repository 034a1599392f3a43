"""The NumPy reference of wire_rows.pyx."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def assemble(
    rows: int, data: Ints, offsets: Ints, widths: Ints, valid: Ints, kind: int, counted: bool, lengths: bool
) -> tuple[Bytes, Ints]:
    """(all rows' bytes, where each begins and the last ends); see wire_rows.pyx."""
    columns = len(data)
    begins = np.empty((rows, columns), np.int64)
    sizes = np.empty((rows, columns), np.int64)
    for c in range(columns):
        if offsets[c]:
            bounds = _at(offsets[c], rows + 1, np.int64)
            begins[:, c], sizes[:, c] = bounds[:-1], bounds[1:] - bounds[:-1]
        else:
            begins[:, c], sizes[:, c] = np.arange(rows) * widths[c], widths[c]
        if valid[c]:
            sizes[_at(valid[c], rows, np.uint8) == 0, c] = -1
    head = (5 if kind > 0 else 0) + (2 if counted else 0)
    taken = np.maximum(sizes, 0)
    prefix = 4 if lengths else 0
    starts = np.concatenate([[0], np.cumsum(head + taken.sum(axis=1) + prefix * columns)]).astype(np.int64)
    out = np.empty(starts[-1], np.uint8)
    _write_heads(out, starts, columns, kind, counted)
    places = starts[:-1] + head
    for c in range(columns):
        if lengths:
            out[places[:, None] + np.arange(4)] = _big_endian(sizes[:, c])
            places = places + 4
        total = int(taken[:, c].sum())
        if total:
            within = np.arange(total) - np.repeat(np.cumsum(taken[:, c]) - taken[:, c], taken[:, c])
            source = _at(data[c], int((begins[:, c] + taken[:, c]).max()), np.uint8)
            out[np.repeat(places, taken[:, c]) + within] = source[np.repeat(begins[:, c], taken[:, c]) + within]
        places = places + taken[:, c]
    return out, starts


def _write_heads(out: Bytes, starts: Ints, columns: int, kind: int, counted: bool) -> None:
    places = starts[:-1]
    if kind > 0:
        out[places] = kind
        out[places[:, None] + np.arange(1, 5)] = _big_endian(starts[1:] - starts[:-1] - 1)
        places = places + 5
    if counted:
        out[places[:, None] + np.arange(2)] = np.frombuffer(columns.to_bytes(2, "big"), np.uint8)


def _big_endian(values: Ints) -> Bytes:
    return values.astype(">i4").view(np.uint8).reshape(-1, 4)


def _at(address: Any, count: int, dtype: Any) -> npt.NDArray[Any]:
    """`count` values that lie at an address."""
    size = count * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(int(address)), dtype) if size else np.empty(0, dtype)
