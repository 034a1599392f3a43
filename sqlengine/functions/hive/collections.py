"""Arrays, maps and structs by Hive's rules: places count from 0, and there is NULL where there is nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.hive.lists import (
    Ints,
    element_codes,
    element_order,
    flat,
    map_entries,
    one_of_rows,
    pair_codes,
    relisted,
    row_nulls,
)
from sqlengine.functions.registry import Function, Kernel, scalar
from sqlengine.functions.signature import Arg


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


# ---------------------------------------------------------------- sizes and searching


@scalar("hive$size(c any) -> integer", "how many elements; -1 of NULL", broadcast=True, strict=False)
def size(c: pa.Array) -> pa.Array:
    if pa.types.is_null(c.type):
        return pa.repeat(pa.scalar(-1, pa.int32()), len(c))
    return pc.fill_null(_lengths(c), -1).cast(pa.int32())


def _lengths(c: pa.Array) -> pa.Array:
    if not pa.types.is_map(c.type):
        return pc.list_value_length(c)
    counts = np.diff(c.offsets.to_numpy())
    return pa.array(counts, pa.int32(), mask=row_nulls(c))


@scalar(
    "hive$array_contains(a anyarray, x anyelement) -> boolean",
    "whether an element is in the array; false for NULL",
    broadcast=True,
    strict=False,
)
def array_contains(a: pa.Array, x: pa.Array) -> pa.Array:
    return pc.greater(pc.fill_null(_position(a, x), 0), 0)


@scalar(
    "hive$array_position(a anyarray, x anyelement) -> integer",
    "the place of an element counted from 1, 0 when it is not there",
    broadcast=True,
)
def array_position(a: pa.Array, x: pa.Array) -> pa.Array:
    return _position(a, x)


def _position(a: pa.Array, x: pa.Array) -> pa.Array:
    """Counted from 1; NULL when either is NULL."""
    parents, values, places = flat(a)
    mine, wanted = pair_codes(values, x)
    hit = mine == wanted[parents]
    out = np.zeros(len(a), np.int32)
    rows, first = np.unique(parents[hit], return_index=True)
    out[rows] = places[hit][first] + 1
    return pa.array(out, pa.int32(), mask=row_nulls(a, x))


def _extreme(least: bool) -> Kernel:
    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        def kernel(a: pa.Array) -> pa.Array:
            parents, values, _ = flat(a)
            known = pc.is_valid(values).to_numpy(zero_copy_only=False)
            rank = element_order(values)
            order = np.lexsort((rank if least else -rank, parents))
            order = order[known[order]]
            rows, first = np.unique(parents[order], return_index=True)
            return one_of_rows(values, rows, order[first], len(a), result)

        return kernel

    return make


array_min = scalar(
    "hive$array_min(a anyarray) -> anyelement", "the least element; NULL of none", factory=True, broadcast=True
)(_extreme(True))
array_max = scalar(
    "hive$array_max(a anyarray) -> anyelement", "the greatest element; NULL of none", factory=True, broadcast=True
)(_extreme(False))


# ---------------------------------------------------------------- arrays made of arrays


def array_function(
    name: str, params: str, description: str, choose: Callable[..., tuple[Ints, pa.Array]], **options: Any
) -> Function:
    """A function whose array is made of chosen elements: `choose` gives (row of each element, elements).

    Where it is not strict the first argument alone decides on NULL."""

    def make(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        def kernel(*args: pa.Array) -> pa.Array:
            parents, values = choose(*args)
            decisive = args if options.get("strict", True) else args[:1]
            return relisted(parents, values, len(args[0]), result, row_nulls(*decisive))

        return kernel

    return scalar(f"hive${name}({params}) -> anyarray", description, factory=True, broadcast=True, **options)(make)


def _firsts(parents: Ints, codes: Ints) -> Ints:
    """The places of each row's first elements of a kind, in order."""
    pairs = np.stack([parents, codes], axis=1) if len(parents) else np.empty((0, 2), np.int64)
    _, first = np.unique(pairs, axis=0, return_index=True)
    return np.sort(first)


def _distinct(a: pa.Array) -> tuple[Ints, pa.Array]:
    parents, values, _ = flat(a)
    kept = _firsts(parents, element_codes(values))
    return parents[kept], values.take(pa.array(kept))


def _union(a: pa.Array, b: pa.Array) -> tuple[Ints, pa.Array]:
    (one, left, _), (two, right, _) = flat(a), flat(b)
    parents, values = np.concatenate([one, two]), pa.concat_arrays([left, right.cast(left.type)])
    order = np.argsort(parents, kind="stable")
    kept = order[_firsts(parents[order], element_codes(values)[order])]
    return parents[kept], values.take(pa.array(kept))


