"""Arrays by Spark's rules: places count from 1, from the end when they are negative; 0 is an error.

What is here is what Spark has and Hive has not (Spark's Built-in Functions: Array Functions, spark.sql.ansi.enabled
being off).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.catalog.verifier import unguessable
from sqlengine.functions.hive.collections import array_function, in_order
from sqlengine.functions.hive.lists import (
    Ints,
    Mask,
    element_order,
    flat,
    one_of_rows,
    pair_codes,
    relisted,
    row_nulls,
)
from sqlengine.functions.registry import Kernel, scalar
from sqlengine.pgtext import list_parts

_MOST_MADE = 2**25


def wrong(message: str) -> errors.Error:
    """An argument that no row may have."""
    return errors.InvalidParameter(message, sqlstate="22023")


def whole_numbers(a: pa.Array) -> Ints:
    """Values as int64, 0 where they are NULL."""
    return pc.fill_null(a.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def check_rows(bad: Any, message: str, unknown: Mask | None) -> None:
    """Raise `message` when a row is bad in which no argument is NULL: `unknown`, see `row_nulls`."""
    if (bad if unknown is None else bad & ~unknown).any():
        raise wrong(message)


def limited(counts: Any) -> Any:
    """Numbers of elements to be made; TooLarge (54000) where the rows together would take the machine's memory."""
    if counts.astype(float).sum() > _MOST_MADE:
        raise errors.TooLarge(f"more than {_MOST_MADE} elements of arrays are to be made at once")
    return counts


# ---------------------------------------------------------------- sizes and places


@scalar("hive$array_size(a anyarray) -> integer", "how many elements; NULL of NULL", broadcast=True)
def array_size(a: pa.Array) -> pa.Array:
    return pc.list_value_length(a)


