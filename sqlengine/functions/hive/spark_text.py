"""Texts by Spark's rules (Spark's Built-in Functions: String, URL and JSON Functions)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import errors
from sqlengine.functions.hive.json import loaded
from sqlengine.functions.hive.rows import by_options, per_distinct
from sqlengine.functions.hive.spark_arrays import wrong
from sqlengine.functions.hive.text import trim_function
from sqlengine.functions.registry import Function, scalar

_TEXT, _BOOL = pa.string(), pa.bool_()

btrim = trim_function("btrim", pc.utf8_trim, "at either end")


def _searched(name: str, arrow: Callable[..., pa.Array], what: str, example: str) -> Function:
    return scalar(f"hive${name}(s text, part text) -> boolean", what, example=example)(
        by_options(_BOOL, lambda s, part: arrow(s, pattern=part))
    )


contains = _searched(
    "contains", pc.match_substring, "whether a text is part of another", "contains('Spark SQL', 'Spark')"
)
startswith = _searched(
    "startswith", pc.starts_with, "whether a text begins with another", "startswith('Spark SQL', 'Spark')"
)
endswith = _searched("endswith", pc.ends_with, "whether a text ends with another", "endswith('Spark SQL', 'SQL')")


def _begun(s: pa.Array, n: int) -> pa.Array:
    return pc.utf8_slice_codeunits(s, start=0, stop=max(n, 0))


def _ended(s: pa.Array, n: int) -> pa.Array:
    return pc.utf8_slice_codeunits(s, start=-n) if n > 0 else _begun(s, 0)


left = scalar("hive$left(s text, n integer) -> text", "the first n characters", example="left('Spark SQL', 3) = 'Spa'")(
    by_options(_TEXT, _begun)
)
right = scalar(
    "hive$right(s text, n integer) -> text", "the last n characters", example="right('Spark SQL', 3) = 'SQL'"
)(by_options(_TEXT, _ended))


def _split_part(s: pa.Array, delimiter: str, n: int) -> pa.Array:
    if n == 0:
        raise wrong("the pieces of split_part are counted from 1, or from -1 at the end")
    pieces = pc.split_pattern(s, pattern=delimiter) if delimiter else pa.ListArray.from_arrays(range(len(s) + 1), s)
    counts = pc.list_value_length(pieces)
    place = pa.repeat(pa.scalar(n - 1, pa.int32()), len(s)) if n > 0 else pc.add(counts, pa.scalar(n, pa.int32()))
    inside = pc.and_(pc.greater_equal(place, 0), pc.less(place, counts))
    at = pc.if_else(inside, pc.add(pieces.offsets[:-1], place), pa.scalar(None, pa.int32()))
    return pc.if_else(pc.is_valid(s), pc.fill_null(pieces.values.take(at), ""), pa.scalar(None, _TEXT))


split_part = scalar(
    "hive$split_part(s text, delimiter text, n integer) -> text",
    "the n-th piece between delimiters, from the end when negative; empty beyond the last",
    example="split_part('11.12.13', '.', 3) = '13'",
    can_raise=True,
)(by_options(_TEXT, _split_part))


def _overlay(s: str, new: str, start: int, length: int = -1) -> str:
    """Of a length below 0 the new text's own; a place before the text counts as its beginning."""
    count = length if length >= 0 else len(new)
    rest = start + count
    behind = s[rest - 1 :] if rest > 0 else s[rest:] if rest < 0 else s
    return s[: max(start - 1, 0)] + new + behind


overlay = scalar(
    "hive$overlay(s text, new text, start integer) -> text;"
    "hive$overlay(s text, new text, start integer, length integer) -> text",
    "the text with a part from a place on, of so many characters, replaced by another",
    example="overlay('Spark SQL', 'ANSI ', 7, 0) = 'Spark ANSI SQL'",
)(per_distinct(_TEXT, _overlay))


@scalar(
    "hive$bit_length(s text) -> integer; hive$bit_length(b bytea) -> integer",
    "the length in bits",
    example="bit_length('Spark SQL') = 72",
)
def bit_length(s: Any) -> Any:
    return pc.multiply(pc.binary_length(s), pa.scalar(8, pa.int32()))


# ---------------------------------------------------------------- addresses and JSON


def _encoded(s: str) -> str:
    """java.net.URLEncoder: letters, digits and `.-*_` as they are, a blank as `+`."""
    return quote_plus(s, safe="*").replace("~", "%7E")


def decoded_url(s: str) -> str:
    """java.net.URLDecoder; what is no UTF-8 is U+FFFD."""
    at = s.find("%")
    while at >= 0:
        digits = s[at + 1 : at + 3]
        if len(digits) < 2 or not all(mark in "0123456789abcdefABCDEF" for mark in digits):
            raise errors.InvalidText(f"no two hexadecimal digits behind % in an encoded text: '{s}'")
        at = s.find("%", at + 3)
    return unquote_to_bytes(s.replace("+", " ")).decode("utf-8", "replace")


url_encode = scalar(
    "hive$url_encode(s text) -> text",
    "the text as application/x-www-form-urlencoded has it",
    example="url_encode('https://spark.apache.org') = 'https%3A%2F%2Fspark.apache.org'",
)(per_distinct(_TEXT, _encoded))
url_decode = scalar(
    "hive$url_decode(s text) -> text",
    "a text in application/x-www-form-urlencoded as it was",
    example="url_decode('https%3A%2F%2Fspark.apache.org') = 'https://spark.apache.org'",
    can_raise=True,
)(per_distinct(_TEXT, decoded_url))


def _array_length(s: str) -> int | None:
    try:
        value = loaded(s)
    except (json.JSONDecodeError, ValueError, RecursionError):
        return None
    return len(value) if isinstance(value, list) else None


json_array_length = scalar(
    "hive$json_array_length(j text) -> integer",
    "how many elements the outermost array of a JSON text has; NULL of anything else",
    example='json_array_length(\'[1,2,3,{"f1":1,"f2":[5,6]},4]\') = 5',
)(per_distinct(pa.int32(), _array_length))


def _raise(arg_types: Any, result: pa.DataType) -> Any:
    def kernel(message: pa.Array) -> pa.Array:
        if len(message):
            said = message[0].as_py()
            raise errors.DataError("null" if said is None else said, sqlstate="P0001")
        return pa.nulls(0, result)

    return kernel


raise_error = scalar(
    "hive$raise_error(message text) -> text",
    "an error with this message",
    factory=True,
    broadcast=True,
    strict=False,
    can_raise=True,
    volatility="volatile",
    result_type=lambda args: pa.null(),  # so that the other branches of a choice say its type
)(_raise)
