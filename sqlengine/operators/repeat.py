"""Repeat: rows as often as they say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.base import Operator
from sqlengine.plan import nodes
from sqlengine.state import arrow_buffers as buffers


class RepeatOperator(Operator):
    """Stateless: a row's weight times its count."""

    def __init__(self, node: nodes.Repeat) -> None:
        self.schema = node.schema
        self._count = node.count

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        counts = np.maximum(buffers.fixed(delta.batch.column(self._count), "i8"), 0)
        columns = delta.batch.columns[: self._count]
        batch = pa.RecordBatch.from_arrays(columns, schema=self.schema)
        there = pa.array(counts > 0)
        weights = (delta.weight_array() * counts)[counts > 0]
        return Delta(batch.filter(there), weights)
