"""Moments counted, moved and rounded by units of the calendar: what Flink, Hive, Spark, ksqlDB and MySQL write with a
bare word (`TIMESTAMPDIFF(MONTH, a, b)`, `FLOOR(t TO HOUR)`, `add_months(d, 1)`).

sql/rewrite_calls.py makes the bare words texts.  Weeks begin on Monday; the calendar is the proleptic Gregorian one, in
UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.arrays_of import interval_array, nulls
from sqlengine.functions.registry import Value, declare, scalar
from sqlengine.functions.time import check_unit, truncated, unit_name
from sqlengine.functions.time_arithmetic import shift
from sqlengine.types import INTERVAL

_LENGTHS: dict[str, tuple[int, int, int]] = {
    "millennium": (12_000, 0, 0),
    "century": (1_200, 0, 0),
    "decade": (120, 0, 0),
    "year": (12, 0, 0),
    "quarter": (3, 0, 0),
    "month": (1, 0, 0),
    "week": (0, 7, 0),
    "day": (0, 1, 0),
    "hour": (0, 0, 3_600_000_000),
    "minute": (0, 0, 60_000_000),
    "second": (0, 0, 1_000_000),
    "milliseconds": (0, 0, 1_000),
    "microseconds": (0, 0, 1),
}
"""Unit -> (months, days, microseconds)."""


def _times(unit: str, count: Value) -> Value:
    """So many of a unit as an interval; DataError (22023) for a word that is no unit."""
    check_unit(unit)
    months, days, micros = _LENGTHS[unit_name(unit)]
    if isinstance(count, pa.Scalar):
        n = count.as_py()
        return pa.scalar(None if n is None else pa.MonthDayNano([n * months, n * days, n * micros * 1000]), INTERVAL)
    n = pc.fill_null(count, 0).to_numpy().astype(np.int64)
    return interval_array(n * months, n * days, n * micros, nulls(count))


def _moved(sign: int) -> Callable[[Value, Value, Value], Value]:
    def kernel(unit: Value, count: Value, t: Value) -> Value:
        text = unit.as_py()
        return pa.scalar(None, t.type) if text is None else shift(t, _times(text, count), sign)

    return kernel


_ONE_UNIT = "('1 ' || {0})::INTERVAL"
_MOVE: dict[str, Any] = {"constant_args": (0,), "can_raise": True, "check": check_unit}
timestampadd = scalar(
    "timestampadd(unit text, count integer, t timestamp) -> timestamp; "
    "timestampadd(unit text, count integer, t timestamptz) -> timestamptz",
    "the moment so many units later; the unit is a word or a text",
    example="timestampadd(MONTH, 1, timestamp '2024-01-31 12:00') = timestamp '2024-02-29 12:00'",
    duck=f"({{2}} + {{1}} * {_ONE_UNIT})",
    aliases=("dateadd", "timeadd"),
    **_MOVE,
)(_moved(1))
timestampsub = scalar(
    "timestampsub(unit text, count integer, t timestamp) -> timestamp; "
    "timestampsub(unit text, count integer, t timestamptz) -> timestamptz",
    "the moment so many units earlier (ksqlDB)",
    example="timestampsub(DAY, 1, timestamp '2024-03-01 12:00') = timestamp '2024-02-29 12:00'",
    duck=f"({{2}} - {{1}} * {_ONE_UNIT})",
    aliases=("datesub", "timesub"),
    **_MOVE,
)(_moved(-1))

timestampdiff = declare(
    "timestampdiff(unit text, a timestamp, b timestamp) -> bigint; "
    "timestampdiff(unit text, a timestamptz, b timestamptz) -> bigint",
    "how many whole units lie between a and b, negative when b is earlier; the unit is a word or a text",
    example="timestampdiff(MONTH, timestamp '2024-01-15', timestamp '2024-03-14') = 1",
    duck="date_sub({0}, {1}, {2})",
    constant_args=(0,),
    check=check_unit,
    can_raise=True,
)
datediff = declare(
    "datediff(a date, b date) -> integer; datediff(a timestamp, b timestamp) -> integer",
    "days from b to a (Hive, Spark); Flink's and MySQL's argument order, too",
    example="datediff(date '2024-03-01', date '2024-02-01') = 29",
    duck="date_diff('day', {1}::DATE, {0}::DATE)::INTEGER",
)
datediff_by = declare(
    "datediff(unit text, a timestamp, b timestamp) -> bigint; "
    "datediff(unit text, a timestamptz, b timestamptz) -> bigint",
    "how many starts of a unit lie between a and b",
    example="datediff(DAY, timestamp '2024-01-01 23:00', timestamp '2024-01-02 01:00') = 1",
    duck="date_diff({0}, {1}, {2})",
    constant_args=(0,),
    check=check_unit,
    can_raise=True,
)
date_sub = declare(
    "date_sub(d date, days integer) -> date",
    "the date so many days earlier (Hive, Spark)",
    example="date_sub(date '2024-03-01', 1) = date '2024-02-29'",
    duck="({0}::DATE - {1}::INTEGER)",
    can_raise=True,
)
add_months = declare(
    "add_months(d date, months integer) -> date",
    "the date so many months later, at most the last of its month (Hive, Spark)",
    example="add_months(date '2024-01-31', 1) = date '2024-02-29'",
    duck="({0}::DATE + to_months({1}))::DATE",
    can_raise=True,
)
_SECONDS = "(date_part('day', {0}) * 86400 + epoch({0}) - epoch(date_trunc('day', {0})))"
_WHOLE = "date_part('day', {0}) = date_part('day', {1}) OR ({0}::DATE = last_day({0}) AND {1}::DATE = last_day({1}))"
months_between = declare(
    "months_between(a timestamp, b timestamp) -> double precision",
    "months from b to a: whole between equal days and between last days of months, else by months of 31 days",
    example="months_between(timestamp '2024-03-31', timestamp '2024-02-29') = 1",
    duck=f"system.main.round(date_diff('month', {{1}}, {{0}}) + CASE WHEN {_WHOLE} THEN 0::DOUBLE ELSE ("
    + _SECONDS
    + " - "
    + _SECONDS.replace("{0}", "{1}")
    + ") / 2678400.0::DOUBLE END, 8)",
)


def _ceil(unit: Value, t: Value) -> Value:
    text = unit.as_py()
    if text is None:
        return pa.scalar(None, t.type)
    start = truncated(t, text)
    return pc.if_else(pc.equal(start, t), start, shift(start, _times(text, pa.scalar(1)), 1))


date_ceil = scalar(
    "date_ceil(unit text, t timestamp) -> timestamp; date_ceil(unit text, t timestamptz) -> timestamptz",
    "the start of the next unit, or the moment itself where one starts (CEIL(t TO unit))",
    example="CEIL(timestamp '2024-01-02 03:04' TO HOUR) = timestamp '2024-01-02 04:00'",
    constant_args=(0,),
    check=check_unit,
    can_raise=True,
    duck="CASE WHEN date_trunc({0}, {1}) = {1} THEN date_trunc({0}, {1}) "
    f"ELSE date_trunc({{0}}, {{1}}) + {_ONE_UNIT} END",
)(_ceil)
