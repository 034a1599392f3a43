"""Window functions over sorted rows, each a few vectorized steps for all partitions at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.errors import OutOfRange
from sqlengine.masks import truth
from sqlengine.operators.over.bounds import Places
from sqlengine.operators.over.segment_tree import fold
from sqlengine.plan.nodes import WindowCall
from sqlengine.quick_dataclass import dataclass
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.sort_words import comparable_words

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

HALF = 32
LOW_HALF = (1 << HALF) - 1
"""Whole numbers are added in two halves, neither of which can overflow."""


@dataclass(frozen=True, slots=True)
class Frames:
    """What a function works on: places and frames [lo, hi) of sorted rows, its arguments, the rows FILTER lets in."""

    at: Places
    lo: Ints
    hi: Ints
    args: list[pa.Array]
    kept: Mask | None


def compute(call: WindowCall, over: Frames) -> pa.Array:
    """The call's value for every sorted row."""
    return _FUNCTIONS[call.function](call, over)


# ---------------------------------------------------------------- ranking


def _row_number(call: WindowCall, over: Frames) -> pa.Array:
    return pa.array(np.arange(1, len(over.lo) + 1) - over.at.start)


def _rank(call: WindowCall, over: Frames) -> pa.Array:
    return pa.array(over.at.first_peer - over.at.start + 1)


def _dense_rank(call: WindowCall, over: Frames) -> pa.Array:
    return pa.array(over.at.group - over.at.first_group + 1)


def _percent_rank(call: WindowCall, over: Frames) -> pa.Array:
    others = over.at.end - over.at.start - 1
    return pa.array((over.at.first_peer - over.at.start) / np.maximum(others, 1))


def _cume_dist(call: WindowCall, over: Frames) -> pa.Array:
    return pa.array((over.at.end_peer - over.at.start) / np.maximum(over.at.end - over.at.start, 1))


