"""Dates and times by Hive's rules: text is read where a date is wanted, what is unreadable is NULL, nothing raises.

Results have Hive's types: `add_months`, `last_day`, `next_day` and `trunc` of dates are text, `date_add` a date.  The
session's zone is UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.decimal_digits import rounded as digits_rounded
from sqlengine.functions.arrays_of import interval_parts
from sqlengine.functions.hive.casts import text_to_date, text_to_timestamp
from sqlengine.functions.hive.lists import Ints, Mask, row_nulls
from sqlengine.functions.hive.rounding import rounded
from sqlengine.functions.hive.time_patterns import DAY_US, fields, formatted, read
from sqlengine.functions.registry import Function, Kernel, scalar
from sqlengine.types import TIMESTAMP, is_text

_PLAIN = "yyyy-MM-dd HH:mm:ss"


def moments(a: pa.Array) -> pa.Array:
    """Timestamps of text, dates or timestamps; a text whose time cannot be read counts as its date."""
    if is_text(a.type):
        return pc.coalesce(text_to_timestamp(a), text_to_date(a).cast(TIMESTAMP))
    return a if a.type == TIMESTAMP else a.cast(TIMESTAMP)


def ints(a: pa.Array) -> Ints:
    """Values as whole numbers, 0 where they are NULL; dates as days, timestamps as microseconds."""
    plain = a.cast(pa.int32()).cast(pa.int64()) if a.type == pa.date32() else a.cast(pa.int64())
    return pc.fill_null(plain, 0).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def dates(days: Ints, mask: Mask | None) -> pa.Array:
    """Days since 1970 as dates; NULL where no date can be."""
    beyond = (days > 2**31 - 1) | (days < -(2**31))
    mask = beyond if mask is None else beyond | mask
    return pa.array(np.where(mask, 0, days).astype(np.int32), pa.int32(), mask=mask).cast(pa.date32())


def stamps(micros: Ints, mask: Mask | None) -> pa.Array:
    """Microseconds since 1970 as timestamps."""
    return pa.array(micros, pa.int64(), mask=mask).cast(TIMESTAMP)


# ---------------------------------------------------------------- parts


def _part(name: str, of: Callable[[Ints], Ints], description: str, **options: object) -> Function:
    """A field of a date; `of` gets microseconds."""

    def kernel(a: pa.Array) -> pa.Array:
        t = moments(a)
        return pa.array(of(ints(t)).astype(np.int32), pa.int32(), mask=row_nulls(t))

    signature = ";".join(f"hive${name}(t {kind}) -> integer" for kind in ("date", "timestamp", "text"))
    return scalar(signature, description, broadcast=True, **options)(kernel)  # type: ignore[arg-type]


def iso_monday(days: Ints) -> Ints:
    """The Monday on or before a day, both counted since 1970."""
    return days - np.mod(days + 3, 7)


def _iso_week(micros: Ints) -> Ints:
    thursday = iso_monday(np.floor_divide(micros, DAY_US)) + 3
    return (fields(thursday * DAY_US).day_of_year - 1) // 7 + 1


year = _part("year", lambda t: fields(t).year, "the year")
quarter = _part("quarter", lambda t: (fields(t).month - 1) // 3 + 1, "the quarter, 1 to 4")
month = _part("month", lambda t: fields(t).month, "the month, 1 to 12")
day = _part("day", lambda t: fields(t).day, "the day of the month", aliases=("hive$dayofmonth",))
dayofyear = _part("dayofyear", lambda t: fields(t).day_of_year, "the day of the year", aliases=("hive$doy",))
dayofweek = _part("dayofweek", lambda t: fields(t).weekday + 1, "1 for Sunday to 7", aliases=("hive$dow",))
weekofyear = _part("weekofyear", _iso_week, "the ISO week", aliases=("hive$week",))


def _clock(name: str, unit: int, size: int) -> Function:
    """hour, minute, second; a text may be a time of day alone."""

    def kernel(a: pa.Array) -> pa.Array:
        t = moments(a)
        if is_text(a.type):
            times = pc.match_substring_regex(a, r"^\s*\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?\s*$")
            bare = pc.if_else(times, pc.binary_join_element_wise("1970-01-01 ", a, ""), pa.scalar(None, pa.string()))
            t = pc.coalesce(t, text_to_timestamp(bare))
        return pa.array((np.mod(ints(t), DAY_US) // unit % size).astype(np.int32), pa.int32(), mask=row_nulls(t))

    signature = ";".join(f"hive${name}(t {kind}) -> integer" for kind in ("date", "timestamp", "text"))
    return scalar(signature, f"the {name}", broadcast=True)(kernel)


hour = _clock("hour", 3_600_000_000, 24)
minute = _clock("minute", 60_000_000, 60)
second = _clock("second", 1_000_000, 60)


# ---------------------------------------------------------------- arithmetic


@scalar("hive$to_date(d date) -> date", "the date", broadcast=True)
def to_date(d: pa.Array) -> pa.Array:
    return d


def _shifted(sign: int) -> Kernel:
    def kernel(d: pa.Array, n: pa.Array) -> pa.Array:
        return dates(ints(d) + sign * ints(n), row_nulls(d, n))

    return kernel


date_add = scalar(
    "hive$date_add(d date, n integer) -> date", "n days later", broadcast=True, aliases=("hive$dateadd",)
)(_shifted(1))
date_sub = scalar("hive$date_sub(d date, n integer) -> date", "n days earlier", broadcast=True)(_shifted(-1))


@scalar(
    "hive$datediff(later date, earlier date) -> integer",
    "the days from one date to another",
    broadcast=True,
    aliases=("hive$date_diff",),
)
def datediff(later: pa.Array, earlier: pa.Array) -> pa.Array:
    return pa.array((ints(later) - ints(earlier)).astype(np.int32), pa.int32(), mask=row_nulls(later, earlier))


def _month_ends(months: Ints) -> tuple[Ints, Ints]:
    """(first day, length) of months counted from 1970."""
    of = months.astype("datetime64[M]")
    first = of.astype("datetime64[D]").astype(np.int64)
    return first, (of + 1).astype("datetime64[D]").astype(np.int64) - first


def months_later(micros: Ints, n: Ints) -> Ints:
    """Moments n months later: the last day of a month stays the last, a day that is not there is the last."""
    at = fields(micros)
    month = (at.year - 1970) * 12 + at.month - 1
    _, length = _month_ends(month)
    first, other = _month_ends(month + n)
    place = np.where(at.day == length, other, np.minimum(at.day, other))
    return (first + place - 1) * DAY_US + at.of_day_us


def _add_months(d: pa.Array, n: pa.Array, pattern: pa.Array | None = None) -> pa.Array:
    t = moments(d)
    moved = stamps(months_later(ints(t), ints(n)), row_nulls(t, n))
    return formatted(moved, "yyyy-MM-dd") if pattern is None else by_pattern(moved, pattern, formatted, pa.string())


add_months = scalar(
    ";".join(
        f"hive$add_months(d {kind}, n integer{more}) -> text"
        for kind in ("date", "timestamp", "text")
        for more in ("", ", format text")
    ),
    "the date n months later, as text; the last day of a month stays the last",
    broadcast=True,
)(_add_months)


@scalar("hive$last_day(d date) -> text", "the last day of the month, as text", broadcast=True)
def last_day(d: pa.Array) -> pa.Array:
    at = fields(ints(d) * DAY_US)
    first, length = _month_ends((at.year - 1970) * 12 + at.month - 1)
    return formatted(stamps((first + length - 1) * DAY_US, row_nulls(d)), "yyyy-MM-dd")


_WEEKDAYS = "sunday monday tuesday wednesday thursday friday saturday".split()
_WEEKDAY_OF = {short: i for i, name in enumerate(_WEEKDAYS) for short in (name[:2], name[:3], name)}


@scalar("hive$next_day(d date, weekday text) -> text", "the next such day behind a date, as text", broadcast=True)
def next_day(d: pa.Array, weekday: pa.Array) -> pa.Array:
    names = pa.array(list(_WEEKDAY_OF))
    found = pc.index_in(pc.utf8_lower(weekday), names)
    wanted = pa.array(list(_WEEKDAY_OF.values()), pa.int64()).take(found)
    days = ints(d)
    ahead = np.mod(ints(wanted) - np.mod(days + 4, 7) - 1, 7) + 1
    return formatted(stamps((days + ahead) * DAY_US, row_nulls(d, wanted)), "yyyy-MM-dd")


def _months_between(a: pa.Array, b: pa.Array, round_off: pa.Array | None = None) -> pa.Array:
    one, other = moments(a), moments(b)
    x, y = fields(ints(one)), fields(ints(other))
    whole = (x.year - y.year) * 12 + x.month - y.month
    lengths = [_month_ends((at.year - 1970) * 12 + at.month - 1)[1] for at in (x, y)]
    even = (x.day == y.day) | ((x.day == lengths[0]) & (y.day == lengths[1]))
    seconds = [at.day * 86400 + at.of_day_us // 1_000_000 for at in (x, y)]
    exact = whole + (seconds[0] - seconds[1]) / 2678400.0
    made = pa.array(np.where(even, whole.astype(float), exact), mask=row_nulls(one, other))
    short = rounded(made, 8, False, pa.float64())
    return short if round_off is None else pc.if_else(round_off, short, made)


months_between = scalar(
    ";".join(
        f"hive$months_between(a {one}, b {other}{more}) -> double precision"
        for one in ("timestamp", "text")
        for other in ("timestamp", "text")
        for more in ("", ", round_off boolean")
    ),
    "months from b to a by months of 31 days; whole between equal days and between last days",
    broadcast=True,
)(_months_between)


# ---------------------------------------------------------------- cutting

_UNITS = {
    "year": ("Y", 1), "quarter": ("M", 3), "month": ("M", 1), "week": ("W", 7), "day": ("us", DAY_US),
    "hour": ("us", 3_600_000_000), "minute": ("us", 60_000_000), "second": ("us", 1_000_000),
}  # fmt: skip


def floored(micros: Ints, unit: str) -> Ints:
    """The beginning of the unit a moment lies in; weeks begin on Monday."""
    kind, size = _UNITS[unit]
    if kind == "us":
        return np.floor_divide(micros, size) * size
    at = fields(micros)
    if kind == "W":
        return (at.days - np.mod(at.weekday + 6, 7)) * DAY_US
    months = (at.year - 1970) * 12 + (at.month - 1 if kind == "M" else 0)
    return _month_ends(np.floor_divide(months, size) * size)[0] * DAY_US


def _floor(unit: str) -> Function:
    def kernel(t: pa.Array) -> pa.Array:
        return stamps(floored(ints(t), unit), row_nulls(t))

    signature = f"hive$floor_{unit}(t timestamp) -> timestamp"
    return scalar(signature, f"the beginning of the {unit}", broadcast=True)(kernel)


floor_year, floor_quarter, floor_month, floor_week = (_floor(u) for u in ("year", "quarter", "month", "week"))
floor_day, floor_hour, floor_minute, floor_second = (_floor(u) for u in ("day", "hour", "minute", "second"))
_TRUNC = {"month": "month", "mon": "month", "mm": "month", "year": "year", "yyyy": "year", "yy": "year"}
_TRUNC |= {"quarter": "quarter", "q": "quarter"}


_SPARK_TRUNC = {**_TRUNC, "week": "week"}


@scalar(
    ";".join(f"hive$spark_trunc(d {kind}, unit text) -> date" for kind in ("date", "timestamp", "text")),
    "Spark's trunc(): the first day of the week, month, quarter or year; the dialect spark calls it trunc",
    broadcast=True,
)
def spark_trunc(d: pa.Array, unit: pa.Array) -> pa.Array:
    def cut(chosen: pa.Array, word: str) -> pa.Array:
        name = None if word.lower() == "q" else _SPARK_TRUNC.get(word.lower())
        if name is None:
            return pa.nulls(len(chosen), pa.date32())
        return dates(np.floor_divide(floored(ints(chosen), name), DAY_US), row_nulls(chosen))

    return by_pattern(moments(d), unit, cut, pa.date32())


@scalar(
    ";".join(f"hive$trunc(d {kind}, unit text) -> text" for kind in ("date", "timestamp", "text")),
    "the first day of the month (MM), quarter (Q) or year (YYYY), as text",
    broadcast=True,
)
def trunc_date(d: pa.Array, unit: pa.Array) -> pa.Array:
    t = moments(d)

    def cut(chosen: pa.Array, word: str) -> pa.Array:
        name = _TRUNC.get(word.lower())
        if name is None:
            return pa.nulls(len(chosen), pa.string())
        return formatted(stamps(floored(ints(chosen), name), row_nulls(chosen)), "yyyy-MM-dd")

    return by_pattern(t, unit, cut, pa.string())


def _cut(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    """Digits cut off towards zero."""

    def kernel(x: pa.Array, digits: pa.Array | None = None) -> pa.Array:
        if digits is None:
            return _cut_to(x, 0)
        return by_pattern(x, digits, _cut_to, result)

    return kernel


def _cut_to(x: pa.Array, digits: int) -> pa.Array:
    if pa.types.is_floating(x.type):
        near = rounded(x, digits, False, x.type)
        over = pc.greater(pc.abs(near), pc.abs(x))
        unit = 10.0**-digits
        return rounded(pc.if_else(over, pc.subtract(near, pc.multiply(pc.sign(x), unit)), near), digits, False, x.type)
    if pa.types.is_integer(x.type) and digits >= 0:
        return x
    wide = x.cast(pa.int64()).cast(pa.decimal128(19, 0)) if pa.types.is_integer(x.type) else x
    if digits >= wide.type.scale:
        return x
    cut = digits_rounded(wide, max(digits, -40), "towards_zero")
    return cut.cast(wide.type).cast(x.type)


trunc_number = scalar(
    "hive$trunc(x anynumber) -> anynumber; hive$trunc(x anynumber, digits integer) -> anynumber",
    "the number with so many digits behind the point, the others cut off",
    factory=True,
    broadcast=True,
)(_cut)


@scalar(
    "hive$tumbling_window(t timestamp, size interval) -> timestamp;"
    "hive$tumbling_window(t timestamp, size interval, origin timestamp) -> timestamp",
    "the beginning of the window of a size that a moment lies in, counted from an origin",
    broadcast=True,
)
def tumbling_window(t: pa.Array, size: pa.Array, origin: pa.Array | None = None) -> pa.Array:
    months, days, micros = interval_parts(size)
    width = days.astype(np.int64) * DAY_US + micros
    start = np.zeros(len(t), np.int64) if origin is None else ints(origin)
    wrong = (width <= 0) | (months != 0)
    width = np.where(wrong, 1, width)
    begins = start + np.floor_divide(ints(t) - start, width) * width
    unknown = row_nulls(t, size, *([] if origin is None else [origin]))
    return stamps(begins, wrong if unknown is None else wrong | unknown)


# ---------------------------------------------------------------- text and seconds


def by_pattern(
    a: pa.Array, patterns: pa.Array, function: Callable[[pa.Array, Any], pa.Array], kind: pa.DataType
) -> pa.Array:
    """`function(values, pattern)` for the rows of each distinct pattern."""
    known = pc.unique(patterns).drop_null().to_pylist()
    if len(known) == 1 and not patterns.null_count:
        return function(a, known[0])
    out = pa.nulls(len(a), kind)
    for pattern in known:
        chosen = pc.fill_null(pc.equal(patterns, pattern), False)
        out = pc.replace_with_mask(out, chosen, function(a.filter(chosen), pattern))
    return out


@scalar(
    ";".join(f"hive$date_format(d {kind}, format text) -> text" for kind in ("date", "timestamp", "text")),
    "a date or time in a pattern of Java's; NULL for a pattern Java refuses",
    broadcast=True,
)
def date_format(d: pa.Array, pattern: pa.Array) -> pa.Array:
    return by_pattern(moments(d), pattern, formatted, pa.string())


@scalar(
    "hive$from_unixtime(n bigint) -> text; hive$from_unixtime(n bigint, format text) -> text",
    "seconds since 1970 as text",
    broadcast=True,
)
def from_unixtime(n: pa.Array, pattern: pa.Array | None = None) -> pa.Array:
    seconds = ints(n)
    beyond = np.abs(seconds) > 9_000_000_000_000
    unknown = row_nulls(n)
    t = stamps(np.where(beyond, 0, seconds) * 1_000_000, beyond if unknown is None else beyond | unknown)
    if pattern is None:
        return formatted(t, _PLAIN)
    return by_pattern(t, pattern, formatted, pa.string())


def _seconds(t: pa.Array) -> pa.Array:
    return pa.array(np.floor_divide(ints(t), 1_000_000), pa.int64(), mask=row_nulls(t))


def _unix(t: pa.Array, pattern: pa.Array | None = None) -> pa.Array:
    if pattern is None or not is_text(t.type):
        return _seconds(moments(t))
    return _seconds(by_pattern(t, pattern, read, TIMESTAMP))


to_unix_timestamp = scalar(
    ";".join(f"hive$to_unix_timestamp(t {kind}) -> bigint" for kind in ("date", "timestamp", "text"))
    + "; hive$to_unix_timestamp(t text, format text) -> bigint",
    "seconds since 1970 of a date, time or text in a pattern",
    broadcast=True,
    aliases=("hive$unix_timestamp",),
)(_unix)


@scalar(
    "hive$to_epoch_milli(t timestamp) -> bigint",
    "milliseconds since 1970 of a time",
    example="to_epoch_milli(cast('1970-01-01 00:00:01.5' as timestamp)) = 1500",
    broadcast=True,
)
def to_epoch_milli(t: pa.Array) -> pa.Array:
    return pa.array(np.floor_divide(ints(t), 1000), pa.int64(), mask=row_nulls(t))


@scalar("hive$unix_timestamp() -> bigint", "seconds since 1970 now", context=True, volatility="stable")
def unix_now(now_us: int) -> pa.Scalar:
    return pa.scalar(now_us // 1_000_000, pa.int64())


@scalar("hive$current_date() -> date", "today", context=True, volatility="stable", aliases=("hive$curdate",))
def current_date(now_us: int) -> pa.Scalar:
    return pa.scalar(now_us // DAY_US, pa.int32()).cast(pa.date32())


@scalar("hive$current_timestamp() -> timestamp", "now", context=True, volatility="stable", aliases=("hive$now",))
def current_timestamp(now_us: int) -> pa.Scalar:
    return pa.scalar(now_us, pa.int64()).cast(TIMESTAMP)


# ---------------------------------------------------------------- zones

_SHORT = {
    "PST": "America/Los_Angeles", "MST": "America/Denver", "CST": "America/Chicago", "EST": "America/New_York",
    "JST": "Asia/Tokyo", "IST": "Asia/Kolkata", "CET": "Europe/Paris", "AST": "America/Anchorage",
    "HST": "Pacific/Honolulu", "BST": "Asia/Dhaka", "ECT": "Europe/Paris", "AET": "Australia/Sydney",
}  # fmt: skip
_OFFSET = re.compile(r"^(?:GMT|UTC)?([+-])(\d{1,2})(?::?(\d{2}))?$")


def _zone(name: str) -> str | int:
    """A zone's name for Arrow, or its minutes from UTC; as Java, what is unknown is UTC."""
    found = _OFFSET.match(name.strip())
    if found is not None:
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        return -minutes if found[1] == "-" else minutes
    wanted = _SHORT.get(name.strip().upper(), name.strip())
    try:
        pc.assume_timezone(pa.array([0], pa.int64()).cast(TIMESTAMP), wanted)
    except pa.ArrowInvalid:
        return 0
    return wanted


