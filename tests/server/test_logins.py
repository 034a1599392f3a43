"""Who may connect, with libpq at the other end: passwords by SCRAM, TLS with channel binding, certificates, sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine
from tests.server.certificates import made_certificates
from tests.server.process import served

psycopg = pytest.importorskip("psycopg")


def connect(dsn: str, **more: str) -> str:
    """The user a connection is."""
    with psycopg.connect(dsn, **more) as connection:
        return connection.execute("SELECT session_user").fetchone()[0]


def fails(dsn: str, sqlstate: str | None, match: str, **more: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=match) as caught:
        psycopg.connect(dsn, **more)
    assert sqlstate is None or caught.value.sqlstate == sqlstate


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See there."""
    return made_certificates(tmp_path_factory.mktemp("tls"))


def test_as_long_as_nobody_has_a_password_everybody_comes_in() -> None:
    with served() as server:
        assert connect(server.dsn) == "sqlengine"


def test_passwords_are_proved_and_survive(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path / "data") as db:
        db.execute("ALTER ROLE sqlengine PASSWORD 'root''s'; CREATE ROLE ann LOGIN PASSWORD 'naïve pass'")
        db.execute(
            "CREATE ROLE group_only; CREATE TABLE t (a INT);"
            "CREATE ROLE late LOGIN PASSWORD 'x' VALID UNTIL '2020-01-01'"
        )
    with served(tmp_path / "data") as server:
        assert connect(server.dsn, user="ann", password="naïve pass") == "ann"
        assert connect(server.dsn, user="sqlengine", password="root's") == "sqlengine"
        fails(server.dsn, None, "password authentication failed", user="ann", password="wrong")
        fails(server.dsn, None, "password authentication failed", user="nobody", password="wrong")
        fails(server.dsn, None, "password authentication failed", user="late", password="x")
        fails(server.dsn, None, "not permitted to log in", user="group_only")
        with psycopg.connect(server.dsn, user="ann", password="naïve pass") as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM t")


def test_tls_with_channel_binding(tmp_path: Path, certificates: Path) -> None:
    with sqlengine.connect(tmp_path / "data") as db:
        db.execute("CREATE ROLE ann LOGIN PASSWORD 'secret'")
    files = ("--tls-cert", certificates / "server.crt", "--tls-key", certificates / "server.key")
    with served(tmp_path / "data", *files) as server:
        dsn = server.dsn.replace("127.0.0.1", "localhost")
        trusted = {"sslrootcert": str(certificates / "ca.crt"), "user": "ann", "password": "secret"}
        for mode in ({"sslmode": "verify-full"}, {"sslmode": "verify-full", "channel_binding": "require"}):
            assert connect(dsn, **trusted, **mode) == "ann"
        assert connect(dsn, user="ann", password="secret", sslmode="disable") == "ann"
        if psycopg.pq.version() >= 170000:  # libpq 17 begins with TLS at once when it is asked to
            direct = {"sslnegotiation": "direct", "sslmode": "verify-full", "channel_binding": "require"}
            assert connect(dsn, **trusted, **direct) == "ann"
        fails(dsn, None, "password authentication failed", **{**trusted, "password": "no", "sslmode": "require"})


def test_a_certificate_proves_who_shows_it(tmp_path: Path, certificates: Path) -> None:
    with sqlengine.connect(tmp_path / "data") as db:
        db.execute("CREATE ROLE ann LOGIN PASSWORD 'secret'; CREATE ROLE bob LOGIN PASSWORD 'other'")
    files = ("--tls-cert", certificates / "server.crt", "--tls-key", certificates / "server.key")
    with served(tmp_path / "data", *files, "--tls-client-ca", certificates / "ca.crt") as server:
        shown = {
            "sslcert": str(certificates / "ann.crt"),
            "sslkey": str(certificates / "ann.key"),
            "sslmode": "require",
        }
        (certificates / "ann.key").chmod(0o600)
        assert connect(server.dsn, user="ann", **shown) == "ann"
        fails(server.dsn, None, "no password supplied|password authentication", user="bob", **shown)


def test_a_unix_socket(tmp_path: Path) -> None:
    with served("--socket-dir", tmp_path) as server:
        assert connect(f"host={tmp_path} port={server.port} user=me dbname=db") == "sqlengine"
        assert server.stop() == 0
    assert not list(tmp_path.iterdir())


def test_other_machines_are_not_listened_to_while_nobody_has_a_password() -> None:
    with sqlengine.connect() as db, pytest.raises(sqlengine.Error, match="without authentication") as caught:
        db.serve(host="0.0.0.0")
    assert caught.value.sqlstate == "28000" and "PASSWORD" in str(caught.value.hint)


def test_files_of_tls_that_do_not_fit(tmp_path: Path, certificates: Path) -> None:
    with sqlengine.connect() as db:
        for files in ({"tls_certificate": str(tmp_path / "none")}, {"tls_certificate": str(certificates / "ca.key")}):
            with pytest.raises(sqlengine.Error) as caught:
                db.serve(**files)
            assert caught.value.sqlstate == "22023"
        with pytest.raises(sqlengine.InterfaceError):
            db.serve(tls_key=str(certificates / "server.key"))
