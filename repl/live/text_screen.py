"""Lines of text on the whole screen, to be scrolled."""

from __future__ import annotations

from collections.abc import Sequence

from repl.live.lines import Line, ends, key_line, page
from repl.render.width import visible_text

_KEYS = (("arrows, PgUp, PgDn", "move"), ("q", "leave"))


class TextScreen:
    """See screen.Screen."""

    def __init__(self, lines: Sequence[str], title: str = "help") -> None:
        self.done = False
        self.clipboard: str | None = None
        self._lines = [visible_text(line) for line in lines]
        self._title = title
        self._top = 0
        self._height = 1

    def press(self, key: str) -> None:
        """See screen.Screen."""
        steps = {"up": -1, "down": 1, "enter": 1, "pageup": -self._height, "pagedown": self._height, " ": self._height}
        if key in ("q", "c-c", "escape"):
            self.done = True
        elif key in ("home", "g"):
            self._top = 0
        elif key in ("end", "G"):
            self._top = len(self._lines)
        else:
            self._top += steps.get(key, 0)

    def frame(self, width: int, height: int, now: float) -> list[Line]:
        """See screen.Screen."""
        self._height = max(1, height - 2)
        self._top = max(0, min(self._top, len(self._lines) - self._height))
        shown = self._lines[self._top : self._top + self._height]
        last = min(self._top + self._height, len(self._lines))
        head = ends(f" {self._title}", f"lines {self._top + 1}-{last} of {len(self._lines)} ", width, "title")
        body: list[Line] = [[("", " " + line)] for line in shown]
        return page([head, *page(body, width, self._height), key_line(_KEYS, width)], width, height)

    def is_stale(self, now: float) -> bool:
        """See screen.Screen."""
        return False
