"""Privileges on columns: how they are shown, kept and lost; what they allow is compared in test_postgres.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlengine
from tests.access.sessions import refusal, session_of

DP = """
SELECT c.relname, array_to_string(c.relacl, E'\\n'), array_to_string(ARRAY(
    SELECT attname || E':\\n  ' || array_to_string(attacl, E'\\n  ') FROM pg_attribute a
    WHERE attrelid = c.oid AND NOT attisdropped AND attacl IS NOT NULL), E'\\n')
FROM pg_class c WHERE c.relname = 't'
"""
"""What psql's \\dp asks, in short."""

MADE = "CREATE TABLE t (a BIGINT PRIMARY KEY, b BIGINT, c TEXT); CREATE ROLE r LOGIN; CREATE ROLE o"


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        made.execute(MADE)
        yield made


def test_they_are_shown_as_postgresql_shows_them(db: sqlengine.Database) -> None:
    db.execute("GRANT INSERT (a), SELECT (a, b) ON t TO r WITH GRANT OPTION; GRANT SELECT ON t TO PUBLIC")
    columns = "a:\n  r=a*r*/sqlengine\nb:\n  r=r*/sqlengine"
    assert db.execute(DP).fetchall() == [("t", "sqlengine=arwdD/sqlengine\n=r/sqlengine", columns)]
    assert db.execute(
        "SELECT x.grantee, x.privilege_type, x.is_grantable FROM pg_attribute, aclexplode(attacl) AS x "
        "WHERE attrelid = 't'::regclass AND attname = 'a' ORDER BY 2"
    ).fetchall() == [(oid(db, "r"), "INSERT", True), (oid(db, "r"), "SELECT", True)]
    assert db.execute(
        "SELECT column_name, privilege_type, is_grantable FROM information_schema.column_privileges "
        "WHERE grantee = 'r' ORDER BY 1, 2"
    ).fetchall() == [("a", "INSERT", "YES"), ("a", "SELECT", "YES"), ("b", "SELECT", "YES")]
    assert ("table", "t", "sqlengine", "r", "SELECT (b)", True, "sqlengine") in db.execute("SHOW GRANTS").fetchall()


def oid(db: sqlengine.Database, role: str) -> int:
    (found,) = db.execute(f"SELECT oid FROM pg_roles WHERE rolname = '{role}'").fetchall()
    return int(found[0])


def test_they_last_and_go_with_what_they_are_on(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute(MADE + "; CREATE VIEW v AS SELECT a, b FROM t; GRANT SELECT (a), UPDATE (b) ON t TO r")
        db.execute("GRANT SELECT (a, b) ON v TO r; CREATE OR REPLACE VIEW v AS SELECT b, a + 1 AS d FROM t")
        db.execute("ALTER TABLE t OWNER TO o")
    with sqlengine.connect(tmp_path) as db:
        mine = session_of(db, "r")
        assert [refusal(mine, text) for text in ("SELECT a FROM t", "UPDATE t SET b = 1")] == [None, None]
        assert (
            refusal(mine, "SELECT b FROM t") == refusal(mine, "UPDATE t SET a = 1") == "permission denied for table t"
        )
        assert refusal(mine, "SELECT d FROM v") == "permission denied for view v"
        with pytest.raises(sqlengine.Error, match='"r" cannot be dropped') as error:
            db.execute("DROP ROLE r")
        assert error.value.sqlstate == "2BP01"
        db.execute("DROP OWNED BY r; DROP ROLE r")
        assert db.execute(DP).fetchall()[0][2] == ""


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("GRANT SELECT (nope) ON t TO r", "42703"),
        ("GRANT DELETE (a) ON t TO r", "0LP01"),
        ("GRANT SELECT (a) ON SCHEMA public TO r", "0LP01"),
        ("GRANT SELECT (a) TO r", "42601"),
        ("GRANT SELECT () ON t TO r", "42601"),
        ("GRANT SELECT (a) ON t TO PUBLIC WITH GRANT OPTION", "0LP01"),
    ],
)
def test_what_cannot_be_granted_is_refused(db: sqlengine.Database, text: str, state: str) -> None:
    with pytest.raises(sqlengine.Error) as error:
        db.execute(text)
    assert error.value.sqlstate == state


READS_MORE = [
    "SELECT COLUMNS('c') FROM t",
    "SELECT COLUMNS(x -> x = 'c') FROM t",
    "SELECT * EXCLUDE (b) FROM t",
    "SELECT x.r FROM t AS x(p, q, r)",
    "PIVOT t ON c USING sum(a)",
    "SELECT a FROM t NATURAL JOIN (SELECT 'x' AS c) AS u",
    "SELECT t.a FROM t JOIN (SELECT 'x' AS c) AS u USING (c)",
    "SELECT unnest(t) FROM t",
    "FROM t",
    "TABLE t",
    "SELECT a FROM (t JOIN (SELECT 1 AS one) AS u ON c = 'x')",
    "SELECT (SELECT t.c) FROM t",
    "SELECT a FROM t QUALIFY row_number() OVER (ORDER BY c) = 1",
    "COPY t TO STDOUT",
    "SUBSCRIBE t",
    "DECLARE d CURSOR FOR SELECT c FROM t",
    "CREATE MATERIALIZED VIEW m AS SELECT c FROM t",
    "MERGE INTO t USING (SELECT 1 AS a) AS s ON t.a = s.a AND t.c = 'x' WHEN MATCHED THEN DO NOTHING",
]


@pytest.mark.parametrize("text", READS_MORE)
def test_no_way_of_naming_columns_gets_round_them(db: sqlengine.Database, text: str) -> None:
    db.execute("GRANT SELECT (a, b) ON t TO r; GRANT CREATE ON SCHEMA public TO r")
    assert refusal(session_of(db, "r"), text) == "permission denied for table t"
    db.execute("GRANT SELECT (c) ON t TO r")
    assert refusal(session_of(db, "r"), text) is None


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("has_table_privilege('r', 'pg_class', 'SELECT')", True),
        ("has_table_privilege('r', 'pg_class', 'INSERT')", False),
        ("has_table_privilege('r', 99999999, 'SELECT')", None),
        ("has_column_privilege('r', 't', 'a', 'SELECT')", False),
        ("has_column_privilege('t', 2::smallint, 'SELECT')", True),
        ("has_schema_privilege('r', 'public', 'CREATE')", False),
        ("has_schema_privilege('r', 'pg_catalog', 'USAGE')", True),
        ("has_function_privilege('r', 'upper(text)', 'EXECUTE')", True),
        ("has_database_privilege('r', 'any', 'CREATE')", False),
        ("has_database_privilege('r', 'any', 'CONNECT')", True),
    ],
)
def test_questions_are_answered_truly(db: sqlengine.Database, asked: str, answer: bool | None) -> None:
    assert db.execute(f"SELECT {asked}").fetchall() == [(answer,)]


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        ("has_schema_privilege('public', 'SELECT')", "22023"),
        ("has_column_privilege('t', 'nope', 'SELECT')", "42703"),
        ("has_function_privilege('nope(integer)', 'EXECUTE')", "42883"),
        ("has_table_privilege('nobody', 't', 'SELECT')", "42704"),
    ],
)
def test_questions_that_make_no_sense_are_refused(db: sqlengine.Database, asked: str, state: str) -> None:
    with pytest.raises(sqlengine.Error) as error:
        db.execute(f"SELECT {asked}")
    assert error.value.sqlstate == state
