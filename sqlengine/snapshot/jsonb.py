"""jsonb in one-shot queries: DuckDB knows json only, so what asks of jsonb is our own operators' to answer.

Where they cannot, DuckDB does, over canonical texts; its answers of json are jsonb's if nothing in the query is json.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from sqlengine.catalog.objects import CatalogObject
from sqlengine.types import JSON, JSONB, has_jsonb

_WORD = re.compile(r"\w+|\*")
_OTHER = re.compile(r"(?:to_|row_to_|parse_|try_parse_)?json(?!b)\w*")


def asks_of_jsonb(texts: Iterable[str], inputs: Iterable[CatalogObject]) -> bool:
    """Whether queries name the type, one of its functions, or a column of it among what they read."""
    words = {word for text in texts for word in _WORD.findall(text.lower())}
    if any("jsonb" in word for word in words):
        return True
    named = [c.name.lower() for obj in inputs for c in obj.columns if has_jsonb(c.type)]
    return bool(named) and ("*" in words or not words.isdisjoint(named))


def asks_of_json(texts: Iterable[str], inputs: Iterable[CatalogObject]) -> bool:
    """Whether they name json, a function of it, or read an object that has a column of it."""
    words = {word for text in texts for word in _WORD.findall(text.lower())}
    return any(map(_OTHER.fullmatch, words)) or any(_has_json(c.type) for obj in inputs for c in obj.columns)


def _has_json(dtype: pa.DataType) -> bool:
    if pa.types.is_nested(dtype):
        return any(_has_json(dtype.field(i).type) for i in range(dtype.num_fields))
    return dtype == JSON


def as_jsonb(dtype: pa.DataType) -> pa.DataType:
    """The type with jsonb wherever it, or an array of it, has json."""
    if pa.types.is_list(dtype):
        return pa.list_(as_jsonb(dtype.value_type))
    return JSONB if dtype == JSON else dtype
