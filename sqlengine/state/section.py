"""Section: what a checkpoint sees of a structure, rows by position, and which of them have changed.

Why: a checkpoint writes what has changed since the one before it, and copies a large state in small parts while ticks
go on in between. For both it has to know the positions that changed. Nothing is noted before a checkpoint is first
taken, so who takes none pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.quick_dataclass import dataclass

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
NOTHING: Ints = np.empty(0, dtype=np.int64)
NO_MARKS = np.zeros(0, dtype=np.uint8)
Positions: TypeAlias = "range | Ints"
"""Ascending; a range takes no memory, which whoever holds a lock has no time to fill."""


BLOCK = 4_096
"""So many marks are looked at together."""
TOUCHED_BYTES = 1 << 17
"""So many fresh bytes are written to at once."""


class Changed:
    """Which positions have changed since they were taken; those behind the ones there were then have.

    A byte a position, and a byte a block of them that has marks: what is asked while others wait costs as much as has
    changed, not as much as there is.
    """

    def __init__(self) -> None:
        self.generation = 0
        """Another number when a position may hold another row than before: everything is to be taken again."""
        self._forget()

    def _forget(self) -> None:
        """Nothing has been taken."""
        self._known = 0
        self._marks = self._blocks = NO_MARKS
        self._room: tuple[Bytes, Bytes] = NO_MARKS, NO_MARKS
        self._is_marked = False

    def mark(self, positions: Ints) -> None:
        """These (any order, repeats allowed) change."""
        if self._known:
            known = positions[positions < self._known]
            self._marks[known] = 1
            self._blocks[known // BLOCK] = 1
            self._is_marked = True

    def renumbered(self) -> None:
        """Rows have moved to other positions, or all are others."""
        self.generation += 1
        self._forget()

    def cut(self, size: int) -> None:
        """The positions from `size` on are gone; others may come there."""
        if size < self._known:
            self._marks[size : self._known] = 0
            self._known = size

    def take(self, size: int) -> Positions:
        """The positions changed since the last call, of `size` there are now, ascending; all at the first call."""
        new = range(self._known, size)
        if not self._is_marked and size <= len(self._marks):
            self._known = size
            return new
        blocks = np.flatnonzero(self._blocks)
        at = np.flatnonzero(self._marked(blocks))
        changed = blocks[at // BLOCK] * BLOCK + at % BLOCK
        if size > len(self._marks):
            self._marks, self._blocks = self._room if size <= len(self._room[0]) else self._more_room(size)
            self._room = NO_MARKS, NO_MARKS
        else:
            self._marks[changed] = 0
            self._blocks[blocks] = 0
        self._known, self._is_marked = size, False
        return np.concatenate([changed, np.arange(new.start, new.stop)]) if len(changed) else new

    def make_room(self, size: int) -> None:
        """Have the memory that `take` of so many positions, or some more, needs: each page of it takes time to get.
        To be called when nobody waits, by one at a time.
        """
        if size > len(self._marks):
            marks, blocks = self._more_room(size + size // 8)
            for first in range(0, len(marks), TOUCHED_BYTES):
                marks[first : first + TOUCHED_BYTES] = 0
            self._room = marks, blocks

    def _more_room(self, size: int) -> tuple[Bytes, Bytes]:
        places = -(-max(size, 2 * len(self._marks)) // BLOCK)
        return np.zeros(places * BLOCK, np.uint8), np.zeros(places, np.uint8)

    def _marked(self, blocks: Ints) -> npt.NDArray[np.bool_]:
        """The marks of blocks, a row each."""
        return self._marks.view(np.bool_).reshape(-1, BLOCK)[blocks]

    def count(self, size: int) -> int:
        """How many `take` would return."""
        marked = np.count_nonzero(self._marked(np.flatnonzero(self._blocks))) if self._is_marked else 0
        return int(marked) + max(0, size - self._known)

    def begin(self, size: int) -> None:
        """The `size` rows there are have been taken."""
        self._forget()
        self.take(size)


@dataclass(frozen=True, slots=True)
class Section:
    """`size`: how many positions there are; `rows`: tables by name with a row for each of some positions."""

    changed: Changed
    size: Callable[[], int]
    rows: Callable[[Ints], Mapping[str, pa.Table]]

    def whole(self) -> dict[str, pa.Table]:
        """The rows of all positions."""
        return dict(self.rows(np.arange(self.size(), dtype=np.int64)))


Sections = dict[str, Section]


def below(head: str, sections: Sections) -> Sections:
    """Sections of a part, under names and with tables that begin with `head`."""

    def named(section: Section) -> Section:
        return Section(
            section.changed,
            section.size,
            lambda positions: {head + name: table for name, table in section.rows(positions).items()},
        )

    return {head + name: named(section) for name, section in sections.items()}
