"""Small bridges between Arrow arrays and NumPy used by kernels: raw values, validity, intervals' parts.

Nothing here is a SQL function; no kernel may loop over rows in Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.types import INTERVAL

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

US_PER_DAY = 86_400_000_000
US_PER_MONTH = 30 * US_PER_DAY
_PARTS = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])


def int64s(array: pa.Array) -> Ints:
    """The 8-byte values of an array as int64[n], whatever stands at NULLs; no copy."""
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(len(array), dtype=np.int64)
    return np.frombuffer(buffer, dtype=np.int64, count=array.offset + len(array))[array.offset :]


def nulls(*arrays: pa.Array) -> Mask | None:
    """True where any of the arrays is NULL; None when no value is."""
    masks = [a.is_null().to_numpy(zero_copy_only=False) for a in arrays if a.null_count]
    return np.logical_or.reduce(masks) if masks else None


def from_int64s(values: Ints, dtype: pa.DataType, mask: Mask | None) -> pa.Array:
    """An array of an 8-byte type from raw values; `mask` is true at NULLs."""
    array = pa.array(values, type=pa.int64(), mask=mask)
    return array if dtype == pa.int64() else array.view(dtype)


def interval_parts(array: pa.Array) -> tuple[Ints, Ints, Ints]:
    """(months, days, microseconds) of an interval array, int64[n] each, arbitrary at NULLs."""
    buffer = array.buffers()[1]
    if buffer is None:
        zero = np.zeros(len(array), dtype=np.int64)
        return zero, zero, zero
    raw = np.frombuffer(buffer, dtype=_PARTS, count=array.offset + len(array))[array.offset :]
    return raw["months"].astype(np.int64), raw["days"].astype(np.int64), raw["nanos"] // 1000


def interval_array(months: Any, days: Any, micros: Ints, mask: Mask | None) -> pa.Array:
    """An interval array from its parts (broadcast against `micros`); `mask` is true at NULLs."""
    raw = np.empty(len(micros), dtype=_PARTS)
    raw["months"], raw["days"], raw["nanos"] = months, days, micros * 1000
    valid = None if mask is None else pa.array(~mask).buffers()[1]
    return pa.Array.from_buffers(INTERVAL, len(micros), [valid, pa.py_buffer(raw)])


def interval_order(array: pa.Array) -> pa.Array:
    """int64 microseconds by which intervals compare: a month counts 30 days, a day 24 hours (PostgreSQL)."""
    months, days, micros = interval_parts(array)
    return pa.array(months * US_PER_MONTH + days * US_PER_DAY + micros, mask=nulls(array))


def text_buffers(array: pa.Array) -> tuple[npt.NDArray[np.int32], bytes]:
    """(offsets int32[n+1], data) of a string array that may be sliced."""
    _, offsets, data = array.buffers()
    view = np.frombuffer(offsets, dtype=np.int32, count=array.offset + len(array) + 1)[array.offset :]
    return view, data
