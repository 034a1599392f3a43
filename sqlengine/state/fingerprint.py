"""Fingerprints of whole rows: 128 bits per row, equal exactly when the rows are equal in SQL's DISTINCT sense.

Why: deletions, consolidation and differences look whole rows up; a fingerprint is 16 bytes whatever the row is and
needs no second copy of texts.  NULL equals NULL, -0.0 equals 0.0, every NaN equals every NaN.  Two different rows
share a fingerprint with probability about 2**-128 per pair (see kernels/row_hash.pyx), which is taken as never.
Fingerprints live in memory only: they must not be stored, so the function may change between versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.kernels import choose
from sqlengine.types import storage_type

if TYPE_CHECKING:
    from sqlengine.kernels import row_hash_reference as kernel
else:
    kernel = choose("row_hash", "row_hash_reference")

Ints = npt.NDArray[np.int64]
State = npt.NDArray[np.uint64]

_ALL_VALID = np.empty(0, dtype=np.uint8)
_SEED = (0x243F6A8885A308D3, 0x13198A2E03707344)


def fingerprints(columns: Sequence[pa.Array], num_rows: int) -> Ints:
    """int64[num_rows, 2] (C-contiguous): the fingerprint of each row of equally long columns of any Arrow types."""
    state = np.empty((num_rows, 2), dtype=np.uint64)
    state[:] = _SEED
    for column in columns:
        _fold(state, column)
    kernel.finish(state)
    return state.view(np.int64)


def batch_fingerprints(batch: pa.RecordBatch) -> Ints:
    """The fingerprints of a batch's rows."""
    return fingerprints(batch.columns, batch.num_rows)


def validity(column: pa.Array) -> npt.NDArray[np.uint8]:
    """uint8[n], 1 where a value is present; empty when none is NULL."""
    if column.null_count == 0:
        return _ALL_VALID
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False)).view(np.uint8)


def _fold(state: State, column: pa.Array) -> None:
    """Fold one column of any type into the rows' state."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    dtype = storage_type(column.type)
    if pa.types.is_dictionary(dtype):
        return _fold(state, column.dictionary_decode())
    if pa.types.is_run_end_encoded(dtype):
        return _fold(state, pc.run_end_decode(column))
    if pa.types.is_null(dtype):
        return kernel.fold_words(state, np.zeros(len(column), np.int64), np.zeros(len(column), np.uint8))
    if _is_bytes(dtype):
        return _fold_bytes(state, column)
    if pa.types.is_nested(dtype):
        return _fold_nested(state, column, dtype)
    valid = validity(column)
    for word in _words(column, dtype):
        kernel.fold_words(state, word, valid)


def _is_bytes(dtype: pa.DataType) -> bool:
    t = pa.types
    views = t.is_string_view(dtype) or t.is_binary_view(dtype)
    return bool(t.is_string(dtype) or t.is_large_string(dtype) or t.is_binary(dtype) or t.is_large_binary(dtype) or views)


def _fold_bytes(state: State, column: pa.Array) -> None:
    if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
        column = column.cast(pa.large_binary())
    wide = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    _, offsets_buffer, data = column.buffers()
    if not len(column):
        return
    raw = np.frombuffer(offsets_buffer, dtype=np.int64 if wide else np.int32)
    offsets = raw[column.offset : column.offset + len(column) + 1].astype(np.int64)
    bytes_ = np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, np.uint8)
    kernel.fold_bytes(state, offsets, bytes_, validity(column))


def _fold_nested(state: State, column: pa.Array, dtype: pa.DataType) -> None:
    """Structs fold as the fingerprint of their fields, lists and maps as the bytes of their items' fingerprints."""
    valid = validity(column)
    if pa.types.is_struct(dtype):
        inner = fingerprints([column.field(i) for i in range(dtype.num_fields)], len(column)) if dtype.num_fields else None
        for word in range(2 if inner is not None else 0):
            kernel.fold_words(state, np.ascontiguousarray(inner[:, word]), valid)  # type: ignore[index]
        return
    lengths = np.asarray(pc.fill_null(pc.list_value_length(_as_list(column)), 0)).astype(np.int64)
    items = _as_list(column).flatten()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) * 16
    kernel.fold_bytes(state, offsets, fingerprints([items], len(items)).view(np.uint8).reshape(-1), valid)


def _as_list(column: pa.Array) -> pa.Array:
    """Maps, fixed-size lists and list views as lists whose flattened items are the rows' items in order."""
    if pa.types.is_map(column.type):
        items = pa.StructArray.from_arrays([column.keys, column.items], names=["k", "v"])
        lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)), items)
    if pa.types.is_fixed_size_list(column.type):
        return column.cast(pa.list_(column.type.value_type))
    return column


def _words(column: pa.Array, dtype: pa.DataType) -> list[Ints]:
    """A fixed-width column as its 64-bit words, normalised so that equal values have equal words."""
    n = len(column)
    if pa.types.is_boolean(dtype):
        return [np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False)).astype(np.int64)]
    if pa.types.is_floating(dtype):
        values = _fixed(column, f"f{dtype.bit_width // 8}").astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        return [values.view(np.int64)]
    width = dtype.bit_width // 8
    if width <= 8 and not pa.types.is_fixed_size_binary(dtype):
        return [np.ascontiguousarray(_fixed(column, f"i{width}").astype(np.int64, copy=False))]
    raw = _fixed(column, f"V{width}") if width else np.empty(n, "V0")
    padded = np.zeros((n, -(-width // 8) * 8), dtype=np.uint8)
    padded[:, :width] = np.frombuffer(raw.tobytes(), dtype=np.uint8).reshape(n, width)
    words = padded.view(np.int64)
    return [np.ascontiguousarray(words[:, i]) for i in range(words.shape[1])]


def _fixed(column: pa.Array, dtype: str) -> npt.NDArray[np.generic]:
    """The values buffer of a fixed-width column as NumPy, without the slice's offset; NULLs hold anything."""
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.zeros(len(column), dtype=dtype)
    size = np.dtype(dtype).itemsize
    return np.frombuffer(buffer, dtype=dtype, count=len(column), offset=column.offset * size)
