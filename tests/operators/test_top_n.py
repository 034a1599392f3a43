"""TopN against DuckDB over random histories, splits and restarts."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.operators import ranking, top_n
from sqlengine.operators.base import Times
from sqlengine.operators.top_n import TopNOperator
from sqlengine.plan import nodes
from sqlengine.state import ranked_rows
from tests.depth import rounds
from tests.operators.histories import Case, Contents, cases, delta_of, duckdb_answer, final_inputs, run, source, tuples

SCHEMA = pa.schema([("p", pa.string()), ("a", pa.float64()), ("b", pa.string()), ("c", pa.int64())])
ROWS = st.tuples(
    st.sampled_from([None, "x", "x", "y"]),
    st.sampled_from([None, -1.5, 0.0, 1.0, 2.0, float("inf")]),
    st.sampled_from([None, "", "a", "é", "zz"]),
    st.integers(0, 3) | st.none(),
)
DIRECTIONS = [(False, False), (False, True), (True, False), (True, True)]


def order_sql(order: tuple[tuple[int, bool, bool], ...]) -> str:
    return ", ".join(
        f"{SCHEMA.names[c]} {'DESC' if desc else 'ASC'} NULLS {'FIRST' if first else 'LAST'}"
        for c, desc, first in order
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("append_only", [True, False])
@pytest.mark.parametrize("function", ["row_number", "rank", "dense_rank"])
@given(
    data=st.data(),
    partition=st.sampled_from([(), (0,), (0, 3)]),
    rank_column=st.booleans(),
    limit=st.integers(0, 4),
    offset=st.integers(0, 2),
    spare=st.sampled_from([0, 64]),
    replace_at=st.sampled_from([1, 4, 32_768]),
    winnow_at=st.sampled_from([1, 3, 16_384]),
    keys=st.lists(
        st.tuples(st.sampled_from([1, 2]), st.sampled_from(DIRECTIONS)),
        min_size=1,
        max_size=2,
        unique_by=lambda k: k[0],
    ),
)
@settings(max_examples=rounds(16, 40), deadline=None)
def test_equals_duckdb(
    function: str,
    append_only: bool,
    data: st.DataObject,
    partition: tuple[int, ...],
    rank_column: bool,
    limit: int,
    offset: int,
    spare: int,
    replace_at: int,
    winnow_at: int,
    keys: list[tuple[int, tuple[bool, bool]]],
) -> None:
    order = tuple((column, *direction) for column, direction in keys)
    offset = offset if function == "row_number" else 0
    schema = pa.schema([*SCHEMA, ("r", pa.int64())]) if rank_column else SCHEMA
    node = nodes.TopN(
        schema=schema,
        input=source(SCHEMA, append_only),
        partition=partition,
        order=order,
        limit=limit,
        offset=offset,
        function=function,
        rank_column=rank_column,
        append_only=False,
    )
    case = data.draw(cases([ROWS], [not append_only]))
    restart = data.draw(st.none() | st.integers(0, 60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top_n, "SPARE", spare)
        patch.setattr(ranked_rows, "REPLACE_AT", replace_at)
        patch.setattr(top_n, "WINNOW_AT", winnow_at)
        got = run(lambda: TopNOperator(node), [SCHEMA], case, restart)
    assert got == duckdb_answer(_sql(node), final_inputs([SCHEMA], case.events))


@pytest.mark.parametrize("rank_column", [False, True])
@pytest.mark.parametrize("limit", [1, 3])
def test_losers_of_a_large_batch_leave_no_trace(monkeypatch: pytest.MonkeyPatch, limit: int, rank_column: bool) -> None:
    monkeypatch.setattr(ranked_rows, "REPLACE_AT", 1)
    node = nodes.TopN(
        schema=pa.schema([*SCHEMA, ("r", pa.int64())]) if rank_column else SCHEMA,
        input=source(SCHEMA, True),
        partition=(0,),
        order=((1, True, False),),
        limit=limit,
        rank_column=rank_column,
        append_only=False,
    )
    for seed in range(20):
        rng = random.Random(seed)
        events = [
            (0, (rng.choice("pqrstu"), float(rng.randint(0, 50)), rng.choice("ab"), rng.randint(0, 9)), 1)
            for _ in range(300)
        ]
        ends = frozenset(range(49, 300, 50))
        got = run(lambda: TopNOperator(node), [SCHEMA], Case(events, ends, ends))
        assert got == duckdb_answer(_sql(node), final_inputs([SCHEMA], events)), seed


def _sql(node: nodes.TopN) -> str:
    """Ties of row_number are broken by the columns that are neither partition nor order, as the node says."""
    rest = [c for c in range(len(SCHEMA)) if c not in {c for c, _, _ in node.order} | set(node.partition)]
    ties = tuple((c, False, False) for c in rest) if node.function == "row_number" else ()
    names = ", ".join(SCHEMA.names[c] for c in node.partition)
    over = f"{'PARTITION BY ' + names if names else ''} ORDER BY {order_sql(node.order + ties)}"
    ranked = f"SELECT *, {node.function}() OVER ({over}) AS r FROM in0"
    shown = "*" if node.rank_column else "* EXCLUDE r"
    return f"SELECT {shown} FROM ({ranked}) WHERE r > {node.offset} AND r <= {node.limit + node.offset}"


def leaders(append_only: bool, limit: int = 2) -> TopNOperator:
    schema = pa.schema([("v", pa.int64())])
    return TopNOperator(
        nodes.TopN(
            schema=schema,
            input=source(schema, append_only),
            partition=(),
            order=((0, True, False),),
            limit=limit,
            append_only=False,
        )
    )


def test_append_only_keeps_only_candidates() -> None:
    operator = leaders(append_only=True)
    for start in range(0, 100_000, 10_000):
        operator.process(delta_of(operator.schema, [(v,) for v in range(start, start + 10_000)], [1] * 10_000), 0, 0)
        operator.advance(Times((0,), 0))
    assert operator.state_size()["rows"] == 2
    out = operator.process(delta_of(operator.schema, [(5,)], [1]), 0, 0) or operator.advance(Times((0,), 0))
    assert out is None


def test_deleting_more_than_the_buffer_holds_refills_it() -> None:
    operator, contents = leaders(append_only=False), Contents()
    rows = [(v,) for v in range(1000)]
    operator.process(delta_of(operator.schema, rows, [1] * 1000), 0, 0)
    contents.add(operator.advance(Times((0,), 0)))
    for best in range(999, 1, -1):
        operator.process(delta_of(operator.schema, [(best,)], [-1]), 0, 0)
        contents.add(operator.advance(Times((0,), 0)))
        assert contents.settled() == {(best - 1,): 1, (best - 2,): 1}


def test_untouched_partitions_are_silent_and_ties_do_not_depend_on_arrival() -> None:
    first, second = leaders(False), leaders(False)
    rows = [(3,), (3,), (3,), (1,)]
    for operator, order in ((first, rows), (second, rows[::-1])):
        operator.process(delta_of(operator.schema, order, [1] * 4), 0, 0)
        out = operator.advance(Times((0,), 0))
        assert out is not None and sorted(tuples(out.batch)) == [(3,), (3,)]
    first.process(delta_of(first.schema, [(1,)], [-1]), 0, 0)
    assert first.advance(Times((0,), 0)) is None


def test_nan_is_above_all_numbers() -> None:
    codes = ranking.sort_codes(pa.array([float("nan"), float("inf"), -0.0, 0.0, None, -1.0]), False, False)
    nan, inf, zero, other_zero, null, minus = codes[0].tolist()
    assert minus < zero == other_zero < inf < nan < null


@pytest.mark.parametrize("nulls_first", [True, False])
@pytest.mark.parametrize("descending", [True, False])
def test_nulls_keep_their_end_next_to_the_greatest_and_least_numbers(descending: bool, nulls_first: bool) -> None:
    values = [5, None, 2**63 - 1, -(2**63), None]
    codes = ranking.sort_codes(pa.array(values), descending, nulls_first)
    order = np.lexsort(tuple(reversed(codes)))
    numbers = sorted((v for v in values if v is not None), reverse=descending)
    assert [values[i] for i in order] == ([None, None, *numbers] if nulls_first else [*numbers, None, None])


def test_equal_rows_that_change_places_behind_an_offset_say_nothing() -> None:
    schema = pa.schema([("v", pa.int64())])
    node = nodes.TopN(
        schema=schema,
        input=source(schema, True),
        partition=(),
        order=((0, True, False),),
        limit=1,
        offset=1,
        append_only=False,
    )
    operator = TopNOperator(node)
    said = [operator.process(delta_of(schema, [(5,)], [1]), 0, 0) or operator.advance(Times((0,), 0)) for _ in range(4)]
    assert [None if out is None else tuples(out.batch) for out in said] == [None, [(5,)], None, None]
