"""In which time zone moments are read and shown whose text names none: the session's, while its statement runs.

What outlives the session (a view, a tick, a connector) reads and computes in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

UTC = "UTC"
_ZONE: ContextVar[str] = ContextVar("zone", default=UTC)
_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")


@contextmanager
def reading_in(zone: str) -> Iterator[None]:
    """Within, in this thread, a zone as the setting `timezone` has it: a name, or an offset as `+05:30`."""
    token = _ZONE.set(zone)
    try:
        yield
    finally:
        _ZONE.reset(token)


def zone_of_now() -> str:
    """The zone that holds in this thread: UTC where no session's statement runs."""
    return _ZONE.get()


def icu_zone(zone: str) -> str:
    """The zone as ICU, and DuckDB with it, knows it: an offset is `GMT+05:30`."""
    return f"GMT{zone}" if _OFFSET.fullmatch(zone) else zone
