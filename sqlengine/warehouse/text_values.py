"""Texts to values of Hive types, a column at a time, as LazySimpleSerDe reads them: what cannot be read is NULL.

The rules are those of Hive's LazyInteger, LazyDouble, LazyHiveDecimal, LazyDate, LazyTimestamp, LazyBoolean and
LazyBinary classes. Each type has a fast way, Arrow's own cast, for columns in which every value is plain, and a slow
one of Arrow's string kernels that sorts out the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck
from sqlengine.formats.base import Mask, null_mask, true_mask
from sqlengine.formats.records import as_binary, as_text, spans_of
from sqlengine.formats.text import convert_text
from sqlengine.hive_types import LTZ, HiveType
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ

_INTEGER = r"^[+-]?[0-9]+$"
_FLOAT = r"^[+-]?(NaN|Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fFdD]?)$"
_HEX_FLOAT = r"^[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+[fFdD]?$"
_DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_DATE = r"^(?P<y>-?[0-9]{1,4})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})(?:[^0-9].*)?$"
_DATE_SHORTEST = 8
_TIMESTAMP = (
    r"^(?P<y>-?[0-9]{1,10})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})"
    r"(?: (?P<h>[0-9]{1,2}):(?P<i>[0-9]{1,2}):(?P<s>[0-9]{1,2})(?P<f>\.[0-9]{1,9})?)?$"
)
_ISO = (
    r"^(?P<y>-?[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"T(?P<h>[0-9]{2}):(?P<i>[0-9]{2})(?::(?P<s>[0-9]{2})(?P<f>\.[0-9]{1,9})?)?$"
)
_ZONE = r"^(?P<t>.*[0-9]) ?(?P<z>[Zz]|[+-][0-9]{2}:?[0-9]{2}|[A-Za-z][A-Za-z_]*(?:/[A-Za-z0-9_+-]+)*)$"
_BASE64 = r"^[A-Za-z0-9+/_\-=\s]*$"
_JAVA_SPACE = "".join(map(chr, range(33)))
_PLAIN_LENGTH = 19
_YEAR_MAX = 292_000
"""Years beyond do not fit 64 bits of microseconds."""


def parse(values: pa.Array, hive: HiveType) -> pa.Array:
    """`values`: texts or bytes; each as a value of a simple Hive type, NULL where it is none. NULL stays NULL."""
    raw = values if pa.types.is_binary(values.type) else values.cast(pa.binary())
    if hive.name == "binary":
        return _binary(raw)
    text = valid_text(raw)
    return _READERS[hive.name](text, hive)


def valid_text(raw: pa.BinaryArray) -> pa.StringArray:
    """Bytes as text; where they are not UTF-8, U+FFFD stands, as when Java decodes them."""
    text = as_text(raw)
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        # byte by byte and rare: only values that are not UTF-8 are decoded here
        return pa.array([None if b is None else b.decode("utf-8", "replace") for b in raw.to_pylist()], pa.string())
    return text


def _string(text: pa.StringArray, _: HiveType) -> pa.Array:
    return text


def fit_text(text: pa.StringArray, hive: HiveType) -> pa.StringArray:
    """Texts as values of char(n) or varchar(n): cut to n characters; char is filled up with spaces."""
    length = hive.arguments[0]
    if pc.any(pc.greater(pc.binary_length(text), length)).as_py():
        text = pc.utf8_slice_codeunits(text, 0, length)
    return pc.utf8_rpad(text, length) if hive.name == "char" else text


def _boolean(text: pa.StringArray, _: HiveType) -> pa.Array:
    lower = pc.ascii_lower(text)
    truth = pc.equal(lower, "true")
    return pc.if_else(pc.or_(truth, pc.equal(lower, "false")), truth, None)


def _only(text: pa.StringArray, wanted: pa.Array | Mask) -> pa.StringArray:
    """NULL where not wanted."""
    return pc.if_else(wanted if isinstance(wanted, pa.Array) else pa.array(wanted), text, pa.scalar(None, pa.string()))


def _cast(text: pa.StringArray, dtype: pa.DataType) -> pa.Array | None:
    try:
        return text.cast(dtype)
    except pa.ArrowInvalid:
        return None


def _no_empty(text: pa.StringArray) -> pa.StringArray:
    empty = pc.equal(text, "")
    return _only(text, pc.invert(empty)) if pc.any(empty).as_py() else text


def _integer(text: pa.StringArray, hive: HiveType) -> pa.Array:
    """No white space, and no hexadecimal, which Arrow would take."""
    text = _no_empty(text)
    plain = None if pc.any(pc.match_substring(text, "x", ignore_case=True)).as_py() else _cast(text, hive.arrow)
    if plain is not None:
        return plain
    digits = _only(text, pc.match_substring_regex(text, _INTEGER))
    digits = pc.replace_substring_regex(digits, r"^\+", "")
    digits = pc.replace_substring_regex(digits, "^(-?)0+([0-9])", r"\1\2")
    digits = _only(digits, pc.less_equal(pc.binary_length(digits), 20))
    numbers = digits.cast(pa.decimal128(38, 0))
    width = hive.arrow.bit_width
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    fits = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    return pc.if_else(fits, numbers, None).cast(hive.arrow)


def _trimmed(text: pa.StringArray) -> pa.StringArray:
    """Without what Java's String.trim takes off: control characters and spaces."""
    return pc.ascii_trim(text, _JAVA_SPACE)


