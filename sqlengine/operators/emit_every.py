"""EmitEvery: changes leave once per interval of wall clock, opposite ones cancelled."""

from __future__ import annotations

from collections.abc import Mapping

from sqlengine.delta import Delta
from sqlengine.operators.base import END_OF_TIME, NO_WATERMARK, Operator, State, Times
from sqlengine.operators.held_rows import HeldRows
from sqlengine.plan import nodes


class EmitEveryOperator(Operator):
    """Releases at the first tick of each interval counted from 1970-01-01, and at once when the input has ended or
    brings what was there before the query, however many pieces that comes in.

    While changes are held, the output's watermark is the one of the last moment when nothing was.
    """

    def __init__(self, node: nodes.EmitEvery) -> None:
        self.schema = node.schema
        self._every_us = node.every_us
        self._held = HeldRows(node.schema)
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
            out, self._interval = self._held.take(), interval
        if not self._held.num_rows:
            self._watermark_us = times.watermark_us
        return out

    def output_watermark(self, times: Times) -> int:
        return self._watermark_us

    def state_size(self) -> Mapping[str, int]:
        return {"rows": self._held.num_rows, "bytes": self._held.num_bytes}

    def rest(self) -> State:
        known = "" if self._interval is None else str(self._interval)
        return {"held": self._held.snapshot({"interval": known, "watermark_us": str(self._watermark_us)})}

    def restore(self, state: State) -> None:
        known = self._held.restore(state["held"])
        self._interval = int(known["interval"]) if known["interval"] else None
        self._watermark_us = int(known["watermark_us"])
