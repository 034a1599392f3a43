"""The engine's clock: real, or virtual for tests and replays."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """`virtual` clocks never move by themselves: no background work runs under them."""

    virtual: bool

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class VirtualClock:
    """Moves only by `advance`."""

    virtual = True

    def __init__(self, start_us: int = 0) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        """The virtual time in microseconds."""
        return self._now_us

    def advance(self, by_us: int) -> None:
        """Move forward; never back."""
        assert by_us >= 0, "a clock does not go back"
        self._now_us += by_us
