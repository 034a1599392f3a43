"""SASL as Thrift frames it, with the mechanism PLAIN.

    status (1 byte), length (4), payload    while it is agreed who the client is
    length (4), payload                     afterwards, in both directions; a message may take several such frames

Sources: TSaslTransport of Apache Thrift, RFC 4616 (PLAIN).
"""

from __future__ import annotations

import struct

from sqlengine.errors import InvalidAuthorization, NotSupportedError, ProtocolViolation
from sqlengine.quick_dataclass import dataclass
from sqlengine.server.hive.thrift import as_text

START, OK, BAD, ERROR, COMPLETE = range(1, 6)
MECHANISM = b"PLAIN"
_NEGOTIATION_BYTES_MAX = 65_536
_FRAME_BYTES_MAX = 16 * 1024 * 1024
"""Of one frame that is sent."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client has sent: not shown by repr."""

    user: str
    password: str | None

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"


def message(status: int, payload: bytes = b"") -> bytes:
    """One message of the negotiation."""
    return struct.pack(">BI", status, len(payload)) + payload


def next_message(data: bytearray) -> tuple[int, bytes] | None:
    """Take a message of the negotiation off; None while it is not all there.  ProtocolViolation (08P01)."""
    if len(data) < 5:
        return None
    status, size = struct.unpack_from(">BI", data)
    if not START <= status <= COMPLETE or size > _NEGOTIATION_BYTES_MAX:
        raise ProtocolViolation("this is no message of SASL")
    if len(data) < 5 + size:
        return None
    payload = bytes(data[5 : 5 + size])
    del data[: 5 + size]
    return status, payload


def check_mechanism(payload: bytes) -> None:
    """NotSupportedError (0A000) for a mechanism other than PLAIN."""
    if payload != MECHANISM:
        named = payload[:40].decode("ascii", "replace")
        raise NotSupportedError(
            f'unsupported SASL mechanism "{named}"', hint="use PLAIN: authentication NONE, LDAP or CUSTOM"
        )


def plain(payload: bytes) -> Credentials:
    """The credentials of a PLAIN message; InvalidAuthorization (28000) for who would act for somebody else."""
    parts = payload.split(b"\0")
    if len(parts) != 3 or not parts[1]:
        raise ProtocolViolation("malformed SASL PLAIN message")
    identity, user, password = map(as_text, parts)
    if identity not in ("", user):
        raise InvalidAuthorization(f'user "{user}" may not act for user "{identity}"')
    return Credentials(user, password)


class Unframer:
    """Takes frames apart: `feed` gives the payload bytes that have come."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the messages in the frames."""
        found = []
        at = 0
        while at < len(data):
            if self._left:
                part = data[at : at + self._left]
                found.append(part)
                self._left -= len(part)
                at += len(part)
                continue
            part = data[at : at + 4 - len(self._head)]
            self._head += part
            at += len(part)
            if len(self._head) == 4:
                (self._left,), self._head = struct.unpack(">I", self._head), b""
        return b"".join(found)


def framed(data: bytes) -> bytes:
    """A message in frames."""
    if len(data) <= _FRAME_BYTES_MAX:
        return struct.pack(">I", len(data)) + data
    parts = [data[at : at + _FRAME_BYTES_MAX] for at in range(0, len(data), _FRAME_BYTES_MAX)]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
