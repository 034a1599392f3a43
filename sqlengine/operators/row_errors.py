"""Runtime errors of single rows: the row is set aside with its error, the rest of its batch proceeds."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.errors import Error
from sqlengine.expr.compile import Evaluator

Failure = tuple[pa.RecordBatch, Error]
"""A one-row batch of the operator's input, and what was wrong with it."""


class RowErrors:
    """Evaluates expressions over deltas, collecting the rows that raise until `take()`."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._failures: list[Failure] = []

    @property
    def can_raise(self) -> bool:
        """Whether there may be any."""
        return self._evaluator.can_raise

    def evaluate(self, delta: Delta, now_us: int) -> tuple[Sequence[pa.Array], Delta]:
        """The expressions' values over the good rows, and the delta of just those rows."""
        try:
            return self._evaluator(delta.batch, now_us), delta
        except Error:
            arrays, good, errors = self._evaluator.try_eval(delta.batch, now_us)
            self._failures += [(delta.batch.slice(e.row, 1), e.error) for e in errors]
            return arrays, delta.filter(pa.array(good))

    def take(self) -> list[Failure]:
        """The failures since the last call."""
        taken, self._failures = self._failures, []
        return taken
