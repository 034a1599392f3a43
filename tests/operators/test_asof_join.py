"""As-of joins against DuckDB: corrected under any history, settled under watermarks."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.errors import NotSupportedError
from sqlengine.operators.asof_join import AsofJoinOperator
from sqlengine.operators.base import END_OF_TIME, NO_WATERMARK, Times
from sqlengine.plan import nodes
from tests.depth import rounds
from tests.operators.histories import (
    Contents,
    Event,
    Row,
    cases,
    delta_of,
    duckdb_answer,
    final_inputs,
    run,
    source,
    tuples,
)

LEFT = pa.schema([("k", pa.string()), ("ts", pa.timestamp("us")), ("v", pa.int64())])
RIGHT = pa.schema([("k", pa.string()), ("ts", pa.timestamp("us")), ("w", pa.int64())])
KEYS = st.sampled_from([None, "a", "a", "b"])


def stamp(us: int | None) -> object:
    return None if us is None else pa.scalar(us, pa.timestamp("us")).as_py()


LEFT_ROWS = st.builds(lambda k, t, v: (k, stamp(t), v), KEYS, st.none() | st.integers(-5, 15), st.integers(0, 2))
RIGHT_TIMES = st.builds(lambda k, t: (k, stamp(t), t), KEYS, st.none() | st.integers(-5, 15))
"""Of one key, equal times are equal rows: otherwise SQL leaves open which one counts."""


def node(kind: str, direction: str, strict: bool, settle: bool = False, append_only: bool = False) -> nodes.AsofJoin:
    return nodes.AsofJoin(
        schema=pa.schema([*LEFT, *RIGHT]),
        left=source(LEFT, append_only or settle),
        right=source(RIGHT, append_only or settle),
        kind=kind,
        left_keys=(0,),
        right_keys=(0,),
        left_time=1,
        right_time=1,
        direction=direction,
        strict=strict,
        settle=settle,
        append_only=False,
    )


def sql(kind: str, direction: str, strict: bool) -> str:
    compare = {"backward": ">", "forward": "<"}[direction] + ("" if strict else "=")
    distinct = "(SELECT DISTINCT * FROM in1)"
    join = "LEFT JOIN" if kind == "left" else "JOIN"
    return f"SELECT l.*, r.* FROM in0 l ASOF {join} {distinct} r ON l.k = r.k AND l.ts {compare} r.ts"


SHAPES = [
    (kind, direction, strict)
    for kind in ("inner", "left")
    for direction in ("backward", "forward")
    for strict in (False, True)
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("kind", "direction", "strict"), SHAPES)
@given(data=st.data())
@settings(max_examples=rounds(10, 25), deadline=None)
def test_corrected_equals_duckdb(kind: str, direction: str, strict: bool, data: st.DataObject) -> None:
    case = data.draw(cases([LEFT_ROWS, RIGHT_TIMES], [True, True]))
    restart = data.draw(st.none() | st.integers(0, 60))
    plan = node(kind, direction, strict)
    got = run(lambda: AsofJoinOperator(plan), [LEFT, RIGHT], case, restart)
    assert got == duckdb_answer(sql(kind, direction, strict), final_inputs([LEFT, RIGHT], case.events))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("kind", "direction", "strict"), SHAPES)
@given(data=st.data())
@settings(max_examples=rounds(10, 25), deadline=None)
def test_settled_equals_duckdb_and_never_retracts(kind: str, direction: str, strict: bool, data: st.DataObject) -> None:
    case = data.draw(cases([LEFT_ROWS, RIGHT_TIMES], [False, False]))
    restart = data.draw(st.none() | st.integers(0, 60))
    plan = node(kind, direction, strict, settle=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sqlengine.operators.asof_settle.TRIM_AT", 2)
        got = run(lambda: OnlyInserts(plan), [LEFT, RIGHT], case, restart, watermark_before)
    assert got == duckdb_answer(sql(kind, direction, strict), final_inputs([LEFT, RIGHT], case.events))


class OnlyInserts(AsofJoinOperator):
    """Checks that every output is append-only."""

    def process(self, delta, port, now_us):  # type: ignore[no-untyped-def]
        out = super().process(delta, port, now_us)
        assert out is None or out.weights is None
        return out

    def advance(self, times):  # type: ignore[no-untyped-def]
        out = super().advance(times)
        assert out is None or out.weights is None
        return out


def watermark_before(rest: Sequence[Event]) -> int:
    """The greatest watermark that makes none of the coming rows late."""
    times = [pa.scalar(row[1], pa.timestamp("us")).value for _, row, _ in rest if row[1] is not None]
    return min(times, default=END_OF_TIME if not rest else 0)


def test_of_equal_right_times_the_last_that_arrived_counts() -> None:
    operator, contents = AsofJoinOperator(node("inner", "backward", False)), Contents()
    rows: list[Row] = [("a", stamp(1), 10), ("a", stamp(1), 20)]
    operator.process(delta_of(LEFT, [("a", stamp(5), 0)], [1]), 0, 0)
    for row, expected in zip(rows, (10, 20), strict=True):
        operator.process(delta_of(RIGHT, [row], [1]), 1, 0)
        contents.add(operator.advance(Times((0, 0), 0)))
        assert [row[-1] for row in contents.settled()] == [expected]
    operator.process(delta_of(RIGHT, [rows[1]], [-1]), 1, 0)
    contents.add(operator.advance(Times((0, 0), 0)))
    assert [row[-1] for row in contents.settled()] == [10]


def test_settled_state_is_dropped_as_time_passes() -> None:
    operator = AsofJoinOperator(node("left", "backward", False, settle=True))
    released = 0
    for start in range(0, 200_000, 10_000):
        rows: list[Row] = [("a", stamp(t), t) for t in range(start, start + 10_000)]
        operator.process(delta_of(RIGHT, rows, [1] * len(rows)), 1, 0)
        operator.process(delta_of(LEFT, rows[::100], [1] * 100), 0, 0)
        out = operator.advance(Times((start + 9_000, start + 9_000), 0))
        assert out is not None and out.weights is None
        released += out.num_rows
        assert operator.output_watermark(Times((start + 9_000, start + 9_000), 0)) <= start + 9_000
        assert operator.state_size()["rows"] < 60_000
    out = operator.advance(Times((END_OF_TIME, END_OF_TIME), 0))
    assert out is not None and released + out.num_rows == 2_000


def test_corrections_leave_the_rest_alone() -> None:
    operator = AsofJoinOperator(node("left", "backward", False))
    operator.process(delta_of(LEFT, [("a", stamp(t), t) for t in (1, 5, 9)], [1, 1, 1]), 0, 0)
    operator.process(delta_of(RIGHT, [("a", stamp(0), 0), ("a", stamp(8), 8)], [1, 1]), 1, 0)
    operator.advance(Times((0, 0), 0))
    operator.process(delta_of(RIGHT, [("a", stamp(4), 4)], [1]), 1, 0)
    out = operator.advance(Times((0, 0), 0))
    assert out is not None
    assert [(row[2], row[5], int(w)) for row, w in zip(tuples(out.batch), out.weight_array(), strict=True)] == [
        (5, 0, -1),
        (5, 4, 1),
    ]


def test_a_time_without_a_64_bit_order_is_refused() -> None:
    schema = pa.schema([("k", pa.string()), ("ts", pa.decimal128(30, 2))])
    plan = nodes.AsofJoin(
        schema=pa.schema([*schema, *schema]),
        left=source(schema, True),
        right=source(schema, True),
        kind="inner",
        left_keys=(0,),
        right_keys=(0,),
        left_time=1,
        right_time=1,
    )
    with pytest.raises(NotSupportedError, match="numeric"):
        AsofJoinOperator(plan)


def test_nothing_is_final_before_the_first_watermark() -> None:
    operator = AsofJoinOperator(node("inner", "backward", False, settle=True))
    operator.process(delta_of(RIGHT, [("a", stamp(1), 1)], [1]), 1, 0)
    operator.process(delta_of(LEFT, [("a", stamp(2), 2)], [1]), 0, 0)
    assert operator.advance(Times((NO_WATERMARK, NO_WATERMARK), 0)) is None
    assert operator.state_size()["rows"] == 2
