"""SessionAggregate against DuckDB's gaps-and-islands over random rows, splits, watermarks, deletions and restarts."""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.operators.aggregates import aggregate_set
from sqlengine.operators.base import END_OF_TIME, NO_WATERMARK, Operator
from sqlengine.operators.session_aggregate import SessionAggregateOperator
from sqlengine.plan.nodes import WINDOW_COLUMNS, AggregateCall, SessionAggregate, Window
from tests.depth import rounds
from tests.operators.aggregate_support import (
    COLUMN,
    EPOCH,
    SCHEMA,
    Contents,
    Row,
    call,
    delta_of,
    duck,
    finals,
    histories,
    restarted,
    rows_strategy,
    source,
    splits,
    times,
)
from tests.operators.test_window_aggregate import CALLS, S, micros, on_time


def node_of(
    keys: tuple[str, ...], calls: list[AggregateCall], gap_s: int, append_only: bool = True, **options: Any
) -> SessionAggregate:
    fields = [SCHEMA.field(k) for k in keys] + [pa.field(n, pa.timestamp("us")) for n in WINDOW_COLUMNS]
    fields += [pa.field(f"a{i}", c.type) for i, c in enumerate(calls)]
    return SessionAggregate(
        schema=pa.schema(fields),
        input=source(append_only),
        time_column=COLUMN["t"],
        window=Window("session", (0, gap_s * S), (0, gap_s * S)),
        keys=tuple(COLUMN[k] for k in keys),
        aggregates=tuple(calls),
        **options,
    )


def expected(keys: tuple[str, ...], selects: list[str], gap_s: int, rows: list[Row]) -> Counter[Row]:
    over = f"(PARTITION BY {', '.join(keys)} ORDER BY t, n)" if keys else "(ORDER BY t, n)"
    gap = f"INTERVAL {gap_s} SECOND"
    outs = [*keys, "min(t)", f"max(t) + {gap}", f"max(t) + {gap} - INTERVAL 1 MICROSECOND", *selects]
    return duck(
        f"""WITH cut AS (SELECT *, CASE WHEN t - lag(t) OVER {over} < {gap} THEN 0 ELSE 1 END AS fresh FROM t),
        numbered AS (SELECT *, sum(fresh) OVER {over} AS session FROM cut)
        SELECT {", ".join(outs)} FROM numbered GROUP BY {", ".join([*keys, "session"])}""",
        rows,
    )


@pytest.mark.parametrize("family", CALLS)
@pytest.mark.parametrize("delete", [False, True], ids=["append", "retract"])
@given(
    data=st.data(),
    keys=st.sampled_from([(), ("k",), ("g", "k")]),
    gap=st.sampled_from([1, 5, 20]),
    emit=st.sampled_from(["changes", "close"]),
)
@settings(max_examples=rounds(16, 40), deadline=None)
def test_equals_duckdb(
    family: str, delete: bool, data: st.DataObject, keys: tuple[str, ...], gap: int, emit: str
) -> None:
    calls = [c for c, _ in CALLS[family]]
    events = data.draw(rows_strategy(25).flatmap(lambda rows: histories(rows, delete, oldest_first=True)))
    lateness = data.draw(st.sampled_from([0, 5 * S])) if emit == "close" else 0
    node = node_of(keys, calls, gap, not delete, emit=emit, lateness_us=lateness)
    operator: Operator = SessionAggregateOperator(node)
    contents = Contents()
    restart = data.draw(st.integers(0, 4))
    compacts_at = data.draw(st.sampled_from([0, aggregate_set.COMPACT_ABOVE]))
    with mock.patch.object(aggregate_set, "COMPACT_ABOVE", compacts_at):
        for i, (start, stop) in enumerate(data.draw(splits(len(events)))):
            contents.add(operator.process(delta_of(events[start:stop]), 0, 0))
            contents.add(operator.advance(times(NO_WATERMARK)))
            if i == restart:
                operator = restarted(operator, SessionAggregateOperator(node))
        contents.add(operator.advance(times(END_OF_TIME)))
    assert contents.rows == expected(keys, [s for _, s in CALLS[family]], gap, finals(events))
    assert not operator.take_late()


