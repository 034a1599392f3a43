"""Forgetting: up to which time an operator has forgotten what it kept, and the rows that come too late for it.

A planner that sets `forget` has made sure that no row comes so late; a partition that was idle, and did not hold the
watermark back, can still bring one.  It must not start again what has been said and forgotten: it is late.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.base import NO_WATERMARK, earlier
from sqlengine.plan.nodes import Forget
from sqlengine.state.arrow_buffers import plain, validity
from sqlengine.state.order_codes import order_codes

LOOK_AT = 1024
"""State is looked through for what can go each time it has doubled, and not below this many entries."""


class Forgetting:
    """`horizon_us`: what is of an earlier time is forgotten."""

    def __init__(self, forget: Forget | None) -> None:
        self._forget = forget
        self.horizon_us = NO_WATERMARK
        self._look_at = LOOK_AT
        self._late: list[pa.RecordBatch] = []

    def in_time(self, delta: Delta) -> Delta:
        """The rows that are not late; the late ones are put aside."""
        if self._forget is None or self.horizon_us == NO_WATERMARK:
            return delta
        late = self.gone(delta.batch.column(self._forget.column))
        if not late.any():
            return delta
        self._late.append(delta.batch.filter(pa.array(late)))
        return delta.filter(pa.array(~late))

    def gone(self, times: pa.Array) -> npt.NDArray[np.bool_]:
        """Which of the times are forgotten; NULL never is."""
        values, valid = order_codes(plain(times)), validity(plain(times))
        old = values < self.horizon_us
        return old if valid is None else old & valid

    def advance(self, watermark_us: int) -> None:
        """The watermark has come so far."""
        if self._forget is not None:
            self.horizon_us = max(self.horizon_us, earlier(watermark_us, self._forget.slack_us))

    def is_due(self, entries: int) -> bool:
        """Whether to look through state of so many entries now; `looked` is called after."""
        return self._forget is not None and self.horizon_us != NO_WATERMARK and entries >= self._look_at

    def looked(self, left: int) -> None:
        """So many entries are left."""
        self._look_at = max(LOOK_AT, 2 * left)

    def take_late(self) -> list[pa.RecordBatch]:
        """The late rows since the last call."""
        taken, self._late = self._late, []
        return taken
