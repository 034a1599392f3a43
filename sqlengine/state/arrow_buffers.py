"""Arrow arrays as NumPy arrays and back, without copies where the layout allows.

Why: state lives in NumPy arrays, data arrives and leaves as Arrow; every state file needs the same few conversions.
It must not know keys, slots or SQL.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.masks import present
from sqlengine.types import storage_type

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def plain(column: pa.Array) -> pa.Array:
    """The array without extension type, dictionary or run-end encoding."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if pa.types.is_run_end_encoded(column.type):
        return pc.run_end_decode(column)
    return column


def validity(column: pa.Array) -> Mask | None:
    """bool[n], true where a value is present, or None when no value is NULL."""
    if column.null_count == 0:
        return None
    return present(column)


def fixed(column: pa.Array, dtype: str) -> npt.NDArray[Any]:
    """The values of a fixed-width column (not bool), a view of its buffer; NULLs hold anything."""
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.zeros(len(column), dtype=dtype)
    return np.frombuffer(buffer, dtype=dtype, count=len(column), offset=column.offset * np.dtype(dtype).itemsize)


def bitmap(valid: Mask | None) -> pa.Buffer | None:
    """The Arrow validity buffer of a mask; None when all are valid."""
    if valid is None or valid.all():
        return None
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def from_fixed(values: npt.NDArray[np.generic], dtype: pa.DataType, valid: Mask | None = None) -> pa.Array:
    """An array of a fixed-width type (not bool) over the values' memory; one row of `values` per array element."""
    kept = np.ascontiguousarray(values)
    return pa.Array.from_buffers(dtype, len(kept), [bitmap(valid), pa.py_buffer(kept)])


def from_bools(values: Mask, valid: Mask | None = None) -> pa.Array:
    """A boolean array."""
    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [bitmap(valid), bits])


def from_ints(values: Ints, dtype: pa.DataType, valid: Mask | None = None) -> pa.Array:
    """An array of an integer, date, time or timestamp type of any width from its int64 values."""
    kind = "u" if pa.types.is_unsigned_integer(dtype) else "i"
    return from_fixed(values.astype(f"{kind}{dtype.bit_width // 8}", copy=False), dtype, valid)


def bytes_of(column: pa.Array) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """(offsets int32 or int64 [n + 1], data) of a string or binary column; NULL rows read as empty strings."""
    if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
        column = column.cast(pa.large_binary())
    if column.null_count:
        column = column.fill_null(b"" if _is_binary(column.type) else "")
    wide = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    kind = np.int64 if wide else np.int32
    _, offsets, data = column.buffers()
    if offsets is None or not len(column):
        return np.zeros(len(column) + 1, dtype=kind), np.empty(0, dtype=np.uint8)
    at = np.frombuffer(offsets, dtype=kind)[column.offset : column.offset + len(column) + 1]
    return at, np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)


def from_bytes(offsets: Ints, data: npt.NDArray[np.uint8], dtype: pa.DataType, valid: Mask | None = None) -> pa.Array:
    """A string or binary array of any layout over (offsets, data)."""
    binary = _is_binary(dtype)
    if offsets[-1] < 2**31 and (pa.types.is_string(dtype) or pa.types.is_binary(dtype)):
        at = pa.py_buffer(offsets.astype(np.int32))
        return pa.Array.from_buffers(dtype, len(offsets) - 1, [bitmap(valid), at, pa.py_buffer(data)])
    large = pa.large_binary() if binary else pa.large_string()
    buffers = [bitmap(valid), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(large, len(offsets) - 1, buffers).cast(dtype)


def _is_binary(dtype: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_binary(dtype) or t.is_large_binary(dtype) or t.is_binary_view(dtype))


def is_bytes_like(dtype: pa.DataType) -> bool:
    """True for text and variable-length binary of any layout."""
    t = pa.types
    text = t.is_string(dtype) or t.is_large_string(dtype) or t.is_string_view(dtype)
    return bool(text or _is_binary(dtype))


def list_parts(column: pa.Array) -> tuple[Ints, pa.Array]:
    """(offsets int64[n + 1] from 0, items) of a list, large list, fixed-size list or map column; NULL is empty."""
    if pa.types.is_map(column.type):
        column = _map_as_list(column)
    elif pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.list_(column.type.value_field))
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False))
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), column.flatten()


def _map_as_list(column: pa.Array) -> pa.Array:
    """A map column as list<struct<key, value>> over the same buffers."""
    entries = pa.list_(pa.struct([column.type.key_field, column.type.item_field]))
    items = pa.StructArray.from_arrays(
        [column.keys, column.items], fields=[column.type.key_field, column.type.item_field]
    )
    whole = (
        pa.Array.from_buffers(entries, len(column) + column.offset, column.buffers()[:2], children=[items])
        if not column.offset
        else None
    )
    return whole if whole is not None else _map_as_list(pa.concat_arrays([column, column[:0]]))


def from_list_parts(offsets: Ints, items: pa.Array, dtype: pa.DataType, valid: Mask | None = None) -> pa.Array:
    """A list-like array (list, large list, fixed-size list or map) of (offsets, items)."""
    mask = None if valid is None else pa.array(~valid)
    if pa.types.is_map(dtype):
        built = pa.MapArray.from_arrays(offsets.astype(np.int32), items.field(0), items.field(1), type=dtype)
        return built if mask is None else pc.if_else(mask, pa.scalar(None, dtype), built)
    if pa.types.is_fixed_size_list(dtype):
        return _fixed_size_list(offsets, items, dtype, valid)
    maker, kind = (pa.LargeListArray, np.int64) if pa.types.is_large_list(dtype) else (pa.ListArray, np.int32)
    return maker.from_arrays(pa.array(offsets.astype(kind)), items, type=dtype, mask=mask)


def _fixed_size_list(offsets: Ints, items: pa.Array, dtype: pa.DataType, valid: Mask | None) -> pa.Array:
    """NULL rows have no items in `items` but take `list_size` places in the array."""
    n, size = len(offsets) - 1, dtype.list_size
    at = np.full((n, size), -1, dtype=np.int64)
    present = np.ones(n, dtype=bool) if valid is None else valid
    at[present] = offsets[:-1][present, None] + np.arange(size)
    flat = at.reshape(-1)
    taken = items.take(pa.array(flat, mask=flat < 0))
    return pa.FixedSizeListArray.from_arrays(taken, type=dtype, mask=pa.array(~present))


def struct_array(columns: list[pa.Array], dtype: pa.DataType, n: int, valid: Mask | None = None) -> pa.Array:
    """A struct array of n rows from its fields' columns (which may be none)."""
    return pa.Array.from_buffers(dtype, n, [bitmap(valid)], children=columns)


def null_array(column_type: pa.DataType, n: int) -> pa.Array:
    """n NULLs of a type, extension types included."""
    nulls = pa.nulls(n, storage_type(column_type))
    return wrap(nulls, column_type)


def wrap(storage: pa.Array, dtype: pa.DataType) -> pa.Array:
    """A storage array as its extension type; other types as they are."""
    if isinstance(dtype, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(dtype, storage)
    return storage
