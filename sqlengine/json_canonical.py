"""The canonical text of a JSON value, which jsonb is kept as, and what makes equal values equal texts.

Keys are sorted by their length in bytes, then by their bytes, and of equal ones the last counts; one blank stands
behind `:` and `,`; escapes are resolved but for those that must be; numbers have no exponent and keep the zeros behind
their point, so that 1e2 is 100 and 1.10 stays as it is: PostgreSQL's form.  The `normal` text has no such zeros: equal
values have equal normal texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import DataError, InvalidText, OutOfRange

_DIGITS_MAX, _SCALE_MAX = 131072, 16383
"""Digits before and behind the point that PostgreSQL's numeric has."""
_CONTEXT = Context(prec=_DIGITS_MAX + _SCALE_MAX + 1, Emax=10**9, Emin=-(10**9))
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SHORT = 15
"""Digits, and a point, of which a double keeps every one."""


def canonical(text: str) -> str:
    """The canonical text of a text of JSON.

    Raises InvalidText (22P02) where it is none, 22P05 where it holds \\u0000, 22003 for numbers beyond PostgreSQL's
    numeric, 54001 where it is nested too deeply.
    """
    try:
        return _canonical(text)
    except RecursionError:
        raise DataError("json is nested too deeply", sqlstate="54001") from None


def canonical_texts(texts: pa.StringArray) -> pa.StringArray:
    """The canonical text of each; NULL stays NULL."""
    known: dict[str, str] = {}
    made: list[str | None] = []
    for text in texts.to_pylist():
        if text is None:
            made.append(None)
            continue
        found = known.get(text)
        if found is None:
            found = known[text] = canonical(text)
        made.append(found)
    return pa.array(made, pa.string())


def value_of(text: str) -> Any:
    """The value as Python's: dict, list, str, bool, None, int and, where an int or a double is not the number, Decimal;
    objects have their keys in order.  Raises as `canonical`, but RecursionError where it is nested too deeply."""
    try:
        return _QUICK.decode(text)
    except ValueError as error:
        if "limit" not in str(error):  # of digits that Python makes an int of
            raise _invalid(error) from None
    return _EXACT.decode(text)


def stored_value(text: str) -> Any:
    """As `value_of`, of a text that is canonical already."""
    try:
        return _STORED.decode(text)
    except ValueError:  # more digits than Python makes an int of
        return _EXACT.decode(text)


def plain_text(value: Any) -> str | None:
    """What `->>` gives of a value: a text without quotes, NULL of null, else the canonical text."""
    if value is None:
        return None
    return value if isinstance(value, str) else text_of(value)


def text_of(value: Any) -> str:
    """The canonical text of a value that `value_of` gives."""
    try:
        return _ENCODER.encode(value)
    except TypeError:  # a Decimal, which json has no text of
        return _written(value)


def _canonical(text: str) -> str:
    made = text_of(value_of(text))
    if "\\u" in text:
        _check_escapes(text, made)
    return made


def _check_escapes(text: str, made: str) -> None:
    """Raise where an escape stands for no character: U+0000, or half of a surrogate pair."""
    if _NUL.search(text) is not None:
        raise DataError(
            "unsupported Unicode escape sequence", detail="\\u0000 cannot be converted to text.", sqlstate="22P05"
        )
    try:
        made.encode()
    except UnicodeEncodeError:
        raise InvalidText(
            "invalid input syntax for type json", detail="Unicode low surrogate must follow a high surrogate."
        ) from None


def _invalid(error: ValueError) -> InvalidText:
    return InvalidText("invalid input syntax for type json", detail=str(error))


# ---------------------------------------------------------------- reading


def number(text: str) -> float | Decimal:
    """A number as JSON writes it: a double if Python prints that as the number is written, else a Decimal."""
    if len(text) <= _SHORT:
        short = float(text)
        if short and repr(short) == text and "e" not in text:
            return short
    exact = Decimal(text)
    if not exact:
        exact = exact.copy_abs()
    elif exact.adjusted() >= _DIGITS_MAX:
        raise OutOfRange("value overflows numeric format")
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int), "a number of JSON is finite"
    if exponent < -_SCALE_MAX:
        exact = _CONTEXT.quantize(exact, Decimal(1).scaleb(-_SCALE_MAX, _CONTEXT))
    return exact


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) < 2 else dict(sorted(made.items(), key=_place))


