"""What rankings and window functions have in common: rows by partition, changes of a tick applied together, partitions
whose time has passed forgotten.  What was said of a forgotten partition stays said.

A subclass sets `_rows` when it is cleared, and says what a tick's net change changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.base import Operator, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.forgetting import Forgetting
from sqlengine.operators.ranking import OrderKey, Sorted, sort_rows
from sqlengine.plan.nodes import Forget
from sqlengine.state.ranked_rows import RankedRows

Ints = npt.NDArray[np.int64]


class PartitionedOperator(Operator, ABC):
    """`forget`: as in the plan node."""

    _rows: RankedRows

    def __init__(self, forget: Forget | None) -> None:
        self._forget_by = forget

    def _begin(self) -> None:
        """Part of a subclass's clearing: nothing has come and nothing is forgotten yet."""
        self._forgetting = Forgetting(self._forget_by)
        self._pending: list[Delta] = []

    @abstractmethod
    def _change(self, delta: Delta) -> Delta | None:
        """Apply a tick's net change; returns what it changes in the output."""

    def _compact(self) -> None:
        """Reclaim what is dead."""
        self._rows.compact_if_worth_it()

    def _entries(self) -> int:
        """How much there is to look through for what can be forgotten."""
        return self._rows.num_rows

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        self._take_in(self._forgetting.in_time(delta))
        return None

    def _take_in(self, delta: Delta) -> None:
        """Rows in time, of a tick that is not over."""
        self._pending.append(delta)

    def settle(self) -> Delta | None:
        return self._apply_pending()

    def advance(self, times: Times) -> Delta | None:
        change = self._apply_pending()
        self._forgetting.advance(times.watermark_us)
        if self._forgetting.is_due(self._entries()):
            self._forget()
        return change

    def _apply_pending(self) -> Delta | None:
        delta, self._pending = consolidate(concat(self._pending)), []
        if delta is None:
            return None
        out = self._change(delta)
        self._compact()
        return out

    def _forget(self) -> None:
        assert self._forget_by is not None
        living = self._rows.living()
        (times,) = self._rows.arena.take(living, [self._forget_by.column])
        self._rows.forget(living[self._forgetting.gone(times)])
        self._compact()
        self._forgetting.looked(self._entries())

    def _sorted(
        self, rows: Ints, order: Sequence[OrderKey], ties: Sequence[int]
    ) -> tuple[Ints, Sorted, list[pa.Array]]:
        """The rows sorted by partition, ORDER BY and `ties`, how, and their columns."""
        taken = self._rows.arena.take(rows)

        def take(column: int, at: Ints | None) -> pa.Array:
            return taken[column] if at is None else taken[column].take(pa.array(at))

        by = sort_rows(self._rows.slots.values[rows], order, ties, take)
        at = pa.array(by.order)
        return rows[by.order], by, [column.take(at) for column in taken]

    def take_late(self) -> list[pa.RecordBatch]:
        return self._forgetting.take_late()
