"""HoldWatermark: rows pass, the watermark follows at a distance."""

from __future__ import annotations

from sqlengine.delta import Delta
from sqlengine.operators.base import Operator, Times, earlier
from sqlengine.plan import nodes


class HoldWatermarkOperator(Operator):
    """Stateless; what stands above closes only what no row can change that comes so far behind."""

    def __init__(self, node: nodes.HoldWatermark) -> None:
        self.schema = node.schema
        self._hold_us = node.hold_us

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        return delta

    def output_watermark(self, times: Times) -> int:
        return earlier(times.watermark_us, self._hold_us)
