"""Text files that are not in UTF-8: their bytes made UTF-8, piece by piece."""

from __future__ import annotations

import codecs
from typing import Protocol

from sqlengine.errors import InvalidParameter
from sqlengine.pg_encodings import ENCODINGS_HINT, encoding

_UTF16 = "utf-16"
_UTF16_NAMES = {"UTF16": _UTF16, "UTF16LE": "utf-16-le", "UTF16BE": "utf-16-be"}
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, _UTF16), (codecs.BOM_UTF16_BE, _UTF16))
MARK_BYTES = 3
"""So many bytes tell whether a file begins with a mark."""


class Rewriting(Protocol):
    """Rewrites a stream of bytes piece by piece."""

    def feed(self, data: bytes, is_last: bool = False) -> bytes:
        """What a piece becomes; what depends on the next one is kept until that is fed."""
        ...


class Recoding:
    """Makes text of a codec of Python's UTF-8.  What is no text in it stays no text, so that its record alone is
    malformed; in UTF-16 it becomes a replacement character."""

    def __init__(self, codec: str) -> None:
        self._errors = "replace" if codec.startswith(_UTF16) else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(codec)(self._errors)

    def feed(self, data: bytes, is_last: bool = False) -> bytes:
        """See Rewriting."""
        return self._decoder.decode(data, is_last).encode("utf-8", self._errors)


class Chain:
    """One rewriting behind another."""

    def __init__(self, *steps: Rewriting) -> None:
        self._steps = steps

    def feed(self, data: bytes, is_last: bool = False) -> bytes:
        """See Rewriting."""
        for step in self._steps:
            data = step.feed(data, is_last)
        return data


def codec_of(name: str) -> str:
    """Python's codec of an encoding: PostgreSQL's names, and UTF16, UTF16LE, UTF16BE; InvalidParameter (22023)."""
    plain = "".join(filter(str.isalnum, name.upper()))
    if plain in _UTF16_NAMES:
        return _UTF16_NAMES[plain]
    found = encoding(name)
    if found is None:
        raise InvalidParameter(f'unknown encoding "{name}"', hint=f"{ENCODINGS_HINT}, UTF16")
    return found.codec


def codec_of_mark(head: bytes) -> str | None:
    """The codec that a byte order mark at a file's beginning tells; None without one."""
    return next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
