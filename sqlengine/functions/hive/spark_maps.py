"""Maps by Spark's rules: a key is not NULL and there once, anything else is an error (spark.sql.mapKeyDedupPolicy).

Spark's Built-in Functions: Map Functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.hive.lists import (
    Ints,
    Mask,
    element_codes,
    flat,
    map_entries,
    offsets_of,
    relisted,
    row_nulls,
)
from sqlengine.functions.hive.spark_arrays import check_rows, wrong
from sqlengine.functions.registry import Kernel, scalar


def _mapped(
    parents: Ints, keys: pa.Array, items: pa.Array, rows: int, kind: pa.MapType, unknown: Mask | None
) -> pa.Array:
    """Maps of entries whose rows ascend; entries of rows that are unknown are dropped."""
    if unknown is not None:
        kept = np.flatnonzero(~unknown[parents])
        parents, keys, items = parents[kept], keys.take(pa.array(kept)), items.take(pa.array(kept))
    if keys.null_count:
        raise wrong("a key of a map must not be NULL")
    pairs = np.stack([parents, element_codes(keys)], axis=1)
    if len(np.unique(pairs, axis=0)) < len(pairs):
        raise wrong("a map must not have a key twice")
    return pa.MapArray.from_arrays(
        offsets_of(parents, rows, unknown), keys.cast(kind.key_type), items.cast(kind.item_type), type=kind
    )


def _from_arrays(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(keys: pa.Array, items: pa.Array) -> pa.Array:
        (parents, names, _), (others, values, _) = flat(keys), flat(items)
        unknown = row_nulls(keys, items)
        odd = np.bincount(parents, minlength=len(keys)) != np.bincount(others, minlength=len(keys))
        check_rows(odd, "a map takes as many keys as values", unknown)
        if unknown is not None:
            values = values.filter(pa.array(~unknown[others]))
            kept = ~unknown[parents]
            parents, names = parents[kept], names.filter(pa.array(kept))
        return _mapped(parents, names, values, len(keys), result, unknown)

    return kernel


map_from_arrays = scalar(
    "hive$map_of_arrays(keys any, items any) -> any",
    "a map of an array of keys and one of values",
    factory=True,
    broadcast=True,
    can_raise=True,
)(_from_arrays)


def _from_entries(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    """NULL where an entry is NULL."""

    def kernel(entries: pa.Array) -> pa.Array:
        parents, structs, _ = flat(entries)
        unknown = pc.is_null(entries).to_numpy(zero_copy_only=False).copy()
        unknown[parents[pc.is_null(structs).to_numpy(zero_copy_only=False)]] = True
        keys, items = structs.flatten()
        return _mapped(parents, keys, items, len(entries), result, unknown if unknown.any() else None)

    return kernel


map_from_entries = scalar(
    "hive$map_of_entries(entries any) -> any",
    "a map of an array of structs, key and value; NULL when one of them is NULL",
    factory=True,
    broadcast=True,
    can_raise=True,
)(_from_entries)


def _entries(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(m: pa.MapArray) -> pa.Array:
        parents, places = map_entries(m)
        columns = [part.take(pa.array(places)) for part in (m.keys, m.items)]
        structs = pa.StructArray.from_arrays(columns, fields=list(result.value_type))
        return relisted(parents, structs, len(m), result, row_nulls(m))

    return kernel


entries_of_map = scalar(
    "hive$entries_of_map(m any) -> any", "the entries of a map as an array of structs", factory=True, broadcast=True
)(_entries)


def _concat(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(*maps: pa.MapArray) -> pa.Array:
        found = [map_entries(m) for m in maps]
        parents = np.concatenate([rows for rows, _ in found])
        taken = [(m, pa.array(places)) for m, (_, places) in zip(maps, found, strict=True)]
        keys = pa.concat_arrays([m.keys.take(places) for m, places in taken])
        items = pa.concat_arrays([m.items.take(places) for m, places in taken])
        order = np.argsort(parents, kind="stable")
        rows = pa.array(order)
        return _mapped(parents[order], keys.take(rows), items.take(rows), len(maps[0]), result, row_nulls(*maps))

    return kernel


map_concat = scalar(
    "hive$joined_maps(VARIADIC maps any) -> any",
    "the entries of all maps as one map",
    factory=True,
    broadcast=True,
    can_raise=True,
)(_concat)
