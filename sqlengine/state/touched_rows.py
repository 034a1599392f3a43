"""TouchedRows: the rows of a join's side that a tick has brought or changed, and what the changed ones were before.

Why: whether a row stands alone is said once a tick, from what it was at its beginning to what it is at its end; a row
that comes and is matched in one tick never stands alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sqlengine.state.marks import Marks

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class TouchedRows:
    """Rows are numbered in the order they come; those from `first_new` on have come in this tick."""

    def __init__(self) -> None:
        self.first_new = 0
        self._marks = Marks()
        self._rows: list[Ints] = []
        self._weights: list[Ints] = []
        self._matches: list[Ints] = []

    def note(self, rows: Ints, weights: Ints | None, matches: Ints) -> None:
        """Before rows (distinct) change: their weights (None: all 1) and match counts, indexed by row."""
        old = self._marks.unmarked(rows[rows < self.first_new], self.first_new)
        if len(old):
            self._rows.append(old)
            self._weights.append(np.ones(len(old), dtype=np.int64) if weights is None else weights[old])
            self._matches.append(matches[old])

    def take(self, num_rows: int) -> tuple[Ints, Ints, Ints]:
        """(rows from before the tick that were touched, their weights and match counts then); the next tick begins
        with `num_rows` rows."""
        taken = tuple(
            np.concatenate([np.empty(0, dtype=np.int64), *pieces])
            for pieces in (self._rows, self._weights, self._matches)
        )
        self.first_new = num_rows
        self._rows, self._weights, self._matches = [], [], []
        self._marks.clear()
        return taken[0], taken[1], taken[2]
