"""Gatherer: values of chosen rows out of a growing list of batches.

Why: joins and stores read few random rows of many chunks; pyarrow's chunked take would copy every chunk first.
Fixed-width, boolean and text columns go through kernels/gather (addresses of buffers, cached per chunk); every other
type, and every type without the compiled kernels, through one pyarrow take per chunk, which is also the reference.
It must not decide which chunks exist: the arena tells it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import COMPILED
from sqlengine.state.repeated_texts import plain_array
from sqlengine.state.spill import breathe
from sqlengine.types import storage_type

if TYPE_CHECKING:
    kernel: Any
elif COMPILED:
    from sqlengine.kernels import gather as kernel

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

NOTING = 1024
"""Noting a chunk costs as much as looking at so many rows for those it is needed by."""


class _Addresses:
    """One column's buffers in the chunks read so far: addresses of validity (0: no NULL), values (or offsets) and text
    bytes, and the first bit of bitmaps."""

    def __init__(self) -> None:
        self.noted: npt.NDArray[np.bool_] = np.zeros(16, dtype=np.bool_)
        self.table: Ints = np.zeros((4, 16), dtype=np.int64)

    def missing(self, chunk: Ints, chunks: int) -> Ints:
        """Which of the named chunks, of `chunks` there are, have not been noted."""
        if chunks > len(self.noted):
            room = max(chunks, 2 * len(self.noted)) - len(self.noted)
            self.noted = np.concatenate([self.noted, np.zeros(room, dtype=np.bool_)])
            self.table = np.concatenate([self.table, np.zeros((4, room), dtype=np.int64)], axis=1)
        unknown = np.flatnonzero(~self.noted[:chunks])
        if NOTING * len(unknown) <= len(chunk):
            return unknown
        seen = np.zeros(chunks, dtype=np.bool_)
        seen[chunk] = True
        return unknown[seen[unknown]]

    def note(self, chunk: int, valid: int, first: int, values: int, data: int) -> None:
        """Where the buffers of a chunk are."""
        self.table[:, chunk] = (valid, first, values, data)
        self.noted[chunk] = True


class Gatherer:
    """Takes rows by global row id; `chunks` and `starts` are the arena's own lists, shared."""

    def __init__(self, schema: pa.Schema, chunks: list[pa.RecordBatch], starts: list[int]) -> None:
        self.schema = schema
        self._chunks = chunks
        self._starts = starts
        self._kinds = [_kind(storage_type(f.type)) for f in schema]
        self._addresses: dict[int, _Addresses] = {}
        self._packed: set[int] = set()

    def truncate(self, chunks: int) -> None:
        """Only the first `chunks` chunks are still the same."""
        for known in self._addresses.values():
            known.noted[chunks:] = False

    def forget(self, chunk: int) -> None:
        """A chunk was packed: its texts are dictionaries now."""
        for known in self._addresses.values():
            known.noted[chunk : chunk + 1] = False
        self._packed |= {i for i, c in enumerate(self._chunks[chunk].columns) if pa.types.is_dictionary(c.type)}

    def take(self, rows: Ints, columns: Sequence[int]) -> list[pa.Array]:
        """The columns' values of the given rows, in the order of `rows`."""
        if len(self._chunks) == 1:
            index = pa.array(rows)
            return [self._plain(self._chunks[0].column(c).take(index), c) for c in columns]
        if not self._chunks or not len(rows):
            return [pa.array([], self.schema.field(c).type) for c in columns]
        slow = [c for c in columns if self._kinds[c] == "other" or c in self._packed]
        taken = dict(zip(slow, self._take_by_chunk(rows, slow), strict=True)) if slow else {}
        if len(slow) < len(columns):
            chunk, offset = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
            kernel.locate(np.array(self._starts, dtype=np.int64), rows, chunk, offset)
        found = []
        for c in columns:
            found.append(taken[c] if c in taken else self._gather(c, chunk, offset))
            breathe()
        return found

    def view(self, row: int, columns: Sequence[int]) -> list[pa.Array]:
        """The columns' values of one row as they lie in its chunk, which they keep in memory: not to be held."""
        at = bisect_right(self._starts, row) - 1
        chunk, offset = self._chunks[at], row - self._starts[at]
        return [self._plain(chunk.column(c).slice(offset, 1), c) for c in columns]

    def _take_by_chunk(self, rows: Ints, columns: Sequence[int]) -> list[pa.Array]:
        """One pyarrow take per touched chunk, joined, and put back into the order of `rows`."""
        starts = np.array(self._starts, dtype=np.int64)
        chunk = np.searchsorted(starts, rows, side="right") - 1
        order = np.argsort(chunk, kind="stable")
        ends = np.searchsorted(chunk[order], np.arange(len(self._chunks) + 1))
        parts = []
        for c in np.flatnonzero(np.diff(ends)):
            at = pa.array(rows[order[ends[c] : ends[c + 1]]] - starts[c])
            parts.append([self._plain(self._chunks[c].column(i).take(at), i) for i in columns])
        joined = [pa.concat_arrays([p[i] for p in parts]) for i in range(len(columns))]
        if (chunk[1:] >= chunk[:-1]).all():
            return joined
        inverse = np.empty(len(rows), dtype=np.int64)
        inverse[order] = np.arange(len(rows))
        index = pa.array(inverse)
        return [column.take(index) for column in joined]

    def _plain(self, array: pa.Array, column: int) -> pa.Array:
        return plain_array(array, self.schema.field(column).type)

    def _known(self, column: int, chunk: Ints) -> Ints:
        """(valid, first, values, data) of a column by chunk, where only the named chunks need be right.

        A take that touches few of many small chunks must not pay for the others.
        """
        known = self._addresses.setdefault(column, _Addresses())
        for c in known.missing(chunk, len(self._chunks)):
            known.note(int(c), *_addresses(self._chunks[c].column(column), self._kinds[column]))
        return known.table

    def _gather(self, column: int, chunk: Ints, offset: Ints) -> pa.Array:
        """One column by the compiled kernel of its kind."""
        valid, first, values, data = self._known(column, chunk)
        dtype = storage_type(self.schema.field(column).type)
        n = len(chunk)
        bitmap, nulls = _gather_validity(valid, first, chunk, offset)
        if self._kinds[column] == "bits":
            bits = np.empty(n, dtype=np.uint8)
            kernel.gather_bits(values, first, chunk, offset, bits)
            buffers = [bitmap, pa.py_buffer(np.packbits(bits, bitorder="little"))]
        elif self._kinds[column] == "bytes":
            ends = np.empty(n + 1, dtype=np.int32)
            total = kernel.gather_lengths(values, chunk, offset, ends)
            if total > np.iinfo(np.int32).max:
                return self._take_by_chunk(np.array(self._starts, dtype=np.int64)[chunk] + offset, [column])[0]
            out = np.empty(total, dtype=np.uint8)
            kernel.gather_bytes(values, data, chunk, offset, ends, out)
            buffers = [bitmap, pa.py_buffer(ends), pa.py_buffer(out)]
        else:
            width = dtype.bit_width // 8
            out = np.empty(n * width, dtype=np.uint8)
            kernel.gather_fixed(values, chunk, offset, width, out)
            buffers = [bitmap, pa.py_buffer(out)]
        array = pa.Array.from_buffers(dtype, n, buffers, nulls)
        return _as_declared(array, self.schema.field(column).type)


