"""java.util.Formatter: what printf does with a format and values."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from sqlengine.functions.hive.java_text import java_double

_SPEC = re.compile(r"%(?:(\d+)\$|(<))?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")
_WIDTH_MAX = 1_000_000
_EXACT = Context(prec=2000, rounding=ROUND_HALF_UP)


class _Misfit(Exception):
    """A value does not fit its place, or the format is none."""


def java_format(text: str, args: Sequence[Any]) -> str | None:
    """The format with its places filled; None where Java raises an IllegalFormatException.

    Values are ints, floats, Decimals, bools, texts, bytes, dates and times; None is written `null`.
    """
    out: list[str] = []
    at = ordinary = 0
    last = -1
    try:
        for found in _SPEC.finditer(text):
            _plain(text[at : found.start()], out)
            at = found.end()
            index, again, flags, width, precision, kind = found.groups()
            if kind in "n%":
                out.append("\n" if kind == "n" else _aligned("%", flags, width))
                continue
            if again is None:
                last = int(index) - 1 if index else ordinary
                ordinary += not index
            if not 0 <= last < len(args):
                return None
            out.append(_filled(args[last], flags, width, precision, kind))
        _plain(text[at:], out)
    except _Misfit:
        return None
    return "".join(out)


def _plain(text: str, out: list[str]) -> None:
    if "%" in text:
        raise _Misfit
    out.append(text)


def _filled(value: Any, flags: str, width: str | None, precision: str | None, kind: str) -> str:
    if (width and int(width) > _WIDTH_MAX) or (precision and int(precision) > _WIDTH_MAX):
        raise _Misfit
    lower = kind.lower()
    digits = int(precision) if precision is not None else None
    if lower == "b":
        text = _cut("false" if value is None else str(value).lower() if isinstance(value, bool) else "true", digits)
    elif value is None:
        text = _cut("null", digits if lower in "sh" else None)
    elif lower == "s":
        text = _cut(shown(value), digits)
    elif lower == "h":
        text = _cut(format(java_hash(value) & 0xFFFFFFFF, "x"), digits)
    elif lower == "c":
        text = _character(value)
    elif lower in "dox":
        return _cased(_whole(value, flags, width, digits, lower), kind)
    elif lower in "efga":
        return _cased(_real(value, flags, width, digits, lower), kind)
    else:
        raise _Misfit
    if set(flags) - {"-"}:
        raise _Misfit
    return _cased(_aligned(text, flags, width), kind)


def _cased(text: str, kind: str) -> str:
    return text.upper() if kind.isupper() else text


def _cut(text: str, digits: int | None) -> str:
    return text if digits is None else text[:digits]


def _aligned(text: str, flags: str, width: str | None) -> str:
    if width is None:
        if "-" in flags:
            raise _Misfit
        return text
    return text.ljust(int(width)) if "-" in flags else text.rjust(int(width))


def shown(value: Any) -> str:
    """String.valueOf of a value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.hex(" ")
    if isinstance(value, dt.datetime):
        fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
        return value.strftime("%Y-%m-%d %H:%M:%S") + fraction
    return str(value)


def java_hash(value: Any) -> int:
    """hashCode of a value that a format writes in hexadecimal."""
    if isinstance(value, bool):
        return 1231 if value else 1237
    if isinstance(value, int):
        return value if -(2**31) <= value < 2**31 else (value ^ (value >> 32)) & 0xFFFFFFFF
    units = shown(value).encode("utf-16-le", "surrogatepass")
    out = 0
    for at in range(0, len(units), 2):
        out = (out * 31 + units[at] + 256 * units[at + 1]) & 0xFFFFFFFF
    return out


def _character(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0x10FFFF:
        raise _Misfit
    return chr(value)


def _whole(value: Any, flags: str, width: str | None, digits: int | None, kind: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or digits is not None:
        raise _Misfit
    if kind == "d":
        return _signed(value < 0, _grouped(str(abs(value)), flags), flags, width)
    if set(flags) & set("+ ,("):
        raise _Misfit
    bits = 32 if -(2**31) <= value < 2**31 else 64
    text = format(value & (2**bits - 1), kind)
    mark = {"o": "0", "x": "0x"}[kind] if "#" in flags else ""
    return _zeros(mark, text, "", flags, width)


def _grouped(digits: str, flags: str) -> str:
    if "," not in flags:
        return digits
    whole, point, part = digits.partition(".")
    return f"{int(whole):,}" + point + part


def _signed(below: bool, text: str, flags: str, width: str | None) -> str:
    if below:
        head, tail = ("(", ")") if "(" in flags else ("-", "")
    else:
        head, tail = ("+" if "+" in flags else " " if " " in flags else ""), ""
    return _zeros(head, text, tail, flags, width)


def _zeros(head: str, text: str, tail: str, flags: str, width: str | None) -> str:
    if "0" in flags:
        if width is None or "-" in flags:
            raise _Misfit
        return head + text.rjust(int(width) - len(head) - len(tail), "0") + tail
    return _aligned(head + text + tail, flags, width)


def _real(value: Any, flags: str, width: str | None, digits: int | None, kind: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (float, Decimal)):
        raise _Misfit
    if kind == "a":
        return _aligned(_hexadecimal(float(value), digits), flags, width)
    if isinstance(value, float) and not math.isfinite(value):
        word = "NaN" if math.isnan(value) else "Infinity"
        return _signed(value < 0, word, flags.replace("0", ""), width)
    number = Decimal(repr(value)) if isinstance(value, float) else value
    places = 6 if digits is None else digits
    if kind == "e":
        text = _exponential(abs(number), places)
    elif kind == "f":
        text = _fixed(abs(number), places)
    else:
        text = _general(abs(number), places or 1)
    return _signed(number.is_signed(), _grouped(text, flags) if kind != "e" else text, flags, width)


def _fixed(number: Decimal, places: int) -> str:
    return format(number.quantize(Decimal(1).scaleb(-places, _EXACT), context=_EXACT), "f")


def _exponential(number: Decimal, places: int) -> str:
    if not number:
        return "0" + ("." + "0" * places if places else "") + "e+00"
    power = number.adjusted()
    digits = _fixed(number.scaleb(-power, _EXACT), places)
    if digits.startswith("10"):
        power += 1
        digits = _fixed(number.scaleb(-power, _EXACT), places)
    return f"{digits}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _general(number: Decimal, places: int) -> str:
    """So many digits in all, with an exponent below 0.0001 and from 10 ** places on."""
    if number and not (Decimal("0.0001") <= number < Decimal(10) ** places):
        return _exponential(number, places - 1)
    power = number.adjusted() if number else 0
    return _fixed(number, max(places - 1 - power, 0))


def _hexadecimal(value: float, digits: int | None) -> str:
    """Double.toHexString."""
    if digits is not None:
        raise _Misfit
    if not math.isfinite(value):
        return java_double(value)
    head, _, power = value.hex().partition("p")
    sign = "-" if head.startswith("-") else ""
    whole, _, part = head.lstrip("-").partition(".")
    return f"{sign}{whole}.{part.rstrip('0') or '0'}p{int(power)}"
