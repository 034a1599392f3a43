"""The texts of values in other styles than PostgreSQL's defaults: DateStyle SQL, Postgres and German, IntervalStyle,
extra_float_digits of 0 and less, bytea_output escape.

The layouts are those of src/backend/utils/adt/datetime.c (EncodeDateOnly, EncodeDateTime, EncodeInterval).  Dates and
times are made of their ISO texts, which pgtext.py writes.
"""

from __future__ import annotations

import datetime
import zoneinfo
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.text_style import TextStyle

Numbers = np.ndarray[Any, Any]
_DAY = r"^(\d+)-(\d\d)-(\d\d)"
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_WEEKDAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
_EPOCH_WEEKDAY = 3
_OFFSET = r"[+-]\d\d(:\d\d){0,2}( BC)?$"
_PERIOD_S = 900
"""Clocks change at quarters of an hour."""


def dates(text: pa.StringArray, style: TextStyle) -> pa.StringArray:
    """ISO dates, with BC behind those before our era, in the session's style; infinity stays."""
    return pc.replace_substring_regex(text, _DAY, _day_layout(style, "-" if style.dates == "Postgres" else "/"))


def _day_layout(style: TextStyle, separator: str) -> str:
    if style.dates == "German":
        return r"\3.\2.\1"
    return (r"\3{0}\2{0}\1" if style.has_day_first else r"\2{0}\3{0}\1").format(separator)


def timestamps(text: pa.StringArray, local_days: Numbers, zones: pa.StringArray | None, style: TextStyle) -> pa.Array:
    """ISO timestamps in the session's style: `local_days`, since 1970, tell the weekday; `zones`: for those with a zone
    what it is called, NULL where its offset says more."""
    if zones is not None:
        named = pc.binary_join_element_wise(" ", zones, "")
        replaced = _with_zones(text, named)
        text = pc.if_else(zones.is_valid(), replaced, text)
    if style.dates != "Postgres":
        return dates(text, style)
    months = pc.replace_substring_regex(pc.if_else(_is_finite(text), text, "0-01-"), r"^\d+-(\d\d)-.*$", r"\1")
    month = pa.array(_MONTHS).take(pc.subtract(months.cast(pa.int32()), 1))
    weekday = pa.array(_WEEKDAYS).take(pa.array((local_days + _EPOCH_WEEKDAY) % 7))
    layout = r"\3 {} \4 \1\5" if style.has_day_first else r"{} \3 \4 \1\5"
    spread = pc.replace_substring_regex(text, r"^(\d+)-(\d\d)-(\d\d) ([\d:.]+)(.*)$", layout.replace("{}", "@"))
    spread = pc.replace_substring_regex(spread, r"([0-9])([+-]\d\d(:\d\d){0,2}( BC)?)$", r"\1 \2")
    parts = [pc.replace_substring_regex(spread, "@.*$", ""), month, pc.replace_substring_regex(spread, "^[^@]*@", "")]
    whole = pc.binary_join_element_wise(weekday, " ", *parts, "")
    return pc.if_else(_is_finite(text), whole, text)


