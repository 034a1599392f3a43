"""ReleaseInOrder: rows wait until the watermark passes them and leave in event-time order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sqlengine.delta import Delta
from sqlengine.operators.base import END_OF_TIME, Operator, State, Times
from sqlengine.operators.waiting_rows import WaitingRows
from sqlengine.plan import nodes
from sqlengine.state.arrow_buffers import plain, validity
from sqlengine.state.order_codes import order_codes
from sqlengine.state.section import Sections

HELD = "held"


class ReleaseInOrderOperator(Operator):
    """Rows of equal time leave in order of arrival; a NULL time is never passed and leaves when the input has ended."""

    def __init__(self, node: nodes.ReleaseInOrder) -> None:
        self.schema = node.schema
        self._time_column = node.time_column
        self._held = WaitingRows(node.schema, self._times, only_grows=node.input.append_only)

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        self._held.add(delta)
        return None

    def advance(self, times: Times) -> Delta | None:
        watermark_us = times.watermark_us
        return self._held.take_due(END_OF_TIME if watermark_us == END_OF_TIME else watermark_us - 1)

    def _times(self, delta: Delta) -> np.ndarray:
        """The rows' times in microseconds, END_OF_TIME for NULL."""
        column = plain(delta.batch.column(self._time_column))
        values, valid = order_codes(column), validity(column)
        return values if valid is None else np.where(valid, values, END_OF_TIME)

    def state_size(self) -> Mapping[str, int]:
        return {"rows": self._held.num_rows, "bytes": self._held.num_bytes}

    def sections(self) -> Sections:
        return self._held.sections(HELD)

    def restore(self, state: State) -> None:
        self._held.restore(state, HELD)
