"""SortedRuns: row ids sorted by (slot, time, arrival), kept as a few sorted runs of growing size.

Why: an as-of join asks for the last row of a key before a time.  New rows become a run; runs are merged while the
last is at least half as long as the one before, so a row is merged a logarithmic number of times (the log-structured
merge of O'Neil et al., 1996).  The loops are in kernels/join.  Dead rows (weight 0) are skipped until `compact`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sqlengine.kernels import choose
from sqlengine.state.spill import Spill

if TYPE_CHECKING:
    from sqlengine.kernels import join_reference as kernel
else:
    kernel = choose("join", "join_reference")

Ints = npt.NDArray[np.int64]


class SortedRuns:
    """Each run is int64[3, m]: slots, times, rows; sorted by all three."""

    def __init__(self) -> None:
        self._runs: list[Ints] = []
        self._in_files: list[Ints] = []

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(int(run.nbytes) for run in self._runs)

    @property
    def spilled_bytes(self) -> int:
        """Bytes of the runs that are in files."""
        return sum(int(run.nbytes) for run in self._runs if self._is_in_file(run))

    def spill(self, to: Spill) -> int:
        """Have the runs that are not small in files (state/spill.py)."""
        freed = 0
        for at, run in enumerate(self._runs):
            if not self._is_in_file(run) and run.nbytes >= to.least:
                self._runs[at] = to.array(run)
                freed += int(run.nbytes)
                self._in_files.append(self._runs[at])
        self._in_files = [run for run in self._in_files if any(run is other for other in self._runs)]
        return freed

    def _is_in_file(self, run: Ints) -> bool:
        return any(run is other for other in self._in_files)

    def add(self, slots: Ints, times: Ints, rows: Ints) -> None:
        """Add entries; every row id is greater than all added before."""
        if not len(rows):
            return
        order = np.lexsort((rows, times, slots))
        self._runs.append(np.stack([slots[order], times[order], rows[order]]))
        while len(self._runs) > 1 and self._runs[-2].shape[1] <= 2 * self._runs[-1].shape[1]:
            late, early = self._runs.pop(), self._runs.pop()
            merged = np.empty((3, early.shape[1] + late.shape[1]), dtype=np.int64)
            kernel.run_merge(early, late, merged)
            self._runs.append(merged)

    def nearest(self, slots: Ints, times: Ints, weights: Ints, *, backward: bool, inclusive: bool) -> Ints:
        """For each (slot, time) the live row nearest in time at or before it (after it when not `backward`), or -1.

        Of rows with equal times the one that arrived last.  `inclusive`: an equal time counts as near.
        """
        best = np.full(len(slots), -1, dtype=np.int64)
        best_time = np.zeros(len(slots), dtype=np.int64)
        search = kernel.run_last_before if backward else kernel.run_first_after
        at = np.empty(len(slots), dtype=np.int64)
        for run in self._runs:
            search(run[0], run[1], run[2], weights, slots, times, inclusive, at)
            hit = np.flatnonzero(at >= 0)
            time, row = run[1][at[hit]], run[2][at[hit]]
            nearer = time > best_time[hit] if backward else time < best_time[hit]
            better = (best[hit] < 0) | nearer | ((time == best_time[hit]) & (row > best[hit]))
            best[hit[better]] = row[better]
            best_time[hit[better]] = time[better]
        return best

    def between(self, slots: Ints, low: Ints, high: Ints) -> Ints:
        """All rows (dead ones too, each once) with low[i] <= time < high[i] in slots[i], in order of arrival."""
        found = []
        start, stop = np.empty(len(slots), dtype=np.int64), np.empty(len(slots), dtype=np.int64)
        for run in self._runs:
            kernel.run_bounds(run[0], run[1], slots, low, False, start)
            kernel.run_bounds(run[0], run[1], slots, high, False, stop)
            length = np.maximum(stop - start, 0)
            ends = np.cumsum(length)
            found.append(run[2][np.repeat(start - ends + length, length) + np.arange(ends[-1] if len(ends) else 0)])
        return np.unique(np.concatenate([np.empty(0, np.int64), *found]))

    def compact(self, new_row: Ints) -> None:
        """Rows were compacted: old row r is new_row[r], -1 when gone."""
        kept = []
        for run in self._runs:
            rows = new_row[run[2]]
            live = rows >= 0
            if live.any():
                kept.append(np.ascontiguousarray(np.stack([run[0], run[1], rows])[:, live]))
        self._runs = kept

    def renumber_slots(self, new_slot: Ints) -> None:
        """Slots were compacted keeping their order: old slot s is new_slot[s]."""
        for run in self._runs:
            run[0] = new_slot[run[0]]

    def superseded(self, horizon: int) -> Ints:
        """Rows with time < horizon that a later entry of the same slot with time < horizon follows."""
        if len(self._runs) > 1:
            everything = np.concatenate(self._runs, axis=1)
            order = np.lexsort((everything[2], everything[1], everything[0]))
            self._runs = [np.ascontiguousarray(everything[:, order])]
        if not self._runs:
            return np.empty(0, dtype=np.int64)
        slot, time, row = self._runs[0]
        followed = np.zeros(len(row), dtype=bool)
        followed[:-1] = (slot[1:] == slot[:-1]) & (time[1:] < horizon)
        return row[followed]
