"""What a conversation needs of the server it is part of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from sqlengine.server.backends import Backend
from sqlengine.server.effects import Steps
from sqlengine.server.peer import Limits
from sqlengine.session import Session

if TYPE_CHECKING:
    from sqlengine.server.pg.conversation import Conversation


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
