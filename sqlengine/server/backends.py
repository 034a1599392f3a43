"""Backends: who is connected to a database by whatever protocol, and the sessions they have.

pg_stat_activity, pg_terminate_backend and the limits of roles speak of all of them, so all listeners of a database
share one.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Mapping
from typing import Protocol

from sqlengine.catalog.pg.facts import Activity
from sqlengine.catalog.pg.facts import Backend as SessionFacts
from sqlengine.catalog.roles import Roles, SessionRole
from sqlengine.errors import AdminShutdown, Error, TooManyConnections
from sqlengine.server.admission import check_login
from sqlengine.server.beginning import begin_settings, check_session_settings
from sqlengine.server.peer import Peer
from sqlengine.session import Session

_pids = itertools.count(os.getpid() % 1_000_000 + 1)


class Sessions(Protocol):
    """What is served."""

    def session(self) -> Session:
        """A new session."""
        ...


class Backend(Protocol):
    """One session of a client, as others see it."""

    pid: int
    role: str

    def activity(self) -> Activity:
        """What it is doing, for pg_stat_activity."""
        ...

    def cancel(self) -> None:
        """End what it is doing."""
        ...

    def terminate(self, error: Error) -> None:
        """End it, telling its client why."""
        ...


class Backends:
    """Of one database.  `connections_max`: sessions at a time; `settings`: what they begin with, by name.

    Raises what SET does for settings that do not fit.
    """

    def __init__(self, database: Sessions, connections_max: int, settings: Mapping[str, str]) -> None:
        check_session_settings(settings)
        self.by_pid: dict[int, Backend] = {}
        self._database = database
        self._connections_max = connections_max
        self._settings = dict(settings)
        self._control = database.session()
        self._lock = threading.Lock()

    @property
    def roles(self) -> Roles:
        """All roles."""
        return self._control.context.instance.catalog.roles

    @property
    def now_us(self) -> int:
        """The time, in microseconds since 1970 UTC."""
        return self._control.context.instance.clock.now_us()

    def secret(self) -> bytes:
        """Bytes only the server knows, the same for the life of the database; may wait for the engine's lock."""
        instance = self._control.context.instance
        with instance.lock:
            return instance.catalog.secret()

    def next_pid(self) -> int:
        """A number no other session of this process has."""
        return next(_pids)

    # ------------------------------------------------------------ sessions

    def open_session(self, user: str, facts: SessionFacts, options: Mapping[str, str]) -> Session:
        """A session of a role that has been proved; `options`: settings its client begins with.

        InvalidAuthorization (28000) for a role that cannot log in, TooManyConnections (53300), what SET raises.
        """
        with self._lock:
            role = check_login(self.roles.find(user), user, sum(b.role == user for b in self.by_pid.values()))
        session = self._database.session()
        session.context.role = SessionRole.of(role.id)
        session.context.backend = facts
        try:
            begin_settings(session.settings, self.roles, role, self._settings, options)
        except Error:
            session.close()
            raise
        return session

    def facts(self, pid: int, database: str, peer: Peer, listens_on: tuple[str | None, int]) -> SessionFacts:
        """What a session is to PostgreSQL's functions; `listens_on`: the host and port of the server."""
        is_local = peer.address is None
        return SessionFacts(
            pid=pid,
            database=database,
            client_addr=peer.address,
            client_port=peer.port,
            server_addr=None if is_local else listens_on[0],
            server_port=None if is_local else listens_on[1],
            start_us=self.now_us,
            terminate=self._terminate,
            cancel=self._cancel,
            activity=self._activity,
        )

    def admit(self, backend: Backend) -> None:
        """It is there from now on; TooManyConnections (53300)."""
        with self._lock:
            if len(self.by_pid) >= self._connections_max:
                raise TooManyConnections("sorry, too many clients already")
            self.by_pid[backend.pid] = backend

    def leave(self, backend: Backend) -> None:
        """It is gone."""
        with self._lock:
            self.by_pid.pop(backend.pid, None)

    # ------------------------------------------------------------ what sessions ask of one another

    def _terminate(self, pid: int) -> bool:
        """pg_terminate_backend."""
        found = self.by_pid.get(pid)
        if found is not None:
            found.terminate(_by_administrator())
        return found is not None

    def _cancel(self, pid: int) -> bool:
        """pg_cancel_backend."""
        found = self.by_pid.get(pid)
        if found is not None:
            found.cancel()
        return found is not None

    def _activity(self) -> list[Activity]:
        """pg_stat_activity."""
        with self._lock:
            return [backend.activity() for backend in self.by_pid.values()]

    def terminate_all(self) -> None:
        """The server ends."""
        for backend in list(self.by_pid.values()):
            backend.terminate(_by_administrator())

    def close(self) -> None:
        """Nobody is let in any more."""
        self._control.close()


def _by_administrator() -> AdminShutdown:
    return AdminShutdown("terminating connection due to administrator command")
