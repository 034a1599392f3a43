"""The session's time zone in functions that turn moments into texts and back (hive.local.time.zone).

A timestamp has no zone: from_unixtime says what a clock of the zone shows, unix_timestamp reads such a clock, and
current_timestamp and current_date are this moment there.  Functions themselves compute in UTC; what a zone adds is
said here, on sqlglot's trees, with Hive's own from_utc_timestamp and to_utc_timestamp.
"""

from __future__ import annotations

from sqlglot import exp

from sqlengine.sql.nodes import find_all

UTC = "UTC"
_PLAIN = "yyyy-MM-dd HH:mm:ss"
_READERS = ("unix_timestamp", "to_unix_timestamp")
_COUNTERS = ("unix_seconds", "unix_millis", "unix_micros")
"""Spark's: from a moment to a number; _COUNTED: back."""
_COUNTED = ("timestamp_seconds", "timestamp_millis", "timestamp_micros")


def in_zone(tree: exp.Expr, zone: str) -> None:
    """Put the zone into the calls that depend on it."""
    if zone == UTC:
        return
    calls = find_all(tree, exp.Anonymous, exp.CurrentTimestamp, exp.CurrentDate)
    for call in reversed(calls):  # those within others first
        made = _zoned(call, exp.Literal.string(zone))
        if made is not None:
            call.replace(made)


def _zoned(call: exp.Expr, zone: exp.Expr) -> exp.Expr | None:
    if isinstance(call, exp.CurrentDate):
        return _call("to_date", _call("from_utc_timestamp", exp.CurrentTimestamp(), zone))
    if isinstance(call, exp.CurrentTimestamp):
        return _call("from_utc_timestamp", call.copy(), zone)
    name = call.name.lower()
    if name == "current_timezone" and not call.expressions:
        return zone
    if name == "curdate" and not call.expressions:
        return _zoned(exp.CurrentDate(), zone)
    if name in _COUNTED and len(call.expressions) == 1:
        return _call("from_utc_timestamp", call.copy(), zone)
    if name in _COUNTERS and len(call.expressions) == 1:
        return _call(name, _call("to_utc_timestamp", call.expressions[0].copy(), zone))
    if name == "now" and not call.expressions:
        return _call("from_utc_timestamp", exp.CurrentTimestamp(), zone)
    if name == "from_unixtime" and len(call.expressions) in (1, 2):
        seconds, *form = (item.copy() for item in call.expressions)
        clock = _call("from_utc_timestamp", _call("from_unixtime", seconds), zone)
        return _call("date_format", clock, *(form or [exp.Literal.string(_PLAIN)]))
    if name in _READERS and call.expressions:
        clock = _call("from_unixtime", call.copy())
        return _call(name, _call("to_utc_timestamp", clock, zone))
    return None


def _call(name: str, *args: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(args))
