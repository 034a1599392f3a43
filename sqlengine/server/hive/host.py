"""What a conversation with a client of Hive needs of the server it is part of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sqlengine.server.hive.operation import Handle
from sqlengine.server.hive.sasl import Credentials
from sqlengine.server.hive.session import HiveSession
from sqlengine.server.peer import Limits, Peer


class HiveHost(Protocol):
    """The server."""

    limits: Limits
    version: str

    def prove(self, credentials: Credentials, peer: Peer) -> str:
        """The role a client may act as; may take some milliseconds.  InvalidAuthorization (28000), InvalidPassword
        (28P01)."""
        ...

    def open_session(
        self, role: str, peer: Peer, protocol: int, configuration: Mapping[str, str], *, has_connection: bool
    ) -> HiveSession:
        """A session of the role that has been proved, with Hive's properties; `has_connection`: it ends with it.

        InvalidAuthorization (28000) for a role that cannot log in, TooManyConnections (53300), what SET raises.
        """
        ...

    def find_session(self, handle: Handle, role: str | None) -> HiveSession:
        """The session a client means, `role`: who it is, if that is known; InvalidHandle (HY000)."""
        ...

    def sessions(self) -> list[HiveSession]:
        """All that are open."""
        ...

    def soon(self, call: Callable[[], object]) -> None:
        """Have something done on another thread."""
        ...
