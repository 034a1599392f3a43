"""Clients of Hive under TLS, and what other machines may not do without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import sqlengine
from sqlengine.errors import InvalidAuthorization, InvalidPassword
from sqlengine.server.admission import Policy
from sqlengine.server.backends import Backends
from sqlengine.server.hive.login import check_hive_listen, proved_role
from sqlengine.server.peer import Peer
from tests.hive_server.conftest import thrift_client
from tests.server.certificates import made_certificates

impala = pytest.importorskip("impala.dbapi", reason="IMPYLA IS NOT TESTED: impyla is not installed")
pyhive = pytest.importorskip(
    "pyhive.hive", reason="PYHIVE IS NOT TESTED: pyhive, thrift-sasl and pure-sasl are not installed"
)
ANN = {"user": "ann", "password": "correct horse"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a server with a certificate and a role with a password."""
    folder = made_certificates(tmp_path_factory.mktemp("tls"))
    files = {"tls_certificate": str(folder / "server.crt"), "tls_key": str(folder / "server.key")}
    with sqlengine.connect() as database, database.serve(hive="127.0.0.1:0", **files) as server:
        database.execute("CREATE ROLE ann LOGIN PASSWORD 'correct horse'")
        assert server.hive is not None
        yield server.hive.port


@pytest.mark.parametrize("more", [{}, {"use_http_transport": True, "http_path": "cliservice"}], ids=["SASL", "HTTPS"])
def test_impyla(port: int, more: dict[str, Any]) -> None:
    given = {"auth_mechanism": "PLAIN", "use_ssl": True, **ANN, **more}
    with closing(impala.connect("127.0.0.1", port, **given)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
        cursor.close()


def test_pyhive_over_https(port: int) -> None:
    given = {"scheme": "https", "username": "ann", "password": "correct horse", "auth": None}
    with closing(pyhive.connect("127.0.0.1", port, **given)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_this_machine_needs_none(port: int) -> None:
    client = thrift_client(port)
    assert client.open(username="ann", password="correct horse").status.statusCode == 0
    client.transport.close()


def test_other_machines_need_it() -> None:
    with sqlengine.connect() as database:
        backends = Backends(database, 10, {})
        policy = Policy(require_tls=True)
        far, safe = Peer("192.0.2.1", 1), Peer("192.0.2.1", 1, is_encrypted=True)
        with pytest.raises(InvalidAuthorization, match="no role has a password"):
            check_hive_listen("0.0.0.0", backends, policy, has_tls=True)
        database.execute("CREATE ROLE ann LOGIN PASSWORD 'correct horse'; CREATE ROLE open LOGIN")
        with pytest.raises(InvalidAuthorization, match="without TLS"):
            check_hive_listen("0.0.0.0", backends, policy, has_tls=False)
        check_hive_listen("0.0.0.0", backends, policy, has_tls=True)
        with pytest.raises(InvalidAuthorization, match="must use TLS"):
            proved_role("ann", "correct horse", far, backends, policy)
        assert proved_role("ann", "correct horse", safe, backends, policy) == "ann"
        for user, password in (("ann", "wrong"), ("open", "anything"), ("nobody", "anything"), ("ann", "")):
            with pytest.raises(InvalidPassword):
                proved_role(user, password, safe, backends, policy)
        with pytest.raises(InvalidAuthorization, match="must give a password"):
            proved_role("open", None, safe, backends, policy)
        backends.close()
