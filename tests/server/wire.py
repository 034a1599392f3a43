"""A client of the wire protocol without a socket: a conversation driven step by step, and its answers as data."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlengine
from sqlengine.server.backends import Backend
from sqlengine.server.effects import Encrypt, Receive, Run, Send, Steps
from sqlengine.server.peer import Limits, Peer
from sqlengine.server.pg.conversation import Conversation
from sqlengine.session import Session


@dataclass
class TestHost:
    """A server of one database, in memory."""

    __test__ = False

    database: Any
    limits: Limits = field(default_factory=Limits)
    has_tls: bool = False
    admitted: list[Backend] = field(default_factory=list)
    cancelled: list[tuple[int, bytes]] = field(default_factory=list)

    def unguessable(self, count: int) -> bytes:
        return b"k" * count

    def authenticate(self, talk: Conversation) -> Steps:
        return
        yield

    def open_session(self, talk: Conversation, options: Mapping[str, str]) -> Session:
        return self.database.session()

    def admit(self, backend: Backend) -> None:
        self.admitted.append(backend)

    def leave(self, backend: Backend) -> None:
        self.admitted.remove(backend)

    def cancel(self, pid: int, key: bytes) -> None:
        self.cancelled.append((pid, key))


class Wire:
    """`send` bytes, get the messages that answer them; `is_over` once the conversation has ended.

    `hastens`: what can be answered at once is, as by those who drive conversations; `at_once`: how often it was.
    """

    def __init__(self, host: TestHost, peer: Peer | None = None, hastens: bool = True) -> None:
        self.hastens = hastens
        self.at_once = 0
        self._is_timed = False
        self.talk = Conversation(host, peer or Peer("127.0.0.1"), 42)
        self.is_over = False
        self.out = bytearray()
        self.on_run: Callable[[], None] = lambda: None
        self._steps = self.talk.run()
        self._advance(None)

    def _advance(self, answer: Any, error: BaseException | None = None) -> None:
        """Carry out effects until bytes are wanted."""
        try:
            while True:
                effect = self._steps.throw(error) if error is not None else self._steps.send(answer)
                answer = error = None
                match effect:
                    case Send(data):
                        self.out += data
                    case Receive(timeout_s):
                        self._is_timed = timeout_s is not None
                        return
                    case Encrypt():
                        answer = self.talk.peer
                    case Run(call):
                        self.on_run()
                        try:
                            answer = call()
                        except BaseException as raised:
                            error = raised
        except StopIteration:
            self.is_over = True

    def raw(self, data: bytes) -> bytes:
        """Send bytes; the bytes that answer them."""
        answer = None if self.is_over or self._is_timed or not self.hastens else self.talk.at_once(data)
        if answer is not None:
            self.at_once += 1
            return answer
        if not self.is_over:
            self._advance(data)
        found, self.out = bytes(self.out), bytearray()
        return found

    def time_passes(self) -> list[tuple[str, bytes]]:
        """Until the limit of what is waited for; what is said then."""
        self._advance(None)
        found, self.out = bytes(self.out), bytearray()
        return list(split(found))

    def send(self, *messages: bytes) -> list[tuple[str, bytes]]:
        """Send messages; those that answer them, as (kind, contents)."""
        return list(split(self.raw(b"".join(messages))))

    def kinds(self, *messages: bytes) -> str:
        """The kinds of the answers alone."""
        return "".join(kind for kind, _ in self.send(*messages))

    def start(self, version: int = 196608, **parameters: str) -> list[tuple[str, bytes]]:
        """Send a StartupMessage."""
        return list(split(self.raw(startup(version, **{"user": "me", **parameters}))))


def split(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Messages of a server, all of them whole."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("!I", data, at + 1)
        assert at + 1 + length <= len(data), "a message is cut off"
        yield chr(data[at]), data[at + 5 : at + 1 + length]
        at += 1 + length


def fields(error: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse."""
    parts = error.rstrip(b"\0").split(b"\0")
    return {chr(part[0]): part[1:].decode() for part in parts}


def values(row: bytes) -> list[bytes | None]:
    """The values of a DataRow."""
    (count,) = struct.unpack_from("!H", row)
    at, found = 2, []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", row, at)
        at += 4
        found.append(None if size < 0 else row[at : at + size])
        at += max(size, 0)
    assert at == len(row)
    return found


# ---------------------------------------------------------------- what clients send


def message(kind: str, contents: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!I", len(contents) + 4) + contents


def cstring(text: str) -> bytes:
    return text.encode() + b"\0"


def startup(version: int, **parameters: str) -> bytes:
    told = b"".join(cstring(k) + cstring(v) for k, v in parameters.items())
    contents = struct.pack("!I", version) + told + b"\0"
    return struct.pack("!I", len(contents) + 4) + contents


def query(text: str) -> bytes:
    return message("Q", cstring(text))


def parse(text: str, name: str = "", oids: Sequence[int] = ()) -> bytes:
    return message("P", cstring(name) + cstring(text) + struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def bind(
    parameters: Sequence[bytes | None] = (),
    portal: str = "",
    statement: str = "",
    formats: Sequence[int] = (),
    results: Sequence[int] = (),
) -> bytes:
    told = b"".join(
        struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value for value in parameters
    )
    return message(
        "B",
        cstring(portal)
        + cstring(statement)
        + struct.pack(f"!H{len(formats)}h", len(formats), *formats)
        + struct.pack("!H", len(parameters))
        + told
        + struct.pack(f"!H{len(results)}h", len(results), *results),
    )


def describe(kind: str, name: str = "") -> bytes:
    return message("D", kind.encode() + cstring(name))


def execute(portal: str = "", most: int = 0) -> bytes:
    return message("E", cstring(portal) + struct.pack("!i", most))


def close(kind: str, name: str = "") -> bytes:
    return message("C", kind.encode() + cstring(name))


SYNC, FLUSH, TERMINATE = message("S"), message("H"), message("X")


@contextmanager
def wire(**limits: Any) -> Iterator[Wire]:
    """A client that has started, of a database with a table t (id, name) of three rows."""
    with sqlengine.connect() as database:
        database.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT)")
        database.execute("INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, 'three')")
        made = Wire(TestHost(database, Limits(**limits)))
        made.start()
        yield made
