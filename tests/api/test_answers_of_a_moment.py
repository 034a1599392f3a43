"""Continuous queries over functions whose answer is the session's, or another at each call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sqlengine


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        made.execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2)")
        made.execute("CREATE STREAM s (a INT); INSERT INTO s VALUES (1)")
        yield made


OF_THE_SESSION = [
    "current_user",
    "session_user",
    "current_schema()",
    "current_database()",
    "current_setting('search_path')",
    "has_table_privilege('t', 'select')",
    "pg_backend_pid()",
    "version()",
    "CASE WHEN current_user = 'me' THEN 1 END",
    "list_transform([a], x -> current_user)",
    "list_transform([a], x -> current_setting('search_path'))",
    "list_transform([a], x -> version())",
    "list_transform([a], x -> current_database())",
    "list_filter([a], x -> has_table_privilege('t', 'select'))",
    "list_transform([a], x -> list_transform([x], y -> inet_server_addr()))",
]


@pytest.mark.parametrize("asked", OF_THE_SESSION)
@pytest.mark.parametrize("source", ["t", "s"])
def test_no_view_asks_for_the_session(db: sqlengine.Database, asked: str, source: str) -> None:
    for text in ("CREATE MATERIALIZED VIEW v AS SELECT a, {} AS x FROM {}", "SUBSCRIBE (SELECT {} AS x FROM {})"):
        with pytest.raises(sqlengine.Error, match="ask for the session") as error:
            db.execute(text.format(asked, source))
        assert error.value.sqlstate == "0A000" and error.value.hint
    assert len(db.execute(f"SELECT {asked} AS x FROM {source}").fetchall()) > 0


@pytest.mark.parametrize(
    "asked",
    ["current_user", *(f"(list_transform([1], x -> {f}))[1]" for f in ("version()", "current_user", "txid_current()"))],
)
def test_no_default_asks_for_the_session(db: sqlengine.Database, asked: str) -> None:
    with pytest.raises(sqlengine.Error, match="asks for the session") as error:
        db.execute(f"CREATE TABLE d (a INT, made_by TEXT DEFAULT {asked})")
    assert error.value.sqlstate == "0A000"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a, random() AS x FROM t",
        "SELECT a, uuid() AS x FROM t",
        "SELECT a, sum(random()) AS x FROM t GROUP BY a",
        "SELECT t.a, s.a AS x FROM t LEFT JOIN s ON t.a = s.a AND random() >= 0",
    ],
)
def test_rows_go_although_their_values_are_made_anew(db: sqlengine.Database, query: str) -> None:
    assert "recompute" in str(db.execute(f"EXPLAIN {query}").fetchall()).lower()
    db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
    db.execute("DELETE FROM t WHERE a = 1")
    assert [row[0] for row in db.execute("SELECT * FROM v").fetchall()] == [2]
    db.execute("UPDATE t SET a = 3; INSERT INTO t VALUES (4)")
    assert sorted(row[0] for row in db.execute("SELECT * FROM v").fetchall()) == [3, 4]


def test_what_is_made_of_rows_that_stay_stays(db: sqlengine.Database) -> None:
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT a, random() AS x FROM s")
    assert "incrementally" in str(db.execute("EXPLAIN SELECT a, random() AS x FROM s").fetchall())
    before = db.execute("SELECT * FROM v").fetchall()
    db.execute("INSERT INTO s VALUES (2)")
    assert db.execute("SELECT * FROM v WHERE a = 1").fetchall() == before
