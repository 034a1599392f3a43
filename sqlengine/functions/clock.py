"""The time at this moment, which goes on while a statement runs, unlike now()."""

from __future__ import annotations

import pyarrow as pa

from sqlengine import duck
from sqlengine.functions.registry import declare
from sqlengine.real_clock import RealClock
from sqlengine.types import TIMESTAMPTZ

_CLOCK = RealClock()


def _read(rows: pa.Array) -> pa.Array:
    """The clock, for as many rows as are asked for; their values do not count."""
    return pa.array([_CLOCK.now_us()] * len(rows), pa.int64()).cast(TIMESTAMPTZ)


duck.at_opening("clock_at", [pa.float64()], TIMESTAMPTZ, _read)
clock_timestamp = declare(
    "clock_timestamp() -> timestamptz",
    "the time at this moment, also within a statement",
    example="clock_timestamp() > timestamptz '2024-01-01 00:00:00+00'",
    volatility="volatile",
    duck="clock_at(random())",
)
