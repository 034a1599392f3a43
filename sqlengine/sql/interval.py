"""Interval text -> months, days, microseconds, as PostgreSQL reads it; the one place that knows its units.

Accepts `5 minutes`, `1 month 2 days 03:00:00`, `-1 day`, `1.5 hours`, `1-2` (years-months), ISO `P1Y2DT3H`, a bare
number with the unit of `INTERVAL '10' SECOND`, and one before hours, which is days: `7 05:04:03`.  Months and days stay
calendar units; they are never turned into seconds.
"""

from __future__ import annotations

import re
from decimal import Decimal

from sqlengine.errors import InvalidDatetime, did_you_mean
from sqlengine.sql.ast import Interval

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US

_UNITS: dict[str, tuple[str, int]] = {
    "microsecond": ("us", 1),
    "millisecond": ("us", 1_000),
    "second": ("us", SECOND_US),
    "minute": ("us", 60 * SECOND_US),
    "hour": ("us", 3_600 * SECOND_US),
    "day": ("days", 1),
    "week": ("days", 7),
    "month": ("months", 1),
    "quarter": ("months", 3),
    "year": ("months", 12),
    "decade": ("months", 120),
    "century": ("months", 1_200),
    "millennium": ("months", 12_000),
}
_SHORT = {
    "us": "microsecond",
    "usec": "microsecond",
    "ms": "millisecond",
    "msec": "millisecond",
    "s": "second",
    "sec": "second",
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
    "w": "week",
    "mon": "month",
    "y": "year",
    "yr": "year",
    "centuries": "century",
    "millennia": "millennium",
}
_PART = re.compile(
    r"\s*(?:(?P<sign>[+-])?(?P<hours>\d+):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2}(?:\.\d*)?))?"
    r"|(?P<ysign>[+-])?(?P<years>\d+)-(?P<months>\d{1,2})(?![\d:])"
    r"|(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*(?P<unit>[A-Za-z]+)?)\s*,?"
)
_ISO = re.compile(
    r"P(?=.)(?:(-?[\d.]+)Y)?(?:(-?[\d.]+)M)?(?:(-?[\d.]+)W)?(?:(-?[\d.]+)D)?"
    r"(?:T(?=.)(?:(-?[\d.]+)H)?(?:(-?[\d.]+)M)?(?:(-?[\d.]+)S)?)?",
    re.IGNORECASE,
)
_ISO_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
_LIMIT = 2**31


def parse_interval(text: str, unit: str | None = None, position: int | None = None) -> Interval:
    """The interval `text` spells; `unit` is what follows `INTERVAL '10'`, for numbers without a unit: `second`, or
    `minute to second`, by which 5:04 is minutes, too.

    Raises InvalidDatetime (22007).
    """
    body = text.strip()
    try:
        first, *last = map(_unit_name, unit.lower().split(" to ")) if unit else ("",)
        parsed = _parse(body, (last or [first])[0] or "second", bool(last) and first == "minute")
    except (KeyError, ArithmeticError, ValueError):
        parsed = None
    if parsed is None or not (-_LIMIT <= parsed.months < _LIMIT and -_LIMIT <= parsed.days < _LIMIT):
        raise InvalidDatetime(
            f'invalid interval: "{text}"',
            hint=_hint(body) or "write it as 10 seconds, 1 day or 01:30:00",
            position=position,
        )
    return parsed


def _parse(body: str, default: str, minutes_first: bool) -> Interval | None:
    """`default` is the unit of a number that has none, and nothing behind it that says which."""
    iso = _ISO.fullmatch(body)
    if iso is not None:
        return _sum([(number, name) for number, name in zip(iso.groups(), _ISO_UNITS, strict=True) if number])
    ago = body.lower().endswith("ago")
    body = body[:-3] if ago else body
    found: list[re.Match[str]] = []
    at = 0
    while at < len(body):
        part = _PART.match(body, at)
        if part is None or part.end() == at:
            return None
        found.append(part)
        at = part.end()
    if not found:
        return None
    terms: list[tuple[str, str]] = []
    for part in reversed(found):
        mine = _terms(part, default, minutes_first)
        terms += mine
        if mine[0][1] == "hour" and not part["unit"]:
            default = "day"
    total = _sum(terms)
    return negate(total) if ago else total


def _terms(found: re.Match[str], default: str, minutes_first: bool) -> list[tuple[str, str]]:
    """(number, unit) pairs of one part."""
    if found["hours"] is not None:
        sign = found["sign"] or ""
        numbers, units = [found["hours"], found["minutes"], found["seconds"] or "0"], ("hour", "minute", "second")
        if minutes_first and found["seconds"] is None:
            numbers = ["0", *numbers[:2]]
        return [(sign + number, name) for number, name in zip(numbers, units, strict=True)]
    if found["years"] is not None:
        sign = found["ysign"] or ""
        return [(sign + found["years"], "year"), (sign + found["months"], "month")]
    if found["unit"]:
        return [(found["number"], _unit_name(found["unit"]))]
    return [(found["number"], default)]


def _unit_name(word: str) -> str:
    """The full singular unit; KeyError when there is none."""
    plain = word.lower()
    for candidate in (plain, plain.removesuffix("s")):
        name = _SHORT.get(candidate, candidate)
        if name in _UNITS:
            return name
    raise KeyError(word)


def _sum(parts: list[tuple[str, str]]) -> Interval:
    """Adds up; fractions of months go to days (30 a month), fractions of days to time, as PostgreSQL does."""
    months = days = micros = Decimal(0)
    for text, name in parts:
        field, factor = _UNITS[name]
        amount = Decimal(text) * factor
        if field == "months":
            whole = Decimal(int(amount))
            months, days = months + whole, days + (amount - whole) * 30
        elif field == "days":
            days += amount
        else:
            micros += amount
    whole_days = Decimal(int(days))
    micros += (days - whole_days) * DAY_US
    return Interval(int(months), int(whole_days), int(round(micros)))


def negate(value: Interval) -> Interval:
    """The interval of the opposite sign."""
    return Interval(-value.months, -value.days, -value.microseconds)


def add(left: Interval, right: Interval) -> Interval:
    """Field by field."""
    return Interval(left.months + right.months, left.days + right.days, left.microseconds + right.microseconds)


def scale(value: Interval, factor: int) -> Interval:
    """A whole multiple."""
    return Interval(value.months * factor, value.days * factor, value.microseconds * factor)


def fixed_us(value: Interval, position: int | None = None) -> int:
    """Microseconds of an interval without months (a day is 24 hours); InvalidDatetime when it has months."""
    if value.months:
        raise InvalidDatetime("an interval of months or years has no fixed length here", position=position)
    return value.days * DAY_US + value.microseconds


def to_text(value: Interval) -> str:
    """Text that reads back as the same interval, here and in DuckDB: `1 months -2 days 3000000
    microseconds`."""
    fields = ((value.months, "months"), (value.days, "days"), (value.microseconds, "microseconds"))
    return " ".join(f"{number} {name}" for number, name in fields if number) or "0 days"


def _hint(body: str) -> str | None:
    for word in re.findall(r"[A-Za-z]+", body):
        try:
            _unit_name(word)
        except KeyError:
            return did_you_mean(word.lower(), [unit + "s" for unit in _UNITS])
    return None
