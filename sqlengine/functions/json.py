"""JSON functions, all evaluated by DuckDB: they are listed here so that names, types and help are ours.

A JSON column keeps its text; `->` gives JSON, `->>` text. Keys are literal names (never paths), positions count
from 0.
"""

from __future__ import annotations

from sqlengine import errors
from sqlengine.duck_macros import json_key_path
from sqlengine.functions.registry import Function, declare

KEY_PATH = json_key_path("{1}")
"""DuckDB text of the path to the field that the second argument names."""
PLACE_PATH = "'$[' || CASE WHEN {1} < 0 THEN '#' ELSE '' END || {1} || ']'"
"""Of the element that the second argument counts to."""

JSON_PATHS = ("json_extract_path", "jsonb_extract_path", "json_extract_path_text", "jsonb_extract_path_text")
"""PostgreSQL's functions of a JSON and any number of keys; binding and spelling make arrows of them."""

OBJECTS = ("json_build_object", "jsonb_build_object", "json_object")
"""Names of the function of keys and values in turn; keys are made texts when it is bound and spelt."""

ARRAYS_AS_JSON = "json_of_arrays"
"""What JSON_OBJECT is of arrays of texts; jsonb_object is the same as jsonb."""

TWO_ARRAYS = "json_object"
"""The one of OBJECTS that, of two arrays of texts, is PostgreSQL's function of keys and values."""


def odd_arguments(name: str) -> errors.InvalidParameter:
    """22023: a key has no value."""
    return errors.InvalidParameter(
        f"{name} takes keys and values in turn, and the last key has no value",
        hint=f"for example {name}('a', 1, 'b', 2)",
    )


get_key = declare(
    "json_get(j json, key text) -> json",
    "a field of an object",
    operator="->",
    example="('{\"a\": {\"b\": 1}}'::json -> 'a' ->> 'b') = '1'",
    duck=f"json_extract({{0}}, {KEY_PATH})",
)
get_item = declare(
    "json_get(j json, i bigint) -> json",
    "an element of an array, from the end when negative",
    operator="->",
    example="('[1, 2]'::json -> 1) ->> 0 IS NULL",
    duck=f"json_extract({{0}}, {PLACE_PATH})",
)
get_key_text = declare(
    "json_get_text(j json, key text) -> text",
    "a field of an object as text",
    operator="->>",
    example="('{\"a\": \"x\"}'::json ->> 'a') = 'x'",
    duck=f"json_extract_string({{0}}, {KEY_PATH})",
)
get_item_text = declare(
    "json_get_text(j json, i bigint) -> text",
    "an element of an array as text",
    operator="->>",
    example="('[1, 2]'::json ->> 1) = '2'",
    duck=f"json_extract_string({{0}}, {PLACE_PATH})",
)
json_extract_string = declare(
    "json_extract_string(j text, path text) -> text; json_extract_string(j json, path text) -> text",
    "what one of DuckDB's JSON paths leads to, as text; json_value(j, path) is the SQL standard's",
    example="json_extract_string('{\"a\": [7]}', '$.a[0]') = '7'",
    aliases=("get_json_object", "extractjsonfield"),
    duck="json_extract_string({0}, {1})",
    can_raise=True,
)
json_extract = declare(
    "json_extract(j text, path text) -> json; json_extract(j json, path text) -> json",
    "what one of DuckDB's JSON paths leads to; json_query(j, path) is the SQL standard's",
    example="json_extract('{\"a\": [7]}', '$.a') IS NOT NULL",
    duck="json_extract({0}, {1})",
    can_raise=True,
)
json_array_length = declare(
    "json_array_length(j json) -> integer",
    "how many elements a JSON array has",
    example="json_array_length('[1, 2]'::json) = 2",
    duck="json_array_length({0})::INTEGER",
    can_raise=True,
    aliases=("jsonb_array_length",),
)
json_typeof = declare(
    "json_typeof(j json) -> text",
    "object, array, string, number, boolean or null",
    example="json_typeof('[1]'::json) = 'array'",
    aliases=("jsonb_typeof",),
    duck="CASE WHEN json_type({0}) IS NOT NULL THEN CASE json_type({0}) WHEN 'VARCHAR' THEN 'string' "
    "WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' "
    "ELSE 'number' END END",
)
json_valid = declare(
    "json_valid(s text) -> boolean",
    "whether a text is JSON",
    example="json_valid('{}')",
    aliases=("is_json_string",),
    duck="json_valid({0})",
)
to_json = declare(
    "to_json(x any) -> json",
    "any value as JSON",
    example="to_json(1) ->> '$' IS NULL",
    aliases=("row_to_json", "json_scalar"),
    duck="to_json({0})",
)
json_text = declare(
    "json_string(x any) -> text",
    "any value as the text of its JSON (Flink; TO_JSON_STRING in ksqlDB)",
    example="json_string(ARRAY[1, 2]) = '[1,2]'",
    aliases=("to_json_string", "json_serialize"),
    duck="to_json({0})::VARCHAR",
)
build_object = declare(
    "json_build_object() -> json; json_build_object(VARIADIC keys_and_values any) -> json",
    "an object of keys and values in turn; JSON_OBJECT(KEY k VALUE v, ...) means the same",
    example="json_build_object('a', 1, 'b', NULL) ->> 'a' = '1'",
    aliases=OBJECTS[2:],
    duck="json_object({*})",
    strict=False,
    can_raise=True,
)


