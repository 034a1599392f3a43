"""Recompute-and-diff against DuckDB, and what errors leave behind."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.errors import DivisionByZero
from sqlengine.operators.base import Times
from sqlengine.operators.recompute import RecomputeOperator
from sqlengine.plan import nodes
from tests.depth import rounds
from tests.operators.histories import Contents, cases, delta_of, duckdb_answer, final_inputs, run, source, tuples

A = pa.schema([("k", pa.string()), ("v", pa.int64())])
B = pa.schema([("k", pa.string()), ("w", pa.float64())])
ROWS_A = st.tuples(st.sampled_from([None, "x", "é", ""]), st.sampled_from([None, 0, 1, 2]))
ROWS_B = st.tuples(st.sampled_from([None, "x", "é"]), st.sampled_from([None, 0.5, -1.0]))

SQL = """
    WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 3)
    SELECT a.k, a.v, count(b.w) OVER (PARTITION BY a.k) AS n, sum(b.w) OVER (PARTITION BY a.k) AS total
    FROM in0 a FULL JOIN in1 b ON a.k = b.k LEFT JOIN up ON up.n = a.v
"""
ANSWER = pa.schema([("k", pa.string()), ("v", pa.int64()), ("n", pa.int64()), ("total", pa.float64())])


def recompute(sql: str, schema: pa.Schema, inputs: tuple[pa.Schema, ...], timed: bool = False) -> RecomputeOperator:
    branches = tuple(source(s, False) for s in inputs)
    return RecomputeOperator(
        nodes.Recompute(
            schema=schema,
            branches=branches,
            sql=sql,
            reason="a test",
            time_dependent=timed,
            append_only=False,
        )
    )


@given(case=cases([ROWS_A, ROWS_B], [True, True], size=30), restart=st.none() | st.integers(0, 30))
@settings(max_examples=rounds(16, 40), deadline=None)
def test_equals_duckdb(case, restart) -> None:  # type: ignore[no-untyped-def]
    got = run(lambda: recompute(SQL, ANSWER, (A, B)), [A, B], case, restart)
    assert got == duckdb_answer(SQL, final_inputs([A, B], case.events))


def test_runs_only_when_something_changed_and_casts_to_the_declared_types() -> None:
    schema = pa.schema([("n", pa.int32())])
    operator = recompute("SELECT count(*) AS n FROM in0", schema, (A,))
    first = operator.advance(Times((0,), 0))
    assert first is not None and tuples(first.batch) == [(0,)] and first.batch.schema == schema
    assert operator.advance(Times((0,), 1)) is None
    operator.process(delta_of(A, [("x", 1)], [1]), 0, 0)
    out = operator.advance(Times((0,), 2))
    assert out is not None
    assert list(zip(tuples(out.batch), out.weight_array().tolist(), strict=True)) == [((0,), -1), ((1,), 1)]
    assert operator.advance(Times((0,), 3)) is None


def test_now_is_the_ticks_time() -> None:
    schema = pa.schema([("t", pa.timestamp("us", "UTC"))])
    operator, contents = recompute("SELECT $now AS t", schema, (), timed=True), Contents()
    for now_us in (5, 5, 9):
        contents.add(operator.advance(Times((), now_us)))
        assert [pa.scalar(row[0], schema.field(0).type).value for row in contents.settled()] == [now_us]


def test_an_error_changes_nothing_and_the_next_run_is_whole() -> None:
    schema = pa.schema([("q", pa.int64())])
    operator, contents = recompute("SELECT 10 // v AS q FROM in0", schema, (A,)), Contents()
    operator.process(delta_of(A, [("x", 5)], [1]), 0, 0)
    contents.add(operator.advance(Times((0,), 0)))
    operator.process(delta_of(A, [("y", 0)], [1]), 0, 0)
    with pytest.raises(DivisionByZero):
        operator.advance(Times((0,), 1))
    assert contents.settled() == {(2,): 1}
    operator.process(delta_of(A, [("y", 0), ("z", 1)], [-1, 1]), 0, 0)
    contents.add(operator.advance(Times((0,), 2)))
    assert contents.settled() == {(2,): 1, (10,): 1}
