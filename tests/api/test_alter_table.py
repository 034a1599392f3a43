"""ALTER TABLE of defaults and CHECK constraints, and DEFAULT among values, across restarts."""

from __future__ import annotations

import pytest

import sqlengine


def rows(db, query):
    return db.execute(query).fetchall()


def refused(db, statement, state):
    with pytest.raises(sqlengine.Error) as caught:
        db.execute(statement)
    assert caught.value.sqlstate == state, caught.value


def test_defaults_are_those_of_the_moment_a_row_is_written(tmp_path):
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT DEFAULT 3, c TEXT)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT id, a, c FROM t")
        db.execute("INSERT INTO t (id) VALUES (1)")
        db.execute("ALTER TABLE t ALTER COLUMN a SET DEFAULT 2 * 4")
        db.execute("ALTER TABLE t ALTER c SET DEFAULT 'it''s'")
        db.execute("INSERT INTO t (id) VALUES (2)")
    with sqlengine.connect(tmp_path) as db:
        db.execute("INSERT INTO t (id) VALUES (3)")
        db.execute("ALTER TABLE t ALTER COLUMN a DROP DEFAULT")
        db.execute("INSERT INTO t (id) VALUES (4)")
    with sqlengine.connect(tmp_path) as db:
        db.execute("INSERT INTO t (id) VALUES (5)")
        expected = [(1, 3, None), (2, 8, "it's"), (3, 8, "it's"), (4, None, "it's"), (5, None, "it's")]
        assert rows(db, "SELECT * FROM t ORDER BY id") == expected
        assert rows(db, "SELECT * FROM v ORDER BY id") == expected


def test_checks_are_added_and_dropped(tmp_path):
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT)")
        db.execute("INSERT INTO t VALUES (1, 5), (2, NULL)")
        db.execute("ALTER TABLE t ADD CHECK (a > 0)")
        db.execute("ALTER TABLE t ADD CONSTRAINT small CHECK (a < 100)")
        refused(db, "ALTER TABLE t ADD CONSTRAINT large CHECK (a > 50)", "23514")
        refused(db, "ALTER TABLE t ADD CONSTRAINT small CHECK (a < 7)", "42710")
    with sqlengine.connect(tmp_path) as db:
        refused(db, "INSERT INTO t VALUES (3, 100)", "23514")
        refused(db, "UPDATE t SET a = 0 WHERE id = 1", "23514")
        db.execute("ALTER TABLE t DROP CONSTRAINT small")
        db.execute("INSERT INTO t VALUES (3, 100)")
        refused(db, "INSERT INTO t VALUES (4, -1)", "23514")
        db.execute("ALTER TABLE t DROP CONSTRAINT IF EXISTS small")
        db.execute("ALTER TABLE t DROP CONSTRAINT t_check")
    with sqlengine.connect(tmp_path) as db:
        db.execute("INSERT INTO t VALUES (4, -1)")
        assert rows(db, "SELECT a FROM t ORDER BY id") == [(5,), (None,), (100,), (-1,)]


def test_default_stands_among_values():
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (a INT DEFAULT 3, n INT GENERATED ALWAYS AS IDENTITY, c TEXT DEFAULT 'x''y', e INT)")
        db.execute("INSERT INTO t DEFAULT VALUES")
        db.execute("INSERT INTO t VALUES (DEFAULT, DEFAULT, DEFAULT, 5)")
        db.execute("INSERT INTO t (a, c) VALUES (DEFAULT, 'p'), (7, DEFAULT)")
        db.execute("INSERT INTO t (e, a) VALUES (DEFAULT, DEFAULT), (1 + 1, DEFAULT)")
        assert rows(db, "SELECT a, n, c, e FROM t ORDER BY n") == [
            (3, 1, "x'y", None),
            (3, 2, "x'y", 5),
            (3, 3, "p", None),
            (7, 4, "x'y", None),
            (3, 5, "x'y", None),
            (3, 6, "x'y", 2),
        ]
        db.execute("UPDATE t SET a = DEFAULT, c = default WHERE n = 4")
        assert rows(db, "SELECT a, c FROM t WHERE n = 4") == [(3, "x'y")]
        assert rows(db, "INSERT INTO t VALUES (DEFAULT, DEFAULT) RETURNING a, c") == [(3, "x'y")]
        db.execute("CREATE TABLE k (id INT PRIMARY KEY, v INT DEFAULT 9)")
        for _ in range(2):
            db.execute("INSERT INTO k VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET v = DEFAULT")
        assert rows(db, "SELECT * FROM k") == [(1, 9)]


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("ALTER TABLE t ALTER n SET DEFAULT 3", "42601"),
        ("ALTER TABLE t ALTER zz SET DEFAULT 3", "42703"),
        ("ALTER TABLE t ALTER a SET DEFAULT 'q'", "22P02"),
        ("ALTER TABLE t ALTER a SET DEFAULT c", "42703"),
        ("ALTER TABLE zz ALTER a SET DEFAULT 1", "42P01"),
        ("ALTER TABLE t DROP CONSTRAINT zz", "42704"),
        ("ALTER TABLE t ADD CONSTRAINT c1 CHECK (a)", "42804"),
        ("ALTER TABLE k DROP CONSTRAINT zz", "42704"),
        ("INSERT INTO t (zz) VALUES (DEFAULT)", "42703"),
        ("INSERT INTO t VALUES (1, DEFAULT, 'q', DEFAULT)", "42601"),
        ("INSERT INTO t (n) VALUES (DEFAULT), (4)", "428C9"),
    ],
)
def test_mistakes_are_named(statement, state):
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (a INT DEFAULT 3, n INT GENERATED ALWAYS AS IDENTITY, c TEXT)")
        db.execute("CREATE TABLE k (id INT PRIMARY KEY)")
        refused(db, statement, state)
