"""UnionAll: all rows of all inputs."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.base import Operator
from sqlengine.plan import nodes


class UnionAllOperator(Operator):
    """Stateless; rows pass as they are, under the output's column names."""

    def __init__(self, node: nodes.UnionAll) -> None:
        self.schema = node.schema

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        if delta.batch.schema == self.schema:
            return delta
        return Delta(pa.RecordBatch.from_arrays(delta.batch.columns, schema=self.schema), delta.weights)
