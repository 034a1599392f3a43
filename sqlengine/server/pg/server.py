"""PgServer: conversations with clients of PostgreSQL over sockets."""

from __future__ import annotations

import hmac
import logging
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlengine.catalog.verifier import unguessable
from sqlengine.errors import InvalidParameter, OperationalError
from sqlengine.quick_dataclass import dataclass
from sqlengine.server.admission import Policy, check_listen
from sqlengine.server.backends import Backend, Backends, Sessions
from sqlengine.server.channel import Channel
from sqlengine.server.driving import drive
from sqlengine.server.effects import Run, Steps
from sqlengine.server.loop import ServerLoop, tcp_socket
from sqlengine.server.peer import Limits, Peer
from sqlengine.server.pg.conversation import Conversation
from sqlengine.server.pg.proving import prove
from sqlengine.server.tls import Tls
from sqlengine.session import Session

if TYPE_CHECKING:
    from sqlengine.server.hive.listener import HiveListener

_LOG = logging.getLogger("sqlengine.server")
_ALPN = "postgresql"


@dataclass(frozen=True)
class PgOptions:
    """Where and how to listen.  `host` and `port`: 0 = any that is free; `socket_directory`: also on a Unix socket
    there, named as PostgreSQL's; `tls`: a context with the server's certificate; `connections_max`; `settings`: what
    sessions begin with, by name."""

    host: str | None = "127.0.0.1"
    port: int = 5433
    socket_directory: str | None = None
    tls: Tls | None = None
    connections_max: int = 1_000
    limits: Limits = field(default_factory=Limits)
    settings: Mapping[str, str] = field(default_factory=dict)


class PgServer:
    """Serves a database until closed; a context manager.  `port` is the one it listens on; `hive`: the listener for
    clients of HiveServer2 beside it, if there is one."""

    def __init__(self, database: Sessions, options: PgOptions | None = None) -> None:
        self.options = options or PgOptions()
        self.registry = Backends(database, self.options.connections_max, self.options.settings)
        self.limits = self.options.limits
        tls = self.options.tls
        self.has_tls = tls is not None
        self.policy = Policy(client_certificates=tls is not None and tls.checks_clients)
        self.port = self.options.port
        self.hive: HiveListener | None = None
        self._socket_path: Path | None = None
        try:
            sockets = self._bind()
        except BaseException:
            self.registry.close()
            raise
        self.loop = ServerLoop()
        for listening in sockets:
            self.loop.listen(listening, self._serve)

    @property
    def backends(self) -> Mapping[int, Backend]:
        """Who is connected, by pid."""
        return self.registry.by_pid

    def _bind(self) -> list[socket.socket]:
        """The sockets to listen on; OperationalError (58000) where an address cannot be had."""
        options = self.options
        sockets = []
        if options.host is not None:
            check_listen(options.host, self.registry.roles, self.policy)
            sockets.append(tcp_socket(options.host, options.port))
            self.port = sockets[0].getsockname()[1]
        if options.socket_directory is not None:
            self._socket_path = Path(options.socket_directory) / f".s.PGSQL.{self.port}"
            try:
                sockets.append(_unix_socket(self._socket_path))
            except BaseException as error:
                for listening in sockets:
                    listening.close()
                if not isinstance(error, OSError):
                    raise
                reason = os.strerror(error.errno or 0)
                raise OperationalError(f"cannot listen on {self._socket_path}: {reason}") from error
        return sockets

    async def _serve(self, accepted: socket.socket, address: tuple[Any, ...] | None) -> None:
        peer = Peer() if address is None else Peer(address[0], address[1])
        channel = Channel(self.loop.loop, self.options.tls)
        try:
            peer = await channel.open(accepted, peer, _ALPN)
            talk = Conversation(self, peer, self.registry.next_pid())
            channel.on_lost = talk.cancel
            await drive(talk, channel, self.loop.threads, self.limits.send_timeout_s)
        except (ConnectionError, ssl.SSLError, TimeoutError, EOFError) as error:
            _LOG.debug("a connection ended: %s", error)
        finally:
            channel.close()

    # ------------------------------------------------------------ what conversations need

    def unguessable(self, count: int) -> bytes:
        """See Host."""
        return unguessable(count)

    def authenticate(self, talk: Conversation) -> Steps:
        """See Host."""
        secret = yield Run(self.registry.secret)
        yield from prove(talk, self.registry.roles, self.policy, secret, self.registry.now_us)

    def open_session(self, talk: Conversation, options: Mapping[str, str]) -> Session:
        """See Host."""
        facts = self.registry.facts(talk.pid, talk.database, talk.peer, (self.options.host, self.port))
        return self.registry.open_session(talk.role, facts, options)

    def admit(self, backend: Backend) -> None:
        """See Host."""
        self.registry.admit(backend)

    def leave(self, backend: Backend) -> None:
        """See Host."""
        self.registry.leave(backend)

    def cancel(self, pid: int, key: bytes) -> None:
        """See Host."""
        found = self.backends.get(pid)
        if isinstance(found, Conversation) and hmac.compare_digest(found.key, key):
            found.cancel()

    # ------------------------------------------------------------ the end

    def close(self) -> None:
        """End all connections, telling them, and stop listening; idempotent."""
        if self.loop.is_open:
            self.loop.close(self._say_goodbye)
            self.registry.close()

    def _say_goodbye(self) -> Sequence[Future[None]]:
        if self._socket_path is not None:
            self._socket_path.unlink(missing_ok=True)
        self.registry.terminate_all()
        return () if self.hive is None else self.hive.end()

    def __enter__(self) -> PgServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unix_socket(path: Path) -> socket.socket:
    """A socket there; one left behind by a process that is gone is replaced."""
    if path.exists():
        probe = socket.socket(socket.AF_UNIX)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
        else:
            raise InvalidParameter(f"another server listens on {path}", sqlstate="55006")
        finally:
            probe.close()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(128)
    return listening