def _of_arrays(name: str, kind: str, example: str) -> tuple[Function, Function]:
    """The function of one array, and of two."""
    pairs = declare(
        f"{name}(items text[]) -> {kind}; {name}(pairs text[][]) -> {kind}",
        f"an object of keys and values in turn, or of pairs, as {kind}; JSON_OBJECT(items) means json's",
        example=f"{name}(ARRAY['a', '1', 'b', NULL])::text = '{example}'",
        duck="json_of_pairs(to_json({0}))",
        can_raise=True,
    )
    texts = declare(
        f"{name}(keys text[], items text[]) -> {kind}",
        f"an object of the keys and values of two arrays, as {kind}; JSON_OBJECT(keys, items) means json's",
        example=f"{name}(ARRAY['a', 'b'], ARRAY['1', '2']) ->> 'b' = '2'",
        duck="json_of_texts({0}, {1})",
        can_raise=True,
    )
    return pairs, texts


json_of_pairs, json_of_texts = _of_arrays(ARRAYS_AS_JSON, "json", '{"a":"1","b":null}')
jsonb_of_pairs, jsonb_of_texts = _of_arrays("jsonb_object", "jsonb", '{"a": "1", "b": null}')
build_array = declare(
    "json_build_array() -> json; json_build_array(VARIADIC items any) -> json",
    "an array of values of any types",
    example="json_array_length(json_build_array(1, 'a', NULL)) = 3",
    duck="json_array({*})",
    strict=False,
)
json_pretty = declare(
    "json_pretty(j json) -> text",
    "the JSON on indented lines",
    example="length(json_pretty('[1]'::json)) > 3",
    aliases=("jsonb_pretty",),
    duck="json_pretty({0})::VARCHAR",
)
json_strip_nulls = declare(
    "json_strip_nulls(j json) -> json",
    "the JSON without fields that are null, at any depth; elements of arrays stay",
    example='json_strip_nulls(\'[{"a": null, "b": 1}, null]\'::json)::text = \'[{"b":1},null]\'',
    aliases=("jsonb_strip_nulls",),
    duck="json_without_nulls({0})",
)
has_key = declare(
    "json_has_key(j json, key text) -> boolean",
    "whether an object has a key, or an array a string",
    example="'{\"a\": 1}'::json ? 'a'",
    operator="?",
    aliases=("json_exists_key", "jsonb_exists"),
    duck="json_has({0}, {1})",
)