def _ntile(call: WindowCall, over: Frames) -> pa.Array:
    """The first (rows mod buckets) buckets have a row more than the others."""
    buckets = np.int64(_number(call))
    rows, place = over.at.end - over.at.start, np.arange(len(over.lo)) - over.at.start
    small, larger = rows // buckets, rows % buckets
    edge = larger * (small + 1)
    late = larger + (place - edge) // np.maximum(small, 1)
    return pa.array(np.where(place < edge, place // (small + 1), late) + 1)


def _number(call: WindowCall) -> int:
    number = call.constants[0]
    assert isinstance(number, int)
    return number


# ---------------------------------------------------------------- picking


def _lag(call: WindowCall, over: Frames) -> pa.Array:
    return _beside(call, over, -_number(call))


def _lead(call: WindowCall, over: Frames) -> pa.Array:
    return _beside(call, over, _number(call))


def _beside(call: WindowCall, over: Frames, distance: int) -> pa.Array:
    reach = max(-len(over.lo), min(distance, len(over.lo)))
    at = np.arange(len(over.lo), dtype=np.int64) + reach
    inside = (at >= over.at.start) & (at < over.at.end)
    found = _taken(over.args[0], at, inside)
    if len(over.args) == 1:
        return found
    both = pa.concat_arrays([over.args[0], over.args[1]])
    own = np.arange(len(at), dtype=np.int64) + len(at)
    return both.take(pa.array(np.where(inside, at, own)))


def _first_value(call: WindowCall, over: Frames) -> pa.Array:
    return _taken(over.args[0], over.lo, over.lo < over.hi)


def _last_value(call: WindowCall, over: Frames) -> pa.Array:
    return _taken(over.args[0], over.hi - 1, over.lo < over.hi)


def _nth_value(call: WindowCall, over: Frames) -> pa.Array:
    at = over.lo + min(_number(call) - 1, len(over.lo))
    return _taken(over.args[0], at, at < over.hi)


def _taken(values: pa.Array, at: Ints, there: Mask) -> pa.Array:
    """The values at the positions, NULL where there is none."""
    return values.take(pa.array(np.where(there, at, 0), mask=~there))


# ---------------------------------------------------------------- aggregating


def valid_rows(over: Frames) -> Mask:
    """The rows that count: let in by FILTER, and with an argument that is not NULL."""
    mask = None if not over.args else buffers.validity(buffers.plain(over.args[0]))
    every = np.ones(len(over.lo), dtype=bool) if over.kept is None else over.kept
    return every if mask is None else every & mask


def counted(values: npt.NDArray[Any], over: Frames) -> Ints:
    """Sums of whole numbers over the frames; they may wrap around."""
    running = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=running[1:])
    return running[over.hi] - running[over.lo]


def _count(call: WindowCall, over: Frames) -> pa.Array:
    return pa.array(counted(valid_rows(over), over))


def _sum(call: WindowCall, over: Frames) -> pa.Array:
    valid = valid_rows(over)
    none = counted(valid, over) == 0
    if pa.types.is_floating(over.args[0].type):
        return pa.array(_float_sums(over, valid), mask=none)
    return pa.array(_whole_sums(over, valid), mask=none)


def _avg(call: WindowCall, over: Frames) -> pa.Array:
    valid = valid_rows(over)
    count = counted(valid, over)
    whole = not pa.types.is_floating(over.args[0].type)
    sums = _whole_sums(over, valid, checked=False) if whole else _float_sums(over, valid)
    return pa.array(sums / np.maximum(count, 1), mask=count == 0)


def _float_sums(over: Frames, valid: Mask) -> npt.NDArray[np.float64]:
    column = buffers.plain(over.args[0])
    values = np.where(valid, buffers.fixed(column, f"f{column.type.bit_width // 8}").astype(np.float64), 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        return fold(np.add, values, 0.0, over.lo, over.hi)


def _whole_sums(over: Frames, valid: Mask, checked: bool = True) -> npt.NDArray[Any]:
    return whole(*halves(over, valid), checked)


def halves(over: Frames, valid: Mask) -> tuple[Ints, Ints]:
    """Sums of the high and of the low halves of whole numbers over the frames."""
    column = buffers.plain(over.args[0])
    kind = "u" if pa.types.is_unsigned_integer(column.type) else "i"
    values = np.where(valid, buffers.fixed(column, f"{kind}{column.type.bit_width // 8}").astype(np.int64), 0)
    return counted(values >> HALF, over), counted(values & LOW_HALF, over)


def whole(high: Ints, low: Ints, checked: bool) -> npt.NDArray[Any]:
    """Sums from those of their halves: int64; OutOfRange (22003) when one does not fit, float64 instead when not
    `checked`."""
    high, low = high + (low >> HALF), low & LOW_HALF
    fits = (high >= -(1 << HALF - 1)) & (high < 1 << HALF - 1)
    if fits.all():
        return (high << HALF) + low
    if checked:
        raise OutOfRange("bigint out of range")
    return high * float(1 << HALF) + low


def _least(call: WindowCall, over: Frames) -> pa.Array:
    return _extreme(over, np.minimum, np.iinfo(np.int64).max)


def _greatest(call: WindowCall, over: Frames) -> pa.Array:
    return _extreme(over, np.maximum, np.iinfo(np.int64).min)


def _extreme(over: Frames, combine: np.ufunc, neutral: int) -> pa.Array:
    """The rows with the least or greatest word: words say which row, so values of any type come back whole."""
    valid = valid_rows(over)
    words = np.unique(comparable_words(over.args[0]), return_inverse=True)[1].astype(np.int64)
    holder = np.zeros(int(words.max(initial=0)) + 1, dtype=np.int64)
    holder[words[valid]] = np.flatnonzero(valid)
    best = fold(combine, np.where(valid, words, neutral), neutral, over.lo, over.hi)
    there = best != neutral
    return over.args[0].take(pa.array(holder[np.where(there, best, 0)], mask=~there))


def _every(call: WindowCall, over: Frames) -> pa.Array:
    true, false = truths(over)
    return pa.array(false == 0, mask=true + false == 0)


def _some(call: WindowCall, over: Frames) -> pa.Array:
    true, false = truths(over)
    return pa.array(true > 0, mask=true + false == 0)


def truths(over: Frames) -> tuple[Ints, Ints]:
    """How many values of each frame are true, and how many false."""
    value = truth(over.args[0])
    valid = valid_rows(over)
    return counted(valid & value, over), counted(valid & ~value, over)


_FUNCTIONS: dict[str, Callable[[WindowCall, Frames], pa.Array]] = {
    "row_number": _row_number,
    "rank": _rank,
    "dense_rank": _dense_rank,
    "percent_rank": _percent_rank,
    "cume_dist": _cume_dist,
    "ntile": _ntile,
    "lag": _lag,
    "lead": _lead,
    "first_value": _first_value,
    "last_value": _last_value,
    "nth_value": _nth_value,
    "count": _count,
    "sum": _sum,
    "avg": _avg,
    "min": _least,
    "max": _greatest,
    "bool_and": _every,
    "bool_or": _some,
}
