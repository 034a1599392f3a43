"""The `blackhole` sink: takes everything, keeps nothing; for measuring what comes before it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sqlengine.connectors.base import Connector, Moment, Sink
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class BlackholeOptions:
    """No options."""


class BlackholeSink(Sink):
    """See connectors.base.Sink; `rows` counts what was written."""

    def __init__(self, options: BlackholeOptions, schema: pa.Schema, identity: str = "") -> None:
        self.options = options
        self.schema = schema
        self.rows = 0

    def write(self, moment: Moment, batch: pa.RecordBatch | None, weights: Any | None) -> None:
        """Count and forget."""
        self.rows += 0 if batch is None else batch.num_rows


BLACKHOLE = Connector("blackhole", "a sink that keeps nothing", BlackholeOptions, sink=BlackholeSink, reach="nothing")
