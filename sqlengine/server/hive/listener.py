"""HiveListener: where clients of HiveServer2 are listened to, and the sessions they have."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import field
from typing import Any

from sqlengine.errors import AdminShutdown
from sqlengine.quick_dataclass import dataclass
from sqlengine.server.admission import Policy
from sqlengine.server.backends import Backends
from sqlengine.server.channel import Channel
from sqlengine.server.driving import drive
from sqlengine.server.hive.beginning import DIALECT, beginning
from sqlengine.server.hive.conversation import HiveConversation
from sqlengine.server.hive.login import check_hive_listen, proved_role
from sqlengine.server.hive.metadata import DEFAULT_DATABASE
from sqlengine.server.hive.operation import Handle
from sqlengine.server.hive.sasl import Credentials
from sqlengine.server.hive.session import HiveSession
from sqlengine.server.hive.status import InvalidHandle
from sqlengine.server.loop import ServerLoop, tcp_socket
from sqlengine.server.peer import Limits, Peer
from sqlengine.server.tls import Tls

_LOG = logging.getLogger("sqlengine.server")
_HOUSEKEEPING_S = 1.0
_IDLE_OVER_HTTP_MS = 4 * 3600 * 1000
"""A session without a connection ends after so long, where `idle_session_timeout` says nothing."""


@dataclass(frozen=True)
class HiveOptions:
    """Where to listen, port 0: on any that is free; `tls`: a context with the server's certificate; `connections_max`:
    connections at a time, whether or not they have sessions; `version`: what clients are told of the engine's."""

    host: str = "127.0.0.1"
    port: int = 10_000
    tls: Tls | None = None
    connections_max: int = 1_000
    limits: Limits = field(default_factory=Limits)
    version: str = ""


class HiveListener:
    """Beside the other listeners of a database: their loop, and who is connected.  `port` is the one it listens on."""

    def __init__(self, loop: ServerLoop, backends: Backends, options: HiveOptions) -> None:
        self.options = options
        self.limits = options.limits
        self.version = options.version
        tls = options.tls
        self._policy = Policy(require_tls=True, client_certificates=tls is not None and tls.checks_clients)
        check_hive_listen(options.host, backends, self._policy, tls is not None)
        self._loop = loop
        self._backends = backends
        self._sessions: dict[bytes, tuple[HiveSession, bool]] = {}
        self._lock = threading.Lock()
        self._talks: set[HiveConversation] = set()
        listening = tcp_socket(options.host, options.port)
        self.port: int = listening.getsockname()[1]
        loop.listen(listening, self._serve)
        loop.begin(self._keep_house())

    async def _serve(self, accepted: socket.socket, address: tuple[Any, ...] | None) -> None:
        assert address is not None
        if len(self._talks) >= self.options.connections_max:
            accepted.close()
            return
        peer = Peer(address[0], address[1])
        channel = Channel(self._loop.loop, self.options.tls)
        talk: HiveConversation | None = None
        try:
            peer = await channel.open(accepted, peer)
            talk = HiveConversation(self, peer)
            self._talks.add(talk)
            channel.on_lost = talk.lost
            await drive(talk, channel, self._loop.threads, self.limits.send_timeout_s)
        except (ConnectionError, ssl.SSLError, TimeoutError, EOFError) as error:
            _LOG.debug("a connection ended: %s", error)
        finally:
            if talk is not None:
                self._talks.discard(talk)
            channel.close()

    async def _keep_house(self) -> None:
        """Ends sessions nobody uses; see `HiveSession.cancel_again`."""
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            for session in self.sessions():
                session.cancel_again()
                if not session.is_busy and self._is_idle(session):
                    session.terminate(
                        AdminShutdown("terminating connection due to idle-session timeout", sqlstate="57P05")
                    )

    def _is_idle(self, session: HiveSession) -> bool:
        limit_ms = int(session.session.settings.get("idle_session_timeout"))
        _, has_connection = self._sessions.get(session.handle.guid, (session, True))
        if not limit_ms and not has_connection:
            limit_ms = _IDLE_OVER_HTTP_MS
        return bool(limit_ms) and session.now_us() - session.used_us > limit_ms * 1000

    # ------------------------------------------------------------ what conversations need

    def prove(self, credentials: Credentials, peer: Peer) -> str:
        """See HiveHost."""
        return proved_role(credentials.user, credentials.password, peer, self._backends, self._policy)

    def open_session(
        self, role: str, peer: Peer, protocol: int, configuration: Mapping[str, str], *, has_connection: bool
    ) -> HiveSession:
        """See HiveHost."""
        begun = beginning(configuration, role)
        facts = self._backends.facts(
            self._backends.next_pid(), begun.database or DEFAULT_DATABASE, peer, (self.options.host, self.port)
        )
        session = self._backends.open_session(role, facts, {**begun.settings, **DIALECT})
        made = HiveSession(session, role, peer, protocol, self._loop.threads)
        try:
            if begun.database is not None:
                made.use(begun.database)
            self._backends.admit(made)
        except BaseException:
            session.close()
            raise
        made.on_end = self._forget
        with self._lock:
            self._sessions[made.handle.guid] = made, has_connection
        return made

    def _forget(self, session: HiveSession) -> None:
        with self._lock:
            self._sessions.pop(session.handle.guid, None)
        self._backends.leave(session)

    def find_session(self, handle: Handle, role: str | None) -> HiveSession:
        """See HiveHost."""
        found, _ = self._sessions.get(handle.guid, (None, False))
        if found is None or not hmac.compare_digest(found.handle.secret, handle.secret):
            raise InvalidHandle("invalid session handle: it is closed, or never was")
        if found.ended_by is not None:
            raise found.ended_by
        if role not in (None, found.role):
            raise InvalidHandle("invalid session handle: it is somebody else's")
        return found

    def sessions(self) -> list[HiveSession]:
        """See HiveHost."""
        with self._lock:
            return [session for session, _ in self._sessions.values()]

    def soon(self, call: Callable[[], object]) -> None:
        """See HiveHost."""
        self._loop.threads.submit(call)

    # ------------------------------------------------------------ the end

    def end(self) -> list[Future[None]]:
        """End all connections, from the loop's thread; what is done when their sessions have ended."""
        for talk in list(self._talks):
            talk.terminate(AdminShutdown("terminating connection due to administrator command"))
        return [session.close() for session in self.sessions()]
