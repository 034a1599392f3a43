"""The evaluator: branches not taken never raise, failing rows are isolated, work is shared, types are exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import duck, errors
from sqlengine.expr.compile import can_raise, compile_exprs
from sqlengine.expr.simplify import conjunction, conjuncts, simplify, volatility
from sqlengine.expr.text import to_text
from sqlengine.functions import BUILTINS, Registry
from sqlengine.functions.registry import python_function
from sqlengine.functions.signature import parse
from tests.depth import rounds
from tests.expr.scope import batch_of, bound, values
from tests.functions.duck_text import to_duckdb

BATCH = batch_of(
    x=pa.array([1, 0, None, 4]),
    y=pa.array([10, 20, 30, None]),
    s=pa.array(["1", "x", None, "4"]),
    b=pa.array([True, False, None, True]),
    f=pa.array([0.0, -0.0, float("nan"), None]),
)

GUARDED = {
    "CASE WHEN x <> 0 THEN 100 / x ELSE -1 END": [100, -1, -1, 25],
    "CASE WHEN x = 0 THEN 0 WHEN 10 / x > 5 THEN 1 ELSE 2 END": [1, 0, 2, 2],
    "x <> 0 AND 10 / x > 2": [True, False, None, False],
    "x = 0 OR 10 / x > 5": [True, True, None, False],
    "10 / nullif(x, 0)": [10, None, None, 2],
    "coalesce(y, 1 / (x - 4))": [10, 20, 30, "error"],
    "coalesce(x, y, 1 / 0)": [1, 0, 30, 4],
    "if(s ~ '^[0-9]+$', s::int, -1)": [1, -1, -1, 4],
    "CASE WHEN s = 'x' THEN NULL ELSE s::bigint END": [1, None, None, 4],
    "CASE WHEN b THEN levenshtein(s, 'x') ELSE NULL END": [1, None, None, 1],
    "false AND 1 / 0 > 0": [False] * 4,
    "CASE WHEN x > 0 THEN interval '1 day' * x END": "intervals",
    "b AND s::int > 0": [True, False, None, True],
}


@pytest.mark.parametrize("text", [t for t, v in GUARDED.items() if isinstance(v, list) and "error" not in v])
def test_branches_not_taken_do_not_raise(text: str) -> None:
    assert values(text, BATCH) == GUARDED[text]
    simplified = simplify(bound(text, BATCH))
    assert compile_exprs([simplified])(BATCH)[0].to_pylist() == GUARDED[text]


def test_taken_branches_do_raise() -> None:
    with pytest.raises(errors.DivisionByZero):
        values("coalesce(y, 1 / (x - 4))", BATCH)


def test_failing_rows_are_isolated() -> None:
    evaluator = compile_exprs([bound("100 / x", BATCH), bound("s::bigint", BATCH), bound("y", BATCH)])
    arrays, good, failures = evaluator.try_eval(BATCH)
    assert good.to_pylist() == [True, False, True, True]
    assert [a.to_pylist() for a in arrays] == [[100, None, 25], [1, None, 4], [10, 30, None]]
    assert [(row, error.sqlstate) for row, error in failures] == [(1, "22012")]


@settings(max_examples=rounds(10, 25), deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-2, 2)), max_size=40), st.integers(0, 40))
def test_isolation_equals_row_by_row(divisors: list[Any], cut: int) -> None:
    batch = batch_of(x=pa.array(divisors, pa.int64()), y=pa.array(range(len(divisors)), pa.int64()))[
        min(cut, len(divisors)) :
    ]
    evaluator = compile_exprs([bound("y / x", batch), bound("y", batch)])
    (quotients, ys), good, failures = evaluator.try_eval(batch)
    expected = [
        (None if x is None else int(y / x), y) for x, y in zip(*(c.to_pylist() for c in batch.columns)) if x != 0
    ]
    assert list(zip(quotients.to_pylist(), ys.to_pylist())) == expected
    assert sorted(e.row for e in failures) == [i for i, ok in enumerate(good.to_pylist()) if not ok]


def test_common_parts_are_computed_once() -> None:
    calls: list[int] = []
    mine = Registry(BUILTINS)

    def seen(array: pa.Array) -> pa.Array:
        calls.append(len(array))
        return array

    mine.add(python_function(parse("seen(x bigint) -> bigint"), pa.int64(), seen))
    exprs = [
        bound(t, BATCH, mine)
        for t in ("seen(x) + 1", "seen(x) * 2", "CASE WHEN seen(x) > 0 THEN seen(x) ELSE seen(x) END")
    ]
    compile_exprs(exprs, mine)(BATCH)
    assert calls == [4]


def test_a_branch_sees_its_own_rows_only() -> None:
    calls: list[list[int]] = []
    mine = Registry(BUILTINS)

    def seen(array: pa.Array) -> pa.Array:
        calls.append(array.to_pylist())
        return array

    mine.add(python_function(parse("seen(x bigint) -> bigint"), pa.int64(), seen))
    assert values("CASE WHEN x > 0 THEN seen(y) END", BATCH, functions=mine) == [10, None, None, None]
    assert calls == [[10, None]]


def test_columns_are_not_copied() -> None:
    (column,) = compile_exprs([bound("y", BATCH)])(BATCH)
    assert column.buffers()[1].address == BATCH.column("y").buffers()[1].address


def test_one_duckdb_call_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    evaluate = duck.evaluate
    monkeypatch.setattr(duck, "evaluate", lambda *a: calls.append(a) or evaluate(*a))
    texts = ["levenshtein(s, 'x')", "jaccard(s, 'x1')", "levenshtein(s, 'y') + 1", "initcap(s)"]
    compile_exprs([bound(t, BATCH) for t in texts])(BATCH)
    assert len(calls) == 1


def test_zero_and_negative_zero_stay_apart() -> None:
    assert [str(v) for v in values("f", BATCH)] == ["0.0", "-0.0", "nan", "None"]
    pair = compile_exprs([bound("'-0'::double precision"), bound("'0'::double precision")])(BATCH)
    assert [str(a[0].as_py()) for a in pair] == ["-0.0", "0.0"]


def test_empty_batches() -> None:
    empty = BATCH.slice(0, 0)
    for text in [*GUARDED, "s || s", "ARRAY[x, y]", "levenshtein(s, s)", "ROW(x)", "x IN (1, 2)", "now()", "x::text"]:
        assert values(text, empty) == []


SIMPLIFIED = {
    "1 + 2 * 3": "7",
    "x > 1 AND true": "x > 1",
    "x > 1 AND false": "FALSE",
    "x > 1 OR true": "TRUE",
    "NOT NOT b": "b",
    "NOT (x > 1)": "x <= 1",
    "NOT (x IS NULL)": "x IS NOT NULL",
    "NOT (x IN (1, 2))": "x NOT IN (1, 2)",
    "(x > 1 AND y > 2) OR (y > 3 AND x > 1)": "(x > 1) AND ((y > 2) OR (y > 3))",
    "(x > 1 AND y > 2) OR x > 1": "x > 1",
    "x > 1 OR y > 2 AND x > 1 OR y > 2": "(x > 1) OR ((y > 2) AND (x > 1)) OR (y > 2)",
    "CASE WHEN true THEN x ELSE y END": "x",
    "CASE WHEN false THEN x END": "NULL",
    "x > 1 AND (y > 2 AND x > 1)": "(x > 1) AND (y > 2)",
    "1 / 0": "1 / 0",
    "lower('AB') || s": "'ab' || s",
    "x::bigint": "x",
    "now() > '2024-01-01'": "now() > timestamptz '2024-01-01 00:00:00+00:00'",
    "interval '1 day' * 2": "INTERVAL '2 days'",
    "x::text": "CAST(x AS text)",
    "extract(hour FROM timestamp '2024-01-01 05:00')": "5",
    "- x + 1": "-x + 1",
    "(ARRAY[x, y])[1]": "array(x, y)[1]",
    "x BETWEEN 1 AND 3": "(x >= 1) AND (x <= 3)",
}


@pytest.mark.parametrize("text", SIMPLIFIED)
def test_simplify_and_text(text: str) -> None:
    assert to_text(simplify(bound(text, BATCH))) == SIMPLIFIED[text]


RANDOM = st.recursive(
    st.sampled_from(["x", "y", "x + y", "x - 3", "y / x", "0", "7"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"(CASE WHEN {t[0]} > {t[1]} THEN {t[2]} ELSE {t[0]} END)"),
        st.tuples(inner, inner).map(lambda t: f"coalesce(nullif({t[0]}, {t[1]}), {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"greatest({t[0]}, {t[1]})"),
    ),
    max_leaves=6,
)


@settings(max_examples=rounds(24, 60), deadline=None)
@given(RANDOM)
def test_random_expressions_agree_with_duckdb(text: str) -> None:
    """Whole trees: ours, ours simplified, and DuckDB's give the same rows, and fail on the same ones."""
    expr = bound(text, BATCH)
    columns = dict(zip(BATCH.schema.names, BATCH.columns))
    for row in range(BATCH.num_rows):
        one = BATCH.slice(row, 1)
        mine = attempt(compile_exprs([expr]), one)
        assert mine == attempt(compile_exprs([simplify(expr)]), one)
        parts = {name: column.slice(row, 1) for name, column in columns.items()}
        assert mine == attempt(duck.evaluate, [to_duckdb(expr, BATCH.schema.names)], parts, 1)


