"""What PostgreSQL says of a text that is no value of a type."""

from __future__ import annotations

import re

import pyarrow as pa

from sqlengine import errors
from sqlengine.moment_text import readable
from sqlengine.reading import clock_of_now, order_of_now
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ, to_sql

_INTEGER = re.compile(r"\s*[+-]?\d+\s*")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_KINDS = {pa.date32(): "date", pa.time64("us"): "time", TIMESTAMP: "timestamp", TIMESTAMPTZ: "timestamptz"}


def wrong_text(value: str, dtype: pa.DataType) -> errors.DataError:
    """OutOfRange (22003), InvalidDatetime (22007, 22008) or InvalidText (22P02), for a text that did not convert."""
    kind = "numeric" if pa.types.is_decimal(dtype) else to_sql(dtype)
    if pa.types.is_integer(dtype) and _INTEGER.fullmatch(value):
        return errors.OutOfRange(f'value "{value}" is out of range for type {kind}')
    if pa.types.is_decimal(dtype) and _NUMBER.fullmatch(value):
        return errors.OutOfRange("numeric field overflow")
    if pa.types.is_floating(dtype) and _NUMBER.fullmatch(value):
        return errors.OutOfRange(f'"{value}" is out of range for type {kind}')
    if pa.types.is_list(dtype):
        return errors.InvalidText(f'malformed array literal: "{value}"')
    if not pa.types.is_temporal(dtype):
        return errors.InvalidText(f'invalid input syntax for type {kind}: "{value}"')
    return (
        wrong_moment(value, _KINDS[dtype])
        if dtype in _KINDS
        else errors.InvalidDatetime(f'invalid input syntax for type {kind}: "{value}"')
    )


def moment_kind(dtype: pa.DataType) -> str:
    """What a type of moments is called in moment_text.py."""
    return _KINDS[dtype]


def wrong_moment(value: str, kind: str) -> errors.InvalidDatetime:
    """What is wrong with a text that is no moment of a kind: of moment_text.py, or of the calendar."""
    try:
        readable(value, kind, order_of_now(), clock_of_now())
    except errors.InvalidDatetime as error:
        return error
    return errors.InvalidDatetime(f'date/time field value out of range: "{value}"', sqlstate="22008")
