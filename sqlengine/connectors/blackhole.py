"""The `blackhole` sink: takes everything, keeps nothing; for measuring what comes before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sqlengine.connectors.base import Connector


@dataclass(frozen=True, slots=True)
class BlackholeOptions:
    """No options."""


class BlackholeSink:
    """See connectors.base.Sink; `rows` counts what was written."""

    def __init__(self, options: BlackholeOptions, schema: pa.Schema) -> None:
        self.options = options
        self.schema = schema
        self.rows = 0

    def write(self, batch: pa.RecordBatch, weights: Any | None) -> None:
        """Count and forget."""
        self.rows += batch.num_rows

    def prepare(self, epoch: int) -> None:
        """Nothing to keep."""

    def commit(self, epoch: int) -> None:
        """Nothing to show."""

    def close(self) -> None:
        """Nothing to release."""


BLACKHOLE = Connector("blackhole", "a sink that keeps nothing", BlackholeOptions, sink=BlackholeSink, reach="nothing")
