"""A file that is one JSON array of objects, as lines: byte for byte, so that offsets stay what they are."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

_BEGINS = re.compile(rb"^(\xef\xbb\xbf)?\s*\[\s*(\{|\]|$)")
_QUOTE, _BACKSLASH, _COMMA, _NEWLINE, _RETURN, _BLANK = (ord(c) for c in '"\\,\n\r ')
_DEPTH = np.zeros(256, np.int8)
_DEPTH[list(b"{[")], _DEPTH[list(b"}]")] = 1, -1


def is_array(head: bytes) -> bool:
    """Whether a file that begins so is an array of objects, not an object a line."""
    return _BEGINS.match(head) is not None


class ArrayLines:
    """The array's brackets become blanks and the commas between its elements line ends; line ends within elements
    become blanks.  `begun`: the stream does not start with the array but at one of its elements."""

    def __init__(self, begun: bool = False) -> None:
        self._depth = int(begun)
        self._in_string = False
        self._is_escaped = False

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the stream, as many of them."""
        raw = np.frombuffer(data, np.uint8).copy()
        quotes = self._quotes(raw)
        outside = (np.cumsum(quotes) + self._in_string) % 2 == 0
        steps = np.where(outside, _DEPTH[raw], 0)
        depth = self._depth + np.cumsum(steps)
        ends = (steps < 0) & (depth == 0) | outside & (raw == _COMMA) & (depth == 1)
        blanks = (steps > 0) & (depth == 1) | outside & (depth > 0) & ((raw == _NEWLINE) | (raw == _RETURN))
        raw[blanks], raw[ends] = _BLANK, _NEWLINE
        self._depth, self._in_string = int(depth[-1]), not bool(outside[-1])
        return raw.tobytes()

    def _quotes(self, raw: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Where strings begin and end: quotes that do not stand behind an odd run of backslashes."""
        slashes = raw == _BACKSLASH
        at = np.arange(len(raw))
        run = at - np.maximum.accumulate(np.where(slashes, -1, at))
        run[: len(raw) if slashes.all() else int(np.argmin(slashes))] += int(self._is_escaped)
        run[~slashes] = 0
        before = np.concatenate([[int(self._is_escaped)], run[:-1]])
        self._is_escaped = bool(run[-1] % 2)
        found: npt.NDArray[np.bool_] = (raw == _QUOTE) & (before % 2 == 0)
        return found
