"""Single texts as dates and times by Spark's CAST, zones at their end included, or in a pattern of Java's."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import pyarrow as pa

from sqlengine.functions.hive.time_patterns import read

_DAY = re.compile(r"\s*([+-]?\d{4,7})(?:-(\d{1,2})(?:-(\d{1,2})(?:[ T].*)?)?)?\s*", re.ASCII | re.DOTALL)
_MOMENT = re.compile(
    r"\s*([+-]?\d{4,7})(?:-(\d{1,2})(?:-(\d{1,2})"
    r"(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{0,9}))?)?(.*))?)?)?\s*",
    re.ASCII | re.DOTALL,
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_MICRO = timedelta(microseconds=1)
_DAY_US = 86_400_000_000
_FIRST_DAY = date.min.toordinal() - _EPOCH.toordinal()


@lru_cache(maxsize=65536)
def day_of(text: str, pattern: str | None = None) -> int | None:
    """Days since 1970 of `2015-08-26`, `2015-8`, `2015`, and what stands behind a day after a blank or T; None for
    anything else. Years may have up to seven digits."""
    if pattern is not None:
        found = _by_pattern(text, pattern)
        return None if found is None else found // _DAY_US
    parts = _DAY.fullmatch(text)
    if parts is None:
        return None
    year, later = _near(int(parts[1]))
    try:
        days = date(year, int(parts[2] or 1), int(parts[3] or 1)).toordinal() - _EPOCH.toordinal() + later
    except ValueError:
        return None
    return days if _FIRST_DAY <= days < 2**31 else None


def _near(year: int) -> tuple[int, int]:
    """A year of the same calendar that Python has, and how many days the year is behind it."""
    cycles = (year - 2000) // 400
    return year - 400 * cycles, 146_097 * cycles


@lru_cache(maxsize=65536)
def moment_of(text: str, pattern: str | None = None) -> int | None:
    """Microseconds since 1970 in UTC of `2015-08-26 10:11:12.5+02:00` and shorter; None for anything else."""
    if pattern is not None:
        return _by_pattern(text, pattern)
    parts = _MOMENT.fullmatch(text)
    if parts is None:
        return None
    year, month, day, hour, minute, second = (
        int(part or default) for part, default in zip(parts.groups(), _LEAST, strict=False)
    )
    micros = int((parts[7] or "")[:6].ljust(6, "0"))
    zone = _zone((parts[8] or "").strip())
    if zone is None:
        return None
    year, later = _near(year)
    try:
        local = datetime(year, month, day, hour, minute, second, micros, zone)
    except ValueError:  # no day of the calendar
        return None
    found = (local.astimezone(UTC).replace(tzinfo=None) - _EPOCH) // _MICRO + later * _DAY_US
    return found if _FIRST_DAY * _DAY_US <= found < 2**63 else None  # in UTC no year before 1


_LEAST = (1, 1, 1, 0, 0, 0)


def _zone(text: str) -> tzinfo | None:
    """A zone behind a time; UTC without any, None for what is none."""
    if text in ("", "Z", "UTC", "GMT"):
        return UTC
    offset = _OFFSET.fullmatch(text)
    if offset is not None:
        size = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return timezone(-size if offset[1] == "-" else size) if size <= timedelta(hours=18) else None
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, LookupError):
        return None


def _by_pattern(text: str, pattern: str) -> int | None:
    found = read(pa.array([text]), pattern, strict=True).cast(pa.int64())[0].as_py()
    return None if found is None else int(found)
