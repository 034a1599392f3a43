"""to_char of intervals, as PostgreSQL's formatting.c writes them: each field has its sign, hours go beyond a day."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa

from sqlengine import duck, errors
from sqlengine.functions.arrays_of import interval_parts
from sqlengine.functions.registry import Value, scalar
from sqlengine.types import INTERVAL


class _Fields(NamedTuple):
    """An interval cut into fields, all rounded towards zero."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    micros: int

    @property
    def days(self) -> int:
        """PostgreSQL's day of the year: months count 30 days."""
        return (self.year * 12 + self.month) * 30 + self.day


def _cut(number: int, by: int) -> tuple[int, int]:
    """Quotient and rest, rounded towards zero."""
    whole = abs(number) // by * (1 if number >= 0 else -1)
    return whole, number - whole * by


def _fields(months: int, days: int, micros: int) -> _Fields:
    hour, rest = _cut(micros, 3_600_000_000)
    minute, rest = _cut(rest, 60_000_000)
    return _Fields(*_cut(months, 12), days, hour, minute, *_cut(rest, 1_000_000))


_Number = Callable[[_Fields], tuple[int, int]]
"""The number a field writes, and how many digits it is filled up to."""


def _half_day(f: _Fields) -> tuple[int, int]:
    return _cut(f.hour, 12)[1] or 12, 2 if f.hour >= 0 else 3


def _signed(digits: int, number: int) -> tuple[int, int]:
    """Digits, and one place more for a sign."""
    return number, digits if number >= 0 else digits + 1


def _year(digits: int) -> _Number:
    return lambda f: (_cut(f.year, 10**digits)[1] if digits < 4 else f.year, digits if f.year >= 0 else digits + 1)


def _fraction(digits: int) -> _Number:
    return lambda f: (_cut(f.micros, 10 ** (6 - digits))[0], digits)


_NUMBERS: dict[str, _Number] = {
    **{"Y" * digits: _year(digits) for digits in (1, 2, 3, 4)},
    "MM": lambda f: _signed(2, f.month),
    "DDD": lambda f: (f.days, 3),
    "DD": lambda f: (f.day, 2),
    "HH24": lambda f: _signed(2, f.hour),
    "HH12": _half_day,
    "HH": _half_day,
    "MI": lambda f: _signed(2, f.minute),
    "SS": lambda f: _signed(2, f.second),
    "MS": _fraction(3),
    "US": _fraction(6),
    **{f"FF{digits}": _fraction(digits) for digits in range(1, 7)},
    **dict.fromkeys(("SSSSS", "SSSS"), lambda f: (f.hour * 3600 + f.minute * 60 + f.second, 0)),
    "CC": lambda f: _signed(2, _cut(f.year, 100)[0]),
}
_HALVES = ("AM", "PM", "A.M.", "P.M.")
_TEXTS: dict[str, Callable[[_Fields], str]] = {
    "Y,YYY": lambda f: f"{_cut(f.year, 1000)[0]},{_cut(f.year, 1000)[1]:03d}",
    "Q": lambda f: str(_cut(f.month - 1, 3)[0] + 1) if f.month else "",
}
_NOT_OF_INTERVALS = ("MONTH", "Month", "MON", "Mon", "DAY", "Day", "DY", "Dy", "D", "ID", "TZH", "TZM", "TZ", "OF",
                     "BC", "AD", "B.C.", "A.D.")  # fmt: skip
_NOT_WRITTEN = ("IYYY", "IYY", "IY", "I", "IW", "IDDD", "J", "RM", "WW", "W")
_WORDS = {
    spelt
    for name in (*_NUMBERS, *_TEXTS, *_HALVES, *_NOT_OF_INTERVALS, *_NOT_WRITTEN)
    for spelt in (name, name.lower())
}
_SCAN = re.compile(
    rf'"((?:[^"\\]|\\.)*)"?|\\(")|(FM|fm)?({"|".join(re.escape(w) for w in sorted(_WORDS, key=len, reverse=True))})'
    r"(TH|th)?|(FX|fx|TM|tm)|(.)",
    re.DOTALL,
)
_Piece = Callable[[_Fields], str]


def _ordinal(number: int, suffix: str) -> str:
    """st, nd, rd or th, as large as it is written in the pattern."""
    last, teens = abs(number) % 10, abs(number) % 100 // 10 == 1
    found = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(last, "th")
    return found.upper() if suffix == "TH" else found


def _field(name: str, filled: bool, suffix: str | None) -> _Piece:
    if name.upper() in _HALVES:
        late = name.replace("A", "P").replace("a", "p")
        early = name.replace("P", "A").replace("p", "a")
        return lambda f: late if _cut(f.hour, 24)[1] >= 12 else early
    if name.upper() in _TEXTS:
        return _TEXTS[name.upper()]
    if name.upper() in _NOT_WRITTEN:
        raise errors.NotSupportedError(f'"{name}" in the format of an interval is not supported')
    number = _NUMBERS.get(name.upper())
    if number is None:
        raise errors.InvalidDatetime("invalid format specification for an interval value", hint=f"leave out {name}")

    def piece(fields: _Fields) -> str:
        value, width = number(fields)
        return f"{value:0{width if filled else 0}d}" + (_ordinal(value, suffix) if suffix else "")

    return piece


def _constant(text: str) -> _Piece:
    return lambda fields: text


@lru_cache(maxsize=256)
def _pieces(pattern: str) -> tuple[_Piece, ...]:
    made: list[_Piece] = []
    for found in _SCAN.finditer(pattern):
        quoted, quote, bare, name, suffix, _, other = found.groups()
        if name is not None:
            made.append(_field(name, bare is None, suffix))
        elif quoted is not None:
            made.append(_constant(re.sub(r"\\(.)", r"\1", quoted)))
        else:
            made.append(_constant(quote or other or ""))
    return tuple(made)


def _text(months: int, days: int, micros: int, pattern: str) -> str | None:
    """An empty pattern gives NULL, as there."""
    fields = _fields(months, days, micros)
    return "".join(piece(fields) for piece in _pieces(pattern)) if pattern else None


def _write(intervals: pa.Array, patterns: pa.Array) -> pa.Array:
    """Each interval by its pattern."""
    months, days, micros = (part.tolist() for part in interval_parts(intervals))
    rows = zip(intervals.is_valid().to_pylist(), months, days, micros, patterns.to_pylist(), strict=True)
    return pa.array([_text(m, d, us, p) if there and p else None for there, m, d, us, p in rows], pa.string())


duck.at_opening("interval_write", [INTERVAL, pa.string()], pa.string(), _write)


def duck_interval_text(value: str, form: str) -> str:
    """DuckDB text of an interval in a pattern."""
    return f"interval_write(CAST({value} AS INTERVAL), {form})"


@scalar(
    "to_char(i interval, format text) -> text",
    "an interval as text: YYYY MM DD HH24 HH12 MI SS MS US AM CC Q, FM drops padding; hours are not cut to a day",
    example="to_char(INTERVAL '100 hours 2 minutes', 'HH24:MI:SS') = '100:02:00'",
    broadcast=True,
    can_raise=True,
    duck="interval_write({0}, {1})",
)
def to_char_interval(i: pa.Array, form: pa.Array) -> Value:
    return _write(i, form)
