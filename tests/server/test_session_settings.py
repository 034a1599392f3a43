"""What sessions begin with: settings of the server, all roles, a role, the client; how they end and go back."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.server.pg.server import PgServer
from tests.server.process import served

psycopg = pytest.importorskip("psycopg")


@pytest.fixture
def db() -> Iterator[sqlengine.Database]:
    with sqlengine.connect() as made:
        made.execute("CREATE ROLE ann LOGIN; CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'unused'")
        made.execute("CREATE TABLE t (id BIGINT PRIMARY KEY)")
        yield made


def connected(server: PgServer, role: str = "ann", **options: str) -> Any:
    return psycopg.connect(host="127.0.0.1", port=server.port, user=role, dbname="db", autocommit=True, **options)


def shown(connection: Any, name: str) -> str:
    return str(connection.execute(f"SELECT current_setting('{name}')").fetchone()[0])


def test_each_is_over_what_is_before_it(db: sqlengine.Database) -> None:
    with db.serve(settings={"idle_session_timeout": "1h", "search_path": "a", "work_mem": "7MB"}) as server:
        db.execute("ALTER ROLE ALL SET search_path = b; ALTER ROLE ALL SET application_name = 'of all'")
        db.execute("ALTER ROLE ann SET application_name = 'of ann'")
        with connected(server) as ann:
            assert shown(ann, "search_path") == "b" and shown(ann, "application_name") == "of ann"
            assert shown(ann, "idle_session_timeout") == "1h"
            assert ann.info.parameter_status("application_name") == "of ann"
        with connected(server, options="-c search_path=c", application_name="mine") as ann:
            assert shown(ann, "search_path") == "c" and shown(ann, "application_name") == "mine"
            for change in ("SET search_path = d", "SET application_name = 'x'", "SET work_mem = '9MB'"):
                ann.execute(change)
            ann.execute("RESET search_path")
            assert shown(ann, "search_path") == "c"
            ann.execute("RESET ALL")
            assert shown(ann, "application_name") == "mine" and shown(ann, "work_mem") == "7MB"
            ann.execute("SET search_path = d")
            ann.execute("DISCARD ALL")
            assert shown(ann, "search_path") == "c"
            ann.execute("SET search_path TO DEFAULT")
            assert shown(ann, "search_path") == "c"


def test_a_session_begun_keeps_what_it_has(db: sqlengine.Database) -> None:
    with db.serve() as server, connected(server) as before:
        db.execute("ALTER ROLE ann SET search_path = later")
        assert shown(before, "search_path") == "public"
        before.execute("RESET ALL")
        assert shown(before, "search_path") == "public"
        with connected(server) as after:
            assert shown(after, "search_path") == "later"


def test_what_does_not_fit_any_more_locks_nobody_out(db: sqlengine.Database, caplog: pytest.LogCaptureFixture) -> None:
    roles = db.session().context.instance.catalog.roles
    roles.change_settings_of_all((("gone_with_a_version", "1"), ("search_path", "kept")))
    with db.serve() as server:
        with connected(server) as ann:
            assert shown(ann, "search_path") == "kept"
        assert "gone_with_a_version" in caplog.text
        with pytest.raises(psycopg.OperationalError, match="unrecognized configuration parameter"):
            connected(server, options="-c nope=1")


def test_they_are_there_after_a_restart_and_go_with_the_role(tmp_path: Path) -> None:
    path = str(tmp_path / "data")
    with sqlengine.connect(path) as made:
        made.execute(
            "CREATE ROLE ann LOGIN; ALTER ROLE ann SET timezone = 'Europe/Berlin'; ALTER ROLE ALL SET a.b = 'c d'"
        )
    for _ in range(2):  # the second time from a journal that was written anew
        with sqlengine.connect(path) as made:
            told = made.execute(
                "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting ORDER BY 2"
            ).fetchall()
            assert told == [("-", ["a.b=c d"]), ("ann", ["timezone=Europe/Berlin"])]
            assert made.execute("SELECT rolconfig FROM pg_roles WHERE rolname = 'ann'").fetchall() == [
                (["timezone=Europe/Berlin"],)
            ]
            made.execute("CHECKPOINT")
    with sqlengine.connect(path) as made:
        made.execute("ALTER ROLE ann RENAME TO ben; ALTER ROLE ALL RESET a.b")
        with made.serve() as server, connected(server, "ben") as ben:
            assert ben.info.parameter_status("TimeZone") == "Europe/Berlin"
        made.execute("DROP ROLE ben; CREATE ROLE ben")
        assert made.execute("SELECT * FROM pg_db_role_setting").fetchall() == []


@pytest.mark.parametrize(
    ("role", "text", "sqlstate"),
    [
        ("ann", "ALTER ROLE ann SET search_path = x", None),
        ("ann", "ALTER ROLE current_user SET search_path FROM CURRENT", None),
        ("ann", "ALTER ROLE ann RESET ALL", None),
        ("ann", "ALTER ROLE boss SET search_path = x", "42501"),
        ("ann", "ALTER ROLE sqlengine RESET ALL", "42501"),
        ("ann", "ALTER ROLE ALL SET search_path = x", "42501"),
        ("ann", "ALTER ROLE pg_monitor_of_nothing SET search_path = x", "42704"),
        ("ann", "ALTER ROLE pg_read_all_data SET search_path = x", "42939"),
        ("boss", "ALTER USER ann SET TIME ZONE 'Europe/Berlin'", None),
        ("boss", "ALTER ROLE ALL IN DATABASE db SET search_path = x", "0A000"),
        ("boss", "ALTER ROLE ann SET memory_limit = '1 GB'", "55P02"),
        ("boss", "ALTER ROLE ann SET server_version = '9'", "55P02"),
        ("boss", "ALTER ROLE ann SET statement_timeout = soon", "22023"),
        ("boss", "ALTER ROLE ann SET idle_session_timeout = -1", "22023"),
        ("boss", "ALTER ROLE ann SET idle_session_timeout = '5 parsecs'", "22023"),
        ("boss", "ALTER ROLE ann SET client_encoding = 'latin1'", None),
        ("boss", "ALTER ROLE ann SET client_encoding = 'EUC_TW'", "0A000"),
        ("boss", "ALTER ROLE ann SET nothing = 1", "42704"),
        ("boss", "ALTER ROLE ann RESET nothing", "42704"),
        ("boss", "ALTER ROLE ann SET role = boss", "0A000"),
        ("boss", "ALTER ROLE ann SET", "42601"),
        ("boss", "ALTER ROLE ann RESET", "42601"),
        ("boss", "ALTER ROLE ann SET search_path FROM", "42601"),
    ],
)
def test_who_may_set_what(db: sqlengine.Database, role: str, text: str, sqlstate: str | None) -> None:
    session = db.session()
    session.execute(f"SET SESSION AUTHORIZATION {role}")
    if sqlstate is None:
        assert session.execute(text).tag == "ALTER ROLE"
        return
    with pytest.raises(sqlengine.Error) as caught:
        session.execute(text)
    assert caught.value.sqlstate == sqlstate
    assert db.execute("SELECT * FROM pg_db_role_setting").fetchall() == []


def test_a_setting_changed_in_a_transaction_goes_back_with_it(db: sqlengine.Database) -> None:
    """As PostgreSQL has it: SET LOCAL until the end, SET unless it is rolled back."""
    session = db.session()

    def path() -> str:
        return str(session.execute("SHOW search_path").fetchone()[0])  # type: ignore[index]

    for script, after in [
        ("BEGIN; SET search_path = x; COMMIT", "x"),
        ("BEGIN; SET search_path = y; ROLLBACK", "x"),
        ("BEGIN; RESET ALL; ROLLBACK", "x"),
        ("BEGIN; RESET search_path; COMMIT", "public"),
        ("BEGIN; SET LOCAL search_path = z; COMMIT", "public"),
        ("BEGIN; SET search_path = a; SET LOCAL search_path = b; COMMIT", "a"),
        ("BEGIN; SET LOCAL search_path = b; SET search_path = c; COMMIT", "c"),
        ("BEGIN; SET search_path = d; SET LOCAL search_path = e; ROLLBACK", "c"),
        ("BEGIN; SELECT set_config('search_path', 'f', false); ROLLBACK", "c"),
        ("BEGIN; SELECT set_config('search_path', 'f', true); COMMIT", "c"),
        ("RESET search_path", "public"),
    ]:
        session.execute(script)
        assert path() == after, script
    session.execute("BEGIN; SET LOCAL made.up = '1'; COMMIT")
    with pytest.raises(sqlengine.Error, match="unrecognized"):
        session.execute("SHOW made.up")


@pytest.mark.parametrize(
    ("name", "before", "sqlstate"),
    [
        ("idle_session_timeout", "SELECT 1", "57P05"),
        ("idle_in_transaction_session_timeout", "BEGIN", "25P03"),
        ("idle_in_transaction_session_timeout", "BEGIN; SELECT nothing", "25P03"),
    ],
)
@pytest.mark.parametrize("way", ["session", "role", "server"])
def test_who_says_nothing_is_let_go(db: sqlengine.Database, name: str, before: str, sqlstate: str, way: str) -> None:
    if way == "role":
        db.execute(f"ALTER ROLE ann SET {name} = '300ms'")
    with db.serve(settings={name: "300ms"} if way == "server" else {}) as server, connected(server) as ann:
        if way == "session":
            ann.execute(f"SET {name} = 300")
        for text in before.split("; "):
            try:
                ann.execute(text)
            except psycopg.errors.UndefinedColumn:
                assert "nothing" in text
        for _ in range(1_000):
            if not server.backends:
                break
            time.sleep(0.02)
        with pytest.raises(psycopg.Error) as caught:
            ann.execute("SELECT 1")
        assert caught.value.sqlstate == sqlstate or "idle" in str(caught.value)
        assert not server.backends


def test_discard_all_leaves_nothing_of_what_was_before(db: sqlengine.Database) -> None:
    with db.serve() as server, connected(server, "boss", password="unused") as one, connected(server) as two:
        one.execute("PREPARE p AS SELECT 1")
        one.execute("DECLARE c CURSOR WITH HOLD FOR SELECT 1")
        one.execute("DECLARE f CURSOR WITH HOLD FOR SUBSCRIBE t")
        one.execute("LISTEN heard")
        one.execute("SELECT pg_advisory_lock(7)")
        one.execute("SET ROLE ann")
        one.execute("SET search_path = x")
        one.execute("SET made.up = '1'")
        assert two.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (False,)
        assert one.execute("DISCARD ALL").statusmessage == "DISCARD ALL"
        assert two.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,)
        assert one.execute("SELECT current_user").fetchone() == ("boss",)
        assert shown(one, "search_path") == "public"
        for text, error in (
            ("EXECUTE p", psycopg.errors.InvalidSqlStatementName),
            ("FETCH 1 FROM c", psycopg.errors.InvalidCursorName),
            ("SHOW made.up", psycopg.errors.UndefinedObject),
        ):
            with pytest.raises(error):
                one.execute(text)
        two.execute("NOTIFY heard")
        assert list(one.notifies(timeout=0.3)) == []
        assert db.execute("SELECT count(*) FROM system.queries WHERE query_id LIKE 'follow%'").fetchall() == [(0,)]
        with one.transaction(), pytest.raises(psycopg.errors.ActiveSqlTransaction):
            one.execute("DISCARD ALL")


def test_the_command_takes_settings() -> None:
    with served("-c", "idle_session_timeout=45min", "-c", "search_path=a,b", cold=True) as server:
        with psycopg.connect(server.dsn, autocommit=True) as made:
            assert shown(made, "idle_session_timeout") == "45min"
            assert shown(made, "search_path") == "a,b"


@pytest.mark.parametrize(
    ("settings", "sqlstate"),
    [({"nope": "1"}, "42704"), ({"idle_session_timeout": "x"}, "22023"), ({"memory_limit": "1 GB"}, "55P02")],
)
def test_settings_a_server_cannot_have(db: sqlengine.Database, settings: dict[str, str], sqlstate: str) -> None:
    with pytest.raises(sqlengine.Error) as caught:
        db.serve(settings=settings)
    assert caught.value.sqlstate == sqlstate


@pytest.mark.skipif(shutil.which("psql") is None, reason="PSQL IS NOT TESTED: it is not installed")
def test_psql_lists_settings_of_roles(db: sqlengine.Database) -> None:
    db.execute("ALTER ROLE ann SET timezone = 'Europe/Berlin'; ALTER ROLE ALL SET search_path = public")
    with db.serve() as server:
        dsn = f"host=127.0.0.1 port={server.port} user=ann dbname=db"
        done = subprocess.run(["psql", dsn, "-XAtc", "\\drds"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["ann||timezone=Europe/Berlin", "||search_path=public"]
