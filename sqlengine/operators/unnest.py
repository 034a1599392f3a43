"""Unnest: each row once for every element of its lists, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.expr.compile import compile_exprs
from sqlengine.masks import present
from sqlengine.operators.base import Operator
from sqlengine.operators.row_errors import RowErrors
from sqlengine.plan import nodes
from sqlengine.state.arrow_buffers import plain

Ints = npt.NDArray[np.int64]


class UnnestOperator(Operator):
    """Stateless; a row one of whose lists raises is reported through `errors` and left out."""

    def __init__(self, node: nodes.Unnest) -> None:
        self.schema = node.schema
        self.errors = RowErrors(compile_exprs(list(node.lists)))
        self._ordinality = node.ordinality
        self._outer = node.outer

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        lists, delta = self.errors.evaluate(delta, now_us)
        starts, lengths = zip(*(_spans(values) for values in lists), strict=True)
        counts: Ints = np.maximum.reduce(lengths)
        rows_each = np.maximum(counts, 1) if self._outer else counts
        total = int(rows_each.sum())
        if not total:
            return None
        rows = np.repeat(np.arange(delta.num_rows, dtype=np.int64), rows_each)
        places = np.arange(total, dtype=np.int64) - np.repeat(np.cumsum(rows_each) - rows_each, rows_each)
        columns = [c.take(pa.array(rows)) for c in delta.batch.columns]
        for values, start, length in zip(lists, starts, lengths, strict=True):
            there = places < length[rows]
            at = pa.array(np.where(there, start[rows] + places, 0), mask=~there)
            columns.append(_elements(values).take(at))
        if self._ordinality:
            columns.append(pa.array(places + 1, mask=counts[rows] == 0))
        weights = None if delta.weights is None else delta.weights[rows]
        return Delta(pa.RecordBatch.from_arrays(columns, schema=self.schema), weights)


def _elements(values: pa.Array) -> pa.Array:
    return plain(values).values


def _spans(values: pa.Array) -> tuple[Ints, Ints]:
    """(where each row's elements begin in the values, how many there are); none of NULL."""
    lists = plain(values)
    if pa.types.is_fixed_size_list(lists.type):
        width = lists.type.list_size
        starts: Sequence[int] | Ints = (np.arange(len(lists)) + lists.offset) * width
        lengths = np.full(len(lists), width, dtype=np.int64)
    else:
        offsets = lists.offsets.to_numpy().astype(np.int64)
        starts, lengths = offsets[:-1], np.diff(offsets)
    if lists.null_count:
        lengths = np.where(present(lists), lengths, 0)
    return np.asarray(starts, dtype=np.int64), lengths
