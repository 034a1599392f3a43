"""What the tests of aggregating operators share: random histories, running an operator, DuckDB's answer."""

from __future__ import annotations

import atexit
import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from sqlengine.delta import Delta, concat
from sqlengine.functions.aggregates import aggregate
from sqlengine.operators.base import NO_WATERMARK, Operator, Times
from sqlengine.plan.nodes import AggregateCall, Node

SCHEMA = pa.schema(
    [
        ("k", pa.int64()),
        ("g", pa.string()),
        ("i", pa.int32()),
        ("f", pa.float64()),
        ("s", pa.string()),
        ("d", pa.decimal128(10, 2)),
        ("b", pa.bool_()),
        ("flag", pa.bool_()),
        ("t", pa.timestamp("us")),
    ]
)
COLUMN = {name: i for i, name in enumerate(SCHEMA.names)}
EPOCH = dt.datetime(1970, 1, 1)

Row = tuple[Any, ...]


def rows_strategy(max_size: int = 40, seconds: int = 60) -> st.SearchStrategy[list[Row]]:
    """Random rows of SCHEMA, NULL-heavy, with few distinct keys and times around the epoch."""
    row = st.tuples(
        st.none() | st.integers(0, 3),
        st.sampled_from([None, "x", "y", "é"]),
        st.none() | st.integers(-5, 5),
        st.none() | st.sampled_from([0.0, -0.0, 0.1, 0.2, -3.5, 1e6]),
        st.none() | st.sampled_from(["", "a", "b", "ab", "é"]),
        st.none() | st.sampled_from([Decimal("1.10"), Decimal("-2.25"), Decimal("99999999.99")]),
        st.none() | st.booleans(),
        st.none() | st.booleans(),
        st.integers(-seconds, seconds).map(lambda s: EPOCH + dt.timedelta(seconds=s)),
    )
    return st.lists(row, max_size=max_size)


def batch_of(rows: Sequence[Row], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    """Rows as a batch."""
    return pa.RecordBatch.from_arrays(
        [pa.array([r[i] for r in rows], type=f.type) for i, f in enumerate(schema)], schema=schema
    )


@st.composite
def histories(draw: st.DrawFn, rows: list[Row], delete: bool, oldest_first: bool = False) -> list[tuple[Row, int]]:
    """The rows inserted in order; with `delete` some are deleted again at a later random point.

    `oldest_first`: only ever the oldest row there is, for aggregates that depend on the order of arrival.
    """
    events = [(row, 1) for row in rows]
    if not delete or not rows:
        return events
    if oldest_first:
        for i, row in enumerate(rows[: draw(st.integers(0, len(rows)))]):
            last = max((j for j, (_, w) in enumerate(events) if w < 0), default=i)
            at = next(j for j, (r, w) in enumerate(events) if r is row and w > 0)
            events.insert(draw(st.integers(max(at, last) + 1, len(events))), (row, -1))
        return events
    for row in draw(st.lists(st.sampled_from(rows), max_size=len(rows), unique_by=id)):
        at = next(i for i, (r, w) in enumerate(events) if r is row and w == 1)
        events.insert(draw(st.integers(at + 1, len(events))), (row, -1))
    return events


@st.composite
def splits(draw: st.DrawFn, n: int) -> list[tuple[int, int]]:
    """[start, stop) pieces that cover 0..n."""
    cuts = sorted(draw(st.sets(st.integers(1, max(n - 1, 1)), max_size=4))) if n > 1 else []
    bounds = [0, *cuts, n]
    return [(a, b) for a, b in zip(bounds, bounds[1:], strict=False) if a < b]


def delta_of(events: Sequence[tuple[Row, int]], schema: pa.Schema = SCHEMA) -> Delta:
    """Events as a delta; without deletions its weights are implicit."""
    weights = np.array([w for _, w in events], dtype=np.int64)
    return Delta(batch_of([r for r, _ in events], schema), None if (weights == 1).all() else weights)


def canonical(value: Any) -> Any:
    """Hashable and insensitive to the last bits of floats."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else float(f"{value + 0.0:.9g}") + 0.0
    if isinstance(value, list):
        return tuple(canonical(v) for v in value)
    return value


class Contents:
    """The accumulated output of an operator."""

    def __init__(self) -> None:
        self.rows: Counter[Row] = Counter()
        self.deltas = 0

    def add(self, delta: Delta | None) -> None:
        """Apply a delta; rows must never be deleted before they were there."""
        if delta is None:
            return
        self.deltas += 1
        columns = [c.to_pylist() for c in delta.batch.columns]
        for row, weight in zip(zip(*columns, strict=True), delta.weight_array().tolist(), strict=True):
            key = tuple(canonical(v) for v in row)
            self.rows[key] += weight
            assert self.rows[key] >= 0, f"{key} was deleted but never inserted"
        self.rows = +self.rows


def call(
    function: str,
    *args: str,
    distinct: bool = False,
    where: str | None = None,
    order: Iterable[tuple[str, bool, bool]] = (),
    constants: tuple[object, ...] = (),
) -> AggregateCall:
    """An aggregate call by column names."""
    found = aggregate(function)
    assert found is not None
    kind = found.result_type([SCHEMA.field(a).type for a in args], distinct)
    columns = tuple(COLUMN[a] for a in args)
    by = tuple((COLUMN[c], desc, first) for c, desc, first in order)
    return AggregateCall(function, columns, kind, distinct, None if where is None else COLUMN[where], by, constants)


def source(append_only: bool, schema: pa.Schema = SCHEMA) -> Node:
    """A stand-in for the input node."""
    return Node(schema=schema, append_only=append_only)


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    """One database for all comparisons; opening one costs more than most queries."""
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    return connection


atexit.register(_connection.cache_clear)


def duck(sql: str, rows: Sequence[Row], schema: pa.Schema = SCHEMA) -> Counter[Row]:
    """DuckDB's answer over the table `t` of these rows, with their position as column `n`."""
    table = pa.Table.from_batches([batch_of(rows, schema)]).append_column("n", pa.array(range(len(rows)), pa.int64()))
    connection = _connection()
    connection.register("t", table)
    answer = connection.execute(sql).fetchall()
    return Counter(tuple(canonical(v) for v in row) for row in answer)


def finals(events: Sequence[tuple[Row, int]]) -> list[Row]:
    """The rows left, in order of insertion, oldest equal row deleted first."""
    left: list[Row] = []
    for row, weight in events:
        if weight > 0:
            left.append(row)
        else:
            left.pop(next(i for i, r in enumerate(left) if r == row and repr(r) == repr(row)))
    return left


def times(watermark_us: int) -> Times:
    """One input's watermark."""
    return Times((watermark_us,), 0)


def tick(operator: Operator, delta: Delta, watermark_us: int = NO_WATERMARK) -> Delta | None:
    """What an operator of one input says in a tick of one delta."""
    said = operator.process(delta, 0, 0), operator.advance(times(watermark_us))
    return concat([change for change in said if change is not None])


def restarted(operator: Operator, fresh: Operator) -> Operator:
    """A new operator continuing from a snapshot."""
    fresh.restore(operator.snapshot())
    return fresh
