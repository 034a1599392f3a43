"""TimeQueue: weighted rows that wait for their time, released in order of it.

Rows stay where they arrived; their numbers are kept in a few runs sorted by time, the last two merged while the last is
at least half as long as the one before (a log-structured merge in miniature).  So adding n rows sorts n numbers,
releasing looks only at the heads of the runs, and a row does not move while it waits.  A row that has left has weight 0
until `_compact`.  It must not know what the times mean.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.growable import Growable
from sqlengine.state.row_arena import RowArena
from sqlengine.state.section import Changed, Section, Sections
from sqlengine.state.spill import Spill, spillable, spilled_bytes

Ints = npt.NDArray[np.int64]

COMPACT_AT = 16_384
"""Fewer rows that have left than this are not worth a compaction."""

ROWS, TIMES = "rows", "times"
TIME, WEIGHT = "$time", "$weight"


@dataclass(slots=True)
class _Run:
    """Numbers of rows in order of (time, number); those before `at` have left."""

    numbers: Ints
    at: int = 0

    @property
    def left(self) -> Ints:
        """Those that wait."""
        return self.numbers[self.at :]


class TimeQueue:
    """Rows of `schema`, each with a weight and a time in microseconds."""

    def __init__(self, schema: pa.Schema) -> None:
        self._rows = RowArena(schema)
        self._times = Growable()
        self._weights = Growable()
        self._runs: list[_Run] = []
        self._new, self._changed = Changed(), Changed()

    @property
    def num_rows(self) -> int:
        """Rows waiting."""
        return sum(len(run.left) for run in self._runs)

    @property
    def num_bytes(self) -> int:
        """Approximate bytes held."""
        runs = sum(int(run.numbers.nbytes) for run in self._runs)
        return self._rows.num_bytes + self._times.nbytes + self._weights.nbytes + runs

    @property
    def spilled_bytes(self) -> int:
        """Bytes that are in files."""
        return spilled_bytes(self._parts)

    def spill(self, to: Spill) -> int:
        """Have rows, times and weights in files (state/spill.py); the order stays."""
        return sum(part.spill(to) for part in spillable(self._parts))

    @property
    def _parts(self) -> list[object]:
        return [self._rows, self._times, self._weights]

    @property
    def next_us(self) -> int | None:
        """The earliest time anything waits for, or None."""
        return min((int(self._times.values[run.numbers[run.at]]) for run in self._runs), default=None)

    def add(self, rows: Delta, times: Ints) -> None:
        """Let rows wait for their times."""
        if not rows.num_rows:
            return
        first = self._rows.append(rows.batch)
        self._times.append(times)
        self._weights.append(rows.weight_array())
        self._runs.append(_Run(first + np.argsort(times, kind="stable")))
        while len(self._runs) > 1 and len(self._runs[-2].left) <= 2 * len(self._runs[-1].left):
            late, early = self._runs.pop(), self._runs.pop()
            self._runs.append(_Run(self._ordered(np.concatenate([early.left, late.left]))))

    def take_due(self, now_us: int) -> Delta | None:
        """The rows whose time is at most `now_us`, in order of time and arrival; they wait no more."""
        due: list[Ints] = []
        times = self._times.values
        for run in self._runs:
            end = bisect_right(run.numbers, now_us, lo=run.at, key=lambda number: times[number])
            if end > run.at:
                due.append(run.numbers[run.at : end])
                run.at = end
        if not due:
            return None
        self._runs = [run for run in self._runs if len(run.left)]
        numbers = due[0] if len(due) == 1 else self._ordered(np.concatenate(due))
        weights = self._weights.values[numbers]
        out = Delta(self._rows.take_batch(numbers), None if (weights == 1).all() else weights)
        self._weights.values[numbers] = 0
        self._changed.mark(numbers)
        self._compact()
        return out

    def _ordered(self, numbers: Ints) -> Ints:
        """Numbers of rows by (time, number), of ascending ones or such orders one after the other, each of later rows
        than the one before."""
        return numbers[np.argsort(self._times.values[numbers], kind="stable")]

    def _compact(self) -> None:
        """Forget rows that have left when they are a third."""
        size = self._rows.num_rows
        gone = size - self.num_rows
        if gone < COMPACT_AT or 3 * gone < size:
            return
        self._new.renumbered()
        self._changed.renumbered()
        keep = self._weights.values != 0
        moved = self._rows.compact(keep)
        for array in (self._times, self._weights):
            array.replace(array.values[keep])
        self._runs = [_Run(moved[run.left]) for run in self._runs]

    def sections(self, head: str) -> Sections:
        """Tables head.rows, of all rows in order of arrival, and head.times: their times, and weights, 0 of those that
        have left."""
        rows = Section(self._new, lambda: self._rows.num_rows, lambda at: {f"{head}.{ROWS}": self._rows.table(at)})
        times = Section(self._changed, lambda: self._rows.num_rows, lambda at: {f"{head}.{TIMES}": self._times_of(at)})
        return {f"{head}.{ROWS}": rows, f"{head}.{TIMES}": times}

    def _times_of(self, numbers: Ints) -> pa.Table:
        return pa.table({TIME: pa.array(self._times.values[numbers]), WEIGHT: pa.array(self._weights.values[numbers])})

    def restore(self, state: Mapping[str, pa.Table], head: str) -> None:
        """Hold exactly what the sections had; or a table `head`, whose last columns are times and weights: the form in
        which rows were written before they had sections."""
        self.__init__(self._rows.schema)  # type: ignore[misc]
        old, width = state.get(head), len(self._rows.schema)
        rows, times = (state[f"{head}.{ROWS}"], state[f"{head}.{TIMES}"]) if old is None else (old, old)
        for batch in rows.to_batches():
            self._rows.append(pa.RecordBatch.from_arrays(batch.columns[:width], schema=self._rows.schema))
        self._times.replace(times.column(TIME).to_numpy())
        self._weights.replace(times.column(WEIGHT).to_numpy())
        waiting = np.flatnonzero(self._weights.values)
        self._runs = [_Run(self._ordered(waiting))] if len(waiting) else []
        self._new.begin(self._rows.num_rows)
        self._changed.begin(self._rows.num_rows)
