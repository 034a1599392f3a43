"""Spark's counts of units of time between two moments, `DATEDIFF(MONTH, a, b)`; moving by a unit is our own
`timestampadd`.  sql/hive/spark_tokens.py makes the unit a text.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidParameter
from sqlengine.functions.arrays_of import US_PER_DAY, Ints, int64s
from sqlengine.functions.calendar import month_and_day
from sqlengine.functions.hive.lists import row_nulls
from sqlengine.functions.registry import scalar

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MICROS = {
    "week": 7 * US_PER_DAY,
    "day": US_PER_DAY,
    "hour": 3_600_000_000,
    "minute": 60_000_000,
    "second": 1_000_000,
    "millisecond": 1_000,
    "microsecond": 1,
}


def _months(start: Ints, end: Ints) -> Ints:
    """Whole months from one moment to the other: a month is over when day and clock have come again (java.time's
    ChronoUnit.MONTHS, by which Spark counts)."""
    (first, first_rest), (last, last_rest) = (_in_month(at) for at in (start, end))
    months = last - first
    return months - ((months > 0) & (last_rest < first_rest)) + ((months < 0) & (last_rest > first_rest))


def _in_month(at: Ints) -> tuple[Ints, Ints]:
    """(months since 1970, microseconds since the month began)."""
    days = np.floor_divide(at, US_PER_DAY)
    months, day = month_and_day(days)
    return months, day * US_PER_DAY + at - days * US_PER_DAY


@scalar(
    "hive$timestamp_units(unit text, a timestamp, b timestamp) -> bigint",
    "how many whole units from a to b: Spark's DATEDIFF(MONTH, a, b)",
    example="timestamp_units('month', '2024-01-31', '2024-02-29') = 0",
    broadcast=True,
    can_raise=True,
)
def timestamp_units(unit: pa.Array, a: pa.Array, b: pa.Array) -> pa.Array:
    start, end = int64s(a), int64s(b)
    found = np.zeros(len(a), np.int64)
    words = unit.dictionary_encode()
    for code, word in enumerate(words.dictionary.to_pylist()):
        rows = np.flatnonzero(pc.equal(words.indices, code).fill_null(False))
        found[rows] = _whole_units(word, start[rows], end[rows])
    return pa.array(found, pa.int64(), mask=row_nulls(unit, a, b))


def _whole_units(word: str, start: Ints, end: Ints) -> Ints:
    if word in _MONTHS:
        count, each = _months(start, end), _MONTHS[word]
    elif word in _MICROS:
        count, each = end - start, _MICROS[word]
    else:
        raise InvalidParameter(f'unit "{word}" not recognized')
    return np.sign(count) * (np.abs(count) // each)  # type: ignore[no-any-return]
