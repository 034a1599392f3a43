"""Maps looked into, put together and changed (RisingWave, Trino, Spark, ksqlDB).

A signature cannot say "a map of K to V": arguments are `any`, and the type of the result is found from theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from sqlengine import errors
from sqlengine.functions.registry import declare
from sqlengine.functions.signature import Arg


def _map(args: Sequence[Arg], place: int = 0) -> pa.MapType:
    """The argument's type; UndefinedFunction (42883) when it is no map."""
    found = args[place].type
    if not pa.types.is_map(found):
        raise errors.UndefinedFunction("a map is expected here", hint="MAP['key', value] makes one")
    return found


def _same(args: Sequence[Arg]) -> pa.DataType:
    return _map(args)


def _checked(result: pa.DataType) -> Callable[[Sequence[Arg]], pa.DataType]:
    def result_type(args: Sequence[Arg]) -> pa.DataType:
        _map(args)
        return result

    return result_type


map_length = declare(
    "map_length(m any) -> bigint",
    "how many entries a map has",
    example="map_length(map(ARRAY['a'], ARRAY[1])) = 1",
    result_type=_checked(pa.int64()),
    duck="len(map_keys({0}))::BIGINT",
)
map_access = declare(
    "map_access(m any, key any) -> any",
    "the value of a key, NULL without it",
    example="map_access(map(ARRAY['a'], ARRAY[1]), 'a') = 1",
    result_type=lambda args: _map(args).item_type,
    duck="({0})[{1}]",
)
map_cat = declare(
    "map_cat(a any, b any) -> any",
    "the entries of two maps, the second's before the first's; a NULL counts as empty (RisingWave)",
    example="map_length(map_cat(map(ARRAY['a'], ARRAY[1]), map(ARRAY['b'], ARRAY[2]))) = 2",
    strict=False,
    result_type=_same,
    duck="CASE WHEN {0} IS NULL THEN {1} WHEN {1} IS NULL THEN {0} ELSE map_concat({0}, {1}) END",
)
map_insert = declare(
    "map_insert(m any, key any, value any) -> any",
    "the map with a value for a key",
    example="map_access(map_insert(map(ARRAY['a'], ARRAY[1]), 'b', 2), 'b') = 2",
    strict=False,
    result_type=_same,
    duck="CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN map_concat({0}, map([{1}], [{2}])) END",
)
map_delete = declare(
    "map_delete(m any, key any) -> any",
    "the map without a key",
    example="map_length(map_delete(map(ARRAY['a'], ARRAY[1]), 'a')) = 0",
    result_type=_same,
    duck="map_from_entries(list_filter(map_entries({0}), lambda e: e.key <> {1}))",
)
