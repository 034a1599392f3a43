"""Arrow arrays from outside as arrays of the types of types.py, ready for CAST to a column's type.

Rows of Python dictionaries, frames and files bring types that SQL has no name for, and structs whose fields stand in
another order: those are matched by name. Nothing here converts between types of SQL.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sqlengine.errors import DatatypeMismatch
from sqlengine.functions.arrays_of import int64s, interval_array, nulls
from sqlengine.functions.casting import cast_kernel
from sqlengine.types import nearest, storage_type


def aligned(array: pa.Array, target: pa.DataType) -> pa.Array:
    """The array under the nearest type of ours, in the shape of `target` where it is nested.

    Nanoseconds lose what is below a microsecond. A struct becomes a map of its fields that are not NULL. Raises
    DatatypeMismatch (42804) for a field that `target` does not have, pyarrow's errors for values that do not fit.
    """
    dtype = array.type
    if dtype == target:
        return array
    if pa.types.is_dictionary(dtype):
        return aligned(array.dictionary_decode(), target)
    if pa.types.is_duration(dtype):
        return interval_array(0, 0, int64s(array.cast(pa.duration("us"), safe=False)), nulls(array))
    if pa.types.is_struct(dtype) and pa.types.is_struct(target):
        return _struct(array, target)
    if pa.types.is_struct(dtype) and pa.types.is_map(target):
        return _map_of_fields(array, target)
    if (pa.types.is_list(dtype) or pa.types.is_large_list(dtype)) and pa.types.is_list(target):
        return _list(array.cast(pa.list_(dtype.value_type)), target)
    near = nearest(dtype)
    if near is None or near == dtype:
        return array
    plain = array.storage if isinstance(array, pa.ExtensionArray) else array
    return plain.cast(near, safe=not (pa.types.is_timestamp(dtype) and dtype.unit == "ns"))


def _list(array: pa.ListArray, target: pa.DataType) -> pa.Array:
    if not len(array):
        return pa.array([], pa.list_(aligned(array.values[:0], target.value_type).type))
    ends = array.offsets.to_numpy()
    values = aligned(array.values[ends[0] : ends[-1]], target.value_type)
    return pa.ListArray.from_arrays(pa.array(ends - ends[0]), values, mask=_mask(array))


def _struct(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Fields by name if the two have one in common, else by position."""
    names = [f.name for f in array.type]
    wanted = [f.name for f in target]
    children = [array.field(i) for i in range(len(names))]
    if not set(names) & set(wanted):
        if len(names) != len(wanted):
            raise DatatypeMismatch(f"a row of {len(names)} fields is given, and one of {len(wanted)} expected")
        made = [aligned(child, f.type) for child, f in zip(children, target, strict=True)]
    else:
        for name in names:
            if name not in wanted:
                raise DatatypeMismatch(f'there is no field "{name}"', hint=f"the fields are {', '.join(wanted)}")
        given = dict(zip(names, children, strict=True))
        made = [
            aligned(given[f.name], f.type) if f.name in given else pa.nulls(len(array), storage_type(f.type))
            for f in target
        ]
    fields = [pa.field(name, child.type) for name, child in zip(wanted, made, strict=True)]
    return pa.StructArray.from_arrays(made, fields=fields, mask=_mask(array))


def _map_of_fields(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Python dictionaries arrive as structs of all the keys there are."""
    count, rows = array.type.num_fields, len(array)
    items = []
    for child in (array.field(i) for i in range(count)):
        near = aligned(child, target.item_type)
        items.append(cast_kernel(near.type, target.item_type)(near))
    present = np.array([item.is_valid().to_numpy(zero_copy_only=False) for item in items], dtype=bool)
    present = present.reshape(count, rows) & array.is_valid().to_numpy(zero_copy_only=False)
    row, field = np.nonzero(present.T)
    values = pa.concat_arrays(items).take(pa.array(field * rows + row)) if items else pa.array([], target.item_type)
    texts = pa.array([f.name for f in array.type], pa.string()).take(pa.array(field))
    keys = cast_kernel(texts.type, target.key_type)(texts)
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=0))]).astype(np.int32)
    return pa.MapArray.from_arrays(pa.array(offsets), keys, values, mask=_mask(array)).cast(target)


def _mask(array: pa.Array) -> pa.Array | None:
    return array.is_null() if array.null_count else None
