"""Dates and times as people write them, as texts that Arrow and DuckDB read: `Jan 5, 2024 10:00 PM` is
`2024-01-05 22:00:00`.

The rules are those of PostgreSQL's manual, appendix B.1 (Date/Time Input Interpretation): fields in any order, months
by name, days of the year, Julian days, digits without separators, years of two digits, AM and PM, zones by offset, by
abbreviation and by name, which of day and month stands first by DateStyle, and `now`, `today`, `tomorrow` and
`yesterday` where it is known when that is.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidDatetime

_TIME = r"\d{1,2}:\d{1,2}(:[0-5]?\d(\.\d{1,6})?)?"
_YEAR = r"(\d{5,6}|[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])"
_DAY = rf"{_YEAR}-\d{{1,2}}-\d{{1,2}}([ T]{_TIME}(Z|[+-](0\d|1[0-5])(:\d{{2}})?)?)?"
PLAIN = {
    "time": rf"^{_TIME}$",
    **dict.fromkeys(("date", "timestamp", "timestamptz"), rf"^({_DAY}|[+-]?infinity|epoch)$"),
}
"""What needs no reading, by kind; for Python, Arrow and DuckDB."""
_IS_PLAIN = {kind: re.compile(pattern, re.ASCII) for kind, pattern in PLAIN.items()}
PRESENT = {"now": 0, "today": 0, "tomorrow": 1, "yesterday": -1}
"""Words for which it matters when they are read: how many days later they are."""
_TOKEN = re.compile(
    r"(?P<time>\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d*)?)?)|(?P<offset>[+-]\d{1,2}(?::\d{2}){1,2}|[+-]\d{1,6})(?![\d:/.-])"
    r"|(?P<date>\d+(?:[-/.][A-Za-z]+|[-/.]\d+)(?:[-/.]\d+)?|[A-Za-z]{3,9}[-/.]\d+[-/.]\d+)"
    r"|(?P<number>\d+(?:\.\d*)?)|(?P<word>[A-Za-z]+(?:[/_+-][A-Za-z_]+|[+-]\d{1,2}(?!\d))*)",
    re.ASCII,
)
_BETWEEN = re.compile(r"[\s,]*", re.ASCII)
_MONTHS = "january february march april may june july august september october november december".split()
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_DAY_WORDS = frozenset(_DAYS) | {day[:3] for day in _DAYS} | {"tues", "weds", "wedn", "thur", "thurs"}
_MONTH_OF = {word: at + 1 for at, month in enumerate(_MONTHS) for word in (month, month[:3])} | {"sept": 9}
_OF_DAY = {"am": "am", "pm": "pm", "a": "", "p": ""}
_NOISE = frozenset(("at", "on"))
_JULIAN_OF_1970 = 2_440_588
_YEARS_MAX = 294_276
_ABBREVIATIONS: dict[str, float] = {
    **dict.fromkeys(("z", "utc", "gmt", "ut", "uct", "zulu", "wet"), 0.0),
    "acdt": 10.5, "acst": 9.5, "adt": -3.0, "aedt": 11.0, "aest": 10.0, "akdt": -8.0, "akst": -9.0, "ast": -4.0,
    "awst": 8.0, "bst": 1.0, "cdt": -5.0, "cest": 2.0, "cet": 1.0, "cst": -6.0, "eat": 3.0, "edt": -4.0, "eest": 3.0,
    "eet": 2.0, "est": -5.0, "hkt": 8.0, "hst": -10.0, "idt": 3.0, "ist": 2.0, "jst": 9.0, "kst": 9.0, "mdt": -6.0,
    "mest": 2.0, "met": 1.0, "msk": 3.0, "mst": -7.0, "ndt": -2.5, "nst": -3.5, "nzdt": 13.0, "nzst": 12.0,
    "pdt": -7.0, "pht": 8.0, "pkt": 5.0, "pst": -8.0, "sast": 2.0, "sgt": 8.0, "west": 1.0,
}  # fmt: skip
"""Hours east of Greenwich, as PostgreSQL's list "Default" has them: the commoner ones of its hundred and forty."""


def is_plain(text: str, kind: str) -> bool:
    """Whether Arrow and DuckDB read a text of a kind as PostgreSQL does."""
    return _IS_PLAIN[kind].match(text) is not None


