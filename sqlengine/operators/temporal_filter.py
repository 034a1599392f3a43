"""TemporalFilter: rows are in from the first moment all their conditions on now() hold until the first one fails.

Each row's span of time is computed once, when it comes; two queues then hold the rows that will enter and those that
will leave.  A row taken back goes through the same queues with its weight, so the two meet wherever the row is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.expr.compile import Evaluator, compile_exprs
from sqlengine.expr.tree import Call, Cast, Const, Expr, InputRef
from sqlengine.operators.base import Operator, State, Times
from sqlengine.operators.row_errors import RowErrors
from sqlengine.plan import nodes
from sqlengine.state.arrow_buffers import validity
from sqlengine.state.section import Sections
from sqlengine.state.time_queue import TimeQueue
from sqlengine.types import TIMESTAMPTZ

Ints = npt.NDArray[np.int64]

NEVER: int = int(np.iinfo(np.int64).max)
ALWAYS: int = int(np.iinfo(np.int64).min)
LEAVE = "$leave"
SEARCH_US = 70 * 86_400_000_000
"""Calendar arithmetic moves a time by its mean amount give or take less than this (two months)."""


class TemporalFilterOperator(Operator):
    """Keeps the rows whose time to enter or to leave is still to come."""

    def __init__(self, node: nodes.TemporalFilter) -> None:
        self.schema = node.schema
        self._bounds = [(b.op, Moment(b.moment)) for b in node.bounds]
        self.errors = RowErrors(compile_exprs([b.row for b in node.bounds]))
        self._entering = TimeQueue(node.schema.append(pa.field(LEAVE, pa.int64())))
        self._leaving = TimeQueue(node.schema)

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        columns, delta = self.errors.evaluate(delta, now_us)
        enter, leave = self._span(columns, delta.num_rows)
        later = np.flatnonzero((enter > now_us) & (enter < leave))
        if len(later):
            waiting = delta.take(later)
            batch = waiting.batch.append_column(LEAVE, pa.array(leave[later]))
            self._entering.add(Delta(batch, waiting.weights), enter[later])
        return self._admit(delta, leave, np.flatnonzero((enter <= now_us) & (leave > now_us)))

    def _span(self, columns: Sequence[pa.Array], num_rows: int) -> tuple[Ints, Ints]:
        """(enter, leave) of each row in microseconds: it is in while enter <= now < leave."""
        enter = np.full(num_rows, ALWAYS, dtype=np.int64)
        leave = np.full(num_rows, NEVER, dtype=np.int64)
        for (op, moment), column in zip(self._bounds, columns, strict=True):
            values = as_micros(column)
            if op in ("le", "lt"):
                np.maximum(enter, moment.first_at_least(values + (op == "lt") * moment.unit_us), out=enter)
            else:
                np.minimum(leave, moment.first_at_least(values + (op == "ge") * moment.unit_us), out=leave)
            known = validity(column)
            if known is not None:
                leave[~known] = ALWAYS
        return enter, leave

    def _admit(self, delta: Delta, leave: Ints, rows: Ints) -> Delta | None:
        if not len(rows):
            return None
        kept = delta if len(rows) == delta.num_rows else delta.take(rows)
        passing = np.flatnonzero(leave[rows] != NEVER)
        if len(passing):
            self._leaving.add(kept.take(passing).negated(), leave[rows][passing])
        return kept

    def advance(self, times: Times) -> Delta | None:
        out = []
        entering = self._entering.take_due(times.now_us)
        if entering is not None:
            leave = np.array(entering.batch.column(LEAVE), dtype=np.int64)
            rows = pa.RecordBatch.from_arrays(entering.batch.columns[:-1], schema=self.schema)
            admitted = self._admit(Delta(rows, entering.weights), leave, np.flatnonzero(leave > times.now_us))
            out += [admitted] if admitted is not None else []
        leaving = self._leaving.take_due(times.now_us)
        out += [leaving] if leaving is not None else []
        return concat(out)

    def next_wakeup_us(self) -> int | None:
        """The next time at which a row enters or leaves."""
        return min((t for t in (self._entering.next_us, self._leaving.next_us) if t is not None), default=None)

    def state_size(self) -> Mapping[str, int]:
        queues = (self._entering, self._leaving)
        return {"rows": sum(q.num_rows for q in queues), "bytes": sum(q.num_bytes for q in queues)}

    def sections(self) -> Sections:
        return {**self._entering.sections("entering"), **self._leaving.sections("leaving")}

    def restore(self, state: State) -> None:
        self._entering.restore(state, "entering")
        self._leaving.restore(state, "leaving")


class Moment:
    """A function of time that never goes back, and its inverse.  `unit_us`: what its values are multiples of."""

    def __init__(self, expr: Expr) -> None:
        self._shift_us = shift_us(expr)
        self._evaluate: Evaluator = compile_exprs([expr])
        self.unit_us = 86_400_000_000 if pa.types.is_date32(expr.type) else 1

    def first_at_least(self, values: Ints) -> Ints:
        """For each value the earliest time (microseconds) at which the function is at least that."""
        if self._shift_us is not None:
            return values - self._shift_us
        wanted, back = np.unique(values, return_inverse=True)
        guess = 2 * wanted - self._at(wanted)
        low, high = guess - SEARCH_US, guess + SEARCH_US
        while (low < high).any():
            middle = low + (high - low) // 2
            reached = self._at(middle) >= wanted
            high = np.where(reached, middle, high)
            low = np.where(reached, low, np.minimum(middle + 1, high))
        return low[back]

    def _at(self, times: Ints) -> Ints:
        stamps = pa.array(times).cast(pa.timestamp("us")).cast(TIMESTAMPTZ)
        batch = pa.RecordBatch.from_arrays([stamps], names=["now"])
        return as_micros(self._evaluate(batch)[0])


def as_micros(column: pa.Array) -> Ints:
    """Timestamps or dates as microseconds since 1970; 0 where NULL."""
    micros = column.cast(pa.timestamp("us")) if pa.types.is_date32(column.type) else column
    return np.asarray(micros.cast(pa.int64()).fill_null(0))


def shift_us(expr: Expr) -> int | None:
    """The constant c of an expression that is time + c, or None for any other."""
    match expr:
        case InputRef():
            return 0
        case Cast(arg=arg, type=dtype) if pa.types.is_timestamp(dtype) and pa.types.is_timestamp(arg.type):
            return shift_us(arg)
        case Call(function="add" | "subtract" as op, args=(arg, Const(value=(months, days, nanos)))) if not months:
            below = shift_us(arg)
            by = days * 86_400_000_000 + nanos // 1000
            return None if below is None else below + (by if op == "add" else -by)
    return None
