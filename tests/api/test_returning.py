"""RETURNING and ON CONFLICT DO UPDATE SET: expressions of every kind, over all columns of the table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sqlengine
from sqlengine import Database


@pytest.fixture
def db() -> Iterator[Database]:
    with sqlengine.connect() as database:
        yield database


def rows(database: Database, text: str) -> list[tuple[object, ...]]:
    return database.execute(text).fetchall()


def test_in_changes_and_what_they_return(db: Database) -> None:
    """Built-in functions that DuckDB spells otherwise, and the database's own."""
    db.execute("CREATE FUNCTION next(x INT) RETURNS INT RETURN x + 1")
    db.execute("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)")
    assert rows(db, "INSERT INTO t VALUES (1, 'x') RETURNING to_char(a, '099'), next(a)") == [(" 001", 2)]
    text = "INSERT INTO t VALUES (1, 'y') ON CONFLICT (a) DO UPDATE SET b = to_char(next(t.a), '00') || excluded.b"
    assert rows(db, f"{text} RETURNING b, next(next(a))") == [(" 02y", 3)]
    merge = "MERGE INTO t USING (VALUES (1), (9)) AS s (k) ON s.k = t.a WHEN MATCHED AND next(t.a) = 2 THEN UPDATE"
    merge += " SET b = to_char(s.k, '9') WHEN NOT MATCHED THEN INSERT VALUES (next(s.k), 'new')"
    assert sorted(rows(db, f"{merge} RETURNING next(a), b")) == [(2, " 1"), (11, "new")]
    assert rows(db, "DELETE FROM t WHERE a = 10 RETURNING upper(b), next(a)") == [("NEW", 11)]


def test_computed_columns_are_returned(db: Database) -> None:
    db.execute("CREATE TABLE t (a INT PRIMARY KEY, b INT, twice INT GENERATED ALWAYS AS (b * 2) STORED)")
    assert rows(db, "INSERT INTO t VALUES (1, 5), (2, 6) RETURNING *") == [(1, 5, 10), (2, 6, 12)]
    text = "INSERT INTO t VALUES (1, 7) ON CONFLICT (a) DO UPDATE SET b = t.twice + excluded.twice"
    assert rows(db, f"{text} RETURNING *, to_char(twice, '99')") == [(1, 24, 48, " 48")]
    assert rows(db, "UPDATE t SET b = 1 WHERE a = 1 RETURNING twice") == [(2,)]
    assert rows(db, "DELETE FROM t WHERE twice = 12 RETURNING *") == [(2, 6, 12)]
    merge = "MERGE INTO t USING (VALUES (1)) AS s (k) ON s.k = t.a WHEN MATCHED THEN UPDATE SET b = 9"
    assert rows(db, f"{merge} RETURNING *") == [(1, 9, 18)]
    db.execute("PREPARE p AS DELETE FROM t RETURNING *")
    assert rows(db, "EXECUTE p") == [(1, 9, 18)]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("'hello. to you'", "hello. to you"),
        ("'o.b' || excluded.b", "o.by"),
        ("t.b || ', ' || excluded.b", "x, y"),
        ("concat(t.b, '.o.', excluded.b)", "x.o.y"),
        ("CASE WHEN t.a = 1 THEN excluded.b ELSE t.b END", "y"),
        ("(t.a + 0.5)::text", "1.5"),
        ("(ARRAY[t.b, excluded.b])[2]", "y"),
        ("DEFAULT", None),
    ],
)
def test_what_a_conflict_sets(db: Database, value: str, stored: object) -> None:
    """Text in literals stays what it is, and functions are those of any other place."""
    db.execute("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)")
    db.execute("INSERT INTO t VALUES (1, 'x')")
    db.execute(f"INSERT INTO t VALUES (1, 'y') ON CONFLICT (a) DO UPDATE SET b = {value}")
    assert rows(db, "SELECT b FROM t") == [(stored,)]
