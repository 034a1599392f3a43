"""Values: constant rows, emitted in the first tick."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.expr.compile import compile_exprs
from sqlengine.operators.base import Operator, State, Times
from sqlengine.plan import nodes


class ValuesOperator(Operator):
    """A source of its own: has no input, so only `advance` speaks."""

    def __init__(self, node: nodes.Values) -> None:
        self.schema = node.schema
        self._rows = [compile_exprs(list(row)) for row in node.rows]
        self._emitted = False

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        raise AssertionError("a values node has no input")

    def advance(self, times: Times) -> Delta | None:
        if self._emitted or not self._rows:
            return None
        self._emitted = True
        one = pa.RecordBatch.from_arrays([pa.nulls(1)], names=["$one"])
        columns = list(zip(*(row(one, times.now_us) for row in self._rows), strict=True))
        arrays = [pa.concat_arrays(list(c)) for c in columns]
        if not arrays:
            return Delta(pa.RecordBatch.from_struct_array(pa.array([{}] * len(self._rows), pa.struct([]))))
        return Delta(pa.RecordBatch.from_arrays(arrays, schema=self.schema))

    def rest(self) -> State:
        return {"emitted": pa.table({"emitted": [self._emitted]})}

    def restore(self, state: State) -> None:
        self._emitted = bool(state["emitted"].column(0)[0].as_py())
