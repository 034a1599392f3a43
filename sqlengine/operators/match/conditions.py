"""The conditions of DEFINE.  What only asks for the row itself, or rows some steps from it, is computed for all rows at
once; what asks for the match so far is asked row by row of an attempt, for many attempts at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.errors import Error
from sqlengine.expr.compile import Evaluator, compile_exprs
from sqlengine.expr.simplify import conjunction, conjuncts
from sqlengine.expr.tree import Expr, input_columns, remap
from sqlengine.masks import truth
from sqlengine.operators.match.rows import Mask, Matches, Rows
from sqlengine.operators.match.values import Values
from sqlengine.operators.row_errors import Failure
from sqlengine.plan.match_expressions import is_row_of
from sqlengine.plan.match_node import MatchRecognize, Slot
from sqlengine.quick_dataclass import dataclass

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Condition:
    """One expression and the slots it reads, in the order of its batches' columns."""

    slots: tuple[int, ...]
    evaluator: Evaluator


class Conditions:
    """The conditions of a node's variables; rows on which one raises do not satisfy it, and are kept in `failures`."""

    def __init__(self, node: MatchRecognize) -> None:
        self._node = node
        self._of_rows: list[_Condition | None] = []
        self._of_matches: list[_Condition | None] = []
        for variable, condition in enumerate(node.defines):
            alone: list[Expr] = []
            rest: list[Expr] = []
            for part in conjuncts(condition):
                own = all(self._is_own(node.slots[s], variable) for s in input_columns(part))
                (alone if own else rest).append(part)
            self._of_rows.append(_compiled(conjunction(alone)))
            self._of_matches.append(_compiled(conjunction(rest)))
        self.failures: list[Failure] = []

    def _is_own(self, slot: Slot, variable: int) -> bool:
        """Whether a slot asks for the row alone; what a row some steps away is called, the match says."""
        return is_row_of(slot, variable) and not (slot.step and slot.column == self._node.classifier)

    @property
    def asks_matches(self) -> bool:
        """Whether a condition depends on the match so far."""
        return any(c is not None for c in self._of_matches)

    def asks_match(self, variable: int) -> bool:
        """Whether the condition of a variable does."""
        return self._of_matches[variable] is not None

    def accepted(self, rows: Rows, now_us: int) -> Bytes:
        """uint8[variables, rows]: of which variables each row may be, by what asks for the row alone."""
        made = np.ones((len(self._of_rows), rows.count), dtype=np.uint8)
        known: dict[tuple[int, int], pa.Array] = {}
        for variable, condition in enumerate(self._of_rows):
            if condition is not None:
                columns = [self._shifted(slot, variable, rows, known) for slot in condition.slots]
                made[variable] = self._true(condition, columns, rows.count, now_us)
        return made

    def _shifted(self, slot: int, variable: int, rows: Rows, known: dict[tuple[int, int], pa.Array]) -> pa.Array:
        """A slot for every row as the last of its match."""
        asked = self._node.slots[slot]
        if asked.column == self._node.classifier:
            return pa.array([self._node.program.labels[variable]] * rows.count, pa.string())
        key = asked.column, asked.step
        if key not in known:
            column = rows.columns[asked.column]
            known[key] = column if asked.step == 0 else column.take(_moved(rows, asked.step))
        return known[key]

    def satisfied(self, variable: int, rows: Rows, attempts: Matches, now_us: int) -> Mask:
        """Which attempts, whose last row would be of the variable, satisfy what its condition asks of a match."""
        condition = self._of_matches[variable]
        assert condition is not None
        values = Values(rows, attempts, self._node.program.labels, self._node.classifier)
        match = np.arange(len(attempts.starts))
        columns = values.of([self._node.slots[s] for s in condition.slots], match, values.ends(match))
        return self._true(condition, columns, len(match), now_us)

    def _true(self, condition: _Condition, columns: Sequence[pa.Array], count: int, now_us: int) -> Mask:
        batch = _batch(condition, columns, count)
        try:
            (answer,) = condition.evaluator(batch, now_us)
            return truth(answer)
        except Error:
            (answer,), good, errors = condition.evaluator.try_eval(batch, now_us)
            self.failures += [(batch.slice(e.row, 1), e.error) for e in errors]
            made = np.zeros(count, dtype=bool)
            made[truth(good)] = truth(answer)
            return made


def _compiled(expr: Expr | None) -> _Condition | None:
    if expr is None:
        return None
    slots = tuple(sorted(input_columns(expr)))
    return _Condition(slots, compile_exprs([remap(expr, {slot: at for at, slot in enumerate(slots)})]))


def _batch(condition: _Condition, columns: Sequence[pa.Array], count: int) -> pa.RecordBatch:
    if not columns:  # a constant condition: a batch without columns would not know its number of rows
        columns = [pa.nulls(count)]
    return pa.RecordBatch.from_arrays(list(columns), names=[f"s{i}" for i in range(len(columns))])


def _moved(rows: Rows, step: int) -> pa.Array:
    """The places `step` rows from each row; NULL outside its partition."""
    at = np.arange(rows.count) + step
    lengths = rows.ends - rows.starts
    low, high = np.repeat(rows.starts, lengths), np.repeat(rows.ends, lengths)
    out = (at < low) | (at >= high)
    return pa.array(np.where(out, 0, at), mask=out)
