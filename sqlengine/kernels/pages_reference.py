"""`pages.pyx` for systems without it: no addresses can be reserved, so arrays are copied as they grow."""

from __future__ import annotations


def reserve(wanted: int) -> memoryview | None:
    """None: there is nothing to reserve addresses for `wanted` bytes with."""
    return None
