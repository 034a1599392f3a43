"""Every statement against every privilege: each needs exactly what it is said to need, the owner and a superuser may
all of it, and nobody else anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import sqlengine
from sqlengine.catalog.pg.relations import PG_TABLE_FUNCTIONS
from sqlengine.catalog.privileges import PRIVILEGES
from sqlengine.session import Session
from sqlengine.statements import HANDLERS
from sqlengine.statements.access import NEEDS
from sqlengine.statements.check import TABLE_FUNCTIONS
from tests.access.sessions import refusal, session_of, unauthorized

SCHEMA = """
CREATE ROLE owner LOGIN; CREATE ROLE user1 LOGIN; GRANT CREATE ON SCHEMA public TO owner;
SET ROLE owner;
CREATE TOPIC raw; CREATE TABLE t (a BIGINT PRIMARY KEY, b BIGINT); CREATE TABLE u (a BIGINT, b BIGINT);
CREATE STREAM s (a BIGINT, b BIGINT); CREATE VIEW v AS SELECT a FROM t;
CREATE MATERIALIZED VIEW m AS SELECT a FROM u; CREATE SINK k FROM u WITH (connector = 'blackhole');
INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (1, 1); INSERT INTO s VALUES (1, 1);
RESET ROLE
"""

NEEDED: list[tuple[str, set[tuple[str, str]]]] = [
    ("SELECT a FROM t", {("SELECT", "t")}),
    ("TABLE t", {("SELECT", "t")}),
    ("SELECT a FROM v", {("SELECT", "v")}),
    ("SELECT a FROM m", {("SELECT", "m")}),
    ("SELECT a FROM s", {("SELECT", "s")}),
    ("SELECT 1 WHERE EXISTS (SELECT 1 FROM t)", {("SELECT", "t")}),
    ("WITH t AS (SELECT 1 AS a) SELECT a FROM t", set()),
    ("WITH x AS (SELECT a FROM t) SELECT x.a FROM x JOIN u ON x.a = u.a", {("SELECT", "t"), ("SELECT", "u")}),
    ("SELECT a FROM t UNION SELECT a FROM m", {("SELECT", "t"), ("SELECT", "m")}),
    ("SELECT a, (SELECT max(b) FROM u) FROM s", {("SELECT", "u"), ("SELECT", "s")}),
    ("SELECT x.a FROM (VALUES (1)) AS x(a), LATERAL (SELECT a FROM t) AS y", {("SELECT", "t")}),
    ("INSERT INTO t VALUES (7, 7)", {("INSERT", "t")}),
    ("INSERT INTO s VALUES (7, 7)", {("INSERT", "s")}),
    ("INSERT INTO u SELECT a, b FROM s", {("INSERT", "u"), ("SELECT", "s")}),
    ("INSERT INTO u VALUES (8, 8) RETURNING a", {("INSERT", "u"), ("SELECT", "u")}),
    ("INSERT INTO t VALUES (1, 2) ON CONFLICT DO NOTHING", {("INSERT", "t"), ("SELECT", "t")}),
    (
        "INSERT INTO t VALUES (1, 2) ON CONFLICT DO UPDATE SET b = excluded.b",
        {("INSERT", "t"), ("SELECT", "t"), ("UPDATE", "t")},
    ),
    (
        "INSERT INTO t VALUES (1, 2) ON CONFLICT DO UPDATE SET b = (SELECT max(a) FROM u)",
        {("INSERT", "t"), ("SELECT", "t"), ("UPDATE", "t"), ("SELECT", "u")},
    ),
    ("UPDATE t SET b = 1", {("UPDATE", "t")}),
    ("UPDATE t SET b = b + 1", {("UPDATE", "t"), ("SELECT", "t")}),
    ("UPDATE t SET b = 1 WHERE a = 1", {("UPDATE", "t"), ("SELECT", "t")}),
    ("UPDATE t SET b = (SELECT max(a) FROM u)", {("UPDATE", "t"), ("SELECT", "t"), ("SELECT", "u")}),
    ("UPDATE t SET b = u.b FROM u WHERE u.a = t.a", {("UPDATE", "t"), ("SELECT", "t"), ("SELECT", "u")}),
    ("DELETE FROM t", {("DELETE", "t")}),
    ("DELETE FROM t WHERE a = 1", {("DELETE", "t"), ("SELECT", "t")}),
    ("DELETE FROM t USING u WHERE u.a = t.a", {("DELETE", "t"), ("SELECT", "t"), ("SELECT", "u")}),
    ("DELETE FROM t RETURNING (SELECT max(a) FROM u)", {("DELETE", "t"), ("SELECT", "t"), ("SELECT", "u")}),
    (
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = u.b",
        {("SELECT", "t"), ("UPDATE", "t"), ("SELECT", "u")},
    ),
    (
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (u.a, u.b)",
        {("SELECT", "t"), ("DELETE", "t"), ("INSERT", "t"), ("SELECT", "u")},
    ),
    (
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED AND EXISTS (SELECT 1 FROM s) THEN DELETE",
        {("SELECT", "t"), ("DELETE", "t"), ("SELECT", "u"), ("SELECT", "s")},
    ),
    ("TRUNCATE t", {("TRUNCATE", "t")}),
    ("TRUNCATE TOPIC raw", {("TRUNCATE", "raw")}),
    ("PRINT 'raw' FROM BEGINNING LIMIT 0", {("SELECT", "raw")}),
    ("COPY t TO STDOUT", {("SELECT", "t")}),
    ("COPY (SELECT a FROM u) TO STDOUT", {("SELECT", "u")}),
    ("COPY t FROM STDIN", {("INSERT", "t")}),
    ("SUBSCRIBE TO m", {("SELECT", "m")}),
    ("SELECT a FROM t EMIT CHANGES", {("SELECT", "t")}),
    ("SUBSCRIBE (WITH c AS CHANGELOG FROM t SELECT * FROM c)", {("SELECT", "t")}),
    ("EXPLAIN SELECT a FROM t", {("SELECT", "t")}),
    ("EXPLAIN (sql) SELECT a FROM v", {("SELECT", "v")}),
    ("EXPLAIN INSERT INTO t SELECT a, b FROM u", {("INSERT", "t"), ("SELECT", "u")}),
    ("EXPLAIN m", {("SELECT", "m")}),
    ("EXPLAIN ANALYZE m", {("SELECT", "m")}),
    ("ASSERT ROWS (SELECT a FROM t) = (SELECT a FROM u)", {("SELECT", "t"), ("SELECT", "u")}),
    ("PAUSE QUERY m", {("MAINTAIN", "m")}),
    ("RESUME QUERY k", {("MAINTAIN", "k")}),
    ("EXECUTE q2((SELECT max(a) FROM t))", {("SELECT", "t")}),
    ("CREATE TABLE n AS SELECT a FROM t", {("CREATE", "public"), ("SELECT", "t")}),
    ("CREATE TABLE n (a BIGINT)", {("CREATE", "public")}),
    ("CREATE STREAM n AS SELECT a FROM s", {("CREATE", "public"), ("SELECT", "s")}),
    ("CREATE STREAM n (a BIGINT) WITH (topic = 'raw', format = 'json')", {("CREATE", "public"), ("SELECT", "raw")}),
    ("CREATE VIEW n AS SELECT a FROM t", {("CREATE", "public"), ("SELECT", "t")}),
    ("CREATE MATERIALIZED VIEW n AS SELECT a FROM v", {("CREATE", "public"), ("SELECT", "v")}),
    ("CREATE SINK n FROM u WITH (connector = 'blackhole')", {("CREATE", "public"), ("SELECT", "u")}),
    ("CREATE TOPIC n", {("CREATE", "public")}),
    ("SELECT * FROM system.tables", set()),
    ("SELECT * FROM generate_series(1, 2), unnest(ARRAY[1]) AS x", set()),
    ("SHOW TABLES", set()),
    ("DESCRIBE t", set()),
    ("DESCRIBE k", set()),
    ("DESCRIBE EXTENDED s", set()),
    ("SHOW CREATE TABLE t", set()),
    ("SET timezone = 'UTC'", set()),
    ("RESET ALL", set()),
    ("WAIT", set()),
]
"""A statement and the privileges it needs; nobody needs others."""

OWNERS_ONLY = [
    "DROP TABLE t CASCADE",
    "DROP VIEW v",
    "DROP MATERIALIZED VIEW m",
    "DROP SINK k",
    "DROP STREAM s",
    "DROP TOPIC raw",
    "ALTER TABLE u ADD COLUMN c BIGINT",
    "ALTER TOPIC raw SET (retention = '1 day')",
    "ALTER MATERIALIZED VIEW m SET (backfill_rate_limit = 5)",
    "ALTER MATERIALIZED VIEW m AS SELECT 1 AS a",
    "ALTER VIEW v AS SELECT 1 AS a",
    "ALTER VIEW v RENAME TO w",
    "ALTER TABLE t OWNER TO owner",
    "COMMENT ON TABLE t IS 'x'",
    "CREATE OR REPLACE VIEW v AS SELECT 1 AS a",
    "CREATE OR REPLACE TABLE u (a BIGINT)",
    "CANCEL QUERY m",
    "SHOW CREATE SINK k",
    "DESCRIBE EXTENDED k",
]

SUPERUSERS_ONLY = [
    "COPY t TO '/tmp/x.csv'",
    "COPY t FROM '/tmp/x.csv'",
    "SELECT * FROM '/tmp/x.csv'",
    "CREATE MATERIALIZED VIEW n AS SELECT * FROM '/tmp/x.csv'",
    "CREATE STREAM n (a BIGINT) WITH (connector = 'file', path = '/tmp/x.csv')",
    "CREATE TABLE n (a BIGINT) WITH (connector = 'file', path = '/tmp/x.csv')",
    "CREATE SINK n FROM u WITH (connector = 'file', path = '/tmp/x')",
    "CREATE FUNCTION f(x BIGINT) RETURNS BIGINT AS 'x'",
    "CREATE SCHEMA n",
    "CREATE ROLE n",
    "ALTER ROLE user1 SUPERUSER",
    "ALTER ROLE sqlengine PASSWORD 'x'",
    "ALTER SYSTEM ADD REPLICA '/tmp/x'",
    "ALTER TOPIC raw REPAIR",
    "ALTER CONSUMER GROUP g RESET TO EARLIEST",
    "DROP CONSUMER GROUP g",
    "DROP ROLE owner",
    "GRANT owner TO user1",
    "CHECKPOINT",
    "SET checkpoint_interval_ms = 1",
    "SET ROLE owner",
    "SET SESSION AUTHORIZATION owner",
    "REASSIGN OWNED BY owner TO user1",
    "DROP OWNED BY owner",
]


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with filled() as made:
        yield made


@pytest.fixture(scope="module")
def kept() -> Iterator[sqlengine.Database]:
    """For tests that run no statement but GRANT and REVOKE."""
    with filled() as made:
        yield made


def filled() -> sqlengine.Database:
    made = sqlengine.connect()
    for text in filter(None, (part.strip() for part in SCHEMA.split(";"))):
        made.execute(text)
    return made


def prepared(session: Session) -> Session:
    session.execute("PREPARE q AS SELECT a FROM t")
    session.execute("PREPARE q2 AS SELECT $1::bigint")
    return session


def kind_of(db: sqlengine.Database, name: str) -> str:
    if name in ("public", "raw"):
        return {"public": "schema", "raw": "topic"}[name]
    return db.session().context.instance.catalog.get((name,)).kind


def everything(db: sqlengine.Database) -> set[tuple[str, str]]:
    names = ("t", "u", "s", "v", "m", "k", "raw", "public")
    return {(p, n) for n in names for p in PRIVILEGES[kind_of(db, n)]} - {("USAGE", "public")}


def grant(db: sqlengine.Database, privilege: str, name: str, verb: str = "GRANT", to: str = "TO") -> None:
    db.execute(f"{verb} {privilege} ON {kind_of(db, name)} {name} {to} user1")


def test_every_statement_has_its_needs() -> None:
    assert set(NEEDS) == set(HANDLERS)


@pytest.mark.parametrize(("text", "needed"), NEEDED, ids=[text[:60] for text, _ in NEEDED])
def test_a_statement_needs_what_it_needs(kept: sqlengine.Database, text: str, needed: set[tuple[str, str]]) -> None:
    """All privileges but one: refused, by that one's name; those that are needed and no others: not refused."""
    user = session_of(kept, "user1")
    assert needed <= everything(kept)
    for privilege, name in everything(kept):
        grant(kept, privilege, name)
    for missing in sorted(needed):
        grant(kept, *missing, verb="REVOKE", to="FROM")
        assert unauthorized(user, text) == f"permission denied for {kind_of(kept, missing[1])} {missing[1]}"
        grant(kept, *missing)
    for privilege, name in everything(kept) - needed:
        grant(kept, privilege, name, "REVOKE", "FROM")
    assert unauthorized(user, text) is None
    for privilege, name in needed:
        grant(kept, privilege, name, "REVOKE", "FROM")
    assert (unauthorized(user, text) is None) == (not needed)


