"""Every function's example is true, in both executors, and every function has a description."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sqlengine import duck, errors, functions, sql
from sqlengine.expr.bind import bind
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.tree import InputRef
from sqlengine.functions import BUILTINS, Function
from sqlengine.sql import ast
from tests.functions.duck_text import to_duckdb

ONE_ROW = pa.RecordBatch.from_arrays([pa.array([0])], names=["_"])
ALL = list(BUILTINS.functions())
WITH_EXAMPLE = [f for f in ALL if f.example]


class NoColumns:
    """A scope without names."""

    def resolve(self, column: ast.Column) -> InputRef:
        raise errors.UndefinedColumn(f'column "{column.parts[-1]}" does not exist', position=column.position)


@pytest.mark.parametrize("function", WITH_EXAMPLE, ids=lambda f: f.example)
def test_example_holds(function: Function) -> None:
    bound = bind(sql.parse_expr(function.example), NoColumns())
    assert compile_exprs([bound])(ONE_ROW, 1_700_000_000_000_000)[0].to_pylist() == [True]


@pytest.mark.parametrize("function", [f for f in WITH_EXAMPLE if f.duck != ""], ids=lambda f: f.example)
def test_example_holds_in_duckdb(function: Function) -> None:
    if function.name == "regexp_match":
        pytest.skip("regexp_match has no DuckDB spelling")
    bound = bind(sql.parse_expr(function.example), NoColumns())
    try:
        text = to_duckdb(bound, [])
    except errors.NotSupportedError:
        pytest.skip("the example uses a function DuckDB lacks")
    assert duck.evaluate([text], {}, 1)[0].to_pylist() == [True], text


@pytest.mark.parametrize("function", ALL, ids=lambda f: f.signatures[0].text)
def test_is_described(function: Function) -> None:
    assert function.description and not function.description.endswith(".")
    assert function.kernel is not None or function.duck != ""
    if function.name != "map_get":  # there is no way to write a map that is not DuckDB's
        assert any(f.example for f in BUILTINS.lookup(function.name)), "no overload has an example"


def test_listing_names_everything() -> None:
    names = {row[0] for row in functions.listing()}
    assert {"abs", "split_index", "count", "add", "date_trunc"} <= names
