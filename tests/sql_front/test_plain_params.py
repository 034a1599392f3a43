"""INSERTs of parameters mean what they mean to the ordinary parser, or are left to it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sqlengine
from sqlengine.sql import Typed
from sqlengine.sql.plain_params import filled, template_of

TYPES = (
    "TEXT", "BIGINT", "INT", "SMALLINT", "DOUBLE PRECISION", "REAL", "NUMERIC(12, 2)", "NUMERIC", "BOOLEAN",
    "TIMESTAMP", "TIMESTAMPTZ", "DATE", "TIME", "UUID", "BYTEA", "JSONB",
)  # fmt: skip
TEXTS = st.sampled_from(
    [
        "1", "-7", "1.5", "1e3", "NaN", "t", "false", "abc", "", " 5 ", "99999999999", "2024-01-02", "2024-02-30",
        "2024-01-02 03:04:05.678", "2024-01-02 03:04:05+02", "44-03-15 BC", "infinity", "12:30", "{}", '{"a": [1]}',
        "[1", "\\x00ff", "6f1c9f63-9a7d-4a5e-8d0a-0d4a2c1b7f11", "x\0y", "ünï",
    ]
)  # fmt: skip
PLAIN = (
    st.integers(-(2**70), 2**70),
    st.integers(-5, 5),
    st.floats(allow_nan=True),
    st.booleans(),
    TEXTS,
    st.binary(max_size=4),
    st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 1, 1)),
    st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2030, 1, 1), timezones=st.just(dt.UTC)),
    st.dates(),
    st.times(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    st.uuids(),
    st.lists(st.integers(0, 3), max_size=2),
)
TYPED = st.builds(Typed, TEXTS | st.none(), st.sampled_from([t.lower() for t in TYPES] + ["interval", "integer[]"]))


def of_kinds(count: int) -> st.SearchStrategy[list[Any]]:
    """Values of one kind with NULLs, or of any."""
    null = st.none()
    typed = st.sampled_from([t.lower() for t in TYPES]).flatmap(
        lambda name: st.lists(st.builds(Typed, TEXTS | null, st.just(name)) | null, min_size=count, max_size=count)
    )
    mixed = [st.lists(kind | null, min_size=count, max_size=count) for kind in (*PLAIN, st.one_of(*PLAIN), TYPED)]
    return st.one_of(typed, *mixed)


def outcome(text: str, values: Any, a: str, b: str) -> Any:
    """The rows there are then, or the SQLSTATE of the error."""
    with sqlengine.connect() as db:
        db.execute(f"CREATE TABLE t (a {a}, b {b})")
        try:
            db.execute(text, values)
            return repr(db.execute("SELECT * FROM t").fetchall())
        except sqlengine.Error as error:
            return error.sqlstate


@given(st.data(), st.integers(1, 3), st.sampled_from(TYPES), st.sampled_from(TYPES), st.booleans())
def test_rows_are_those_of_the_ordinary_way(data: st.DataObject, count: int, a: str, b: str, marks: bool) -> None:
    pairs = list(zip(data.draw(of_kinds(count)), data.draw(of_kinds(count)), strict=True))
    values = [value for pair in pairs for value in pair]
    spelt = ["?" if marks else f"${at + 1}" for at in range(len(values))]
    rows = [f"({one}, {other})" for one, other in zip(spelt[::2], spelt[1::2], strict=True)]
    plain = f"INSERT INTO t (b, a) VALUES {', '.join(rows)}"
    ordinary = f"INSERT INTO t (b, a) VALUES /* not plain */ {', '.join(rows)}"
    assert outcome(plain, values, a, b) == outcome(ordinary, values, a, b)


@pytest.mark.parametrize(
    ("text", "values", "rows"),
    [
        ("VALUES ($2, $1), ($1, $2)", ["x", "y"], [("y", "x"), ("x", "y")]),
        ("VALUES ($1, 'lit'), ($1, 'it''s')", ["x"], [("x", "lit"), ("x", "it's")]),
        ("VALUES (:a, :b)", {"a": "x", "b": None}, [("x", None)]),
        ("VALUES (?, NULL) RETURNING a", ["x"], [("x", None)]),
        ("VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = ? RETURNING b || ?", ["x", "y", "z", "!"], [("x", "y")]),
    ],
)
def test_parameters_go_where_they_are_named(text: str, values: Any, rows: list[Any]) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT)")
        if "'lit'" in text:  # the same key twice
            db.execute("DROP TABLE t")
            db.execute("CREATE STREAM t (a TEXT, b TEXT)")
        db.execute(f"INSERT INTO t {text}", values)
        assert sorted(db.execute("SELECT a, b FROM t").fetchall(), key=str) == sorted(rows, key=str)


@pytest.mark.parametrize(
    "text",
    [
        "VALUES ($1 + 1)", "VALUES ($1::int)", "VALUES (1, 2)", "VALUES ($1, 1), (2, $2)", "VALUES ($1), ($2, $3)",
        "VALUES ($1, DEFAULT)", "VALUES ($1) LIMIT 1", "SELECT $1", "VALUES (now(), $1)", "VALUES ($1, E'x')",
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_alone(text: str) -> None:
    assert template_of(text) is None


@pytest.mark.parametrize("values", [[1, "a"], [Decimal(1)], [2**63], ["a\0b"], [Typed("1 day", "interval")], [[1]]])
def test_values_that_need_more_are_left_alone(values: list[Any]) -> None:
    template = template_of("VALUES " + ", ".join(f"(${at + 1})" for at in range(len(values))))
    assert template is not None and filled(template, lambda key: values[int(key)]) is None


@pytest.mark.parametrize(
    ("text", "values", "sqlstate"),
    [
        ("INSERT INTO t VALUES ($1, $2)", [1], "07001"),
        ("INSERT INTO t VALUES ($1, $2)", [1, 2, 3], "07001"),
        ("INSERT INTO t VALUES (:a, :b)", {"a": 1}, "07001"),
        ("INSERT INTO t VALUES ($1, $2)", ["x", 1], "22P02"),
        ("INSERT INTO t VALUES ($1, $2)", [2**31, 1], "22003"),
        ("INSERT INTO t VALUES ($1, $2, $3)", [1, 2, 3], "42601"),
        ("INSERT INTO t VALUES ($1, $2)", [None, 3], "23502"),
        ("INSERT INTO nope VALUES ($1, $2)", [1, 3], "42P01"),
    ],
)
def test_errors_are_those_of_any_insert(text: str, values: Any, sqlstate: str) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (a INT PRIMARY KEY, b INT)")
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(text, values)
        assert caught.value.sqlstate == sqlstate
        assert db.execute("SELECT * FROM t").fetchall() == []


def test_an_insert_that_is_explained_keeps_its_query() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (a INT)")
        assert ("Values 1 rows",) in db.execute("EXPLAIN INSERT INTO t VALUES (?)", [1]).fetchall()


def test_a_template_is_kept_for_the_next_time() -> None:
    assert template_of("VALUES ($1, 7)") is template_of("VALUES ($1, 7)")
    long = "VALUES ($1, '" + "x" * 20_000 + "')"
    assert template_of(long) is not template_of(long)
