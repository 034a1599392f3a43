"""The loops of `hyperloglog.pyx` in plain NumPy and Python: same functions, same bits, several times slower.

Why: runs where there is no compiled extension, and says in readable form what the compiled loops must do.
Registers are reached by NumPy; only the hash tables of small groups, which take a few hundred hashes each, by Python.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Levels = npt.NDArray[np.int8]
Words = npt.NDArray[np.uint64]


def _ranks(hashes: Words, precision: int) -> npt.NDArray[np.uint8]:
    """1 + the leading zeros behind the first `precision` bits."""
    bits = 64 - precision
    rest = hashes & np.uint64((1 << bits) - 1)
    ranks = np.full(len(hashes), bits + 1, dtype=np.uint8)
    for length in range(1, bits + 1):
        ranks[rest >> np.uint64(length - 1) == 1] = bits - length + 1
    return ranks


def insert(
    words: Words, start: Int64s, level: Levels, used: Int64s, slots: Int64s, hashes: Words, precision: int
) -> Int64s:
    """Add one hash a row; int64[m] rows that were not added, because their slots' tables are full or missing."""
    registers = words.view(np.uint8)
    dense = np.flatnonzero(used[slots] < 0)
    at = 8 * start[slots[dense]] + (hashes[dense] >> np.uint64(64 - precision)).astype(np.int64)
    np.maximum.at(registers, at, _ranks(hashes[dense], precision))
    sparse = np.flatnonzero(used[slots] >= 0)
    left = [i for i in sparse.tolist() if not _tabled(words, start, level, used, int(slots[i]), hashes[i])]
    return np.array(left, dtype=np.int64)


def _tabled(words: Words, start: Int64s, level: Levels, used: Int64s, slot: int, value: np.uint64) -> bool:
    """Whether a slot's hash table has the hash, now or already."""
    if level[slot] < 0:
        return False
    places = 1 << int(level[slot])
    first, at = int(start[slot]), int(value) & (places - 1)
    while words[first + at] not in (0, value):
        at = (at + 1) & (places - 1)
    if words[first + at] == value:
        return True
    if 4 * (int(used[slot]) + 1) > 3 * places:
        return False
    words[first + at] = value
    used[slot] += 1
    return True


def merge(
    words: Words, start: Int64s, slots: Int64s, other: Words, other_start: Int64s, other_slots: Int64s, precision: int
) -> None:
    """The registers of slots[i] become the greater of theirs and those of other's other_slots[i]."""
    mine, theirs = words.view(np.uint8), other.view(np.uint8)
    size = 1 << precision
    for slot, source in zip(slots.tolist(), other_slots.tolist(), strict=True):
        own = mine[8 * start[slot] :][:size]
        np.maximum(own, theirs[8 * other_start[source] :][:size], out=own)


def histograms(words: Words, start: Int64s, slots: Int64s, precision: int) -> Int64s:
    """How many registers of each slot hold each value: int64[n, 66 - precision], columns 0 .. 65 - precision."""
    registers = words.view(np.uint8)
    counts = np.zeros((len(slots), 66 - precision), dtype=np.int64)
    for i, slot in enumerate(slots.tolist()):
        counts[i] = np.bincount(registers[8 * start[slot] :][: 1 << precision], minlength=66 - precision)
    return counts
