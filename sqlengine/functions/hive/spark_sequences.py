"""sequence(start, stop[, step]) of whole numbers, dates and timestamps (Spark's Built-in Functions: Array Functions).

A step of months counts from the start each time, so that the day of the month comes back behind a short month.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sqlengine.functions.arrays_of import interval_parts
from sqlengine.functions.calendar import add_months
from sqlengine.functions.hive.lists import Ints, Mask, relisted, row_nulls
from sqlengine.functions.hive.spark_arrays import check_rows, limited, whole_numbers, wrong
from sqlengine.functions.hive.time_patterns import DAY_US
from sqlengine.functions.registry import Kernel, scalar

_SHORT_MONTH_US = 28 * DAY_US


def _counts(start: Ints, stop: Ints, step: Ints, unknown: Mask | None) -> Ints:
    """How many elements there are at most; an error for a step that leads away from the stop."""
    ahead = (stop > start).astype(np.int64) - (stop < start)
    away = (ahead != 0) & (np.sign(step) != ahead)
    check_rows(away, "the step of a sequence leads away from its stop", unknown)
    span = (np.where(ahead > 0, stop - start, start - stop)).view(np.uint64)  # which may be more than int64 has
    counts = span // np.maximum(np.abs(step).view(np.uint64), np.uint64(1)) + np.uint64(1)
    return limited(counts if unknown is None else np.where(unknown, np.uint64(0), counts)).astype(np.int64)


def _placed(counts: Ints) -> tuple[Ints, Ints]:
    """(row of each element, its place in its row)."""
    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)


def _numbers(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(start: pa.Array, stop: pa.Array, step: pa.Array | None = None) -> pa.Array:
        first, last = whole_numbers(start), whole_numbers(stop)
        by = np.where(first <= last, 1, -1) if step is None else whole_numbers(step)
        unknown = row_nulls(start, stop, *([] if step is None else [step]))
        rows, places = _placed(_counts(first, last, by, unknown))
        values = pa.array(first[rows] + places * by[rows]).cast(result.value_type)
        return relisted(rows, values, len(start), result, unknown)

    return kernel


numbers = scalar(
    "hive$sequence_of_numbers(VARIADIC ends anyint) -> anyarray",
    "whole numbers from one to another",
    factory=True,
    broadcast=True,
    can_raise=True,
    result_type=lambda args: pa.list_(args[0].type),
)(_numbers)


def _moments(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    is_date = pa.types.is_date(result.value_type)

    def micros(a: pa.Array) -> Ints:
        return whole_numbers(a.cast(pa.int32())) * DAY_US if is_date else whole_numbers(a)

    def kernel(start: pa.Array, stop: pa.Array, step: pa.Array | None = None) -> pa.Array:
        first, last = micros(start), micros(stop)
        if step is None:
            months, by = np.zeros(len(first), np.int64), np.where(first <= last, 1, -1) * DAY_US
        else:
            months, days, rest = interval_parts(step)
            by = days * DAY_US + rest
        unknown = row_nulls(start, stop, *([] if step is None else [step]))
        if unknown is not None:  # an interval's parts are arbitrary where it is NULL
            months, by = np.where(unknown, 0, months), np.where(unknown, 0, by)
        if is_date and np.mod(by, DAY_US).any():
            raise wrong("the step of a sequence of dates is of whole days")
        around = months * _SHORT_MONTH_US + by
        rows, places = _placed(_counts(first, last, around, unknown))
        values = add_months(first[rows], months[rows] * places) + by[rows] * places
        inside = np.where(around[rows] >= 0, values <= last[rows], values >= last[rows])
        rows, values = rows[inside], values[inside]
        made = pa.array((values // DAY_US).astype(np.int32)) if is_date else pa.array(values)
        return relisted(rows, made.cast(result.value_type), len(start), result, unknown)

    return kernel


moments = scalar(
    "hive$sequence_of_moments(start any, stop any) -> any;"
    "hive$sequence_of_moments(start any, stop any, step interval) -> any",
    "dates or timestamps from one to another",
    factory=True,
    broadcast=True,
    can_raise=True,
    result_type=lambda args: pa.list_(args[0].type),
)(_moments)
