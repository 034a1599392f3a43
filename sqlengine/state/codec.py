"""Codecs: values of one Arrow type as int64 words and back, equal words exactly for values equal in GROUP BY's sense.

Numbers, dates and times are their own words; text and nested values get dense codes from a dictionary that grows.
-0.0 equals 0.0 and every NaN equals every NaN.  NULL has no code here: words of NULL rows are 0 and whoever uses a
codec keeps the validity beside.  A codec must not know what its words are used for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import BytesTable
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.spill import breathe

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Codec:
    """Base: `words` int64 words per value; `dictionary` says that codes are given by a growing dictionary."""

    words = 1
    dictionary = False

    def __init__(self, dtype: pa.DataType) -> None:
        self.type = dtype

    def encode(self, column: pa.Array, valid: Mask | None, add: bool = True) -> list[Ints]:
        """`words` arrays int64[n] for a plain column of this type; with `add=False` unknown values are -1."""
        raise AssertionError("a codec encodes")

    def decode(self, words: Sequence[Ints], valid: Mask | None) -> pa.Array:
        """The values of `words` arrays int64[n]."""
        raise AssertionError("a codec decodes")

    @property
    def size(self) -> int:
        """Entries of the dictionary; 0 without one."""
        return 0

    @property
    def nbytes(self) -> int:
        """Bytes of the dictionary."""
        return 0


def zero_nulls(values: Ints, valid: Mask | None) -> Ints:
    """The words with 0 where NULL, copied only when needed."""
    return values if valid is None else np.where(valid, values, 0)


class IntCodec(Codec):
    """Whole numbers, dates, times, timestamps and durations of up to 64 bits."""

    def __init__(self, dtype: pa.DataType) -> None:
        super().__init__(dtype)
        kind = "u" if pa.types.is_unsigned_integer(dtype) else "i"
        self._numpy = f"{kind}{dtype.bit_width // 8}"

    def encode(self, column: pa.Array, valid: Mask | None, add: bool = True) -> list[Ints]:
        values = buffers.fixed(column, self._numpy)
        wide = values.view(np.int64) if self._numpy == "u8" else values.astype(np.int64, copy=False)
        return [zero_nulls(wide, valid)]

    def decode(self, words: Sequence[Ints], valid: Mask | None) -> pa.Array:
        return buffers.from_ints(words[0], self.type, valid)


class BoolCodec(Codec):
    """false = 0, true = 1."""

    def encode(self, column: pa.Array, valid: Mask | None, add: bool = True) -> list[Ints]:
        filled = column.fill_null(False) if column.null_count else column
        return [np.asarray(filled.to_numpy(zero_copy_only=False)).astype(np.int64)]

    def decode(self, words: Sequence[Ints], valid: Mask | None) -> pa.Array:
        return buffers.from_bools(words[0] != 0, valid)


class FloatCodec(Codec):
    """The bits of the value as float64, one NaN and one zero."""

    def encode(self, column: pa.Array, valid: Mask | None, add: bool = True) -> list[Ints]:
        values = buffers.fixed(column, f"f{self.type.bit_width // 8}").astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        return [zero_nulls(values.view(np.int64), valid)]

    def decode(self, words: Sequence[Ints], valid: Mask | None) -> pa.Array:
        values = np.ascontiguousarray(words[0]).view(np.float64)
        return buffers.from_fixed(values.astype(f"f{self.type.bit_width // 8}", copy=False), self.type, valid)


class WideCodec(Codec):
    """Fixed-width values of more than 8 bytes (or fixed-size binary): decimals, intervals, UUIDs."""

    def __init__(self, dtype: pa.DataType) -> None:
        super().__init__(dtype)
        self._bytes = dtype.bit_width // 8
        self.words = max(1, -(-self._bytes // 8))

    def encode(self, column: pa.Array, valid: Mask | None, add: bool = True) -> list[Ints]:
        padded = np.zeros((len(column), self.words * 8), dtype=np.uint8)
        if self._bytes:
            raw = buffers.fixed(column, f"V{self._bytes}")
            padded[:, : self._bytes] = np.frombuffer(raw.tobytes(), np.uint8).reshape(len(column), self._bytes)
        if valid is not None:
            padded[~valid] = 0
        matrix = padded.view(np.int64)
        return [np.ascontiguousarray(matrix[:, i]) for i in range(self.words)]

    def decode(self, words: Sequence[Ints], valid: Mask | None) -> pa.Array:
        matrix = np.stack(list(words), axis=1) if len(words[0]) else np.empty((0, self.words), np.int64)
        raw = np.ascontiguousarray(np.ascontiguousarray(matrix).view(np.uint8)[:, : self._bytes])
        return pa.Array.from_buffers(self.type, len(raw), [buffers.bitmap(valid), pa.py_buffer(raw)])


class BytesCodec(Codec):
    """Text and binary through a dictionary of byte strings."""

    dictionary = True

    def __init__(self, dtype: pa.DataType) -> None:
        super().__init__(dtype)
        self._table = BytesTable()

    @property
    def size(self) -> int:
        return int(self._table.size)

    @property
    def nbytes(self) -> int:
        return int(self._table.nbytes)

    def encode(self, column: pa.Array, valid: Mask | None, add: bool = True) -> list[Ints]:
        codes = self._table.insert(*buffers.bytes_of(column), add)
        breathe()
        return [zero_nulls(codes, valid)]

    def decode(self, words: Sequence[Ints], valid: Mask | None) -> pa.Array:
        codes = words[0] if valid is None else np.where(valid, words[0], -1)
        offsets, data = self._table.take(np.ascontiguousarray(codes))
        breathe()
        return buffers.from_bytes(offsets, data, self.type, valid)


class NullCodec(Codec):
    """The type of an untyped NULL: no value ever."""

    def encode(self, column: pa.Array, valid: Mask | None, add: bool = True) -> list[Ints]:
        return [np.zeros(len(column), dtype=np.int64)]

    def decode(self, words: Sequence[Ints], valid: Mask | None) -> pa.Array:
        return pa.nulls(len(words[0]))


def flat_codec(dtype: pa.DataType) -> Codec | None:
    """A new codec for a storage type that is not nested; None for nested and unknown types."""
    t = pa.types
    if t.is_boolean(dtype):
        return BoolCodec(dtype)
    if t.is_floating(dtype):
        return FloatCodec(dtype)
    if t.is_null(dtype):
        return NullCodec(dtype)
    if buffers.is_bytes_like(dtype):
        return BytesCodec(dtype)
    if t.is_decimal(dtype) or t.is_fixed_size_binary(dtype) or t.is_interval(dtype):
        return WideCodec(dtype)
    return IntCodec(dtype) if t.is_primitive(dtype) else None
