"""Project: one expression per output column."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.tree import InputRef
from sqlengine.operators.base import Operator
from sqlengine.operators.row_errors import RowErrors
from sqlengine.plan import nodes


class ProjectOperator(Operator):
    """Stateless; a row one of whose expressions raises is reported through `errors` and left out."""

    def __init__(self, node: nodes.Project) -> None:
        self.schema = node.schema
        passed = {e.index for e in node.exprs if isinstance(e, InputRef)}
        self.net = len(passed) == len(node.input.schema)  # rows that differ go on to differ
        self.errors = RowErrors(compile_exprs(list(node.exprs)))

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        arrays, delta = self.errors.evaluate(delta, now_us)
        if not delta.num_rows:
            return None
        return Delta(pa.RecordBatch.from_arrays(arrays, schema=self.schema), delta.weights)
