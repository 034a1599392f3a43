"""Hive's hash() and murmur_hash(): of each type by its own rule, of several values 31 * h + the next.

ObjectInspectorUtils.hashCode (Java's hashCode, bytes of texts) and hashCodeMurmur (Murmur3, 32 bits, seed 104729) of
Apache Hive; NULL is 0.  Both are computed over whole columns, wrapping at 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine import errors
from sqlengine.functions.arrays_of import text_buffers
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.registry import Kernel, scalar
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ, is_integer, is_text, to_sql

Codes = npt.NDArray[np.uint32]
Hash = Callable[[pa.Array], Codes]
_C1, _C2, _SEED = np.uint32(0xCC9E2D51), np.uint32(0x1B873593), 104729


def _kernel(hash_of: Callable[[pa.Array], Codes]) -> Callable[[Sequence[pa.DataType], pa.DataType], Kernel]:
    def factory(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        def kernel(*args: pa.Array) -> pa.Array:
            out = np.zeros(len(args[0]), dtype=np.uint32)
            for arg in args:
                out = out * np.uint32(31) + hash_of(arg)
            return pa.array(out.view(np.int32))

        return kernel

    return factory


def java_hash(array: pa.Array) -> Codes:
    """Java's hash codes, uint32[n]; DatatypeMismatch for a type Hive has no hash of."""
    return _known(array, _java_value(array))


def _known(array: pa.Array, codes: Codes) -> Codes:
    return np.where(array.is_valid().to_numpy(zero_copy_only=False), codes, np.uint32(0)) if array.null_count else codes


def _raw(array: pa.Array, kind: pa.DataType) -> Any:
    return array.fill_null(pa.scalar(0).cast(array.type)).cast(kind, safe=False).to_numpy(zero_copy_only=False)


def _folded(values: npt.NDArray[np.int64]) -> Codes:
    """The upper half of 64 bits exclusive-or the lower."""
    wide = values.astype(np.int64).view(np.uint64)
    return ((wide >> np.uint64(32)) ^ wide).astype(np.uint32)


def _double_bits(array: pa.Array) -> npt.NDArray[np.int64]:
    values = array.fill_null(0.0).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isnan(values), 0x7FF8000000000000, values.view(np.int64))  # type: ignore[no-any-return]


def _float_bits(array: pa.Array) -> npt.NDArray[np.int32]:
    values = array.fill_null(0.0).to_numpy(zero_copy_only=False).astype(np.float32)
    return np.where(np.isnan(values), np.int32(0x7FC00000), values.view(np.int32))  # type: ignore[no-any-return]


def _java_value(array: pa.Array) -> Codes:
    kind = array.type
    if pa.types.is_null(kind):
        return np.zeros(len(array), dtype=np.uint32)
    if pa.types.is_boolean(kind):
        return array.fill_null(False).to_numpy(zero_copy_only=False).astype(np.uint32)  # type: ignore[no-any-return]
    if is_integer(kind):
        values = _raw(array, pa.int64())
        return _folded(values) if kind.bit_width == 64 else values.astype(np.int64).astype(np.uint32)
    if kind == pa.float32():
        return _float_bits(array).view(np.uint32)
    if kind == pa.float64():
        return _folded(_double_bits(array))
    if is_text(kind) or pa.types.is_binary(kind):
        return _of_bytes(array, 0 if is_text(kind) else 1)
    if kind == pa.date32():
        return array.cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint32)  # type: ignore[no-any-return]
    if kind in (TIMESTAMP, TIMESTAMPTZ):
        return _folded(_moment_bits(array))
    if pa.types.is_decimal(kind):
        return _unsigned(per_distinct(pa.int64(), _decimal_hash)(array))
    return _nested(array, java_hash, java_hash)


def _unsigned(codes: pa.Array) -> Codes:
    return codes.fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint32)  # type: ignore[no-any-return]


def _moment_bits(array: pa.Array) -> npt.NDArray[np.int64]:
    """TimestampWritable.hashCode: seconds shifted by 30 bits beside nanoseconds."""
    micros = array.cast(TIMESTAMP).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    seconds, rest = np.divmod(micros, 1_000_000)
    return (seconds << 30) | (rest * 1000)  # type: ignore[no-any-return]


def _decimal_hash(value: Decimal) -> int:
    """BigDecimal.hashCode of the value without zeros at its end."""
    sign, digits, exponent = value.normalize().as_tuple()
    assert isinstance(exponent, int)
    unscaled = int("".join(map(str, digits)))
    if exponent > 0:
        unscaled, exponent = unscaled * 10**exponent, 0
    words, magnitude = 0, unscaled
    pieces = []
    while magnitude:
        pieces.append(magnitude & 0xFFFFFFFF)
        magnitude >>= 32
    for piece in reversed(pieces):
        words = (31 * words + piece) & 0xFFFFFFFF
    return (31 * (-words if sign else words) - exponent) & 0xFFFFFFFF


def _of_bytes(array: pa.Array, start: int) -> Codes:
    """31 * h + each byte with its sign, over all texts at once: as many steps as the longest has bytes."""
    offsets, data = text_buffers(array)
    raw = np.frombuffer(data, dtype=np.int8) if data is not None else np.zeros(0, dtype=np.int8)
    starts, lengths = offsets[:-1].astype(np.int64), np.diff(offsets)
    out = np.full(len(array), start, dtype=np.uint32)
    order = np.argsort(-lengths, kind="stable")
    counts = np.searchsorted(-lengths[order], -np.arange(1, int(lengths.max(initial=0)) + 1), side="right")
    for at, count in enumerate(counts):
        rows = order[:count]
        out[rows] = out[rows] * np.uint32(31) + raw[starts[rows] + at].astype(np.int32).view(np.uint32)
    return out