def _among(a: pa.Array, b: pa.Array, wanted: bool) -> tuple[Ints, pa.Array]:
    """Each element of `a` once, where `b` has it or has it not."""
    (one, left, _), (two, right, _) = flat(a), flat(b)
    codes, others = pair_codes(left, right)
    width = int(max(codes.max(initial=0), others.max(initial=0))) + 1
    inside = np.isin(one * width + codes, two * width + others)
    chosen = np.flatnonzero(inside == wanted)
    kept = chosen[_firsts(one[chosen], codes[chosen])]
    return one[kept], left.take(pa.array(kept))


def _removed(a: pa.Array, x: pa.Array) -> tuple[Ints, pa.Array]:
    parents, values, _ = flat(a)
    mine, wanted = pair_codes(values, x)
    kept = np.flatnonzero(mine != wanted[parents])
    return parents[kept], values.take(pa.array(kept))


def _slice(a: pa.Array, start: pa.Array, length: pa.Array) -> tuple[Ints, pa.Array]:
    """From a place counted from 0; nothing when the end lies behind the array's."""
    parents, values, places = flat(a)
    low = pc.fill_null(start, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    high = low + pc.fill_null(length, 0).to_numpy(zero_copy_only=False)
    sizes = np.bincount(parents, minlength=len(a))
    good = (low >= 0) & (high <= sizes)
    kept = np.flatnonzero(good[parents] & (places >= low[parents]) & (places < high[parents]))
    return parents[kept], values.take(pa.array(kept))


def _appended(a: pa.Array, x: pa.Array) -> tuple[Ints, pa.Array]:
    parents, values, _ = flat(a)
    rows = np.flatnonzero(pc.is_valid(a).to_numpy(zero_copy_only=False))
    parents = np.concatenate([parents, rows])
    both = pa.concat_arrays([values, x.take(pa.array(rows)).cast(values.type)])
    order = np.argsort(parents, kind="stable")
    return parents[order], both.take(pa.array(order))


def in_order(a: pa.Array, nulls_last: bool = False) -> tuple[Ints, pa.Array]:
    """(row of each element, elements) in ascending order row by row."""
    parents, values, _ = flat(a)
    ranks = element_order(values)
    if nulls_last:
        ranks = np.where(pc.is_null(values).to_numpy(zero_copy_only=False), len(values), ranks)
    order = np.lexsort((ranks, parents))
    return parents[order], values.take(pa.array(order))


array_distinct = array_function(
    "array_distinct", "a anyarray", "each element once, in order of its first place", _distinct
)
array_union = array_function("array_union", "a anyarray, b anyarray", "each element of either once", _union)
array_intersect = array_function(
    "array_intersect", "a anyarray, b anyarray", "each element of both once", lambda a, b: _among(a, b, True)
)
array_except = array_function(
    "array_except", "a anyarray, b anyarray", "each element of a once that b has not", lambda a, b: _among(a, b, False)
)
array_remove = array_function("array_remove", "a anyarray, x anyelement", "the array without an element", _removed)
array_slice = array_function(
    "array_slice", "a anyarray, start integer, n integer", "n elements from a place counted from 0", _slice
)
array_append = array_function(
    "array_append", "a anyarray, x anyelement", "the array and one more", _appended, strict=False
)
array_sort = array_function(
    "array_sort", "a anyarray", "the elements in ascending order, NULL last (Spark)", lambda a: in_order(a, True)
)
sort_array = array_function("sort_array", "a anyarray", "the elements in ascending order, NULL first", in_order)


@scalar(
    "hive$array_join(a text[], separator text) -> text;hive$array_join(a text[], separator text, missing text) -> text",
    "the elements as one text; NULL of none, elements that are NULL left out or replaced",
    broadcast=True,
    strict=False,
)
def array_join(a: pa.Array, separator: pa.Array, missing: pa.Array | None = None) -> pa.Array:
    parents, values, _ = flat(a)
    if missing is not None:
        values = pc.coalesce(values, missing.take(pa.array(parents)))
    kept = np.flatnonzero(pc.is_valid(values).to_numpy(zero_copy_only=False))
    lists = relisted(parents[kept], values.take(pa.array(kept)), len(a), pa.list_(pa.string()), None)
    joined = pc.binary_join(lists, separator)
    empty = pc.equal(pc.fill_null(pc.list_value_length(a), 0), 0)
    return pc.if_else(empty, pa.scalar(None, pa.string()), joined)


def _sort_by(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(a: pa.Array, *names: pa.Array) -> pa.Array:
        parents, values, _ = flat(a)
        words = [n[0].as_py() for n in names] if len(a) else []
        down = bool(words) and words[-1].upper() in ("ASC", "DESC") and words.pop().upper() == "DESC"
        keys = [element_order(values.field(_field_of(values.type, word))) for word in reversed(words)]
        order = np.lexsort([*(-key if down else key for key in keys), parents])
        return relisted(parents[order], values.take(pa.array(order)), len(a), result, row_nulls(a))

    return kernel


def _field_of(kind: pa.DataType, name: str) -> str:
    return next(f.name for f in kind if f.name.lower() == name.lower())


sort_array_by = scalar(
    "hive$sort_array_by_fields(a anyarray, VARIADIC names text) -> anyarray",
    "an array of structs in order of fields, ASC or DESC",
    factory=True,
    broadcast=True,
)(_sort_by)


# ---------------------------------------------------------------- maps


def _make_map(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    """Of a key's values the last counts, at the place of the first; a NULL is no key."""

    def kernel(keys: pa.ListArray, values: pa.ListArray) -> pa.Array:
        parents, names, _ = flat(keys)
        _, held, _ = flat(values)
        codes = element_codes(names)
        known = np.flatnonzero(pc.is_valid(names).to_numpy(zero_copy_only=False))
        first = known[_firsts(parents[known], codes[known])]
        backwards = known[::-1]
        last = np.sort(backwards[_firsts(parents[backwards], codes[backwards])])
        by_key = last[np.lexsort((codes[last], parents[last]))]
        place = np.empty(len(first), np.int64)
        place[np.lexsort((codes[first], parents[first]))] = by_key
        offsets = np.concatenate([[0], np.cumsum(np.bincount(parents[first], minlength=len(keys)))]).astype(np.int32)
        made = pa.MapArray.from_arrays(pa.array(offsets), names.take(pa.array(first)), held.take(pa.array(place)))
        return made.cast(result)

    return kernel


make_map = scalar(
    "hive$make_map(keys any, vals any) -> any",
    "a map of keys and values side by side",
    factory=True,
    broadcast=True,
)(_make_map)


def _map_part(keys: bool) -> Function:
    name, what = ("map_keys", "keys") if keys else ("map_values", "values")

    def result(args: Sequence[Arg]) -> pa.DataType:
        kind = args[0].type
        if not pa.types.is_map(kind):
            return pa.list_(pa.string())
        return pa.list_(kind.key_type if keys else kind.item_type)

    def make(arg_types: Sequence[pa.DataType], made: pa.DataType) -> Kernel:
        if not pa.types.is_map(arg_types[0]):
            return lambda m: pa.nulls(len(m), made)
        return lambda m: pa.ListArray.from_arrays(
            m.offsets, m.keys if keys else m.items, type=made, mask=pc.is_null(m) if m.null_count else None
        )

    return scalar(
        f"hive${name}(m any) -> any", f"the {what} of a map", factory=True, broadcast=True, result_type=result
    )(make)


map_keys = _map_part(True)
map_values = _map_part(False)


def _lookup(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(m: pa.MapArray, key: pa.Array) -> pa.Array:
        rows, place = _found(m, key)
        return one_of_rows(m.items, rows, place, len(m), result)

    return kernel


def _found(m: pa.MapArray, key: pa.Array) -> tuple[Ints, Ints]:
    """(rows that have their key, its place among all entries)."""
    parents, places = map_entries(m)
    names = m.keys.take(pa.array(places, pa.int64()))
    mine, wanted = pair_codes(names, key)
    hit = (mine == wanted[parents]) & pc.is_valid(names).to_numpy(zero_copy_only=False)
    rows, first = np.unique(parents[hit], return_index=True)
    return rows, places[hit][first]


map_item = scalar(
    "hive$map_item(m any, key any) -> any",
    "the value of a key, NULL when it is not there",
    factory=True,
    broadcast=True,
)(_lookup)


@scalar("hive$map_contains_key(m any, key any) -> boolean", "whether a map has a key", broadcast=True)
def map_contains_key(m: pa.Array, key: pa.Array) -> pa.Array:
    out = np.zeros(len(m), bool)
    out[_found(m, key)[0]] = True
    return pa.array(out, mask=row_nulls(m, key))
