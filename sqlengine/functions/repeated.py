"""A text so many times over, no longer than a text may be."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.duck_sizes import TEXT_BYTES_MAX, TEXT_TOO_LARGE
from sqlengine.errors import TooLarge
from sqlengine.functions.registry import Value


def repeated(s: Value, count: Value) -> Value:
    """Each text its count of times, "" for fewer than 1; TooLarge (54000) where one would be longer than 1 GB, or all
    the texts of a batch together longer than Arrow's offsets reach."""
    times = pc.max_element_wise(count, 0, skip_nulls=False)
    bytes_each = pc.multiply(pc.binary_length(s).cast(pa.float64()), times.cast(pa.float64(), safe=False))
    if isinstance(bytes_each, pa.Scalar):
        longest = total = bytes_each.as_py() or 0
    else:
        longest, total = pc.max(bytes_each).as_py() or 0, pc.sum(bytes_each).as_py() or 0
    if longest > TEXT_BYTES_MAX or total > _BATCH_BYTES_MAX:
        raise TooLarge(TEXT_TOO_LARGE)
    return pc.binary_repeat(s, times)


_BATCH_BYTES_MAX = 2**31 - 1
