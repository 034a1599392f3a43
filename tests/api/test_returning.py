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
    assert rows(db, f"{merge} RETURNING *") == [(1, 1, 9, 18)]
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


@pytest.fixture
def pairs(db: Database) -> Database:
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT, twice INT AS (v * 2)); CREATE TABLE s (id INT, x TEXT)")
    db.execute("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3); INSERT INTO s VALUES (1, 'a'), (2, 'b')")
    return db


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("UPDATE t SET v = v + 10 FROM s WHERE t.id = s.id RETURNING *", [(1, 11, 22, 1, "a"), (2, 12, 24, 2, "b")]),
        ("UPDATE t SET v = 7 FROM s WHERE t.id = s.id RETURNING x, upper(x) || t.v", [("a", "A7"), ("b", "B7")]),
        ("UPDATE t SET v = 0 FROM s AS q (k, l) WHERE t.id = k RETURNING q.*, twice", [(1, "a", 0), (2, "b", 0)]),
        (
            "UPDATE t SET v = n FROM s JOIN (VALUES (2, 20)) AS w (k, n) ON s.id = k WHERE t.id = k "
            "RETURNING t.*, w.n, s.x",
            [(2, 20, 40, 20, "b")],
        ),
        ("UPDATE t SET v = g FROM generate_series(5, 6) AS g WHERE g = t.id + 4 RETURNING id, g", [(1, 5), (2, 6)]),
        ("DELETE FROM t AS a USING s AS b WHERE a.id = b.id RETURNING b.x, a.v", [("a", 1), ("b", 2)]),
        (
            "WITH n AS (SELECT 3 AS three) DELETE FROM t USING n WHERE id = three "
            "RETURNING three, (SELECT count(*) FROM t)",
            [(3, 3)],
        ),
        (
            "WITH gone AS (DELETE FROM t USING s WHERE t.id = s.id RETURNING t.id, x) SELECT sum(id), max(x) FROM gone",
            [(3, "b")],
        ),
        (
            "MERGE INTO t USING (VALUES (1, 9), (5, 50)) AS n (k, w) ON t.id = k WHEN MATCHED THEN UPDATE SET v = w "
            "WHEN NOT MATCHED THEN INSERT VALUES (k, w) WHEN NOT MATCHED BY SOURCE AND id = 3 THEN DELETE RETURNING *",
            [(1, 9, 1, 9, 18), (5, 50, 5, 50, 100), (None, None, 3, 3, 6)],
        ),
    ],
)
def test_columns_of_what_is_joined(pairs: Database, text: str, answer: list[tuple[object, ...]]) -> None:
    """As PostgreSQL answers: the new row, and beside it what it was joined with; of MERGE the source comes first."""
    assert sorted(rows(pairs, text), key=repr) == sorted(answer, key=repr)


def test_columns_of_what_is_joined_are_described(pairs: Database) -> None:
    pairs.execute("PREPARE p AS UPDATE t SET v = $1 FROM s WHERE t.id = s.id AND x = $2 RETURNING t.v, s.*")
    assert rows(pairs, "EXECUTE p (5, 'b')") == [(5, 2, "b")]


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("UPDATE t SET v = 0 FROM s WHERE t.id = s.id RETURNING id", "42702"),
        ("UPDATE t SET v = 0 FROM s WHERE t.id = s.id RETURNING t.v / t.v", "22012"),
        ("DELETE FROM t USING s WHERE t.id = s.id RETURNING s.nope", "42703"),
        ("DELETE FROM t RETURNING nope", "42703"),
        ("UPDATE t SET v = 0 RETURNING 1 / v", "22012"),
        ("INSERT INTO t VALUES (9, 0) RETURNING 1 / v", "22012"),
        ("INSERT INTO t VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET v = 0 RETURNING nope", "42703"),
    ],
)
def test_nothing_changes_where_returning_fails(pairs: Database, text: str, sqlstate: str) -> None:
    with pytest.raises(sqlengine.Error) as failed:
        pairs.execute(text)
    assert failed.value.sqlstate == sqlstate
    assert rows(pairs, "SELECT id, v FROM t ORDER BY id") == [(1, 1), (2, 2), (3, 3)]
