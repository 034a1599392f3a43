"""What a conversation needs of the server it is part of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sqlengine.catalog.pg.facts import Activity
from sqlengine.errors import Error
from sqlengine.server.pg.effects import Steps
from sqlengine.session import Session

if TYPE_CHECKING:
    from sqlengine.server.pg.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one server: `message_bytes_max` of a message, `startup_timeout_s` until a client must have authenticated,
    `send_timeout_s` until it must have taken something of what waits for it."""

    message_bytes_max: int = 64 * 1024 * 1024
    startup_timeout_s: float = 60.0
    send_timeout_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end: `address` None for a Unix socket; `certificate_name`: the common name of the certificate it has
    shown; `server_certificate_hash`: of ours, once under TLS, which channel binding speaks of."""

    address: str | None = None
    port: int | None = None
    is_encrypted: bool = False
    certificate_name: str | None = None
    server_certificate_hash: bytes | None = None


class Backend(Protocol):
    """One connection, as others see it."""

    pid: int
    key: bytes
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


class Host(Protocol):
    """The server."""

    limits: Limits
    has_tls: bool

    def unguessable(self, count: int) -> bytes:
        """So many random bytes for a secret."""
        ...

    def authenticate(self, talk: Conversation) -> Steps:
        """Have the client show that it is `talk.role`; InvalidAuthorization (28000), InvalidPassword (28P01)."""
        ...

    def open_session(self, talk: Conversation, options: Mapping[str, str]) -> Session:
        """A session of the role that has been proved, with these settings; InvalidAuthorization (28000) for a role that
        cannot log in, TooManyConnections (53300), what SET raises."""
        ...

    def admit(self, backend: Backend) -> None:
        """The connection is there from now on; TooManyConnections (53300)."""
        ...

    def leave(self, backend: Backend) -> None:
        """It is gone."""
        ...

    def cancel(self, pid: int, key: bytes) -> None:
        """CancelRequest: nothing unless the key is that connection's."""
        ...
