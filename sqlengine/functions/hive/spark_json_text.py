"""JSON texts as Spark's parser takes them: strict, but for single quotes and NaN, and more by options.

Numbers with a point or an exponent become Decimals, so that nothing of them is lost before their type is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from sqlengine.functions.hive.java_text import java_double
from sqlengine.functions.hive.json import written

Options = Mapping[str, str]
_TOKEN = re.compile(
    r"""(?P<double>"(?:[^"\\]|\\.)*")|(?P<single>'(?:[^'\\]|\\.)*')|(?P<comment>/\*.*?\*/|//[^\n]*)"""
    r"""|(?P<number>-?\d[\d.eE+-]*)|(?P<word>[A-Za-z_$][\w$]*)(?P<colon>\s*:)?""",
    re.DOTALL,
)
_ZEROS = re.compile(r"^(-?)0+(?=\d)")
_ESCAPE = re.compile(r"\\(?:([\"\\/bfnrtu])|(.))", re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f]")


def is_on(options: Options, name: str, default: bool = False) -> bool:
    """Whether an option, its name without case, is `true`."""
    return options.get(name.lower(), str(default)).lower() == "true"


@lru_cache(maxsize=256)
def options_of(text: str) -> Options:
    """Options as a call carries them: a JSON object with names in lower case."""
    return json.loads(text)  # type: ignore[no-any-return]


def _real(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as err:
        raise ValueError(text) from err


_NUMBERS = json.JSONDecoder(parse_float=_real)


def pairs(found: list[tuple[str, Any]]) -> Any:
    """An object with its keys as often as they are there."""
    return found


_PAIRS = json.JSONDecoder(parse_float=_real, object_pairs_hook=pairs)


def parsed(text: str, options: Options, decoder: json.JSONDecoder = _NUMBERS) -> Any:
    """The first value of a text; ValueError when it is none.  What follows the value is not looked at, as in Spark."""
    plain = text.lstrip(" \t\r\n")
    try:
        return decoder.raw_decode(plain)[0]
    except RecursionError as err:
        raise ValueError("nested too deeply") from err
    except ValueError:
        other = _normal(plain, options).lstrip(" \t\r\n")
        if other == plain:
            raise
    return decoder.raw_decode(other)[0]


def parsed_pairs(text: str) -> Any:
    """As `parsed`, objects as lists of their pairs."""
    return parsed(text, {}, _PAIRS)


def _normal(text: str, options: Options) -> str:
    """The text in strict JSON, where the options let pass what is not."""

    def strict(found: re.Match[str]) -> str:
        kind, token = found.lastgroup, found.group()
        if kind == "double":
            return _string(token[1:-1], options)
        if kind == "single" and is_on(options, "allowSingleQuotes", True):
            return _string(re.sub(r'(?<!\\)"', r"\"", token[1:-1].replace("\\'", "'")), options)
        if kind == "comment" and is_on(options, "allowComments"):
            return ""
        if kind == "number" and is_on(options, "allowNumericLeadingZeros"):
            return _ZEROS.sub(r"\1", token)
        if kind == "colon" and is_on(options, "allowUnquotedFieldNames"):
            return f'"{found["word"]}":'
        return token

    return _TOKEN.sub(strict, text)


def _string(inner: str, options: Options) -> str:
    if is_on(options, "allowBackslashEscapingAnyCharacter"):
        inner = _ESCAPE.sub(lambda m: m[0] if m[1] else m[2], inner)
    if is_on(options, "allowUnquotedControlChars"):
        inner = _CONTROL.sub(lambda m: f"\\u{ord(m[0]):04x}", inner)
    return f'"{inner}"'


def as_text(value: Any) -> str | None:
    """A value as a column of texts has it: texts bare, others as JSON; a surrogate without its other half is `?`."""
    found = written(_plain(value))
    return None if found is None else whole(found)


def whole(text: str) -> str:
    """The text with `?` for surrogates that stand alone, as Java writes them in UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return java_double(value) if isinstance(value, float) else value