def _float(text: pa.StringArray, hive: HiveType) -> pa.Array:
    text = _no_empty(text)
    plain = _cast(text, hive.arrow)
    if plain is not None and not pc.any(pc.invert(pc.is_finite(plain))).as_py():
        return plain
    text = _trimmed(text)
    good = pc.match_substring_regex(text, _FLOAT)
    plain = pc.replace_substring_regex(_only(text, good), r"^\+|[fFdD]$", "")
    plain = pc.replace_substring(plain, "Infinity", "inf")
    numbers = plain.cast(hive.arrow)
    rest = true_mask(pc.match_substring_regex(text, _HEX_FLOAT))
    if not rest.any():
        return numbers
    # hexadecimal floats are a curiosity of Java's: one by one
    made = [
        float.fromhex(t.rstrip("fFdD")) if is_hex else None for t, is_hex in zip(text.to_pylist(), rest, strict=True)
    ]
    return pc.coalesce(numbers, pa.array(made, pa.float64()).cast(hive.arrow))


def _decimal(text: pa.StringArray, hive: HiveType) -> pa.Array:
    """Rounded half away from zero to the scale; NULL where there are more digits before the point than fit."""
    text = pc.ascii_trim_whitespace(text)
    text = _only(text, pc.match_substring_regex(text, _DECIMAL))
    result = convert_text(text, hive.arrow)
    return (
        pc.if_else(pa.array(result.bad), pa.scalar(None, hive.arrow), result.values)
        if result.bad.any()
        else result.values
    )


def _parts(text: pa.StringArray, pattern: str, names: str) -> tuple[Mask, dict[str, np.ndarray]]:
    """(where the pattern matches, its groups as int64, 0 for none)."""
    found = pc.extract_regex(text, pattern)
    good = ~null_mask(found)
    numbers = {}
    for name in names:
        group = pc.struct_field(found, name)
        some = pc.and_(pc.is_valid(group), pc.greater(pc.binary_length(group), 0))
        numbers[name] = pc.if_else(some, group, "0").fill_null("0").cast(pa.int64()).to_numpy(zero_copy_only=False)
    return good, numbers


def _days(good: Mask, parts: dict[str, np.ndarray]) -> tuple[Mask, np.ndarray]:
    """(where the day exists, days since 1970)."""
    year, month, day = parts["y"], parts["m"], parts["d"]
    good = good & (month >= 1) & (month <= 12) & (day >= 1) & (np.abs(year) < _YEAR_MAX)
    months = (np.where(good, year, 1970) - 1970) * 12 + np.where(good, month, 1) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    good = good & (day <= following - first)
    return good, np.where(good, first + day - 1, 0)


def _date(text: pa.StringArray, _: HiveType) -> pa.Array:
    """`yyyy-M-d`; what follows behind anything but a digit is ignored. Fewer than eight characters are no date."""
    text = _only(text, pc.greater_equal(pc.binary_length(text), _DATE_SHORTEST))
    if not pc.any(pc.not_equal(pc.binary_length(text), 10)).as_py():
        plain = _cast(text, pa.date32())
        if plain is not None:
            return plain
    good, parts = _parts(_trimmed(text), _DATE, "ymd")
    good, days = _days(good, parts)
    return pa.array(days.astype(np.int32), mask=~good).cast(pa.date32())


def _timestamp(text: pa.StringArray, _: HiveType) -> pa.Array:
    """`yyyy-M-d[ H:m:s[.fraction]]`, or ISO 8601 with a T; no zone. Digits below the microsecond are cut."""
    text = _trimmed(text)
    if _is_plain_timestamps(text):
        plain = _cast(text, TIMESTAMP)
        if plain is not None:
            return plain
    usual = _moments(text, _TIMESTAMP)
    iso = true_mask(pc.match_substring(text, "T"))
    return pc.coalesce(usual, _moments(_only(text, iso), _ISO)) if iso.any() else usual


