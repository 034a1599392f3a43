"""The other end of a connection, and how much of its patience and memory a server has for it."""

from __future__ import annotations

from sqlengine.quick_dataclass import dataclass


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
