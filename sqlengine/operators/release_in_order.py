"""ReleaseInOrder: rows wait until the watermark passes them and leave in event-time order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.base import END_OF_TIME, Operator, State, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.held_rows import HeldRows
from sqlengine.plan import nodes
from sqlengine.state.arrow_buffers import plain, validity
from sqlengine.state.order_codes import order_codes


class ReleaseInOrderOperator(Operator):
    """Rows of equal time leave in order of arrival; a NULL time is never passed and leaves when the input has ended."""

    def __init__(self, node: nodes.ReleaseInOrder) -> None:
        self.schema = node.schema
        self._time_column = node.time_column
        self._held = HeldRows(node.schema)
        self._earliest = END_OF_TIME

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        self._held.add(delta)
        self._earliest = min(self._earliest, int(self._times(delta).min(initial=END_OF_TIME)))
        return None

    def advance(self, times: Times) -> Delta | None:
        if not self._held.num_rows or (self._earliest >= times.watermark_us and times.watermark_us != END_OF_TIME):
            return None
        whole = consolidate(concat(self._held.deltas))
        if whole is None:
            self._hold(None)
            return None
        stamps = self._times(whole)
        if times.watermark_us == END_OF_TIME:
            due = np.ones(len(stamps), dtype=bool)
        else:
            due = stamps < times.watermark_us
        self._hold(whole.filter(pa.array(~due)))
        leaving = np.flatnonzero(due)
        return whole.take(leaving[np.argsort(stamps[leaving], kind="stable")]) if len(leaving) else None

    def _hold(self, delta: Delta | None) -> None:
        """Hold exactly this."""
        kept = delta if delta is not None and delta.num_rows else None
        self._held.replace(kept)
        self._earliest = END_OF_TIME if kept is None else int(self._times(kept).min())

    def _times(self, delta: Delta) -> np.ndarray:
        """The rows' times in microseconds, END_OF_TIME for NULL."""
        column = plain(delta.batch.column(self._time_column))
        values, valid = order_codes(column), validity(column)
        return values if valid is None else np.where(valid, values, END_OF_TIME)

    def state_size(self) -> Mapping[str, int]:
        return {"rows": self._held.num_rows, "bytes": self._held.num_bytes}

    def rest(self) -> State:
        return {"held": self._held.snapshot({})}

    def restore(self, state: State) -> None:
        self._held.restore(state["held"])
        self._earliest = min((int(self._times(d).min()) for d in self._held.deltas if d.num_rows), default=END_OF_TIME)
