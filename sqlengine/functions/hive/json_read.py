"""Hive's json_read: a JSON text as a value of a type (GenericUDFJsonRead and HiveJsonReader of Apache Hive 4).

Unlike the rest of Hive it raises: for what is no JSON, for an object where there is none in the type, for a field that
the type has not.  Single values are converted as Jackson's asInt, asDouble, asBoolean and asText do: a text that is no
number is 0, numbers are cut.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import pyarrow as pa

from sqlengine import errors
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.hive.spark_json_text import as_text, parsed, whole
from sqlengine.functions.hive.spark_moment_texts import day_of, moment_of
from sqlengine.functions.registry import Kernel, scalar
from sqlengine.hive_types import HiveType, parse_type

Reader = Callable[[Any], Any]
_STRICT = {"allowsinglequotes": "false"}
_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_DIGITS = Context(prec=400)


def _factory(_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    return per_distinct(result, _read)


json_read = scalar(
    "hive$json_read_as(j text, type text) -> any", "the value of a JSON text", factory=True, can_raise=True
)(_factory)


def _read(text: str, type_text: str) -> Any:
    if not text:
        return None
    try:
        return _reader(type_text)(parsed(text, _STRICT))
    except RecursionError:
        raise errors.InvalidText("json_read: the text is nested too deeply") from None
    except ValueError as err:
        raise errors.InvalidText(f"json_read: {text[:100]} is no {type_text}", detail=str(err)) from None


@lru_cache(maxsize=256)
def _reader(type_text: str) -> Reader:
    return _of(parse_type(type_text))


def _of(kind: HiveType) -> Reader:
    """What reads a value; ValueError for one of another shape."""
    read = {"struct": _struct, "array": _array, "map": _map}.get(kind.name, _leaf)(kind)
    return lambda value: None if value is None else read(value)


def _struct(kind: HiveType) -> Reader:
    readers = {name: _of(child) for name, child in kind.fields}

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"an object is expected for {kind}")
        made = {}
        for name, item in value.items():
            if name.lower() not in readers:
                raise ValueError(f'field "{name}" is not in {kind}')
            made[name.lower()] = readers[name.lower()](item)
        return made

    return read


def _array(kind: HiveType) -> Reader:
    reader = _of(kind.children[0])

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"an array is expected for {kind}")
        return [reader(item) for item in value]

    return read


def _map(kind: HiveType) -> Reader:
    key, item = (_of(child) for child in kind.children)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"an object is expected for {kind}")
        return [(key(name), item(inner)) for name, inner in value.items()]

    return read


# ---------------------------------------------------------------- single values


def _leaf(kind: HiveType) -> Reader:
    convert = _CONVERTED[kind.name](kind)

    def read(value: Any) -> Any:
        if isinstance(value, (dict, list)):
            raise ValueError(f"a single value is expected for {kind}")
        return convert(value)

    return read


def _number(value: Any) -> float | int | Decimal:
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, str):
        return value  # type: ignore[no-any-return]
    try:
        return Decimal(value.strip())
    except InvalidOperation:
        return 0


def _whole(kind: HiveType) -> Reader:
    """Whole numbers keep their low bits; others stop at the ends of int, or of bigint, first, as Java's casts do."""
    bits = _BITS[kind.name]
    limit = 1 << (max(bits, 32) - 1)

    def read(value: Any) -> int:
        found = _number(value)
        if not isinstance(found, int):
            found = int(min(max(float(found), -limit), limit - 1))
        cut = found & ((1 << bits) - 1)
        return cut - (1 << bits) if cut >> (bits - 1) else cut

    return read


def _boolean(value: Any) -> bool:
    return value.strip() == "true" if isinstance(value, str) else value != 0


def _decimal(kind: HiveType) -> Reader:
    precision, scale = kind.arguments

    def read(value: Any) -> Decimal | None:
        try:
            exact = Decimal(as_text(value) or "").quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _DIGITS)
        except InvalidOperation:
            return None
        return exact if abs(exact) < Decimal(10) ** (precision - scale) else None

    return read


def _binary(value: Any) -> bytes:
    try:
        return base64.b64decode(as_text(value) or "", validate=True)
    except binascii.Error as err:
        raise ValueError(str(err)) from None


def _moment(read: Callable[[str], Any]) -> Callable[[HiveType], Reader]:
    def of(kind: HiveType) -> Reader:
        def convert(value: Any) -> Any:
            found = read(as_text(value) or "")
            if found is None:
                raise ValueError(f"{as_text(value)} is no {kind}")
            return found

        return convert

    return of


def _text(kind: HiveType) -> Reader:
    """Texts of char and varchar are cut, and those of char have no blanks at their end."""
    length = kind.arguments[0] if kind.arguments else None

    def read(value: Any) -> str:
        text = whole(as_text(value) or "")[:length]
        return text.rstrip(" ") if kind.name == "char" else text

    return read


_CONVERTED: dict[str, Callable[[HiveType], Reader]] = {
    **dict.fromkeys(_BITS, _whole),
    **dict.fromkeys(("float", "double"), lambda kind: lambda value: float(_number(value))),
    **dict.fromkeys(("string", "char", "varchar"), _text),
    **dict.fromkeys(("timestamp", "timestamp with local time zone"), _moment(moment_of)),
    "boolean": lambda kind: _boolean,
    "decimal": _decimal,
    "binary": lambda kind: _binary,
    "date": _moment(day_of),
}
