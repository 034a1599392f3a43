"""Frames: a connection's bytes as packets, however they come.

A start-up packet is a length and its contents; every later one has its kind, a byte, in front.  The length is looked at
before anything is kept for it, so that nobody can make the server wait for, or hold, more than it allows.
"""

from __future__ import annotations

import struct

from sqlengine.errors import ProtocolViolation

STARTUP_LENGTH_MAX = 10_000
"""Bytes of a start-up packet, as PostgreSQL has it."""

_LENGTH = struct.Struct("!I")


class Frames:
    """`feed` what has come, `startup` or `message` gives the next packet or None when it is not all there yet.

    `length_max`: bytes of the longest message accepted.
    """

    def __init__(self, length_max: int) -> None:
        self._length_max = length_max
        self._buffer = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """More bytes have come."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    @property
    def pending(self) -> int:
        """Bytes that belong to no packet given yet."""
        return len(self._buffer) - self._at

    def startup(self) -> bytes | None:
        """The contents of a start-up packet; ProtocolViolation (08P01) for a length that cannot be one."""
        if self.pending < 4:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer, self._at)
        if not 8 <= length <= STARTUP_LENGTH_MAX:
            raise ProtocolViolation("invalid length of startup packet")
        return self._take(4, length - 4)

    def message(self) -> tuple[bytes, bytes] | None:
        """(kind, contents) of a message; ProtocolViolation (08P01) for a length below 4 or above the limit."""
        if self.pending < 5:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer, self._at + 1)
        if length < 4:
            raise ProtocolViolation("invalid message length")
        if length > self._length_max:
            raise ProtocolViolation(
                f"a message of {length} bytes is longer than the {self._length_max} bytes this server accepts"
            )
        kind = bytes(self._buffer[self._at : self._at + 1])
        found = self._take(5, length - 4)
        return None if found is None else (kind, found)

    def _take(self, head: int, length: int) -> bytes | None:
        start = self._at + head
        if len(self._buffer) < start + length:
            return None
        self._at = start + length
        return bytes(memoryview(self._buffer)[start : start + length])
