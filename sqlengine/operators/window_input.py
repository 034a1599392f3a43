"""What windowed aggregates read of a delta: rows with a time, their pane, and the windows they may still enter.

A pane word is pane * K + skip, K the most windows a pane falls in (the window itself when K is 1): `skip` leading
windows of the pane are closed to the row because its own partition's watermark had passed their end before the row
came ("$watermark" column, if the input has it).  So a window's contents do not depend on how rows were batched.
It must not keep state.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.aggregates.base import NO_INTS, Inputs
from sqlengine.operators.base import NO_WATERMARK
from sqlengine.operators.drop_late import minus_lateness
from sqlengine.operators.windows import WindowGrid
from sqlengine.plan.nodes import WINDOW_COLUMNS, WindowAggregate
from sqlengine.quick_dataclass import dataclass
from sqlengine.state import arrow_buffers as buffers

Ints = npt.NDArray[np.int64]

WATERMARK_COLUMN = "$watermark"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that fall in some open window: pane words and aggregate inputs; `late`: the rows that do not."""

    words: Ints
    batch: pa.RecordBatch
    weights: Ints
    late: pa.RecordBatch | None

    def inputs(self, arrived: int) -> Inputs:
        """The rows as aggregates read them; `arrived` rows came before."""
        return Inputs(self.batch.columns, self.batch.num_rows, self.weights, arrived)


class WindowInput:
    """Reads deltas for one WindowAggregate node."""

    def __init__(self, node: WindowAggregate) -> None:
        self._time_column = node.time_column
        self._lateness_us = node.lateness_us
        self.grid = WindowGrid(node.window)
        self.most = self.grid.most_windows
        self._watermark = node.input.schema.get_field_index(WATERMARK_COLUMN)
        self._window_type = node.schema.field(len(node.keys)).type

    def read(self, delta: Delta, closed: int) -> Rows:
        """Split a delta by `closed`, the last window that takes no more rows."""
        times = delta.batch.column(self._time_column)
        valid = buffers.validity(times)
        if valid is not None:
            delta = delta.take(np.flatnonzero(valid))
            times = delta.batch.column(self._time_column)
        times_us = np.asarray(buffers.fixed(buffers.plain(times), "i8"))
        panes = self.grid.panes(times_us)
        first, last = self._bounds(panes)
        words = last if self.most == 1 else panes * self.most
        if self._watermark >= 0:
            first = self._skip(delta.batch, first)
            if self.most > 1:
                words = words + np.minimum(first - self.grid.first_windows(panes), self.most - 1)
        late = None
        in_time = last > closed
        if not in_time.all() or (first > last).any():
            nowhere = last < self.grid.first_windows(panes)
            gone = (~in_time | (first > last)) & ~nowhere
            late = self._without_watermark(delta.batch.filter(pa.array(gone))) if gone.any() else None
            kept = np.flatnonzero(in_time & (first <= last))
            delta, words = delta.take(kept), words[kept]
        weights = NO_INTS if delta.weights is None else delta.weights
        return Rows(np.ascontiguousarray(words), delta.batch, weights, late)

    def windows(self, words: Ints) -> tuple[Ints, Ints]:
        """(first, last) window of each pane word."""
        if self.most == 1:
            return words, words
        panes = np.floor_divide(words, self.most)
        first, last = self._bounds(panes)
        return first + (words - panes * self.most), last

    def window_columns(self, windows: Ints) -> list[pa.Array]:
        """window_start, window_end, window_time of each window."""
        start, end = self.grid.start_us(windows), self.grid.end_us(windows)
        assert len(WINDOW_COLUMNS) == 3
        return [buffers.from_ints(v, self._window_type) for v in (start, end, end - 1)]

    def _bounds(self, panes: Ints) -> tuple[Ints, Ints]:
        return self.grid.first_windows(panes), self.grid.last_windows(panes)

    def _skip(self, batch: pa.RecordBatch, first: Ints) -> Ints:
        """The first window each row may enter, given its own partition's watermark."""
        marks = np.asarray(buffers.fixed(batch.column(self._watermark), "i8"))
        bounds = minus_lateness(marks, self._lateness_us)
        some = bounds != NO_WATERMARK
        closed = self.grid.closed_windows(np.where(some, bounds, 0))
        return np.where(some, np.maximum(first, closed + 1), first)

    def _without_watermark(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch if self._watermark < 0 else batch.drop_columns([WATERMARK_COLUMN])
