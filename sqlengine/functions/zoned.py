"""Clock times and moments: what one is of the other in the time zone of now (sqlengine/reading.py)."""

from __future__ import annotations

import pyarrow as pa

from sqlengine import duck
from sqlengine.reading import UTC, icu_zone, zone_of_now
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ


def clocks(moments: pa.Array) -> pa.Array:
    """timestamptz -> the timestamp that clocks show then."""
    return _across(moments, TIMESTAMP)


def moments(clock_times: pa.Array) -> pa.Array:
    """timestamp -> the timestamptz at which clocks show it; of a time that they skip or show twice, as PostgreSQL."""
    return _across(clock_times, TIMESTAMPTZ)


def _across(array: pa.Array, target: pa.DataType) -> pa.Array:
    zone = zone_of_now()
    if zone == UTC or not len(array):
        return array.cast(target)
    return duck.evaluate([f"timezone('{icu_zone(zone)}', a)"], {"a": array}, len(array))[0].cast(target)