@given(
    data=st.data(),
    rows=rows_strategy(40, seconds=60),
    delay=st.sampled_from([0, 7]),
    lateness=st.sampled_from([0, 6]),
)
@settings(max_examples=rounds(24, 60), deadline=None)
def test_late_rows_do_not_depend_on_batching(data: st.DataObject, rows: list[Row], delay: int, lateness: int) -> None:
    kept = [(row, mark) for row, mark in on_time(rows, delay) if micros(row) >= max(mark - lateness * S, NO_WATERMARK)]
    operator = SessionAggregateOperator(node_of(("k",), [call("count")], 5, emit="close", lateness_us=lateness * S))
    contents, done = Contents(), NO_WATERMARK
    for start, stop in data.draw(splits(len(kept))):
        contents.add(operator.process(delta_of([(row, 1) for row, _ in kept[start:stop]]), 0, 0))
        done = max([mark for _, mark in kept[:stop]], default=done)
        contents.add(operator.advance(times(done)))
    contents.add(operator.advance(times(END_OF_TIME)))
    assert contents.rows == expected(("k",), ["count(*)"], 5, [row for row, _ in kept])
    assert not operator.take_late()


def row_at(second: int, k: int | None = 1) -> Row:
    return (k,) + (None,) * 7 + (EPOCH + np.timedelta64(second, "s").astype(object),)


def test_a_bridging_row_retracts_both_sessions() -> None:
    operator, contents = SessionAggregateOperator(node_of(("k",), [call("count")], 10)), Contents()
    contents.add(operator.process(delta_of([(row_at(0), 1), (row_at(15), 1)]), 0, 0))
    assert sorted(r[-1] for r in contents.rows) == [1, 1]
    change = operator.process(delta_of([(row_at(8), 1)]), 0, 0)
    assert change is not None and change.weight_array().tolist() == [-1, -1, 1]
    contents.add(change)
    assert [(r[1], r[2], r[-1]) for r in contents.rows] == [(EPOCH, row_at(25)[-1], 3)]


def test_rows_exactly_a_gap_apart_are_two_sessions() -> None:
    operator, contents = SessionAggregateOperator(node_of(("k",), [call("count")], 10)), Contents()
    contents.add(operator.process(delta_of([(row_at(0), 1), (row_at(10), 1)]), 0, 0))
    assert sorted(r[-1] for r in contents.rows) == [1, 1]


def test_late_and_null_times() -> None:
    operator = SessionAggregateOperator(node_of(("k",), [call("count")], 10, emit="close"))
    assert operator.process(delta_of([(row_at(0), 1), ((None,) * 9, 1)]), 0, 0) is None
    closed = operator.advance(times(10 * S))
    assert closed is not None and closed.num_rows == 1 and closed.weights is None
    assert operator.process(delta_of([(row_at(9), 1), (row_at(10), 1)]), 0, 0) is None
    assert [b.num_rows for b in operator.take_late()] == [1]
    assert operator.state_size()["rows"] == 1


@pytest.mark.parametrize("append_only", [True, False])
def test_closed_sessions_are_forgotten(append_only: bool) -> None:
    node = node_of(("k",), [call("count"), call("min", "i")], 2, append_only, emit="close")
    operator, rng, seen = SessionAggregateOperator(node), np.random.default_rng(0), 0
    for tick in range(30):
        n = 2_000
        columns = {f.name: pa.nulls(n, f.type) for f in SCHEMA}
        columns["t"] = pa.array(rng.integers(tick * S, (tick + 1) * S, n), pa.timestamp("us"))
        columns["k"] = pa.array(rng.integers(tick * 1_000, tick * 1_000 + 1_500, n))
        operator.process(Delta(pa.RecordBatch.from_pydict(columns, schema=SCHEMA)), 0, 0)
        out = operator.advance(times((tick + 1) * S))
        seen += 0 if out is None else sum(out.batch.column("a0").to_pylist())
        assert operator.state_size()["rows"] < 6_000
        assert operator.state_size()["bytes"] < 8_000_000
        assert operator.sections()["keys"].size() < 6_000
    out = operator.advance(times(END_OF_TIME))
    assert out is not None and seen + sum(out.batch.column("a0").to_pylist()) == 60_000
