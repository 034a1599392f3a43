"""Values of simple Hive types to their texts, a column at a time, as Hive writes them: in text files and in the names
of partitions.

Numbers are as Java prints them: 1.0, 1.0E20, NaN, Infinity.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck
from sqlengine.formats.base import true_mask

_NUMBER = r"^(?P<s>-?)(?P<i>[0-9]+)(?:\.(?P<f>[0-9]+))?(?:e(?P<e>[+-]?[0-9]+))?$"
_PLAIN_MIN, _PLAIN_MAX = 1e-3, 1e7
"""Between these Java writes a number without an exponent."""
_SMALLEST, _SMALLEST_IN_JAVA = "5.0E-324", "4.9E-324"
"""Java writes at least two digits; only here does the second one differ."""


def to_texts(values: pa.Array) -> pa.StringArray:
    """Each value's text; NULL stays NULL. Strings are themselves, binary values base64."""
    dtype = values.type
    if pa.types.is_string(dtype):
        return values
    if pa.types.is_floating(dtype):
        return java_double_text(values)
    if pa.types.is_decimal(dtype):
        return _decimal(values)
    if pa.types.is_timestamp(dtype):
        return _timestamp(values)
    if pa.types.is_binary(dtype):
        return duck.evaluate(["to_base64(a)"], {"a": values}, len(values))[0].cast(pa.string())
    return values.cast(pa.string())


def java_double_text(values: pa.Array) -> pa.StringArray:
    """Floats and doubles as Java's toString gives them, with the fewest digits that tell them from their neighbours."""
    size = pc.abs(values)
    plain = pc.or_(pc.and_(pc.greater_equal(size, _PLAIN_MIN), pc.less(size, _PLAIN_MAX)), pc.equal(size, 0.0))
    text = values.cast(pa.string())
    pointed = pc.or_(pc.match_substring(text, "."), pc.match_substring(text, "e"))
    short = pc.if_else(pointed, text, pc.binary_join_element_wise(text, ".0", ""))
    usual = pc.and_(plain, pc.invert(pc.match_substring(text, "e")))
    if not pc.any(pc.invert(usual)).as_py():
        return short
    return pc.if_else(usual.fill_null(True), short, pc.coalesce(_named(values), _scientific(text, plain)))


def _named(values: pa.Array) -> pa.StringArray:
    """NaN and the infinities."""
    infinite = pc.if_else(pc.greater(values, 0.0), "Infinity", "-Infinity")
    return pc.if_else(pc.is_nan(values), "NaN", pc.if_else(pc.is_inf(values), infinite, pa.scalar(None, pa.string())))


def _scientific(text: pa.StringArray, plain: pa.BooleanArray) -> pa.StringArray:
    """`d.dddE-10` of digits in any notation; where `plain`, digits without an exponent."""
    parts = pc.extract_regex(text, _NUMBER)
    sign, whole, fraction, shift = (pc.struct_field(parts, name) for name in "sife")
    shift = pc.if_else(pc.equal(shift, ""), "0", pc.replace_substring(shift, "+", "")).cast(pa.int64())
    digits = pc.binary_join_element_wise(whole, fraction, "")
    lead = pc.utf8_ltrim(digits, "0")
    exponent = pc.add(pc.add(pc.binary_length(lead), shift).cast(pa.int64()), -1)
    exponent = pc.subtract(exponent, pc.binary_length(fraction).cast(pa.int64()))
    tail = pc.utf8_rtrim(pc.utf8_slice_codeunits(lead, 1), "0")
    tail = pc.if_else(pc.equal(tail, ""), "0", tail)
    made = pc.binary_join_element_wise(
        sign, pc.utf8_slice_codeunits(lead, 0, 1), ".", tail, "E", exponent.cast(pa.string()), ""
    )
    made = pc.replace_substring(made, _SMALLEST, _SMALLEST_IN_JAVA)
    few = true_mask(pc.and_(plain, pc.is_valid(made)))
    if not few.any():
        return made
    # Arrow writes a few numbers in Java's plain range with an exponent; such columns are rare
    spelt = [_plain(t) if is_few else t for t, is_few in zip(made.to_pylist(), few, strict=True)]
    return pa.array(spelt, pa.string())


def _plain(text: str) -> str:
    """`1.5E-3` without its exponent."""
    sign, body = ("-", text[1:]) if text.startswith("-") else ("", text)
    mantissa, _, exponent = body.partition("E")
    digits, at = mantissa.replace(".", ""), int(exponent) + 1
    digits = "0" * max(1 - at, 0) + digits
    at = max(at, 1)
    digits += "0" * (at + 1 - len(digits))
    return f"{sign}{digits[:at]}.{digits[at:].rstrip('0') or '0'}"


def _decimal(values: pa.Array) -> pa.StringArray:
    """With as many digits behind the point as the scale says, never with an exponent."""
    text = values.cast(pa.string())
    if not pc.any(pc.match_substring(text, "E")).as_py():
        return text
    return pa.array([None if v is None else f"{v:f}" for v in values.to_pylist()], pa.string())


def _timestamp(values: pa.Array) -> pa.StringArray:
    """`2024-01-01 10:00:00.5`, with the zone's name behind it where the type has one."""
    zone = values.type.tz
    text = values.cast(pa.timestamp("us")).cast(pa.string()) if zone else values.cast(pa.string())
    text = _short_fraction(text)
    return pc.binary_join_element_wise(text, "UTC", " ") if zone else text


def _short_fraction(text: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(text, r"(\.[0-9]*[1-9])0+$|\.0*$", r"\1")