@pytest.mark.parametrize("text", [text for text, _ in NEEDED])
def test_owners_and_superusers_may_all_of_it(db: sqlengine.Database, text: str) -> None:
    for role in ("owner", "sqlengine"):
        assert refusal(prepared(session_of(db, role)), text) is None


def test_what_is_prepared_is_checked_when_it_runs(db: sqlengine.Database) -> None:
    user = prepared(session_of(db, "user1"))
    assert refusal(user, "EXECUTE q") == "permission denied for table t"
    grant(db, "SELECT", "t")
    assert refusal(user, "EXECUTE q") is None
    grant(db, "SELECT", "t", "REVOKE", "FROM")
    assert refusal(user, "EXECUTE q") == "permission denied for table t"


@pytest.mark.parametrize("text", OWNERS_ONLY)
def test_what_only_an_owner_may(db: sqlengine.Database, text: str) -> None:
    for privilege, name in everything(db):
        grant(db, privilege, name)
    assert (refusal(session_of(db, "user1"), text) or "").startswith("must be owner of ")
    db.execute("GRANT owner TO user1")
    assert refusal(session_of(db, "user1"), text) is None


@pytest.mark.parametrize("text", SUPERUSERS_ONLY)
def test_what_only_a_superuser_may(db: sqlengine.Database, text: str) -> None:
    for privilege, name in everything(db):
        grant(db, privilege, name)
    assert refusal(session_of(db, "user1"), text) is not None
    db.execute("ALTER ROLE user1 SUPERUSER")
    assert refusal(session_of(db, "user1"), text) is None


