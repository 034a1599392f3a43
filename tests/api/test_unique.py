"""UNIQUE constraints and ON CONFLICT beside SQLite, which has the same of both; and through restarts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from tests.depth import rounds

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, a INT UNIQUE, b INT, c TEXT, UNIQUE (b, c))"
SMALL = st.one_of(st.none(), st.integers(0, 4))
KEY, WORD = st.integers(0, 6), st.sampled_from(["'x'", "'y'", "NULL"])


def _sql(value: int | None) -> str:
    return "NULL" if value is None else str(value)


ROW = st.builds("({}, {}, {}, {})".format, KEY, SMALL.map(_sql), SMALL.map(_sql), WORD)
ROWS = st.lists(ROW, min_size=1, max_size=4).map(", ".join)
STATEMENT = st.one_of(
    st.builds("INSERT INTO t VALUES {}".format, ROWS),
    st.builds("INSERT INTO t VALUES {} ON CONFLICT DO NOTHING".format, ROWS),
    st.builds("INSERT INTO t VALUES {} ON CONFLICT (a) DO NOTHING".format, ROW),
    st.builds("INSERT INTO t VALUES {} ON CONFLICT (c, b) DO UPDATE SET a = excluded.a".format, ROW),
    st.builds("INSERT INTO t VALUES {} ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = t.c".format, ROW),
    st.builds(
        "INSERT INTO t VALUES {} ON CONFLICT (id) DO UPDATE SET id = excluded.id + 1, a = excluded.a".format, ROW
    ),
    st.builds("UPDATE t SET a = {}, c = {} WHERE id = {}".format, SMALL.map(_sql), WORD, KEY),
    st.builds("UPDATE t SET b = {} WHERE id = {}".format, SMALL.map(_sql), KEY),
    st.builds("DELETE FROM t WHERE id <= {} AND b > 1".format, KEY),
)


PART = st.tuples(st.lists(STATEMENT, min_size=1, max_size=5), st.sampled_from(["", "COMMIT", "ROLLBACK"]))


@given(st.lists(PART, max_size=4))
@settings(max_examples=rounds(20, 100), deadline=None)
def test_as_sqlite_does(parts: list[tuple[list[str], str]]) -> None:
    theirs = sqlite3.connect(":memory:", isolation_level=None)
    with sqlengine.connect() as ours:
        for connection in (ours, theirs):
            connection.execute(TABLE)
        for statements, end in parts:
            if end:
                ours.execute("BEGIN")
                theirs.execute("BEGIN")
            for statement in statements:
                if _fails(theirs, statement):
                    if not end:  # in a transaction ours would take nothing more
                        with pytest.raises(sqlengine.Error) as caught:
                            ours.execute(statement)
                        assert caught.value.sqlstate == "23505", statement
                else:
                    ours.execute(statement)
                assert _rows(ours) == _rows(theirs), statement
            if end:
                ours.execute(end)
                theirs.execute(end)
                assert _rows(ours) == _rows(theirs)


def _fails(theirs: sqlite3.Connection, statement: str) -> bool:
    """Whether SQLite refuses a statement; it is executed if not."""
    try:
        theirs.execute(statement)
    except sqlite3.IntegrityError:
        return True
    return False


def _rows(connection: object) -> list[tuple]:
    return sorted(connection.execute("SELECT * FROM t").fetchall(), key=repr)  # type: ignore[attr-defined]


@pytest.mark.parametrize("crash", [True, False])
def test_through_a_restart(tmp_path: Path, crash: bool) -> None:
    db = sqlengine.connect(tmp_path)
    db.execute(TABLE)
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT b, count(*) AS n FROM t GROUP BY b")
    db.execute("CREATE INDEX v_n ON v (n)")
    db.execute("INSERT INTO t VALUES (1, 1, 1, 'x'), (2, 2, 2, 'x')")
    shown = db.execute("SHOW INDEXES").fetchall()
    oids = db.execute("SELECT oid, relname FROM pg_class WHERE relkind = 'i' ORDER BY 1").fetchall()
    if crash:
        db.crash()
    else:
        db.close()
    with sqlengine.connect(tmp_path) as again:
        assert again.execute("SHOW INDEXES").fetchall() == shown
        assert again.execute("SELECT oid, relname FROM pg_class WHERE relkind = 'i' ORDER BY 1").fetchall() == oids
        with pytest.raises(sqlengine.IntegrityError, match="t_a_key"):
            again.execute("INSERT INTO t VALUES (3, 2, 9, 'x')")
        again.execute("DELETE FROM t WHERE id = 2")
        again.execute("INSERT INTO t VALUES (3, 2, 9, 'x')")


def test_two_sessions_cannot_both_commit_a_value() -> None:
    with sqlengine.connect() as db:
        db.execute(TABLE)
        one, two = db.session(), db.session()
        for number, session in enumerate((one, two)):
            session.execute("BEGIN")
            session.execute(f"INSERT INTO t VALUES ({number}, 5, {number}, 'x')")
        one.execute("COMMIT")
        with pytest.raises(sqlengine.IntegrityError, match="t_a_key") as caught:
            two.execute("COMMIT")
        assert caught.value.sqlstate == "23505"
        assert db.execute("SELECT id FROM t").fetchall() == [(0,)]


def test_copy_keeps_to_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,a,b,c\n1,1,1,x\n2,1,2,x\n")
    with sqlengine.connect() as db:
        db.execute(TABLE)
        with pytest.raises(sqlengine.IntegrityError, match="t_a_key"):
            db.execute(f"COPY t FROM '{path}' (FORMAT csv)")
        assert db.execute("SELECT * FROM t").fetchall() == []


def test_only_the_owner_makes_and_drops_indexes() -> None:
    with sqlengine.connect() as db:
        db.execute(TABLE)
        db.execute("CREATE INDEX by_b ON t (b)")
        db.execute("CREATE ROLE other")
        db.execute("GRANT SELECT, INSERT ON t TO other")
        db.execute("SET ROLE other")
        for text in ("CREATE INDEX ON t (c)", "DROP INDEX by_b", "ALTER TABLE t ADD UNIQUE (c)"):
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(text)
            assert caught.value.sqlstate == "42501"


def test_a_transaction_sees_computed_columns() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT UNIQUE, twice AS a * 2)")
        db.execute("INSERT INTO t VALUES (1, 5)")
        db.execute("BEGIN; INSERT INTO t VALUES (2, 6); UPDATE t SET a = 7 WHERE id = 1")
        assert sorted(db.execute("SELECT * FROM t").fetchall()) == [(1, 7, 14), (2, 6, 12)]
        db.execute("INSERT INTO t VALUES (3, 6) ON CONFLICT (a) DO UPDATE SET a = t.twice")
        db.execute("COMMIT")
        assert sorted(db.execute("SELECT * FROM t").fetchall()) == [(1, 7, 14), (2, 12, 24)]
