"""Functions of dates and times: parts, truncation, buckets, making, the current tick's time.

`now()` is the tick's timestamp, given to the evaluator; nothing here reads a clock.  Time zones are UTC unless named.
Formats are in time_format.py, operators in time_arithmetic.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck, errors
from sqlengine.functions.arrays_of import (
    US_PER_DAY,
    Ints,
    from_int64s,
    int64s,
    interval_array,
    interval_parts,
    nulls,
)
from sqlengine.functions.calendar import add_months, first_day, month_and_day
from sqlengine.functions.registry import Function, Kernel, Value, declare, scalar
from sqlengine.functions.signature import Arg
from sqlengine.types import INTERVAL, TIMESTAMP, TIMESTAMPTZ

now = scalar(
    "now() -> timestamptz",
    "the time of the tick (of the statement, in a snapshot query)",
    example="now() = current_timestamp",
    volatility="stable",
    context=True,
    aliases=("current_timestamp", "transaction_timestamp", "statement_timestamp", "mz_now"),
    duck="now()",
)(lambda now_us: pa.scalar(now_us, pa.int64()).cast(TIMESTAMPTZ))


proctime = scalar(
    "proctime() -> timestamptz",
    "the time at which a row is processed: it stays with the row",
    example="proctime() = now()",
    volatility="stable",
    context=True,
    duck="now()",
)(lambda now_us: pa.scalar(now_us, pa.int64()).cast(TIMESTAMPTZ))


# ---------------------------------------------------------------- parts

_UNITS: dict[str, str] = {
    "y": "year",
    "yr": "year",
    "years": "year",
    "mon": "month",
    "months": "month",
    "d": "day",
    "days": "day",
    "h": "hour",
    "hours": "hour",
    "m": "minute",
    "min": "minute",
    "minutes": "minute",
    "s": "second",
    "sec": "second",
    "seconds": "second",
    "weeks": "week",
    "quarters": "quarter",
    "ms": "milliseconds",
    "millisecond": "milliseconds",
    "us": "microseconds",
    "microsecond": "microseconds",
    "dayofweek": "dow",
    "weekday": "dow",
    "dayofyear": "doy",
    "decades": "decade",
    "centuries": "century",
    "millennia": "millennium",
    "dayofmonth": "day",
    "weekofyear": "week",
}


def unit_name(text: str) -> str:
    """The canonical name of a date part: `Hours` -> `hour`."""
    plain = text.strip().lower()
    return _UNITS.get(plain, plain)


def _whole(function: Any) -> Callable[[Value], Value]:
    return lambda t: function(t).cast(pa.int64())


def _micros(t: Value) -> Value:
    return t.cast(TIMESTAMP if not pa.types.is_time(t.type) else pa.time64("us")).cast(pa.int64())


def _in_minute(t: Value) -> Value:
    return pc.subtract(_micros(t), pc.multiply(_floor(_micros(t), 60_000_000), pa.scalar(60_000_000)))


def _floor(values: Value, step: int) -> Value:
    """Whole steps, rounded down, of int64 values."""
    quotient = pc.divide(values, pa.scalar(step))
    short = pc.less(pc.subtract(values, pc.multiply(quotient, pa.scalar(step))), pa.scalar(0))
    return pc.subtract(quotient, short.cast(pa.int64()))


def _year_group(size: int, from_one: bool) -> Callable[[Value], Value]:
    """Decade, century, millennium: year / size rounded down, or counted from 1 with no year 0."""

    def part(t: Value) -> Value:
        year = pc.year(t)
        if not from_one:
            return _floor(year, size)
        positive = pc.add(_floor(pc.subtract(year, pa.scalar(1)), size), pa.scalar(1))
        return pc.if_else(pc.greater(year, 0), positive, pc.subtract(positive, pa.scalar(1)))

    return part


_PARTS: dict[str, Callable[[Value], Value]] = {
    "year": _whole(pc.year),
    "month": _whole(pc.month),
    "day": _whole(pc.day),
    "hour": _whole(pc.hour),
    "minute": _whole(pc.minute),
    "quarter": _whole(pc.quarter),
    "week": _whole(pc.iso_week),
    "isoyear": _whole(pc.iso_year),
    "doy": _whole(pc.day_of_year),
    "dow": lambda t: pc.day_of_week(t, count_from_zero=True, week_start=7).cast(pa.int64()),
    "isodow": lambda t: pc.day_of_week(t, count_from_zero=False, week_start=1).cast(pa.int64()),
    "decade": _year_group(10, False),
    "century": _year_group(100, True),
    "millennium": _year_group(1000, True),
    "microseconds": _in_minute,
    "milliseconds": lambda t: pc.divide(_in_minute(t).cast(pa.float64()), 1000.0),
    "second": lambda t: pc.divide(_in_minute(t).cast(pa.float64()), 1_000_000.0),
    "epoch": lambda t: pc.divide(_micros(t).cast(pa.float64()), 1_000_000.0),
}
_FRACTIONAL = frozenset({"second", "milliseconds", "epoch"})
_CLOCK_PARTS = frozenset({"hour", "minute", "second", "milliseconds", "microseconds", "epoch"})


def _part_type(args: Sequence[Arg]) -> pa.DataType:
    """double precision for parts with a fraction (and for a part not known when binding), bigint for whole ones."""
    part = args[0].value if args[0].constant else None
    return pa.int64() if isinstance(part, str) and not has_fraction(part) else pa.float64()


def has_fraction(part: str) -> bool:
    """Whether a part of a moment, under any of its names, is a double precision."""
    return unit_name(part) in _FRACTIONAL


def _part_of(dtype: pa.DataType, name: str) -> Callable[[Value], Value]:
    unit = unit_name(name)
    found = _INTERVAL_PARTS.get(unit) if dtype == pa.month_day_nano_interval() else _PARTS.get(unit)
    known = not (pa.types.is_date(dtype) and unit in ("microseconds", "milliseconds", "second", "hour", "minute"))
    if found is None or (pa.types.is_time(dtype) and unit not in _CLOCK_PARTS):
        raise errors.DataError(
            f'unit "{name}" not recognized for this type', hint=errors.did_you_mean(unit, _PARTS), sqlstate="22023"
        )
    return found if known else (lambda t: found(t.cast(TIMESTAMP)))


def _extract(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(part: Value, t: Value) -> Value:
        name = part.as_py()
        return pa.scalar(None, result) if name is None else _part_of(arg_types[1], name)(t).cast(result)

    return kernel


_extract_options: dict[str, Any] = {
    "constant_args": (0,),
    "factory": True,
    "result_type": _part_type,
    "can_raise": True,
    "aliases": ("extract", "datepart"),
    "duck": "date_part_exact({0}, {1})",
}
date_part_ts = scalar(
    "date_part(part text, t timestamp) -> bigint; date_part(part text, t timestamptz) -> bigint; "
    "date_part(part text, t date) -> bigint; date_part(part text, t time) -> bigint",
    "one part of a date or time: year, month, day, hour, minute, second, epoch, dow, doy, week, quarter",
    example="extract(hour FROM timestamp '2024-01-01 05:06') = 5",
    **_extract_options,
)(_extract)


def _interval_part(unit: int, size: int, wrap: int | None) -> Callable[[Value], Value]:
    """One field of an interval: part number `unit` (0 months, 1 days, 2 microseconds) / size, modulo wrap."""

    def part(value: Value) -> Value:
        array = pa.array([value.as_py()], value.type) if isinstance(value, pa.Scalar) else value
        raw = interval_parts(array)[unit]
        whole = np.sign(raw) * (np.abs(raw) // size)
        out = pa.array(whole if wrap is None else np.sign(whole) * (np.abs(whole) % wrap), mask=nulls(array))
        return out[0] if isinstance(value, pa.Scalar) else out

    return part


def _divided(part: Callable[[Value], Value], by: float) -> Callable[[Value], Value]:
    return lambda t: pc.divide(part(t).cast(pa.float64()), by)


def _interval_epoch(value: Value) -> Value:
    """Seconds; a year counts 365.25 days, a month 30, a day 24 hours (PostgreSQL)."""
    array = pa.array([value.as_py()], value.type) if isinstance(value, pa.Scalar) else value
    months, days, micros = interval_parts(array)
    years = np.sign(months) * (np.abs(months) // 12)
    total = years * 365.25 * 86400 + (months - 12 * years) * 30 * 86400 + days * 86400 + micros / 1e6
    out = pa.array(total, mask=nulls(array))
    return out[0] if isinstance(value, pa.Scalar) else out


_IN_MINUTE = _interval_part(2, 1, 60_000_000)
_INTERVAL_PARTS: dict[str, Callable[[Value], Value]] = {
    "year": _interval_part(0, 12, None),
    "month": _interval_part(0, 1, 12),
    "day": _interval_part(1, 1, None),
    "hour": _interval_part(2, 3_600_000_000, None),
    "minute": _interval_part(2, 60_000_000, 60),
    "microseconds": _IN_MINUTE,
    "milliseconds": _divided(_IN_MINUTE, 1e3),
    "second": _divided(_IN_MINUTE, 1e6),
    "epoch": _interval_epoch,
}
date_part_interval = scalar(
    "date_part(part text, t interval) -> bigint",
    "one part of an interval",
    example="extract(epoch FROM INTERVAL '2 minutes') = 120",
    **_extract_options,
)(_extract)


def _part_function(name: str, part: str, description: str, example: str, **options: Any) -> Function:
    return scalar(
        f"{name}(t timestamp) -> bigint; {name}(t timestamptz) -> bigint", description, example=example, **options
    )(lambda t: _PARTS[part](t).cast(pa.int64()))


year = _part_function("year", "year", "the year", "year(date '2024-05-06') = 2024")
quarter = _part_function("quarter", "quarter", "the quarter, 1 to 4", "quarter(date '2024-05-06') = 2")
month = _part_function("month", "month", "the month, 1 to 12", "month(date '2024-05-06') = 5")
week = _part_function("week", "week", "the ISO week", "week(date '2024-01-08') = 2", aliases=("weekofyear",))
day = _part_function("day", "day", "the day of the month", "day(date '2024-05-06') = 6", aliases=("dayofmonth",))
dayofyear = _part_function("dayofyear", "doy", "the day of the year", "dayofyear(date '2024-02-01') = 32")
hour = _part_function("hour", "hour", "the hour, 0 to 23", "hour(timestamp '2024-01-01 05:06') = 5")
minute = _part_function("minute", "minute", "the minute", "minute(timestamp '2024-01-01 05:06') = 6")
second = scalar(
    "second(t timestamp) -> bigint; second(t timestamptz) -> bigint",
    "the whole seconds",
    example="second(timestamp '2024-01-01 05:06:07.5') = 7",
)(lambda t: pc.second(t))


# ---------------------------------------------------------------- truncation and buckets

_FLOORS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
_FINE = {"milliseconds": "millisecond", "microseconds": "microsecond"}
_YEARS = {"decade": 10, "century": 100, "millennium": 1000}


def check_unit(text: str) -> None:
    """DataError (22023) for a word that is no unit of date_trunc."""
    if unit_name(text) not in (*_FLOORS, *_FINE, *_YEARS):
        raise errors.DataError(
            f'unit "{text}" not recognized',
            hint=errors.did_you_mean(unit_name(text), [*_FLOORS, *_YEARS]),
            sqlstate="22023",
        )


def truncated(t: Value, text: str) -> Value:
    """The start of the unit (its name) each moment is in; DataError (22023) for a word that is no unit."""
    unit = unit_name(text)
    if unit in _FLOORS or unit in _FINE:
        return pc.floor_temporal(t, unit=_FINE.get(unit, unit), week_starts_monday=True)
    check_unit(text)
    array = pa.array([t.as_py()], t.type) if isinstance(t, pa.Scalar) else t
    mask = nulls(array)
    stamps = int64s(array) if mask is None else np.where(mask, 0, int64s(array))
    years = month_and_day(np.floor_divide(stamps, US_PER_DAY))[0] // 12 + 1970
    size, shift = _YEARS[unit], 0 if unit == "decade" else 1
    start = np.floor_divide(years - shift, size) * size + shift
    out = from_int64s(first_day((start - 1970) * 12) * US_PER_DAY, array.type, mask)
    return out[0] if isinstance(t, pa.Scalar) else out


def _trunc_kernel(unit: Value, t: Value) -> Value:
    text = unit.as_py()
    return pa.scalar(None, t.type) if text is None else truncated(t, text)


date_trunc = scalar(
    "date_trunc(unit text, t timestamp) -> timestamp; date_trunc(unit text, t timestamptz) -> timestamptz",
    "the start of the year, month, week, day, hour, ... a moment is in",
    constant_args=(0,),
    can_raise=True,
    check=check_unit,
    example="date_trunc('hour', timestamp '2024-01-01 05:06') = timestamp '2024-01-01 05:00'",
    duck="date_trunc_era({0}, {1})",
)(_trunc_kernel)
date_trunc_zone = declare(
    "date_trunc(unit text, t timestamptz, zone text) -> timestamptz",
    "the start of the unit a moment is in by the clocks of a zone",
    example="date_trunc('day', timestamptz '2024-01-01 23:30+00', 'Europe/Paris') = timestamptz '2024-01-01 23:00+00'",
    can_raise=True,
    duck="timezone({2}, date_trunc_era({0}, timezone({2}, {1}::TIMESTAMPTZ)))",
)
date_trunc_interval = declare(
    "date_trunc(unit text, t interval) -> interval",
    "the interval without its smaller units",
    example="date_trunc('hour', INTERVAL '5 hours 3 minutes') = INTERVAL '5 hours'",
)


def bucket_start(stamps: Any, months: int, micros: int, origin: Any) -> Any:
    """The start of the bucket of `months` or `micros` length that each moment is in, counted from `origin` (us)."""
    if months == 0:
        return origin + np.floor_divide(stamps - origin, micros) * micros
    base = month_and_day(np.floor_divide(np.atleast_1d(origin), US_PER_DAY))[0]
    number = np.floor_divide(month_and_day(np.floor_divide(stamps, US_PER_DAY))[0] - base, months)
    start = add_months(np.broadcast_to(origin, stamps.shape).astype(np.int64), number * months)
    return np.where(start > stamps, add_months(start, -months), start)


def _bucket(width: Value, t: Value, origin: Value | None) -> Value:
    parts = width.as_py()
    if parts is None or (origin is not None and not origin.is_valid):
        return pa.scalar(None, t.type)
    micros = parts.days * US_PER_DAY + parts.nanoseconds // 1000
    if (parts.months and micros) or parts.months < 0 or micros < 0 or not (parts.months or micros):
        raise errors.DataError(
            "the width must be a positive interval of either months or shorter units", sqlstate="22023"
        )
    array = pa.array([t.as_py()], t.type) if isinstance(t, pa.Scalar) else t
    mask = nulls(array)
    stamps = int64s(array) if mask is None else np.where(mask, 0, int64s(array))
    base = 0 if origin is None else origin.cast(pa.int64()).as_py()
    out = from_int64s(bucket_start(stamps, parts.months, micros, base), array.type, mask)
    return out[0] if isinstance(t, pa.Scalar) else out


@scalar(
    "date_bin(width interval, t timestamp, origin timestamp) -> timestamp; "
    "date_bin(width interval, t timestamptz, origin timestamptz) -> timestamptz",
    "the start of the interval of that width, counted from an origin, a moment is in",
    constant_args=(0, 2),
    example="date_bin('15 minutes', timestamp '2024-01-01 05:40', timestamp '2024-01-01')::time = time '05:30'",
    can_raise=True,
    duck="time_bucket({0}, {1}, {2})",
)
def date_bin(width: Value, t: Value, origin: Value) -> Value:
    parts = width.as_py()
    if parts is not None and parts.months:
        raise errors.NotSupportedError("timestamps cannot be binned into intervals containing months or years")
    return _bucket(width, t, origin)


@scalar(
    "tumble_start(t timestamp, size interval) -> timestamp; tumble_start(t timestamptz, size interval) -> timestamptz",
    "the start of the tumbling window a moment is in, counted from 1970-01-01",
    constant_args=(1,),
    can_raise=True,
    example="tumble_start(timestamp '2024-01-01 05:40', INTERVAL '1 hour') = timestamp '2024-01-01 05:00'",
    duck="time_bucket({1}, {0}, TIMESTAMP '1970-01-01')",
)
def tumble_start(t: Value, size: Value) -> Value:
    return _bucket(size, t, None)


# ---------------------------------------------------------------- making


@scalar(
    "make_date(year integer, month integer, day integer) -> date",
    "a date from its parts",
    example="make_date(2024, 2, 29) = date '2024-02-29'",
    broadcast=True,
    can_raise=True,
    duck="make_date({*})",
)
def make_date(year: pa.Array, month: pa.Array, day: pa.Array) -> pa.Array:
    mask = nulls(year, month, day)
    y, m, d = (a.fill_null(1).to_numpy(zero_copy_only=False).astype(np.int64) for a in (year, month, day))
    months = (y - 1970) * 12 + m - 1
    start = first_day(months)
    valid = (m >= 1) & (m <= 12) & (d >= 1) & (d <= first_day(months + 1) - start) & (np.abs(y) < 290_000)
    bad = ~valid if mask is None else ~valid & ~mask
    if bool(bad.any()):
        i = int(np.argmax(bad))
        raise errors.OutOfRange(f"date field value out of range: {y[i]}-{m[i]:02}-{d[i]:02}", sqlstate="22008")
    return pa.array((start + d - 1).astype(np.int32), mask=mask).view(pa.date32())


make_timestamp = declare(
    "make_timestamp(year bigint, month bigint, day bigint, hour bigint, minute bigint, second double precision) "
    "-> timestamp",
    "a timestamp from its parts",
    example="make_timestamp(2024, 1, 2, 3, 4, 5) = timestamp '2024-01-02 03:04:05'",
    can_raise=True,
)


@scalar(
    "to_timestamp(seconds double precision) -> timestamptz",
    "the moment so many seconds after 1970",
    example="to_timestamp(0) = timestamptz '1970-01-01'",
    can_raise=True,
)
def to_timestamp_seconds(seconds: Value) -> Value:
    micros = pc.round(pc.multiply(seconds, 1_000_000.0), round_mode="half_to_even")
    return micros.cast(pa.int64()).cast(TIMESTAMPTZ)


@scalar(
    "epoch_ms(t timestamp) -> bigint; epoch_ms(t timestamptz) -> bigint",
    "milliseconds since 1970",
    example="epoch_ms(timestamp '1970-01-01 00:00:01') = 1000",
)
def epoch_ms(t: Value) -> Value:
    return pc.divide(t.cast(pa.int64()), pa.scalar(1000))


to_timestamp_ltz_ms = declare(
    "to_timestamp_ltz(n bigint) -> timestamptz",
    "milliseconds since 1970 (Flink)",
    example="to_timestamp_ltz(1000) = to_timestamp(1)",
    can_raise=True,
    duck="TIMESTAMPTZ '1970-01-01 00:00:00+00' + to_milliseconds({0})",
)


@scalar(
    "to_timestamp_ltz(n bigint, digits integer) -> timestamptz",
    "the moment n seconds (digits 0) or milliseconds (digits 3) after 1970 (Flink)",
    constant_args=(1,),
    example="to_timestamp_ltz(1000, 3) = to_timestamp(1)",
    can_raise=True,
    duck="(TIMESTAMPTZ '1970-01-01' + to_microseconds({0}::BIGINT * CASE {1} WHEN 0 THEN 1000000 ELSE 1000 END))",
)
def to_timestamp_ltz(n: Value, digits: Value) -> Value:
    if digits.as_py() not in (0, 3):
        raise errors.InvalidParameter("the precision must be 0 (seconds) or 3 (milliseconds)")
    step = pa.scalar(1_000_000 if digits.as_py() == 0 else 1000, pa.int64())
    return pc.multiply_checked(n, step).cast(TIMESTAMPTZ)


@scalar(
    "timezone(zone text, t timestamp) -> timestamptz",
    "the moment a clock in that zone shows this (AT TIME ZONE)",
    example="timestamp '2024-01-01 01:00' AT TIME ZONE 'Europe/Paris' = timestamptz '2024-01-01 00:00+00'",
    constant_args=(0,),
    can_raise=True,
)
def to_zone(zone: Value, t: Value) -> Value:
    if zone.as_py() is None:
        return pa.scalar(None, TIMESTAMPTZ)
    if _late(t):
        return _zone_by_duckdb(zone, t)
    local = pc.assume_timezone(t, _zone(zone.as_py()), ambiguous="latest", nonexistent="latest")
    return local.cast(TIMESTAMPTZ)


@scalar(
    "timezone(zone text, t timestamptz) -> timestamp",
    "what a clock in that zone shows at the moment (AT TIME ZONE)",
    example="timestamptz '2024-01-01 00:00+00' AT TIME ZONE 'Europe/Paris' = timestamp '2024-01-01 01:00'",
    constant_args=(0,),
    can_raise=True,
)
def from_zone(zone: Value, t: Value) -> Value:
    if zone.as_py() is None:
        return pa.scalar(None, TIMESTAMP)
    if _late(t):
        return _zone_by_duckdb(zone, t)
    return pc.local_timestamp(t.cast(pa.timestamp("us", _zone(zone.as_py())))).cast(TIMESTAMP)


def _late(t: Value) -> bool:
    """Whether some moment is after 2036: Arrow knows no daylight saving from then on."""
    last = (t if isinstance(t, pa.Scalar) else pc.max(t)).cast(pa.int64()).as_py()
    return last is not None and last >= 2_114_380_800_000_000


def _zone_by_duckdb(zone: Value, t: Value) -> Value:
    array = pa.array([t.as_py()], t.type) if isinstance(t, pa.Scalar) else t
    text = f"timezone({duck.literal(_zone(zone.as_py()), pa.string())}, a)"
    out = duck.evaluate([text], {"a": array}, len(array))[0]
    return out[0] if isinstance(t, pa.Scalar) else out


def _zone(name: str) -> str:
    try:
        pc.local_timestamp(pa.array([], pa.timestamp("us", name)))
    except pa.ArrowInvalid as err:
        raise errors.InvalidParameter(f'time zone "{name}" not recognized') from err
    return name


@scalar(
    "justify_hours(i interval) -> interval",
    "24-hour stretches turned into days",
    broadcast=True,
    example="extract(day FROM justify_hours(INTERVAL '25 hours')) = 1",
    duck="(to_months(date_part('year', {0})::INT * 12 + date_part('month', {0})::INT) + "
    "to_days((date_part('day', {0}) + date_part('hour', {0}) // 24)::INT) + "
    "to_hours(date_part('hour', {0}) % 24) + to_microseconds(date_part('minute', {0}) * 60000000 "
    "+ date_part('microsecond', {0})))",
)
def justify_hours(i: pa.Array) -> pa.Array:
    months, days, micros = interval_parts(i)
    days, micros = _carried(days, micros, US_PER_DAY)
    return interval_array(months, days, micros, nulls(i))


def _carried(large: Ints, small: Ints, size: int) -> tuple[Ints, Ints]:
    """Whole multiples of `size` of the small unit moved to the large one, towards zero."""
    more = np.sign(small) * (np.abs(small) // size)
    return large + more, small - more * size


def _of_one_sign(large: Ints, small: Ints, size: int) -> tuple[Ints, Ints]:
    """One of the large unit given back where the small one has the other sign."""
    step = np.where((large > 0) & (small < 0), 1, np.where((large < 0) & (small > 0), -1, 0))
    return large - step, small + step * size


def _justify_days(i: pa.Array) -> pa.Array:
    months, days, micros = interval_parts(i)
    months, days = _of_one_sign(*_carried(months, days, DAYS_A_MONTH), DAYS_A_MONTH)
    return interval_array(months, days, micros, nulls(i))


def _justify_interval(i: pa.Array) -> pa.Array:
    """PostgreSQL's interval_justify_interval: hours to days, days to months, then one sign for all parts."""
    months, days, micros = interval_parts(i)
    days, micros = _carried(days, micros, US_PER_DAY)
    months, days = _carried(months, days, DAYS_A_MONTH)
    behind = np.where(days == 0, np.sign(micros), np.sign(days))
    step = np.where((months > 0) & (behind < 0), 1, np.where((months < 0) & (behind > 0), -1, 0))
    months, days = months - step, days + step * DAYS_A_MONTH
    days, micros = _of_one_sign(days, micros, US_PER_DAY)
    return interval_array(months, days, micros, nulls(i))


