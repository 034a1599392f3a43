"""The bytes of one text file in order, plain or compressed, from any offset; positions are offsets in the
plain text."""

from __future__ import annotations

import contextlib
import os
from typing import IO, Any

import pyarrow as pa

from sqlengine.connectors.file.paths import unavailable
from sqlengine.errors import DataCorrupted
from sqlengine.formats.csv_escapes import EscapesDoubled

CHUNK_BYTES = 8 << 20
HEAD_BYTES = 256


def read_head(path: str, compression: str, doubled: EscapesDoubled | None = None) -> bytes:
    """The first 256 bytes of text: they tell a file that goes on from one that took its name."""
    with contextlib.closing(ByteStream(path, compression, 0, doubled)) as stream:
        return stream.read(HEAD_BYTES)[:HEAD_BYTES]


class ByteStream:
    """One open file; `doubled`: rewrites its text.  Raises FileUnavailable (58P01), DataCorrupted (XX001) for broken
    compression."""

    def __init__(self, path: str, compression: str, offset: int = 0, doubled: EscapesDoubled | None = None) -> None:
        self.path = path
        self.compression = compression
        self._doubled = doubled
        try:
            self._raw: IO[bytes] = open(path, "rb")  # noqa: SIM115 - stays open between polls
        except OSError as error:
            raise unavailable(path, error) from None
        self._stream: Any = self._raw
        self._rest = b""
        if compression != "none":
            self._stream = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), compression)
        if compression == "none" and doubled is None:
            self._raw.seek(offset)
        else:
            self._skip(offset)

    def _skip(self, offset: int) -> None:
        while offset > 0:
            data = self.read(min(offset, CHUNK_BYTES))
            self._rest = data[offset:]
            offset = offset - len(data) if data else 0

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Some of the next bytes, about `size` at most; none at the present end."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        if self._doubled is None:
            return self._read(size)
        while data := self._read(size):
            if made := self._doubled.feed(data):
                return made
        return self._doubled.feed(b"", is_last=True)

    def _read(self, size: int) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except OSError as error:
            if self.compression == "none":
                raise unavailable(self.path, error) from None
            raise DataCorrupted(f'file "{self.path}" is not valid {self.compression} data: {error}') from None

    def fraction(self, offset: int) -> float:
        """How much of the file was read, when `offset` bytes of its text were."""
        size = os.fstat(self._raw.fileno()).st_size
        at = offset if self.compression == "none" else self._raw.tell()
        return min(1.0, at / size) if size else 1.0

    def replaced(self, offset: int) -> bool:
        """True when the name now means another file, or the file became shorter than what was read."""
        try:
            now = os.stat(self.path)
        except FileNotFoundError:
            return False  # between the two halves of a rotation
        mine = os.fstat(self._raw.fileno())
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino) or now.st_size < offset

    def close(self) -> None:
        """Idempotent."""
        self._raw.close()
