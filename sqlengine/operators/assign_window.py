"""AssignWindow: repeats each row for every tumble, hop or cumulate window its time falls in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.base import Operator
from sqlengine.operators.windows import window_ends
from sqlengine.plan import nodes
from sqlengine.state.arrow_buffers import from_ints, plain, validity
from sqlengine.state.order_codes import order_codes

WIDTH = len(nodes.WINDOW_COLUMNS)


class AssignWindowOperator(Operator):
    """Stateless; appends window_start, window_end, window_time; rows with a NULL time fall in no window."""

    def __init__(self, node: nodes.AssignWindow) -> None:
        self.schema = node.schema
        self._time_column = node.time_column
        self._window = node.window
        self._window_type = node.schema.field(len(node.schema) - WIDTH).type

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        times = plain(delta.batch.column(self._time_column))
        valid = validity(times)
        if valid is not None:
            delta = delta.filter(pa.array(valid))
            times = plain(delta.batch.column(self._time_column))
        rows, starts, ends = window_ends(order_codes(times), self._window)
        if not len(rows):
            return None
        if len(rows) != delta.num_rows or bool((rows != np.arange(len(rows))).any()):
            delta = delta.take(rows)
        windows = [from_ints(values, self._window_type) for values in (starts, ends, ends - 1)]
        return Delta(pa.RecordBatch.from_arrays([*delta.batch.columns, *windows], schema=self.schema), delta.weights)
