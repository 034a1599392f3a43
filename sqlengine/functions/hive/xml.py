"""Hive's xpath functions; NULL for what is no document or no expression, or has entities of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.hive.xml_tree import BadXml, Node, document
from sqlengine.functions.hive.xpath import BadXPath, Context, compiled, to_boolean, to_number, to_string
from sqlengine.functions.registry import Function, scalar

_TEXTS = pa.list_(pa.string())


@lru_cache(maxsize=16)
def _document(text: str) -> Node:
    """Documents asked several times in one row are read once."""
    return document(text)


def _evaluated(read: Callable[[Any], Any]) -> Callable[[str, str], Any]:
    def body(xml: str, path: str) -> Any:
        if not xml or not path:
            return None
        try:
            return read(compiled(path)(Context(_document(xml))))
        except (BadXml, BadXPath, RecursionError):
            return None

    return body


def _narrowed(bits: int) -> Callable[[Any], int]:
    """Java's narrowing of a double: cut, NaN is 0, the ends of int or long hold; short is the low bits of an int."""
    wide = 64 if bits == 64 else 32
    low, high = -(2 ** (wide - 1)), 2 ** (wide - 1) - 1

    def read(value: Any) -> int:
        number = to_number(value)
        if math.isnan(number):
            return 0
        whole = high if number >= high else low if number <= low else int(number)
        return int(np.int64(whole).astype(np.int16)) if bits == 16 else whole

    return read


def _texts(value: Any) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [node.value for node in value if node.kind in ("text", "attribute", "comment", "pi")]


def _xpath(name: str, kind: str, result: pa.DataType, words: str, example: str, read: Callable[[Any], Any]) -> Function:
    return scalar(f"hive${name}(xml text, path text) -> {kind}", words, example=example)(
        per_distinct(result, _evaluated(read))
    )


_SUM = "('<a><b>1</b><b>2</b></a>', 'sum(a/b)') = 3"
xpath = _xpath(
    "xpath",
    "text[]",
    _TEXTS,
    "the texts and attributes that an XPath expression finds; elements have no text of their own",
    "xpath('<a><b>b1</b><b>b2</b></a>', 'a/b/text()')[1] = 'b2'",
    _texts,
)
xpath_string = _xpath(
    "xpath_string",
    "text",
    pa.string(),
    "the text of the first node found",
    "xpath_string('<a><b>b</b><c>cc</c></a>', 'a/c') = 'cc'",
    to_string,
)
xpath_boolean = _xpath(
    "xpath_boolean",
    "boolean",
    pa.bool_(),
    "whether an XPath expression is true or finds a node",
    "xpath_boolean('<a><b>1</b></a>', 'a/b')",
    to_boolean,
)
_WHOLE = "the number an XPath expression gives, cut, 0 when there is none"
xpath_short = _xpath("xpath_short", "smallint", pa.int16(), _WHOLE, f"xpath_short{_SUM}", _narrowed(16))
xpath_int = _xpath("xpath_int", "integer", pa.int32(), _WHOLE, f"xpath_int{_SUM}", _narrowed(32))
xpath_long = _xpath("xpath_long", "bigint", pa.int64(), _WHOLE, f"xpath_long{_SUM}", _narrowed(64))
_REAL = "the number an XPath expression gives, NaN when there is none"
xpath_float = _xpath("xpath_float", "real", pa.float32(), _REAL, f"xpath_float{_SUM}", to_number)
xpath_double = _xpath("xpath_double", "double precision", pa.float64(), _REAL, f"xpath_double{_SUM}", to_number)
xpath_number = _xpath("xpath_number", "double precision", pa.float64(), _REAL, f"xpath_number{_SUM}", to_number)
