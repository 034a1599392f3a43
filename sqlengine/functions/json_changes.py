"""JSON taken apart, compared and put together: PostgreSQL's operators, SQL's IS JSON, ksqlDB's JSON functions.

Objects keep their keys' order; a key that comes again takes the later value.  All is DuckDB's, see json.py.
"""

from __future__ import annotations

from sqlengine.duck_macros import json_key_path
from sqlengine.functions.registry import declare

_OBJECT = "json_type({0}) = 'OBJECT'"
_ARRAY = "json_type({0}) = 'ARRAY'"


def _not(kind: str, what: str) -> str:
    """DuckDB text: an error that says what was expected."""
    return f"error('cannot {what} of a JSON value that is not an {kind}')"


_FIELDS_OF = "CAST({} AS MAP(VARCHAR, JSON))"
_FIELDS = _FIELDS_OF.format("{0}")


def _as_list(of: str) -> str:
    """DuckDB text: an array's elements, or another value as the only one."""
    return f"CASE json_type({of}) WHEN 'ARRAY' THEN json_extract({of}, '$[*]') ELSE [{of}] END"


is_json = declare(
    "is_json(s text, kind text) -> boolean; is_json(j json, kind text) -> boolean",
    "whether a text is JSON: a value, object, array or scalar; written s IS [NOT] JSON [kind]",
    example="'[1]' IS JSON ARRAY",
    duck="CASE WHEN {0} IS NULL THEN NULL WHEN NOT json_valid({0}::VARCHAR) THEN false ELSE CASE {1} "
    "WHEN 'object' THEN json_type({0}::JSON) = 'OBJECT' WHEN 'array' THEN json_type({0}::JSON) = 'ARRAY' "
    "WHEN 'scalar' THEN json_type({0}::JSON) NOT IN ('OBJECT', 'ARRAY') ELSE true END END",
)
json_elements = declare(
    "json_elements(j json) -> json[]",
    "the elements of an array; jsonb_array_elements(j) gives them as rows",
    example="cardinality(json_elements('[1, 2]'::json)) = 2",
    can_raise=True,
    duck=f"CASE WHEN {_ARRAY} THEN json_extract({{0}}, '$[*]') WHEN {{0}} IS NOT NULL "
    f"THEN {_not('array', 'extract elements')}::JSON[] END",
)
json_elements_text = declare(
    "json_elements_text(j json) -> text[]",
    "the elements of an array as texts; jsonb_array_elements_text(j) gives them as rows",
    example="json_elements_text('[1, \"a\"]'::json) = ARRAY['1', 'a']",
    can_raise=True,
    aliases=("json_items",),
    duck=f"CASE WHEN {_ARRAY} THEN json_extract_string({{0}}, '$[*]') WHEN {{0}} IS NOT NULL "
    f"THEN {_not('array', 'extract elements')}::VARCHAR[] END",
)
json_keys = declare(
    "json_keys(j json) -> text[]",
    "the keys of an object; jsonb_object_keys(j) gives them as rows",
    example="json_keys('{\"a\": 1, \"b\": 2}'::json) = ARRAY['a', 'b']",
    can_raise=True,
    duck=f"CASE WHEN {_OBJECT} THEN system.main.json_keys({{0}}) WHEN {{0}} IS NOT NULL "
    f"THEN {_not('object', 'take keys')}::VARCHAR[] END",
)
json_values = declare(
    "json_values(j json) -> json[]",
    "the values of an object in the order of its keys; jsonb_each(j) gives both as rows",
    example='cardinality(json_values(\'{"a": 1, "b": 2}\'::json)) = 2',
    can_raise=True,
    duck=f"CASE WHEN {_OBJECT} THEN json_extract({{0}}, '$.*') WHEN {{0}} IS NOT NULL "
    f"THEN {_not('object', 'take values')}::JSON[] END",
)
json_values_text = declare(
    "json_values_text(j json) -> text[]",
    "the values of an object as texts; jsonb_each_text(j) gives keys and values as rows",
    example="json_values_text('{\"a\": 1, \"b\": \"x\"}'::json) = ARRAY['1', 'x']",
    can_raise=True,
    duck=f"CASE WHEN {_OBJECT} THEN json_extract_string({{0}}, '$.*') WHEN {{0}} IS NOT NULL "
    f"THEN {_not('object', 'take values')}::VARCHAR[] END",
)
json_records = declare(
    "json_records(j json) -> map<text, text>",
    "the fields of an object as a map of texts (ksqlDB)",
    example="map_access(json_records('{\"a\": 1}'::json), 'a') = '1'",
    can_raise=True,
    duck=f"CASE WHEN {_OBJECT} THEN map_from_entries(list_transform(system.main.json_keys({{0}}), lambda k: "
    f"{{{{'k': k, 'v': json_extract_string({{0}}, {json_key_path('k')})}}}})) END",
)
json_length = declare(
    "json_length(j json) -> integer",
    "how many fields an object or elements an array has; 1 of another value (ksqlDB)",
    example="json_length('{\"a\": 1}'::json) = 1",
    duck=f"CASE WHEN {_ARRAY} THEN json_array_length({{0}}) WHEN {_OBJECT} THEN len(system.main.json_keys({{0}})) "
    "WHEN {0} IS NOT NULL THEN 1 END::INTEGER",
)
contains = declare(
    "array_includes(j json, part json) -> boolean",
    "whether all that is in the second is in the first",
    operator="@>",
    example='\'{"a": [1, 2], "b": 3}\'::json @> \'{"a": [2]}\'::json',
    aliases=("json_contains", "jsonb_contains"),
    duck="json_contains({0}, {1})",
)
concat = declare(
    "concat_op(a json, b json) -> json",
    "fields of two objects, the second's before the first's; elements of arrays, other values counting as one element",
    operator="||",
    example="('{\"a\": 1}'::json || '{\"b\": 2}'::json) ->> 'b' = '2'",
    aliases=("json_concat", "jsonb_concat"),
    # Each side is spelt once: chains of || would grow sixfold with every link. A lambda takes all branches of a CASE.
    duck="list_transform([{{'a': {0}, 'b': {1}}}], lambda two: "
    "CASE WHEN json_type(two.a) = 'OBJECT' AND json_type(two.b) = 'OBJECT' "
    f"THEN to_json(map_concat(TRY_{_FIELDS_OF.format('two.a')}, TRY_{_FIELDS_OF.format('two.b')})) "
    "WHEN two.a IS NOT NULL AND two.b IS NOT NULL "
    f"THEN to_json(list_concat({_as_list('two.a')}, {_as_list('two.b')})) END)[1]",
)
without = declare(
    "subtract(j json, key text) -> json; subtract(j json, i bigint) -> json",
    "an object without a key; an array without the texts equal to it, or without an element counted from 0",
    operator="-",
    example="json_length('{\"a\": 1, \"b\": 2}'::json - 'a') = 1",
    aliases=("json_without",),
    can_raise=True,
    duck=f"CASE WHEN {_OBJECT} THEN to_json(map_from_entries(list_filter(map_entries({_FIELDS}), "
    f"lambda e: e.key <> {{1}}::VARCHAR))) WHEN {_ARRAY} THEN to_json(list_filter(json_extract({{0}}, '$[*]'), "
    "lambda e, i: CASE typeof({1}) WHEN 'VARCHAR' THEN json_type(e) <> 'VARCHAR' OR "
    "json_extract_string(e, '$') <> {1}::VARCHAR ELSE i - 1 <> TRY_CAST({1} AS BIGINT) "
    "AND i - 1 - json_array_length({0}) <> TRY_CAST({1} AS BIGINT) END)) WHEN {0} IS NOT NULL "
    f"THEN {_not('object or array', 'delete')}::JSON END",
)
has_any = declare(
    "json_has_any(j json, keys text[]) -> boolean",
    "whether an object has one of the keys, or an array one of the strings; written j ?| keys",
    example="json_has_any('{\"a\": 1}'::json, ARRAY['a', 'b'])",
    aliases=("jsonb_exists_any",),
    duck="list_has_any(json_strings({0}), list_filter({1}, lambda has_k: has_k IS NOT NULL))",
)
has_all = declare(
    "json_has_all(j json, keys text[]) -> boolean",
    "whether an object has all of the keys, or an array all of the strings; written j ?& keys",
    example="json_has_all('{\"a\": 1}'::json, ARRAY['a'])",
    aliases=("jsonb_exists_all",),
    duck="list_has_all(json_strings({0}), list_filter({1}, lambda has_k: has_k IS NOT NULL))",
)
json_array_contains = declare(
    "json_array_contains(j json, item any) -> boolean",
    "whether an array has an element equal to a value (ksqlDB)",
    example="json_array_contains('[1, 2]'::json, 2)",
    duck=f"CASE WHEN {_ARRAY} THEN list_contains(json_extract({{0}}, '$[*]'), to_json({{1}})) "
    "WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN false END",
)
parse_json = declare(
    "parse_json(s text) -> json",
    "the text as JSON; an error when it is none (Spark, Snowflake)",
    example="parse_json('{\"a\": 1}') ->> 'a' = '1'",
    can_raise=True,
    duck="CAST({0} AS JSON)",
)
try_parse_json = declare(
    "try_parse_json(s text) -> json",
    "the text as JSON; NULL when it is none",
    example="try_parse_json('{') IS NULL",
    duck="TRY_CAST({0} AS JSON)",
)
array_present = declare(
    "json_array_present(VARIADIC items any) -> json",
    "an array of the values that are not NULL; JSON_ARRAY(...) means this",
    example="json_array_length(json_array_present(1, NULL, 'a')) = 2",
    strict=False,
    duck="to_json(list_filter(json_extract(json_array({*}), '$[*]'), lambda x: json_type(x) <> 'NULL'))",
)
json_present = declare(
    "json_present(j json) -> json",
    "an object without its fields that are null, deeper ones stay; JSON_OBJECT(... ABSENT ON NULL) means this",
    example='json_length(json_present(\'{"a": 1, "b": null}\'::json)) = 1',
    duck=f"CASE WHEN {_OBJECT} THEN to_json(map_from_entries(list_filter(map_entries({_FIELDS}), "
    "lambda e: e.value IS NOT NULL AND json_type(e.value) <> 'NULL'))) ELSE {0} END",
)
json_wrapped = declare(
    "json_wrapped(j json) -> json",
    "an array with the value as its element",
    example="json_array_length(json_wrapped('1'::json)) = 1",
    duck="CASE WHEN {0} IS NOT NULL THEN to_json([{0}]) END",
)
