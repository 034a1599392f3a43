"""A client of Hive without a socket: a conversation driven step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlengine.errors import InvalidPassword
from sqlengine.server.effects import Await, Receive, Run, Send
from sqlengine.server.hive.beginning import DIALECT, beginning
from sqlengine.server.hive.conversation import HiveConversation
from sqlengine.server.hive.operation import Handle
from sqlengine.server.hive.sasl import Credentials
from sqlengine.server.hive.session import HiveSession
from sqlengine.server.hive.status import InvalidHandle
from sqlengine.server.peer import Limits, Peer


@dataclass
class HiveTestHost:
    """A server of one database, in memory: everybody may come in but who says "wrong"."""

    database: Any
    limits: Limits = field(default_factory=Limits)
    version: str = "1.2.3"
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))
    opened: dict[bytes, HiveSession] = field(default_factory=dict)

    def prove(self, credentials: Credentials, peer: Peer) -> str:
        if credentials.password == "wrong":
            raise InvalidPassword("password authentication failed")
        return credentials.user

    def open_session(
        self, role: str, peer: Peer, protocol: int, configuration: Mapping[str, str], *, has_connection: bool
    ) -> HiveSession:
        begun = beginning(configuration, role)
        session = self.database.session()
        for name, value in {**begun.settings, **DIALECT}.items():
            session.settings.begin_with(name, value)
        made = HiveSession(session, role, peer, protocol, self.threads)
        made.on_end = lambda ended: self.opened.pop(ended.handle.guid, None)
        self.opened[made.handle.guid] = made
        return made

    def find_session(self, handle: Handle, role: str | None) -> HiveSession:
        found = self.opened.get(handle.guid)
        if found is None or found.handle != handle:
            raise InvalidHandle("invalid session handle")
        return found

    def sessions(self) -> list[HiveSession]:
        return list(self.opened.values())

    def soon(self, call: Callable[[], object]) -> None:
        self.threads.submit(call)


class HiveWire:
    """`send` bytes, get those that answer them; `is_over` once the conversation has ended."""

    def __init__(self, host: HiveTestHost) -> None:
        self.talk = HiveConversation(host, Peer("127.0.0.1", 1))
        self.is_over = False
        self.out = bytearray()
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
                    case Receive():
                        return
                    case Run(call):
                        try:
                            answer = call()
                        except BaseException as raised:
                            error = raised
                    case Await(future):
                        answer = future.result(timeout=30)
        except StopIteration:
            self.is_over = True

    def send(self, data: bytes) -> bytes:
        """Send bytes; the bytes that answer them.  b"": the client goes away."""
        if not self.is_over:
            self._advance(data)
        found, self.out = bytes(self.out), bytearray()
        return found

    def time_passes(self) -> bytes:
        """Until the limit of what is waited for."""
        if not self.is_over:
            self._advance(None)
        found, self.out = bytes(self.out), bytearray()
        return found