def _is_finite(text: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring_regex(text, _DAY)


def _with_zones(text: pa.StringArray, named: pa.StringArray) -> pa.StringArray:
    """The zone's name where its offset was."""
    is_past = pc.ends_with(text, " BC")
    bare = pc.replace_substring_regex(text, _OFFSET, "")
    end = pc.if_else(is_past, " BC", "")
    whole = pc.binary_join_element_wise(bare, named, end, "")
    return pc.if_else(_is_finite(text), whole, text)


def zone_names(instants_s: pa.Array, timezone: str) -> pa.StringArray:
    """What the time zone is called at each instant (seconds since 1970), such as CEST; NULL in years no clock knows."""
    if timezone[:1] in "+-":
        return pa.repeat(timezone.removesuffix(":00"), len(instants_s))
    try:
        zone = zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return pa.nulls(len(instants_s), pa.string())
    quarters = pc.floor(pc.divide(instants_s.cast(pa.float64()), float(_PERIOD_S))).cast(pa.int64()).dictionary_encode()
    found = [_zone_name(quarter * _PERIOD_S, zone) for quarter in quarters.dictionary.to_pylist()]
    return pa.array(found, pa.string()).take(quarters.indices)


def _zone_name(second: int, zone: zoneinfo.ZoneInfo) -> str | None:
    try:
        return datetime.datetime.fromtimestamp(second, zone).tzname()
    except (ValueError, OverflowError, OSError):
        return None


# ---------------------------------------------------------------- numbers and bytes


def floats(values: Numbers, valid: pa.BooleanArray, digits: int) -> pa.StringArray:
    """So many significant digits each, one at least, as C's %g writes them."""
    written = np.char.mod(f"%.{max(digits, 1)}g", values.astype(np.float64))
    text = pa.array(written.astype(object), pa.string())
    for ours, theirs in (("inf", "Infinity"), ("nan", "NaN")):
        text = pc.replace_substring(text, ours, theirs)
    return pc.if_else(valid, text, None)


def escaped_bytes(array: pa.BinaryArray) -> pa.StringArray:
    """bytea_output escape: a backslash twice, what is not printable in octal behind one."""
    sizes = np.ones(256, np.int64)
    letters = np.zeros((256, 4), np.uint8)
    letters[:, 0] = np.arange(256)
    for byte in range(256):
        text = rb"\\" if byte == 92 else bytes([byte]) if 32 <= byte < 127 else b"\\%03o" % byte
        sizes[byte] = len(text)
        letters[byte, : len(text)] = list(text)
    _, offsets, data = array.buffers()
    if not len(array):
        return pa.array([], pa.string())
    bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    raw = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data is not None else np.empty(0, np.uint8)
    spread = letters[raw]
    written = spread[np.arange(4) < sizes[raw][:, None]]
    ends = np.concatenate([[0], np.cumsum(sizes[raw])])[bounds - bounds[0]].astype(np.int32)
    text = pa.Array.from_buffers(pa.string(), len(array), [None, pa.py_buffer(ends), pa.py_buffer(written)])
    return pc.if_else(array.is_valid(), text, None)


# ---------------------------------------------------------------- intervals


def intervals(months: Numbers, days: Numbers, nanos: Numbers, style: str) -> pa.StringArray:
    """Intervals in IntervalStyle postgres_verbose, sql_standard or iso_8601; each different one is written once."""
    cells = np.stack([months.astype(np.int64), days.astype(np.int64), nanos.astype(np.int64)], axis=1)
    different, where = np.unique(cells, axis=0, return_inverse=True)
    write = _INTERVALS[style]
    return pa.array([write(*_fields(*cell)) for cell in different.tolist()], pa.string()).take(pa.array(where.ravel()))


def _fields(months: int, days: int, nanos: int) -> tuple[int, int, int, int, int, int]:
    """(years, months, days, hours, minutes, microseconds), each with its own sign."""
    years = int(months / 12)
    micros = abs(nanos) // 1000
    sign = -1 if nanos < 0 else 1
    hours, rest = divmod(micros, 3_600_000_000)
    minutes, rest = divmod(rest, 60_000_000)
    return years, months - 12 * years, days, sign * hours, sign * minutes, sign * rest


def _seconds(micros: int, width: int = 1) -> str:
    """The size of so many microseconds as seconds, without zeros at the end."""
    whole, part = divmod(abs(micros), 1_000_000)
    return f"{whole:0{width}d}" + (f".{part:06d}".rstrip("0") if part else "")


def _verbose(years: int, months: int, days: int, hours: int, minutes: int, micros: int) -> str:
    """`@ 1 year 2 mons -3 days ago`: the first part that is not zero says the sign of all."""
    parts: list[str] = []
    is_past: bool | None = None
    units = (("year", years), ("mon", months), ("day", days), ("hour", hours), ("min", minutes))
    for unit, value in units:
        if not value:
            continue
        is_past = value < 0 if is_past is None else is_past
        shown = -value if is_past else value
        parts.append(f"{shown} {unit}{'' if shown == 1 else 's'}")
    if micros:
        is_past = micros < 0 if is_past is None else is_past
        minus = "-" if (micros < 0) != is_past else ""
        parts.append(f"{minus}{_seconds(micros)} sec{'' if abs(micros) == 1_000_000 else 's'}")
    return " ".join(["@", *(parts or ["0"]), *(["ago"] if is_past else [])])


def _sql_standard(years: int, months: int, days: int, hours: int, minutes: int, micros: int) -> str:
    values = (years, months, days, hours, minutes, micros)
    has_past, has_future = any(v < 0 for v in values), any(v > 0 for v in values)
    has_months, has_days = bool(years or months), bool(days)
    has_clock = bool(hours or minutes or micros)
    is_plain = not (has_past and has_future) and not (has_months and (has_days or has_clock))
    clock = f"{abs(hours)}:{abs(minutes):02d}:{_seconds(micros, 2)}"
    if not has_past and not has_future:
        return "0"
    if not is_plain:
        return (
            f"{_sign(years, months)}{abs(years)}-{abs(months)} {_sign(days)}{abs(days)} "
            f"{_sign(hours, minutes, micros)}{clock}"
        )
    minus = "-" if has_past else ""
    if has_months:
        return f"{minus}{abs(years)}-{abs(months)}"
    return f"{minus}{abs(days)} {clock}" if has_days else minus + clock


def _sign(*values: int) -> str:
    return "-" if any(v < 0 for v in values) else "+"


def _iso(years: int, months: int, days: int, hours: int, minutes: int, micros: int) -> str:
    values = (years, months, days, hours, minutes, micros)
    if not any(values):
        return "PT0S"
    day = "".join(f"{value}{unit}" for value, unit in zip(values[:3], "YMD", strict=True) if value)
    clock = "".join(f"{value}{unit}" for value, unit in zip(values[3:5], "HM", strict=True) if value)
    if micros:
        clock += f"{'-' if micros < 0 else ''}{_seconds(micros)}S"
    return f"P{day}" + (f"T{clock}" if clock else "")


_INTERVALS = {"postgres_verbose": _verbose, "sql_standard": _sql_standard, "iso_8601": _iso}
