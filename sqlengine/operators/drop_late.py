"""DropLate: keeps rows that come too late for a closing window away from it, and reports them.

Whether a row is late depends on its own partition's watermark before it and on nothing else, so the answer is the same
however rows were batched.  When the output schema still has the "$watermark" column it is passed on: a hop or cumulate
aggregate above then leaves the row out of those of its windows that its partition had already closed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.base import NO_WATERMARK, Operator
from sqlengine.operators.windows import WindowGrid
from sqlengine.plan.nodes import DropLate
from sqlengine.state import arrow_buffers as buffers

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def minus_lateness(watermarks_us: Ints, lateness_us: int) -> Ints:
    """Watermarks moved back by the allowed lateness, "none yet" staying what it is."""
    return np.where(watermarks_us < NO_WATERMARK + lateness_us, NO_WATERMARK, watermarks_us - lateness_us)


class DropLateOperator(Operator):
    """See the node; late rows wait in `take_late`."""

    def __init__(self, node: DropLate) -> None:
        self.node = node
        self.schema = node.schema
        grid = node.window is not None and node.window.kind != "session"
        self._grid = WindowGrid(node.window) if grid and node.window is not None else None
        self._late: list[pa.RecordBatch] = []
        self._keeps_watermark = len(node.schema) == len(node.input.schema)

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        late = self._is_late(delta.batch)
        if not late.any():
            return Delta(self._without_watermark(delta.batch, self._keeps_watermark), delta.weights)
        self._late.append(self._without_watermark(delta.batch.filter(pa.array(late)), keep=False))
        kept = delta.filter(pa.array(~late))
        return (
            Delta(self._without_watermark(kept.batch, self._keeps_watermark), kept.weights) if kept.num_rows else None
        )

    def take_late(self) -> list[pa.RecordBatch]:
        taken, self._late = self._late, []
        return taken

    def _is_late(self, batch: pa.RecordBatch) -> Mask:
        times = batch.column(self.node.time_column)
        valid = buffers.validity(times)
        times_us = np.asarray(buffers.fixed(times, "i8"))
        marks = np.asarray(buffers.fixed(batch.column(self.node.watermark_column), "i8"))
        bounds = minus_lateness(marks, self.node.lateness_us)
        ends = times_us
        if self._grid is not None:
            panes = self._grid.panes(np.where(valid, times_us, 0) if valid is not None else times_us)
            last = self._grid.last_windows(panes)
            nowhere = last < self._grid.first_windows(panes)
            late = (self._grid.end_us(last) <= bounds) & (bounds != NO_WATERMARK) & ~nowhere
        else:
            late = ends < bounds
        return late if valid is None else late | ~valid

    def _without_watermark(self, batch: pa.RecordBatch, keep: bool) -> pa.RecordBatch:
        if keep:
            return batch
        columns = [c for i, c in enumerate(batch.columns) if i != self.node.watermark_column]
        fields = [f for i, f in enumerate(batch.schema) if i != self.node.watermark_column]
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
