"""Spark's to_json: structs, arrays and maps as JSON texts, whole columns at once (Spark's JSON Functions).

Fields that are NULL are left out, but elements and values of maps are `null`; numbers that JSON has no word for are
strings, binaries are base64; keys of maps that are dates or times are numbers, as in Spark.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.functions.hive.java_text import double_text
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.hive.spark_json_text import Options, is_on, options_of
from sqlengine.functions.hive.time_patterns import formatted
from sqlengine.functions.registry import Kernel, scalar
from sqlengine.pgtext import join_lists, list_parts
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ, is_numeric, is_text, to_sql

_TEXT = pa.string()
_MOMENT = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"
_NULL = pa.scalar("null")
_NEEDS_ESCAPE = r'[\x00-\x1f"\\]'


def _factory(_types: Sequence[pa.DataType], _result: pa.DataType) -> Kernel:
    return lambda value, options: (
        json_text(value, options_of(options[0].as_py())) if len(value) else pa.array([], _TEXT)
    )


to_json = scalar(
    "hive$to_json_as(value any, options text) -> text",
    "the struct, array or map as a JSON text",
    factory=True,
    broadcast=True,
    strict=False,
)(_factory)


def json_text(array: pa.Array, options: Options) -> pa.Array:
    """The values as JSON texts, NULL of NULL; DatatypeMismatch (42804) for a type JSON has no text of."""
    kind = array.type
    if not len(array):
        return pa.array([], _TEXT)
    if pa.types.is_struct(kind):
        return _struct(array, options)
    if pa.types.is_map(kind):
        return _map(array, options)
    if pa.types.is_list(kind):
        return _list(array, options)
    if pa.types.is_null(kind):
        return pa.nulls(len(array), _TEXT)
    if pa.types.is_boolean(kind) or is_numeric(kind):
        return _number(array)
    if pa.types.is_binary(kind):
        return _quoted(_in_base64(array))
    if is_text(kind):
        return _quoted(array.cast(_TEXT))
    if kind == pa.date32():
        pattern = options.get("dateformat")
        return _quoted(array.cast(_TEXT) if pattern is None else formatted(array.cast(TIMESTAMP), pattern))
    if kind in (TIMESTAMP, TIMESTAMPTZ):
        return _quoted(formatted(array.cast(TIMESTAMP), options.get("timestampformat", _MOMENT)))
    raise errors.DatatypeMismatch(f"to_json does not write {to_sql(kind)}", hint="cast it to string")


def _number(array: pa.Array) -> pa.Array:
    if not pa.types.is_floating(array.type):
        return array.cast(_TEXT)
    texts = double_text(array)
    return pc.if_else(pc.is_finite(array), texts, pc.binary_join_element_wise('"', texts, '"', ""))


_in_base64 = per_distinct(_TEXT, lambda data: base64.b64encode(data).decode())


def _quoted(texts: pa.Array) -> pa.Array:
    special = pc.fill_null(pc.match_substring_regex(texts, _NEEDS_ESCAPE), False)
    plain = pc.binary_join_element_wise('"', texts, '"', "")
    if not pc.any(special).as_py():
        return plain
    return pc.replace_with_mask(plain, special, per_distinct(_TEXT, _escaped)(texts.filter(special)))


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _struct(array: pa.StructArray, options: Options) -> pa.Array:
    keeps_nulls = not is_on(options, "ignoreNullFields", True)
    rows = len(array)
    out = pa.array(np.full(rows, "", dtype=object), _TEXT)
    for field, values in zip(array.type, array.flatten(), strict=True):
        texts = json_text(values, options)
        if keeps_nulls:
            texts = pc.fill_null(texts, _NULL)
        piece = pc.binary_join_element_wise(f",{_escaped(field.name)}:", texts, "")
        out = pc.binary_join_element_wise(out, pc.fill_null(piece, ""), "")
    return _masked(array, pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(out, 1), "}", ""))


def _list(array: pa.ListArray, options: Options) -> pa.Array:
    _, values = list_parts(array)
    items = pc.fill_null(json_text(values, options), _NULL)
    return _masked(array, pc.binary_join_element_wise("[", join_lists(array, items, ","), "]", ""))


def _map(array: pa.MapArray, options: Options) -> pa.Array:
    _, entries = list_parts(array)
    keys, values = entries.flatten()
    if pa.types.is_nested(keys.type):
        raise errors.DatatypeMismatch(f"to_json does not write keys of type {to_sql(keys.type)}")
    if keys.type == pa.date32():
        keys = keys.cast(pa.int32())
    elif pa.types.is_timestamp(keys.type):
        keys = keys.cast(pa.int64())
    names = _quoted(double_text(keys) if pa.types.is_floating(keys.type) else keys.cast(_TEXT))
    items = pc.fill_null(json_text(values, options), _NULL)
    members = pc.binary_join_element_wise(names, items, ":")
    return _masked(array, pc.binary_join_element_wise("{", join_lists(array, members, ","), "}", ""))


def _masked(array: pa.Array, texts: pa.Array) -> pa.Array:
    return pc.if_else(array.is_valid(), texts, pa.scalar(None, _TEXT))
