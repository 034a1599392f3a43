"""Spark's from_json: JSON texts as values of a type (Spark's JSON Functions, and its options of JSON).

What does not fit a field's type is NULL there and spoils no other field; within an array or a map it spoils the whole
of it, up to the nearest struct.  A text that is no JSON gives a struct of NULLs, or NULL for arrays and maps; one
without anything in it is NULL.  The mode FAILFAST raises instead, and a field called `_corrupt_record` gets the text.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import pyarrow as pa

from sqlengine import errors
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.hive.spark_json_text import Options, as_text, options_of, parsed, whole
from sqlengine.functions.hive.spark_moment_texts import day_of, moment_of
from sqlengine.functions.registry import Kernel, scalar
from sqlengine.types import TIMESTAMP, is_integer, is_text, to_sql

CORRUPT = "_corrupt_record"
_REALS = {
    "NaN": math.nan, "Infinity": math.inf, "+Infinity": math.inf, "+INF": math.inf, "-Infinity": -math.inf,
    "-INF": -math.inf,
}  # fmt: skip
_DIGITS = Context(prec=400)
_SECONDS_MAX = 2**63 // 1_000_000
"""Seconds from 1970 that a timestamp of microseconds has no room for."""


class _Wrong(Exception):
    """A value that does not fit its type."""


Reader = Callable[[Any], Any]


class _Record:
    """What is made of one text; `is_bad`: something did not fit."""

    def __init__(self) -> None:
        self.is_bad = False


def _factory(_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
    def body(text: str, options: str) -> Any:
        return _record(text, result, options)

    return per_distinct(result, body)


from_json = scalar(
    "hive$from_json_as(j text, options text) -> any",
    "the values of a JSON text at the types of a schema",
    factory=True,
    can_raise=True,
)(_factory)


def _record(text: str, kind: pa.DataType, options_text: str) -> Any:
    if not text.strip(" \t\r\n"):
        return None
    options = options_of(options_text)
    corrupt = options.get("columnnameofcorruptrecord", CORRUPT)
    record = _Record()
    is_struct = pa.types.is_struct(kind)
    try:
        value = parsed(text, options)
        if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type) and isinstance(value, dict):
            value = [value]
        made = _reader(kind, options_text, record)(value)
    except (ValueError, RecursionError, _Wrong):
        made, record.is_bad = ({} if is_struct else None), True
    if record.is_bad and options.get("mode", "").upper() == "FAILFAST":
        raise errors.InvalidText(
            f"malformed record in from_json: {text[:100]}", hint="mode PERMISSIVE makes NULL of what does not fit"
        )
    if is_struct and made is not None and kind.get_field_index(corrupt) >= 0:
        made[corrupt] = whole(text) if record.is_bad else None
    return made


def _reader(kind: pa.DataType, options_text: str, record: _Record) -> Reader:
    """What reads a JSON value that is not null."""
    if pa.types.is_struct(kind):
        return _struct(kind, options_text, record)
    if pa.types.is_list(kind):
        return _list(kind, options_text, record)
    if pa.types.is_map(kind):
        return _map(kind, options_text, record)
    return leaf(kind, options_text)


def _or_null(read: Reader) -> Reader:
    return lambda value: None if value is None else read(value)


def _struct(kind: pa.DataType, options_text: str, record: _Record) -> Reader:
    readers = {field.name: _or_null(_reader(field.type, options_text, record)) for field in kind}

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Wrong
        made = {}
        for name, item in value.items():
            reader = readers.get(name)
            if reader is None:
                continue
            try:
                made[name] = reader(item)
            except _Wrong:
                record.is_bad = True
        return made

    return read


def _list(kind: pa.DataType, options_text: str, record: _Record) -> Reader:
    reader = _or_null(_reader(kind.value_type, options_text, record))

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _Wrong
        return [reader(item) for item in value]

    return read


def _map(kind: pa.DataType, options_text: str, record: _Record) -> Reader:
    reader = _or_null(_reader(kind.item_type, options_text, record))

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Wrong
        return [(whole(key), reader(item)) for key, item in value.items()]

    return read


# ---------------------------------------------------------------- single values


@lru_cache(maxsize=256)
def leaf(kind: pa.DataType, options_text: str) -> Reader:
    """What reads a JSON value as a type without parts; it raises _Wrong.  DatatypeMismatch (42804) for a type that JSON
    is not read as."""
    options = options_of(options_text)
    if is_text(kind):
        return as_text
    if pa.types.is_boolean(kind):
        return _boolean
    if is_integer(kind):
        return _whole(kind)
    if pa.types.is_floating(kind):
        return _double
    if pa.types.is_decimal(kind):
        return _decimal(kind)
    if pa.types.is_binary(kind):
        return _binary
    if kind in (pa.date32(), TIMESTAMP):
        return _moment(kind, options)
    raise errors.DatatypeMismatch(f"from_json does not read {to_sql(kind)}")


def _boolean(value: Any) -> Any:
    if not isinstance(value, bool):
        raise _Wrong
    return value


def _whole(kind: pa.DataType) -> Reader:
    limit = 1 << kind.bit_width - 1

    def read(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value < limit:
            raise _Wrong
        return value

    return read


def _double(value: Any) -> Any:
    if isinstance(value, str) and value in _REALS:
        return _REALS[value]
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise _Wrong
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _decimal(kind: pa.DataType) -> Reader:
    step = Decimal(1).scaleb(-kind.scale)
    limit = Decimal(10) ** (kind.precision - kind.scale)

    def read(value: Any) -> Any:
        if isinstance(value, (bool, float)) or not isinstance(value, (int, str, Decimal)):
            raise _Wrong
        try:
            exact = Decimal(value.replace(",", "") if isinstance(value, str) else value)
            made = exact.quantize(step, ROUND_HALF_UP, _DIGITS)
        except InvalidOperation as err:
            raise _Wrong from err
        if abs(made) >= limit:
            raise _Wrong
        return made

    return read


def _binary(value: Any) -> Any:
    if not isinstance(value, str):
        raise _Wrong
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as err:
        raise _Wrong from err


def _moment(kind: pa.DataType, options: Options) -> Reader:
    is_date = kind == pa.date32()
    pattern = options.get("dateformat" if is_date else "timestampformat")

    def read(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and not is_date and abs(value) < _SECONDS_MAX:
            return value * 1_000_000
        found: int | None = None
        if isinstance(value, str):
            found = day_of(value, pattern) if is_date else moment_of(value, pattern)
        if found is None:
            raise _Wrong
        return found

    return read
