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
from sqlengine.state.spill import Spill, in_files, spillable, spilled_bytes
from sqlengine.state.timed_rows import TimedRows

Ints = npt.NDArray[np.int64]
TRIM_AT = 16_384
"""Right rows are looked through for droppable ones each time they have doubled, and not below this many."""


class SettledAsof:
    """Left rows are held as they came; right rows are searchable."""

    def __init__(self, shape: AsofShape) -> None:
        self._shape = shape
        self._clear()

    def _clear(self) -> None:
        """No rows."""
        self._index = KeyIndex(self._shape.key_types)
        self._right = TimedRows(self._shape.schemas[RIGHT], retracting=False)
        self._held: list[tuple[pa.RecordBatch, int]] = []
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
        if batch.num_rows:
            self._held.append((batch, int(self._shape.times(batch, LEFT).min())))

    def advance(self, times: Times) -> Delta | None:
        """Release the left rows that are final."""
        held, self._held = self._held, []
        out: list[Delta] = []
        right_us = times.watermarks_us[RIGHT]
        for batch, earliest in held:
            if earliest > right_us:
                self._held.append((batch, earliest))
            else:
                self._hold(self._release(batch, right_us, out))
        self._trim(times)
        return concat(out)

    def _release(self, batch: pa.RecordBatch, right_us: int, out: list[Delta]) -> pa.RecordBatch:
        """Emit the final rows of a held batch; returns the others."""
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
        left_us = min([times.watermarks_us[LEFT], *(earliest for _, earliest in self._held)])
        if self._shape.backward:
            self._right.kill(self._right.runs.superseded(min(left_us, times.watermarks_us[RIGHT])))
        else:
            self._right.kill(np.flatnonzero(self._right.times.values < left_us))
        self._right.compact()
        self._trim_at = max(TRIM_AT, 2 * self._right.num_rows)

    def output_watermark(self, times: Times) -> int:
        """Held back by the held rows."""
        return min([times.watermark_us, *(earliest for _, earliest in self._held)])

    def state_size(self) -> Mapping[str, int]:
        """Held left rows and right rows."""
        rows = self._right.num_rows + sum(batch.num_rows for batch, _ in self._held)
        held = sum(batch.nbytes for batch, _ in self._held)
        return {"rows": rows, "bytes": held + self._right.num_bytes + self._index.nbytes}

    @property
    def spilled_bytes(self) -> int:
        """Bytes that are in files."""
        held = sum(batch.nbytes for batch, _ in self._held if in_files(batch))
        return held + spilled_bytes([self._index, self._right])

    def spill(self, to: Spill) -> int:
        """Have rows and what finds them in files (state/spill.py)."""
        freed = sum(part.spill(to) for part in spillable([self._index, self._right]))
        leaving = [at for at, (batch, _) in enumerate(self._held) if not in_files(batch) and batch.nbytes >= to.least]
        for at, batch in zip(leaving, to.batches([self._held[at][0] for at in leaving]), strict=True):
            self._held[at] = batch, self._held[at][1]
            freed += batch.nbytes
        return freed

    def sections(self) -> Sections:
        """Right rows."""
        return self._right.sections("right")

    def rest(self) -> State:
        """Held left rows."""
        return {"left": pa.Table.from_batches([batch for batch, _ in self._held], schema=self._shape.schemas[LEFT])}

    def restore(self, state: State) -> None:
        """Hold the snapshot's rows."""
        self._clear()
        self._right.restore(state, "right", self._entries)
        for batch in state["left"].to_batches():
            self._hold(batch)
