"""Values as int64 words in ORDER BY's order, so that NumPy can compare and sort any type.

Numbers, dates and times map to one order-preserving word; text, decimals and others to their dense rank, which is only
comparable inside one call.  NaN sorts above all numbers, text by code point, as PostgreSQL (C collation) and DuckDB do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.state import arrow_buffers as buffers

Ints = npt.NDArray[np.int64]

_ALL_BUT_SIGN = np.int64(2**63 - 1)
_SIGN = np.int64(-(2**63))


def has_order_words(dtype: pa.DataType) -> bool:
    """Whether values of a storage type have order-preserving words of their own."""
    t = pa.types
    if t.is_floating(dtype) or t.is_boolean(dtype):
        return True
    return bool(t.is_primitive(dtype) and not t.is_decimal(dtype) and not t.is_interval(dtype))


def order_words(column: pa.Array) -> Ints:
    """int64[n] of a plain column whose type has order words; words of NULL rows mean nothing."""
    dtype = column.type
    if pa.types.is_floating(dtype):
        values = buffers.fixed(column, f"f{dtype.bit_width // 8}").astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        bits = values.view(np.int64)
        return bits ^ ((bits >> 63) & _ALL_BUT_SIGN)
    if pa.types.is_boolean(dtype):
        filled = column.fill_null(False) if column.null_count else column
        return np.asarray(filled.to_numpy(zero_copy_only=False)).astype(np.int64)
    if pa.types.is_uint64(dtype):
        return buffers.fixed(column, "i8") ^ _SIGN  # type: ignore[operator, return-value]
    kind = "u" if pa.types.is_unsigned_integer(dtype) else "i"
    return buffers.fixed(column, f"{kind}{dtype.bit_width // 8}").astype(np.int64, copy=False)


def from_order_words(words: Ints, dtype: pa.DataType, valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """The values of order words."""
    if pa.types.is_floating(dtype):
        values = (words ^ ((words >> 63) & _ALL_BUT_SIGN)).view(np.float64)
        return buffers.from_fixed(values.astype(f"f{dtype.bit_width // 8}", copy=False), dtype, valid)
    if pa.types.is_boolean(dtype):
        return buffers.from_bools(words != 0, valid)
    return buffers.from_ints(words ^ _SIGN if pa.types.is_uint64(dtype) else words, dtype, valid)


def comparable_words(column: pa.Array) -> Ints:
    """int64[n] that compare as the values do, within this call only; words of NULL rows mean nothing."""
    column = buffers.plain(column)
    if pa.types.is_null(column.type):
        return np.zeros(len(column), dtype=np.int64)
    if has_order_words(column.type):
        return order_words(column)
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
