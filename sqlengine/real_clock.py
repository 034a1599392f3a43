"""The machine's clock."""

from __future__ import annotations

import time


class RealClock:
    """The machine's clock, never going back within a process."""

    virtual = False

    def __init__(self) -> None:
        self._latest_us = 0

    def now_us(self) -> int:
        """Wall-clock microseconds."""
        self._latest_us = max(self._latest_us, time.time_ns() // 1000)
        return self._latest_us