def _is_plain_timestamps(text: pa.StringArray) -> bool:
    """Whether all have the marks of `yyyy-MM-dd HH:mm:ss[.ffffff]` in their places; of what else Arrow would take
    there is nothing that has."""
    spans, there = spans_of(as_binary(text)), ~null_mask(text)
    start, end = (spans.start, spans.end) if not text.null_count else (spans.start[there], spans.end[there])
    if not len(start) or (end - start < _PLAIN_LENGTH).any():
        return False
    return all((spans.data[start + place] == ord(mark)).all() for place, mark in ((10, " "), (13, ":"), (16, ":")))


def _moments(text: pa.StringArray, pattern: str) -> pa.Array:
    good, parts = _parts(text, pattern, "ymdhis")
    good, days = _days(good, parts)
    good = good & (parts["h"] < 24) & (parts["i"] < 60) & (parts["s"] < 60)
    fraction = pc.utf8_slice_codeunits(
        pc.utf8_rpad(pc.struct_field(pc.extract_regex(text, pattern), "f"), 7, "0"), 1, 7
    )
    micros = fraction.fill_null("000000").cast(pa.int64()).to_numpy(zero_copy_only=False)
    seconds = days * 86_400 + parts["h"] * 3600 + parts["i"] * 60 + parts["s"]
    return pa.array(np.where(good, seconds * 1_000_000 + micros, 0), mask=~good).cast(TIMESTAMP)


def _zoned(text: pa.StringArray, hive: HiveType) -> pa.Array:
    """A timestamp with a zone behind it, an offset or a name; without one UTC."""
    text = _trimmed(text)
    found = pc.extract_regex(text, _ZONE)
    zoned = ~null_mask(found)
    plain = _timestamp(_only(text, ~zoned), hive).cast(TIMESTAMPTZ)
    if not zoned.any():
        return plain
    zones = pc.struct_field(found, "z")
    local = _timestamp(pc.struct_field(found, "t"), hive)
    for zone in pc.unique(zones.drop_null()).to_pylist():
        try:
            made = pc.assume_timezone(
                pc.if_else(pc.equal(zones, zone), local, None), _zone(zone), ambiguous="earliest", nonexistent="latest"
            )
        except pa.ArrowInvalid:
            continue  # no such zone: the values stay NULL
        plain = pc.coalesce(plain, made.cast(TIMESTAMPTZ))
    return plain


def _zone(text: str) -> str:
    if text in ("Z", "z"):
        return "UTC"
    return f"{text[:3]}:{text[3:]}" if text[0] in "+-" and ":" not in text else text


def _binary(raw: pa.BinaryArray) -> pa.Array:
    """Base64, where all bytes are of its alphabet and there is something in it; else the bytes themselves."""
    text = as_text(raw)
    maybe = pc.match_substring_regex(raw, _BASE64)
    digits = pc.replace_substring_regex(_only(text, maybe), r"[=\s]", "")
    digits = pc.replace_substring(pc.replace_substring(digits, "-", "+"), "_", "/")
    lone = pc.equal(pc.subtract(_length(digits), pc.multiply(pc.divide(_length(digits), 4), 4)), 1)
    digits = pc.if_else(lone, pc.utf8_slice_codeunits(digits, 0, -1), digits)  # one digit of four says nothing
    short = -_length(digits).to_numpy(zero_copy_only=False) % 4
    padded = pc.binary_join_element_wise(digits, pa.array(np.array(["", "=", "==", "==="])[short]), "")
    decoded = duck.evaluate(["from_base64(a)"], {"a": padded}, len(padded))[0].cast(pa.binary())
    some = pc.greater(_length(decoded), 0)
    return pc.if_else(some, decoded, raw)


def _length(values: pa.Array) -> pa.Array:
    """Bytes of each, 0 for NULL."""
    return pc.binary_length(values).fill_null(0)


_READERS: dict[str, Callable[[pa.StringArray, HiveType], pa.Array]] = {
    "string": _string,
    "char": fit_text,
    "varchar": fit_text,
    "boolean": _boolean,
    "tinyint": _integer,
    "smallint": _integer,
    "int": _integer,
    "bigint": _integer,
    "float": _float,
    "double": _float,
    "decimal": _decimal,
    "date": _date,
    "timestamp": _timestamp,
    LTZ: _zoned,
}
