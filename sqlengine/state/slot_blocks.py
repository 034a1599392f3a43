"""SlotBlocks: a block of 8-byte words for each group slot, of 2, 4, 8, ... words as the group needs.

Why: a sketch is a few words for a small group and kilobytes for a large one; blocks of a few sizes in one array cost a
million small groups little, are found by kernels by their start, and are used again when a group moves to a larger one.
It must not know what the words mean.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.state.ranges import expand
from sqlengine.state.slot_arrays import SlotArrays
from sqlengine.state.spill import Spill, spillable, spilled_bytes

Ints = npt.NDArray[np.int64]
Levels = npt.NDArray[np.int8]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

NO_BLOCK = -1
"""The level of a slot that has no block."""
_LEAST_WORDS = 64


class SlotBlocks:
    """A block of level L is 2**L words of `words`, from `start[slot]` on; `level[slot]` is NO_BLOCK where none is."""

    def __init__(self) -> None:
        self._slots = SlotArrays(start=("i8", 0), level=("i1", NO_BLOCK))
        self._used = 0
        self._free: dict[int, Ints] = {}
        self.words: Words = np.zeros(_LEAST_WORDS, dtype=np.uint64)
        self._in_file: Words | None = None

    @property
    def start(self) -> Ints:
        """The first word of each slot's block."""
        return self._slots["start"]

    @property
    def level(self) -> Levels:
        """The level of each slot's block."""
        return self._slots["level"]

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        return self.words.nbytes + self._slots.nbytes + sum(f.nbytes for f in self._free.values())

    @property
    def spilled_bytes(self) -> int:
        """Bytes that are in files."""
        words = self.words.nbytes if self.words is self._in_file else 0
        return words + spilled_bytes(self._slots)

    def spill(self, to: Spill) -> int:
        """Have the words, and where they begin, in files (state/spill.py)."""
        freed = sum(part.spill(to) for part in spillable(self._slots))
        if self.words is self._in_file or self.words.nbytes < to.least:
            return freed
        self.words = self._in_file = to.array(self.words)
        return freed + int(self.words.nbytes)

    def grow(self, size: int) -> None:
        """Slots up to `size` exist from now on, without blocks."""
        self._slots.grow(size)

    def contents(self, slots: Ints) -> tuple[Ints, Words]:
        """(position in `slots`, word) of every word of the slots' blocks, in order."""
        at, words = self._places(slots)
        return at, self.words[words]

    def renew(self, slots: Ints, levels: Levels) -> None:
        """Give each of the slots (all different) a block of zeros of a level in place of the one it has."""
        had = self.level[slots]
        for level in np.unique(had[had != NO_BLOCK]).tolist():
            self._give_back(level, self.start[slots[had == level]])
        self.level[slots] = NO_BLOCK
        self._make_room(int((1 << levels.astype(np.int64)).sum()))
        for level in np.unique(levels).tolist():
            chosen = slots[levels == level]
            self.start[chosen] = self._take(level, len(chosen))
        self.level[slots] = levels

    def widen(self, slots: Ints, levels: Levels) -> None:
        """Blocks of higher levels with the same words at their beginning."""
        at, words = self.contents(slots)
        sizes = np.bincount(at, minlength=len(slots))
        self.renew(slots, levels)
        start = self.start[slots]
        self.words[expand(start, start + sizes - 1)[1]] = words

    def compact(self, keep: Mask) -> None:
        """Keep the slots where `keep` is true, in order; the others' words are given up."""
        self._slots.compact(keep)
        self._lay_out(self._places(np.arange(self._slots.size))[1])

    def rows(self, slots: Ints) -> pa.Table:
        """A row per slot given: the level of its block, and the block's words as a list."""
        at, words = self.contents(slots)
        ends = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=len(slots)))])
        lists = pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), pa.array(words))
        return pa.table({"level": pa.array(self.level[slots]), "words": lists})

    def restore(self, blocks: pa.Table) -> None:
        """Replace everything by the rows of all slots."""
        zeros = pa.array(np.zeros(blocks.num_rows, dtype=np.int64))
        self._slots.restore(blocks.select(["level"]).append_column("start", zeros))
        lists = blocks.column("words")
        self.words = np.concatenate([np.zeros(0, np.uint64), *(c.flatten().to_numpy() for c in lists.chunks)])
        self._lay_out(np.arange(len(self.words)))

    def _places(self, slots: Ints) -> tuple[Ints, Ints]:
        """(position in `slots`, place of the word) of every word of the slots' blocks."""
        start, level = self.start[slots], self.level[slots].astype(np.int64)
        return expand(start, start + np.where(level == NO_BLOCK, 0, 1 << np.maximum(level, 0)) - 1)

    def _lay_out(self, places: Ints) -> None:
        """Hold the words at `places` and no others, blocks in the order of their slots."""
        level = self.level[: self._slots.size].astype(np.int64)
        ends = np.cumsum(np.where(level == NO_BLOCK, 0, 1 << np.maximum(level, 0)))
        self.start[1 : self._slots.size] = ends[:-1]
        self.start[:1] = 0
        self._used, self._free = len(places), {}
        fresh = np.zeros(max(_LEAST_WORDS, self._used), dtype=np.uint64)
        fresh[: self._used] = self.words[places]
        self.words = fresh

    def _give_back(self, level: int, starts: Ints) -> None:
        self.words[_spread(starts, level)] = 0
        self._free[level] = np.concatenate([self._free.get(level, starts[:0]), starts])

    def _make_room(self, needed: int) -> None:
        """Close the gaps before the words outgrow their array, if that gains much."""
        free = sum(len(starts) << level for level, starts in self._free.items())
        if self._used + needed > len(self.words) and 4 * free > self._used:
            self._lay_out(self._places(np.arange(self._slots.size))[1])

    def _take(self, level: int, count: int) -> Ints:
        """Starts of as many blocks of zeros."""
        free = self._free.get(level)
        used = free[-count:] if free is not None else np.empty(0, dtype=np.int64)
        if free is not None:
            self._free[level] = free[: len(free) - len(used)].copy()
        fresh = self._used + (np.arange(count - len(used), dtype=np.int64) << level)
        self._used += (count - len(used)) << level
        if self._used > len(self.words):
            bigger = np.zeros(max(self._used, 2 * len(self.words)), dtype=np.uint64)
            bigger[: len(self.words)] = self.words
            self.words = bigger
        return np.concatenate([used, fresh])


def _spread(starts: Ints, level: int) -> Ints:
    """The places of the words of blocks of one level, int64[n, 2**level]."""
    return starts[:, None] + np.arange(1 << level)
