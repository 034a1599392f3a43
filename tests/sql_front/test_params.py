"""Parameters become literals; DuckDB says what their values are."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import duck, sql
from sqlengine.errors import Error
from tests.depth import rounds


def run(text: str, params: Any) -> list[Any]:
    bound = sql.bind_params(sql.parse_query(text), params)
    again = sql.parse_query(bound.text)  # the text, too, has the values
    rows = [list(row.values()) for row in _rows(bound)]
    assert rows == [list(row.values()) for row in _rows(again)]
    return rows[0]


def _rows(query: Any) -> list[dict[str, Any]]:
    text = sql.to_duckdb(query, lambda ref: f'"{ref.parts[-1]}"')
    table = duck.connection().sql(text).to_arrow_table()
    return table.rename_columns([f"c{i}" for i in range(table.num_columns)]).to_pylist()


VALUES = [
    None,
    True,
    5,
    -7,
    2**40,
    Decimal("1.50"),
    "x'; DROP TABLE t; --",
    "é\\n\n",
    b"\x00\xff",
    dt.date(1969, 1, 2),
    dt.datetime(2024, 1, 2, 3, 4, 5, 6),
    dt.time(1, 2, 3),
    uuid.UUID(int=5),
    1.5,
    float("inf"),
    [1, 2],
    {"a": 1},
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_values_come_back(value: Any) -> None:
    assert run("SELECT ?", [value]) == [value]


def test_other_types() -> None:
    assert run("SELECT ?, ?", [np.int64(3), pa.scalar("x")]) == [3, "x"]
    assert run("SELECT ?", [dt.datetime(2024, 1, 1, tzinfo=dt.UTC)])[0].timestamp() == 1_704_067_200
    assert run("SELECT TIMESTAMP '2024-01-02' + ?", [dt.timedelta(days=-1, seconds=5)]) == [
        dt.datetime(2024, 1, 1, 0, 0, 5)
    ]


@settings(max_examples=rounds(24, 60), deadline=None)
@given(
    st.one_of(
        st.integers(-(2**62), 2**62),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
        st.binary(max_size=6),
        st.dates(),
    )
)
def test_any_value(value: Any) -> None:
    assert run("SELECT ?", [value]) == [value]


def test_styles() -> None:
    assert run("SELECT ? - ?", [5, 3]) == [2]
    assert run("SELECT $2 - $1 - $1", [5, 13]) == [3]
    assert run("SELECT :a - :b::int", {"a": 5, "b": "3"}) == [2]
    assert run("SELECT '?', (ARRAY[1, 2])[1:?], 1 WHERE 1 IN (?, ?) LIMIT ?", [1, 1, 2, 3]) == ["?", [1], 1]
    assert run("SELECT '{\"b\": 1}'::json ? 'b', ?", [1]) == [True, 1]


@pytest.mark.parametrize(
    ("text", "params", "state"),
    [
        ("SELECT ?, ?", [1], "07001"),
        ("SELECT ?", [1, 2], "07001"),
        ("SELECT :a", {"b": 1}, "07001"),
        ("SELECT :a", [1], "07001"),
        ("SELECT ?", [object()], "08003"),
        ("SELECT ?", "text", "08003"),
        ("SELECT ?", ["a\0b"], "22021"),
        ("SELECT ?", [Decimal("NaN")], "22003"),
        ("SELECT $0", [1], "42601"),
    ],
)
def test_mistakes(text: str, params: Any, state: str) -> None:
    with pytest.raises(Error) as caught:
        sql.bind_params(sql.parse_query(text), params)
    assert caught.value.sqlstate == state


def test_missing_values_are_noticed() -> None:
    with pytest.raises(Error) as caught:
        sql.to_duckdb(sql.parse_query("SELECT ?"), str)  # type: ignore[arg-type]
    assert caught.value.sqlstate == "42P02"


def test_statements() -> None:
    made = sql.bind_params(sql.parse_one("UPDATE t SET a = ?, b = ? WHERE c = ? RETURNING a + ?"), [1, "it's", 3, 4])
    assert made.assignments == (("a", "1"), ("b", "'it''s'"))  # type: ignore[attr-defined]
    assert (made.where, made.returning) == ("c = 3", ("a + 4",))  # type: ignore[attr-defined]
    made = sql.bind_params(
        sql.parse_one("INSERT INTO t VALUES (?, ?), (?, ?) ON CONFLICT (a) DO UPDATE SET b = ?"),
        [1, 2, 3, 4, 5],
    )
    rows = made.query.rows.to_pylist()  # type: ignore[attr-defined]
    assert rows == [{"column1": 1, "column2": 2}, {"column1": 3, "column2": 4}]
    assert made.conflict_set == (("b", "5"),)  # type: ignore[attr-defined]
    made = sql.bind_params(sql.parse_one("INSERT INTO t VALUES (? + 1, ?), (?, ?)"), [1, 2, 3, 4])
    assert made.query.text == "VALUES (1 + 1, 2), (3, 4)"  # type: ignore[attr-defined]
    made = sql.bind_params(sql.parse_one("EXPLAIN SELECT ?"), [1])
    assert made.statement.query.text == "SELECT 1"  # type: ignore[attr-defined]