def _as_declared(array: pa.Array, dtype: pa.DataType) -> pa.Array:
    return pa.ExtensionArray.from_storage(dtype, array) if isinstance(dtype, pa.BaseExtensionType) else array


def _kind(dtype: pa.DataType) -> str:
    """Which kernel gathers a physical type: bits, bytes, fixed or other."""
    t = pa.types
    if not COMPILED or t.is_null(dtype) or t.is_nested(dtype) or t.is_dictionary(dtype):
        return "other"
    if t.is_boolean(dtype):
        return "bits"
    if t.is_string(dtype) or t.is_binary(dtype):
        return "bytes"
    try:
        return "fixed" if dtype.bit_width >= 8 else "other"
    except ValueError:
        return "other"


def _gather_validity(valid: Ints, first: Ints, chunk: Ints, offset: Ints) -> tuple[pa.Buffer | None, int]:
    """(validity bitmap or None, number of NULLs) of the gathered rows."""
    if not valid.any():
        return None, 0
    bits = np.empty(len(chunk), dtype=np.uint8)
    ones = kernel.gather_bits(valid, first, chunk, offset, bits)
    if ones == len(chunk):
        return None, 0
    return pa.py_buffer(np.packbits(bits, bitorder="little")), len(chunk) - int(ones)


def _addresses(array: pa.Array, kind: str) -> tuple[int, int, int, int]:
    """Where one chunk's buffers are: (valid, first, values, data)."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    buffers = array.buffers()
    valid = buffers[0].address if array.null_count else 0
    width = {"bits": 0, "bytes": 4}[kind] if kind != "fixed" else array.type.bit_width // 8
    data = buffers[2].address if kind == "bytes" and buffers[2] is not None else 0
    return valid, array.offset, buffers[1].address + array.offset * width, data
