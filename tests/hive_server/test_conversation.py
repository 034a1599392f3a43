"""Transports of Thrift, byte by byte: SASL, NOSASL, HTTP, and what is none of them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine.server.hive import sasl
from sqlengine.server.peer import Limits
from tests.hive_server.test_thrift import opening, written
from tests.hive_server.wire import HiveTestHost, HiveWire

ttypes = pytest.importorskip("TCLIService.ttypes", reason="HIVE'S THRIFT IS NOT TESTED: pyhive is not installed")


@pytest.fixture
def host() -> Iterator[HiveTestHost]:
    with sqlengine.connect() as database:
        made = HiveTestHost(database, Limits(message_bytes_max=3_000_000))
        yield made
        made.threads.shutdown()


def start(user: str = "me", password: str = "x", identity: str = "", mechanism: bytes = b"PLAIN") -> bytes:
    """How a client of SASL begins."""
    plain = f"{identity}\0{user}\0{password}".encode()
    return sasl.message(sasl.START, mechanism) + sasl.message(sasl.OK, plain)


def frame(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


# ---------------------------------------------------------------- SASL and NOSASL


def test_sasl_in_any_pieces(host: HiveTestHost) -> None:
    whole = start() + frame(opening()[:10]) + frame(b"") + frame(opening()[10:])
    for size in (1, 3, 1000):
        client = HiveWire(host)
        answer = b"".join(client.send(whole[at : at + size]) for at in range(0, len(whole), size))
        assert answer.startswith(sasl.message(sasl.COMPLETE))
        length, version = struct.unpack_from(">II", answer, 5)
        assert len(answer) == 9 + length and version == 0x80010002  # a reply
        client.send(b"")
        assert client.is_over
    assert host.opened == {}


@pytest.mark.parametrize(
    ("begins", "status", "words"),
    [
        (start(mechanism=b"GSSAPI"), sasl.ERROR, b'unsupported SASL mechanism "GSSAPI"'),
        (start(password="wrong"), sasl.BAD, b"password authentication failed"),
        (start(identity="boss"), sasl.BAD, b'user "me" may not act for user "boss"'),
        (start(user=""), sasl.ERROR, b"malformed SASL PLAIN message"),
        (sasl.message(sasl.START, b"PLAIN") + sasl.message(sasl.OK, b"no parts"), sasl.ERROR, b"malformed"),
        (sasl.message(sasl.START, b"PLAIN") + sasl.message(sasl.OK, b"\0\xff\0x"), sasl.ERROR, b"UTF8"),
        (sasl.message(sasl.START, b"PLAIN") + sasl.message(sasl.BAD, b""), sasl.ERROR, b"needs a response"),
        (b"\x01\xff\xff\xff\xff", sasl.ERROR, b"no message of SASL"),
        (sasl.message(sasl.START, b"PLAIN") + b"\x09\0\0\0\0", sasl.ERROR, b"no message of SASL"),
    ],
)
def test_sasl_refuses_and_says_why(host: HiveTestHost, begins: bytes, status: int, words: bytes) -> None:
    client = HiveWire(host)
    answer = client.send(begins)
    assert client.is_over
    assert answer[0] == status and words in answer[5:] and struct.unpack_from(">I", answer, 1)[0] == len(answer) - 5


def test_an_identity_of_ones_own_is_fine(host: HiveTestHost) -> None:
    client = HiveWire(host)
    assert client.send(start(identity="me")) == sasl.message(sasl.COMPLETE)
    assert client.talk.role == "me"


def test_who_does_not_begin_is_let_go(host: HiveTestHost) -> None:
    for begun in (b"", b"\x01\0\0", opening()[:9], b"POST / HT"):
        client = HiveWire(host)
        if begun:
            client.send(begun)
        client.time_passes()
        assert client.is_over, begun
    client = HiveWire(host)
    client.send(opening())
    client.time_passes()  # who has a session may be silent
    assert not client.is_over
    client.send(b"")


@pytest.mark.parametrize(
    "data", [b"\x00\x00\x00\x0bOpenSession", b"\xff", b"\x02", b"\x80\x02\x00\x01", b"\x16\x03\x01"]
)
def test_what_is_no_client(host: HiveTestHost, data: bytes) -> None:
    client = HiveWire(host)
    assert client.send(data) == b""
    assert client.is_over


def test_long_messages_need_a_session(host: HiveTestHost) -> None:
    long = written("OpenSession", ttypes.TOpenSessionReq(client_protocol=5, username="x" * 2_000_000))
    client = HiveWire(host)
    client.send(long)
    assert client.is_over
    client = HiveWire(host)
    client.send(opening())
    client.send(long)
    assert not client.is_over
    client.send(written("OpenSession", ttypes.TOpenSessionReq(client_protocol=5, username="x" * 3_000_001)))
    assert client.is_over


# ---------------------------------------------------------------- HTTP


def post(body: bytes, *headers: str, kind: str = "application/x-thrift", method: str = "POST") -> bytes:
    lines = [f"{method} /cliservice HTTP/1.1", "Host: x", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def basic(user: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_requests_in_any_pieces(host: HiveTestHost) -> None:
    whole = post(opening(), basic("me", "x")) + post(opening())
    for size in (1, 50, 10_000):
        client = HiveWire(host)
        answer = b"".join(client.send(whole[at : at + size]) for at in range(0, len(whole), size))
        assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2 and not client.is_over
        client.send(b"")
    assert len(host.opened) == 6  # they outlive their connections
    for session in host.sessions():
        session.close().result(timeout=30)


def test_requests_may_wait_to_be_told_to_go_on(host: HiveTestHost) -> None:
    client = HiveWire(host)
    whole = post(opening(), "Expect: 100-continue", "Connection: close")
    head = whole[: -len(opening())]
    assert client.send(head) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.send(opening()).startswith(b"HTTP/1.1 200 OK")
    assert client.is_over


BAD: list[tuple[bytes, bytes]] = [
    (post(b"", method="GET"), b"405"),
    (post(b"", method="OPTIONS"), b"405"),
    (post(b"x", kind="text/plain"), b"415"),
    (post(opening(), "Origin: http://example.org"), b"415"),
    (b"POST / HTTP/1.1\r\nContent-Type: application/x-thrift\r\n\r\n", b"411"),
    (post(b"", "Content-Length: 0"), b"400"),
    (b"POST / HTTP/1.1\r\nContent-Type: application/x-thrift\r\nContent-Length: -1\r\n\r\n", b"411"),
    (post(b"", "Transfer-Encoding: chunked"), b"411"),
    (post(b"", "no colon"), b"400"),
    (post(b"\0" * 8), b"400"),
    (post(opening()[:-1]), b"400"),
    (post(opening() + b"x"), b"400"),
    (post(b"", "Authorization: Negotiate abc"), b"401"),
    (post(b"", "Authorization: Basic !"), b"401"),
    (post(b"", "Authorization: Basic " + base64.b64encode(b"nobody").decode()), b"401"),
    (post(opening(), basic("me", "wrong")), b"401"),
    (b"POST / HTTP/1.1\r\nContent-Type: application/x-thrift\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
    (b"POST / HTTP/1.1\r\nContent-Type: application/x-thrift\r\nContent-Length: 2000000\r\n\r\n", b"413"),
    (b"POST " + b"/" * 40_000, b"431"),
    (b"POST /\r\n\r\n", b"400"),
    (b"POST / HTTP/2\r\n\r\n", b"400"),
]


@pytest.mark.parametrize(("data", "status"), BAD, ids=[f"{n}-{s.decode()}" for n, (_, s) in enumerate(BAD)])
def test_requests_that_are_refused(host: HiveTestHost, data: bytes, status: bytes) -> None:
    client = HiveWire(host)
    answer = client.send(data)
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert (b"WWW-Authenticate: Basic" in answer) == (status == b"401")
    assert client.is_over and host.opened == {}


def test_credentials_are_not_shown() -> None:
    made: Any = sasl.plain(b"\0me\0secret")
    assert (made.user, made.password) == ("me", "secret") and "secret" not in repr(made)
