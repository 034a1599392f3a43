"""`pages.pyx` for systems without it: no addresses can be reserved, so arrays are copied as they grow."""

from __future__ import annotations

from typing import Protocol


class Pages(Protocol):
    """A reservation; given back when nothing refers to it or its memory any more."""

    @property
    def memory(self) -> memoryview:
        """Its bytes, to be written to."""

    def expect(self, used: int, more: int) -> None:
        """Before `more` bytes are written behind the first `used`: much at a time is given large pages."""


def reserve(wanted: int) -> Pages | None:
    """None: there is nothing to reserve addresses for `wanted` bytes with."""
    return None
