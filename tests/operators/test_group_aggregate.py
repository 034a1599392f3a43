"""GroupAggregate against DuckDB over random histories, splits and restarts."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.errors import InvalidParameter, OutOfRange, UndefinedFunction
from sqlengine.functions.aggregates import aggregate, names
from sqlengine.operators.aggregates import FACTORIES
from sqlengine.operators.base import NO_WATERMARK
from sqlengine.operators.group_aggregate import GroupAggregateOperator
from sqlengine.plan.nodes import AggregateCall, GroupAggregate
from tests.depth import rounds
from tests.operators.aggregate_support import (
    COLUMN,
    SCHEMA,
    Contents,
    call,
    delta_of,
    duck,
    finals,
    histories,
    restarted,
    rows_strategy,
    source,
    splits,
    tick,
    times,
)

FAMILIES: dict[str, list[tuple[AggregateCall, str]]] = {
    "linear": [
        (call("count"), "count(*)"),
        (call("count", "s"), "count(s)"),
        (call("count", where="flag"), "count(*) FILTER (flag)"),
        (call("sum", "i"), "sum(i)::BIGINT"),
        (call("sum", "f"), "sum(f)"),
        (call("sum", "d", where="b"), "sum(d) FILTER (b)"),
        (call("avg", "i"), "avg(i)"),
        (call("avg", "f"), "avg(f)"),
        (call("avg", "d"), "avg(d)"),
        (call("bool_and", "b"), "bool_and(b)"),
        (call("bool_or", "b", where="flag"), "bool_or(b) FILTER (flag)"),
    ],
    "moments": [
        (call("stddev", "f"), "stddev(f)"),
        (call("var_pop", "i"), "var_pop(i)"),
        (call("stddev_pop", "d"), "stddev_pop(d::DOUBLE)"),
        (call("var_samp", "i", where="flag"), "var_samp(i) FILTER (flag)"),
    ],
    "extremes": [
        (call("min", "i"), "min(i)"),
        (call("max", "f"), "max(f)"),
        (call("min", "s"), "min(s)"),
        (call("max", "d"), "max(d)"),
        (call("max", "t", where="b"), "max(t) FILTER (b)"),
        (call("max", "s", distinct=True), "max(s)"),
    ],
    "distinct": [
        (call("count", "i", distinct=True), "count(DISTINCT i)"),
        (call("count", "f", distinct=True), "count(DISTINCT f)"),
        (call("sum", "i", distinct=True, where="b"), "(sum(DISTINCT i) FILTER (b))::BIGINT"),
        (call("avg", "d", distinct=True), "avg(DISTINCT d)"),
        (call("approx_count_distinct", "s"), "count(DISTINCT s)"),
        (call("array_agg", "i", distinct=True), "list_sort(array_agg(DISTINCT i), 'ASC', 'NULLS LAST')"),
        (
            call("string_agg", "s", distinct=True, order=[("s", True, False)], constants=(",",)),
            "string_agg(DISTINCT s, ',' ORDER BY s DESC)",
        ),
        (call("count", "b", distinct=True), "count(DISTINCT b)"),
    ],
    "distributions": [
        (call("median", "i"), "quantile_cont(i::DOUBLE, 0.5)"),
        (call("percentile_cont", "f", constants=(0.3,)), "quantile_cont(f, 0.3)"),
        (
            call("percentile_cont", "i", constants=(0.3,), order=[("i", True, True)]),
            "quantile_cont(i::DOUBLE, 0.7)",
        ),
        (call("percentile_disc", "s", constants=("0.75",)), "quantile_disc(s, 0.75)"),
        (
            call("percentile_disc", "i", constants=(0.3,), order=[("i", True, True)]),
            "percentile_disc(0.3) WITHIN GROUP (ORDER BY i DESC)",
        ),
        (call("approx_quantile", "d", constants=(0.0,)), "quantile_disc(d, 0.0)"),
        (
            call("mode", "i"),
            "(SELECT list_min(list(v)) FROM (SELECT v, rank() OVER (ORDER BY count(*) DESC) r FROM "
            "(SELECT unnest(list(i) FILTER (i IS NOT NULL)) v) GROUP BY v) WHERE r = 1)",
        ),
    ],
    "lists": [
        (call("array_agg", "i"), "array_agg(i ORDER BY n)"),
        (
            call("array_agg", "s", order=[("t", True, True), ("i", False, False)]),
            "array_agg(s ORDER BY t DESC NULLS FIRST, i ASC NULLS LAST, n)",
        ),
        (
            call("string_agg", "s", constants=("; ",), where="flag"),
            "string_agg(s, '; ' ORDER BY n) FILTER (flag)",
        ),
        (call("listagg", "s", order=[("f", False, True)]), "string_agg(s, '' ORDER BY f NULLS FIRST, n)"),
    ],
    "picks": [
        (call("first", "s"), "first(s ORDER BY n)"),
        (call("last", "i", where="b"), "last(i ORDER BY n) FILTER (b)"),
        (call("any_value", "d"), "any_value(d ORDER BY n)"),
        (call("first_value", "s", order=[("i", False, False)]), "first(s ORDER BY i NULLS LAST, n)"),
        (call("last_value", "s", order=[("t", False, False)]), "last(s ORDER BY t, n)"),
        (call("first_value", "i", order=[("f", True, True)]), "first(i ORDER BY f DESC NULLS FIRST, n)"),
        (
            call("last_value", "i", order=[("i", True, False), ("s", False, True)]),
            "last(i ORDER BY i DESC NULLS LAST, s NULLS FIRST, n)",
        ),
        (call("arg_min", "s", "i"), "first(s ORDER BY i, n) FILTER (s IS NOT NULL AND i IS NOT NULL)"),
        (call("arg_max", "i", "f"), "first(i ORDER BY f DESC, n) FILTER (i IS NOT NULL AND f IS NOT NULL)"),
        (call("max_by", "f", "s"), "first(f ORDER BY s DESC, n) FILTER (s IS NOT NULL AND f IS NOT NULL)"),
    ],
}


def node_of(keys: tuple[str, ...], calls: list[AggregateCall], append_only: bool) -> GroupAggregate:
    fields = [SCHEMA.field(k) for k in keys] + [pa.field(f"a{i}", c.type) for i, c in enumerate(calls)]
    return GroupAggregate(
        schema=pa.schema(fields),
        input=source(append_only),
        keys=tuple(COLUMN[k] for k in keys),
        aggregates=tuple(calls),
    )


@pytest.mark.sampled(6)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("delete", [False, True], ids=["append", "retract"])
@given(data=st.data(), keys=st.sampled_from([(), ("k",), ("g",), ("g", "k")]))
@settings(max_examples=rounds(10, 25), deadline=None)
def test_equals_duckdb(family: str, delete: bool, data: st.DataObject, keys: tuple[str, ...]) -> None:
    calls = [c for c, _ in FAMILIES[family]]
    by_arrival = family in ("lists", "picks")
    events = data.draw(rows_strategy().flatmap(lambda rows: histories(rows, delete, by_arrival)))
    node = node_of(keys, calls, not delete)
    operator, contents = GroupAggregateOperator(node), Contents()
    restart = data.draw(st.integers(0, 4))
    for i, (start, stop) in enumerate(data.draw(splits(len(events)))):
        contents.add(operator.process(delta_of(events[start:stop]), 0, 0))
        if i == restart or data.draw(st.booleans()):
            contents.add(operator.advance(times(NO_WATERMARK)))
        if i == restart:
            operator = restarted(operator, GroupAggregateOperator(node))
    contents.add(operator.advance(times(NO_WATERMARK)))
    group_by = f"GROUP BY {', '.join(keys)}" if keys else ""
    sql = f"SELECT {', '.join([*keys, *(s for _, s in FAMILIES[family])])} FROM t {group_by}"
    assert contents.rows == duck(sql, finals(events))


def test_distinct_emits_each_key_once_and_takes_it_back() -> None:
    node = node_of(("g", "i"), [], False)
    operator, contents = GroupAggregateOperator(node), Contents()
    row = (None, "x", 1, None, None, None, None, None, None)
    contents.add(tick(operator, delta_of([(row, 1), (row, 1)])))
    assert contents.rows == {("x", 1): 1}
    assert tick(operator, delta_of([(row, -1)])) is None
    contents.add(tick(operator, delta_of([(row, -1)])))
    assert not contents.rows


def test_distinct_within_a_tick_takes_back_what_it_said_and_nothing_else() -> None:
    operator, contents = GroupAggregateOperator(node_of(("g", "i"), [], False)), Contents()
    row = (None, "x", 1, None, None, None, None, None, None)
    contents.add(tick(operator, delta_of([(row, 1)])))
    contents.add(operator.process(delta_of([(row, -1)]), 0, 0))
    contents.add(tick(operator, delta_of([(row, 1)])))
    assert contents.rows == {("x", 1): 1}
    contents.add(tick(operator, delta_of([(row, -1)])))
    contents.add(operator.process(delta_of([(row, 1)]), 0, 0))
    contents.add(tick(operator, delta_of([(row, -1)])))
    assert not contents.rows


def test_a_tick_in_pieces_is_told_once_from_what_was_to_what_is() -> None:
    operator = GroupAggregateOperator(node_of(("g",), [call("max", "i")], True))

    def rows(*values: tuple[str, int]) -> Delta:
        return delta_of([((None, g, i, *(None,) * 6), 1) for g, i in values])

    tick(operator, rows(("x", 1), ("y", 1)))
    assert operator.process(rows(("x", 2), ("z", 1)), 0, 0) is None
    assert operator.process(rows(("y", 3), ("x", 4), ("z", 5)), 0, 0) is None
    change = tick(operator, rows(("w", 1), ("y", 4)))
    assert change is not None
    assert change.batch.to_pydict() == {"g": ["x", "y", "x", "y", "z", "w"], "a0": [1, 1, 4, 4, 5, 1]}
    assert change.weight_array().tolist() == [-1, -1, 1, 1, 1, 1]
    assert operator.advance(times(NO_WATERMARK)) is None


def test_unchanged_groups_are_not_emitted() -> None:
    operator = GroupAggregateOperator(node_of(("g",), [call("max", "i")], True))
    rows = [
        (None, "x", 5, None, None, None, None, None, None),
        (None, "y", 1, None, None, None, None, None, None),
    ]
    tick(operator, delta_of([(r, 1) for r in rows]))
    lower = [
        (None, "x", 4, None, None, None, None, None, None),
        (None, "y", 2, None, None, None, None, None, None),
    ]
    change = tick(operator, delta_of([(r, 1) for r in lower]))
    assert change is not None
    assert change.batch.to_pydict() == {"g": ["y", "y"], "a0": [1, 2]}
    assert change.weight_array().tolist() == [-1, 1]


def test_integer_sums_overflow_with_22003_but_may_pass_through_large_values() -> None:
    schema = pa.schema([("v", pa.int64())])
    total = AggregateCall("sum", (0,), pa.int64())
    node = GroupAggregate(
        schema=pa.schema([("s", pa.int64())]), input=source(False, schema), keys=(), aggregates=(total,)
    )
    operator, top = GroupAggregateOperator(node), 2**63 - 1
    values = pa.RecordBatch.from_pydict({"v": [top, top, -top, -5]}, schema=schema)
    change = tick(operator, Delta(values))
    assert change is not None and change.batch.to_pydict() == {"s": [top - 5]}
    with pytest.raises(OutOfRange, match="bigint out of range"):
        tick(operator, Delta(values.slice(0, 1)))


@pytest.mark.parametrize("kind", [pa.decimal128(38, 0), pa.float64()], ids=str)
def test_other_sums_overflow(kind: pa.DataType) -> None:
    schema = pa.schema([("v", kind)])
    found = aggregate("sum")
    assert found is not None
    total = AggregateCall("sum", (0,), found.result_type([kind]))
    node = GroupAggregate(
        schema=pa.schema([("s", total.type)]), input=source(False, schema), keys=(), aggregates=(total,)
    )
    big = 10**38 - 1 if pa.types.is_decimal(kind) else 1.7e308
    values = pa.RecordBatch.from_arrays([pa.array([big], kind)], schema=schema)
    operator = GroupAggregateOperator(node)
    tick(operator, Delta(values))
    with pytest.raises(OutOfRange):
        tick(operator, Delta(values))


def test_infinities_and_nan_can_be_taken_back() -> None:
    schema = pa.schema([("v", pa.float64())])
    kinds = [("sum", pa.float64()), ("avg", pa.float64()), ("stddev", pa.float64()), ("max", pa.float64())]
    calls = tuple(AggregateCall(name, (0,), t) for name, t in kinds)
    node = GroupAggregate(
        schema=pa.schema([(n, t) for n, t in kinds]), input=source(False, schema), keys=(), aggregates=calls
    )
    operator, contents = GroupAggregateOperator(node), Contents()

    def feed(values: list[float], weights: list[int]) -> list[tuple[object, ...]]:
        batch = pa.RecordBatch.from_pydict({"v": values}, schema=schema)
        contents.add(tick(operator, Delta(batch, np.array(weights))))
        return list(contents.rows)

    nan, inf = float("nan"), float("inf")
    assert feed([1.0, 2.0, inf], [1, 1, 1]) == [(inf, inf, "nan", inf)]
    assert feed([nan], [1]) == [("nan", "nan", "nan", "nan")]
    assert feed([nan, inf, -inf], [-1, -1, 1]) == [(-inf, -inf, "nan", 2.0)]
    assert feed([-inf], [-1]) == [(3.0, 1.5, 0.707106781, 2.0)]


def test_large_groups_agree_with_duckdb() -> None:
    rng = np.random.default_rng(3)
    n = 200_000
    rows = pa.table(
        {
            "k": rng.integers(0, 5_000, n),
            "v": rng.normal(1e5, 1.0, n),
            "w": rng.integers(0, 100, n),
        }
    )
    kinds = [("count", ()), ("sum", (1,)), ("stddev", (1,)), ("max", (2,))]
    calls = tuple(AggregateCall(f, a, pa.int64() if f in ("count", "max") else pa.float64()) for f, a in kinds)
    schema = pa.schema([("k", pa.int64())] + [(f, c.type) for (f, _), c in zip(kinds, calls, strict=True)])
    node = GroupAggregate(schema=schema, input=source(True, rows.schema), keys=(0,), aggregates=calls)
    operator, latest = GroupAggregateOperator(node), {}
    for batch in rows.to_batches(max_chunksize=7_000):
        change = tick(operator, Delta(batch))
        assert change is not None
        plus = change.filter(pa.array(change.weight_array() > 0)).batch
        latest |= {row[0]: row for row in zip(*(c.to_pylist() for c in plus.columns), strict=True)}
    want = duckdb.sql("SELECT k, count(*), sum(v), stddev(v), max(w) FROM rows GROUP BY k").fetchall()
    for row in want:
        assert latest.pop(row[0]) == pytest.approx(row, rel=1e-9)
    assert not latest


def test_dead_groups_are_forgotten() -> None:
    schema = pa.schema([("k", pa.string())])
    calls = (AggregateCall("count", (), pa.int64()), AggregateCall("min", (0,), pa.string()))
    node = GroupAggregate(
        schema=pa.schema([("k", pa.string()), ("n", pa.int64()), ("m", pa.string())]),
        input=source(False, schema),
        keys=(0,),
        aggregates=calls,
    )
    operator, contents = GroupAggregateOperator(node), Contents()
    for i in range(8):
        batch = pa.RecordBatch.from_pydict({"k": [f"key {i} {j}" for j in range(1_000)]}, schema=schema)
        contents.add(operator.process(Delta(batch), 0, 0))
        contents.add(operator.process(Delta(batch.slice(1), np.full(999, -1)), 0, 0))
        contents.add(operator.advance(times(NO_WATERMARK)))
    assert sorted(contents.rows) == [(f"key {i} 0", 1, f"key {i} 0") for i in range(8)]
    assert operator.state_size()["rows"] == 8
    assert operator.state_size()["bytes"] < 2_000_000


def test_registry_and_factories_name_the_same_aggregates() -> None:
    assert set(names()) == set(FACTORIES)
    covered = {c.function for family in FAMILIES.values() for c, _ in family}
    aliases = {
        "mean",
        "every",
        "stddev_samp",
        "variance",
        "min_by",
        "quantile_cont",
        "quantile_disc",
        "approx_percentile",
    }
    elsewhere = {"approx_top_k"}  # tests/operators/test_frequent.py
    assert set(names()) == covered | aliases | elsewhere


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("sum", [pa.string()]),
        ("bool_and", [pa.int64()]),
        ("avg", []),
        ("string_agg", [pa.int64()]),
        ("min", [pa.list_(pa.int64())]),
    ],
)
def test_wrong_arguments_are_42883(name: str, args: list[pa.DataType]) -> None:
    found = aggregate(name)
    assert found is not None
    with pytest.raises(UndefinedFunction, match=rf"function {name}\(.*\) does not exist") as caught:
        found.result_type(args)
    assert caught.value.sqlstate == "42883"


def test_percentiles_are_between_0_and_1() -> None:
    with pytest.raises(InvalidParameter, match="not between 0 and 1"):
        GroupAggregateOperator(node_of((), [call("percentile_cont", "i", constants=(1.5,))], True))


def test_variance_survives_a_retracted_outlier_and_a_far_mean() -> None:
    schema = pa.schema([("v", pa.float64())])
    spread = AggregateCall("var_pop", (0,), pa.float64())
    node = GroupAggregate(
        schema=pa.schema([("s", pa.float64())]), input=source(False, schema), keys=(), aggregates=(spread,)
    )

    def answer(values: list[float], weights: list[int]) -> float:
        operator = GroupAggregateOperator(node)
        batch = pa.RecordBatch.from_pydict({"v": values}, schema=schema)
        change = tick(operator, Delta(batch, np.array(weights)))
        assert change is not None
        return float(change.batch.column(0)[0].as_py())

    assert answer([1e8, 0.0, 0.25, 1e8], [1, 1, 1, -1]) == pytest.approx(0.015625, rel=1e-12)
    far = -1e9 / 7
    assert answer([far, -0.3, -0.3, -0.3, far], [1, 1, 1, 1, -1]) == 0.0
    assert answer([1.1, -2.25, -2.25, 99999999.99, 1.1, 99999999.99], [1, 1, 1, 1, -1, -1]) == 0.0
    assert answer([1e15, 1e15 + 1, 1e15 + 2], [1, 1, 1]) == pytest.approx(2 / 3, rel=1e-12)


EXTREMES = {
    pa.uint64(): [0, 2**64 - 1, 2**63, None],
    pa.bool_(): [True, False, None],
    pa.binary(): [b"\x00", b"", b"\xff", None],
    pa.float32(): [0.5, -1.5, float("inf"), None],
    pa.decimal128(38, 0): [10**37, -(10**37), 0, None],
    pa.date32(): [0, -1, 1, None],
    pa.binary(16): [b"0123456789abcdef", b"0123456789abcdeg", None],
    pa.null(): [None],
}


@pytest.mark.parametrize("kind", EXTREMES, ids=str)
@pytest.mark.parametrize("append_only", [True, False])
def test_min_and_max_of_every_ordered_type(kind: pa.DataType, append_only: bool) -> None:
    schema = pa.schema([("v", kind)])
    calls = tuple(AggregateCall(f, (0,), kind) for f in ("min", "max"))
    node = GroupAggregate(
        schema=pa.schema([("lo", kind), ("hi", kind)]), input=source(append_only, schema), keys=(), aggregates=calls
    )
    operator, contents = GroupAggregateOperator(node), Contents()
    for value in EXTREMES[kind]:
        batch = pa.RecordBatch.from_arrays([pa.array([value], kind)], schema=schema)
        contents.add(tick(operator, Delta(batch)))
    values = [v for v in pa.array(EXTREMES[kind], kind).to_pylist() if v is not None]
    assert list(contents.rows) == [(min(values, default=None), max(values, default=None))]


@pytest.mark.parametrize("value", [1e200, -1e308])
def test_variances_overflow(value: float) -> None:
    schema = pa.schema([("v", pa.float64())])
    spread = AggregateCall("var_pop", (0,), pa.float64())
    node = GroupAggregate(
        schema=pa.schema([("s", pa.float64())]), input=source(False, schema), keys=(), aggregates=(spread,)
    )
    with pytest.raises(OutOfRange, match="overflow"):
        tick(GroupAggregateOperator(node), Delta(pa.RecordBatch.from_pydict({"v": [value, 0.0]}, schema=schema)))