def _place(pair: tuple[str, Any]) -> tuple[int, bytes]:
    key = pair[0].encode("utf-8", "surrogatepass")
    return len(key), key


def sorted_object(fields: dict[str, Any]) -> dict[str, Any]:
    """An object with its keys in order."""
    return _object(list(fields.items()))


def _no_constant(text: str) -> Any:
    raise InvalidText("invalid input syntax for type json", detail=f'Token "{text}" is invalid.')


_QUICK = json.JSONDecoder(parse_float=number, parse_constant=_no_constant, object_pairs_hook=_object)
_EXACT = json.JSONDecoder(parse_float=number, parse_int=number, parse_constant=_no_constant, object_pairs_hook=_object)
_STORED = json.JSONDecoder(parse_float=number)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": "), check_circular=False)


# ---------------------------------------------------------------- writing


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_ENCODER.encode(key)}: {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return plain_number(value) if isinstance(value, Decimal) else _ENCODER.encode(value)


def plain_number(value: Decimal) -> str:
    """A number without an exponent."""
    return str(int(value)) if value.as_tuple().exponent > 0 else format(value, "f")  # type: ignore[operator]


# ---------------------------------------------------------------- equality

_ZEROS = re.compile(r'"(?:[^"\\]|\\.)*"|\.(\d*?)0+(?!\d)')
_MAY_HAVE_ZEROS = r"\.[0-9]*0([,\]}]|$)"


def normal(text: str) -> str:
    """The text of a canonical one in which numbers have no zeros behind their point that say nothing."""
    return _ZEROS.sub(_without_zeros, text)


def _without_zeros(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    return "." + found[1] if found[1] else ""


def normal_texts(texts: pa.StringArray) -> pa.StringArray:
    """`normal` of each; mostly they are that already."""
    may = pc.fill_null(pc.match_substring_regex(texts, _MAY_HAVE_ZEROS), False)
    if not may.true_count:
        return texts
    made = [normal(text) for text in texts.filter(may).to_pylist()]
    return pc.replace_with_mask(texts, may, pa.array(made, pa.string()))


def same_number(left: Any, right: Any) -> bool:
    """Whether two numbers are one, a double being what Python prints of it."""
    return _decimal(left) == _decimal(right)


def _decimal(value: Any) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


# ---------------------------------------------------------------- order


def order_key(text: str) -> bytes:
    """Bytes of a canonical text that sort as PostgreSQL sorts jsonb, equal ones being equal values: null < text <
    number < false < true < array < object; of arrays and of objects the shorter one first, then item by item, of
    objects keys before values; an empty array before all."""
    value = stored_value(text)
    return b"\x00" if value == [] else b"".join(_ordered(value))


def order_keys(texts: pa.StringArray) -> pa.BinaryArray:
    """`order_key` of each; NULL stays NULL."""
    return pa.array([None if text is None else order_key(text) for text in texts.to_pylist()], pa.binary())


def _ordered(value: Any) -> Iterator[bytes]:
    if value is None:
        yield b"\x01"
    elif isinstance(value, str):
        yield b"\x02"
        yield _ended(value)
    elif isinstance(value, bool):
        yield b"\x05" if value else b"\x04"
    elif isinstance(value, list):
        yield b"\x06" + len(value).to_bytes(4, "big")
        for item in value:
            yield from _ordered(item)
    elif isinstance(value, dict):
        yield b"\x07" + len(value).to_bytes(4, "big")
        for key, item in value.items():
            yield _ended(key)
            yield from _ordered(item)
    else:
        yield b"\x03"
        yield _number_bytes(_decimal(value))


def _ended(text: str) -> bytes:
    return text.encode() + b"\x00"


def _number_bytes(value: Decimal) -> bytes:
    """Sign, exponent and digits; of negative numbers what is larger is less."""
    if not value:
        return b"\x80"
    digits = "".join(map(str, value.as_tuple().digits)).rstrip("0")
    size = (value.adjusted() + 2**31).to_bytes(4, "big") + digits.encode() + b"\x00"
    return b"\x40" + bytes(255 - byte for byte in size) if value < 0 else b"\xc0" + size
