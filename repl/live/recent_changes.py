"""The last changes of a result without end, oldest first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from repl.live.changes import MARKS, Changes
from sqlengine.state.row_arena import RowArena

CHANGES_MAX = 100_000
_MARKS = pa.array(MARKS, pa.string())


class RecentChanges:
    """Changes are numbered from 0; those kept are `first` to before `end`.

    `schema` is that of the rows with the operation's mark in front; `take` and `column` count from the oldest
    change kept.
    """

    def __init__(self, schema: pa.Schema, changes_max: int = CHANGES_MAX) -> None:
        self.schema = pa.schema([pa.field("op", pa.string()), *schema])
        self.end = 0
        self._changes_max = changes_max
        self._arena = RowArena(self.schema)

    @property
    def first(self) -> int:
        """Number of the oldest change that is kept."""
        return self.end - self.num_rows

    @property
    def num_rows(self) -> int:
        """Changes that are kept."""
        return min(self._arena.num_rows, self._changes_max)

    def add(self, changes: Changes) -> None:
        """Take in the next changes; the oldest are let go, in memory a little later."""
        self.end += changes.rows.num_rows
        skipped = max(0, changes.rows.num_rows - self._changes_max)
        marks = _MARKS.take(pa.array(changes.kinds[skipped:]))
        columns = [marks, *changes.rows.slice(skipped).columns]
        self._arena.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))
        if self._arena.num_rows > 2 * self._changes_max:
            self._arena.compact(np.arange(self._arena.num_rows) >= self._arena.num_rows - self._changes_max)

    def _kept(self) -> npt.NDArray[np.int64]:
        return np.arange(self._arena.num_rows - self.num_rows, self._arena.num_rows)

    def table(self) -> pa.Table:
        """All changes that are kept; later ones do not touch it."""
        return self._arena.table(self._kept())

    def column(self, number: int) -> pa.Array:
        """All values of a column."""
        return self._arena.take(self._kept(), [number])[0]

    def take(self, positions: npt.NDArray[np.int64]) -> pa.RecordBatch:
        """Changes by their positions."""
        return self._arena.take_batch(positions + (self._arena.num_rows - self.num_rows))
