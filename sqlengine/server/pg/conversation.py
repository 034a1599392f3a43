"""Conversation: one connection from its first byte to its last, without I/O.

    start-up --authenticated--> a loop of messages, each answered before the next is read

Answers are gathered and sent when the client waits for them: at the end of a script, at Sync and Flush, and whenever
much has gathered.  In the extended protocol everything between an error and the next Sync is passed over.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable

from sqlengine.advance import Advance
from sqlengine.catalog.pg.facts import Activity
from sqlengine.errors import (
    AdminShutdown,
    Error,
    InvalidText,
    OperationalError,
    ProtocolViolation,
)
from sqlengine.pg_encodings import UTF8, Encoding
from sqlengine.result import Notice
from sqlengine.server.effects import Gone, Receive, Run, Send, Steps
from sqlengine.server.peer import Peer
from sqlengine.server.pg import at_once, extended, replies, simple, startup
from sqlengine.server.pg.frames import Frames
from sqlengine.server.pg.host import Host
from sqlengine.server.pg.messages import (
    Bind,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    FunctionCall,
    Message,
    Parse,
    Password,
    Query,
    Sync,
    Terminate,
    read_message,
)
from sqlengine.server.pg.portal import Portal, Prepared, PreparedBefore
from sqlengine.server.pg.running import given_up
from sqlengine.server.pg.status import PROGRESS, advance_text, reported
from sqlengine.server.transactions import refuse_after_failure
from sqlengine.session import Session
from sqlengine.sql import ast

PROGRESS_EVERY_US = 100_000
NOTIFICATIONS_MAX = 10_000
"""A client that does not take them loses the oldest: they say that something has changed, not what."""

SEND_BYTES = 65_536
"""Answers are sent at the latest when they are so many bytes."""

_LOG = logging.getLogger("sqlengine.server")


class Conversation:
    """`run()` is the whole of it; `cancel`, `terminate` and `wake` may be called from any thread."""

    def __init__(self, host: Host, peer: Peer, pid: int) -> None:
        self.host = host
        self.peer = peer
        self.pid = pid
        self.key = host.unguessable(4)
        self.frames = Frames(host.limits.message_bytes_max)
        self.role = ""
        self.database = ""
        self.statements: dict[str, Prepared] = {}
        self.portals: dict[str, Portal] = {}
        self.prepared = PreparedBefore()
        self._session: Session | None = None
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._told: dict[str, str] = {}
        self._reported: tuple[int, object] | None = None
        self._is_skipping = False
        self._is_at_rest = False
        self._is_ready = False
        self._has_left = False
        self._ending: Error | None = None
        self._query = ""
        self._notifications: deque[tuple[int, str, str]] = deque(maxlen=NOTIFICATIONS_MAX)
        self._query_began_us: int | None = None
        self._query_ended_us: int | None = 0
        self.wake: Callable[[], object] = lambda: None
        """Set by whoever drives: has a Receive return, from any thread."""
        self.stop_sending: Callable[[], object] = lambda: None
        """Set by whoever drives: gives up a Send whose peer takes nothing, from any thread."""
        self.send_aside: Callable[[bytes], object] = lambda _data: None
        """Set by whoever drives: sends messages while a Run goes on, if the peer takes them, from any thread."""
        self._progress_told_us = 0

    @property
    def session(self) -> Session:
        """The session; there is one once the client has authenticated."""
        assert self._session is not None
        return self._session

    @property
    def encoding(self) -> Encoding:
        """What the client's text is in, at the moment."""
        return UTF8 if self._session is None else self._session.settings.client_encoding

    def lengthen_key(self, size: int) -> None:
        """Have a cancel key of so many bytes."""
        self.key = self.host.unguessable(size)

    # ------------------------------------------------------------ from outside

    def cancel(self) -> None:
        """End what the session is doing."""
        if self._session is not None:
            self._session.cancel()

    def terminate(self, error: Error) -> None:
        """End the conversation, telling the client why, as soon as it can be told."""
        self._ending = error
        self.cancel()
        self.wake()
        self.stop_sending()

    @property
    def is_ending(self) -> bool:
        """Whether it has been ended from outside: the client is told, if it listens."""
        return self._ending is not None

    def activity(self) -> Activity:
        """See Backend."""
        context = self.session.context
        idle = self._query_ended_us is not None
        waiting = {replies.IDLE: "idle", replies.IN_TRANSACTION: "idle in transaction"}
        failed = "idle in transaction (aborted)"
        return Activity(
            pid=self.pid,
            user=self.role,
            database=self.database,
            application_name=self.session.settings.application_name,
            client_addr=self.peer.address,
            client_port=self.peer.port,
            backend_start_us=context.backend.start_us,
            query_start_us=self._query_began_us,
            state_change_us=self._query_ended_us if idle else self._query_began_us,
            state=waiting.get(self.status, failed) if idle else "active",
            query=self._query,
        )

    def notify(self, sender: int, channel: str, payload: str) -> None:
        """Tell the client of a notification once it is idle."""
        self._notifications.append((sender, channel, payload))
        self.wake()

    def _tell_progress(self, advance: Advance) -> None:
        """Have a client that wants it know how far its statement is; called by the thread that carries it out."""
        now_us = self._now_us()
        if self.session.settings.report_progress == "true" and now_us - self._progress_told_us >= PROGRESS_EVERY_US:
            self._progress_told_us = now_us
            self.send_aside(replies.parameter_status(PROGRESS, advance_text(advance), self.encoding))

    def begins(self, text: str) -> None:
        """A statement is being carried out."""
        self._query, self._query_began_us, self._query_ended_us = text, self._now_us(), None

    def _now_us(self) -> int:
        return self.session.context.instance.clock.now_us()

    def at_once(self, data: bytes) -> bytes | None:
        """The answer to bytes that have come while it waits for some, if it can be given at once; None when they are to
        be received as ever."""
        if data[:1] != b"B" or not self._is_at_rest or self._notifications or self._ending is not None:
            return None
        if self.frames.pending or self._reported != self._report_state():
            return None
        self.session.context.cancelled.clear()
        found = at_once.answer(self, data)
        if found is not None:
            self._query_ended_us = self._now_us()
        return found

    # ------------------------------------------------------------ the whole

    def run(self) -> Steps:
        """All of it; ends when the conversation does."""
        try:
            yield from self._until_it_ends()
            if self._session is not None:
                yield Run(self._leave)  # drops tables and ends what is followed: not on the thread of all conversations
        finally:
            self._leave()

    def _until_it_ends(self) -> Steps:
        try:
            yield from self._run()
        except (Gone, ConnectionError) as error:
            _LOG.debug("the client of connection %d is gone: %s", self.pid, error)
        except Error as error:
            _LOG.debug("connection %d ends: %s", self.pid, error)
            yield Send(b"".join(self._out) + replies.error(error, severity="FATAL"))

    def _run(self) -> Steps:
        started = yield from startup.negotiate(self)
        if started is None:
            return
        self._session = yield from startup.authenticate(self, started)
        self.session.context.protocol_statements = self.statements
        self.session.context.on_notify = self.notify
        self.session.on_progress(self._tell_progress)
        self.session.context.cancel_lasts = True
        self.host.admit(self)
        yield from self._greet(started)
        while True:
            kind, contents = yield from self._next_packet()
            try:
                message = read_message(kind, contents, self.encoding)
            except InvalidText as error:
                yield from self._refuse(kind, error)
                continue
            if isinstance(message, Terminate):
                return
            yield from self._answer(message)

    def _leave(self) -> None:
        """Give back everything; idempotent."""
        if self._has_left:
            return
        self._has_left = True
        for portal in self.portals.values():
            portal.close()
        if self._session is not None:
            self._session.context.instance.scheduler.channels.unlisten(self.notify)
            self._session.cancel()
            self._session.close()
            self.host.leave(self)

    def _greet(self, started: startup.Started) -> Steps:
        self.emit(replies.AUTHENTICATED)
        self.report()
        self._is_ready = True
        self.emit(replies.backend_key(self.pid, self.key), replies.ready(replies.IDLE))
        yield from self.flush()

    # ------------------------------------------------------------ messages in, bytes out

    def emit(self, *messages: bytes) -> None:
        """Answers to be sent with the next."""
        self._out += messages
        self._out_bytes += sum(map(len, messages))

    def tell(self, notices: Iterable[Notice]) -> None:
        """Notices, to be sent with the next answers."""
        self.emit(*[replies.notice(told, self.encoding) for told in notices])

    def flush(self) -> Steps:
        """Send what has gathered."""
        if self._out:
            data, self._out, self._out_bytes = b"".join(self._out), [], 0
            yield Send(data)

    def flush_much(self) -> Steps:
        """Send what has gathered if it is much."""
        if self._out_bytes >= SEND_BYTES:
            yield from self.flush()

    def receive(self, timeout_s: float | None = None) -> Steps:
        """More bytes for `frames`; False when time has passed. Raises Gone, or what ends the conversation."""
        self.check()
        data = yield Receive(timeout_s)
        self.check()
        if data == b"":
            raise Gone
        if data is not None:
            self.frames.feed(data)
        return data is not None

    def check(self) -> None:
        """Raises what ends the conversation from outside."""
        if self._ending is not None:
            raise self._ending

    def _next_packet(self) -> Steps:
        while (found := self.frames.message()) is None:
            if self._is_at_rest and self._notifications:
                self._tell_notifications()
                yield from self.flush()
            waits_s = self._idle_s()
            has_come = yield from self.receive(waits_s)
            if not has_come and not self._notifications and waits_s is not None:
                raise _idle(self.session.in_transaction)
        return found

    def _idle_s(self) -> float | None:
        """How long the client may say nothing; None for ever, as within what it has begun to ask."""
        if not self._is_ready:
            return None
        name = "idle_in_transaction_session_timeout" if self.session.in_transaction else "idle_session_timeout"
        return int(self.session.settings.get(name)) / 1000 or None

    def next_message(self, timeout_s: float | None = None) -> Steps:
        """The next message, within something that needs more (COPY, a password); ProtocolViolation when none comes."""
        while (found := self.frames.message()) is None:
            if not (yield from self.receive(timeout_s)) and timeout_s is not None:
                raise ProtocolViolation("the client did not answer in time")
        return read_message(*found, self.encoding)

    # ------------------------------------------------------------ one message

    def _answer(self, message: Message) -> Steps:
        if isinstance(message, Sync):
            self._is_skipping = False
            yield from self._ready()
            return
        if self._is_ready:
            self.session.context.cancelled.clear()  # from here on it is this request that is cancelled
        self._is_at_rest = self._is_ready = False
        if self._is_skipping and not isinstance(message, Query):
            return
        if isinstance(message, Flush):
            yield from self.flush()
            return
        if isinstance(message, Query):
            self._is_skipping = False
            self.begins(message.text)
            yield from simple.query(self, message.text)
            yield from self._ready()
            return
        try:
            yield from self._extended(message)
        except (Gone, ConnectionError):
            raise
        except Exception as error:  # also a fault of ours: the session goes on
            self.fail(error)
            self._is_skipping = True
            yield from self.flush()  # who has sent Flush waits for it, and no Flush counts before the next Sync
        yield from self.flush_much()

    def _refuse(self, kind: bytes, error: Error) -> Steps:
        """A message whose text cannot be read counts as one that has failed."""
        self.fail(error)
        if kind == b"Q":
            yield from self._ready()
        else:
            self._is_skipping = True
            yield from self.flush()

    def _extended(self, message: Message) -> Steps:
        match message:
            case Parse():
                yield from extended.parse(self, message)
            case Bind():
                yield from extended.bind(self, message)
            case Describe():
                yield from extended.describe(self, message)
            case Execute():
                yield from extended.execute(self, message)
            case Close():
                yield from extended.close(self, message)
            case CopyData() | CopyDone() | CopyFail():
                return  # what is still on its way of a COPY that has failed
            case Password():
                raise ProtocolViolation("a password message is not expected here")
            case FunctionCall():
                raise OperationalError("function calls by oid are not supported", sqlstate="0A000")

    def _tell_notifications(self) -> None:
        while self._notifications:
            self.emit(replies.notification(*self._notifications.popleft(), self.encoding))

    def _ready(self) -> Steps:
        self._query_ended_us = self._now_us()
        self._is_ready, self._is_at_rest = True, not self.session.in_transaction
        if self._is_at_rest:
            yield from self._drop_portals()
            self._tell_notifications()
        self.report()
        self.emit(replies.ready(self.status))
        yield from self.flush()

    # ------------------------------------------------------------ state

    @property
    def status(self) -> bytes:
        """Where the session stands, as ReadyForQuery says it."""
        if not self.session.in_transaction:
            return replies.IDLE
        return replies.FAILED if self.session.context.has_failed else replies.IN_TRANSACTION

    def report(self) -> None:
        """Tell of settings that have changed."""
        state = self._report_state()
        if state == self._reported:
            return
        self._reported = state
        now = reported(self.session)
        changed = [(name, value) for name, value in now.items() if self._told.get(name) != value]
        self.emit(*[replies.parameter_status(name, value, self.encoding) for name, value in changed])
        self._told = now

    def _report_state(self) -> tuple[int, object]:
        context = self.session.context
        return context.settings.changes, context.role

    def fail(self, error: BaseException, text: str | None = None) -> None:
        """Tell of an error; an open transaction takes nothing more."""
        if not isinstance(error, Error):
            _LOG.error("an unexpected error on connection %d", self.pid, exc_info=error)
        self.emit(replies.error(error, text, encoding=self.encoding))
        self.session.context.has_failed = self.session.in_transaction

    def refuse_after_failure(self, statement: ast.Statement | None) -> None:
        """FailedTransaction (25P02) for anything but the end of a transaction that has failed."""
        refuse_after_failure(self.session.context, statement)

    def _drop_portals(self) -> Steps:
        """Portals live as long as their transaction."""
        for name in list(self.portals):
            yield from given_up(self.portals.pop(name))


def _idle(in_transaction: bool) -> Error:
    if in_transaction:
        return OperationalError("terminating connection due to idle-in-transaction timeout", sqlstate="25P03")
    return AdminShutdown("terminating connection due to idle-session timeout", sqlstate="57P05")
