"""Arrays of rows, which functions of many rows unnest: of maps, of arrays with their places, of one row repeated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.hive.lists import flat, relisted, row_nulls
from sqlengine.functions.registry import Function, Kernel, scalar


def _rows(name: str, numbered: bool, of_map: bool, description: str) -> Function:
    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        def kernel(a: pa.Array) -> pa.Array:
            lists = _entries(a) if of_map else a
            parents, values, places = flat(lists)
            columns = [values.field(0), values.field(1)] if of_map else [values]
            if numbered:
                columns = [pa.array(places.astype(np.int32)), *columns]
            structs = pa.StructArray.from_arrays(columns, fields=list(result.value_type))
            return relisted(parents, structs, len(a), result, row_nulls(a))

        return kernel

    return scalar(f"hive${name}(a any) -> any", description, factory=True, broadcast=True)(make)


def _entries(m: pa.MapArray) -> pa.ListArray:
    """A map as the array of its entries, structs key and value."""
    entries = pa.StructArray.from_arrays([m.keys, m.items], ["key", "value"])
    return pa.ListArray.from_arrays(m.offsets, entries, mask=pc.is_null(m) if m.null_count else None)


explode_map_rows = _rows("explode_map_rows", False, True, "the entries of a map as rows")
posexplode_rows = _rows("posexplode_rows", True, False, "the elements of an array with their places, from 0")
posexplode_map_rows = _rows("posexplode_map_rows", True, True, "the entries of a map with their places, from 0")


def _repeated(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(row: pa.Array, count: pa.Array) -> pa.Array:
        times = np.maximum(pc.fill_null(count, 0).to_numpy(zero_copy_only=False), 0)
        parents = np.repeat(np.arange(len(row)), times)
        return relisted(parents, row.take(pa.array(parents, pa.int64())), len(row), result, None)

    return kernel


repeated = scalar("hive$repeated(x any, n bigint) -> any", "an array of one row n times", factory=True, broadcast=True)(
    _repeated
)
