"""How many rows a generator may hand out by now: the pace of a source that is given the time and never asks
for it."""

from __future__ import annotations

MICROSECONDS = 1_000_000


class Pace:
    """`rows_per_second` rows from the first moment on (0 = no limit)."""

    def __init__(self, rows_per_second: float) -> None:
        self._rate = rows_per_second
        self._start_us: int | None = None
        self._given = 0

    def allowed(self, wanted: int, now_us: int) -> int:
        """How many of `wanted` rows may go out at `now_us`; the first row may at once."""
        if not self._rate:
            return wanted
        if self._start_us is None:
            self._start_us = now_us
        due = int((now_us - self._start_us) * self._rate / MICROSECONDS) + 1 - self._given
        return max(0, min(wanted, due))

    def gave(self, rows: int) -> None:
        """Count rows that went out."""
        self._given += rows

    def wait_us(self, now_us: int) -> int:
        """How long until the next row is due, at least 1 us."""
        if not self._rate or self._start_us is None:
            return 1
        due_us = self._start_us + int(self._given * MICROSECONDS / self._rate)
        return max(1, due_us - now_us + 1)
