"""Dates and times within paths: the forms of ISO 8601 that `.datetime()` reads, conversions, and their order.

What would need the session's time zone is refused, so that a path means the same everywhere.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import TypeAlias

from sqlengine.functions.jsonpath.failures import Unsuppressed
from sqlengine.quick_dataclass import dataclass

DATE, TIME, TIMETZ = "date", "time without time zone", "time with time zone"
TIMESTAMP, TIMESTAMPTZ = "timestamp without time zone", "timestamp with time zone"
_ZONED = (TIMETZ, TIMESTAMPTZ)
_DAY = r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2}):(?P<second>\d{1,2})(?:\.(?P<fraction>\d{1,6}))?"
_ZONE = r"(?:\s*(?P<zone>[+-]\d{1,2}(?::?\d{2})?|Z))?"
_FORMS = re.compile(rf"\s*(?:{_DAY}(?:[ T]\s*)?)?(?:(?<![-\d])(?:{_CLOCK}){_ZONE})?\s*")

Value: TypeAlias = date | time | datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or time of one of SQL's types, by its name."""

    kind: str
    value: Value

    def text(self) -> str:
        """As JSON has it: ISO 8601, with T between day and time."""
        if not isinstance(self.value, (datetime, time)):
            return self.value.isoformat()
        fraction = f".{self.value.microsecond:06d}".rstrip("0") if self.value.microsecond else ""
        zone = self.value.isoformat(timespec="seconds")
        whole = self.value.replace(microsecond=0, tzinfo=None).isoformat(timespec="seconds")
        return whole + fraction + zone[len(whole) :]


def read_moment(text: str) -> Moment | None:
    """The date or time of a text in one of the forms; None for any other text."""
    found = _FORMS.fullmatch(text)
    if found is None or (found["year"] is None and found["hour"] is None):
        return None
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"])) if found["year"] else None
        clock = _clock(found) if found["hour"] else None
    except ValueError:
        return None
    if clock is None:
        return Moment(DATE, day) if day is not None else None
    if day is None:
        return Moment(TIME if clock.tzinfo is None else TIMETZ, clock)
    return Moment(TIMESTAMP if clock.tzinfo is None else TIMESTAMPTZ, datetime.combine(day, clock))


def _clock(found: re.Match[str]) -> time:
    zone = found["zone"]
    offset: timezone | None = None
    if zone is not None:
        minutes = 0
        if zone != "Z":
            digits = zone[1:].replace(":", "")
            minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
        offset = timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))
    micros = int((found["fraction"] or "").ljust(6, "0"))
    return time(int(found["hour"]), int(found["minute"]), int(found["second"]), micros, offset)


def converted(moment: Moment, kind: str) -> Moment | None:
    """As another type; None where there is no way, Unsuppressed (0A000) where a time zone would say how."""
    if moment.kind == kind:
        return moment
    value = moment.value
    if kind in (TIMESTAMP, TIMESTAMPTZ) and moment.kind in (TIME, TIMETZ):
        return None
    if kind in (TIME, TIMETZ) and moment.kind == DATE or kind == DATE and moment.kind in (TIME, TIMETZ):
        return None
    if kind == TIMETZ and moment.kind == TIMESTAMPTZ and isinstance(value, datetime):
        return Moment(kind, value.timetz())
    if (moment.kind in _ZONED) != (kind in _ZONED):
        raise needs_zone(moment.kind, kind)
    if kind == DATE and isinstance(value, datetime):
        return Moment(kind, value.date())
    if kind == TIME and isinstance(value, datetime):
        return Moment(kind, value.time())
    assert not isinstance(value, (datetime, time))
    return Moment(kind, datetime(value.year, value.month, value.day))


def needs_zone(source: str, target: str) -> Unsuppressed:
    """0A000: a value without a time zone as one with a zone, or the other way."""
    names = {TIMESTAMP: "timestamp", TIMESTAMPTZ: "timestamptz", TIME: "time", TIMETZ: "timetz", DATE: "date"}
    return Unsuppressed(
        f"cannot convert value from {names[source]} to {names[target]} without time zone usage",
        sqlstate="0A000",
        hint="write the zone into both values, or into none",
    )


def with_precision(moment: Moment, digits: int) -> Moment:
    """With so many digits of a second; half goes up."""
    value = moment.value
    if not isinstance(value, (datetime, time)) or digits >= 6:
        return moment
    unit = 10 ** (6 - digits)
    micros = (value.microsecond + unit // 2) // unit * unit
    if micros < 1_000_000:
        return Moment(moment.kind, value.replace(microsecond=micros))
    if isinstance(value, datetime):
        return Moment(moment.kind, value.replace(microsecond=0) + timedelta(seconds=1))
    later = datetime.combine(date(2000, 1, 1), value.replace(microsecond=0)) + timedelta(seconds=1)
    return Moment(moment.kind, later.timetz())


def compared_moments(left: Moment, right: Moment) -> int | None:
    """-1, 0 or 1; None for a time of day beside a day."""
    if (left.kind in (TIME, TIMETZ)) != (right.kind in (TIME, TIMETZ)):
        return None
    if (left.kind in _ZONED) != (right.kind in _ZONED):
        plain, zoned = (left, right) if right.kind in _ZONED else (right, left)
        raise needs_zone(plain.kind, zoned.kind)
    a, b = _sortable(left), _sortable(right)
    return (a > b) - (a < b)  # type: ignore[operator]


def _sortable(moment: Moment) -> tuple[object, ...]:
    """Times with a zone by their moment and then by their zone, as PostgreSQL orders them."""
    value = moment.value
    if isinstance(value, datetime):
        return (value,)
    if not isinstance(value, time):
        return (datetime(value.year, value.month, value.day),)
    offset = value.utcoffset() or timedelta(0)
    clock = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    return (clock - offset, -offset)
