"""TouchedGroups: which groups a tick has touched so far, and what they were before it.

Why: rows of a tick come in pieces, and a group's change is said once, when all of them are in.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.operators.changes import had_first
from sqlengine.state.marks import Marks

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class TouchedGroups:
    """Groups are slots of their owner, which keep their numbers until `take`."""

    def __init__(self) -> None:
        self._had: list[Ints] = []
        self._new: list[Ints] = []
        self._old: list[list[pa.Array]] = []
        self._marks = Marks()

    def __bool__(self) -> bool:
        return bool(self._had)

    def note(
        self, touched: Ints, num_slots: int, had: Callable[[Ints], Mask], values: Callable[[Ints], list[pa.Array]]
    ) -> None:
        """Before groups change: their distinct slots, all below `num_slots`.  `had`: which of some slots have a row,
        `values`: the rows' values, one array a column."""
        fresh = self._marks.unmarked(touched, num_slots)
        if not len(fresh):
            return
        fresh, count = had_first(fresh, had(fresh))
        self._had.append(fresh[:count])
        self._new.append(fresh[count:])
        if count:
            self._old.append(values(fresh[:count]))

    def take(self) -> tuple[Ints, int, list[pa.Array]]:
        """(the touched slots, those that had a row first; how many had; the values of those, no columns for none);
        nothing is touched from now on."""
        had, new, old = self._had, self._new, self._old
        self._had, self._new, self._old = [], [], []
        self._marks.clear()
        slots = np.concatenate([*had, *new]) if len(had) > 1 or len(new[0]) else had[0]
        columns = old[0] if len(old) == 1 else [pa.concat_arrays(pieces) for pieces in zip(*old, strict=True)]
        return slots, sum(len(piece) for piece in had), columns
