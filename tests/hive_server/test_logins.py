"""Who may come in, and what others see and do of their sessions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.errors import InvalidAuthorization, InvalidParameter, OperationalError
from tests.hive_server.conftest import HiveServed, thrift_client
from tests.hive_server.test_calls import SLOW, SLOWLY, much_history, until
from tests.server.process import served

pyhive = pytest.importorskip(
    "pyhive.hive", reason="PYHIVE IS NOT TESTED: pyhive, thrift-sasl and pure-sasl are not installed"
)
impala = pytest.importorskip("impala.dbapi", reason="IMPYLA IS NOT TESTED: impyla is not installed")

PASSWORD = "correct horse Ä"


@pytest.fixture
def with_roles(hive: HiveServed) -> HiveServed:
    """A server some of whose roles have passwords."""
    hive.database.execute(
        f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE open LOGIN; CREATE ROLE group_only;"
        "CREATE ROLE once LOGIN CONNECTION LIMIT 1; GRANT SELECT ON t TO ann"
    )
    return hive


def connected(port: int, **given: Any) -> Any:
    return closing(pyhive.connect("127.0.0.1", port, **given))


def rows(connection: Any, text: str) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(text)
    found: list[Any] = cursor.fetchall()
    return found


def refusal(port: int, **given: Any) -> str:
    """What somebody is told who may not come in."""
    with pytest.raises(Exception) as raised:
        pyhive.connect("127.0.0.1", port, **given)
    return str(raised.value)


def test_nobody_has_a_password(hive: HiveServed) -> None:
    for user in ("anybody", "sqlengine"):
        with connected(hive.port, auth="NOSASL", username=user) as connection:
            assert rows(connection, "SELECT 1") == [(1,)] and hive.role() == "sqlengine"


def test_passwords(with_roles: HiveServed) -> None:
    port = with_roles.port
    with connected(port, auth="LDAP", username="ann", password=PASSWORD) as connection:
        assert with_roles.role() == "ann"
        with pytest.raises(pyhive.OperationalError, match="permission denied for view named"):
            rows(connection, "SELECT * FROM named")
    for user in ("ann", "nobody", "group_only"):
        told = refusal(port, auth="LDAP", username=user, password="wrong")
        assert f'password authentication failed for user "{user}"' in told or user == "group_only"
    assert "must give a password" in refusal(port, auth="NOSASL", username="ann")
    assert 'role "group_only" is not permitted to log in' in refusal(port, auth="NOSASL", username="group_only")
    with connected(port, auth="NOSASL", username="open") as connection:  # has none, and is on this machine
        assert rows(connection, "SELECT 1") == [(1,)] and with_roles.role() == "open"


def test_passwords_over_http(with_roles: HiveServed) -> None:
    given = {"auth_mechanism": "PLAIN", "use_http_transport": True, "http_path": "cliservice"}
    with closing(impala.connect("127.0.0.1", with_roles.port, user="ann", password=PASSWORD, **given)) as connection:
        cursor = connection.cursor()
        assert with_roles.role() == "ann"
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(3,)]
        cursor.close()
    with pytest.raises(Exception, match="401"):
        impala.connect("127.0.0.1", with_roles.port, user="ann", password="wrong", **given).cursor()


def test_a_password_in_open_session(with_roles: HiveServed) -> None:
    client = thrift_client(with_roles.port)
    assert client.open(username="ann", password=PASSWORD).status.statusCode == 0
    assert client.open(username="ann", password="wrong").status.sqlState == "28P01"
    assert client.open(username="ann").status.sqlState == "28000"
    client.transport.close()


def test_connection_limits(with_roles: HiveServed) -> None:
    client = thrift_client(with_roles.port)
    first = client.session(username="once")
    assert client.open(username="once").status.sqlState == "53300"
    client.call.CloseSession(client.types.TCloseSessionReq(first))
    assert client.open(username="once").status.statusCode == 0
    client.transport.close()


def test_other_machines(with_roles: HiveServed) -> None:
    with pytest.raises(InvalidAuthorization, match="without TLS"):
        with_roles.database.serve(hive="0.0.0.0:0")
    with sqlengine.connect() as database, pytest.raises(InvalidAuthorization, match="no role has a password"):
        database.serve(hive="0.0.0.0:0")
    with with_roles.database.serve() as server, pytest.raises(OperationalError, match="cannot listen"):
        with_roles.database.serve(hive=f"127.0.0.1:{server.port}")
    for wrong in ("10000", ":10000", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"):
        with pytest.raises(InvalidParameter, match="no address"):
            with_roles.database.serve(hive=wrong)


# ---------------------------------------------------------------- seen by others


@pytest.fixture
def psycopg_connection(tmp_path: Path) -> Iterator[tuple[Any, int, HiveServed]]:
    """A session of PostgreSQL's protocol beside a server of Hive's."""
    psycopg = pytest.importorskip("psycopg")
    with sqlengine.connect() as database, database.serve(hive="127.0.0.1:0") as server:
        assert server.hive is not None
        where = f"host=127.0.0.1 port={server.port} user=me dbname=db"
        with psycopg.connect(where, autocommit=True) as connection:
            yield connection, server.hive.port, HiveServed(database, server.hive)


@pytest.mark.slow
def test_sessions_are_seen_cancelled_and_ended(psycopg_connection: tuple[Any, int, HiveServed]) -> None:
    connection, port, hive = psycopg_connection
    much_history(hive)

    def activity() -> list[tuple[Any, ...]]:
        text = "SELECT pid, state, query FROM pg_stat_activity WHERE datname = 'default'"
        return list(connection.execute(text).fetchall())

    client = thrift_client(port)
    session = client.session(username="reporter", configuration=SLOWLY)
    operation = client.operation(session, SLOW, runAsync=True)
    until(lambda: client.status(operation).operationState == 1)
    ((pid, state, query),) = activity()
    assert (state, query) == ("active", SLOW)
    assert connection.execute(f"SELECT pg_cancel_backend({pid})").fetchone() == (True,)
    until(lambda: client.status(operation).operationState == 3)
    assert client.rows(client.operation(session, "SELECT 1")) == [(1,)]
    until(lambda: activity() == [(pid, "idle", "SELECT 1")])
    assert connection.execute(f"SELECT pg_terminate_backend({pid})").fetchone() == (True,)
    until(lambda: activity() == [])
    with pytest.raises(Exception, match="bytes|reset|Broken pipe|closed"):
        client.execute(session, "SELECT 1")
    client.transport.close()


@pytest.mark.slow
def test_who_says_nothing_is_let_go(hive: HiveServed) -> None:
    client, other = thrift_client(hive.port), thrift_client(hive.port)
    silent = client.session(configuration={"idle_session_timeout": "300 ms"})
    busy = other.session()
    until(lambda: len(hive.listener.sessions()) == 1)
    assert other.execute(busy, "SELECT 1").status.statusCode == 0
    assert other.execute(silent, "SELECT 1").status.statusCode == 4
    for made in (client, other):
        made.transport.close()


def test_the_server_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with sqlengine.connect() as database:
        database.execute("CREATE TABLE kept (x BIGINT)")
        with database.serve(hive="127.0.0.1:0") as server:
            assert server.hive is not None
            client = thrift_client(server.hive.port)
            session = client.session()
            client.operation(session, "CREATE TEMPORARY TABLE passing (x BIGINT)")
            idle = thrift_client(server.hive.port)
        with pytest.raises(Exception, match="bytes|reset|Broken pipe|closed"):
            client.execute(session, "SELECT 1")
        names = [name for (name,) in database.execute("SELECT name FROM system.tables").fetchall()]
        assert names == ["kept"]
        for made in (client, idle):
            made.transport.close()
    assert not caplog.records


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    with served(tmp_path / "data", "--hive", "127.0.0.1:0") as server:
        assert server.hive_port is not None
        with connected(server.hive_port, auth="NONE", username="me") as connection:
            connection.cursor().execute("CREATE TABLE made (x BIGINT)")
            connection.cursor().execute("INSERT INTO made VALUES (1), (2)")
            assert rows(connection, "SELECT sum(x) FROM made") == [(3,)]
        assert server.stop() == 0
    with served(tmp_path / "data", "--hive", "127.0.0.1:0") as server:
        assert server.hive_port is not None
        with connected(server.hive_port, auth="NONE", username="me") as connection:
            assert rows(connection, "SELECT sum(x) FROM made") == [(3,)]
