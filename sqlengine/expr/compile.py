"""Bound expressions -> an Evaluator that computes them over Arrow batches.

Every distinct sub-expression becomes one Step, evaluated at most once per batch; input columns cost nothing,
constants are folded when compiling. A sub-expression that can raise and stands in a branch (CASE, AND, OR,
COALESCE) is evaluated over the rows that take the branch only. Expressions without an Arrow kernel are gathered
and evaluated by DuckDB in one call per batch. This file must not know operators, plans or the clock: the tick's
time is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.steps import Compiler, Frame, Step, as_array
from sqlengine.functions import BUILTINS, Registry
from sqlengine.sql import deep


class RowError(NamedTuple):
    """Why one row of a batch failed: `row` counts from 0 in that batch."""

    row: int
    error: errors.Error


class Evaluator:
    """Evaluates a fixed list of expressions; safe to share between threads (it holds no per-batch state)."""

    def __init__(self, steps: Sequence[Step], types: Sequence[pa.DataType]) -> None:
        self._steps = list(zip(steps, types, strict=True))
        self.types = tuple(types)
        self.tells_time = any(step.tells_time for step in steps)
        """Whether `now_us` matters."""
        self.can_raise = any(step.can_raise for step in steps)
        """Whether a row may be an error."""

    def __call__(self, batch: pa.RecordBatch, now_us: int = 0) -> list[pa.Array]:
        """One array per expression, of its declared type and of the batch's length.

        Raises the first DataError of any row; `now_us` is what now() answers, in microseconds since 1970 UTC.
        """
        try:
            return self._evaluate(batch, now_us)
        except RecursionError:
            return deep.run(self._evaluate, batch, now_us)

    def _evaluate(self, batch: pa.RecordBatch, now_us: int) -> list[pa.Array]:
        frame = Frame(batch, batch.num_rows, now_us)
        return [as_array(step.value(frame), frame.rows, dtype) for step, dtype in self._steps]

    def try_eval(
        self, batch: pa.RecordBatch, now_us: int = 0
    ) -> tuple[list[pa.Array], pa.BooleanArray, list[RowError]]:
        """As a call, but rows that fail are left out: (arrays over the good rows, which rows are good, the errors).

        The failing rows are found by halving, so that good rows are computed in large pieces.
        """
        try:
            return self(batch, now_us), pa.array(np.ones(batch.num_rows, dtype=bool)), []
        except errors.DataError:
            good = np.ones(batch.num_rows, dtype=bool)
            found: list[RowError] = []
            pieces = self._isolate(batch, 0, now_us, found)
            good[[e.row for e in found]] = False
            return [_joined(p, t) for p, t in zip(pieces, self.types, strict=True)], pa.array(good), found

    def _isolate(self, batch: pa.RecordBatch, start: int, now_us: int, found: list[RowError]) -> list[list[pa.Array]]:
        """Per expression, the pieces of the good rows of `batch`, which begins at row `start`; errors go to `found`."""
        try:
            return [[array] for array in self(batch, now_us)]
        except errors.DataError as err:
            if batch.num_rows <= 1:  # a constant that is wrong is wrong for no row, too
                found += [RowError(start, err)] * batch.num_rows
                return [[] for _ in self.types]
        middle = batch.num_rows // 2
        left = self._isolate(batch.slice(0, middle), start, now_us, found)
        right = self._isolate(batch.slice(middle), start + middle, now_us, found)
        return [a + b for a, b in zip(left, right, strict=True)]


def _joined(pieces: Sequence[pa.Array], dtype: pa.DataType) -> pa.Array:
    return pa.concat_arrays(pieces) if pieces else pa.nulls(0, dtype)


def compile_exprs(exprs: Sequence[tree.Expr], functions: Registry = BUILTINS) -> Evaluator:
    """An Evaluator for bound expressions; `functions` is the registry they were bound with."""

    def work() -> list[Step]:
        compiler = Compiler(functions)
        return [compiler.step(e) for e in exprs]

    try:
        steps = work()
    except RecursionError:
        steps = deep.run(work)
    return Evaluator(steps, [e.type for e in exprs])


def can_raise(expr: tree.Expr, functions: Registry = BUILTINS) -> bool:
    """Whether some input row could make the expression an error."""
    return Compiler(functions).step(expr).can_raise
