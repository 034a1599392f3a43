"""Typed values to JSON text, a column at a time; the scalars' text and the joining of lists are pgtext.py's.

The inverse of text.py and json_values.py: what is rendered here is read back there as the same value.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.formats.base import true_mask
from sqlengine.pgtext import join_lists, list_parts, to_text_array
from sqlengine.types import is_json

_NEEDS_ESCAPE = r'[\x00-\x1f"\\]'
_ESCAPES = [("\\", "\\\\"), ('"', '\\"')] + [(chr(c), json.dumps(chr(c))[1:-1]) for c in range(32)]
_NULL = "null"


def to_text(values: pa.Array) -> pa.StringArray:
    """Each value as PostgreSQL prints it, nested values as JSON; null stays null."""
    if pa.types.is_nested(values.type):
        return pc.if_else(values.is_null(), pa.scalar(None, pa.string()), to_json(values))
    return to_text_array(values)


def to_json(values: pa.Array) -> pa.StringArray:
    """Each value as JSON text; null is `null`."""
    dtype = values.type
    if not len(values):
        return pa.array([], pa.string())
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return _list(values)
    if pa.types.is_struct(dtype):
        names = [dtype.field(i).name for i in range(dtype.num_fields)]
        return _or_null(json_objects(names, values.flatten(), len(values)), values)
    if pa.types.is_map(dtype):
        return _map(values)
    if pa.types.is_boolean(dtype):
        return pc.coalesce(values.cast(pa.string()), _NULL)
    text = to_text(values)
    if is_json(dtype) or pa.types.is_integer(dtype) or pa.types.is_decimal(dtype):
        return pc.coalesce(text, _NULL)
    if pa.types.is_floating(dtype):
        finite = pc.is_finite(values)
        return pc.coalesce(pc.if_else(finite, text, quoted(text)), _NULL)
    if pa.types.is_timestamp(dtype):
        text = pc.replace_substring(text, " ", "T")
    return pc.coalesce(quoted(text), _NULL)


def json_objects(names: list[str], columns: list[pa.Array], num_rows: int) -> pa.StringArray:
    """One JSON object per row."""
    if not names:
        return pa.array(["{}"] * num_rows, pa.string())
    pieces: list[pa.Array | pa.Scalar] = []
    for index, (name, column) in enumerate(zip(names, columns, strict=True)):
        pieces += [
            pa.scalar(("," if index else "{") + json.dumps(name, ensure_ascii=False) + ":"),
            to_json(column),
        ]
    return pc.binary_join_element_wise(*pieces, "}", "")


def quoted(text: pa.StringArray) -> pa.StringArray:
    """Each text as a JSON string."""
    if true_mask(pc.match_substring_regex(text, _NEEDS_ESCAPE)).any():
        for raw, escaped in _ESCAPES:
            text = pc.replace_substring(text, raw, escaped)
    return pc.binary_join_element_wise('"', text, '"', "")


def _or_null(text: pa.StringArray, values: pa.Array) -> pa.StringArray:
    return pc.if_else(values.is_null(), _NULL, text) if values.null_count else text


def _list(values: pa.Array) -> pa.StringArray:
    _, items = list_parts(values)
    return _enclosed("[", join_lists(values, to_json(items), ","), "]")


def _map(values: pa.MapArray) -> pa.StringArray:
    _, entries = list_parts(values)
    keys, items = entries.flatten()
    members = pc.binary_join_element_wise(quoted(to_text(keys)), to_json(items), ":")
    return _enclosed("{", join_lists(values, members, ","), "}")


def _enclosed(opening: str, text: pa.StringArray, closing: str) -> pa.StringArray:
    """The text in brackets, `null` for NULL."""
    return pc.coalesce(pc.binary_join_element_wise(opening, text, closing, ""), _NULL)