def _nested(array: pa.Array, hash_of: Hash, value_hash: Hash) -> Codes:
    kind = array.type
    if pa.types.is_map(kind):
        entries = hash_of(array.keys) ^ value_hash(array.items)
        return _summed(array, entries)
    if pa.types.is_list(kind):
        return _chained(array, hash_of(array.values))
    if pa.types.is_struct(kind):
        out = np.zeros(len(array), dtype=np.uint32)
        for field in array.flatten():
            out = out * np.uint32(31) + hash_of(field)
        return out
    raise errors.DatatypeMismatch(f"there is no hash of {to_sql(kind)}")


def _bounds(array: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    offsets = array.offsets.to_numpy().astype(np.int64)
    return offsets[:-1], np.diff(offsets)


def _summed(array: pa.Array, codes: Codes) -> Codes:
    starts, lengths = _bounds(array)
    running = np.concatenate(([np.uint32(0)], np.cumsum(codes, dtype=np.uint32)))
    return running[starts + lengths] - running[starts]  # type: ignore[no-any-return]


def _chained(array: pa.Array, codes: Codes) -> Codes:
    starts, lengths = _bounds(array)
    out = np.zeros(len(array), dtype=np.uint32)
    for at in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(lengths > at)
        out[rows] = out[rows] * np.uint32(31) + codes[starts[rows] + at]
    return out


# ---------------------------------------------------------------- Murmur3


def murmur_hash_of(array: pa.Array) -> Codes:
    """Murmur3 hash codes, uint32[n], by hashCodeMurmur's rule of each type."""
    return _known(array, _murmur_value(array))


def _murmur_value(array: pa.Array) -> Codes:
    kind = array.type
    if pa.types.is_null(kind) or pa.types.is_boolean(kind) or kind == pa.int8():
        return _java_value(array)
    if is_integer(kind):
        return _murmur_words(_raw(array, pa.int64()).astype(f">i{kind.bit_width // 8}"))
    if kind == pa.float32():  # putFloat of the bits as a number, as Hive does
        return _murmur_words(_float_bits(array).astype(np.float32).astype(">f4"))
    if kind == pa.float64():
        return _murmur_words(_double_bits(array).astype(np.float64).astype(">f8"))
    if kind == pa.date32():
        return _murmur_words(array.cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False).astype(">i4"))
    if is_text(kind) or pa.types.is_binary(kind):
        plain = array.cast(pa.binary()) if is_text(kind) else array
        return _unsigned(per_distinct(pa.int64(), murmur3)(plain))
    if kind in (TIMESTAMP, TIMESTAMPTZ) or pa.types.is_decimal(kind):
        raise errors.NotSupportedError(f"murmur_hash of {to_sql(kind)} is not supported", hint="hash() takes it")
    return _nested(array, murmur_hash_of, java_hash)


def _rotated(values: Codes, by: int) -> Codes:
    return (values << np.uint32(by)) | (values >> np.uint32(32 - by))


def _mixed(k: Codes) -> Codes:
    return _rotated(k * _C1, 15) * _C2


def _finished(h: Codes, length: int) -> Codes:
    h = h ^ np.uint32(length)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def _murmur_words(values: npt.NDArray[Any]) -> Codes:
    """Of numbers as the bytes they have in an array of big-endian numbers."""
    width = values.dtype.itemsize
    raw = values.view(np.uint8).reshape(len(values), width)
    h = np.full(len(values), _SEED, dtype=np.uint32)
    if width == 2:  # the tail of two bytes, both with their sign
        signed = raw.astype(np.int8).astype(np.int32)
        return _finished(h ^ _mixed(((signed[:, 1] << 8) ^ signed[:, 0]).view(np.uint32)), width)
    for word in raw.view("<u4").T:
        h = _rotated(h ^ _mixed(word.astype(np.uint32)), 13) * np.uint32(5) + np.uint32(0xE6546B64)
    return _finished(h, width)


def murmur3(data: bytes, seed: int = _SEED) -> int:
    """Murmur3, 32 bits, of bytes; those beyond the last four count with their sign, as in Hive."""
    whole = len(data) // 4 * 4
    h = np.full(1, seed, dtype=np.uint32)
    for word in np.frombuffer(data[:whole], dtype="<u4"):
        h = _rotated(h ^ _mixed(np.array([word], dtype=np.uint32)), 13) * np.uint32(5) + np.uint32(0xE6546B64)
    if len(data) > whole:
        tail = 0
        for at, byte in enumerate(data[whole:]):
            tail ^= (byte - 256 if byte > 127 else byte) << (8 * at)
        h = h ^ _mixed(np.array([tail & 0xFFFFFFFF], dtype=np.uint32))
    return int(_finished(h, len(data))[0])


hash_ = scalar(
    "hive$hash(VARIADIC args any) -> integer",
    "Java's hash code of the values, by which Hive makes buckets",
    example="hash('a') = 97",
    strict=False,
    broadcast=True,
    factory=True,
    result_type=lambda args: pa.int32(),
)(_kernel(java_hash))
murmur_hash = scalar(
    "hive$murmur_hash(VARIADIC args any) -> integer",
    "the Murmur3 hash code of the values, by which tables of Hive 3 and later make buckets",
    example="murmur_hash(true) = 1",
    strict=False,
    broadcast=True,
    factory=True,
    result_type=lambda args: pa.int32(),
)(_kernel(murmur_hash_of))
