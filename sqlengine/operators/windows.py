"""Arithmetic of tumble, hop and cumulate windows over int64 microseconds: the only copy of it.

A pane is a span of gcd(slide, size); windows are made of whole panes.  Panes and windows are named by int64 indexes:
pane p is [p * unit + offset, (p + 1) * unit + offset).  Hop (and tumble) window j starts at j * slide; cumulate window
e ends at pane e's start.  Ends grow with the index in all kinds.  Calendar windows count in months since 1970-01.
Divisions floor, so times before 1970 fall where they should.  This file must not know rows, keys or watermarks' origin.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sqlengine.operators.base import END_OF_TIME, NO_WATERMARK
from sqlengine.plan.nodes import Window
from sqlengine.state.ranges import expand

Ints = npt.NDArray[np.int64]

ALL_CLOSED = 1 << 62
NONE_CLOSED = -(1 << 62)


class WindowGrid:
    """The panes and windows of one Window (not of a session)."""

    def __init__(self, window: Window) -> None:
        assert window.kind in ("tumble", "hop", "cumulate"), "a session has no grid"
        months = window.size[0] > 0
        size, slide = (window.size[0], window.slide[0]) if months else (window.size[1], window.slide[1])
        assert size > 0 and slide > 0, "sizes are positive and in one unit"
        self.cumulate = window.kind == "cumulate"
        self.months = months
        self.unit = math.gcd(size, slide)
        self.size = size // self.unit
        self.slide = slide // self.unit
        self.offset_us = window.offset_us
        self.most_windows = -(-self.size // self.slide)
        """Most windows a pane falls in; 1 when no two windows overlap."""

    def panes(self, times_us: Ints) -> Ints:
        """The pane of each time."""
        shifted = times_us - self.offset_us if self.offset_us else times_us
        if self.months:
            shifted = shifted.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        return np.floor_divide(shifted, self.unit) if self.unit > 1 else shifted

    def boundaries_us(self, panes: Ints) -> Ints:
        """The start of each pane."""
        steps = panes * self.unit
        if self.months:
            steps = steps.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)
        return steps + self.offset_us

    def first_windows(self, panes: Ints) -> Ints:
        """The first window that contains each pane (above the last one when no window does)."""
        if self.cumulate:
            return panes + 1
        return (panes - self.size) // self.slide + 1

    def last_windows(self, panes: Ints) -> Ints:
        """The last window that contains each pane."""
        if self.cumulate:
            return (panes // self.size + 1) * self.size
        return panes // self.slide

    def start_us(self, windows: Ints) -> Ints:
        """window_start of each window."""
        if self.cumulate:
            return self.boundaries_us((windows - 1) // self.size * self.size)
        return self.boundaries_us(windows * self.slide)

    def end_us(self, windows: Ints) -> Ints:
        """window_end (exclusive) of each window."""
        return self.boundaries_us(windows if self.cumulate else windows * self.slide + self.size)

    def closed_by(self, watermark_us: int) -> int:
        """The last window whose end is at or before the watermark; NONE_CLOSED and ALL_CLOSED at the extremes."""
        if watermark_us <= NO_WATERMARK // 2:
            return NONE_CLOSED
        if watermark_us >= END_OF_TIME // 2:
            return ALL_CLOSED
        return int(self.closed_windows(np.array([watermark_us], dtype=np.int64))[0])

    def closed_windows(self, watermarks_us: Ints) -> Ints:
        """The last window whose end is at or before each watermark (none of them at the extremes)."""
        panes = self.panes(watermarks_us)
        return panes if self.cumulate else (panes - self.size) // self.slide


def window_ends(times_us: Ints, window: Window) -> tuple[Ints, Ints, Ints]:
    """(row, window_start, window_end) of every window each time falls in; rows ascending, windows by end."""
    grid = WindowGrid(window)
    panes = grid.panes(times_us)
    rows, windows = expand(grid.first_windows(panes), grid.last_windows(panes))
    return rows, grid.start_us(windows), grid.end_us(windows)
