"""Arrays put together, cut and searched as Flink, Spark and ksqlDB do; elements in order of their first appearance."""

from __future__ import annotations

from sqlengine.functions.registry import declare


def _once(array: str) -> str:
    """DuckDB text: each element of an array once, where it first is."""
    return f"list_filter({array}, lambda x, i: list_position({array}, x) = i)"


array_union = declare(
    "array_union(a anyarray, b anyarray) -> anyarray",
    "each element of either once",
    example="array_union(ARRAY[2, 1], ARRAY[1, 3]) = ARRAY[2, 1, 3]",
    duck="CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN " + _once("list_concat({0}, {1})") + " END",
)
array_intersect = declare(
    "array_intersect(a anyarray, b anyarray) -> anyarray",
    "each element of both once, in the order of the first",
    example="array_intersect(ARRAY[3, 1, 2], ARRAY[1, 3]) = ARRAY[3, 1]",
    duck="CASE WHEN {1} IS NOT NULL THEN list_filter({0}, "
    "lambda x, i: list_position({0}, x) = i AND list_position({1}, x) IS NOT NULL) END",
)
array_except = declare(
    "array_except(a anyarray, b anyarray) -> anyarray",
    "each element of the first once that is not in the second",
    example="array_except(ARRAY[3, 1, 3], ARRAY[1]) = ARRAY[3]",
    duck="CASE WHEN {1} IS NOT NULL THEN list_filter({0}, "
    "lambda x, i: list_position({0}, x) = i AND list_position({1}, x) IS NULL) END",
)
array_max = declare(
    "array_max(a anyarray) -> anyelement",
    "the greatest element, NULL of none",
    example="array_max(ARRAY[1, 3, 2]) = 3",
    duck="list_max({0})",
)
array_min = declare(
    "array_min(a anyarray) -> anyelement",
    "the least element, NULL of none",
    example="array_min(ARRAY[2, 1, 3]) = 1",
    duck="list_min({0})",
)
array_positions = declare(
    "array_positions(a anyarray, item anyelement) -> integer[]",
    "all places of an element",
    example="array_positions(ARRAY[1, 2, 1], 1) = ARRAY[1, 3]",
    strict=False,
    duck="CASE WHEN {0} IS NOT NULL THEN "
    "list_filter(range(1, len({0}) + 1), lambda i: {0}[i] IS NOT DISTINCT FROM {1}) END::INTEGER[]",
)
array_replace = declare(
    "array_replace(a anyarray, old anyelement, new anyelement) -> anyarray",
    "the array with every element equal to one replaced by another",
    example="array_replace(ARRAY[1, 2], 1, 5) = ARRAY[5, 2]",
    strict=False,
    duck="CASE WHEN {0} IS NOT NULL THEN "
    "list_transform({0}, lambda x: CASE WHEN x IS NOT DISTINCT FROM {1} THEN {2} ELSE x END) END",
)
array_lower = declare(
    "array_lower(a anyarray, dimension integer) -> integer",
    "1, the place of the first element; NULL of an empty array",
    example="array_lower(ARRAY[7], 1) = 1",
    duck="CASE WHEN array_size_at({0}, {1}) > 0 THEN 1 END::INTEGER",
)
array_upper = declare(
    "array_upper(a anyarray, dimension integer) -> integer",
    "the place of the last element; NULL of an empty array",
    example="array_upper(ARRAY[7, 8], 1) = 2",
    duck="nullif(array_size_at({0}, {1}), 0)::INTEGER",
)
trim_array = declare(
    "trim_array(a anyarray, count integer) -> anyarray",
    "the array without its last elements",
    example="trim_array(ARRAY[1, 2, 3], 2) = ARRAY[1]",
    duck="CASE WHEN {1} BETWEEN 0 AND len({0}) THEN list_slice({0}, 1, len({0}) - {1}) WHEN {1} IS NOT NULL "
    "AND {0} IS NOT NULL THEN error('number of elements to trim must be between 0 and the length') END",
    can_raise=True,
)
array_repeat = declare(
    "array_repeat(item anyelement, count integer) -> anyarray",
    "an array of one element so many times",
    example="array_repeat('a', 2) = ARRAY['a', 'a']",
    strict=False,
    duck="CASE WHEN {1} IS NOT NULL THEN list_transform(range(array_length_checked({1})), lambda i: {0}) END",
    can_raise=True,
)
_PLACES = "list_transform(range(CASE WHEN {1} = 1 THEN len({0}) ELSE 0 END), lambda i: CAST(%s AS INTEGER))"
array_subscripts = declare(
    "array_subscripts(a anyarray, dimension integer) -> integer[]",
    "the places of an array, none of another dimension than 1; generate_subscripts(a, 1) gives them as rows",
    example="array_subscripts(ARRAY['a', 'b'], 1) = ARRAY[1, 2]",
    duck=_PLACES % "i + 1",
)
array_subscripts_reverse = declare(
    "array_subscripts(a anyarray, dimension integer, reverse boolean) -> integer[]",
    "the same from the last to the first, where `reverse` says so",
    example="array_subscripts(ARRAY['a', 'b'], 1, true) = ARRAY[2, 1]",
    duck=_PLACES % "CASE WHEN {2} THEN len({0}) - i ELSE i + 1 END",
)
element_at = declare(
    "element_at(a anyarray, i bigint) -> anyelement",
    "the i-th element, from the end when negative; NULL beyond the ends",
    example="element_at(ARRAY[1, 2, 3], -1) = 3",
    duck="CASE WHEN {1} <> 0 THEN {0}[{1}] END",
)
sequence = declare(
    "sequence(first bigint, last bigint) -> bigint[]",
    "the whole numbers from one to another, up or down",
    example="cardinality(sequence(2, 4)) = 3",
    aliases=("generate_range_array",),
    duck="CASE WHEN {0} <= {1} THEN series_list({0}, {1}) ELSE list_reverse(series_list({1}, {0})) END",
    can_raise=True,
)
array_sum = declare(
    "array_sum(a bigint[]) -> bigint; array_sum(a double precision[]) -> double precision",
    "the sum of the elements, NULL of none",
    example="array_sum(ARRAY[1, 2]) = 3",
    can_raise=True,
    duck="list_sum({0})",
)
array_avg = declare(
    "array_avg(a double precision[]) -> double precision",
    "the mean of the elements, NULL of none",
    example="array_avg(ARRAY[1, 2]) = 1.5",
    duck="list_avg({0})",
)
array_ndims = declare(
    "array_ndims(a anyarray) -> integer",
    "the number of dimensions; NULL of an empty array",
    example="array_ndims(ARRAY[ARRAY[7]]) = 2",
    duck="CASE WHEN len({0}) > 0 THEN array_levels({0}) END::INTEGER",
)
array_dims = declare(
    "array_dims(a anyarray) -> text",
    "the places as text; NULL of an empty array",
    example="array_dims(ARRAY[7, 8]) = '[1:2]'",
    duck="CASE WHEN len({0}) > 0 THEN array_to_string(list_transform(range(1, array_levels({0}) + 1), "
    "lambda d: '[1:' || array_size_at({0}, d) || ']'), '') END",
)
