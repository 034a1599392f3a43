"""Which rows each row's frame holds: lo and hi positions among rows sorted by partition and ORDER BY."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.operators.ranking import Sorted
from sqlengine.plan.nodes import Frame, FrameBound
from sqlengine.quick_dataclass import dataclass
from sqlengine.state import arrow_buffers as buffers

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Places:
    """For every sorted row: its partition [start, end), its peers [first_peer, end_peer), its group of peers and the
    first group of its partition; `group_starts`: where each group starts, and the end."""

    start: Ints
    end: Ints
    first_peer: Ints
    end_peer: Ints
    group: Ints
    first_group: Ints
    group_starts: Ints


def places(by: Sorted) -> Places:
    """The places of sorted rows."""
    n = len(by.order)
    ends = np.append(by.starts[1:], n).astype(np.int64)
    start, end = by.starts[by.segment], ends[by.segment]
    group_starts = np.append(np.flatnonzero(by.differs), n).astype(np.int64)
    group = np.cumsum(by.differs) - 1
    return Places(
        start, end, group_starts[group], group_starts[group + 1], group, group[start] if n else group, group_starts
    )


@dataclass(frozen=True, slots=True)
class OrderValues:
    """The one ORDER BY column of sorted rows, for frames by distance: numbers that ascend, and where they are valid."""

    ascending: npt.NDArray[Any]
    valid: Mask
    nulls_first: bool


def order_values(column: pa.Array, descending: bool, nulls_first: bool) -> OrderValues | None:
    """The values as numbers; None when one of them is NaN, which has no distance."""
    column = buffers.plain(column)
    mask = buffers.validity(column)
    valid = np.ones(len(column), dtype=bool) if mask is None else mask
    if pa.types.is_floating(column.type):
        values = buffers.fixed(column, f"f{column.type.bit_width // 8}").astype(np.float64)
        if np.isnan(values[valid]).any():
            return None
    else:
        kind = "u" if pa.types.is_unsigned_integer(column.type) else "i"
        values = buffers.fixed(column, f"{kind}{column.type.bit_width // 8}").astype(np.int64)
    return OrderValues(-values if descending else values, valid, nulls_first)


def frame_ranges(frame: Frame, at: Places, values: OrderValues | None) -> tuple[Ints, Ints]:
    """(lo, hi) of every row's frame, lo <= hi; `values` are needed for distances in RANGE mode."""
    lo = _lower(frame.mode, frame.start, at, values)
    hi = _upper(frame.mode, frame.end, at, values)
    lo = np.clip(lo, at.start, at.end)
    return lo, np.maximum(lo, np.clip(hi, at.start, at.end))


def _lower(mode: str, bound: FrameBound, at: Places, values: OrderValues | None) -> Ints:
    if bound.kind == "unbounded preceding":
        return at.start
    if bound.kind == "current row":
        return np.arange(len(at.start), dtype=np.int64) if mode == "rows" else at.first_peer
    sign = -1 if bound.kind == "preceding" else 1
    if mode == "rows":
        return np.arange(len(at.start), dtype=np.int64) + sign * _whole(bound)
    if mode == "groups":
        return _group_edge(at, at.group + sign * _whole(bound))
    assert values is not None
    return _search(values, at, sign * bound.offset, after=False)


def _upper(mode: str, bound: FrameBound, at: Places, values: OrderValues | None) -> Ints:
    if bound.kind == "unbounded following":
        return at.end
    if bound.kind == "current row":
        return np.arange(1, len(at.start) + 1, dtype=np.int64) if mode == "rows" else at.end_peer
    sign = -1 if bound.kind == "preceding" else 1
    if mode == "rows":
        return np.arange(1, len(at.start) + 1, dtype=np.int64) + sign * _whole(bound)
    if mode == "groups":
        return _group_edge(at, at.group + sign * _whole(bound) + 1)
    assert values is not None
    return _search(values, at, sign * bound.offset, after=True)


def _whole(bound: FrameBound) -> int:
    """The offset, small enough that no position overflows."""
    return min(int(bound.offset), 1 << 40)


def _group_edge(at: Places, group: Ints) -> Ints:
    """Where a group starts, groups before the partition's first and after its last clipped to its ends."""
    last = len(at.group_starts) - 1
    edge = at.group_starts[np.clip(group, 0, last)]
    edge = np.where(group < at.first_group, at.start, edge)
    return np.minimum(edge, at.end)


def _search(values: OrderValues, at: Places, distance: int | float, after: bool) -> Ints:
    """The first position whose value is at least (`after`: greater than) the row's own plus `distance`.

    Rows without a value have each other as their frame, and are in nobody else's.
    """
    lo, hi = _valid_part(values, at)
    target = _moved(values.ascending, distance)
    left, right = lo.copy(), hi.copy()
    while (open_ := left < right).any():
        middle = (left + right) >> 1
        probe = values.ascending[np.minimum(middle, len(values.ascending) - 1)]
        before = (probe <= target) if after else (probe < target)
        left = np.where(open_ & before, middle + 1, left)
        right = np.where(open_ & ~before, middle, right)
    return np.where(values.valid, left, at.end_peer if after else at.first_peer)


def _valid_part(values: OrderValues, at: Places) -> tuple[Ints, Ints]:
    """Each row's partition without the rows that have no value: they stand all first or all last."""
    running = np.concatenate([[0], np.cumsum(~values.valid)])
    nulls = running[at.end] - running[at.start]
    return (at.start + nulls, at.end) if values.nulls_first else (at.start, at.end - nulls)


def _moved(values: npt.NDArray[Any], distance: int | float) -> npt.NDArray[Any]:
    """values + distance; whole numbers stop at the ends of their range."""
    if values.dtype != np.int64:
        return values + distance
    limits = np.iinfo(np.int64)
    step = np.int64(max(min(int(distance), limits.max), limits.min))
    with np.errstate(over="ignore"):
        moved = values + step
    if step >= 0:
        return np.where(moved < values, limits.max, moved)
    return np.where(moved > values, limits.min, moved)
