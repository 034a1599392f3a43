"""Text to typed values, a column at a time, as PostgreSQL reads literals: the one place where CSV fields,
JSON strings and JSON numbers become values.

A value that does not convert is marked, never raised, and never harms its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck
from sqlengine.decimal_digits import rounded
from sqlengine.errors import NotSupportedError
from sqlengine.formats.base import Converted, Mask, isolate, null_mask, true_mask
from sqlengine.functions.zoned import moments
from sqlengine.types import INTERVAL, TIMESTAMP, TIMESTAMPTZ, to_sql

_TRUE = ["true", "t", "yes", "y", "on", "1"]
_FALSE = ["false", "f", "no", "n", "off", "0"]
_ZONED = r":[0-9]{2}(\.[0-9]+)? ?([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$"
_LONG_FRACTION = r"(:[0-9]{2}\.[0-9]{6})[0-9]+"
_TIME = r"^[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?$"
_WIDE = pa.decimal256(76, 38)
"""Wide enough to hold any numeric(38, s) before it is rounded to its scale."""


def convert_text(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    """Each text as a value of `dtype` (a scalar type); null stays null; white space around non-text is
    ignored.

    Raises NotSupportedError (0A000) for a type that has no text form here.
    """
    if dtype == pa.string():
        return Converted(text, np.zeros(len(text), dtype=bool))
    if dtype == pa.large_string():
        return Converted(text.cast(dtype), np.zeros(len(text), dtype=bool))
    return _converter(dtype)(pc.ascii_trim_whitespace(text), dtype)


def check_supported(dtype: pa.DataType) -> None:
    """Raise NotSupportedError (0A000) unless convert_text knows the type."""
    if not (pa.types.is_string(dtype) or pa.types.is_large_string(dtype)):
        _converter(dtype)


def _converter(dtype: pa.DataType) -> Callable[[pa.StringArray, pa.DataType], Converted]:
    for applies, convert in _CONVERTERS:
        if applies(dtype):
            return convert
    raise NotSupportedError(f"type {to_sql(dtype)} cannot be read from text")


def cast_each(values: pa.Array, dtype: pa.DataType) -> Converted:
    """Arrow's cast, in which a refused value is marked instead of failing the whole array."""

    def attempt(low: int, high: int) -> pa.Array | None:
        try:
            return values.slice(low, high - low).cast(dtype)
        except pa.ArrowInvalid:
            return None

    pieces = isolate(len(values), attempt)
    bad = np.zeros(len(values), dtype=bool)
    for low, _, piece in pieces:
        if piece is None:
            bad[low] = True
    arrays = [pa.nulls(1, dtype) if piece is None else piece for _, _, piece in pieces]
    return Converted(pa.concat_arrays(arrays) if arrays else pa.array([], dtype), bad)


