"""What PostgreSQL says of a text that is no value of a type."""

from __future__ import annotations

import re

import pyarrow as pa

from sqlengine import errors
from sqlengine.types import to_sql

_INTEGER = re.compile(r"\s*[+-]?\d+\s*")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_MOMENT = re.compile(r"\s*(\d{1,7}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{1,2}.*)?|\d{1,2}:\d{1,2}(:\d.*)?)\s*")


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
    if _MOMENT.fullmatch(value):
        return errors.InvalidDatetime(f'date/time field value out of range: "{value}"', sqlstate="22008")
    return errors.InvalidDatetime(f'invalid input syntax for type {kind}: "{value}"')
