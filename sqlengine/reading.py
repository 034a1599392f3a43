"""In which time zone moments are read and shown whose text names none, and in which order day, month and year stand:
as the session has them, while its statement runs.

What outlives the session (a view, a tick, a connector) reads and computes in UTC, and the month before the day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

UTC = "UTC"
_ZONE: ContextVar[str] = ContextVar("zone", default=UTC)
MONTH_FIRST = "MDY"
_ORDER: ContextVar[str] = ContextVar("order", default=MONTH_FIRST)
_NOW: ContextVar[int | None] = ContextVar("now", default=None)
_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")


@contextmanager
def reading_in(zone: str, order: str = MONTH_FIRST, now_us: int | None = None) -> Iterator[None]:
    """Within, in this thread, a zone as the setting `timezone` has it: a name, or an offset as `+05:30`; and an order
    as the second half of DateStyle has it: DMY, MDY or YMD. `now_us`: what the words `now` and `today` mean, in
    microseconds since 1970; None where nothing may depend on when it is read."""
    tokens = _ZONE.set(zone), _ORDER.set(order), _NOW.set(now_us)
    try:
        yield
    finally:
        _ZONE.reset(tokens[0])
        _ORDER.reset(tokens[1])
        _NOW.reset(tokens[2])


def zone_of_now() -> str:
    """The zone that holds in this thread: UTC where no session's statement runs."""
    return _ZONE.get()


def order_of_now() -> str:
    """The order that holds in this thread: the month first where no session's statement runs."""
    return _ORDER.get()


def clock_of_now() -> datetime | None:
    """What clocks show in the zone that holds in this thread; None where nothing may depend on it."""
    now_us, zone = _NOW.get(), _ZONE.get()
    if now_us is None:
        return None
    offset = _OFFSET.fullmatch(zone)
    if offset is None:
        there: tzinfo = ZoneInfo(zone)
    else:
        minutes = int(offset[2]) * 60 + int(offset[3])
        there = timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    return datetime.fromtimestamp(now_us // 1_000_000, there).replace(microsecond=now_us % 1_000_000)


def icu_zone(zone: str) -> str:
    """The zone as ICU, and DuckDB with it, knows it: an offset is `GMT+05:30`."""
    return f"GMT{zone}" if _OFFSET.fullmatch(zone) else zone
