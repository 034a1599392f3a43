"""Dates by the names of days and units (Hive, Spark, Oracle)."""

from __future__ import annotations

from sqlengine.functions.registry import declare

_DAYS = "['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY']"
_NAMED = f"list_position(list_transform({_DAYS}, lambda d: upper({{1}}) IN (d, d[1:2], d[1:3])), true)"
next_day = declare(
    "next_day(d date, day text) -> date",
    "the first such day of the week after a date, by its English name or the first two or three letters; "
    "NULL for another word (Hive, Spark)",
    example="next_day(date '2024-01-01', 'TU') = date '2024-01-02'",
    duck=f"({{0}}::DATE + (({_NAMED} - isodow({{0}}::DATE) + 6) % 7 + 1)::INTEGER)",
)
_UNITS = (
    "CASE WHEN upper({1}) IN ('YEAR', 'YYYY', 'YY') THEN 'year' WHEN upper({1}) IN ('QUARTER', 'Q') THEN 'quarter' "
    "WHEN upper({1}) IN ('MONTH', 'MON', 'MM') THEN 'month' WHEN upper({1}) = 'WEEK' THEN 'week' END"
)
trunc_date = declare(
    "trunc_date(d date, unit text) -> date; trunc_date(t timestamp, unit text) -> date",
    "the first day of the YEAR (YYYY, YY), QUARTER (Q), MONTH (MON, MM) or WEEK a date is in; "
    "NULL for another word (Hive, Spark)",
    aliases=("trunc",),
    example="trunc(date '2024-02-29', 'MM') = date '2024-02-01'",
    duck=f"CASE WHEN {_UNITS} IS NOT NULL THEN date_trunc(coalesce({_UNITS}, 'day'), {{0}}::TIMESTAMP)::DATE END",
)
