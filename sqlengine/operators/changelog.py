"""Changelog: the changes of its input as rows that only come, each saying what happened.

A table's changes are taken batch by batch as they were written; of anything else the net change of a tick.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.base import Operator, State, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.operations import operations
from sqlengine.plan import nodes


class ChangelogOperator(Operator):
    """Appends the operation (smallint, see operations.py) and a number that grows from row to row, from 1 on."""

    def __init__(self, node: nodes.Changelog) -> None:
        self.schema = node.schema
        self._keys = node.input.unique_keys
        self._as_written = isinstance(node.input, nodes.Scan)
        self._waiting: list[Delta] = []
        self._last = 0

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        if self._as_written:
            return self._logged(delta)
        self._waiting.append(delta)
        return None

    def advance(self, times: Times) -> Delta | None:
        whole, self._waiting = consolidate(concat(self._waiting)), []
        return None if whole is None else self._logged(whole)

    def _logged(self, delta: Delta) -> Delta | None:
        rows, ops = operations(delta, self._keys)
        n = len(rows)
        if not n:
            return None
        numbers = np.arange(self._last + 1, self._last + 1 + n, dtype=np.int64)
        self._last += n
        columns = delta.batch.take(pa.array(rows)).columns
        arrays = [*columns, pa.array(ops.astype(np.int16)), pa.array(numbers)]
        return Delta(pa.RecordBatch.from_arrays(arrays, schema=self.schema))

    def rest(self) -> State:
        return {"last": pa.table({"number": pa.array([self._last], pa.int64())})}

    def restore(self, state: State) -> None:
        self._last = state["last"].column("number")[0].as_py()
