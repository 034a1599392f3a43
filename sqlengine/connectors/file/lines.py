"""Bytes into lines: cuts a growing buffer at newlines and keeps the unfinished rest.

With a quote character, a newline inside quotes does not end a line (RFC 4180).  A line that grows beyond
the limit is given up: it is reported and skipped to its end, so a missing quote costs one long record, not
the memory.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np
import pyarrow as pa

from sqlengine.formats.records import NEWLINE, Spans
from sqlengine.quick_dataclass import dataclass

LINE_BYTES_MAX = 64 << 20
_RETURN = 13


@dataclass(frozen=True, slots=True)
class Lines:
    """`records`: the lines that are not blank; `start`: where each begins, in bytes from the stream's
    beginning."""

    records: pa.BinaryArray
    start: np.ndarray
    too_long: list[tuple[int, bytes]] = field(default_factory=list)


class LineBuffer:
    """`offset`: how many bytes of the stream were given out as lines; `keeps_blank`: blank lines are records, too."""

    def __init__(self, offset: int = 0, quote: str = "", keeps_blank: bool = False) -> None:
        self.offset = offset
        self._keeps_blank = keeps_blank
        self._quote = ord(quote) if quote else None
        self._data = b""
        self._at = 0
        self._ends = np.zeros(0, dtype=np.int64)
        self._skipping = False
        self._too_long: list[tuple[int, bytes]] = []

    @property
    def ready(self) -> bool:
        """True when there is a whole line (or a report)."""
        return bool(len(self._ends) or self._too_long)

    @property
    def read(self) -> int:
        """How many bytes of the stream were fed."""
        return self.offset + len(self._data) - self._at

    def feed(self, data: bytes) -> None:
        """More bytes of the stream; only when no line is ready."""
        self._data = self._data[self._at :] + data
        self._at = 0
        self._find_ends()
        if not len(self._ends) and len(self._data) > LINE_BYTES_MAX:
            self._give_up()

    def finish(self) -> None:
        """No more bytes follow: what is left is the last line."""
        if not len(self._ends) and self._at < len(self._data):
            self.feed(b"\n")
            if not len(self._ends):  # an open quote: cut at the newlines after all
                self._quote = None
                self._find_ends()
            self._data = self._data[:-1]

    def take(self, limit: int) -> Lines:
        """Up to `limit` lines; their bytes count as given out."""
        too_long, self._too_long = self._too_long, []
        ends, self._ends = self._ends[:limit], self._ends[limit:]
        if not len(ends):
            return Lines(pa.array([], pa.binary()), ends, too_long)
        start = np.concatenate([[self._at], ends[:-1] + 1])
        base = self.offset - self._at
        self._at = min(int(ends[-1]) + 1, len(self._data))
        self.offset = base + self._at
        data = np.frombuffer(self._data, dtype=np.uint8)
        stop = np.minimum(ends, len(data))
        stop = stop - ((stop > start) & (data[stop - 1] == _RETURN))
        full = (stop > start) | self._keeps_blank
        if self._skipping:
            full[0] = self._skipping = False
        return Lines(Spans(data, start[full], stop[full]).array(), start[full] + base, too_long)

    def _find_ends(self) -> None:
        data = np.frombuffer(self._data, dtype=np.uint8)
        ends = np.flatnonzero(data == NEWLINE)
        if self._quote is not None and len(ends) and not self._skipping:
            quotes = np.flatnonzero(data == self._quote)
            if len(quotes):
                ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
        self._ends = ends

    def _give_up(self) -> None:
        """The line is too long: report it once, and skip to the next newline of any kind."""
        if not self._skipping:
            self._too_long.append((self.offset, self._data[:1024]))
        self._skipping = True
        cut = self._data.find(b"\n") + 1 or len(self._data)
        self.offset += cut
        self._data = self._data[cut:]
        if cut and self._data:
            self._skipping = False
            self._find_ends()
