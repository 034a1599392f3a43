"""Java's patterns of dates and times (java.time.format.DateTimeFormatter, which Hive 4 uses; locale English, US).

`formatted` writes moments column by column, one piece of text a run of letters; `read` turns a pattern into a regular
expression once.  A pattern Java refuses gives NULL everywhere.  Zones are UTC's, because moments here have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.quick_dataclass import dataclass

Ints = npt.NDArray[np.int64]
DAY_US = 86_400_000_000
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split()
_NUMBERS = {**dict.fromkeys("dhHkKmsw", 2), "D": 3, "W": 1, "F": 1, **dict.fromkeys("AnN", 19)}
"""Letters written as numbers -> most of them in a row."""
_LETTERS = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']|'")
_ZONES = {
    "z": ["UTC"] * 3 + ["Coordinated Universal Time"],
    "O": ["GMT", "", "", "GMT"],
    "X": ["Z"] * 5,
    "x": ["+00", "+0000", "+00:00", "+0000", "+00:00"],
    "Z": ["+0000"] * 3 + ["GMT", "Z"],
    "V": ["", "UTC"],
}
"""What UTC is called, by how many letters there are."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Fields of moments, as arrays of one length."""

    year: Ints
    month: Ints
    day: Ints
    day_of_year: Ints
    weekday: Ints
    """0 is Sunday."""
    of_day_us: Ints
    days: Ints


def fields(micros: Ints) -> Moments:
    """The fields of microseconds since 1970 in UTC."""
    days = np.floor_divide(micros, DAY_US)
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    number = months.astype(np.int64) + 1970 * 12
    first = months.astype("datetime64[D]").astype(np.int64)
    year = np.floor_divide(number, 12)
    new_year = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    weekday = np.mod(days + 4, 7)
    of_day = micros - days * DAY_US
    return Moments(year, number - year * 12 + 1, days - first + 1, days - new_year + 1, weekday, of_day, days)


@lru_cache(maxsize=256)
def runs(pattern: str) -> tuple[tuple[str, int] | str, ...] | None:
    """A pattern as runs (letter, count) and literal texts; None when Java refuses it."""
    out: list[tuple[str, int] | str] = []
    for found in _LETTERS.finditer(pattern):
        text, quoted, letter = found.group(), found.group(1), found.group(2)
        if quoted is not None:
            out.append(quoted.replace("''", "'") or "'")
        elif letter:
            if not _allowed(letter, len(text)):
                return None
            out.append((letter, len(text)))
        elif text in "'{}#":
            return None
        elif text not in "[]":  # optional parts are written whenever the fields are there, and they are
            out.append(text)
    return tuple(out)


def _allowed(letter: str, count: int) -> bool:
    if letter in _NUMBERS:
        return count <= _NUMBERS[letter]
    if letter in _ZONES:
        return count <= len(_ZONES[letter]) and bool(_ZONES[letter][count - 1])
    limits = {"G": 5, "u": 19, "y": 19, "Y": 19, "M": 5, "L": 5, "Q": 5, "q": 5, "E": 5, "e": 5, "c": 5, "a": 1, "S": 9}
    return count <= limits.get(letter, 0) and (letter, count) != ("c", 2)


# ---------------------------------------------------------------- writing


