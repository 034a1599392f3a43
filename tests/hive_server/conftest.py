"""A database served to clients of Hive, and Thrift's own library as one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import sqlengine
from sqlengine.api.database import Database
from sqlengine.server.hive.listener import HiveListener


@dataclass
class HiveServed:
    """A database and the port it is served on."""

    database: Database
    listener: HiveListener

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.listener.port

    def setting(self, name: str) -> str:
        """Of the only session there is."""
        (session,) = self.listener.sessions()
        return str(session.session.settings.get(name))

    def role(self) -> str:
        """Whose the only session there is is."""
        (session,) = self.listener.sessions()
        return session.context.instance.catalog.roles.name_of(session.context.role.current)


SETUP = """
CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT);
INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, 'drei Ärger');
CREATE VIEW named AS SELECT * FROM t WHERE name IS NOT NULL;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM t;
CREATE SCHEMA sales;
CREATE TABLE sales.orders (
    id BIGINT, region TEXT, amount NUMERIC(10, 2) NOT NULL, placed DATE, PRIMARY KEY (id, region)
);
"""


@pytest.fixture
def hive() -> Iterator[HiveServed]:
    """A server in this process, with a few tables."""
    with sqlengine.connect() as database, database.serve(hive="127.0.0.1:0") as server:
        assert server.hive is not None
        database.execute(SETUP)
        yield HiveServed(database, server.hive)


@dataclass
class ThriftClient:
    """TCLIService's client as Thrift's compiler made it, over NOSASL."""

    call: Any
    types: Any
    transport: Any

    def open(self, version: int = 10, **given: Any) -> Any:
        """OpenSession; its answer."""
        answer = self.call.OpenSession(self.types.TOpenSessionReq(client_protocol=version, **given))
        return answer

    def session(self, version: int = 10, **given: Any) -> Any:
        """A session's handle."""
        answer = self.open(version, **given)
        assert answer.status.statusCode == 0, answer
        return answer.sessionHandle

    def execute(self, session: Any, text: str, **given: Any) -> Any:
        """ExecuteStatement; its answer."""
        return self.call.ExecuteStatement(self.types.TExecuteStatementReq(session, text, **given))

    def operation(self, session: Any, text: str, **given: Any) -> Any:
        """An operation's handle."""
        answer = self.execute(session, text, **given)
        assert answer.status.statusCode == 0, answer
        return answer.operationHandle

    def fetch(self, operation: Any, most: int = 1000, orientation: int = 0, kind: int = 0) -> Any:
        """FetchResults; its answer."""
        return self.call.FetchResults(self.types.TFetchResultsReq(operation, orientation, most, kind))

    def status(self, operation: Any, progress: bool = False) -> Any:
        """GetOperationStatus; its answer."""
        return self.call.GetOperationStatus(self.types.TGetOperationStatusReq(operation, progress))

    def rows(self, operation: Any, most: int = 1000) -> list[tuple[Any, ...]]:
        """All rows of an operation in columns."""
        found: list[tuple[Any, ...]] = []
        while True:
            answer = self.fetch(operation, most)
            assert answer.status.statusCode == 0, answer
            part = rows_of(answer.results)
            found += part
            if not answer.hasMoreRows:
                return found


def rows_of(row_set: Any) -> list[tuple[Any, ...]]:
    """The rows of a TRowSet, whichever way it has them."""
    if not row_set.columns:
        return [tuple(value_of(v) for v in row.colVals) for row in row_set.rows]
    columns = []
    for column in row_set.columns:
        (held,) = [v for v in vars(column).values() if v is not None]
        bits = held.nulls
        columns.append([None if bits[i // 8] >> i % 8 & 1 else v for i, v in enumerate(held.values)])
    return list(zip(*columns, strict=True))


def value_of(value: Any) -> Any:
    """The one value of a TColumnValue."""
    (held,) = [v for v in vars(value).values() if v is not None]
    return held.value


def thrift_client(port: int) -> ThriftClient:
    """A client of the server at a port of this machine."""
    service = pytest.importorskip("TCLIService", reason="HIVE'S THRIFT IS NOT TESTED: pyhive is not installed")
    from TCLIService import TCLIService, ttypes
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.transport.TSocket import TSocket
    from thrift.transport.TTransport import TBufferedTransport

    assert service is not None
    transport = TBufferedTransport(TSocket("127.0.0.1", port))
    transport.open()
    return ThriftClient(TCLIService.Client(TBinaryProtocol(transport)), ttypes, transport)


@pytest.fixture
def thrift(hive: HiveServed) -> Iterator[ThriftClient]:
    """A client of the server."""
    made = thrift_client(hive.port)
    yield made
    made.transport.close()
