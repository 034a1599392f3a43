"""Functions of arrays, structs and maps.  Array positions count from 1; beyond the ends is NULL."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.functions.arrays_of import nulls
from sqlengine.functions.operators import comparison_kernel
from sqlengine.functions.registry import Kernel, Value, declare, scalar


def _lengths(a: pa.Array) -> np.ndarray:
    return np.diff(a.offsets.to_numpy()).astype(np.int64)


def _elements_at(a: pa.Array, i: pa.Array) -> pa.Array:
    """The element at place i of each array, NULL beyond the ends."""
    index = pc.fill_null(i, 0).to_numpy(zero_copy_only=False)
    inside = (index >= 1) & (index <= _lengths(a))
    missing = nulls(a, i)
    if missing is not None:
        inside &= ~missing
    starts = a.offsets.to_numpy()[:-1]
    rows = pa.array(np.where(inside, starts + index - 1, 0), mask=~inside)
    return a.values.take(rows) if len(a.values) else pa.nulls(len(a), a.type.value_type)


array_get = scalar(
    "array_get(a anyarray, i bigint) -> anyelement",
    "the i-th element, NULL beyond the ends",
    example="(ARRAY[10, 20])[2] = 20",
    operator="[]",
    duck="{0}[CASE WHEN {1} > 0 THEN {1} END]",
    broadcast=True,
)(_elements_at)


@scalar(
    "array_length(a anyarray, dimension integer) -> integer",
    "how many elements a dimension has; NULL for an empty array and for a dimension that is not there",
    example="array_length(ARRAY[1, 2], 1) = 2",
    constant_args=(1,),
    duck="nullif(array_size_at({0}, {1}), 0)::INTEGER",
    broadcast=True,
)
def array_length(a: pa.Array, dimension: pa.Array) -> Value:
    levels = dimension[0].as_py() if len(dimension) else None
    first = pa.array(np.ones(len(a), np.int64))
    while levels is not None and levels > 1 and pa.types.is_list(a.type):
        a, levels = _elements_at(a, first), levels - 1
    if levels != 1 or not pa.types.is_list(a.type):
        return pa.nulls(len(a), pa.int32())
    size = pc.list_value_length(a)
    return pc.if_else(pc.equal(size, 0), pa.scalar(None, pa.int32()), size)


array_size = scalar(
    "array_length(a anyarray) -> integer",
    "how many elements, 0 for an empty array",
    example="array_length(ARRAY[1, 2]) = 2",
    aliases=("len", "array_size", "size"),
    duck="len({0})::INTEGER",
)(lambda a: pc.list_value_length(a))


@scalar(
    "cardinality(a anyarray) -> integer",
    "how many elements, those of all dimensions together; 0 for an empty array",
    example="cardinality(ARRAY[ARRAY[1, 2], ARRAY[3, 4]]) = 4",
    broadcast=True,
)
def cardinality(a: pa.Array) -> pa.Array:
    missing = nulls(a)
    return pa.array(_elements(a).astype(np.int32), mask=missing)


def _elements(a: pa.Array) -> np.ndarray:
    """How many elements that are no arrays each array has, 0 for NULL."""
    sizes = pc.fill_null(pc.list_value_length(a), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    if not pa.types.is_list(a.type.value_type):
        return sizes
    up_to = np.concatenate(([0], np.cumsum(_elements(a.flatten()))))
    edges = np.concatenate(([0], np.cumsum(sizes)))
    return np.asarray(up_to[edges[1:]] - up_to[edges[:-1]])


array_or_empty = scalar(
    "array_or_empty(a anyarray) -> anyarray",
    "the array, or an empty one in place of NULL",
    example="cardinality(array_or_empty(CAST(NULL AS INTEGER[]))) = 0",
    strict=False,
    duck="coalesce({0}, [])",
)(lambda a: pc.coalesce(a, pa.scalar([], a.type)))


element = declare(
    "element(a anyarray) -> anyelement",
    "the only element; NULL of an empty array, an error of one with several (Flink)",
    example="element(ARRAY[7]) = 7",
    can_raise=True,
    duck="CASE WHEN len({0}) > 1 THEN error('element takes an array of one element') ELSE {0}[1] END",
)
array_sort_by = declare(
    "array_sort(a anyarray, ascending boolean) -> anyarray",
    "the elements in order, NULLs first where it ascends and last where it does not (Flink)",
    example="array_sort(ARRAY[1, 3, NULL], false) = ARRAY[3, 1, NULL]",
    duck="CASE WHEN {1} THEN list_sort({0}, 'ASC', 'NULLS FIRST') "
    "WHEN NOT {1} THEN list_sort({0}, 'DESC', 'NULLS LAST') END",
)
array_sort_nulls = declare(
    "array_sort(a anyarray, ascending boolean, nulls_first boolean) -> anyarray",
    "the elements in order, NULLs where it says (Flink)",
    example="array_sort(ARRAY[1, 3, NULL], false, true) = ARRAY[NULL, 3, 1]",
    duck="CASE WHEN {1} AND {2} THEN list_sort({0}, 'ASC', 'NULLS FIRST') "
    "WHEN {1} AND NOT {2} THEN list_sort({0}, 'ASC', 'NULLS LAST') "
    "WHEN NOT {1} AND {2} THEN list_sort({0}, 'DESC', 'NULLS FIRST') "
    "WHEN NOT {1} AND NOT {2} THEN list_sort({0}, 'DESC', 'NULLS LAST') END",
)
array_fill = declare(
    "array_fill(x anyelement, dims integer[]) -> anyarray",
    "an array of as many copies of a value as it says; of several dimensions where they are written out",
    example="array_fill(7, ARRAY[3]) = ARRAY[7, 7, 7]",
    strict=False,
    can_raise=True,
    duck="CASE WHEN {1} IS NULL THEN error('dimension array or low bound array cannot be null') "
    "WHEN {1}[1] IS NULL THEN error('dimension values cannot be null') "
    "WHEN {1}[1] NOT BETWEEN 0 AND 134217727 THEN error('array size exceeds the maximum allowed (134217727)') "
    "WHEN len({1}) <> 1 THEN error('array_fill takes several dimensions as ARRAY[...] only') "
    "ELSE list_transform(range({1}[1]), lambda fill_at: {0}) END",
)


def _array_kernel(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    """Interleave n columns of one type into arrays of n elements."""

    def kernel(*items: pa.Array) -> pa.Array:
        width, rows = len(items), len(items[0])
        order = (np.arange(rows)[:, None] + rows * np.arange(width)[None, :]).ravel()
        values = pa.concat_arrays(items).take(pa.array(order))
        return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * width), values).cast(result)

    return kernel


array_literal = scalar(
    "array(VARIADIC items anyelement) -> anyarray",
    "an array of the arguments",
    example="cardinality(ARRAY[1, 2, 3]) = 3",
    operator="array[]",
    duck="[{*}]",
    strict=False,
    factory=True,
    broadcast=True,
    aliases=("list_value",),
)(_array_kernel)


def _row_kernel(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    fields = list(result)
    return lambda *items: pa.StructArray.from_arrays(list(items), fields=fields)


row = scalar(
    "row(VARIADIC items any) -> any",
    "a struct of the arguments",
    example="(ROW(1, 'a')).f2 = 'a'",
    operator="row()",
    duck="row({*})",
    strict=False,
    factory=True,
    broadcast=True,
)(_row_kernel)


@scalar(
    "struct_field(s any, name text) -> any",
    "a field of a struct",
    example="(ROW(1, 'a')).f1 = 1",
    operator=".",
    duck="struct_extract({0}, {1})",
    constant_args=(1,),
)
def struct_field(s: Value, name: Value) -> Value:
    return pc.struct_field(s, name.as_py())


def _map_kernel(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    return lambda m, key: pc.map_lookup(m, query_key=key, occurrence="first")


map_get = scalar(
    "map_get(m any, key any) -> any",
    "the value of a key in a map, NULL when it is not there",
    operator="map[]",
    duck="{0}[{1}]",
    factory=True,
    constant_args=(1,),
)(_map_kernel)


@scalar(
    "array_contains(a anyarray, item anyelement) -> boolean",
    "whether an element is in the array",
    example="array_contains(ARRAY[1, 2], 2)",
    aliases=("list_contains",),
    duck="list_contains({0}, {1})",
    strict=False,
    broadcast=True,
)
def array_contains(a: pa.Array, item: pa.Array) -> pa.Array:
    flat = pc.list_flatten(a)
    parents = pc.list_parent_indices(a)
    equal = comparison_kernel("eq", [flat.type])
    same = pc.fill_null(equal(flat, item.take(parents)), False).to_numpy(zero_copy_only=False)
    found = np.zeros(len(a), dtype=bool)
    found[parents.to_numpy()[same]] = True
    # Nothing is in an empty array, not even what is not known.
    empty = pc.fill_null(pc.equal(pc.list_value_length(a), 0), False).to_numpy(zero_copy_only=False)
    unknown = nulls(a, item)
    return pa.array(found, mask=None if unknown is None else unknown & ~empty)


array_position = declare(
    "array_position(a anyarray, item anyelement) -> integer",
    "where an element first is, NULL when it is not",
    example="array_position(ARRAY['a', 'b'], 'b') = 2",
    duck="nullif(list_position({0}, {1}), 0)::INTEGER",
)
array_append = declare(
    "array_append(a anyarray, item anyelement) -> anyarray",
    "the array with one element more at the end",
    strict=False,
    example="array_append(ARRAY[1], 2) = ARRAY[1, 2]",
    duck="list_append({0}, {1})",
)
array_prepend = declare(
    "array_prepend(item anyelement, a anyarray) -> anyarray",
    "the array with one element more at the start",
    strict=False,
    example="array_prepend(1, ARRAY[2]) = ARRAY[1, 2]",
    duck="list_prepend({0}, {1})",
)
array_cat = declare(
    "array_cat(a anyarray, b anyarray) -> anyarray",
    "both arrays joined (also written ||)",
    strict=False,
    example="ARRAY[1] || ARRAY[2] = ARRAY[1, 2]",
    # Each side is spelt once: chains of || would double with every link.
    duck="list_transform([{{'a': {0}, 'b': {1}}}], lambda two: CASE WHEN two.a IS NOT NULL OR two.b IS NOT NULL "
    "THEN list_concat(two.a, two.b) END)[1]",
    aliases=("array_concat",),
)
array_remove = declare(
    "array_remove(a anyarray, item anyelement) -> anyarray",
    "the array without an element",
    example="array_remove(ARRAY[1, 2], 1) = ARRAY[2]",
    duck="CASE WHEN {0} IS NOT NULL THEN list_filter({0}, lambda x: x IS DISTINCT FROM {1}) END",
)
array_distinct = declare(
    "array_distinct(a anyarray) -> anyarray",
    "each element once, in no particular order",
    example="cardinality(array_distinct(ARRAY[1, 1])) = 1",
    duck="list_distinct({0})",
)
array_sort = declare(
    "array_sort(a anyarray) -> anyarray",
    "the elements in order",
    example="array_sort(ARRAY[2, 1]) = ARRAY[1, 2]",
    duck="list_sort({0}, 'ASC', 'NULLS LAST')",
    aliases=("sort_array",),
)
array_reverse = declare(
    "array_reverse(a anyarray) -> anyarray",
    "the elements from last to first",
    example="array_reverse(ARRAY[1, 2]) = ARRAY[2, 1]",
    duck="list_reverse({0})",
)


array_overlaps = declare(
    "array_overlaps(a anyarray, b anyarray) -> boolean",
    "whether both have an element in common",
    example="array_overlaps(ARRAY[1, 2], ARRAY[2])",
    duck="list_has_any({0}, {1})",
    aliases=("list_has_any", "arrays_overlap"),
)
array_includes = declare(
    "array_includes(a anyarray, b anyarray) -> boolean",
    "whether the first has every element of the second (@>)",
    example="ARRAY[1, 2] @> ARRAY[2]",
    duck="list_has_all({0}, {1})",
    aliases=("list_has_all", "arraycontains"),
)
array_compact = declare(
    "array_compact(a anyarray) -> anyarray",
    "the elements that are not NULL",
    example="array_compact(ARRAY[1, NULL, 2]) = ARRAY[1, 2]",
    duck="list_filter({0}, lambda x: x IS NOT NULL)",
)
l2_distance = declare(
    "l2_distance(a double precision[], b double precision[]) -> double precision",
    "the Euclidean distance of two vectors of one length",
    example="l2_distance(ARRAY[1.0, 1.0], ARRAY[4.0, 5.0]) = 5",
    can_raise=True,
    duck="list_distance({0}, {1})",
)
l1_distance = declare(
    "l1_distance(a double precision[], b double precision[]) -> double precision",
    "the sum of the distances of two vectors' places",
    example="l1_distance(ARRAY[1.0, 1.0], ARRAY[4.0, 5.0]) = 7",
    duck="list_sum(list_transform({0}, lambda x, i: abs(x - ({1})[i])))",
)
cosine_distance = declare(
    "cosine_distance(a double precision[], b double precision[]) -> double precision",
    "1 less the cosine of the angle between two vectors of one length",
    example="cosine_distance(ARRAY[1.0, 0.0], ARRAY[0.0, 2.0]) = 1",
    can_raise=True,
    duck="list_cosine_distance({0}, {1})",
)
inner_product = declare(
    "inner_product(a double precision[], b double precision[]) -> double precision",
    "the inner product of two vectors of one length",
    example="inner_product(ARRAY[1.0, 2.0], ARRAY[3.0, 4.0]) = 11",
    can_raise=True,
    duck="list_inner_product({0}, {1})",
)
