"""TimeQueue: weighted rows that wait for their time, released in order of it.

A few sorted runs, merged when there are many (a log-structured merge in miniature): adding n rows sorts n rows, and
releasing looks only at the heads of the runs.  It must not know what the times mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.state.spill import Spill, in_files

Ints = npt.NDArray[np.int64]

RUNS_MAX = 16
"""More sorted runs than this are merged into one."""

TIME, WEIGHT = "$time", "$weight"


@dataclass(slots=True)
class _Run:
    """Rows sorted by time; those before `at` have left."""

    times: Ints
    rows: Delta
    at: int = 0


class TimeQueue:
    """Rows of `schema`, each with a weight and a time in microseconds."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._runs: list[_Run] = []

    @property
    def num_rows(self) -> int:
        """Rows waiting."""
        return sum(len(run.times) - run.at for run in self._runs)

    @property
    def num_bytes(self) -> int:
        """Approximate bytes held."""
        arrays = [part for run in self._runs for part in (run.rows.batch, run.times, run.rows.weights)]
        return sum(part.nbytes for part in arrays if part is not None)

    @property
    def spilled_bytes(self) -> int:
        """Bytes of the rows that are in files."""
        return sum(run.rows.batch.nbytes for run in self._runs if in_files(run.rows.batch))

    def spill(self, to: Spill) -> int:
        """Have the rows in files (state/spill.py); their times and weights stay."""
        leaving = [run for run in self._runs if not in_files(run.rows.batch) and run.rows.batch.nbytes >= to.least]
        freed = sum(run.rows.batch.nbytes for run in leaving)
        for run, batch in zip(leaving, to.batches([run.rows.batch for run in leaving]), strict=True):
            run.rows = Delta(batch, run.rows.weights)
        return int(freed)

    @property
    def next_us(self) -> int | None:
        """The earliest time anything waits for, or None."""
        return min((int(run.times[run.at]) for run in self._runs), default=None)

    def add(self, rows: Delta, times: Ints) -> None:
        """Let rows wait for their times."""
        if not rows.num_rows:
            return
        order = np.argsort(times, kind="stable")
        self._runs.append(_Run(times[order], rows.take(order)))
        if len(self._runs) > RUNS_MAX:
            self._merge()

    def take_due(self, now_us: int) -> Delta | None:
        """The rows whose time is at most `now_us`; they wait no more."""
        due: list[Delta] = []
        for run in self._runs:
            end = int(np.searchsorted(run.times, now_us, side="right"))
            if end > run.at:
                due.append(run.rows.span(run.at, end))
                run.at = end
        self._runs = [run for run in self._runs if run.at < len(run.times)]
        return concat(due)

    def snapshot(self) -> pa.Table:
        """The rows with their times and weights."""
        self._merge()
        if not self._runs:
            empty = self._schema.append(pa.field(TIME, pa.int64())).append(pa.field(WEIGHT, pa.int64()))
            return empty.empty_table()
        run = self._runs[0]
        table = pa.Table.from_batches([run.rows.batch], self._schema)
        return table.append_column(TIME, pa.array(run.times)).append_column(WEIGHT, pa.array(run.rows.weight_array()))

    def restore(self, table: pa.Table) -> None:
        """Hold exactly a snapshot's rows."""
        self._runs = []
        for batch in table.combine_chunks().to_batches():
            times, weights = (np.array(batch.column(i), dtype=np.int64) for i in (-2, -1))
            rows = pa.RecordBatch.from_arrays(batch.columns[:-2], schema=self._schema)
            self.add(Delta(rows, None if (weights == 1).all() else weights), times)

    def _merge(self) -> None:
        waiting = [run.rows.span(run.at, len(run.times)) for run in self._runs]
        times = [run.times[run.at :] for run in self._runs]
        self._runs = []
        whole = concat(waiting)
        if whole is not None:
            self.add(whole, np.concatenate(times))
