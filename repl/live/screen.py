"""What a full-screen view is: keys in, lines out.  fullscreen.py shows it on a terminal, tests call it."""

from __future__ import annotations

from typing import Protocol

from repl.live.lines import Line


class Screen(Protocol):
    """All calls come from one thread; what feeds a screen from others it guards itself.

    `clipboard`: a text to be put there, then None again.
    """

    done: bool
    clipboard: str | None

    def press(self, key: str) -> None:
        """Take a key: a character, or a name such as "up", "pagedown", "enter", "escape", "c-c"."""
        ...

    def frame(self, width: int, height: int, now: float) -> list[Line]:
        """`height` lines of `width` cells at `now` (seconds, monotonic)."""
        ...

    def is_stale(self, now: float) -> bool:
        """Whether a frame drawn now would differ from the last one without any key."""
        ...
