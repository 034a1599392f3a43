"""The join loops of `join.pyx` in plain NumPy: same functions, same answers, slower.

Why: runs where there is no compiled extension, and a property test holds the two together.
It must not grow features of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def chain_insert(head: Ints, prev: Ints, slots: Ints, first_row: int) -> None:
    """Link rows first_row, first_row + 1, ... to the given slots; slot -1 leaves a row unlinked."""
    prev[first_row : first_row + len(slots)] = -1
    linked = np.flatnonzero(slots >= 0)
    order = linked[np.argsort(slots[linked], kind="stable")]
    sorted_slots, rows = slots[order], order + first_row
    again = sorted_slots[1:] == sorted_slots[:-1]
    prev[rows[1:][again]] = rows[:-1][again]
    first = np.concatenate([[True], ~again])[: len(rows)]
    prev[rows[first]] = head[sorted_slots[first]]
    head[sorted_slots] = rows


def _heads(head: Ints, slots: Ints) -> Ints:
    """The newest row of each slot, -1 where there is none."""
    known = (slots >= 0) & (slots < len(head))
    return np.where(known, head[np.where(known, slots, 0)] if len(head) else -1, -1)


def chain_probe(
    head: Ints, prev: Ints, weights: Ints, slots: Ints, start: int, out_probe: Ints, out_row: Ints
) -> tuple[int, int]:
    """Write (probe position, row) pairs from probe position `start` on, rows of one probe in arrival order.

    `weights` is empty when no row is dead.  Returns (stop, count): positions [start, stop) are answered completely by
    the first `count` pairs; stop < len(slots) says the output was full (stop == start: make it bigger).
    """
    probe = np.arange(start, len(slots))
    rows = _heads(head, slots[start:])
    found_probe, found_row = [], []
    while len(rows := rows[(live := rows >= 0)]):
        probe = probe[live]
        keep = weights[rows] != 0 if len(weights) else slice(None)
        found_probe.append(probe[keep])
        found_row.append(rows[keep])
        rows = prev[rows]
    pairs_probe = np.concatenate([*found_probe[::-1], np.empty(0, np.int64)]).astype(np.int64)
    pairs_row = np.concatenate([*found_row[::-1], np.empty(0, np.int64)]).astype(np.int64)
    order = np.argsort(pairs_probe, kind="stable")
    ends = np.cumsum(np.bincount(pairs_probe - start, minlength=len(slots) - start))
    answered = int(np.searchsorted(ends, len(out_probe), side="right"))
    count = int(ends[answered - 1]) if answered else 0
    out_probe[:count] = pairs_probe[order[:count]]
    out_row[:count] = pairs_row[order[:count]]
    return start + answered, count


def keyed_leave(row_of: Ints, living: Ints, slots: Ints, weights: Ints, rows: Ints) -> bool:
    """Deletions of a delta whose rows are known by a key: rows[i] = row_of[slots[i]], which becomes -1.

    `living`: a row's weight, 0 when it is dead.  False, and nothing has changed, when a weight is less than -1 or a
    deletion finds no living row.
    """
    gone = np.flatnonzero(weights < 0)
    left = row_of[slots[gone]]
    if (weights[gone] != -1).any() or (left < 0).any() or (living[left] == 0).any():
        return False
    if len(np.unique(slots[gone])) < len(gone):
        return False
    rows[gone] = left
    row_of[slots[gone]] = -1
    return True


def keyed_enter(row_of: Ints, living: Ints, slots: Ints, weights: Ints, first_row: int, rows: Ints) -> bool:
    """Insertions of the delta, after its deletions: row_of[slots[i]] = rows[i] = first_row, first_row + 1, ...

    `weights` is empty when all are +1.  False, and no slot has another living row than before, when a weight is more
    than 1 or a slot has a living row.
    """
    come = np.flatnonzero(weights >= 0) if len(weights) else np.arange(len(slots))
    held = row_of[slots[come]]
    taken = held[held >= 0]
    good = not (len(weights) and (weights[come] != 1).any()) and not (living[taken] != 0).any()
    if good and len(np.unique(slots[come])) == len(come):
        rows[come] = row_of[slots[come]] = np.arange(first_row, first_row + len(come))
        return True
    return False


def chain_pop(head: Ints, prev: Ints, slots: Ints, counts: Ints, out_probe: Ints, out_row: Ints) -> int:
    """Unlink up to counts[i] newest rows of slots[i] (slot -1: none); returns how many pairs were written."""
    count = 0
    for i in np.flatnonzero((slots >= 0) & (slots < len(head)) & (counts > 0)):
        row = head[slots[i]]
        for _ in range(int(counts[i])):
            if row < 0:
                break
            out_probe[count], out_row[count] = i, row
            count += 1
            row = prev[row]
        head[slots[i]] = row
    return count


def chain_compact(head: Ints, prev: Ints, new_row: Ints, new_prev: Ints) -> None:
    """Renumber rows by new_row[old] (-1: dropped) in every chain; writes `new_prev`, updates `head`."""
    slots = np.arange(len(head))
    rows = head.copy()
    last = np.full(len(head), -1, dtype=np.int64)
    head[:] = -1
    new_prev[:] = -1
    while len(slots := slots[(live := rows >= 0)]):
        rows = rows[live]
        renamed = new_row[rows]
        kept = renamed >= 0
        at, name = slots[kept], renamed[kept]
        newest = last[at] < 0
        head[at[newest]] = name[newest]
        new_prev[last[at[~newest]]] = name[~newest]
        last[at] = name
        rows = prev[rows]


def run_bounds(run_slot: Ints, run_time: Ints, slots: Ints, times: Ints, upper: bool, out: Ints) -> None:
    """Lower (or upper) bound of each (slot, time) in a run sorted by them."""
    low = np.zeros(len(slots), dtype=np.int64)
    high = np.full(len(slots), len(run_slot), dtype=np.int64)
    while (open_ := low < high).any():
        mid = np.where(open_, (low + high) >> 1, 0)
        slot, time = run_slot[mid], run_time[mid]
        before = (slot < slots) | ((slot == slots) & ((time <= times) if upper else (time < times)))
        low = np.where(open_ & before, mid + 1, low)
        high = np.where(open_ & ~before, mid, high)
    out[:] = low


def run_last_before(
    run_slot: Ints, run_time: Ints, run_row: Ints, weights: Ints, slots: Ints, times: Ints, inclusive: bool, out: Ints
) -> None:
    """Position of the last live entry of slots[i] with time < times[i] (<= when inclusive), or -1."""
    live = np.flatnonzero(weights[run_row] != 0)
    run_bounds(run_slot[live], run_time[live], slots, times, inclusive, out)
    out -= 1
    if not len(live):
        return
    position = live[np.maximum(out, 0)]
    out[:] = np.where((out >= 0) & (run_slot[position] == slots), position, -1)


def run_first_after(
    run_slot: Ints, run_time: Ints, run_row: Ints, weights: Ints, slots: Ints, times: Ints, inclusive: bool, out: Ints
) -> None:
    """Position of the first live time > times[i] (>= when inclusive) of slots[i]; the last of equal times; or -1."""
    live = np.flatnonzero(weights[run_row] != 0)
    if not len(live):
        out[:] = -1
        return
    slot, time = run_slot[live], run_time[live]
    run_bounds(slot, time, slots, times, not inclusive, out)
    first = np.minimum(out, len(live) - 1)
    found = (out < len(live)) & (slot[first] == slots)
    run_bounds(slot, time, slots, time[first], True, out)
    out[:] = np.where(found, live[np.maximum(out - 1, 0)], -1)


def run_merge(a: Ints, b: Ints, out: Ints) -> None:
    """Merge two runs (rows: slot, time, row; columns sorted) into `out`; entries of `a` first among equals."""
    both = np.concatenate([a, b], axis=1)
    out[:] = both[:, np.lexsort((both[2], both[1], both[0]))]
