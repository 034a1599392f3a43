"""EmitEvery: changes leave once per interval of wall clock, opposite ones cancelled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sqlengine.delta import Delta
from sqlengine.operators.base import (
    END_OF_TIME,
    NO_WATERMARK,
    NUMBERS,
    Operator,
    State,
    Times,
    numbers_of,
    of_numbers,
)
from sqlengine.operators.waiting_rows import ALL, WaitingRows
from sqlengine.plan import nodes
from sqlengine.state.section import Sections

HELD = "held"


class EmitEveryOperator(Operator):
    """Releases at the first tick of each interval counted from 1970-01-01, and at once when the input has ended or
    brings what was there before the query, however many pieces that comes in.

    While changes are held, the output's watermark is the one of the last moment when nothing was.
    """

    def __init__(self, node: nodes.EmitEvery) -> None:
        self.schema = node.schema
        self._every_us = node.every_us
        self._held = WaitingRows(node.schema, lambda delta: np.zeros(delta.num_rows, dtype=np.int64))
        self._interval: int | None = None
        self._watermark_us = NO_WATERMARK

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        self._held.add(delta)
        return None

    def advance(self, times: Times) -> Delta | None:
        interval = times.now_us // self._every_us
        started, self._interval = self._interval is None, interval if self._interval is None else self._interval
        out = None
        if started or interval > self._interval or times.history or times.watermark_us == END_OF_TIME:
            out, self._interval = self._held.take_due(ALL), interval
        if not self._held.num_rows:
            self._watermark_us = times.watermark_us
        return out

    def output_watermark(self, times: Times) -> int:
        return self._watermark_us

    def state_size(self) -> Mapping[str, int]:
        return {"rows": self._held.num_rows, "bytes": self._held.num_bytes}

    def sections(self) -> Sections:
        return self._held.sections(HELD)

    def rest(self) -> State:
        interval = {} if self._interval is None else {"interval": self._interval}
        return {NUMBERS: of_numbers({"watermark_us": self._watermark_us, **interval})}

    def restore(self, state: State) -> None:
        """Also of what was written before held rows had sections: the numbers are in the metadata of their table."""
        self._held.restore(state, HELD)
        if HELD in state:
            told = {k.decode(): v.decode() for k, v in (state[HELD].schema.metadata or {}).items()}
            numbers = {name: int(text) for name, text in told.items() if text}
        else:
            numbers = numbers_of(state[NUMBERS])
        self._interval, self._watermark_us = numbers.get("interval"), numbers["watermark_us"]
