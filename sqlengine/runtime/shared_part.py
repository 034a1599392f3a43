"""A part of a plan that several dataflows have in common, run once a tick for all of them.

Whichever dataflow comes first in a tick runs the part; the others are given what it said.  A part lives as long as some
dataflow reads it: dropping a view leaves it to those that stay.  One that failed fails everybody who reads it, because
half a tick is in its state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.errors import Error
from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.feed import Feed

if TYPE_CHECKING:
    from sqlengine.runtime.dataflow import Dataflow


class SharedPart:
    """`output`, `late` and `failures` are those of the tick at hand; nobody changes them."""

    def __init__(self, dataflow: Dataflow) -> None:
        self.dataflow = dataflow
        self.output: list[Delta] = []
        self.late: list[pa.RecordBatch] = []
        self.failures: list[tuple[pa.RecordBatch, Error]] = []
        self._feeds: Mapping[str, Feed] | None = None
        self._failure: Exception | None = None

    @property
    def watermark_us(self) -> int:
        """The watermark of the part's output."""
        return self.dataflow.watermark_us

    def tick(self, feeds: Mapping[str, Feed], now_us: int) -> list[Delta]:
        """The change of the part's output in the tick of these feeds (one object a tick)."""
        if self._failure is not None:
            raise self._failure
        if feeds is not self._feeds:
            self._feeds = feeds
            try:
                self.output = self.dataflow.tick(feeds, now_us)
            except Exception as failure:
                self._failure = failure
                raise
            self.late, self.dataflow.late_rows = self.dataflow.late_rows, []
            self.failures, self.dataflow.failures = self.dataflow.failures, []
        return self.output


class PartBehind(SharedPart):
    """A part as a dataflow reads it that is itself behind the ticks: first `rows`, all of the part's output at one
    moment, later what the part has said since.  It is one of the part's readers, so the part lives on with it.

    `record` and `take_over` are called with the scheduler's lock held, `tick` by who brings the dataflow up to date.
    """

    def __init__(self, part: SharedPart, rows: Sequence[Delta]) -> None:
        super().__init__(part.dataflow)
        self.part = part
        self._watermark_us = part.watermark_us
        self._ready = _Said(list(rows))
        self._recorded = _Said()
        self._recorded_us = part.watermark_us

    @property
    def watermark_us(self) -> int:
        return self._watermark_us

    @property
    def ready_rows(self) -> int:
        """Rows the next `tick` brings."""
        return sum(delta.num_rows for delta in self._ready.output)

    def record(self, feeds: Mapping[str, Feed], now_us: int) -> None:
        """Keep what the part says in a tick."""
        if self._failure is not None:
            return
        try:
            output = self.part.tick(feeds, now_us)
        except Exception as failure:  # told to the one who reads
            self._failure = failure
            return
        self._recorded.add(output, self.part.late, self.part.failures)
        self._recorded_us = self.part.watermark_us

    def take_over(self) -> None:
        """The next `tick` brings what was recorded."""
        self._ready.add(self._recorded.output, self._recorded.late, self._recorded.failures)
        self._recorded = _Said()
        self._watermark_us = self._recorded_us

    def tick(self, feeds: Mapping[str, Feed], now_us: int) -> list[Delta]:
        if self._failure is not None:
            raise self._failure
        said, self._ready = self._ready, _Said()
        self.output, self.late, self.failures = said.output, said.late, said.failures
        return self.output


@dataclass
class _Said:
    """What a part has said in some ticks."""

    output: list[Delta] = field(default_factory=list)
    late: list[pa.RecordBatch] = field(default_factory=list)
    failures: list[tuple[pa.RecordBatch, Error]] = field(default_factory=list)

    def add(
        self, output: list[Delta], late: list[pa.RecordBatch], failures: list[tuple[pa.RecordBatch, Error]]
    ) -> None:
        self.output += output
        self.late += late
        self.failures += failures
