"""CSV in which another character than the quote stands before quotes within quotes, as CSV that doubles them.

The rest of the package, like RFC 4180, knows the second alone.  The grammar is PostgreSQL's (COPY, "CSV Format"):
outside of quotes the escape is a character like others; within, it counts before a quote or an escape alone.
"""

from __future__ import annotations

import re


class EscapesDoubled:
    """Rewrites a stream piece by piece; `quote` and `escape` are two different single bytes."""

    def __init__(self, quote: str, escape: str) -> None:
        self._quote, self._escape = quote.encode(), escape.encode()
        self._special = re.compile(b"[" + re.escape(self._quote + self._escape) + b"]")
        self._is_quoted = False
        self._held = b""

    def feed(self, data: bytes, is_last: bool = False) -> bytes:
        """What a piece becomes; what depends on the next one is kept until that is fed."""
        data = self._held + data
        self._held = b""
        out: list[bytes] = []
        at = 0
        while at < len(data):
            end = self._step(data, at, out, is_last)
            if end is None:
                break
            at = end
        return b"".join(out)

    def _step(self, data: bytes, at: int, out: list[bytes], is_last: bool) -> int | None:
        """Take what is up to the next change between quoted and not; None: the rest is held."""
        if not self._is_quoted:
            opened = data.find(self._quote, at)
            end = len(data) if opened < 0 else opened + 1
            self._is_quoted = opened >= 0
            out.append(data[at:end])
            return end
        found = self._special.search(data, at)
        if found is None:
            out.append(data[at:])
            return len(data)
        special = found.start()
        out.append(data[at:special])
        after = data[special + 1 : special + 2]
        if not after and not is_last:
            self._held = data[special:]
            return None
        if found[0] == self._escape:
            is_pair = after in (self._quote, self._escape) and after != b""
            out.append(self._quote * 2 if after == self._quote else self._escape)
            return special + 1 + is_pair
        if after == self._quote:  # closed and opened again: not one quote
            return special + 2
        out.append(self._quote)
        self._is_quoted = False
        return special + 1
