"""Hypothetical ranks, FETCH ... WITH TIES, rows of matches: PostgreSQL's answers, in SELECT and in views."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.errors import Error

TABLE = "CREATE TABLE h (id INT, k INT, x INT, s TEXT)"
ROWS = (
    "(1, 1, 5, 'a'), (2, 1, 5, 'b'), (3, 1, 7, NULL), (4, 1, NULL, 'a'), (5, 2, 1, 'z')",
    "(6, 2, NULL, NULL), (7, 2, 9, 'q'), (8, 1, 6, 'a'), (9, 1, 7, 'c'), (10, 3, NULL, NULL)",
)
GOING = "(11, 1, 6, 'a'), (12, 3, 4, 'b'), (13, 4, 6, 'c')"


def cases() -> list[tuple[str, str]]:
    lines = Path(__file__).with_name("ranks_by_postgresql.tsv").read_text(encoding="utf-8").splitlines()
    return [(line.split("\t")[0], line.split("\t")[1]) for line in lines if not line.startswith("#")]


def named(query: str) -> str:
    """The query with a name of its own for each column, which a view wants."""
    inner, _, rest = query.removeprefix("SELECT ").partition(" FROM h")
    parts = re.split(r", (?![^(]*\))", inner)
    if "WITHIN" not in inner:
        return query
    return "SELECT " + ", ".join(f"{part} AS c{at}" for at, part in enumerate(parts)) + " FROM h" + rest


def rows(text: str) -> list[list[str]]:
    return sorted([_number(cell) for cell in row.split("|")] for row in text.split(";") if row)


def _number(cell: str) -> str:
    return f"{float(cell):.12g}" if re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell) else cell


def shown(found: list[tuple[Any, ...]]) -> list[list[str]]:
    return sorted([_number("NULL" if value is None else str(value)) for value in row] for row in found)


@pytest.mark.parametrize(("query", "answer"), cases())
def test_answers(query: str, answer: str) -> None:
    with sqlengine.connect() as db:
        db.execute(TABLE)
        db.execute(f"CREATE MATERIALIZED VIEW v AS {named(query)}")
        plan = "\n".join(str(row) for row in db.execute(f"EXPLAIN {named(query)} EMIT CHANGES").fetchall())
        assert "maintained incrementally" in plan
        for written in ROWS:
            db.execute(f"INSERT INTO h VALUES {written}")
        for asked in (query, "SELECT * FROM v"):
            assert shown(db.execute(asked).fetchall()) == rows(answer), asked
        db.execute(f"INSERT INTO h VALUES {GOING}")
        assert shown(db.execute("SELECT * FROM v").fetchall()) == shown(db.execute(query).fetchall())
        db.execute("DELETE FROM h WHERE id > 10")
        assert shown(db.execute("SELECT * FROM v").fetchall()) == rows(answer)


def test_names_of_columns() -> None:
    query = (
        "SELECT rank(1) WITHIN GROUP (ORDER BY x), cume_dist(1) WITHIN GROUP (ORDER BY x) FILTER (WHERE k = 1) FROM h"
    )
    with sqlengine.connect() as db:
        db.execute(TABLE)
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        for asked in (query, "SELECT * FROM v"):
            assert db.execute(asked).columns == ["rank", "cume_dist"]


WRONG = {
    "SELECT rank(1, 2) WITHIN GROUP (ORDER BY x) FROM h": "42883",
    "SELECT dense_rank(1, 2) WITHIN GROUP (ORDER BY x, k) FROM h": "0A000",
    "SELECT id FROM h FETCH FIRST 2 ROWS WITH TIES": "42601",
    "SELECT DISTINCT k FROM h ORDER BY k FETCH FIRST 2 ROWS WITH TIES": "0A000",
    "SELECT * FROM h ORDER BY 1 FETCH FIRST 2 ROWS WITH TIES": "0A000",
    "SELECT array_fill(1, ARRAY[2], ARRAY[0])": "0A000",
    "SELECT * FROM regexp_matches('a', '(', 'g')": "2201B",
}


@pytest.mark.parametrize("query", WRONG)
def test_refusals(query: str) -> None:
    with sqlengine.connect() as db:
        db.execute(TABLE)
        with pytest.raises(Error) as raised:
            db.execute(query)
        assert raised.value.sqlstate == WRONG[query]


ROW_FIELDS = (
    ("SELECT id, (p).* FROM s", ["id", "a", "b"], [(1, 1, "x"), (2, None, None)]),
    ("SELECT (s.p).*, id FROM s", ["a", "b", "id"], [(1, "x", 1), (None, None, 2)]),
    ("SELECT (q.p).b, (p).a FROM s AS q", ["b", "a"], [("x", 1), (None, None)]),
    ("SELECT (r).* FROM (SELECT p AS r FROM s WHERE id = 1) x", ["a", "b"], [(1, "x")]),
)


@pytest.mark.parametrize(("query", "names", "expected"), ROW_FIELDS)
def test_fields_of_rows(query: str, names: list[str], expected: list[tuple[Any, ...]]) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE s (id INT PRIMARY KEY, p STRUCT<a INT, b TEXT>)")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        db.execute("INSERT INTO s VALUES (1, ROW(1, 'x')), (2, NULL), (3, ROW(7, 'y'))")
        db.execute("DELETE FROM s WHERE id = 3")
        for asked in (query, "SELECT * FROM v"):
            result = db.execute(asked)
            assert result.columns == names
            assert sorted(result.fetchall(), key=repr) == sorted(expected, key=repr)


def test_arrays_filled() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE h (id INT, n INT)")
        call = "array_fill(id, ARRAY[n]), array_fill('a'::text, ARRAY[2, 1]), array_fill(NULL::int, ARRAY[1])"
        query = f"SELECT {call} FROM h WHERE n >= 0"
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT array_fill(id, ARRAY[n]) AS a FROM h WHERE n >= 0")
        db.execute("INSERT INTO h VALUES (4, 3), (5, 0)")
        assert sorted(db.execute(query).fetchall()) == [
            ([], [["a"], ["a"]], [None]),
            ([4, 4, 4], [["a"], ["a"]], [None]),
        ]
        assert sorted(db.execute("SELECT a FROM v").fetchall()) == [([],), ([4, 4, 4],)]