def _float(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    """Arrow reads 1e400 as infinity; PostgreSQL calls it out of range, and so do we."""
    result = cast_each(text, dtype)
    infinite = true_mask(pc.is_inf(result.values))
    if infinite.any():
        meant = true_mask(pc.match_substring(text, "inf", ignore_case=True))
        return Converted(result.values, result.bad | (infinite & ~meant))
    return result


def _bool(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    lower = pc.utf8_lower(text)
    truth = pc.is_in(lower, pa.array(_TRUE))
    known = true_mask(truth) | true_mask(pc.is_in(lower, pa.array(_FALSE)))
    nulls = null_mask(text)
    values = pa.array(true_mask(truth), mask=nulls | ~known)
    return Converted(values, ~known & ~nulls)


def _decimal(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    """Excess digits are rounded half away from zero, as PostgreSQL does."""
    result = cast_each(text, dtype)
    result = Converted(result.values, result.bad | too_wide(result.values))
    if not result.bad.any():
        return result
    again = np.flatnonzero(result.bad)
    wide = cast_each(text.take(pa.array(again)), _WIDE)
    fitted = cast_each(rounded(wide.values, dtype.scale, "half_towards_infinity"), dtype)
    bad = result.bad.copy()
    bad[again] = wide.bad | fitted.bad | too_wide(fitted.values)
    return Converted(_replaced(result.values, again, fitted.values), bad)


def too_wide(values: pa.Array) -> Mask:
    """Where a decimal has more digits than its type (Arrow's text readers check the scale, not always the
    precision)."""
    largest = Decimal((0, (9,) * values.type.precision, -values.type.scale))
    return true_mask(pc.greater(pc.abs(values), pa.scalar(largest, values.type)))


def read_exactly(values: pa.Array) -> bool:
    """False when a column that Arrow's own reader converted may hold what convert_text refuses: overflow
    turned to infinity, or a decimal with too many digits."""
    if pa.types.is_floating(values.type):
        return not true_mask(pc.is_inf(values)).any()
    if pa.types.is_decimal(values.type):
        return not too_wide(values).any()
    if pa.types.is_struct(values.type):
        return all(read_exactly(child) for child in values.flatten())
    return read_exactly(values.flatten()) if pa.types.is_nested(values.type) else True


def _replaced(values: pa.Array, at: np.ndarray, new: pa.Array) -> pa.Array:
    """`values` with the values at positions `at` taken from `new`."""
    order = np.arange(len(values))
    order[at] = len(values) + np.arange(len(at))
    return pa.concat_arrays([values, new]).take(pa.array(order))


def _timestamp(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    """ISO 8601 with T or space; without a zone, that of now is meant; digits below the microsecond are cut."""
    if true_mask(pc.match_substring_regex(text, _LONG_FRACTION)).any():
        text = pc.replace_substring_regex(text, _LONG_FRACTION, r"\1")
    zoned = true_mask(pc.match_substring_regex(text, _ZONED))
    if not zoned.any():
        plain = cast_each(text, TIMESTAMP)
        return Converted(_as_type(plain.values, dtype), plain.bad)
    with_zone = cast_each(pc.replace_substring(pc.if_else(pa.array(zoned), text, None), " +", "+"), TIMESTAMPTZ)
    without = cast_each(pc.if_else(pa.array(zoned), None, text), TIMESTAMP)
    if dtype == TIMESTAMPTZ:
        values = pc.coalesce(with_zone.values, moments(without.values))
    else:
        values = pc.coalesce(with_zone.values.cast(TIMESTAMP), without.values).cast(dtype)
    return Converted(values, with_zone.bad | without.bad)


def _as_type(values: pa.Array, dtype: pa.DataType) -> pa.Array:
    return moments(values) if dtype == TIMESTAMPTZ else values.cast(dtype)


def _date(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    return cast_each(text, dtype)


def _time(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    """A time is read as that time of the first day of the epoch."""
    shaped = true_mask(pc.match_substring_regex(text, _TIME)) | null_mask(text)
    dated = pc.binary_join_element_wise("1970-01-01 ", pc.if_else(pa.array(shaped), text, None), "")
    result = _timestamp(dated, TIMESTAMP)
    return Converted(result.values.cast(dtype), result.bad | ~shaped)


def _bytes(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    r"""PostgreSQL's bytea input: `\x` and hexadecimal digits, or the text's own bytes."""
    plain = text.cast(pa.binary())
    hexed = pc.starts_with(text, r"\x")
    if not true_mask(hexed).any():
        return Converted(plain.cast(dtype), np.zeros(len(text), dtype=bool))
    digits = pc.if_else(hexed, pc.utf8_slice_codeunits(text, 2), None)
    decoded, bad = _from_hex(digits)
    return Converted(pc.coalesce(decoded, pc.if_else(hexed, None, plain)).cast(dtype), bad)


def _as_cast_does(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    """What CAST makes of texts, all at once."""
    values = duck.evaluate([f"TRY_CAST(a AS {duck.sql_type(dtype)})"], {"a": text}, len(text))[0]
    return Converted(values.cast(dtype), null_mask(values) & ~null_mask(text))


def _as_duckdb_counts(text: pa.StringArray) -> pa.StringArray:
    """Times before our era, which PostgreSQL writes with BC at the end, as DuckDB reads them: behind the date."""
    return pc.replace_substring_regex(text, r"^(\S+)(.*) BC$", r"\1 (BC)\2")


def _or_as_cast(
    convert: Callable[[pa.StringArray, pa.DataType], Converted],
) -> Callable[[pa.StringArray, pa.DataType], Converted]:
    """`convert`, and CAST for what that refuses: dates and times have many spellings."""

    def both(text: pa.StringArray, dtype: pa.DataType) -> Converted:
        result = convert(text, dtype)
        again = np.flatnonzero(result.bad)
        if not len(again):
            return result
        second = _as_cast_does(_as_duckdb_counts(text.take(pa.array(again))), dtype)
        bad = result.bad.copy()
        bad[again] = second.bad
        return Converted(_replaced(result.values, again, second.values), bad)

    return both


def _uuid(text: pa.StringArray, dtype: pa.DataType) -> Converted:
    plain = pc.replace_substring_regex(text, "[-{}]", "")
    sized = true_mask(pc.equal(pc.binary_length(plain), 32)) | null_mask(plain)
    decoded, bad = _from_hex(pc.if_else(pa.array(sized), plain, None))
    return Converted(decoded.cast(pa.binary(16)).cast(dtype), bad | ~sized)


def _from_hex(digits: pa.StringArray) -> tuple[pa.BinaryArray, Mask]:
    """Bytes of hexadecimal texts (null where null or bad), and where the text is not hexadecimal."""
    good = true_mask(pc.match_substring_regex(digits, "^([0-9a-fA-F]{2})*$"))
    bad = ~good & ~null_mask(digits)
    lengths = np.where(good, pc.binary_length(digits).fill_null(0).to_numpy(zero_copy_only=False), 0) // 2
    offsets = np.zeros(len(digits) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    kept = pc.binary_join(
        pa.ListArray.from_arrays(pa.array([0, len(digits)], pa.int32()), pc.if_else(pa.array(good), digits, "")),
        "",
    )
    data = bytes.fromhex(kept[0].as_py() or "")
    valid = pa.array(good).buffers()[1]
    return pa.Array.from_buffers(pa.binary(), len(digits), [valid, pa.py_buffer(offsets), pa.py_buffer(data)]), bad


def _is_bytes(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_binary(dtype) or pa.types.is_large_binary(dtype))


_CONVERTERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.StringArray, pa.DataType], Converted]], ...] = (
    (pa.types.is_boolean, _bool),
    (pa.types.is_integer, cast_each),
    (pa.types.is_floating, _float),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_timestamp, _or_as_cast(_timestamp)),
    (pa.types.is_date, _or_as_cast(_date)),
    (pa.types.is_time, _or_as_cast(_time)),
    (_is_bytes, _bytes),
    (lambda dtype: isinstance(dtype, pa.UuidType), _uuid),
    (lambda dtype: dtype == INTERVAL, _as_cast_does),
)
