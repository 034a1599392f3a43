"""INSERTs of literals mean what they mean to the ordinary parser, or are left to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sqlengine
from sqlengine.sql.plain_insert import plain_insert

KINDS = (
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9).map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(
        lambda text: "'" + text.replace("'", "''") + "'"
    ),
    st.sampled_from(["true", "FALSE"]),
    st.sampled_from(["'2024-01-02 03:04:05'", "'{}'", "'12'", "'1.50'"]),
)
LITERAL = st.one_of(KINDS)


KIND = st.sampled_from(
    [
        "TEXT",
        "BIGINT",
        "INT",
        "SMALLINT",
        "DOUBLE PRECISION",
        "REAL",
        "NUMERIC(12, 2)",
        "NUMERIC",
        "BOOLEAN",
        "TIMESTAMP",
        "JSON",
    ]
)


def column(count: int) -> st.SearchStrategy[list[str]]:
    """Literals of one kind, sometimes NULL; now and then of several kinds."""
    null = st.just("NULL")
    alike = [st.lists(kind | null, min_size=count, max_size=count) for kind in (*KINDS, LITERAL)]
    return st.one_of(alike)


@given(st.data(), st.integers(1, 6), st.booleans(), KIND, KIND)
def test_rows_are_those_of_the_ordinary_parser(data: st.DataObject, count: int, named: bool, a: str, b: str) -> None:
    rows = list(zip(data.draw(column(count)), data.draw(column(count)), strict=True))
    listed = ", ".join(f"({one}, {other})" for one, other in rows)
    columns = " (b, a)" if named else ""
    plain = f"INSERT INTO t{columns} VALUES {listed}"
    found = []
    for text in (plain, f"INSERT INTO t{columns} VALUES /* not plain */ {listed}"):
        with sqlengine.connect() as db:
            db.execute(f"CREATE TABLE t (a {a}, b {b})")
            try:
                db.execute(text)
                found.append(db.execute("SELECT * FROM t").fetchall())
            except sqlengine.Error as error:
                found.append(error.sqlstate)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "values",
    [
        "(1), (2) RETURNING a",
        "(1 + 1)",
        "(now())",
        "($1)",
        "(DEFAULT)",
        "(1), (E'x')",
        "(1); SELECT 1",
        "(1) -- x",
        "(1",
        "('a' 'b')",
    ],
)
def test_what_is_not_plain_is_left_alone(values: str) -> None:
    assert plain_insert(f"INSERT INTO t VALUES {values}") is None


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO table VALUES (1)",
        "INSERT INTO t (values) VALUES (1)",
        "INSERT INTO t (a, select) VALUES (1, 2)",
        "INSERT INTO s.with VALUES (1)",
    ],
)
def test_words_that_begin_a_query_are_no_names(text: str) -> None:
    assert plain_insert(text) is None


def test_names_are_folded_and_unquoted() -> None:
    found = plain_insert('insert into Sales."My ""T""" (A, "B c") values(1, \'x;\');')
    assert found is not None
    assert (found.target, found.columns) == (("sales", 'My "T"'), ("a", "B c"))
    assert found.query.text == "VALUES (1, 'x;')"


def test_errors_are_those_of_any_insert() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (a INT PRIMARY KEY)")
        many = ", ".join(f"({i})" for i in range(500))
        assert db.execute(f"INSERT INTO t VALUES {many}").tag == "INSERT 0 500"
        for text, sqlstate in (
            (f"INSERT INTO t VALUES {many}", "23505"),
            (f"INSERT INTO nope VALUES {many}", "42P01"),
            (f"INSERT INTO t (b) VALUES {many}", "42703"),
            (f"INSERT INTO t VALUES {many}, ('x')", "22P02"),
            (f"INSERT INTO t VALUES {many}, (1, 2)", "42601"),
        ):
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(text)
            assert caught.value.sqlstate == sqlstate, text[-20:]
