"""The scatter kernels of `group.pyx` in NumPy: same functions, same answers, several times slower.

Why: runs where there is no compiled extension, and says in readable form what the compiled loops must do; see there for
the common arguments.  Sums add up in the order of the rows, as the compiled ones do: rows of one slot are taken in
rounds (the first row of every slot, then the second, ...).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sqlengine.kernels import pairs

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

_MASK64 = (1 << 64) - 1


def densify(slots: Ints, marks: Ints, base: int) -> tuple[Ints, Ints]:
    """(distinct slots in order of first appearance, position of each row's slot among them)."""
    values, first, inverse = np.unique(slots, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    distinct = np.ascontiguousarray(values[order], dtype=np.int64)
    marks[distinct] = base + np.arange(len(distinct))
    return distinct, rank[inverse].astype(np.int64)


def _kept(slots: Ints, valid: Bytes, weights: Ints) -> tuple[Ints, Ints]:
    """(positions of valid rows, their weights)."""
    rows = np.flatnonzero(valid) if len(valid) else np.arange(len(slots))
    return rows, weights[rows] if len(weights) else np.ones(len(rows), dtype=np.int64)


def count(counts: Ints, slots: Ints, valid: Bytes, weights: Ints) -> None:
    """counts[slot] += weight of each valid row."""
    rows, amounts = _kept(slots, valid, weights)
    np.add.at(counts, slots[rows], amounts)


def sum_ints(low: Ints, high: Ints, counts: Ints, slots: Ints, values: Ints, valid: Bytes, weights: Ints) -> None:
    """Add value * weight to the 128-bit sums and weight to the counts."""
    sum_wide(low, high, counts, slots, values, values >> 63, valid, weights)


def sum_wide(
    low: Ints,
    high: Ints,
    counts: Ints,
    slots: Ints,
    values_low: Ints,
    values_high: Ints,
    valid: Bytes,
    weights: Ints,
) -> bool:
    """`sum_ints` of 128-bit values; true when a sum left 128 bits."""
    rows, amounts = _kept(slots, valid, weights)
    np.add.at(counts, slots[rows], amounts)
    touched, at = np.unique(slots[rows], return_inverse=True)
    totals = _join(low[touched], high[touched])
    np.add.at(totals, at, _join(values_low[rows], values_high[rows]) * amounts.astype(object))
    overflow = any(not -(1 << 127) <= t < 1 << 127 for t in totals)
    low[touched] = np.array([t & _MASK64 for t in totals], dtype=np.uint64).view(np.int64)
    high[touched] = np.array([(t >> 64) & _MASK64 for t in totals], dtype=np.uint64).view(np.int64)
    return overflow


def _join(low: Ints, high: Ints) -> npt.NDArray[np.object_]:
    """128-bit words as Python integers."""
    joined: npt.NDArray[np.object_] = high.astype(object) * (1 << 64) + low.view(np.uint64).astype(object)
    return joined


def _rounds(slots: Ints) -> Iterator[Ints]:
    """Row positions in rounds: no slot twice in a round, rows of one slot in order over the rounds."""
    if not len(slots):
        return
    order = np.argsort(slots, kind="stable")
    sorted_slots = slots[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_slots[1:] != sorted_slots[:-1]]))
    rank = np.arange(len(slots)) - np.repeat(starts, np.diff(np.append(starts, len(slots))))
    by_rank = np.argsort(rank, kind="stable")
    yield from np.split(order[by_rank], np.cumsum(np.bincount(rank))[:-1])


def _two_sum(high: Floats, low: Floats, slots: Ints, values: Floats) -> None:
    """Add to the pairs of distinct slots."""
    high[slots], error = pairs.two_sum(high[slots], values)
    low[slots] += error


def sum_floats(
    high: Floats, low: Floats, counts: Ints, slots: Ints, values: Floats, valid: Bytes, weights: Ints
) -> int:
    """Add value * weight to the paired sums and weight to the counts; infinities and NaN are only counted."""
    rows, amounts = _kept(slots, valid, weights)
    np.add.at(counts, slots[rows], amounts)
    finite = np.isfinite(values[rows])
    kept, factors = rows[finite], amounts[finite].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow shows in the sums, as it does in C
        for group in _rounds(slots[kept]):
            _two_sum(high, low, slots[kept[group]], values[kept[group]] * factors[group])
    return int(len(rows) - len(kept))


def add_pairs(high: Floats, low: Floats, slots: Ints, add_high: Floats, add_low: Floats) -> None:
    """Add one paired sum per row: how partial sums merge."""
    for group in _rounds(slots):
        _two_sum(high, low, slots[group], add_high[group])
        low[slots[group]] += add_low[group]


