"""Values as int64 words in ORDER BY's order, so that NumPy can compare and sort any type.

Numbers, dates and times have order codes (state/order_codes.py); text, decimals and others get their dense rank, which
is only comparable inside one call.  NaN sorts above all numbers, text by code point, as DuckDB and PostgreSQL's
C collation do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.order_codes import has_order_codes, order_codes

Ints = npt.NDArray[np.int64]


def from_order_codes(codes: Ints, dtype: pa.DataType, valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """The values of order codes (state/order_codes.py)."""
    if pa.types.is_floating(dtype):
        bits = np.where(codes >= 0, codes, codes ^ np.int64(np.iinfo(np.int64).max))
        values = bits.view(np.float64).astype(f"f{dtype.bit_width // 8}", copy=False)
        return buffers.from_fixed(values, dtype, valid)
    return buffers.from_ints(codes, dtype, valid)


def comparable_words(column: pa.Array) -> Ints:
    """int64[n] that compare as the values do, within this call only; words of NULL rows mean nothing."""
    column = buffers.plain(column)
    if pa.types.is_null(column.type):
        return np.zeros(len(column), dtype=np.int64)
    if has_order_codes(column.type):
        return order_codes(column)
    if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
        column = column.cast(pa.large_binary())
    return np.asarray(pc.rank(column, tiebreaker="dense")).astype(np.int64)


def sort_order(leading: Sequence[Ints], keys: Sequence[tuple[pa.Array, bool, bool]], last: Ints) -> Ints:
    """The permutation that sorts by the leading words, then each (column, descending, nulls_first), then `last`."""
    words: list[npt.NDArray[np.generic]] = [last]
    for column, descending, nulls_first in reversed(keys):
        word = comparable_words(column)
        valid = buffers.validity(column)
        if valid is not None:
            word = np.where(valid, word, 0)
        words.append(~word if descending else word)
        if valid is not None:
            words.append(valid if nulls_first else ~valid)
    words.extend(reversed(leading))
    return np.asarray(np.lexsort(words)).astype(np.int64)
