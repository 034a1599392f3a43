"""make_interval and to_char of intervals answer as PostgreSQL does, in both executors; clock_timestamp goes on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlengine
from sqlengine.errors import Error


def cases(kind: str) -> list[list[str]]:
    """Rows of the file that begin with a word, without it."""
    lines = Path(__file__).with_name("intervals_by_postgresql.tsv").read_text().splitlines()
    return [line.split("\t")[1:] for line in lines if line.startswith(f"{kind}\t")]


def literal(interval: str) -> str:
    return "NULL::interval" if interval == "NULL" else f"'{interval}'::interval"


def read(answer: str) -> str | None:
    return None if answer == "NULL" else answer


PATTERNS = list(dict.fromkeys(pattern for _, pattern, _ in cases("text")))


@pytest.fixture(scope="module")
def db() -> Iterator[sqlengine.Connection]:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, i INTERVAL, p TEXT)")
        yield db


@pytest.mark.parametrize("pattern", PATTERNS)
def test_texts(db: sqlengine.Connection, pattern: str) -> None:
    rows = [(interval, answer) for interval, form, answer in cases("text") if form == pattern]
    refusals = {answer[1:] for _, answer in rows if answer.startswith("!")}
    if refusals:
        for call in (f"to_char({literal(rows[0][0])}, '{pattern}')", f"to_char(i, '{pattern}') FROM {values(rows)}"):
            with pytest.raises(Error) as raised:
                db.execute(f"SELECT {call}")
            assert {raised.value.sqlstate} == refusals
        return
    for interval, answer in rows:
        found = db.execute(f"SELECT to_char({literal(interval)}, '{pattern}')").fetchall()
        assert found == [(read(answer),)], interval


def values(rows: list[tuple[str, str]]) -> str:
    return f"(VALUES {', '.join(f'({literal(interval)})' for interval, _ in rows)}) AS v (i)"


def test_texts_of_columns(db: sqlengine.Connection) -> None:
    rows = [row for row in cases("text") if not row[2].startswith("!") and row[1] in PATTERNS]
    patterns = [p for p in PATTERNS if not any(form == p and a.startswith("!") for _, form, a in cases("text"))]
    rows = [row for row in rows if row[1] in patterns]
    for number, pattern in enumerate(patterns):
        db.execute(f"CREATE MATERIALIZED VIEW v{number} AS SELECT id, to_char(i, '{pattern}') AS x FROM t")
    db.execute("CREATE MATERIALIZED VIEW w AS SELECT id, to_char(i, p) AS x FROM t")
    texts = (f"({number}, {literal(i)}, '{p}')" for number, (i, p, _) in enumerate(rows))
    db.execute(f"INSERT INTO t VALUES {', '.join(texts)}")
    assert db.execute("SELECT x FROM w ORDER BY id").fetchall() == [(read(row[2]),) for row in rows]
    for number, pattern in enumerate(patterns):
        expected = [(read(answer),) for _, form, answer in rows if form == pattern]
        for call, source in ((f"to_char(i, '{pattern}')", "t"), ("x", f"v{number} JOIN t USING (id)")):
            query = f"SELECT {call} FROM {source} WHERE p = '{pattern}' ORDER BY id"
            assert db.execute(query).fetchall() == expected, query


@pytest.mark.parametrize(("arguments", "answer"), cases("make"))
def test_made(arguments: str, answer: str) -> None:
    call = f"make_interval({arguments})"
    with sqlengine.connect() as db:
        if answer.startswith("!"):
            with pytest.raises(Error) as raised:
                db.execute(f"SELECT {call}")
            assert raised.value.sqlstate == answer[1:]
            return
        db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT {call} AS x")
        expected = db.execute(f"SELECT {literal(answer)}").fetchall()
        for query in (f"SELECT {call}", "SELECT x FROM v"):
            assert db.execute(query).fetchall() == expected, query


def test_made_of_columns() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, d INT, s DOUBLE PRECISION)")
        calls = ("make_interval(days => d, secs => s)", "make_interval(0, 0, 0, d, 0, 0, s)")
        for number, call in enumerate(calls):
            db.execute(f"CREATE MATERIALIZED VIEW v{number} AS SELECT id, {call} AS x FROM t")
        db.execute("INSERT INTO t VALUES (1, 2, 1.5), (2, NULL, 1), (3, -1, 0)")
        texts = ("'2 days 00:00:01.5'", "NULL", "'-1 days'")
        expected = [db.execute(f"SELECT {text}::interval").fetchall()[0] for text in texts]
        for number, call in enumerate(calls):
            assert db.execute(f"SELECT {call} FROM t ORDER BY id").fetchall() == expected
            assert db.execute(f"SELECT x FROM v{number} ORDER BY id").fetchall() == expected
        with pytest.raises(Error) as raised:
            db.execute("SELECT make_interval(hours => 100000000)")
        assert raised.value.sqlstate == "22008"


def test_the_clock_goes_on() -> None:
    with sqlengine.connect() as db:
        before = dt.datetime.now(dt.UTC)
        read, ahead = db.execute("SELECT clock_timestamp(), clock_timestamp() >= now()").fetchall()[0]
        assert before <= read <= dt.datetime.now(dt.UTC) and ahead
        query = "SELECT count(DISTINCT clock_timestamp()) > 1 FROM range(200000)"
        assert db.execute(query).fetchall() == [(True,)]
