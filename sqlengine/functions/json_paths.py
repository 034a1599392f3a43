"""JSON changed at a path: jsonb_set, jsonb_insert and #- of PostgreSQL, a path being an array of keys and places.

What is done is in json_at_path.py; DuckDB knows it by macros (duck_macros.py), see json.py.  The answer is written as
jsonb is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sqlengine import duck, json_at_path
from sqlengine.errors import DataError
from sqlengine.functions.registry import declare, per_row
from sqlengine.json_canonical import value_of

_TEXT, _STEPS, _FLAG = pa.string(), pa.list_(pa.string()), pa.bool_()


def _known(name: str, params: tuple[pa.DataType, ...], body: Callable[..., str]) -> None:
    """The function of texts of JSON, for DuckDB; which of them are paths or flags is plain by their types."""

    def of_texts(text: str, path: list[str | None], value: str | None = None, *flags: bool) -> str:
        try:
            opened: list[Any] = [] if value is None else [value_of(value)]
            return body(value_of(text), path, *opened, *flags)
        except RecursionError:
            raise DataError("json is nested too deeply", sqlstate="54001") from None

    duck.at_opening(name, params, _TEXT, per_row(_TEXT, of_texts))


_known("kernel_json_set", (_TEXT, _STEPS, _TEXT, _FLAG), json_at_path.with_value)
_known("kernel_json_insert", (_TEXT, _STEPS, _TEXT, _FLAG), json_at_path.with_inserted)
_known("kernel_json_delete", (_TEXT, _STEPS), json_at_path.without)

json_set = declare(
    "jsonb_set(j json, path text[], value json) -> json; jsonb_set(j json, path text[], value json, create "
    "boolean) -> json",
    "a JSON with another value at a path; where its last step leads to nothing it is added, unless the last "
    "argument is "
    "false; places of arrays count from 0, or with a minus from the end; a path whose earlier steps lead to nothing "
    "changes nothing",
    example="jsonb_set('{\"a\": [1, 2]}'::json, ARRAY['a', '0'], '7'::json) ->> 'a' = '[7,2]'",
    duck="json_set_at({*})",
)
json_insert = declare(
    "jsonb_insert(j json, path text[], value json) -> json; jsonb_insert(j json, path text[], value json, after "
    "boolean) "
    "-> json",
    "a JSON with a further element before, or after, the one at a path, or with a further field; a field that is there "
    "stays",
    example="jsonb_insert('{\"a\": [1, 2]}'::json, ARRAY['a', '0'], '7'::json) ->> 'a' = '[7,1,2]'",
    duck="json_insert_at({*})",
)
json_delete = declare(
    "jsonb_delete_path(j json, path text[]) -> json",
    "a JSON without what is at a path, which may be nothing; written j #- path",
    example="jsonb_delete_path('{\"a\": [1, 2]}'::json, ARRAY['a', '0'])::text = '{\"a\": [2]}'",
    duck="json_delete_at({0}, {1})",
    can_raise=True,
)
json_element = declare(
    "jsonb_array_element(j json, i bigint) -> json",
    "an array's element, counted from 0, or with a minus from the end",
    example="jsonb_array_element('[1, 2]'::json, -1)::text = '2'",
    duck="CASE WHEN json_type({0}) = 'ARRAY' THEN json_step({0}, ({1})::VARCHAR) END",
)
json_unquote = declare(
    "json_unquote(s text) -> text",
    "the text that a JSON string stands for; any other text as it is (Flink)",
    example="json_unquote('\"a\\tb\"') = E'a\\tb'",
    duck="CASE WHEN starts_with({0}, '\"') AND json_valid({0}) THEN json_extract_string({0}, '$') ELSE {0} END",
)
