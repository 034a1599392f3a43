"""The `print` sink: each change as a line of JSON on a text stream (standard error unless one is given).

`+` leads an inserted row, `-` a deleted one, so a line is `+{"a":1}`.  Lines appear when they are written,
before any checkpoint: the sink is for eyes, and does not promise exactly once.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO

import numpy as np
import pyarrow as pa

from sqlengine.connectors.base import Connector, Moment, Sink
from sqlengine.formats import encoder
from sqlengine.formats.options import option
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class PrintOptions:
    """How lines look."""

    prefix: str = option("", "text before each line, to tell sinks apart", aliases=("print_identifier",))


class PrintSink(Sink):
    """See connectors.base.Sink; `stream` receives the lines."""

    def __init__(
        self, options: PrintOptions, schema: pa.Schema, identity: str = "", stream: TextIO | None = None
    ) -> None:
        self.options = options
        self.schema = schema
        self._stream = stream
        self._encoder = encoder("json", schema)

    def write(self, moment: Moment, batch: pa.RecordBatch | None, weights: Any | None) -> None:
        """One line per row and repetition (a weight of 2 is two lines)."""
        if batch is None:
            return
        lines = self._encoder.encode(batch).cast(pa.string()).to_pylist()
        counts = np.ones(len(lines), dtype=np.int64) if weights is None else np.asarray(weights)
        lead = f"{self.options.prefix}> " if self.options.prefix else ""
        stream = self._stream or sys.stderr
        for line, count in zip(lines, counts.tolist(), strict=True):
            stream.write(f"{lead}{'+' if count > 0 else '-'}{line}\n" * abs(count))
        stream.flush()


PRINT = Connector(
    "print", "each change as a line of JSON on standard error", PrintOptions, sink=PrintSink, reach="nothing"
)
