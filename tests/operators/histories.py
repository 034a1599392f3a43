"""Random histories of inserts and deletes, run through an operator in any split, compared with DuckDB's answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.operators.base import NO_WATERMARK, Operator, Times
from sqlengine.plan import nodes

Row = tuple[object, ...]
Event = tuple[int, Row, int]
"""Port, row, weight +1 or -1."""


@dataclass(frozen=True)
class Case:
    """A history, and after which of its events a delta ends, and after which a tick ends."""

    events: list[Event]
    delta_ends: frozenset[int]
    tick_ends: frozenset[int]


def source(schema: pa.Schema, append_only: bool) -> nodes.Node:
    """A stand-in for an operator's input."""
    return nodes.Values(schema=schema, rows=(), append_only=append_only)


@st.composite
def cases(draw: st.DrawFn, rows: Sequence[st.SearchStrategy[Row]], retracting: Sequence[bool], size: int = 60) -> Case:
    """Histories over ports 0.. with a strategy of rows each; a port that retracts deletes rows that are there."""
    steps = draw(
        st.lists(st.tuples(st.integers(0, len(rows) - 1), st.integers(0, 10**6), st.booleans()), max_size=size)
    )
    live: list[list[Row]] = [[] for _ in rows]
    events: list[Event] = []
    for port, choice, delete in steps:
        if delete and retracting[port] and live[port]:
            events.append((port, live[port].pop(choice % len(live[port])), -1))
        else:
            row = draw(rows[port])
            live[port].append(row)
            events.append((port, row, 1))
    ends = st.frozensets(st.integers(0, max(len(events) - 1, 0)), max_size=len(events))
    return Case(events, draw(ends), draw(ends))


def delta_of(schema: pa.Schema, rows: Sequence[Row], weights: Sequence[int]) -> Delta:
    """Rows and weights as a delta; all +1 as the append-only fast path."""
    columns = [pa.array([r[i] for r in rows], f.type) for i, f in enumerate(schema)]
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    return Delta(batch, None if all(w == 1 for w in weights) else np.array(weights, dtype=np.int64))


class Contents:
    """Accumulated output: a multiset that must be valid at the end of every tick."""

    def __init__(self) -> None:
        self.rows: Counter[Row] = Counter()

    def add(self, delta: Delta | None) -> None:
        """Take in an output delta."""
        if delta is None:
            return
        delta.batch.validate(full=True)
        for row, weight in zip(tuples(delta.batch), delta.weight_array().tolist(), strict=True):
            self.rows[row] += weight

    def settled(self) -> Counter[Row]:
        """The contents; asserts that nothing is negative."""
        assert all(n >= 0 for n in self.rows.values()), self.rows
        self.rows = +self.rows
        return self.rows


def tuples(table: pa.RecordBatch | pa.Table) -> list[Row]:
    """The rows as Python tuples."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def run(
    make: Callable[[], Operator],
    schemas: Sequence[pa.Schema],
    case: Case,
    restart_after: int | None = None,
    watermark: Callable[[Sequence[Event]], int] | None = None,
) -> Counter[Row]:
    """Run a history as the case splits it; `restart_after`: snapshot and restore at the next tick end."""
    operator, contents = make(), Contents()
    waiting: list[Event] = []
    final = len(case.events) - 1
    for i, event in enumerate(case.events):
        if waiting and waiting[-1][0] != event[0]:
            _push(operator, schemas, waiting, contents)
        waiting.append(event)
        if i in case.delta_ends or i in case.tick_ends or i == final:
            _push(operator, schemas, waiting, contents)
        if i in case.tick_ends or i == final:
            mark = NO_WATERMARK if watermark is None else watermark(case.events[i + 1 :])
            _take(contents, operator, operator.advance(Times((mark,) * len(schemas), i)))
            contents.settled()
            if restart_after is not None and i >= restart_after:
                state, operator, restart_after = operator.snapshot(), make(), None
                operator.restore(state)
    return contents.settled()


def _push(operator: Operator, schemas: Sequence[pa.Schema], waiting: list[Event], contents: Contents) -> None:
    if not waiting:
        return
    port = waiting[0][0]
    delta = delta_of(schemas[port], [row for _, row, _ in waiting], [w for _, _, w in waiting])
    _take(contents, operator, operator.process(delta, port, 0))
    waiting.clear()


def _take(contents: Contents, operator: Operator, delta: Delta | None) -> None:
    """What an operator calls net is not consolidated for its readers: no row may come and go in one delta."""
    if operator.net and delta is not None:
        signed = list(zip(tuples(delta.batch), delta.weight_array() > 0, strict=True))
        assert not {row for row, come in signed if come} & {row for row, come in signed if not come}
    contents.add(delta)


def final_inputs(schemas: Sequence[pa.Schema], events: Sequence[Event]) -> list[pa.Table]:
    """The inputs after the whole history, in order of arrival."""
    tables = []
    for port, schema in enumerate(schemas):
        rows: Counter[Row] = Counter()
        for p, row, weight in events:
            if p == port:
                rows[row] += weight
        kept = list(rows.elements())
        tables.append(pa.table([pa.array([r[i] for r in kept], f.type) for i, f in enumerate(schema)], schema=schema))
    return tables


_DUCKDB = duckdb.connect(config={"threads": 1})


def duckdb_answer(sql: str, tables: Sequence[pa.Table]) -> Counter[Row]:
    """DuckDB's answer over tables in0, in1, ..."""
    for i, table in enumerate(tables):
        _DUCKDB.register(f"in{i}", table)
    return Counter(tuples(_DUCKDB.sql(sql).to_arrow_table()))