def test_table_functions_of_duckdb_are_closed(db: sqlengine.Database) -> None:
    """Most of them read files or run SQL; wherever one stands, it is refused."""
    found = duckdb.sql("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type LIKE 'table%'")
    names = (
        {str(row[0]) for row in found.fetchall() if str(row[0]).isidentifier()} - TABLE_FUNCTIONS - PG_TABLE_FUNCTIONS
    )
    assert {"read_csv", "read_text", "glob", "query"} <= names
    user = session_of(db, "user1")
    for name in sorted(names):
        for text in (
            f"SELECT * FROM {name}('/tmp/x')",
            f"SELECT * FROM (VALUES (1)) AS x(a), LATERAL {name}('/tmp/x')",
            f"SELECT (SELECT count(*) FROM {name}('/tmp/x'))",
            f"SELECT * FROM main.{name}('/tmp/x')",
        ):
            try:
                user.execute(text)
            except sqlengine.Error as error:
                assert error.sqlstate in ("42501", "0A000", "42601"), text
            else:
                pytest.fail(text)


def test_predefined_roles(db: sqlengine.Database, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n5,5\n")
    cases = [
        ("pg_read_all_data", "SELECT a FROM t"),
        ("pg_write_all_data", "INSERT INTO u VALUES (3, 3)"),
        ("pg_maintain", "PAUSE QUERY m"),
        ("pg_read_server_files", f"SELECT * FROM '{path}'"),
        ("pg_write_server_files", f"COPY (SELECT 1 AS a) TO '{path}'"),
        ("pg_checkpoint", "CHECKPOINT"),
    ]
    for role, text in cases:
        user = session_of(db, "user1")
        assert refusal(user, text) is not None
        db.execute(f"GRANT {role} TO user1")
        assert refusal(user, text) is None
        db.execute(f"REVOKE {role} FROM user1")
        assert refusal(user, text) is not None
    with pytest.raises(sqlengine.Error, match="predefined"):
        db.execute("DROP ROLE pg_maintain")
