"""What views with EMIT clauses must hold."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from tests.fuzz.schema import Table
from tests.fuzz.tree import Emit

Rows = Counter[tuple[Any, ...]]


class Every:
    """EMIT EVERY: what the query answered at the first tick of the latest interval, counted from 1970."""

    def __init__(self, emit: Emit) -> None:
        self._every_us = emit.every_s * 1_000_000
        self._interval = -1
        self._tick = -1
        self._told: Rows = Counter()

    def told(self, now_us: int, tick: int, answer: Callable[[], Rows]) -> Rows:
        """To be asked after every tick, which has a number; statements that change nothing make none."""
        interval = now_us // self._every_us
        if interval > self._interval and tick != self._tick:
            self._interval, self._told = interval, answer()
        self._tick = tick
        return self._told


def watermark(streams: Sequence[tuple[Table, pa.Table]]) -> dt.datetime | None:
    """The least of the streams' watermarks; None while one has none."""
    marks = []
    for stream, rows in streams:
        times = [t for t in rows.column("ts").to_pylist() if t is not None]
        if not times:
            return None
        marks.append(max(times) - dt.timedelta(seconds=stream.delay_s))
    return min(marks)


def is_out(emit: Emit, row: tuple[Any, ...], mark: dt.datetime | None) -> bool:
    """Whether a window has closed."""
    return mark is not None and row[emit.end] <= mark - dt.timedelta(seconds=emit.behind_s)
