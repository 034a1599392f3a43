"""A clock that moves only when a test moves it."""

from __future__ import annotations

import datetime

START_US = 1_704_067_200_000_000
"""2024-01-01 00:00:00 UTC: where every case begins."""


class VirtualClock:
    """Microseconds since 1970; never goes back."""

    def __init__(self, now_us: int = START_US) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """The present time."""
        return self._now_us

    def advance(self, us: int) -> None:
        """Move on by `us` microseconds."""
        assert us >= 0, "time does not go back"
        self._now_us += us

    def move_to(self, text: str) -> None:
        """Move on to an ISO time, taken as UTC."""
        moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
        target = round(moment.timestamp() * 1_000_000)
        self.advance(target - self._now_us)
