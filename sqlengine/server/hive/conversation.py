"""HiveConversation: one connection of a client of Hive from its first byte to its last, without I/O.

The first byte tells how Thrift's messages come: 1 is SASL's START, 0x80 begins a message of the binary protocol
(NOSASL), a letter a request of HTTP.  Each call is answered before the next is read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlengine.errors import Error, InvalidAuthorization, InvalidPassword, ProtocolViolation
from sqlengine.server.effects import Await, Gone, Receive, Run, Send, Steps
from sqlengine.server.hive import http, sasl
from sqlengine.server.hive.calls import answer
from sqlengine.server.hive.host import HiveHost
from sqlengine.server.hive.operation import Operation
from sqlengine.server.hive.sasl import Credentials
from sqlengine.server.hive.session import HiveSession
from sqlengine.server.hive.thrift import Call, Decoder
from sqlengine.server.peer import Peer

_LOG = logging.getLogger("sqlengine.server")
_FIRST_MESSAGES_BYTES_MAX = 1024 * 1024
"""Of a message from somebody who has no session yet."""


class HiveConversation:
    """`run()` is the whole of it; `terminate` and `lost` may be called from any thread.

    `role`: the role the client has shown to be, None where it has not been asked; `sessions`: those that were opened
    over the connection and end with it.
    """

    def __init__(self, host: HiveHost, peer: Peer) -> None:
        self.host = host
        self.peer = peer
        self.role: str | None = None
        self.sessions: dict[bytes, HiveSession] = {}
        self.waits_for: tuple[HiveSession, Operation] | None = None
        self.keeps_sessions = False
        """They outlive the connection, as clients over HTTP use another one for each call."""
        self.wake: Callable[[], object] = lambda: None
        self.stop_sending: Callable[[], object] = lambda: None
        self.send_aside: Callable[[bytes], object] = lambda _data: None
        self._data = bytearray()
        self._ending: Error | None = None

    # ------------------------------------------------------------ from outside

    def terminate(self, error: Error) -> None:
        """End the conversation as soon as may be."""
        self._ending = error
        self.lost()
        self.wake()
        self.stop_sending()

    @property
    def is_ending(self) -> bool:
        """See Talk."""
        return self._ending is not None

    def lost(self) -> None:
        """The client is gone: nobody waits for what it has asked for."""
        waiting = self.waits_for
        if waiting is not None:
            self.host.soon(lambda: waiting[0].cancel_operation(waiting[1]))

    # ------------------------------------------------------------ the whole

    def at_once(self, _data: bytes) -> bytes | None:
        """See Talk: nothing is."""
        return None

    def run(self) -> Steps:
        """All of it; ends when the conversation does."""
        try:
            yield from self._run()
        except (Gone, ConnectionError) as error:
            _LOG.debug("a client of Hive is gone: %s", error)
        except Error as error:
            _LOG.debug("a connection of a client of Hive ends: %s", error)
        finally:
            ending = [] if self.keeps_sessions else [session.close() for session in self.sessions.values()]
        for end in ending:
            yield Await(end)

    def _run(self) -> Steps:
        while not self._data:
            yield from self._receive(first=True)
        first = self._data[0]
        if first == sasl.START:
            yield from self._negotiate()
            unframer = sasl.Unframer()
            yield from self._binary(unframer.feed, sasl.framed)
        elif first == 0x80:
            yield from self._binary(bytes, bytes)
        elif first in http.METHOD_LETTERS:
            self.keeps_sessions = True
            yield from self._http()
        else:
            raise ProtocolViolation("this is no client of Hive")

    def _receive(self, first: bool = False) -> Steps:
        """More bytes for `_data`.  Raises Gone, ProtocolViolation when a client that should begin does not, or what
        ends the conversation from outside."""
        self._check()
        data = yield Receive(self.host.limits.startup_timeout_s if first else None)
        self._check()
        if data == b"":
            raise Gone
        if data is None and first:
            raise ProtocolViolation("the client did not begin in time")
        self._data += data or b""

    def _check(self) -> None:
        if self._ending is not None:
            raise self._ending
        for session in self.sessions.values():
            if session.ended_by is not None:
                raise session.ended_by

    # ------------------------------------------------------------ messages over TCP

    def _negotiate(self) -> Steps:
        """SASL until it is known who the client is; it is told why when it may not come in."""
        try:
            status, mechanism = yield from self._sasl_message()
            if status != sasl.START:
                raise ProtocolViolation("SASL begins with START")
            sasl.check_mechanism(mechanism)
            status, payload = yield from self._sasl_message()
            if status not in (sasl.OK, sasl.COMPLETE):
                raise ProtocolViolation("SASL PLAIN needs a response")
            yield from self.login(sasl.plain(payload))
        except Error as error:
            status = sasl.BAD if isinstance(error, (InvalidAuthorization, InvalidPassword)) else sasl.ERROR
            yield Send(sasl.message(status, error.message.encode()))
            raise
        yield Send(sasl.message(sasl.COMPLETE))

    def _sasl_message(self) -> Steps:
        while (found := sasl.next_message(self._data)) is None:
            yield from self._receive(first=True)
        return found

    def login(self, credentials: Credentials) -> Steps:
        """Take somebody in.  InvalidAuthorization (28000), InvalidPassword (28P01)."""
        self.role = yield Run(lambda: self.host.prove(credentials, self.peer))

    def _binary(self, unwrap: Callable[[bytes], bytes], wrap: Callable[[bytes], bytes]) -> Steps:
        decoder = Decoder(_FIRST_MESSAGES_BYTES_MAX)
        while True:
            decoder.bytes_max = self.host.limits.message_bytes_max if self.sessions else _FIRST_MESSAGES_BYTES_MAX
            data, self._data = bytes(self._data), bytearray()
            decoder.feed(unwrap(data))
            while (call := decoder.next()) is not None:
                reply = yield from answer(self, call)
                yield Send(wrap(reply))
                self._check()
            yield from self._receive(first=not self.sessions and decoder.pending > 0)

    # ------------------------------------------------------------ HTTP

    def _http(self) -> Steps:
        try:
            while True:
                while (head := http.take_head(self._data)) is None:
                    yield from self._receive(first=bool(self._data))
                call = yield from self._request(head)
                reply = yield from answer(self, call)
                yield Send(http.response(reply, head.closes))
                if head.closes:
                    return
        except http.BadRequest as error:
            yield Send(http.error_response(error))
            raise

    def _request(self, head: http.Head) -> Steps:
        """The call in a request's body, from who the request says it is."""
        if head.length > self.host.limits.message_bytes_max:
            raise http.BadRequest("413 Content Too Large", "the request is too long")
        self.role = None
        if head.credentials is not None:
            try:
                yield from self.login(head.credentials)
            except (InvalidAuthorization, InvalidPassword) as error:
                raise http.unauthorized(error.message) from None
        elif head.length > _FIRST_MESSAGES_BYTES_MAX:
            raise http.BadRequest("413 Content Too Large", "the request is too long")
        if head.waits:
            yield Send(http.CONTINUE)
        while len(self._data) < head.length:
            yield from self._receive(first=True)
        decoder = Decoder(head.length)
        decoder.feed(bytes(self._data[: head.length]))
        del self._data[: head.length]
        try:
            call: Call | None = decoder.next()
        except ProtocolViolation as error:
            raise http.BadRequest("400 Bad Request", error.message) from None
        if call is None or decoder.pending:
            raise http.BadRequest("400 Bad Request", "the body is not one message of Thrift")
        return call

    # ------------------------------------------------------------ operations

    def wait(self, session: HiveSession, operation: Operation) -> Steps:
        """Until an operation has ended; it is cancelled when the client goes."""
        self.waits_for = session, operation
        try:
            yield Await(operation.done)
        finally:
            self.waits_for = None
