"""Versions: the history of a keyed changelog as rows that only come.

An update is a new version of its key; the version before it stays what it was.  A deletion is a version of its own, at
the time of the row it takes away, flagged.  Stateless: whether a row is a version or a deletion shows in its delta.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.base import Operator
from sqlengine.plan import nodes
from sqlengine.state.key_index import KeyIndex


class VersionsOperator(Operator):
    """Appends the column "$deleted".  In one delta the last row of a key says whether the key is there after it."""

    def __init__(self, node: nodes.Versions) -> None:
        self.schema = node.schema
        self._keys = node.keys
        self._types = [node.input.schema.field(k).type for k in node.keys]

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        if delta.weights is None:
            return self._flagged(delta.batch, np.zeros(delta.num_rows, dtype=bool))
        slots = KeyIndex(self._types).insert([delta.batch.column(k) for k in self._keys], delta.num_rows)
        last = np.zeros(delta.num_rows, dtype=bool)
        _, from_end = np.unique(slots[::-1], return_index=True)
        last[delta.num_rows - 1 - from_end] = True
        come = delta.weights > 0
        rows = np.flatnonzero(come | last)
        return self._flagged(delta.batch.take(pa.array(rows)), ~come[rows])

    def _flagged(self, batch: pa.RecordBatch, deleted: np.ndarray) -> Delta | None:
        if not batch.num_rows:
            return None
        return Delta(pa.RecordBatch.from_arrays([*batch.columns, pa.array(deleted)], schema=self.schema))
