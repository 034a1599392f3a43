"""The virtual clock of stream cases: where it begins, and how it is set to an ISO time."""

from __future__ import annotations

import datetime

from sqlengine.runtime.clock import VirtualClock

START_US = 1_704_067_200_000_000
"""2024-01-01 00:00:00 UTC: where every case begins."""


def move_to(clock: VirtualClock, text: str) -> None:
    """Move on to an ISO time, taken as UTC; a clock does not go back."""
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    clock.advance(round(moment.timestamp() * 1_000_000) - clock.now_us())
