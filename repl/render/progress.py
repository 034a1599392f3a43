"""Progress of long work on one line of a terminal: bar, percent, rate and the time still needed.

On anything but a terminal nothing is drawn; with `plain` a line is written every few seconds instead, so
that a log of the run shows it moved.  The clock is an argument, so that tests own the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from repl.render.size import bytes_text
from repl.render.width import fit_text
from repl.terminal import Screen, screen_of
from sqlengine.quick_dataclass import dataclass

_REDRAW_S = 0.1
_PLAIN_S = 5.0
_BLOCKS = " ▏▎▍▌▋▊▉█"
_CLEAR_LINE = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Amount:
    """How far the work is: `done` of `total` (None = not known), counted in `unit` ("rows", "bytes"); `share`: the part
    that is done (0 to 1), where it is known without the total."""

    done: int
    total: int | None = None
    unit: str = "rows"
    share: float | None = None

    @property
    def part(self) -> float | None:
        """What is done, from 0 to 1; None where that is not known."""
        if self.share is None and not self.total:
            return None
        return min(1.0, self.share if self.share is not None else self.done / (self.total or 1))

    def text(self, number: float, exact: bool = True) -> str:
        """A number of units for the reader."""
        if self.unit == "bytes":
            return bytes_text(round(number))
        return f"{number:,.0f} {self.unit}" if exact else f"{count_text(number)} {self.unit}"


class Progress:
    """One line that tells how far the work is: update() as often as you like, finish() at the end."""

    def __init__(
        self,
        stream: TextIO,
        label: str = "",
        *,
        plain: bool = False,
        after_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._screen = screen_of(stream)
        self._label = label
        self._plain = plain
        self._after_s = after_s
        self._clock = clock
        self._began = clock()
        self._drawn_at: float | None = None
        self._visible = False

    @property
    def on_terminal(self) -> bool:
        """True when the line is redrawn in place."""
        return self._screen.width is not None

    def update(
        self, done: int, total: int | None = None, unit: str = "rows", note: str = "", share: float | None = None
    ) -> None:
        """Say how far the work is (see Amount); draws at most ten times a second."""
        now = self._clock()
        every = _REDRAW_S if self.on_terminal else _PLAIN_S
        due = self._drawn_at is None or now - self._drawn_at >= every
        if due and now - self._began >= self._after_s:
            self._draw(
                progress_text(self._label, Amount(done, total, unit, share), now - self._began, note, self._screen),
                now,
            )

    def _draw(self, text: str, now: float) -> None:
        if self.on_terminal:
            self._stream.write(_CLEAR_LINE + fit_text(text, (self._screen.width or 80) - 1).rstrip())
            self._visible = True
        elif self._plain:
            self._stream.write(text + "\n")
        self._drawn_at = now
        self._stream.flush()

    def clear(self) -> None:
        """Take the line off the terminal, so that something else can be written there."""
        if self._visible:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()
            self._visible = False

    def finish(self, done: int, unit: str = "rows") -> None:
        """Replace the line by a last one that stays: how much, how long, how fast."""
        self.clear()
        seconds = self._clock() - self._began
        if self.on_terminal or self._plain:
            label = f"{self._label}: " if self._label else ""
            speed = f", {count_text(done / seconds)} {unit}/s" if seconds > 0 else ""
            self._stream.write(f"{label}{done:,} {unit} in {time_text(seconds)}{speed}\n")
            self._stream.flush()


def progress_text(label: str, amount: Amount, seconds: float, note: str, screen: Screen) -> str:
    """`loading ████▌     45%  151,549 of 336,776 rows  1.2M rows/s  ETA 0.2 s`."""
    rate = amount.done / seconds if seconds > 0 else 0.0
    parts, part = [label] if label else [], amount.part
    if part is not None:
        parts.append(f"{bar_text(part, 20, screen.unicode)} {part:4.0%}")
    if amount.total:
        done = f"{amount.done:,}" if amount.unit != "bytes" else amount.text(amount.done)
        parts.append(f"{done} of {amount.text(amount.total)}")
    elif amount.done:
        parts.append(amount.text(amount.done))
    if rate:
        parts.append(f"{amount.text(rate, exact=False)}/s")
    left_s = seconds * (1 - part) / part if part else 0.0
    parts.append(f"ETA {time_text(left_s)}" if left_s > 0 else time_text(seconds))
    return "  ".join([*parts, note] if note else parts)


def bar_text(share: float, width: int, unicode: bool = True) -> str:
    """A bar of `width` cells, filled to `share` (0 to 1), with eighths of a cell where the screen has
    them."""
    if not unicode:
        full = round(share * width)
        return "#" * full + "." * (width - full)
    full, eighths = divmod(round(share * width * 8), 8)
    return ("█" * full + (_BLOCKS[eighths] if full < width else "")).ljust(width)[:width]


def count_text(number: float) -> str:
    """A number for reading at a glance: 870, 12.3k, 1.2M."""
    for limit, divisor, suffix in ((1e3, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M")):
        if abs(number) < limit:
            return f"{number / divisor:.3g}{suffix}"
    return f"{number / 1e9:.3g}G"


def time_text(seconds: float) -> str:
    """0.2 s, 45 s, 2 min 5 s, 1 h 3 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