def _element_at(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(a: pa.ListArray, i: pa.Array) -> pa.Array:
        parents, values, _ = flat(a)
        counts = np.bincount(parents, minlength=len(a))
        at = whole_numbers(i)
        check_rows(at == 0, "places in arrays begin at 1, or at -1 from the end", row_nulls(a, i))
        place = np.where(at > 0, at - 1, counts + at)
        rows = np.flatnonzero((place >= 0) & (place < counts) & (at != 0))
        return one_of_rows(values, rows, (np.cumsum(counts) - counts + place)[rows], len(a), result)

    return kernel


array_at = scalar(
    "hive$array_at(a anyarray, i integer) -> anyelement",
    "the element at a place counted from 1, from the end when negative; NULL where there is none",
    factory=True,
    broadcast=True,
    can_raise=True,
)(_element_at)


@scalar(
    "hive$arrays_overlap(a anyarray, b anyarray) -> boolean",
    "whether both have a common element; NULL where there is none, but a NULL in one and anything in the other",
    broadcast=True,
)
def arrays_overlap(a: pa.Array, b: pa.Array) -> pa.Array:
    (one, left, _), (two, right, _) = flat(a), flat(b)
    codes, others = pair_codes(left, right)
    knowns = [pc.is_valid(v).to_numpy(zero_copy_only=False) for v in (left, right)]
    width = int(max(codes.max(initial=0), others.max(initial=0))) + 2
    mine, theirs = one * width + codes, two * width + others
    common, open_, filled = (np.zeros(len(a), bool) for _ in range(3))
    common[one[knowns[0] & np.isin(mine, theirs[knowns[1]])]] = True
    for parents, known in ((one, knowns[0]), (two, knowns[1])):
        open_[parents[~known]] = True
    filled[np.intersect1d(one, two)] = True
    unknown = row_nulls(a, b)
    unsure = ~common & open_ & filled
    return pa.array(common, mask=unsure if unknown is None else unsure | unknown)


# ---------------------------------------------------------------- arrays made of arrays


def _compact(a: pa.Array) -> tuple[Ints, pa.Array]:
    parents, values, _ = flat(a)
    known = pc.is_valid(values).to_numpy(zero_copy_only=False)
    return parents[known], values.filter(pa.array(known))


def _prepended(a: pa.Array, x: pa.Array) -> tuple[Ints, pa.Array]:
    parents, values, _ = flat(a)
    rows = np.flatnonzero(pc.is_valid(a).to_numpy(zero_copy_only=False))
    both = pa.concat_arrays([x.take(pa.array(rows)).cast(values.type), values])
    parents = np.concatenate([rows, parents])
    order = np.argsort(parents, kind="stable")
    return parents[order], both.take(pa.array(order))


def _repeated(x: pa.Array, n: pa.Array) -> tuple[Ints, pa.Array]:
    parents = np.repeat(np.arange(len(x)), limited(np.maximum(whole_numbers(n), 0)))
    return parents, x.take(pa.array(parents, pa.int64()))


def _slice(a: pa.Array, start: pa.Array, length: pa.Array) -> tuple[Ints, pa.Array]:
    parents, values, places = flat(a)
    first, count = whole_numbers(start), whole_numbers(length)
    unknown = row_nulls(a, start, length)
    check_rows(first == 0, "slice begins at 1, or at -1 from the end", unknown)
    check_rows(count < 0, "the length of a slice must not be negative", unknown)
    low = np.where(first > 0, first - 1, np.bincount(parents, minlength=len(a)) + first)
    kept = np.flatnonzero((low >= 0)[parents] & (places >= low[parents]) & (places - low[parents] < count[parents]))
    return parents[kept], values.take(pa.array(kept))


def _sorted_either_way(a: pa.Array, ascending: pa.Array) -> tuple[Ints, pa.Array]:
    """NULL is the least: first, or last when descending."""
    parents, values, _ = flat(a)
    up = pc.fill_null(ascending, True).to_numpy(zero_copy_only=False)
    if up.all():
        return in_order(a)
    ranks = element_order(values)
    order = np.lexsort((np.where(up[parents], ranks, -ranks), parents))
    return parents[order], values.take(pa.array(order))


def _flatten(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(a: pa.Array) -> pa.Array:
        outer, arrays, _ = flat(a)
        inner, values, _ = flat(arrays)
        unknown = pc.is_null(a).to_numpy(zero_copy_only=False).copy()
        unknown[outer[pc.is_null(arrays).to_numpy(zero_copy_only=False)]] = True
        return relisted(outer[inner], values, len(a), result, unknown if unknown.any() else None)

    return kernel


array_compact = array_function("array_compact", "a anyarray", "the array without its NULLs", _compact)
array_prepend = array_function(
    "array_prepend", "a anyarray, x anyelement", "one more element, then the array", _prepended, strict=False
)
slice_ = array_function(
    "slice",
    "a anyarray, start integer, length integer",
    "so many elements from a place counted from 1, from the end when negative",
    _slice,
    can_raise=True,
)
sort_array_either_way = array_function(
    "sort_array",
    "a anyarray, ascending boolean",
    "the elements in order, NULL first, or last when descending",
    _sorted_either_way,
)
flatten = scalar(
    "hive$flatten_arrays(a anyarray) -> anyelement",
    "an array of arrays as one array; NULL when one of them is NULL",
    factory=True,
    broadcast=True,
)(_flatten)


def _array_repeat(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(x: pa.Array, n: pa.Array) -> pa.Array:
        parents, values = _repeated(x, n)
        return relisted(parents, values, len(x), result, row_nulls(n))

    return kernel


array_repeat = scalar(
    "hive$array_repeat(x anyelement, n integer) -> anyarray",
    "an array of one value n times",
    factory=True,
    broadcast=True,
    strict=False,
    can_raise=True,
)(_array_repeat)


def _array_insert(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    """Before the place, or behind it when it is counted from the end; NULLs fill what lies between it and the array."""

    def kernel(a: pa.Array, i: pa.Array, x: pa.Array) -> pa.Array:
        parents, values, places = flat(a)
        at = whole_numbers(i)
        unknown = row_nulls(a, i)
        check_rows(at == 0, "places in arrays begin at 1, or at -1 from the end", unknown)
        counts = np.bincount(parents, minlength=len(a))
        place = np.where(at > 0, at - 1, counts + at + 1)
        before = np.maximum(-place, 0)
        place = np.maximum(place, 0)
        sizes = np.maximum(counts + before + 1, place + 1)
        sizes = limited(sizes if unknown is None else np.where(unknown, 0, sizes))
        rows = np.repeat(np.arange(len(a)), sizes)
        where = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        old = where - np.where(where > place[rows], 1, 0) - before[rows]
        inside = (where != place[rows]) & (old >= 0) & (old < counts[rows])
        source = np.where(inside, (np.cumsum(counts) - counts)[rows] + old, len(values) + rows)
        empty = ~inside & (where != place[rows])
        both = pa.concat_arrays([values, x.cast(values.type)])
        return relisted(rows, both.take(pa.array(source, mask=empty)), len(a), result, unknown)

    return kernel


array_insert = scalar(
    "hive$array_insert(a anyarray, i integer, x anyelement) -> anyarray",
    "the array with one more element at a place counted from 1, from the end when negative; NULLs fill gaps",
    factory=True,
    broadcast=True,
    strict=False,
    can_raise=True,
)(_array_insert)


def _arrays_zip(arg_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def kernel(*arrays: pa.Array) -> pa.Array:
        flats = [flat(a) for a in arrays]
        counts = [np.bincount(parents, minlength=len(arrays[0])) for parents, _, _ in flats]
        longest = np.maximum.reduce(counts)
        rows = np.repeat(np.arange(len(longest)), longest)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(longest) - longest, longest)
        columns = []
        for (_, values, _), count in zip(flats, counts, strict=True):
            gone = place >= count[rows]
            start = np.cumsum(count) - count
            columns.append(values.take(pa.array(np.where(gone, 0, start[rows] + place), mask=gone)))
        structs = pa.StructArray.from_arrays(columns, fields=list(result.value_type))
        return relisted(rows, structs, len(longest), result, row_nulls(*arrays))

    return kernel


arrays_zip = scalar(
    "hive$zipped_arrays(VARIADIC arrays any) -> any",
    "an array of structs of the elements at the same places",
    factory=True,
    broadcast=True,
)(_arrays_zip)


# ---------------------------------------------------------------- order


def _in_order(array: pa.ListArray, keys: Ints) -> pa.Array:
    """The arrays with the elements of each in the order of keys."""
    offsets, values = list_parts(array)
    starts = offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    owner = np.repeat(np.arange(len(array)), np.diff(starts))
    order = np.lexsort((keys, owner))
    mask = array.is_null() if array.null_count else None
    return pa.ListArray.from_arrays(offsets.cast(pa.int32()), values.take(pa.array(order)), type=array.type, mask=mask)


@scalar("hive$reversed_array(a any) -> any", "the elements from the last to the first", broadcast=True)
def reversed_array(a: pa.ListArray) -> pa.Array:
    count = len(list_parts(a)[1])
    return _in_order(a, -np.arange(count))


@scalar("hive$shuffled_array(a any) -> any", "the elements in random order", broadcast=True, volatility="volatile")
def shuffled_array(a: pa.ListArray) -> pa.Array:
    count = len(list_parts(a)[1])
    drawn = np.frombuffer(unguessable(8 * count), dtype=np.int64)
    return _in_order(a, drawn)
