"""Spark's hash() and xxhash64(): the hash of each value is the seed of the next, and the first seed is 42.

Murmur3_x86_32 (whose last bytes are mixed one by one) and XXH64 as Spark's catalyst has them: booleans and whole
numbers up to 32 bits as an int, the others, doubles by their bits and decimals up to 18 digits by their unscaled values
as a long, texts as their bytes, decimals of more digits as the bytes of a big-endian number; NULL leaves the seed.
All are computed over whole columns, wrapping at 32 and 64 bits.
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
from sqlengine.functions.registry import Kernel, scalar
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ, is_integer, is_text, to_sql

Seeds = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
Data = npt.NDArray[np.uint8]
_SEED = 42
_LONG_DIGITS = 18
"""Decimals of so many digits are hashed as longs."""


@dataclass(frozen=True, slots=True)
class Way:
    """One of both hashes: `of_ints` and `of_longs` take values (as unsigned) and seeds; `of_bytes` takes all bytes,
    where each value begins, its length, and seeds."""

    kind: type[np.uint32] | type[np.uint64]
    of_ints: Callable[[npt.NDArray[np.uint32], Seeds], Seeds]
    of_longs: Callable[[npt.NDArray[np.uint64], Seeds], Seeds]
    of_bytes: Callable[[Data, Rows, Rows, Seeds], Seeds]


def _factory(way: Way, result: pa.DataType) -> Callable[[Sequence[pa.DataType], pa.DataType], Kernel]:
    def factory(_types: Sequence[pa.DataType], _result: pa.DataType) -> Kernel:
        def kernel(*args: pa.Array) -> pa.Array:
            seeds = np.full(len(args[0]), _SEED, dtype=way.kind)
            for arg in args:
                seeds = _chained(way, arg, seeds)
            return pa.array(seeds.view(np.int32 if way.kind is np.uint32 else np.int64), result)

        return kernel

    return factory


def _chained(way: Way, array: pa.Array, seeds: Seeds) -> Seeds:
    """The hashes of an array's values, one seed for each; of NULL its seed."""
    if pa.types.is_null(array.type):
        return seeds
    found = _value(way, array, seeds)
    if not array.null_count:
        return found
    return np.where(array.is_valid().to_numpy(zero_copy_only=False), found, seeds)


def _value(way: Way, array: pa.Array, seeds: Seeds) -> Seeds:
    kind = array.type
    if is_text(kind) or pa.types.is_binary(kind):
        offsets, data = text_buffers(array)
        raw = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
        wide = offsets.astype(np.int64)
        return way.of_bytes(raw, wide[:-1], np.diff(wide), seeds)
    if pa.types.is_decimal(kind):
        return _decimals(way, array, seeds)
    if pa.types.is_struct(kind):
        for field in array.flatten():
            seeds = _chained(way, field, seeds)
        return seeds
    if pa.types.is_list(kind):
        return _elements(way, array, seeds)
    if pa.types.is_map(kind):
        raise errors.DatatypeMismatch(
            "there is no hash of maps, whose entries have no order", hint="hash map_entries of it, sorted"
        )
    words = _words(array)
    if words.dtype == np.int64:
        return way.of_longs(words.view(np.uint64), seeds)
    return way.of_ints(words.view(np.uint32), seeds)


def _words(array: pa.Array) -> npt.NDArray[Any]:
    """Values of a fixed width as int32 or int64, NULL as 0."""
    kind = array.type
    if pa.types.is_floating(kind):
        values = array.fill_null(pa.scalar(0.0, kind)).to_numpy(zero_copy_only=False) + kind.to_pandas_dtype()(0)
        bits = np.where(np.isnan(values), values.dtype.type(np.nan), values)  # +0 made -0.0 a zero like others
        return bits.view(np.int32 if kind == pa.float32() else np.int64)  # type: ignore[no-any-return]
    if kind in (TIMESTAMP, TIMESTAMPTZ) or kind == pa.int64():
        return array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    if pa.types.is_boolean(kind) or is_integer(kind) or kind == pa.date32():
        return array.cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    raise errors.DatatypeMismatch(f"there is no hash of {to_sql(kind)}")


