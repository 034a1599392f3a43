"""Arrays, maps and structs by Hive's rules: places count from 0, and there is NULL where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.registry import Kernel, scalar


def _array_item(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(arrays: pa.ListArray, index: pa.Array) -> pa.Array:
        lengths = pc.fill_null(pc.list_value_length(arrays), 0).to_numpy(zero_copy_only=False)
        places = pc.fill_null(index, -1).to_numpy(zero_copy_only=False)
        starts = arrays.offsets.to_numpy()[:-1]
        inside = (places >= 0) & (places < lengths)
        at = pa.array(np.where(inside, starts + places, 0), pa.int64(), mask=~inside)
        return arrays.values.take(at) if len(arrays.values) else pa.nulls(len(arrays), result)

    return kernel


array_item = scalar(
    "hive$array_item(a anyarray, i bigint) -> anyelement",
    "the element at a place counted from 0",
    factory=True,
    broadcast=True,
)(_array_item)


def _each_field(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(arrays: pa.ListArray, name: pa.Array) -> pa.Array:
        field = arrays.values.field(name[0].as_py()) if len(arrays) else pa.nulls(0, result.value_type)
        structs = arrays.values
        values = pc.if_else(pc.is_valid(structs), field, pa.scalar(None, field.type)) if structs.null_count else field
        mask = pc.is_null(arrays) if arrays.null_count else None
        return pa.ListArray.from_arrays(arrays.offsets, values, type=result, mask=mask)

    return kernel


each_field = scalar(
    "hive$each_field(a anyarray, field text) -> anyarray", "a field of each struct", factory=True, broadcast=True
)(_each_field)


def _make_map(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(keys: pa.ListArray, values: pa.ListArray) -> pa.Array:
        return pa.MapArray.from_arrays(keys.offsets, keys.values, values.values).cast(result)

    return kernel


make_map = scalar(
    "hive$make_map(keys any, vals any) -> any",
    "a map of keys and values side by side",
    factory=True,
    broadcast=True,
)(_make_map)
