"""WaitingRows: rows that wait for their time, opposite weights cancelled when they leave and now and then before.

Why: EMIT EVERY and in-order release keep rows back; what was inserted and deleted meanwhile must neither leave nor
pile up. A checkpoint has them in sections, what has changed of them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.held_rows import WEIGHT
from sqlengine.state.section import Sections
from sqlengine.state.time_queue import TimeQueue

Ints = npt.NDArray[np.int64]

CONSOLIDATE_AT = 65_536
"""What has been taken back cancels out among no fewer rows, each time they have doubled."""
ALL = int(np.iinfo(np.int64).max)


class WaitingRows:
    """Rows of `schema`; `times_of`: those of a delta's rows, in microseconds. `only_grows`: none is taken back."""

    def __init__(self, schema: pa.Schema, times_of: Callable[[Delta], Ints], *, only_grows: bool = False) -> None:
        self._schema = schema
        self._times_of = times_of
        self._only_grows = only_grows
        self._queue = TimeQueue(schema)
        self._consolidate_at = CONSOLIDATE_AT

    @property
    def num_rows(self) -> int:
        """Rows waiting."""
        return self._queue.num_rows

    @property
    def num_bytes(self) -> int:
        """Approximate bytes held."""
        return self._queue.num_bytes

    def add(self, delta: Delta) -> None:
        """Let rows wait."""
        self._queue.add(delta, self._times_of(delta))
        if not self._only_grows and self._queue.num_rows >= self._consolidate_at:
            whole = self.take_due(ALL)
            if whole is not None:
                self._queue.add(whole, self._times_of(whole))
            self._consolidate_at = max(CONSOLIDATE_AT, 2 * self._queue.num_rows)

    def take_due(self, until_us: int) -> Delta | None:
        """The rows whose time is at most that, consolidated, in order of time and arrival; they wait no more."""
        return consolidate(self._queue.take_due(until_us))

    def sections(self, head: str) -> Sections:
        """See TimeQueue.sections."""
        return self._queue.sections(head)

    def restore(self, state: Mapping[str, pa.Table], head: str) -> None:
        """Hold what the sections had; or what a table `head` of rows and weights has: the form in which they were
        written before they had sections."""
        old = state.get(head)
        if old is None:
            self._queue.restore(state, head)
            return
        self._queue = TimeQueue(self._schema)
        for batch in old.to_batches():
            rows = pa.RecordBatch.from_arrays(batch.columns[:-1], schema=self._schema)
            self.add(Delta(rows, np.array(batch.column(WEIGHT))))