def _from_utc(t: pa.Array, name: object) -> pa.Array:
    zone = _zone(str(name))
    if isinstance(zone, int):
        return stamps(ints(t) + zone * 60_000_000, row_nulls(t))
    return pc.local_timestamp(t.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone)))


def _to_utc(t: pa.Array, name: object) -> pa.Array:
    zone = _zone(str(name))
    if isinstance(zone, int):
        return stamps(ints(t) - zone * 60_000_000, row_nulls(t))
    known = pc.assume_timezone(t, zone, ambiguous="earliest", nonexistent="latest")
    return known.cast(pa.timestamp("us", "UTC")).cast(TIMESTAMP)


def _zoned(name: str, function: Callable[[pa.Array, Any], pa.Array], description: str) -> Function:
    def kernel(t: pa.Array, zone: pa.Array) -> pa.Array:
        return by_pattern(moments(t), zone, function, TIMESTAMP)

    signature = ";".join(f"hive${name}(t {kind}, zone text) -> timestamp" for kind in ("timestamp", "text"))
    return scalar(signature, description, broadcast=True)(kernel)


from_utc_timestamp = _zoned("from_utc_timestamp", _from_utc, "a time in UTC as that of a zone")
to_utc_timestamp = _zoned("to_utc_timestamp", _to_utc, "a time of a zone as that in UTC")