def moments(
    shift: Floats,
    shifted: Bytes,
    counts: Ints,
    first: Floats,
    first_low: Floats,
    second: Floats,
    second_low: Floats,
    slots: Ints,
    values: Floats,
    valid: Bytes,
    weights: Ints,
) -> int:
    """Paired sums of d and d * d, d = value - shift[slot]; a slot's shift is the first value it sees."""
    rows, amounts = _kept(slots, valid, weights)
    np.add.at(counts, slots[rows], amounts)
    finite = np.isfinite(values[rows])
    kept, factors = rows[finite], amounts[finite].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        for group in _rounds(slots[kept]):
            at, given = slots[kept[group]], values[kept[group]]
            shift[at] = np.where(shifted[at] != 0, shift[at], given)
            shifted[at] = 1
            d, rest = pairs.two_sum(given, -shift[at])
            _two_sum(first, first_low, at, d * factors[group])
            first_low[at] += rest * factors[group]
            square, low = pairs.two_product(d, d)
            _two_sum(second, second_low, at, square * factors[group])
            second_low[at] += (low + 2.0 * d * rest) * factors[group]
    return int(len(rows) - len(kept))


def improve(best: Ints, seen: Bytes, slots: Ints, values: Ints, valid: Bytes, largest: bool) -> Bytes:
    """Replace best[slot] by a value that is strictly better (or the first); uint8[n]: 1 for rows that did."""
    better = np.zeros(len(slots), dtype=np.uint8)
    rows, _ = _kept(slots, valid, np.empty(0, dtype=np.int64))
    for group in _rounds(slots[rows]):
        at, given = slots[rows[group]], values[rows[group]]
        won = (seen[at] == 0) | ((given > best[at]) if largest else (given < best[at]))
        best[at[won]] = given[won]
        seen[at[won]] = 1
        better[rows[group][won]] = 1
    return better


def promising(best: Ints, slots: Ints, values: Ints, largest: bool) -> Ints:
    """int64[...]: the rows, ascending, whose value is strictly better than best[slot]."""
    return np.flatnonzero(values > best[slots] if largest else values < best[slots])


def improve_pair(
    best: Ints,
    ties: Ints,
    seen: Bytes,
    slots: Ints,
    values: Ints,
    arrivals: Ints,
    valid: Bytes,
    largest: bool,
    latest: bool,
) -> Bytes:
    """`improve` where of equal values the earliest arrival wins, or with `latest` the latest."""
    better = np.zeros(len(slots), dtype=np.uint8)
    rows, _ = _kept(slots, valid, np.empty(0, dtype=np.int64))
    for group in _rounds(slots[rows]):
        at, given, came = slots[rows[group]], values[rows[group]], arrivals[rows[group]]
        equal = given == best[at]
        ahead = np.where(equal, (came != ties[at]) & ((came > ties[at]) == latest), (given > best[at]) == largest)
        won = (seen[at] == 0) | ahead
        best[at[won]], ties[at[won]] = given[won], came[won]
        seen[at[won]] = 1
        better[rows[group][won]] = 1
    return better


def assign_sessions(keys: Ints, num_keys: int, times: Ints, gap_us: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Cut rows into runs that surely belong to one session: here by sorting, so runs of one key never touch.

    Returns (run of each row, run keys, first times, last times); the compiled kernel may return more, touching runs.
    """
    order = np.lexsort((times, keys))
    key, time = keys[order], times[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (key[1:] != key[:-1]) | (time[1:] - time[:-1] >= gap_us)
    starts = np.flatnonzero(new)
    runs = np.empty(len(keys), dtype=np.int64)
    runs[order] = np.cumsum(new) - 1
    stops = np.append(starts[1:], len(keys)) - 1
    return runs, key[starts], time[starts], time[stops[: len(starts)]]


def merge_runs(keys: Ints, firsts: Ints, lasts: Ints, gap_us: int) -> Ints:
    """Session of each run, numbered from 0: runs sorted by (key, first) join while less than `gap_us` apart."""
    if not len(keys):
        return np.empty(0, dtype=np.int64)
    distinct, rank = np.unique(lasts, return_inverse=True)
    key_rank = np.concatenate([[0], np.cumsum(keys[1:] != keys[:-1])])
    latest = distinct[np.maximum.accumulate(key_rank * len(distinct) + rank) % len(distinct)]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (keys[1:] != keys[:-1]) | (firsts[1:] - gap_us >= latest[:-1])
    return np.cumsum(new).astype(np.int64) - 1