def _decimals(way: Way, array: pa.Array, seeds: Seeds) -> Seeds:
    scale = array.type.scale
    unscaled = [0 if value is None else _unscaled(value, scale) for value in array.to_pylist()]
    if array.type.precision <= _LONG_DIGITS:
        return way.of_longs(np.array(unscaled, dtype=np.int64).view(np.uint64), seeds)
    pieces = [
        value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True)
        for value in unscaled
    ]
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    return way.of_bytes(np.frombuffer(b"".join(pieces), dtype=np.uint8), np.cumsum(lengths) - lengths, lengths, seeds)


def _unscaled(value: Decimal, scale: int) -> int:
    return int(value.scaleb(scale))


def _elements(way: Way, array: pa.Array, seeds: Seeds) -> Seeds:
    """One element of each array after another."""
    offsets = array.offsets.to_numpy().astype(np.int64)
    starts, lengths = offsets[:-1], np.diff(offsets)
    out = seeds.copy()
    for at in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(lengths > at)
        out[rows] = _chained(way, array.values.take(pa.array(starts[rows] + at)), out[rows])
    return out


def _gathered(data: Data, starts: Rows, kind: type[np.uint32] | type[np.uint64]) -> npt.NDArray[Any]:
    """The little-endian numbers that begin at `starts`."""
    width = np.dtype(kind).itemsize
    return np.ascontiguousarray(data[starts[:, None] + np.arange(width)]).view(kind)[:, 0]


# ---------------------------------------------------------------- Murmur3, 32 bits

_C1, _C2 = np.uint32(0xCC9E2D51), np.uint32(0x1B873593)


def _rotated32(values: Seeds, by: int) -> Seeds:
    return (values << np.uint32(by)) | (values >> np.uint32(32 - by))


def _mixed(h: Seeds, k: npt.NDArray[np.uint32]) -> Seeds:
    return _rotated32(h ^ (_rotated32(k * _C1, 15) * _C2), 13) * np.uint32(5) + np.uint32(0xE6546B64)


def _finished(h: Seeds, lengths: Any) -> Seeds:
    h = h ^ lengths
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def _murmur_longs(values: npt.NDArray[np.uint64], seeds: Seeds) -> Seeds:
    low, high = values.astype(np.uint32), (values >> np.uint64(32)).astype(np.uint32)
    return _finished(_mixed(_mixed(seeds, low), high), np.uint32(8))


