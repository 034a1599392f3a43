"""Order codes: numbers and times as int64 that sort as the values do.

Why: searches in sorted runs and quick rejections compare one machine word.  Only types whose order fits in 64 bits have
codes; NULLs have none, their places hold anything.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.state.arrow_buffers import fixed, plain
from sqlengine.types import storage_type

Ints = npt.NDArray[np.int64]


def has_order_codes(dtype: pa.DataType) -> bool:
    """True for whole numbers, dates, times, timestamps, durations and floats (not uint64)."""
    t, dtype = pa.types, storage_type(dtype)
    if t.is_uint64(dtype) or t.is_interval(dtype):
        return False
    return bool(t.is_integer(dtype) or t.is_temporal(dtype) or t.is_floating(dtype))


def order_codes(column: pa.Array) -> Ints:
    """int64[n]: a < b exactly where code(a) < code(b); -0.0 = 0.0, NaN is above all numbers (as in PostgreSQL)."""
    column = plain(column)
    kind = "f" if pa.types.is_floating(column.type) else "u" if pa.types.is_unsigned_integer(column.type) else "i"
    values = fixed(column, f"{kind}{column.type.bit_width // 8}")
    if kind != "f":
        return values.astype(np.int64, copy=False)
    doubles = values.astype(np.float64) + 0.0
    doubles[np.isnan(doubles)] = np.nan
    bits = doubles.view(np.int64)
    return np.where(bits >= 0, bits, bits ^ np.int64(np.iinfo(np.int64).max))
