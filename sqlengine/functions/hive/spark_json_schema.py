"""What JSON texts hold, by Spark's rules: schema_of_json and json_object_keys (Spark's JSON Functions)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sqlengine import errors
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.hive.spark_json_text import Options, is_on, parsed, parsed_pairs, whole
from sqlengine.functions.hive.spark_moment_texts import moment_of
from sqlengine.functions.registry import scalar

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]*[A-Za-z_][A-Za-z0-9_]*")
_DIGITS_MAX = 38
_LONG_DIGITS = 20
"""Digits of the decimal that a bigint and a decimal meet at."""
Found = str | tuple[int, int] | list["Found"] | Mapping[str, "Found"]
"""A type: a word, a decimal's digits and scale, an array's one element, a struct's fields."""


def schema_of(text: str, options: Options) -> str:
    """The type of a JSON text as DDL, `STRUCT<a: BIGINT>`; InvalidText (22P02) for what is no JSON."""
    if not text.strip(" \t\r\n"):
        return "STRING"
    try:
        found = _inferred(parsed(text, options), options)
    except (ValueError, RecursionError) as err:
        raise errors.InvalidText(f"malformed record in schema_of_json: {text[:100]}") from err
    return "STRUCT<>" if found is None else _written(found)


def _inferred(value: Any, options: Options) -> Found | None:
    """The type of a value; None for an object without fields, which is no field of another."""
    if value is None:
        return "NULL"
    if isinstance(value, dict):
        fields = {key: _inferred(value[key], options) for key in sorted(value)}
        kept = {key: kind for key, kind in fields.items() if kind is not None}
        return kept or None
    if isinstance(value, list):
        kinds = [kind for item in value if (kind := _inferred(item, options)) is not None]
        element: Found = "NULL"
        for kind in kinds:
            element = _common(element, kind)
        return [element]
    if is_on(options, "primitivesAsString"):
        return "STRING"
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, str):
        as_time = is_on(options, "inferTimestamp") and moment_of(value, options.get("timestampformat")) is not None
        return "TIMESTAMP" if as_time else "STRING"
    return _number(value, options)


def _number(value: int | float | Decimal, options: Options) -> Found:
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return "BIGINT"
        digits = len(str(abs(value)))
        return (digits, 0) if digits <= _DIGITS_MAX else "DOUBLE"
    if isinstance(value, Decimal) and is_on(options, "prefersDecimal"):
        parts = value.as_tuple()
        assert isinstance(parts.exponent, int), "a number of JSON is finite"
        scale = max(-parts.exponent, 0)
        precision = max(len(parts.digits) + max(parts.exponent, 0), scale)
        if precision <= _DIGITS_MAX:
            return precision, scale
    return "DOUBLE"


def _common(a: Found, b: Found) -> Found:
    """The type of either of two values."""
    if a == b or b == "NULL":
        return a
    if a == "NULL":
        return b
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return {key: _common(a.get(key, "NULL"), b.get(key, "NULL")) for key in sorted({*a, *b})}
    if isinstance(a, list) and isinstance(b, list):
        return [_common(a[0], b[0])]
    numbers = [(_LONG_DIGITS, 0) if kind == "BIGINT" else kind for kind in (a, b)]
    if "DOUBLE" in numbers and all(kind == "DOUBLE" or isinstance(kind, tuple) for kind in numbers):
        return "DOUBLE"
    one, other = numbers
    if isinstance(one, tuple) and isinstance(other, tuple):
        scale = max(one[1], other[1])
        before = max(one[0] - one[1], other[0] - other[1])
        return (before + scale, scale) if before + scale <= _DIGITS_MAX else "DOUBLE"
    return "STRING"


def _written(kind: Found) -> str:
    if isinstance(kind, Mapping):
        return f"STRUCT<{', '.join(f'{_name(key)}: {_written(inner)}' for key, inner in kind.items())}>"
    if isinstance(kind, list):
        return f"ARRAY<{_written(kind[0])}>"
    if isinstance(kind, tuple):
        return f"DECIMAL({kind[0]},{kind[1]})"
    return "STRING" if kind == "NULL" else kind


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else "`" + name.replace("`", "``") + "`"


def _keys(text: str) -> list[str] | None:
    try:
        found = parsed_pairs(text)
    except (ValueError, RecursionError):
        return None
    is_object = text.lstrip(" \t\r\n").startswith("{")
    return [whole(key) for key, _ in found] if is_object else None


json_object_keys = scalar(
    "hive$json_object_keys(j text) -> text[]",
    "the keys of the outermost object of a JSON text; NULL of anything else",
    example="""json_object_keys('{"f1":"abc","f2":{"f3":"a", "f4":"b"}}') = array('f1', 'f2')""",
)(per_distinct(pa.list_(pa.string()), _keys))