def _murmur_bytes(data: Data, starts: Rows, lengths: Rows, seeds: Seeds) -> Seeds:
    """hashUnsafeBytes: whole words, then each byte that is left with its sign."""
    h = seeds.copy()
    for at in range(int(lengths.max(initial=0)) // 4):
        rows = np.flatnonzero(lengths >= 4 * at + 4)
        h[rows] = _mixed(h[rows], _gathered(data, starts[rows] + 4 * at, np.uint32))
    whole = lengths // 4 * 4
    for at in range(3):
        rows = np.flatnonzero(lengths - whole > at)
        tail = data[starts[rows] + whole[rows] + at].view(np.int8).astype(np.int32).view(np.uint32)
        h[rows] = _mixed(h[rows], tail)
    return _finished(h, lengths.astype(np.uint32))


_MURMUR = Way(
    np.uint32, lambda values, seeds: _finished(_mixed(seeds, values), np.uint32(4)), _murmur_longs, _murmur_bytes
)

# ---------------------------------------------------------------- XXH64

_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(prime)
    for prime in (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
)


def _rotated64(values: Seeds, by: int) -> Seeds:
    return (values << np.uint64(by)) | (values >> np.uint64(64 - by))


def _round(h: Seeds, word: npt.NDArray[np.uint64]) -> Seeds:
    return _rotated64(h + word * _P2, 31) * _P1


def _with_long(h: Seeds, word: npt.NDArray[np.uint64]) -> Seeds:
    return _rotated64(h ^ (_rotated64(word * _P2, 31) * _P1), 27) * _P1 + _P4


def _with_int(h: Seeds, word: npt.NDArray[np.uint32]) -> Seeds:
    return _rotated64(h ^ (word.astype(np.uint64) * _P1), 23) * _P2 + _P3


def _avalanche(h: Seeds) -> Seeds:
    h = (h ^ (h >> np.uint64(33))) * _P2
    h = (h ^ (h >> np.uint64(29))) * _P3
    return h ^ (h >> np.uint64(32))


def _stripes(data: Data, starts: Rows, lengths: Rows, seeds: Seeds) -> Seeds:
    """What stripes of 32 bytes make of the seeds, for values that have one at least."""
    lanes = [seeds + _P1 + _P2, seeds + _P2, seeds.copy(), seeds - _P1]
    for at in range(int(lengths.max(initial=0)) // 32):
        rows = np.flatnonzero(lengths >= 32 * at + 32)
        for place, lane in enumerate(lanes):
            lane[rows] = _round(lane[rows], _gathered(data, starts[rows] + 32 * at + 8 * place, np.uint64))
    h = sum((_rotated64(lane, by) for lane, by in zip(lanes[1:], (7, 12, 18), strict=True)), _rotated64(lanes[0], 1))
    for lane in lanes:
        h = (h ^ _round(np.zeros_like(lane), lane)) * _P1 + _P4
    return h


def _xx_bytes(data: Data, starts: Rows, lengths: Rows, seeds: Seeds) -> Seeds:
    h = seeds + _P5
    long = np.flatnonzero(lengths >= 32)
    if len(long):
        h[long] = _stripes(data, starts[long], lengths[long], seeds[long])
    h = h + lengths.astype(np.uint64)
    at = lengths // 32 * 32
    for _ in range(3):  # what is left of a stripe has three longs at most
        rows = np.flatnonzero(lengths - at >= 8)
        h[rows] = _with_long(h[rows], _gathered(data, starts[rows] + at[rows], np.uint64))
        at[rows] += 8
    rows = np.flatnonzero(lengths - at >= 4)
    h[rows] = _with_int(h[rows], _gathered(data, starts[rows] + at[rows], np.uint32))
    at[rows] += 4
    for _ in range(3):
        rows = np.flatnonzero(lengths > at)
        h[rows] = _rotated64(h[rows] ^ (data[starts[rows] + at[rows]].astype(np.uint64) * _P5), 11) * _P1
        at[rows] += 1
    return _avalanche(h)


_XX = Way(
    np.uint64,
    lambda values, seeds: _avalanche(_with_int(seeds + _P5 + np.uint64(4), values)),
    lambda values, seeds: _avalanche(_with_long(seeds + _P5 + np.uint64(8), values)),
    _xx_bytes,
)
_OPTIONS: dict[str, Any] = {"strict": False, "broadcast": True, "factory": True}
xxhash64 = scalar(
    "hive$xxhash64(VARIADIC args any) -> bigint",
    "Spark's 64-bit hash of the values: XXH64 with the seed 42",
    example="xxhash64('a') = -8582455328737087284",
    result_type=lambda args: pa.int64(),
    **_OPTIONS,
)(_factory(_XX, pa.int64()))
spark_hash = scalar(
    "hive$spark_hash(VARIADIC args any) -> integer",
    "Spark's hash(): Murmur3 with the seed 42; the dialect spark calls it hash",
    example="spark_hash('a') = 1485273170",
    result_type=lambda args: pa.int32(),
    **_OPTIONS,
)(_factory(_MURMUR, pa.int32()))
