"""Columns of numeric and of arrays from their binary form: values whose places are only known from what is before them.

A numeric is its digits in base 10,000; an array its dimensions and then each element with its length
(src/backend/utils/adt: numeric_recv, array_recv).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sqlengine.quick_dataclass import dataclass
from sqlengine.server.cells import Ints

Data = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
_NEGATIVE, _POSITIVE = 0x4000, 0
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_CHUNK_GROUPS = 4
"""Groups of four digits that fit 64 bits together with room to multiply."""


def be_int16(data: Data, at: Ints) -> Ints:
    """Big-endian numbers of two bytes at these places."""
    return ((data[at].astype(np.int64) << 8 | data[at + 1]) ^ 0x8000) - 0x8000


def be_int32(data: Data, at: Ints) -> Ints:
    """Big-endian numbers of four bytes."""
    high, low = be_int16(data, at), be_int16(data, at + 2)
    return (high << 16) | (low & 0xFFFF)


# ---------------------------------------------------------------- numeric


@dataclass(frozen=True, slots=True)
class Decimals:
    """Values of numeric(p, s) as 128-bit numbers of 10**-s, (n, 2) little-endian words; `is_done` False: one that is
    none of these (NaN, more digits behind the point, too large), which somebody else has to look at.
    """

    words: Words
    is_done: npt.NDArray[np.bool_]


def decimals(data: Data, begins: Ints, sizes: Ints, precision: int, scale: int) -> Decimals:
    """The numerics at these places; ValueError where one is malformed."""
    if not (sizes >= 8).all():
        raise ValueError("insufficient data left in message")
    counts, weights = be_int16(data, begins), be_int16(data, begins + 2)
    signs = be_int16(data, begins + 4) & 0xFFFF
    if not (sizes == 8 + 2 * counts).all():
        raise ValueError('invalid length in external "numeric" value')
    groups, is_done, behind = _groups(data, begins, counts, weights, precision, scale)
    is_done &= behind <= be_int16(data, begins + 6)  # numeric_recv cuts digits off that the value's own scale has not
    dropped = -scale % 4
    last = groups[:, -1]
    is_done &= (last % 10**dropped == 0) & np.isin(signs, (_NEGATIVE, _POSITIVE))
    high, low = np.zeros(len(begins), np.uint64), np.zeros(len(begins), np.uint64)
    for start in range(0, groups.shape[1] - 1, _CHUNK_GROUPS):
        part = groups[:, start : min(start + _CHUNK_GROUPS, groups.shape[1] - 1)]
        by = 10_000 ** np.arange(part.shape[1] - 1, -1, -1, dtype=np.int64)
        high, low = _times_plus(high, low, 10_000 ** part.shape[1], (part @ by).astype(np.uint64))
    high, low = _times_plus(high, low, 10 ** (4 - dropped), (last // 10**dropped).astype(np.uint64))
    limit = 10**precision
    top, bottom = np.uint64(limit >> 64), np.uint64(limit & (2**64 - 1))
    is_done &= (high < top) | ((high == top) & (low < bottom))
    minus = signs == _NEGATIVE
    negated = ~low + np.uint64(1)
    high = np.where(minus, ~high + (negated == 0).astype(np.uint64), high)
    return Decimals(np.stack([np.where(minus, negated, low), high], axis=1), is_done)


def _groups(
    data: Data, begins: Ints, counts: Ints, weights: Ints, precision: int, scale: int
) -> tuple[Ints, npt.NDArray[np.bool_], Ints]:
    """(digits in base 10,000, a column a place, the last one the place of the scale; where all digits have a place;
    how many decimal digits behind the point there are)."""
    after = -(-scale // 4)
    before = -(-(precision - scale) // 4) + 1
    groups = np.zeros((len(begins), before + after), np.int64)
    is_done = np.ones(len(begins), np.bool_)
    first, behind = before - 1 - weights, np.zeros(len(begins), np.int64)
    for number in range(int(counts.max(initial=0))):
        rows = np.flatnonzero(counts > number)
        digits, place = be_int16(data, begins[rows] + 8 + 2 * number), first[rows] + number
        if not ((digits >= 0) & (digits <= 9_999)).all():
            raise ValueError('invalid digit in external "numeric" value')
        fits = (place >= 0) & (place < before + after)
        groups[rows[fits], place[fits]] = digits[fits]
        is_done[rows[~fits & (digits != 0)]] = False
        used = 1 + (digits % 1000 != 0) + (digits % 100 != 0) + (digits % 10 != 0)
        shown = np.where((place >= before) & (digits != 0), 4 * (place - before) + used, 0)
        behind[rows] = np.maximum(behind[rows], shown)
    return groups, is_done, behind


def _times_plus(high: Words, low: Words, factor: int, more: Words) -> tuple[Words, Words]:
    """128-bit numbers times a factor below 2**54, plus one of 64 bits; what is above 128 bits is lost."""
    small, large = np.uint64(factor & 0xFFFFFFFF), np.uint64(factor >> 32)
    low_0, low_1 = low & _LOW, low >> _HALF
    corner, left, right = low_0 * small, low_0 * large, low_1 * small
    middle = (corner >> _HALF) + (left & _LOW) + (right & _LOW)
    product = (corner & _LOW) | (middle << _HALF)
    above = low_1 * large + (left >> _HALF) + (right >> _HALF) + (middle >> _HALF) + high * np.uint64(factor)
    total = product + more
    return above + (total < more).astype(np.uint64), total


# ---------------------------------------------------------------- arrays


@dataclass(frozen=True, slots=True)
class Elements:
    """Of arrays of one dimension: `offsets` into the elements, one more than arrays; where each element begins, and its
    size, -1 for NULL."""

    offsets: Ints
    begins: Ints
    sizes: Ints


def elements_of(data: Data, begins: Ints, sizes: Ints, valid: npt.NDArray[np.bool_], oid: int) -> Elements | None:
    """The elements of arrays whose elements have the type `oid`; None where one has more dimensions.

    ValueError where one is malformed, TypeError where the elements are of another type.
    """
    rows = np.flatnonzero(valid)
    if not (sizes[rows] >= 12).all():
        raise ValueError("insufficient data left in message")
    dimensions, found = be_int32(data, begins[rows]), be_int32(data, begins[rows] + 8)
    if not (found == oid).all():
        raise TypeError(f"binary data has array element type {found[found != oid][0]} instead of expected {oid}")
    if (dimensions > 1).any():
        return None
    if (dimensions < 0).any() or not (sizes[rows] >= 12 + 8 * dimensions).all():
        raise ValueError("invalid number of dimensions")
    counts = np.zeros(len(begins), np.int64)
    full = rows[dimensions == 1]
    counts[full] = be_int32(data, begins[full] + 12)
    if (counts < 0).any() or (counts * 4 > np.maximum(sizes, 0)).any():
        raise ValueError("insufficient data left in message")
    offsets = np.concatenate([[0], np.cumsum(counts)])
    made: Any = Elements(offsets, np.zeros(offsets[-1], np.int64), np.zeros(offsets[-1], np.int64))
    at, ends = begins + 20, begins + np.maximum(sizes, 0)
    for number in range(int(counts.max(initial=0))):
        some = np.flatnonzero(counts > number)
        if (at[some] + 4 > ends[some]).any():
            raise ValueError("insufficient data left in message")
        length = be_int32(data, at[some])
        made.sizes[offsets[some] + number] = length
        made.begins[offsets[some] + number] = at[some] + 4
        at[some] += 4 + np.maximum(length, 0)
        if (at[some] > ends[some]).any() or (length < -1).any():
            raise ValueError("insufficient data left in message")
    if (at[full] != ends[full]).any():
        raise ValueError("incorrect binary data format")
    return Elements(made.offsets, made.begins, made.sizes)
