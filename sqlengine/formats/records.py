"""Byte spans over Arrow buffers: how records and the values inside them are cut out without a copy per value.

Only positions are computed here; what the bytes mean is the formats' matter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.formats.base import Mask, isolate
from sqlengine.quick_dataclass import dataclass

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
_SPACE = np.zeros(256, dtype=bool)
_SPACE[[9, 10, 13, 32]] = True
NEWLINE = 10


@dataclass(frozen=True, slots=True)
class Spans:
    """`data`: the bytes; value i is data[start[i]:end[i]]; spans ascend and do not overlap."""

    data: Bytes
    start: Offsets
    end: Offsets

    def __len__(self) -> int:
        return len(self.start)

    def trimmed(self) -> Spans:
        """The same values without white space (space, tab, newline, return) at either end."""
        start, end = self.start.copy(), self.end.copy()
        todo = np.flatnonzero(start < end)
        while len(todo):
            todo = todo[_SPACE[self.data[start[todo]]]]
            start[todo] += 1
            todo = todo[start[todo] < end[todo]]
        todo = np.flatnonzero(start < end)
        while len(todo):
            todo = todo[_SPACE[self.data[end[todo] - 1]]]
            end[todo] -= 1
            todo = todo[start[todo] < end[todo]]
        return Spans(self.data, start, end)

    def first(self) -> Bytes:
        """First byte of each value; 0 for an empty one."""
        return self._byte(self.start)

    def last(self) -> Bytes:
        """Last byte of each value; 0 for an empty one."""
        return self._byte(self.end - 1)

    def _byte(self, at: Offsets) -> Bytes:
        if len(self.data) == 0:
            return np.zeros(len(at), dtype=np.uint8)
        return np.where(self.start < self.end, self.data[np.clip(at, 0, len(self.data) - 1)], np.uint8(0))

    def array(self) -> pa.BinaryArray:
        """The values as a compact binary array.

        Between two spans lies a gap, so spans and gaps together are one binary array over the same bytes,
        made without a copy; taking every second element is Arrow's own gather.
        """
        n = len(self)
        if n == 0:
            return pa.array([], pa.binary())
        bounds = np.empty(2 * n, dtype=np.int32)
        bounds[0::2], bounds[1::2] = self.start, self.end
        whole = pa.Array.from_buffers(pa.binary(), 2 * n - 1, [None, pa.py_buffer(bounds), pa.py_buffer(self.data)])
        return whole.take(pa.array(np.arange(0, 2 * n, 2)))


def as_binary(values: pa.Array) -> pa.BinaryArray:
    """Any array of text or bytes as a plain binary array (no copy where the layout already fits)."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values if pa.types.is_binary(values.type) else values.cast(pa.binary())


def spans_of(values: pa.BinaryArray) -> Spans:
    """The spans of a binary array's values; a null is an empty span."""
    n = len(values)
    _, offsets_buffer, data_buffer = values.buffers()
    if n == 0 or offsets_buffer is None:
        empty = np.zeros(n, dtype=np.int64)
        return Spans(np.zeros(0, dtype=np.uint8), empty, empty)
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[values.offset : values.offset + n + 1].astype(np.int64)
    data = np.zeros(0, np.uint8) if data_buffer is None else np.frombuffer(data_buffer, dtype=np.uint8)
    return Spans(data, offsets[:-1], offsets[1:])


def joined(values: pa.BinaryArray, separator: bytes = b"\n") -> pa.Buffer:
    """All values in one buffer, `separator` between them."""
    offsets = pa.array([0, len(values)], pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, values), separator)[0].as_buffer()


def surrounded(values: pa.BinaryArray, before: bytes, after: bytes) -> pa.BinaryArray:
    """Each value with fixed bytes around it."""
    return pc.binary_join_element_wise(pa.scalar(before, pa.binary()), values, pa.scalar(after, pa.binary()), b"")


def as_text(values: pa.BinaryArray) -> pa.StringArray:
    """A binary array read as text without a copy or a check (the caller knows that it is UTF-8)."""
    return values.view(pa.string())


def valid_utf8(values: pa.BinaryArray) -> Mask:
    """Where the bytes are well-formed UTF-8 (a null is)."""
    text = as_text(values)
    good = np.ones(len(values), dtype=bool)
    for low, _, accepted in isolate(len(values), lambda low, high: _utf8(text, low, high)):
        if accepted is None:
            good[low] = False
    return good


def _utf8(text: pa.StringArray, low: int, high: int) -> bool | None:
    try:
        text.slice(low, high - low).validate(full=True)
    except pa.ArrowInvalid:
        return None
    return True
