"""Where a text stands in another or in a list, as MySQL, Hive, Spark and Flink ask.  Places count from 1."""

from __future__ import annotations

from sqlengine.functions.registry import declare

locate = declare(
    "locate(part text, s text) -> integer",
    "place of the first occurrence, 0 when there is none",
    example="locate('l', 'hello') = 3",
    duck="strpos({1}, {0})::INTEGER",
    aliases=("charindex",),
)
locate_from = declare(
    "locate(part text, s text, start integer) -> integer",
    "place of the first occurrence from a place on, 0 when there is none",
    example="locate('l', 'hello', 4) = 4",
    duck="CASE WHEN {2} < 1 OR strpos(system.main.substring({1}, {2}), {0}) = 0 THEN 0 "
    "ELSE strpos(system.main.substring({1}, {2}), {0}) + {2} - 1 END::INTEGER",
    aliases=("charindex",),
)
substring_index = declare(
    "substring_index(s text, separator text, count integer) -> text",
    "what stands before the count-th separator; from the right, behind it, when negative",
    example="substring_index('a.b.c', '.', 2) = 'a.b'",
    duck="CASE WHEN {2} = 0 OR {1} = '' THEN left({0}, 0) WHEN {0} IS NOT NULL AND {1} IS NOT NULL AND {2} IS NOT NULL "
    "THEN list_reduce(CASE WHEN {2} > 0 THEN list_slice(string_split({0}, {1}), 1, {2}) "
    "ELSE list_slice(string_split({0}, {1}), {2}, -1) END, lambda x, y: x || {1} || y) END",
)
find_in_set = declare(
    "find_in_set(s text, parts text) -> integer",
    "which of the parts between commas a text is, 0 for none",
    example="find_in_set('b', 'a,b,c') = 2",
    duck="CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL "
    "THEN coalesce(list_position(string_split({1}, ','), {0}), 0) END::INTEGER",
)
field = declare(
    "field(s text, VARIADIC texts text) -> integer",
    "which of the texts behind it a text is, 0 for none and for NULL",
    example="field('b', 'a', 'b') = 2",
    strict=False,
    duck="CASE WHEN {0} IS NULL THEN 0 ELSE coalesce(list_position(list_value({*})[2:], {0}), 0) END::INTEGER",
)
