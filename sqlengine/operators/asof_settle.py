"""SettledAsof: the as-of join of append-only inputs with watermarks; left rows wait and leave once.

A left row is final when no right row that could be nearer can still come: the right watermark has passed its time
(backward), or has passed the right row found (forward).  Right rows that no later left row can need are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.asof_shape import LEFT, RIGHT, AsofShape
from sqlengine.operators.base import END_OF_TIME, State, Times
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.section import Sections
from sqlengine.state.spill import Spill, spillable, spilled_bytes
from sqlengine.state.time_queue import TimeQueue
from sqlengine.state.timed_rows import TimedRows

Ints = npt.NDArray[np.int64]
TRIM_AT = 16_384
"""Right rows are looked through for droppable ones each time they have doubled, and not below this many."""


class SettledAsof:
    """Left rows are held by their times; right rows are searchable."""

    def __init__(self, shape: AsofShape) -> None:
        self._shape = shape
        self._clear()

    def _clear(self) -> None:
        """No rows."""
        self._index = KeyIndex(self._shape.key_types)
        self._right = TimedRows(self._shape.schemas[RIGHT], retracting=False)
        self._held = TimeQueue(self._shape.schemas[LEFT])
        self._trim_at = TRIM_AT

    def take(self, delta: Delta, port: int) -> None:
        """Keep rows of either side."""
        assert delta.weights is None or int(delta.weights.min()) > 0, "a settled join reads append-only inputs"
        batch = delta.batch
        if delta.weights is not None:
            batch = batch.take(pa.array(np.repeat(np.arange(batch.num_rows), delta.weights)))
        if port == LEFT:
            self._hold(batch)
        else:
            self._right.add(batch, *self._entries(batch))

    def _entries(self, batch: pa.RecordBatch) -> tuple[Ints, Ints]:
        """(slots, times) of right rows."""
        return self._index.insert(self._shape.keys(batch, RIGHT), batch.num_rows), self._shape.times(batch, RIGHT)

    def _hold(self, batch: pa.RecordBatch) -> None:
        self._held.add(Delta(batch), self._shape.times(batch, LEFT))

    def advance(self, times: Times) -> Delta | None:
        """Release the left rows that are final."""
        out: list[Delta] = []
        right_us = times.watermarks_us[RIGHT]
        due = self._held.take_due(right_us)
        if due is not None:
            self._hold(self._release(due.batch, right_us, out))
        self._trim(times)
        return concat(out)

    def _release(self, batch: pa.RecordBatch, right_us: int, out: list[Delta]) -> pa.RecordBatch:
        """Emit those held rows that are final; returns the others."""
        shape = self._shape
        stamps = shape.times(batch, LEFT)
        slots = self._index.find(shape.keys(batch, LEFT), batch.num_rows)
        match = self._right.nearest(slots, stamps, backward=shape.backward, inclusive=not shape.strict)
        final = self._final(stamps, match, right_us)
        found, alone = final & (match >= 0), final & (match < 0)
        if found.any():
            own = batch.filter(pa.array(found))
            out.append(shape.joined(own.columns, self._right.arena.take(match[found])))
        if shape.outer and alone.any():
            out.append(shape.alone(batch.filter(pa.array(alone)), None))
        return batch.filter(pa.array(~final)) if not final.all() else batch.slice(0, 0)

    def _final(self, stamps: Ints, match: Ints, right_us: int) -> npt.NDArray[np.bool_]:
        """Which left rows no right row to come can change."""
        if right_us == END_OF_TIME:
            return np.ones(len(stamps), dtype=bool)
        if self._shape.backward:
            return stamps <= right_us if self._shape.strict else stamps < right_us
        if not self._right.arena.num_rows:
            return np.zeros(len(stamps), dtype=bool)
        return (match >= 0) & (self._right.times.values[np.maximum(match, 0)] < right_us)

    def _trim(self, times: Times) -> None:
        """Drop right rows that no left row to come (or held) can be joined with."""
        if self._right.num_rows < self._trim_at:
            return
        left_us = self._before_held(times.watermarks_us[LEFT])
        if self._shape.backward:
            self._right.kill(self._right.runs.superseded(min(left_us, times.watermarks_us[RIGHT])))
        else:
            self._right.kill(np.flatnonzero(self._right.times.values < left_us))
        self._right.compact()
        self._trim_at = max(TRIM_AT, 2 * self._right.num_rows)

    def output_watermark(self, times: Times) -> int:
        """Held back by the held rows."""
        return self._before_held(times.watermark_us)

    def _before_held(self, time_us: int) -> int:
        """Not later than any row that is held."""
        held_us = self._held.next_us
        return time_us if held_us is None else min(time_us, held_us)

    def state_size(self) -> Mapping[str, int]:
        """Held left rows and right rows."""
        size = self._held.num_bytes + self._right.num_bytes + self._index.nbytes
        return {"rows": self._right.num_rows + self._held.num_rows, "bytes": size}

    @property
    def spilled_bytes(self) -> int:
        """Bytes that are in files."""
        return spilled_bytes([self._index, self._right, self._held])

    def spill(self, to: Spill) -> int:
        """Have rows and what finds them in files (state/spill.py)."""
        return sum(part.spill(to) for part in spillable([self._index, self._right, self._held]))

    def sections(self) -> Sections:
        """Right rows, and the left ones that are held."""
        return {**self._right.sections("right"), **self._held.sections("left")}

    def rest(self) -> State:
        """Nothing else."""
        return {}

    def restore(self, state: State) -> None:
        """Hold the snapshot's rows; also of one in which held rows were no sections, but a table of themselves."""
        self._clear()
        self._right.restore(state, "right", self._entries)
        if "left" not in state:
            self._held.restore(state, "left")
            return
        for batch in state["left"].to_batches():
            self._hold(batch)