def formatted(moments: pa.Array, pattern: str) -> pa.Array:
    """Timestamps (microseconds, no zone) as text; NULL when Java refuses the pattern."""
    pieces = runs(pattern)
    if pieces is None:
        return pa.nulls(len(moments), pa.string())
    stamps = pc.fill_null(moments.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    made = fields(stamps)
    texts = [pa.scalar(p) if isinstance(p, str) else _piece(p[0], p[1], made) for p in pieces]
    if not texts:
        texts = [pa.scalar("")]
    columns = [pa.repeat(t, len(moments)) if isinstance(t, pa.Scalar) else t for t in texts]
    joined = pc.binary_join_element_wise(*columns, "")
    return pc.if_else(pc.is_valid(moments), joined, pa.scalar(None, pa.string())) if moments.null_count else joined


def _piece(letter: str, count: int, at: Moments) -> pa.Array | pa.Scalar:
    if letter in _ZONES:
        return pa.scalar(_ZONES[letter][count - 1])
    if letter in "uyY":
        return _year(letter, count, at)
    if letter == "S":
        return pc.utf8_slice_codeunits(_padded(at.of_day_us % 1_000_000 * 1000, 9), 0, count)
    if letter == "a":
        return _named(["AM", "PM"], at.of_day_us // (DAY_US // 2))
    if letter == "G":
        names = {4: ["Before Christ", "Anno Domini"], 5: ["B", "A"]}.get(count, ["BC", "AD"])
        return _named(names, (at.year > 0).astype(np.int64))
    if letter in "ML" and count > 2:
        return _named(_shortened(MONTHS, count), at.month - 1)
    if letter == "E" or (letter in "ec" and count > 2):
        return _named(_shortened(DAYS, max(count, 3)), at.weekday)
    if letter in "Qq" and count > 2:
        quarters = {3: ["Q1", "Q2", "Q3", "Q4"], 5: list("1234")}
        return _named(quarters.get(count, [f"{n} quarter" for n in ("1st", "2nd", "3rd", "4th")]), (at.month - 1) // 3)
    return _padded(_NUMBER_OF[letter](at), count)


def _shortened(names: list[str], count: int) -> list[str]:
    return names if count == 4 else [n[: 1 if count == 5 else 3] for n in names]


def _named(names: list[str], places: Ints) -> pa.Array:
    return pa.array(names).take(pa.array(places))


def _padded(numbers: Ints, width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def _year(letter: str, count: int, at: Moments) -> pa.Array:
    year = week_year(at) if letter == "Y" else at.year
    if letter == "y":
        year = np.where(year > 0, year, 1 - year)
    if count == 2:
        return _padded(np.mod(year, 100), 2)
    digits = _padded(np.abs(year), count)
    if count >= 4:  # what needs more digits gets a sign
        digits = pc.if_else(pa.array(year >= 10**count), pc.binary_join_element_wise("+", digits, ""), digits)
    return pc.if_else(pa.array(year < 0), pc.binary_join_element_wise("-", digits, ""), digits)


def _week_of(day: Ints, weekday: Ints) -> Ints:
    """The week of a day counted from 1 in its month or year, where weeks begin on Sunday and the first may be short."""
    first = np.mod(weekday - (day - 1), 7)
    return (day - 1 + first) // 7 + 1


def week_year(at: Moments) -> Ints:
    """The year a day's week belongs to: the last days of December may be in the next year's first week."""
    left_in_week = 6 - at.weekday
    later = (at.days + left_in_week).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return np.where(later > at.year, at.year + 1, at.year)


def _week(at: Moments) -> Ints:
    return np.where(week_year(at) > at.year, 1, _week_of(at.day_of_year, at.weekday))


_NUMBER_OF: dict[str, Callable[[Moments], Ints]] = {
    "d": lambda at: at.day,
    "D": lambda at: at.day_of_year,
    "M": lambda at: at.month,
    "L": lambda at: at.month,
    "Q": lambda at: (at.month - 1) // 3 + 1,
    "q": lambda at: (at.month - 1) // 3 + 1,
    "e": lambda at: at.weekday + 1,
    "c": lambda at: at.weekday + 1,
    "F": lambda at: (at.day - 1) % 7 + 1,
    "w": _week,
    "W": lambda at: _week_of(at.day, at.weekday),
    "H": lambda at: at.of_day_us // 3_600_000_000,
    "k": lambda at: (at.of_day_us // 3_600_000_000 + 23) % 24 + 1,
    "K": lambda at: at.of_day_us // 3_600_000_000 % 12,
    "h": lambda at: (at.of_day_us // 3_600_000_000 + 11) % 12 + 1,
    "m": lambda at: at.of_day_us // 60_000_000 % 60,
    "s": lambda at: at.of_day_us // 1_000_000 % 60,
    "A": lambda at: at.of_day_us // 1000,
    "n": lambda at: at.of_day_us % 1_000_000 * 1000,
    "N": lambda at: at.of_day_us * 1000,
}


# ---------------------------------------------------------------- reading

_READ = "uyMLdDHhkKmsSa"
"""Letters that are understood when text is read; weekdays and zones of UTC are passed over."""


@lru_cache(maxsize=256)
def _reader(pattern: str) -> tuple[str, tuple[tuple[str, int], ...]] | None:
    """(regular expression, (letter, count) of its groups f0, f1, ...); None for a pattern that cannot be read."""
    pieces = runs(pattern)
    if pieces is None:
        return None
    text = ""
    groups: list[tuple[str, int]] = []
    for i, piece in enumerate(pieces):
        if isinstance(piece, str):
            text += re.escape(piece)
            continue
        letter, count = piece
        if letter == "E":
            text += "(?:" + "|".join(_shortened(DAYS, max(count, 3))) + ")"
        elif letter in _ZONES:
            text += "(?:" + "|".join({re.escape(_ZONES[letter][count - 1]), "Z", "UTC", "GMT"}) + ")"
        elif letter in _READ:
            after = pieces[i + 1] if i + 1 < len(pieces) else ""
            text += f"(?P<f{len(groups)}>{_shape(letter, count, not isinstance(after, str))})"
            groups.append(piece)
        else:
            return None
    return f"(?i)^{text}$", tuple(groups)


def _shape(letter: str, count: int, adjacent: bool) -> str:
    if letter == "a":
        return "AM|PM"
    if letter in "ML" and count > 2:
        return "|".join(_shortened(MONTHS, count))
    if letter == "S" or count == 2 or adjacent:
        return rf"\d{{{count}}}"
    if letter in "uy" and count >= 4:  # what needs more digits has a sign
        return rf"\d{{{count}}}|\+\d{{{count + 1},9}}"
    return rf"\d{{{count},9}}"


def read(texts: pa.Array, pattern: str, strict: bool = False) -> pa.Array:
    """Timestamps of texts in a pattern; NULL for what does not fit it whole.

    `strict`, as Spark reads: days beyond a month's end and 24:00 are wrong, and fields that are not there are those of
    1970-01-01."""
    reader = _reader(pattern)
    kind = pa.timestamp("us")
    if reader is None or not reader[1]:
        return pa.nulls(len(texts), kind)
    found = pc.extract_regex(texts, reader[0])
    good = pc.is_valid(found).to_numpy(zero_copy_only=False)
    value: dict[str, Ints] = {}
    for i, (letter, count) in enumerate(reader[1]):
        value[letter] = _value(pc.struct_field(found, f"f{i}"), letter, count)
    micros, inside = _assembled(_completed(value, len(texts)) if strict else value, len(texts))
    if strict:
        at = fields(micros)
        inside &= (at.day == value.get("d", at.day)) & (value.get("H", 0) < 24) & (at.year == _year_of(value, at.year))
    return pa.array(micros, pa.int64(), mask=~(good & inside)).cast(kind)


def _year_of(value: dict[str, Ints], default: Ints) -> Ints:
    return value.get("u", value.get("y", default))


def _completed(value: dict[str, Ints], rows: int) -> dict[str, Ints]:
    """With the fields that make a date."""
    one = np.ones(rows, np.int64)
    out = value if "u" in value or "y" in value else {"y": one * 1970, **value}
    return out if "D" in value else {"d": one, **({} if "L" in value else {"M": one}), **out}


def _value(text: pa.Array, letter: str, count: int) -> Ints:
    if letter == "a":
        return _place(text, ["am", "pm"])
    if letter in "ML" and count > 2:
        return _place(text, [m.lower() for m in _shortened(MONTHS, count)]) + 1
    number = pc.utf8_ltrim(pc.fill_null(text, "0"), "+").cast(pa.int64()).to_numpy(zero_copy_only=False)
    if letter in "uy" and count == 2:
        return number + 2000
    if letter == "S":  # microseconds are kept
        return number * 10 ** (6 - count) if count <= 6 else number // 10 ** (count - 6)
    return number


def _place(text: pa.Array, names: list[str]) -> Ints:
    found = pc.fill_null(pc.index_in(pc.utf8_lower(text), pa.array(names)), 0)
    return found.cast(pa.int64()).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _assembled(value: dict[str, Ints], rows: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """(microseconds, where the fields are in range); a whole date has to be there, days beyond a month's end are its
    last, and 24:00 is the next day."""
    zero = np.zeros(rows, np.int64)
    year = value.get("u", value.get("y"))
    if year is None or not ("D" in value or ("d" in value and ("M" in value or "L" in value))):
        return zero, np.zeros(rows, bool)
    month, day = value.get("M", value.get("L", zero + 1)), value.get("d", zero + 1)
    hour = _hour(value, zero)
    minute, second, fraction = (value.get(letter, zero) for letter in "msS")
    good = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (minute < 60) & (second < 60) & (year < 290_000)
    good &= (hour >= 0) & ((hour < 24) | ((hour == 24) & (minute + second + fraction == 0)))
    months = ((np.where(good, year, 1970) - 1970) * 12 + np.where(good, month, 1) - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    days = first + np.minimum(day, length) - 1
    if "D" in value and "d" not in value:
        new_year = np.where(good, year - 1970, 0).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        days = new_year + value["D"] - 1
        good &= (value["D"] >= 1) & (value["D"] <= 366)
    return days * DAY_US + ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction, good


def _hour(value: dict[str, Ints], zero: Ints) -> Ints:
    """The hour of the day, -1 where it is out of range."""
    if "H" in value:
        return value["H"]
    if "k" in value:
        return np.where((value["k"] >= 1) & (value["k"] <= 24), value["k"] % 24, -1)
    half = value.get("a", zero) * 12
    if "h" in value:
        return np.where(value["h"] <= 12, value["h"] % 12 + half, -1)
    if "K" in value:
        return np.where(value["K"] < 12, value["K"] + half, -1)
    return zero
