"""PgServer: conversations over sockets.

One thread runs the loop of all connections; what may take its time runs on others, which are there only as long as they
are needed.  Bytes a client does not take hold up its own conversation and nothing else.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import logging
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlengine.catalog.pg.facts import Activity
from sqlengine.catalog.pg.facts import Backend as SessionFacts
from sqlengine.catalog.roles import Roles, SessionRole
from sqlengine.catalog.verifier import unguessable
from sqlengine.errors import AdminShutdown, Error, InvalidParameter, OperationalError, TooManyConnections
from sqlengine.server.admission import Policy, check_listen, check_login
from sqlengine.server.beginning import begin_settings, check_session_settings
from sqlengine.server.pg.channel import Channel
from sqlengine.server.pg.conversation import Conversation
from sqlengine.server.pg.driving import drive
from sqlengine.server.pg.effects import Run, Steps
from sqlengine.server.pg.host import Backend, Limits, Peer
from sqlengine.server.pg.proving import prove
from sqlengine.server.pg.tls import Tls
from sqlengine.session import Session

_LOG = logging.getLogger("sqlengine.server")
_THREADS_MAX = 1_024
"""Statements that run at a time; more wait for their turn."""
_pids = itertools.count(os.getpid() % 1_000_000 + 1)


class Sessions(Protocol):
    """What is served."""

    def session(self) -> Session:
        """A new session."""
        ...


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
    """Serves a database until closed; a context manager.  `port` is the one it listens on."""

    def __init__(self, database: Sessions, options: PgOptions | None = None) -> None:
        self.database = database
        self.options = options or PgOptions()
        check_session_settings(self.options.settings)
        self.limits = self.options.limits
        self.has_tls = self.options.tls is not None
        self.port = self.options.port
        self.backends: dict[int, Backend] = {}
        self._control = database.session()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS_MAX, "pg-statement")
        self._listeners: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: list[socket.socket] = []
        self._socket_path: Path | None = None
        self._thread = threading.Thread(target=self._run_loop, name="pg-server", daemon=True)
        tls = self.options.tls
        self.policy = Policy(client_certificates=tls is not None and tls.checks_clients)
        try:
            self._bind()
        except BaseException:
            self._control.close()
            raise
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        for listening in self._sockets:
            asyncio.run_coroutine_threadsafe(self._listen(listening), self._loop)

    # ------------------------------------------------------------ listening

    def _bind(self) -> None:
        """The sockets to listen on; OperationalError (58000) where an address cannot be had."""
        options = self.options
        if options.host is not None:
            check_listen(options.host, self._roles, self.policy)
        try:
            if options.host is not None:
                family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
                listening = socket.create_server((options.host, options.port), family=family, backlog=128)
                self.port = listening.getsockname()[1]
                self._sockets.append(listening)
            if options.socket_directory is not None:
                self._socket_path = Path(options.socket_directory) / f".s.PGSQL.{self.port}"
                self._sockets.append(_unix_socket(self._socket_path))
        except OSError as error:
            for listening in self._sockets:
                listening.close()
            raise OperationalError(
                f"cannot listen on {options.host}:{options.port}: {os.strerror(error.errno or 0)}"
            ) from error
        for listening in self._sockets:
            listening.setblocking(False)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self, listening: socket.socket) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._listeners.append(task)
        while True:
            try:
                accepted, address = await self._loop.sock_accept(listening)
            except OSError as error:  # too many open files: others may close some
                _LOG.warning("a connection could not be accepted: %s", error)
                await asyncio.sleep(0.1)
                continue
            made = asyncio.create_task(self._serve(accepted, address if isinstance(address, tuple) else None))
            self._tasks.add(made)
            made.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket, address: tuple[Any, ...] | None) -> None:
        accepted.setblocking(False)
        if address is not None:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer() if address is None else Peer(address[0], address[1])
        channel = Channel(self._loop, self.options.tls)
        try:
            peer = await channel.open(accepted, peer)
            talk = Conversation(self, peer, next(_pids))
            channel.on_lost = talk.cancel
            await drive(talk, channel, self._threads)
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
        secret = yield Run(self._secret)
        now_us = self._control.context.instance.clock.now_us()
        yield from prove(talk, self._roles, self.policy, secret, now_us)

    def _secret(self) -> bytes:
        instance = self._control.context.instance
        with instance.lock:
            return instance.catalog.secret()

    def open_session(self, talk: Conversation, options: Mapping[str, str]) -> Session:
        """See Host."""
        with self._lock:
            role = check_login(self._roles.find(talk.role), talk.role, self._sessions_of(talk.role))
        session = self.database.session()
        session.context.role = SessionRole.of(role.id)
        session.context.backend = self._backend(talk, session)
        try:
            begin_settings(session.settings, self._roles, role, self.options.settings, options)
        except Error:
            session.close()
            raise
        return session

    @property
    def _roles(self) -> Roles:
        return self._control.context.instance.catalog.roles

    def _sessions_of(self, role: str) -> int:
        return sum(backend.role == role for backend in self.backends.values())

    def _backend(self, talk: Conversation, session: Session) -> SessionFacts:
        """What the session is to PostgreSQL's functions."""
        return SessionFacts(
            pid=talk.pid,
            database=talk.database,
            client_addr=talk.peer.address,
            client_port=talk.peer.port,
            server_addr=None if talk.peer.address is None else self.options.host,
            server_port=None if talk.peer.address is None else self.port,
            start_us=session.context.instance.clock.now_us(),
            terminate=self._terminate,
            cancel=self._cancel,
            activity=self._activity,
        )

    def _terminate(self, pid: int) -> bool:
        """pg_terminate_backend."""
        found = self.backends.get(pid)
        if found is not None:
            found.terminate(AdminShutdown("terminating connection due to administrator command"))
        return found is not None

    def _cancel(self, pid: int) -> bool:
        """pg_cancel_backend."""
        found = self.backends.get(pid)
        if found is not None:
            found.cancel()
        return found is not None

    def _activity(self) -> list[Activity]:
        """pg_stat_activity."""
        with self._lock:
            return [backend.activity() for backend in self.backends.values()]

    def admit(self, backend: Backend) -> None:
        """See Host."""
        with self._lock:
            if len(self.backends) >= self.options.connections_max:
                raise TooManyConnections("sorry, too many clients already")
            self.backends[backend.pid] = backend

    def leave(self, backend: Backend) -> None:
        """See Host."""
        with self._lock:
            self.backends.pop(backend.pid, None)

    def cancel(self, pid: int, key: bytes) -> None:
        """See Host."""
        found = self.backends.get(pid)
        if found is not None and hmac.compare_digest(found.key, key):
            found.cancel()

    # ------------------------------------------------------------ the end

    def close(self) -> None:
        """End all connections, telling them, and stop listening; idempotent."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._control.close()

    async def _close(self) -> None:
        for task in self._listeners:
            task.cancel()
        for listening in self._sockets:
            listening.close()
        if self._socket_path is not None:
            self._socket_path.unlink(missing_ok=True)
        for backend in list(self.backends.values()):
            backend.terminate(AdminShutdown("terminating connection due to administrator command"))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in list(self._tasks):
            task.cancel()

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
