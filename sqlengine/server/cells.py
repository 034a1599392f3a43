"""Cells: a column's values as the bytes the protocol has for them; and rows made of cells.

One layout serves all: bytes, where each cell begins in them (or the width all have), and which are not NULL.  DataRow,
the rows of COPY and the elements of arrays are put together from it by one kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import choose
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.arrow_buffers import validity

if TYPE_CHECKING:
    from sqlengine.kernels import wire_rows_reference as kernel
else:
    kernel = choose("wire_rows", "wire_rows_reference")

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """`offsets`: int64[n + 1] places in `data`, or None where every cell has `width` bytes; `valid`: uint8[n], None =
    all are."""

    data: Bytes
    offsets: Ints | None = None
    width: int = 0
    valid: Bytes | None = None


def fixed(values: npt.NDArray[Any], valid: Bytes | None) -> Cells:
    """One cell per value (or row) of an array, its memory as it is."""
    rows = np.ascontiguousarray(values)
    width = rows.nbytes // len(rows) if len(rows) else 0
    return Cells(rows.reshape(-1).view(np.uint8), None, width, valid)


def texts(array: pa.Array) -> Cells:
    """The bytes of a string or binary array."""
    large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    valid, offsets, data = array.buffers()
    kind = np.int64 if large else np.int32
    if offsets is None or not len(array):
        return Cells(np.empty(0, np.uint8), np.zeros(len(array) + 1, np.int64), 0, mask(array))
    bounds = np.frombuffer(offsets, kind)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    contents = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    return Cells(contents, bounds, 0, mask(array))


def stretches(values: npt.NDArray[Any], begins: Ints, lengths: Ints) -> Cells:
    """Cells that are stretches of an array's memory, in any order, apart from one another."""
    flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    total = int(lengths.sum())
    ends = np.cumsum(lengths)
    places = np.arange(total) - np.repeat(ends - lengths, lengths) + np.repeat(begins, lengths)
    return Cells(flat[places], np.concatenate([[0], ends]).astype(np.int64))


def mask(array: pa.Array) -> Bytes | None:
    """Which values are not NULL; None = all."""
    present = validity(array)
    return None if present is None else present.view(np.uint8)


def rows(columns: Sequence[Cells], count: int, kind: bytes) -> tuple[Bytes, Ints]:
    """(messages of that kind, one a row, each the number of its cells and each cell's length and bytes; where each
    begins and the last ends)."""
    return _assemble(columns, count, kind[0], counted=True, lengths=True)


def framed(columns: Sequence[Cells], count: int, kind: bytes) -> tuple[Bytes, Ints]:
    """(messages of that kind, one a row, with the cells' bytes and nothing else; where each begins)."""
    return _assemble(columns, count, kind[0], counted=False, lengths=False)


def joined(columns: Sequence[Cells], count: int) -> tuple[Bytes, Ints]:
    """(the cells' bytes of each row, where each begins)."""
    return _assemble(columns, count, 0, counted=False, lengths=False)


def elements(cells: Cells, count: int) -> tuple[Bytes, Ints]:
    """(each cell behind its length, where each begins)."""
    return _assemble([cells], count, 0, counted=False, lengths=True)


def _assemble(columns: Sequence[Cells], count: int, kind: int, *, counted: bool, lengths: bool) -> tuple[Bytes, Ints]:
    offsets = [None if c.offsets is None else np.ascontiguousarray(c.offsets, np.int64) for c in columns]
    found: tuple[Bytes, Ints] = kernel.assemble(
        count,
        _addresses([c.data for c in columns]),
        _addresses(offsets),
        np.array([c.width for c in columns], np.int64),
        _addresses([c.valid for c in columns]),
        kind,
        counted,
        lengths,
    )
    return found


def _addresses(arrays: Sequence[npt.NDArray[Any] | None]) -> Ints:
    return np.array([0 if a is None else a.ctypes.data for a in arrays], np.int64)
