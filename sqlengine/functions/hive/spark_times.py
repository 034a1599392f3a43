"""Dates and times by Spark's rules (Spark's Built-in Functions: Date and Timestamp Functions); the zone is UTC."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.arrays_of import interval_parts
from sqlengine.functions.calendar import days_in_month, first_day
from sqlengine.functions.hive.lists import Ints, row_nulls
from sqlengine.functions.hive.spark_arrays import whole_numbers
from sqlengine.functions.hive.time_patterns import DAY_US, DAYS, MONTHS, fields, read
from sqlengine.functions.hive.times import by_pattern, dates, floored, ints, iso_monday, moments, stamps
from sqlengine.functions.registry import Function, scalar
from sqlengine.types import TIMESTAMP, is_text

# ---------------------------------------------------------------- making

_LAST_YEAR = 290_000
_MILLION = pa.scalar(Decimal(1_000_000))


def _days_of(year: Ints, month: Ints, day: Ints) -> tuple[Ints, np.ndarray]:
    """(days since 1970, which are days of the calendar)."""
    good = (np.abs(year) < _LAST_YEAR) & (month >= 1) & (month <= 12)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0)
    return first_day(months) + day - 1, good & (day >= 1) & (day <= days_in_month(months))


def _masked(good: np.ndarray, *args: pa.Array) -> np.ndarray:
    unknown = row_nulls(*args)
    return ~good if unknown is None else ~good | unknown


@scalar(
    "hive$make_date(year integer, month integer, day integer) -> date",
    "a date of its parts; NULL when it is not in the calendar",
    example="make_date(2013, 7, 15) = '2013-07-15'",
    broadcast=True,
)
def make_date(year: pa.Array, month: pa.Array, day: pa.Array) -> pa.Array:
    days, good = _days_of(ints(year), ints(month), ints(day))
    return dates(days, _masked(good, year, month, day))


@scalar(
    "hive$make_timestamp(year integer, month integer, day integer, hour integer, minute integer, "
    "second numeric(16,6)) -> timestamp",
    "a timestamp of its parts; NULL when there is no such moment; a 60th second is the next minute's first",
    broadcast=True,
)
def make_timestamp(*parts: pa.Array) -> pa.Array:
    *whole, second = parts
    year, month, day, hour, minute = (ints(part) for part in whole)
    micros = whole_numbers(pc.multiply(second, _MILLION))
    days, good = _days_of(year, month, day)
    good &= (hour >= 0) & (hour < 24) & (minute >= 0) & (minute < 60) & (micros >= 0) & (micros <= 60_000_000)
    made = days * DAY_US + (hour * 60 + minute) * 60_000_000 + micros
    return stamps(made, _masked(good, *parts))


@scalar("hive$date_from_unix_date(days integer) -> date", "the date so many days after 1970", broadcast=True)
def date_from_unix_date(days: pa.Array) -> pa.Array:
    return days.cast(pa.date32())


@scalar("hive$unix_date(d date) -> integer", "days since 1970", broadcast=True)
def unix_date(d: pa.Array) -> pa.Array:
    return d.cast(pa.int32())


def _from_units(name: str, unit: int, what: str) -> Function:
    def kernel(n: pa.Array) -> pa.Array:
        return pc.multiply_checked(n, pa.scalar(unit, pa.int64())).cast(TIMESTAMP)

    return scalar(f"hive${name}(n bigint) -> timestamp", f"the moment so many {what} after 1970", broadcast=True)(
        kernel
    )


timestamp_millis = _from_units("timestamp_millis", 1000, "milliseconds")
timestamp_micros = _from_units("timestamp_micros", 1, "microseconds")


@scalar(
    "hive$timestamp_seconds(n bigint) -> timestamp; hive$timestamp_seconds(n numeric) -> timestamp;"
    "hive$timestamp_seconds(n double precision) -> timestamp",
    "the moment so many seconds after 1970",
    broadcast=True,
    can_raise=True,
)
def timestamp_seconds(n: pa.Array) -> pa.Array:
    if pa.types.is_floating(n.type):
        finite = pc.if_else(pc.is_finite(n), n, pa.scalar(None, n.type))
        return pc.trunc(pc.multiply(finite, 1e6)).cast(pa.int64()).cast(TIMESTAMP)
    if pa.types.is_decimal(n.type):
        wide = n.cast(pa.decimal256(60, n.type.scale))
        return pc.multiply(wide, _MILLION).cast(pa.int64()).cast(TIMESTAMP)
    return pc.multiply_checked(n, pa.scalar(1_000_000, pa.int64())).cast(TIMESTAMP)


def _to_units(name: str, unit: int, what: str) -> Function:
    def kernel(t: pa.Array) -> pa.Array:
        found = moments(t)
        return pa.array(np.floor_divide(ints(found), unit), pa.int64(), mask=row_nulls(found))

    signature = ";".join(f"hive${name}(t {kind}) -> bigint" for kind in ("timestamp", "date", "text"))
    return scalar(signature, f"whole {what} since 1970", broadcast=True)(kernel)


unix_seconds = _to_units("unix_seconds", 1_000_000, "seconds")
unix_millis = _to_units("unix_millis", 1000, "milliseconds")
unix_micros = _to_units("unix_micros", 1, "microseconds")


def _read(t: pa.Array, pattern: pa.Array | None = None) -> pa.Array:
    if pattern is None or not is_text(t.type):
        return moments(t)
    return by_pattern(t, pattern, lambda texts, form: read(texts, form, strict=True), TIMESTAMP)


to_timestamp = scalar(
    ";".join(f"hive$to_timestamp(t {kind}) -> timestamp" for kind in ("timestamp", "date", "text"))
    + ";"
    + ";".join(f"hive$to_timestamp(t {kind}, format text) -> timestamp" for kind in ("timestamp", "date", "text")),
    "a text, in a pattern of Java's, as a timestamp; NULL for what is none",
    broadcast=True,
    aliases=("hive$try_to_timestamp", "hive$to_timestamp_ltz", "hive$to_timestamp_ntz"),
)(_read)


@scalar(
    ";".join(f"hive$to_date(t {kind}, format text) -> date" for kind in ("timestamp", "date", "text")),
    "a text in a pattern of Java's as a date; NULL for what is none",
    broadcast=True,
)
def to_date(t: pa.Array, pattern: pa.Array) -> pa.Array:
    found = _read(t, pattern)
    return dates(np.floor_divide(ints(found), DAY_US), row_nulls(found))


# ---------------------------------------------------------------- parts

_UNITS = {
    "year": "year", "yyyy": "year", "yy": "year", "quarter": "quarter", "month": "month", "mm": "month", "mon": "month",
    "week": "week", "day": "day", "dd": "day", "hour": "hour", "minute": "minute", "second": "second",
}  # fmt: skip


def _cut(t: pa.Array, unit: str) -> pa.Array:
    name = _UNITS.get(unit.lower())
    if name is not None:
        return stamps(floored(ints(t), name), row_nulls(t))
    size = {"millisecond": 1000, "microsecond": 1}.get(unit.lower())
    if size is None:
        return pa.nulls(len(t), TIMESTAMP)
    return stamps(np.floor_divide(ints(t), size) * size, row_nulls(t))


date_trunc = scalar(
    ";".join(f"hive$date_trunc(unit text, t {kind}) -> timestamp" for kind in ("timestamp", "date", "text")),
    "the beginning of the year, quarter, month, week, day, hour, minute, second, millisecond or microsecond",
    broadcast=True,
)(lambda unit, t: by_pattern(moments(t), unit, _cut, TIMESTAMP))


def _of_day(name: str, of: Callable[[Ints], Any], kind: str, description: str) -> Function:
    def kernel(d: pa.Array) -> pa.Array:
        return pc.if_else(pc.is_valid(d), of(ints(d)), pa.scalar(None, of(np.zeros(1, np.int64)).type))

    return scalar(f"hive${name}(d date) -> {kind}", description, broadcast=True)(kernel)


def _short(names: list[str], places: Ints) -> pa.Array:
    return pa.array([name[:3] for name in names]).take(pa.array(places))


def _int32(values: Ints) -> pa.Array:
    return pa.array(values.astype(np.int32))


dayname = _of_day("dayname", lambda d: _short(DAYS, np.mod(d + 4, 7)), "text", "the first three letters of the weekday")
monthname = _of_day(
    "monthname", lambda d: _short(MONTHS, fields(d * DAY_US).month - 1), "text", "the first three letters of the month"
)
weekday = _of_day("weekday", lambda d: _int32(np.mod(d + 3, 7)), "integer", "0 for Monday to 6")
dayofweek_iso = _of_day("dayofweek_iso", lambda d: _int32(np.mod(d + 3, 7) + 1), "integer", "1 for Monday to 7")
yearofweek = _of_day(
    "yearofweek",
    lambda d: _int32(fields((iso_monday(d) + 3) * DAY_US).year),
    "integer",
    "the year that the ISO week of a day belongs to",
)
_SECOND = Decimal("0.000001")


def _seconds_of(micros: Ints, mask: np.ndarray | None) -> pa.Array:
    """Seconds of a minute with their fraction, of microseconds."""
    whole = pa.array(np.fmod(micros, 60_000_000), pa.int64(), mask=mask).cast(pa.decimal128(19, 0))
    return pc.multiply(whole, pa.scalar(_SECOND)).cast(pa.decimal128(8, 6))


@scalar("hive$exact_second(t timestamp) -> numeric(8,6)", "the second with its fraction", broadcast=True)
def exact_second(t: pa.Array) -> pa.Array:
    return _seconds_of(np.mod(ints(t), DAY_US), row_nulls(t))


def _interval_part(name: str, of: Callable[[Ints, Ints], Ints]) -> Function:
    """A part of an interval; `of` gets months and microseconds, and what is below nothing is cut towards it."""

    def kernel(i: pa.Array) -> pa.Array:
        months, days, micros = interval_parts(i)
        return pa.array(of(months, days * DAY_US + micros).astype(np.int32), mask=row_nulls(i))

    return scalar(f"hive${name}_of_interval(i interval) -> integer", f"the {name}s of an interval", broadcast=True)(
        kernel
    )


def _whole(a: Ints, unit: int) -> Ints:
    return np.sign(a) * (np.abs(a) // unit)


year_of_interval = _interval_part("year", lambda months, micros: _whole(months, 12))
month_of_interval = _interval_part("month", lambda months, micros: np.fmod(months, 12))
day_of_interval = _interval_part("day", lambda months, micros: _whole(micros, DAY_US))
hour_of_interval = _interval_part("hour", lambda months, micros: _whole(np.fmod(micros, DAY_US), 3_600_000_000))
minute_of_interval = _interval_part("minute", lambda months, micros: _whole(np.fmod(micros, 3_600_000_000), 60_000_000))


@scalar("hive$second_of_interval(i interval) -> numeric(8,6)", "the seconds of an interval", broadcast=True)
def second_of_interval(i: pa.Array) -> pa.Array:
    return _seconds_of(interval_parts(i)[2], row_nulls(i))
