"""Bytes nobody would send: a conversation answers or ends, and nothing else happens."""

from __future__ import annotations

import logging
import os
import random
import struct
from dataclasses import dataclass, field

import pytest

import sqlengine
from sqlengine.server.hive import sasl
from tests.hive_server.test_conversation import basic, frame, post, start
from tests.hive_server.test_thrift import opening, written
from tests.hive_server.wire import HiveTestHost, HiveWire
from tests.server.test_fuzz import mutated, objects, resident_bytes

ttypes = pytest.importorskip("TCLIService.ttypes", reason="HIVE'S THRIFT IS NOT TESTED: pyhive is not installed")
MESSAGES = int(os.environ.get("SQLENGINE_FUZZ_MESSAGES", "100000")) // 10
SEED = int(os.environ.get("SQLENGINE_FUZZ_SEED", "20261129"))
WARM_MESSAGES = 2_000
GROWTH_BYTES_MAX = 2_000


def requests(session: object, operation: object) -> list[bytes]:
    """Calls as they should be."""
    t = ttypes
    made = {
        "ExecuteStatement": [
            t.TExecuteStatementReq(session, "SELECT id, name FROM t", {"timezone": "UTC"}),
            t.TExecuteStatementReq(session, "INSERT INTO t VALUES (1, 'x')", runAsync=True),
            t.TExecuteStatementReq(session, "SELECT FROM"),
        ],
        "GetInfo": [t.TGetInfoReq(session, 17)],
        "GetTables": [t.TGetTablesReq(session, "", "%", "t_", ["TABLE"])],
        "GetColumns": [t.TGetColumnsReq(session, "", "%", "t", "%")],
        "GetSchemas": [t.TGetSchemasReq(session, "", "%")],
        "GetTypeInfo": [t.TGetTypeInfoReq(session)],
        "GetFunctions": [t.TGetFunctionsReq(session, "", "", "up%")],
        "GetPrimaryKeys": [t.TGetPrimaryKeysReq(session, "", "default", "t")],
        "GetOperationStatus": [t.TGetOperationStatusReq(operation, True)],
        "GetResultSetMetadata": [t.TGetResultSetMetadataReq(operation)],
        "FetchResults": [t.TFetchResultsReq(operation, 0, 2), t.TFetchResultsReq(operation, 4, 100, 1)],
        "CancelOperation": [t.TCancelOperationReq(operation)],
        "CloseOperation": [t.TCloseOperationReq(operation)],
        "CloseSession": [t.TCloseSessionReq(session)],
        "GetLog": [t.TGetLogReq(operation)],
    }
    return [written(name, request) for name, found in made.items() for request in found]


@dataclass
class Fuzz:
    """Clients that send messages as they should be and others, over each transport, one client after another."""

    host: HiveTestHost
    rng: random.Random
    client: HiveWire | None = None
    wildness: float = 0.0
    way: str = ""
    seeds: list[bytes] = field(default_factory=list)
    answers: int = 0

    def send(self) -> None:
        """One message."""
        client = self.client
        if client is None or client.is_over:
            client = self._next()
        message = self._wrapped(self._perhaps(self.rng.choice(self.seeds)))
        self.answers += len(client.send(self._perhaps(message) if self.rng.random() < 0.3 else message)) > 0
        if self.rng.random() < 0.05:
            self.leave()

    def _wrapped(self, message: bytes) -> bytes:
        return {"sasl": frame, "plain": bytes, "http": lambda m: post(m, basic("me", "x"))}[self.way](message)

    def _next(self) -> HiveWire:
        self.leave()
        self.wildness = self.rng.choice((0.02, 0.2, 0.7))
        self.way = self.rng.choice(("sasl", "plain", "http"))
        client = self.client = HiveWire(self.host)
        if self.way == "sasl":
            client.send(self._perhaps(start()))
        client.send(self._wrapped(opening()))
        opened = self.host.sessions()
        identifier = ttypes.THandleIdentifier(b"g" * 16, b"s" * 16)
        if opened:
            identifier = ttypes.THandleIdentifier(opened[-1].handle.guid, opened[-1].handle.secret)
            done = opened[-1].operations.values()
            ids = [ttypes.THandleIdentifier(o.handle.guid, o.handle.secret) for o in done] or [identifier]
        else:
            ids = [identifier]
        operation = ttypes.TOperationHandle(self.rng.choice(ids), 0, True)
        self.seeds = requests(ttypes.TSessionHandle(identifier), operation)
        return client

    def _perhaps(self, data: bytes) -> bytes:
        return mutated(self.rng, data) if self.rng.random() < self.wildness else data

    def leave(self) -> None:
        """The client goes away, and what it has opened over HTTP is forgotten."""
        if self.client is not None:
            self.client.send(b"")
        self.client = None
        for session in self.host.sessions():
            session.close().result(timeout=60)


@pytest.mark.slow
def test_no_bytes_are_more_than_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "sqlengine.server")
    with sqlengine.connect() as database:
        database.execute("CREATE TABLE t (id BIGINT, name TEXT); INSERT INTO t VALUES (1, 'one')")
        fuzz = Fuzz(HiveTestHost(database), random.Random(SEED))
        for _ in range(WARM_MESSAGES):
            fuzz.send()
        fuzz.leave()
        objects_before, bytes_before = objects(), resident_bytes()
        for _ in range(MESSAGES):
            fuzz.send()
        fuzz.leave()
        assert fuzz.host.opened == {}
        assert objects() - objects_before < 3_000 + MESSAGES / 10
        assert resident_bytes() - bytes_before < 32_000_000 + MESSAGES * GROWTH_BYTES_MAX
        assert fuzz.answers > MESSAGES / 2
        fuzz.host.threads.shutdown()
    assert not caplog.records


def test_noise(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "sqlengine.server")
    rng = random.Random(SEED)
    with sqlengine.connect() as database:
        host = HiveTestHost(database)
        for _ in range(3_000):
            client = HiveWire(host)
            first = rng.choice((b"\x01", b"\x80", b"\x80\x01\x00\x01", b"P", b"POST / HTTP/1.1\r\n", b""))
            client.send((first + rng.randbytes(rng.randint(1, 200))) or b"x")
            client.send(struct.pack(">I", rng.getrandbits(32)) + rng.randbytes(20))
            client.time_passes()
            assert client.is_over
        client = HiveWire(host)
        assert client.send(start()) == sasl.message(sasl.COMPLETE)
        client.send(b"")
        host.threads.shutdown()
    assert not caplog.records and host.opened == {}
