"""The bytes of one text file in order, plain or compressed, from any offset; positions are offsets in the
plain text."""

from __future__ import annotations

import contextlib
import os
from typing import IO, Any

import pyarrow as pa

from sqlengine.connectors.file.paths import unavailable
from sqlengine.connectors.file.recode import MARK_BYTES, Chain, Recoding, Rewriting, codec_of_mark
from sqlengine.errors import DataCorrupted

CHUNK_BYTES = 8 << 20
HEAD_BYTES = 256


def read_head(path: str, compression: str, rewriting: Rewriting | None = None) -> bytes:
    """The first 256 bytes of text: they tell a file that goes on from one that took its name."""
    head = b""
    with contextlib.closing(ByteStream(path, compression, 0, rewriting)) as stream:
        while len(head) < HEAD_BYTES and (data := stream.read(HEAD_BYTES)):
            head += data
    return head[:HEAD_BYTES]


class ByteStream:
    """One open file; `rewriting`: what its text becomes.  A byte order mark at its beginning says what it is in, and is
    no part of the text.  Raises FileUnavailable (58P01), DataCorrupted (XX001) for broken compression."""

    def __init__(self, path: str, compression: str, offset: int = 0, rewriting: Rewriting | None = None) -> None:
        self.path = path
        self.compression = compression
        self._rewriting = rewriting
        try:
            self._raw: IO[bytes] = open(path, "rb")  # noqa: SIM115 - stays open between polls
        except OSError as error:
            raise unavailable(path, error) from None
        self._stream: Any = self._raw
        self._rest = self._unread = b""
        if compression != "none":
            self._stream = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), compression)
        self._unread = self._read_mark()
        self._is_plain = compression == "none" and self._rewriting is None
        if self._is_plain and offset:
            self._unread = b""
            self._raw.seek(offset)
        else:
            self._skip(offset)

    def _read_mark(self) -> bytes:
        """Look for a byte order mark; the bytes that were read for that."""
        head = self._read(MARK_BYTES)
        while 0 < len(head) < MARK_BYTES and (more := self._read(MARK_BYTES - len(head))):
            head += more
        codec = codec_of_mark(head)
        if codec is not None and not self._is_recoded():
            recoding = Recoding(codec)
            self._rewriting = recoding if self._rewriting is None else Chain(recoding, self._rewriting)
        return head

    def _is_recoded(self) -> bool:
        """Whether the reader was told what the file is in."""
        return isinstance(self._rewriting, Recoding | Chain)

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
        if self._rewriting is None:
            return self._read(size)
        while data := self._read(size):
            if made := self._rewriting.feed(data):
                return made
        return self._rewriting.feed(b"", is_last=True)

    def _read(self, size: int) -> bytes:
        unread, self._unread = self._unread, b""
        try:
            return unread + bytes(self._stream.read(max(0, size - len(unread))))
        except OSError as error:
            if self.compression == "none":
                raise unavailable(self.path, error) from None
            raise DataCorrupted(f'file "{self.path}" is not valid {self.compression} data: {error}') from None

    def fraction(self, offset: int) -> float:
        """How much of the file was read, when `offset` bytes of its text were."""
        size = os.fstat(self._raw.fileno()).st_size
        at = offset if self._is_plain else self._raw.tell()
        return min(1.0, at / size) if size else 1.0

    def replaced(self, offset: int) -> bool:
        """True when the name now means another file, or the file became shorter than what was read."""
        try:
            now = os.stat(self.path)
        except FileNotFoundError:
            return False  # between the two halves of a rotation
        mine = os.fstat(self._raw.fileno())
        read = offset if self._is_plain else self._raw.tell()
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino) or now.st_size < read

    def close(self) -> None:
        """Idempotent."""
        self._raw.close()