DAYS_A_MONTH = 30
"""As PostgreSQL counts where it must."""
duck.at_opening("kernel_justify_days", (INTERVAL,), INTERVAL, _justify_days)
duck.at_opening("kernel_justify_interval", (INTERVAL,), INTERVAL, _justify_interval)
justify_days = scalar(
    "justify_days(i interval) -> interval",
    "30-day stretches turned into months",
    broadcast=True,
    example="justify_days(INTERVAL '35 days') = INTERVAL '1 month 5 days'",
    duck="kernel_justify_days({0})",
)(_justify_days)
justify_interval = scalar(
    "justify_interval(i interval) -> interval",
    "24-hour stretches turned into days, 30-day ones into months, all parts of one sign",
    broadcast=True,
    example="justify_interval(INTERVAL '1 month -1 hour') = INTERVAL '29 days 23 hours'",
    duck="kernel_justify_interval({0})",
)(_justify_interval)


isfinite_ts = declare(
    "isfinite(t timestamp) -> boolean",
    "neither infinity nor -infinity",
    example="isfinite(timestamp '2024-01-01')",
)
age = declare(
    "age(a timestamp, b timestamp) -> interval",
    "years, months and days between two moments",
    example="age(timestamp '2024-03-01', timestamp '2024-01-31') = INTERVAL '1 month 1 day'",
)
last_day = declare(
    "last_day(d date) -> date; last_day(t timestamp) -> date",
    "the last day of the month",
    example="last_day(date '2024-02-03') = date '2024-02-29'",
)
dayname = declare(
    "dayname(d timestamp) -> text", "the weekday's name", example="dayname(timestamp '2024-01-01') = 'Monday'"
)
monthname = declare(
    "monthname(d timestamp) -> text", "the month's name", example="monthname(timestamp '2024-01-01') = 'January'"
)
