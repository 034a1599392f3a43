"""Operators on dates, times, timestamps and intervals.

A timestamp keeps its clock when months are added (31 January + 1 month = the last of February); a day is 24 hours
(time zones are UTC here).  The difference of two timestamps is days and clock time, never months.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.functions.arrays_of import (
    US_PER_DAY,
    from_int64s,
    int64s,
    interval_array,
    interval_parts,
    nulls,
)
from sqlengine.functions.calendar import add_months
from sqlengine.functions.registry import Function, Kernel, Value, scalar
from sqlengine.types import TIMESTAMP

_DURATION = pa.duration("us")


def _broadcast(a: Value, b: Value) -> tuple[pa.Array, pa.Array, bool]:
    """Both as arrays of one length, and whether both were scalars."""
    rows = next((len(v) for v in (a, b) if isinstance(v, pa.Array)), 1)
    left, right = (v if isinstance(v, pa.Array) else scalar_array(v, rows) for v in (a, b))
    return left, right, isinstance(a, pa.Scalar) and isinstance(b, pa.Scalar)


def scalar_array(value: pa.Scalar, rows: int) -> pa.Array:
    """A constant as an array (Arrow's own `repeat` knows no intervals)."""
    if not isinstance(value, pa.MonthDayNanoIntervalScalar):
        return pa.repeat(value, rows)
    parts = value.as_py()
    if parts is None:
        return pa.nulls(rows, value.type)
    return interval_array(parts.months, parts.days, np.full(rows, parts.nanoseconds // 1000), None)


def shift(moment: Value, interval: Value, sign: int) -> Value:
    """A timestamp moved by an interval, backwards when `sign` is -1; OutOfRange (22008) beyond the calendar."""
    if isinstance(interval, pa.Scalar):
        parts = interval.as_py()
        if parts is not None and parts.months == 0:
            micros = sign * (parts.days * US_PER_DAY + parts.nanoseconds // 1000)
            return _moved(moment, pa.scalar(micros, pa.int64()).cast(_DURATION))
    left, right, scalars = _broadcast(moment, interval)
    months, days, micros = interval_parts(right)
    mask = nulls(left, right)
    stamps = int64s(left)
    if mask is not None:
        stamps, months = np.where(mask, 0, stamps), np.where(mask, 0, months)
    by_month = add_months(stamps, sign * months)
    rest = from_int64s(sign * (days * US_PER_DAY + micros), _DURATION, mask)
    out = _moved(from_int64s(by_month, left.type, mask), rest)
    return out[0] if scalars else out


def _moved(moment: Value, by: Value) -> Value:
    """The sum, in microseconds: Arrow's own of times looks for overflows at NULLs too, where anything may stand."""
    try:
        return _as(pc.add_checked(_as(moment, pa.int64()), _as(by, pa.int64())), moment.type)
    except pa.ArrowInvalid as err:
        raise errors.OutOfRange("timestamp out of range", sqlstate="22008") from err


def _as(value: Value, dtype: pa.DataType) -> Value:
    """The same eight bytes as another type."""
    return value.view(dtype) if isinstance(value, pa.Array) else value.cast(dtype)


def _declare_shift(moment: str, result: str, example: str) -> tuple[Function, Function, Function]:
    def plus(a: Value, b: Value) -> Value:
        return shift(a if result != "timestamp" else a.cast(TIMESTAMP), b, 1)

    def minus(a: Value, b: Value) -> Value:
        return shift(a if result != "timestamp" else a.cast(TIMESTAMP), b, -1)

    words = f"a {moment} moved by an interval"
    options: dict[str, Any] = {"can_raise": True}
    return (
        scalar(
            f"add(a {moment}, b interval) -> {result}",
            words,
            example=example,
            operator="+",
            duck="({0} + {1})",
            **options,
        )(plus),
        scalar(
            f"add(a interval, b {moment}) -> {result}", words, example="", operator="+", duck="({0} + {1})", **options
        )(lambda a, b: plus(b, a)),
        scalar(
            f"subtract(a {moment}, b interval) -> {result}",
            words,
            example="",
            operator="-",
            duck="({0} - {1})",
            **options,
        )(minus),
    )


add_ts, add_ts_right, subtract_ts_interval = _declare_shift(
    "timestamp", "timestamp", "timestamp '2024-01-31 12:00' + INTERVAL '1 month' = timestamp '2024-02-29 12:00'"
)
add_tz, add_tz_right, subtract_tz_interval = _declare_shift(
    "timestamptz", "timestamptz", "timestamptz '2024-01-31' + INTERVAL '1 day' = timestamptz '2024-02-01'"
)
add_date, add_date_right, subtract_date_interval = _declare_shift(
    "date", "timestamp", "date '2024-01-31' + INTERVAL '1 month' = timestamp '2024-02-29'"
)


def _difference(a: Value, b: Value) -> Value:
    left, right, scalars = _broadcast(a, b)
    try:
        micros = int64s(pc.subtract_checked(left.view(pa.int64()), right.view(pa.int64())))
    except pa.ArrowInvalid as err:
        raise errors.OutOfRange("interval out of range", sqlstate="22008") from err
    days = np.sign(micros) * (np.abs(micros) // US_PER_DAY)
    out = interval_array(0, days, micros - days * US_PER_DAY, nulls(left, right))
    return out[0] if scalars else out


subtract_ts = scalar(
    "subtract(a timestamp, b timestamp) -> interval; subtract(a timestamptz, b timestamptz) -> interval",
    "days and clock time between two moments",
    operator="-",
    duck="({0} - {1})",
    can_raise=True,
    example="timestamp '2024-01-02 06:00' - timestamp '2024-01-01' = INTERVAL '1 day 6 hours'",
)(_difference)


def _days(value: Value) -> Value:
    return value.cast(pa.int32()) if isinstance(value, pa.Scalar) else value.view(pa.int32())


def _as_date(value: Value) -> Value:
    return value.cast(pa.date32())


@scalar(
    "subtract(a date, b date) -> integer",
    "days between two dates",
    operator="-",
    duck="({0} - {1})::INTEGER",
    example="date '2024-03-01' - date '2024-02-01' = 29",
    can_raise=True,
)
def subtract_dates(a: Value, b: Value) -> Value:
    return pc.subtract_checked(_days(a), _days(b))


def _date_plus(name: str) -> Kernel:
    function = pc.get_function(f"{name}_checked")
    return lambda a, b: _as_date(function.call([_days(a), b]))


add_days = scalar(
    "add(a date, b integer) -> date",
    "a date so many days later",
    operator="+",
    duck="({0} + {1})",
    can_raise=True,
    example="date '2024-02-28' + 2 = date '2024-03-01'",
)(_date_plus("add"))
add_days_right = scalar(
    "add(a integer, b date) -> date",
    "a date so many days later",
    operator="+",
    duck="({1} + {0})",
    can_raise=True,
)(lambda a, b: _date_plus("add")(b, a))
subtract_days = scalar(
    "subtract(a date, b integer) -> date",
    "a date so many days earlier",
    operator="-",
    duck="({0} - {1})",
    can_raise=True,
    example="date '2024-03-01' - 1 = date '2024-02-29'",
)(_date_plus("subtract"))


# ---------------------------------------------------------------- intervals


def _combine(sign: int) -> Kernel:
    def kernel(a: pa.Array, b: pa.Array) -> pa.Array:
        left, right = interval_parts(a), interval_parts(b)
        months, days, micros = (x + sign * y for x, y in zip(left, right, strict=True))
        return interval_array(months, days, micros, nulls(a, b))

    return kernel


add_intervals = scalar(
    "add(a interval, b interval) -> interval",
    "both together",
    operator="+",
    duck="({0} + {1})",
    broadcast=True,
    example="INTERVAL '1 day' + INTERVAL '1 hour' = INTERVAL '25 hours'",
)(_combine(1))
subtract_intervals = scalar(
    "subtract(a interval, b interval) -> interval",
    "one less the other",
    operator="-",
    duck="({0} - {1})",
    broadcast=True,
    example="INTERVAL '1 day' - INTERVAL '1 hour' = INTERVAL '23 hours'",
)(_combine(-1))


@scalar(
    "negate(a interval) -> interval",
    "the interval backwards",
    operator="-",
    duck="(- {0})",
    broadcast=True,
    example="- INTERVAL '1 day' = INTERVAL '-1 day'",
)
def negate_interval(a: pa.Array) -> pa.Array:
    months, days, micros = interval_parts(a)
    return interval_array(-months, -days, -micros, nulls(a))


def _scale(a: pa.Array, factor: pa.Array) -> pa.Array:
    """Parts times a number; fractions of months go to days, of days to microseconds (PostgreSQL's interval_mul)."""
    mask = nulls(a, factor)
    by = np.nan_to_num(factor.fill_null(0).to_numpy(zero_copy_only=False))
    parts = interval_parts(a)
    months, days, micros = (part * by if mask is None else np.where(mask, 0, part * by) for part in parts)
    whole_months = np.trunc(months)
    days_of_months = np.round((months - whole_months) * 30, 6)
    whole_days = np.trunc(days) + np.trunc(days_of_months)
    clock = np.round((days - np.trunc(days) + days_of_months - np.trunc(days_of_months)) * US_PER_DAY)
    more = np.trunc(clock / US_PER_DAY)
    whole_days, clock = whole_days + more, clock - more * US_PER_DAY
    total = np.rint(micros + clock)
    if any(bool((np.abs(v) >= top).any()) for v, top in ((total, 2.0**63), (whole_days, 2.0**31), (months, 2.0**31))):
        raise errors.OutOfRange("interval out of range", sqlstate="22008")
    return interval_array(whole_months.astype(np.int64), whole_days.astype(np.int64), total.astype(np.int64), mask)


multiply_interval = scalar(
    "multiply(a interval, b double precision) -> interval",
    "the interval so many times",
    operator="*",
    duck="({0} * {1})",
    broadcast=True,
    can_raise=True,
    example="INTERVAL '1 hour' * 3 = INTERVAL '3 hours'",
)(_scale)
multiply_interval_right = scalar(
    "multiply(a double precision, b interval) -> interval",
    "the interval so many times",
    operator="*",
    duck="({1} * {0})",
    broadcast=True,
    can_raise=True,
)(lambda a, b: _scale(b, a))


@scalar(
    "divide(a interval, b double precision) -> interval",
    "a part of the interval",
    operator="/",
    duck="({0} * (1.0 / {1}))",
    broadcast=True,
    can_raise=True,
    example="INTERVAL '1 hour' / 4 = INTERVAL '15 minutes'",
)
def divide_interval(a: pa.Array, b: pa.Array) -> pa.Array:
    return _scale(a, pc.divide_checked(pa.scalar(1.0), b))


# ---------------------------------------------------------------- time of day


def _clock(sign: int) -> Kernel:
    def kernel(a: pa.Array, b: pa.Array) -> pa.Array:
        _, _, micros = interval_parts(b)
        return from_int64s((int64s(a) + sign * micros) % US_PER_DAY, pa.time64("us"), nulls(a, b))

    return kernel


add_time = scalar(
    "add(a time, b interval) -> time",
    "a time of day later, past midnight from 0 again",
    operator="+",
    duck="({0} + {1})",
    broadcast=True,
    example="time '23:30' + INTERVAL '1 hour' = time '00:30'",
)(_clock(1))
subtract_time = scalar(
    "subtract(a time, b interval) -> time",
    "a time of day earlier",
    operator="-",
    duck="({0} - {1})",
    broadcast=True,
    example="time '00:30' - INTERVAL '1 hour' = time '23:30'",
)(_clock(-1))


@scalar(
    "subtract(a time, b time) -> interval",
    "clock time between two times of day",
    operator="-",
    duck="to_microseconds(date_diff('microsecond', {1}, {0}))",
    broadcast=True,
    example="time '10:30' - time '09:00' = INTERVAL '90 minutes'",
)
def subtract_times(a: pa.Array, b: pa.Array) -> pa.Array:
    return interval_array(0, 0, int64s(a) - int64s(b), nulls(a, b))


@scalar(
    "add(a date, b time) -> timestamp",
    "the moment of a date and a time of day",
    operator="+",
    duck="({0} + {1})",
    broadcast=True,
    example="date '2024-01-01' + time '10:00' = timestamp '2024-01-01 10:00'",
)
def add_date_time(a: pa.Array, b: pa.Array) -> pa.Array:
    return from_int64s(int64s(a.cast(TIMESTAMP)) + int64s(b), TIMESTAMP, nulls(a, b))
