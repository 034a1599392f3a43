"""make_interval: an interval of its parts, of which the last ones may be left out."""

from __future__ import annotations

from sqlengine.duck_macros import INTERVAL_PARTS
from sqlengine.functions.registry import declare


def _signature(count: int) -> str:
    kinds = (f"{part} {'double precision' if part == 'secs' else 'bigint'}" for part in INTERVAL_PARTS[:count])
    return f"make_interval({', '.join(kinds)}) -> interval"


make_interval = declare(
    "; ".join(_signature(count) for count in range(len(INTERVAL_PARTS) + 1)),
    "an interval of its parts, which may be given by name: make_interval(days => 10)",
    example="make_interval(1, 2, 3, 4, 5, 6, 7.5) = INTERVAL '1 year 2 months 25 days 05:06:07.5'",
    duck="make_interval({*})",
    can_raise=True,
)
