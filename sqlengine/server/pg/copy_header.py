"""The first line of what COPY ... FROM STDIN (HEADER) brings: taken away, with HEADER MATCH compared with columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlengine.errors import InvalidText
from sqlengine.formats.copy_text import text_fields
from sqlengine.formats.header_match import match_header
from sqlengine.server.pg.copy_options import CopyOptions


class FirstRecord:
    """Takes the first record of the data away; in csv it may have line breaks within quotes."""

    def __init__(self, options: CopyOptions) -> None:
        self._options = options
        self._quote = options.quote.encode() if options.format == "csv" else None
        self._is_quoted = False
        self._is_over = False
        self._taken = b""

    def rest(self, data: bytes) -> bytes:
        """What of the next piece is behind it."""
        at = 0
        while not self._is_over:
            end = data.find(b"\n", at)
            stretch = data[at:] if end < 0 else data[at:end]
            if self._quote is not None:
                self._is_quoted ^= stretch.count(self._quote) % 2 == 1
            self._taken += stretch
            if end < 0:
                return b""
            at = end + 1
            self._is_over = not self._is_quoted
            self._taken += b"" if self._is_over else b"\n"
        return data[at:]

    def check(self, names: Sequence[str]) -> None:
        """HEADER MATCH: BadCopyFormat (22P04) unless it names these columns in this order."""
        match_header(self._fields(), names, self._options.null)

    def _fields(self) -> list[str | None]:
        line = self._taken.removesuffix(b"\r")
        try:
            text = line.decode()
            if self._quote is not None:
                return _csv_fields(text, self._options)
            return text_fields(line, self._options.delimiter, self._options.null)
        except UnicodeDecodeError:
            raise InvalidText(
                'invalid byte sequence for encoding "UTF8" in the header line', sqlstate="22021"
            ) from None


def _csv_fields(line: str, options: CopyOptions) -> list[str | None]:
    """The fields of one record; one that is NULL's text, without quotes, is None."""
    quote, delimiter = re.escape(options.quote), re.escape(options.delimiter)
    part = re.compile(f"{quote}((?:[^{quote}]|{quote}{quote})*){quote}|([^{delimiter}])", re.DOTALL)
    fields: list[str | None] = []
    at = 0
    while True:
        text, is_quoted = "", False
        while (found := part.match(line, at)) is not None:
            is_quoted |= found[1] is not None
            text += found[2] if found[1] is None else found[1].replace(options.quote * 2, options.quote)
            at = found.end()
        fields.append(None if text == options.null and not is_quoted else text)
        if at >= len(line):
            return fields
        at += 1
