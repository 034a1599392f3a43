"""A part of a plan that several dataflows have in common, run once a tick for all of them.

Whichever dataflow comes first in a tick runs the part; the others are given what it said.  A part lives as long as some
dataflow reads it: dropping a view leaves it to those that stay.  One that failed fails everybody who reads it, because
half a tick is in its state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.errors import Error
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
