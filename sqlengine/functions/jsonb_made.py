"""Values of any type as jsonb.

DuckDB writes the JSON of plain values; what is JSON already, at any depth of arrays and structs, keeps the digits that
it is written with, which DuckDB would read as doubles.
"""

from __future__ import annotations

import json as texts
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck
from sqlengine.functions.json import odd_arguments
from sqlengine.functions.registry import scalar
from sqlengine.json_canonical import canonical_texts
from sqlengine.pgtext import join_lists, list_parts, to_text_array
from sqlengine.types import JSONB, is_json

_NULL = "null"


def _text(array: pa.Array) -> pa.Array:
    """The JSON text of each value, `null` of NULL."""
    dtype = array.type
    if is_json(dtype):
        return pc.coalesce(array.storage, _NULL)
    if pa.types.is_floating(dtype) or pa.types.is_decimal(dtype):
        return _number(array)
    if not _has_json(dtype):
        return pc.coalesce(duck.evaluate(["to_json(a)"], {"a": array}, len(array))[0].storage, _NULL)
    if pa.types.is_list(dtype):
        _, items = list_parts(array)
        inside = join_lists(array, _text(items), ",") if len(array) else pa.array([], pa.string())
        return pc.coalesce(_joined("[", inside, "]"), _NULL)
    if pa.types.is_struct(dtype):
        fields = [_joined(f"{texts.dumps(f.name)}:", _text(pc.struct_field(array, [i]))) for i, f in enumerate(dtype)]
        return pc.if_else(array.is_valid(), _members("{", fields, "}", len(array)), _NULL)
    _, entries = list_parts(array)
    keys, items = entries.flatten()
    inside = join_lists(array, _joined(_key(keys), ":", _text(items)), ",")
    return pc.coalesce(_joined("{", inside, "}"), _NULL)


def _number(array: pa.Array) -> pa.Array:
    """As PostgreSQL prints it; what JSON has no number for is a text."""
    made = to_text_array(array)
    if pa.types.is_floating(array.type):
        made = pc.if_else(pc.is_finite(array), made, _joined('"', made, '"'))
    return pc.coalesce(made, _NULL)


def _has_json(dtype: pa.DataType) -> bool:
    if pa.types.is_nested(dtype):
        return any(_has_json(dtype.field(i).type) for i in range(dtype.num_fields))
    return is_json(dtype)


def _key(keys: pa.Array) -> pa.Array:
    """Keys as strings of JSON; those of an object are texts."""
    return duck.evaluate(["to_json(a::VARCHAR)"], {"a": keys}, len(keys))[0].storage


def _joined(*parts: str | pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _members(opening: str, members: Sequence[pa.Array], closing: str, rows: int) -> pa.Array:
    """Arrays of texts side by side, with commas between."""
    if not members:
        return pa.array([opening + closing] * rows, pa.string())
    return _joined(opening, pc.binary_join_element_wise(*members, ","), closing)


def _as_jsonb(made: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(JSONB, canonical_texts(made))


@scalar(
    "to_jsonb(x any) -> jsonb",
    "any value as jsonb",
    example="to_jsonb(ARRAY[1, 2])::text = '[1, 2]'",
    duck="to_json({0})",
    broadcast=True,
    can_raise=True,
)
def to_jsonb(values: pa.Array) -> pa.Array:
    return _as_jsonb(pc.if_else(values.is_valid(), _text(values), pa.scalar(None, pa.string())))


@scalar(
    "jsonb_build_array() -> jsonb; jsonb_build_array(VARIADIC items any) -> jsonb",
    "an array of values of any types, as jsonb",
    example="jsonb_build_array(1, 'a', NULL)::text = '[1, \"a\", null]'",
    duck="json_array({*})",
    broadcast=True,
    strict=False,
    can_raise=True,
)
def build_array(*items: pa.Array) -> pa.Array:
    return _as_jsonb(_members("[", [_text(item) for item in items], "]", len(items[0]) if items else 1))


@scalar(
    "jsonb_build_object() -> jsonb; jsonb_build_object(VARIADIC keys_and_values any) -> jsonb",
    "an object of keys and values in turn, as jsonb",
    example="jsonb_build_object('bc', 1, 'a', NULL)::text = '{\"a\": null, \"bc\": 1}'",
    duck="json_object({*})",
    broadcast=True,
    strict=False,
    can_raise=True,
)
def build_object(*parts: pa.Array) -> pa.Array:
    if len(parts) % 2:
        raise odd_arguments("jsonb_build_object")
    members = [_joined(_key(key), ":", _text(value)) for key, value in zip(parts[::2], parts[1::2], strict=True)]
    return _as_jsonb(_members("{", members, "}", len(parts[0]) if parts else 1))
