"""Cursors behave as PEP 249 says; sqlite3, which does, is asked the same where both can answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine.api.database import Database

ROWS = [(1, "one", 1.5), (2, None, 2.5), (3, "three", None)]


@pytest.fixture
def db() -> Iterator[Database]:
    with sqlengine.connect() as database:
        database.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, x DOUBLE PRECISION)")
        yield database


def both(db: Database) -> list[Any]:
    lite = sqlite3.connect(":memory:")
    lite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, x REAL)")
    return [db.cursor(), lite.cursor()]


def test_module_surface() -> None:
    assert (sqlengine.apilevel, sqlengine.paramstyle) == ("2.0", "qmark")
    assert sqlengine.threadsafety in (1, 2, 3)
    assert issubclass(sqlengine.IntegrityError, sqlengine.DatabaseError)
    assert issubclass(sqlengine.DatabaseError, sqlengine.Error)


def test_the_same_calls_give_the_same_rows_as_sqlite(db: Database) -> None:
    seen = []
    for cursor in both(db):
        cursor.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
        cursor.execute("SELECT id, name, x FROM t WHERE id >= ? ORDER BY id", (2,))
        first = cursor.fetchone()
        rest = cursor.fetchmany(5)
        end = cursor.fetchone()
        cursor.execute("SELECT id FROM t ORDER BY id")
        cursor.arraysize = 2
        seen.append((first, rest, end, cursor.fetchmany(), list(cursor), [d[0] for d in cursor.description]))
    assert seen[0] == seen[1]


def test_named_parameters(db: Database) -> None:
    cursor = db.cursor()
    cursor.execute("INSERT INTO t VALUES (:id, :name, NULL)", {"id": 7, "name": "it's"})
    assert cursor.rowcount == 1
    assert cursor.execute("SELECT name FROM t WHERE id = :id", {"id": 7}).fetchall() == [("it's",)]


def test_description_and_rowcount(db: Database) -> None:
    cursor = db.cursor()
    cursor.execute("SELECT 1::NUMERIC(10, 2) AS n, 'x' AS s")
    assert cursor.description is not None
    assert [(d[0], d[1]) for d in cursor.description] == [("n", "numeric(10,2)"), ("s", "text")]
    assert cursor.rowcount == 1
    cursor.execute("CREATE TABLE u (a INT)")
    assert cursor.description is None
    with pytest.raises(sqlengine.InterfaceError):
        cursor.fetchone()


def test_transactions_make_rows_visible_together(db: Database) -> None:
    db.execute("BEGIN")
    db.insert("t", [(1, "a", 0.0)])
    assert db.cursor().execute("SELECT count(*) FROM t").fetchone() == (0,)
    db.commit()
    assert db.cursor().execute("SELECT count(*) FROM t").fetchone() == (1,)
    db.execute("BEGIN")
    db.insert("t", [(2, "b", 0.0)])
    db.rollback()
    assert db.cursor().execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_closed_use_is_refused(db: Database) -> None:
    cursor = db.cursor()
    cursor.close()
    cursor.close()
    with pytest.raises(sqlengine.InterfaceError):
        cursor.execute("SELECT 1")
    db.close()
    with pytest.raises(sqlengine.InterfaceError):
        db.execute("SELECT 1")


def test_many_rows_are_written_together(db: Database) -> None:
    cursor = db.cursor()
    cursor.executemany("INSERT INTO t VALUES (?, 'x', ?), (?, 'y', NULL)", [(10, 1.5, 11), (12, None, 13)])
    assert cursor.rowcount == 4
    assert cursor.execute("SELECT id, name, x FROM t WHERE id > 9 ORDER BY id").fetchall() == [
        (10, "x", 1.5),
        (11, "y", None),
        (12, "x", None),
        (13, "y", None),
    ]
    cursor.executemany("INSERT INTO t (x, id) VALUES (:x, :id)", [{"id": 20 + i, "x": i / 2} for i in range(1_000)])
    assert cursor.rowcount == 1_000
    assert cursor.execute("SELECT count(*), sum(x) FROM t WHERE id >= 20").fetchall() == [(1_000, 249750.0)]


def test_many_rows_are_all_written_or_none(db: Database) -> None:
    cursor = db.cursor()
    before = cursor.execute("SELECT count(*) FROM t").fetchall()
    for sets, sqlstate in (
        ([(50, "a", 1.0), (51, "b")], "07001"),
        ([(50, "a", 1.0), (51, "b", 2.0, 3)], "07001"),
        ([(50, "a", 1.0), (50, "b", 2.0)], "23505"),
    ):
        with pytest.raises(sqlengine.Error) as caught:
            cursor.executemany("INSERT INTO t VALUES (?, ?, ?)", sets)
        assert caught.value.sqlstate == sqlstate
        assert cursor.execute("SELECT count(*) FROM t").fetchall() == before


@pytest.mark.parametrize(("action", "kept"), [("NOTHING", "a"), ("UPDATE SET name = excluded.name", "b")])
def test_many_rows_of_one_key(db: Database, action: str, kept: str) -> None:
    cursor = db.cursor()
    cursor.executemany(f"INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (id) DO {action}", [(80, "a", 1.0), (80, "b", 2.0)])
    assert cursor.execute("SELECT name FROM t WHERE id = 80").fetchall() == [(kept,)]


def test_many_times_what_is_no_plain_insert(db: Database) -> None:
    cursor = db.cursor()
    cursor.executemany("INSERT INTO t VALUES (? + 60, ?, 0.5)", [(1, "a"), (2, "b")])
    assert cursor.rowcount == 2
    cursor.executemany("UPDATE t SET name = ? WHERE id = ?", [("c", 61), ("d", 62), ("e", 1_000_000)])
    assert cursor.rowcount == 2
    cursor.executemany("INSERT INTO t VALUES (?, ?, 1.0)", [(70, "a"), (71, 5)])  # of two kinds
    cursor.executemany("INSERT INTO t VALUES (?, ?, 1.0)", [])
    found = cursor.execute("SELECT id, name FROM t WHERE id > 60 ORDER BY id").fetchall()
    assert found == [(61, "c"), (62, "d"), (70, "a"), (71, "5")]