def readable(text: str, kind: str, order: str = "MDY", now: datetime | None = None) -> str:
    """A text of a `kind` (date, time, timestamp or timestamptz) as DuckDB reads it.

    `order`: of day, month and year, the second half of DateStyle; `now`: with its zone.
    Raises InvalidDatetime: 22007 for what is no moment, 22008 for one that the calendar or the clock does not have.
    """
    if is_plain(text, kind):
        return text
    reading = _Reading(text, kind, order, now)
    reading.run()
    return reading.written()


def all_readable(texts: pa.Array, kind: str, order: str = "MDY", now: datetime | None = None) -> pa.Array:
    """Each text as `readable` has it; plain ones as they are."""
    strange = pc.fill_null(pc.invert(pc.match_substring_regex(texts, pattern=PLAIN[kind])), False)
    if not pc.any(strange).as_py():
        return texts
    found = texts.filter(strange).dictionary_encode()
    read = pa.array([readable(text, kind, order, now) for text in found.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(texts, strange, read.take(found.indices))


class _Reading:
    """One text on its way to a moment: what is known of it so far."""

    def __init__(self, text: str, kind: str, order: str, now: datetime | None) -> None:
        self.text, self.kind, self.order, self.now = text, kind, order, now
        self.year = self.month = self.day = self.day_of_year = None  # type: int | None
        self.has_month_word = self.is_short_year = self.is_before_christ = False
        self.clock: tuple[int, int, int, int] | None = None
        self.of_day = ""
        self.zone = ""
        self.julian: int | None = None
        self.is_time_next = False

    def run(self) -> None:
        """Take all tokens."""
        text = self.text.replace("(BC)", "BC")  # as DuckDB writes it
        at = _BETWEEN.match(text, 0).end()  # type: ignore[union-attr]
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._unreadable()
            kind = str(found.lastgroup)
            getattr(self, f"_{kind}")(found[0])
            at = _BETWEEN.match(text, found.end()).end()  # type: ignore[union-attr]

    def _unreadable(self, hint: str | None = None) -> InvalidDatetime:
        kind = {"timestamptz": "timestamp with time zone"}.get(self.kind, self.kind)
        return InvalidDatetime(f'invalid input syntax for type {kind}: "{self.text}"', hint=hint)

    def _out_of_range(self, hint: str | None = None) -> InvalidDatetime:
        return InvalidDatetime(f'date/time field value out of range: "{self.text}"', sqlstate="22008", hint=hint)

    # ------------------------------------------------------------ tokens

    def _time(self, token: str) -> None:
        if self.clock is not None:
            raise self._unreadable()
        hour, minute, *rest = token.split(":")
        second, _, fraction = (rest[0] if rest else "0").partition(".")
        self._set_clock(int(hour), int(minute), int(second), fraction)

    def _set_clock(self, hour: int, minute: int, second: int, fraction: str = "") -> None:
        if self.clock is not None:
            raise self._unreadable()
        self.clock = hour, minute, second, round(float(f"0.{fraction or 0}") * 1e6)

    def _offset(self, token: str) -> None:
        """`+02`, `-0330`, `+05:30`: east of Greenwich, behind a time or a day."""
        if self.clock is None and not self._has_date:
            raise self._unreadable()
        self._set_zone(_offset_text(token) or self._no_zone())

    def _no_zone(self) -> str:
        raise InvalidDatetime(f'time zone displacement out of range: "{self.text}"', sqlstate="22009")

    def _set_zone(self, zone: str) -> None:
        if self.zone:
            raise self._unreadable()
        self.zone = zone

    def _date(self, token: str) -> None:
        """Fields with separators; the month's name first, wherever it stands."""
        parts = re.split(r"[-/.]", token)
        if len(parts) == 2 and parts[1].isdigit() and len(parts[0]) == 6 and ("." in token or self.kind == "time"):
            self._digits(parts[0], parts[1] if "." in token else "")
            if "-" in token:
                self._offset(f"-{parts[1]}")
            return
        if self._has_date:
            raise self._unreadable()
        for part in parts:
            if not part.isdigit():
                self._month_word(part.lower())
        for part in parts:
            if part.isdigit():
                self._field(part)

    def _number(self, token: str) -> None:
        digits, point, fraction = token.partition(".")
        if self.julian == -1:
            self.julian = int(digits)
        elif self.kind == "time" and len(digits) == 4 and self.clock is None and not self._has_part:
            self._digits(digits, fraction)
        elif point or (len(digits) >= 6 and not (self._has_date and self.clock is not None)):
            self._digits(digits, fraction)
        else:
            self._field(digits)

    def _digits(self, digits: str, fraction: str) -> None:
        """A date or a time without separators."""
        is_day = not self._has_date and not fraction and not self.is_time_next
        if is_day and self.kind != "time" and len(digits) >= 6:
            year, month, day = digits[:-4], digits[-4:-2], digits[-2:]
            self.year, self.month, self.day = int(year), int(month), int(day)
            self.is_short_year = len(year) <= 2
        elif len(digits) in (4, 6):
            self._set_clock(int(digits[:2]), int(digits[2:4]), int(digits[4:] or 0), fraction)
        else:
            raise self._unreadable()

    def _word(self, token: str) -> None:
        word = token.lower()
        if word in PRESENT:
            self._present(word)
        elif word in _MONTH_OF:
            self._month_word(word)
        elif word in ("bc", "ad"):
            self.is_before_christ |= word == "bc"
        elif word in ("am", "pm") and not self.of_day:
            self.of_day = word
        elif word == "allballs" and self.clock is None and not self.zone:
            self.clock, self.zone = (0, 0, 0, 0), "+00"
        elif word == "t" or word in _DAY_WORDS or word in _NOISE or (word == "j" and self.julian is None):
            self._mark(word)
        else:
            self._set_zone(_zone_text(token) or self._no_word(token))

    def _present(self, word: str) -> None:
        if self.now is None:
            hint = f"where it matters when it is read, write '{word}'::{self.kind}, or now() or current_date"
            raise self._unreadable(hint=hint)
        if self._has_part:
            raise self._unreadable()
        day = self.now.date() + timedelta(PRESENT[word])
        self.year, self.month, self.day = day.year, day.month, day.day
        if word == "now":
            shown = self.now.time()
            self._set_clock(shown.hour, shown.minute, shown.second, f"{shown.microsecond:06}")
            self._set_zone(self.now.strftime("%z"))

    def _mark(self, word: str) -> None:
        if word == "j":
            self.julian = -1
        self.is_time_next = word == "t"

    def _no_word(self, token: str) -> str:
        if "/" in token and self.clock is not None:
            raise InvalidDatetime(f'time zone "{token.lower()}" not recognized', sqlstate="22023")
        raise self._unreadable()

    # ------------------------------------------------------------ fields of a date

    @property
    def _has_date(self) -> bool:
        return (
            None not in (self.year, self.month, self.day)
            or self.day_of_year is not None
            or (self.julian is not None and self.julian >= 0)
        )

    @property
    def _has_part(self) -> bool:
        """Whether any of a date has been read."""
        return any(part is not None for part in (self.year, self.month, self.day, self.day_of_year, self.julian))

    def _month_word(self, word: str) -> None:
        month = _MONTH_OF.get(word)
        if month is None or self.has_month_word:
            raise self._unreadable()
        if self.month is not None and self.day is None:
            self.day = self.month  # what stood first and was taken for the month
        elif self.month is not None:
            raise self._unreadable()
        self.month, self.has_month_word = month, True

    def _field(self, digits: str) -> None:
        """One number of a date, by what is known already."""
        value = int(digits)
        if self._has_date:
            self._digits(digits, "")
        elif len(digits) == 3 and self.year is not None and self.month is None and self.day is None:
            self.day_of_year = value
        elif self.has_month_word and self.is_short_year and self.day is None and len(digits) >= 3:
            self.day, self.year, self.is_short_year = self.year, value, False  # what stood first was no year
        elif self._is_year(digits):
            self.year, self.is_short_year = value, len(digits) <= 2
        elif self._is_month(digits):
            self.month = value
        else:
            self.day = value

    def _is_year(self, digits: str) -> bool:
        if self.year is not None:
            return False
        if self.month is not None and self.day is not None:
            return True
        first = self.month is None or self.has_month_word
        return (len(digits) >= 3 or (self.order == "YMD" and self.day is None)) and first

    def _is_month(self, digits: str) -> bool:
        if self.month is not None:
            return False
        return self.year is not None or self.day is not None or self.order != "DMY"

    # ------------------------------------------------------------ the moment

    def written(self) -> str:
        """The moment as DuckDB reads it."""
        clock, days = self._clock_text()
        if self.kind == "time" and self.clock is not None and not self._has_part:
            return clock
        if not self._has_date or (self.kind == "time" and self.clock is None):
            raise self._unreadable()
        day = self._day_text(0 if self.kind == "date" else days)
        if self.kind in ("date", "time"):
            return day if self.kind == "date" else clock
        zone = self.zone if self.kind == "timestamptz" else ""
        return f"{day} {clock}{zone}" if clock or zone else day

    def _clock_text(self) -> tuple[str, int]:
        """(the time, how many days later it is)."""
        if self.clock is None:
            if self.of_day:
                raise self._unreadable()
            return ("00:00:00" if self.zone else "", 0)
        hour, minute, second, micros = self.clock
        if self.of_day and not hour <= 12:
            raise self._out_of_range()
        if self.of_day:
            hour = hour % 12 + (12 if self.of_day == "pm" else 0)
        micros_of_day = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros
        if minute > 59 or second > 60 or micros_of_day > 86_400_000_000:
            raise self._out_of_range()
        days, rest = divmod(micros_of_day, 86_400_000_000)
        if self.kind == "time" and days:
            return "24:00:00", 0
        seconds, micros = divmod(rest, 1_000_000)
        behind = f".{micros:06}" if micros else ""
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{behind}", days

    def _day_text(self, later: int) -> str:
        if self.julian is not None:
            return _plus_days(1970, 1, 1, self.julian - _JULIAN_OF_1970 + later) or self._no_day()
        year = self._full_year()
        if self.day_of_year is not None:
            if not 1 <= self.day_of_year <= 366:
                raise self._out_of_range()
            return _plus_days(year, 1, 1, self.day_of_year - 1 + later) or self._no_day()
        assert self.month is not None and self.day is not None
        if not 1 <= self.month <= 12 or not 1 <= self.day <= 31:
            raise self._out_of_range(hint='perhaps you need a different "datestyle" setting')
        if self.day > monthrange(_like(year), self.month)[1]:
            raise self._out_of_range()
        return _plus_days(year, self.month, self.day, later) or self._no_day()

    def _no_day(self) -> str:
        raise self._out_of_range()

    def _full_year(self) -> int:
        """The year of astronomers, in which 1 BC is 0."""
        assert self.year is not None
        if self.is_before_christ:
            if not self.year:
                raise self._out_of_range()
            return 1 - self.year
        if self.is_short_year:
            return self.year + (2000 if self.year < 70 else 1900)
        if not self.year or self.year > 20 * _YEARS_MAX:
            raise self._out_of_range()
        return self.year


def _like(year: int) -> int:
    """A year of Python's calendar that has the same days."""
    return year % 400 + 2000


def _plus_days(year: int, month: int, day: int, days: int) -> str | None:
    """A day and some more, as DuckDB reads it; the calendar repeats itself after 400 years, 146,097 days."""
    eras, days = divmod(days, 146_097)
    found = date(_like(year), month, day) + timedelta(days)
    year += eras * 400 + found.year - _like(year)
    if year > 20 * _YEARS_MAX:
        return None
    before = year <= 0
    return f"{1 - year if before else year:04}-{found:%m-%d}{' (BC)' if before else ''}"


def _offset_text(token: str) -> str | None:
    """An offset as `+05:30`; None of one that no zone has."""
    sign, digits = token[0], token[1:]
    if ":" in digits:
        hours, minutes, *rest = map(int, digits.split(":"))
    elif len(digits) <= 2:
        hours, minutes, rest = int(digits), 0, []
    else:
        wide = digits.zfill(4 if len(digits) <= 4 else 6)
        hours, minutes, rest = int(wide[:2]), int(wide[2:4]), [int(wide[4:] or 0)]
    if hours > 15 or minutes > 59 or any(rest):
        return None
    return f"{sign}{hours:02}:{minutes:02}"


def _zone_text(word: str) -> str | None:
    """A zone by its abbreviation or name as DuckDB reads it behind a time; None of another word."""
    hours = _ABBREVIATIONS.get(word.lower())
    if hours is not None:
        minutes = round(abs(hours) * 60)
        return f"{'-' if hours < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    name = _zones().get(word.lower())
    return None if name is None else f" {name}"


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}
