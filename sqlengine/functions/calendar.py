"""Calendar arithmetic on microseconds since 1970-01-01 00:00, vectorised with NumPy (proleptic Gregorian).

Shared by the date and time functions; it holds no SQL functions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sqlengine import errors
from sqlengine.functions.arrays_of import US_PER_DAY, Ints

_MONTHS_MAX = 12 * 300_000
"""More than PostgreSQL's range of years; what lies beyond is an error before NumPy could wrap round."""


def add_months(micros: Ints, months: npt.ArrayLike) -> Ints:
    """Each moment moved by whole months, the day of month clipped to the month's last (31 January + 1 month)."""
    days = np.floor_divide(micros, US_PER_DAY)
    clock = micros - days * US_PER_DAY
    month, day = month_and_day(days)
    target = month + np.asarray(months, dtype=np.int64)
    if bool((np.abs(target) > _MONTHS_MAX).any()):
        raise errors.OutOfRange("timestamp out of range", sqlstate="22008")
    clipped = np.minimum(day, days_in_month(target) - 1)
    return (first_day(target) + clipped) * US_PER_DAY + clock


def month_and_day(days: Ints) -> tuple[Ints, Ints]:
    """(months since 1970-01, day of month from 0) of days since 1970-01-01."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    return months.astype(np.int64), (dates - months.astype("datetime64[D]")).astype(np.int64)


def first_day(months: Ints) -> Ints:
    """Days since 1970-01-01 of the first of each month."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def days_in_month(months: Ints) -> Ints:
    """28 to 31."""
    return first_day(months + 1) - first_day(months)
