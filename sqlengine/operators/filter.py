"""Filter: rows where the predicate is true."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.expr.compile import compile_exprs
from sqlengine.operators.base import Operator
from sqlengine.operators.row_errors import RowErrors
from sqlengine.plan import nodes


class FilterOperator(Operator):
    """Stateless; a row whose predicate raises is reported through `errors` and left out."""

    net = True

    def __init__(self, node: nodes.Filter) -> None:
        self.schema = node.schema
        self.errors = RowErrors(compile_exprs([node.predicate]))

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        (mask,), delta = self.errors.evaluate(delta, now_us)
        kept = delta.filter(mask if isinstance(mask, pa.BooleanArray) else pa.array(mask))
        return kept if kept.num_rows else None