CONDITIONS = st.recursive(
    st.sampled_from(["x > 1", "y > 2", "b", "x IS NULL", "NULL::boolean", "true"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(" + " OR ".join(parts) + ")"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(" + " AND ".join(parts) + ")"),
        inner.map("NOT {}".format),
    ),
    max_leaves=8,
)


@given(CONDITIONS)
def test_simplified_conditions_are_true_false_and_null_for_the_same_rows(text: str) -> None:
    expr = bound(text, BATCH)
    plain, simplified = (compile_exprs([e])(BATCH)[0].to_pylist() for e in (expr, simplify(expr)))
    assert plain == simplified


def attempt(run: Callable[..., list[pa.Array]], *args: Any) -> Any:
    try:
        return run(*args)[0][0].as_py()
    except errors.DataError:
        return "error"


def test_conjuncts() -> None:
    expr = bound("x > 1 AND (y > 2 AND b)", BATCH)
    parts = conjuncts(expr)
    assert [to_text(p) for p in parts] == ["x > 1", "y > 2", "b"]
    assert conjuncts(conjunction(parts)) == parts
    assert conjuncts(None) == []


def test_properties() -> None:
    assert can_raise(bound("x / y", BATCH)) and not can_raise(bound("x > y", BATCH))
    assert volatility(bound("x + 1", BATCH)) == "immutable"
    assert volatility(bound("now() - interval '1 hour'", BATCH)) == "stable"
    assert volatility(bound("random() < 0.5", BATCH)) == volatility(bound("uuid()::text || s", BATCH)) == "volatile"


NESTED = {
    "x" + " + x" * 249: [250, 0, None, 1000],
    "coalesce(" * 80 + "x" + ", 1)" * 80: [1, 0, 1, 4],
    "nullif(" * 80 + "x" + ", 9)" * 80: [1, 0, None, 4],
    "abs(" * 100 + "x" + ")" * 100: [1, 0, None, 4],
    "CASE WHEN x = 1 THEN " * 60 + "x" + " END" * 60: [1, None, None, None],
}


@pytest.mark.parametrize("text", NESTED, ids=lambda t: t[:12])
def test_deep_expressions(text: str) -> None:
    assert values(text, BATCH) == NESTED[text]
    assert to_text(bound(text, BATCH))


def test_many_terms() -> None:
    text = " OR ".join(f"x = {i}" for i in range(3000))
    assert values(text, BATCH) == [True, True, None, True]
