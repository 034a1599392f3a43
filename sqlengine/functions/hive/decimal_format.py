"""Numbers in the formats of java.text.DecimalFormat: rounded half to even, digits grouped by commas."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

from sqlengine.quick_dataclass import dataclass

Number = int | float | Decimal

_EXACT = Context(prec=2000, rounding=ROUND_HALF_EVEN)
_DIGITS_MAX = 1100
"""No double has more digits behind the point; Java writes zeros beyond them."""


def fixed_number(value: Number, digits: int) -> str | None:
    """`#,##0.00...` with so many digits behind the point; None when they are negative or too many to write."""
    if digits < 0 or digits > 100_000:
        return None
    return _written(value, _Pattern("", "", 1, digits, digits, 3, 0), None)


def patterned_number(value: Number, pattern: str) -> str | None:
    """The number in a pattern such as `#,##0.0#` or `0.00%`; None for a text that is no pattern."""
    found = _parsed(pattern)
    return None if found is None else _written(value, *found)


@dataclass(frozen=True, slots=True)
class _Pattern:
    prefix: str
    suffix: str
    whole_min: int
    least: int
    most: int
    group: int
    shift: int


_BODY = re.compile(r"(?P<whole>[#,]*[0,]*)(?:\.(?P<part>0*#*))?")


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> tuple[_Pattern, tuple[str, str] | None] | None:
    """(the pattern of positive numbers, prefix and suffix of negative ones)."""
    positive, mark, negative = _halves(pattern)
    made = _half(positive)
    if made is None:
        return None
    if not mark or not negative:
        return made, None
    other = _half(negative)
    return None if other is None else (made, (other.prefix, other.suffix))


def _halves(pattern: str) -> tuple[str, str, str]:
    quoted = False
    for at, mark in enumerate(pattern):
        quoted ^= mark == "'"
        if mark == ";" and not quoted:
            return pattern[:at], ";", pattern[at + 1 :]
    return pattern, "", ""


def _half(text: str) -> _Pattern | None:
    prefix, at, shift = _affix(text, 0)
    body = _BODY.match(text, at)
    if body is None or not body.group():
        return None if text else _Pattern("", "", 1, 0, 340, 3, 0)
    suffix, end, more = _affix(text, body.end())
    if end != len(text):
        return None
    whole, part = body["whole"], body["part"] or ""
    group = len(whole) - 1 - whole.rindex(",") if "," in whole else 0
    if whole.endswith(",") or (not whole and not part):
        return None
    zeros = whole.count("0")
    least = part.count("0")
    if not zeros and not least and "." in body.group():  # Java reads ###.### as ##0.###, and .### as .0##
        zeros, least = (1, 0) if whole else (0, min(1, len(part)))
    return _Pattern(prefix, suffix, zeros, least, len(part), group, shift or more)


def _affix(text: str, at: int) -> tuple[str, int, int]:
    """(literal text from a place on, where it ends, digits that % or the sign for per mille shifts the point by)."""
    out, shift, quoted = "", 0, False
    while at < len(text):
        mark = text[at]
        if mark == "'":
            if text[at + 1 : at + 2] == "'":
                out += "'"
                at += 1
            else:
                quoted = not quoted
        elif quoted or mark not in "#0,.;":
            out += mark
            shift = shift if quoted else {"%": 2, "\u2030": 3}.get(mark, shift)
        else:
            break
        at += 1
    return out, at, shift


def _written(value: Number, pattern: _Pattern, negative: tuple[str, str] | None) -> str:
    number = _decimal(value)
    if number is None:
        infinite = isinstance(value, float) and value in (float("inf"), float("-inf"))
        sign = "-" if infinite and value < 0 else ""
        return f"{sign}{pattern.prefix}\u221e{pattern.suffix}" if infinite else "\ufffd"
    scaled = number.scaleb(pattern.shift, _EXACT)
    rounded = _rounded(value, scaled, min(pattern.most, _DIGITS_MAX), pattern.shift)
    whole, _, part = format(abs(rounded), "f").partition(".")
    part = part.ljust(pattern.least, "0")
    kept = max(pattern.least, len(part.rstrip("0")))
    part = part[:kept]
    whole = whole.lstrip("0").rjust(pattern.whole_min, "0")
    if not whole and not part:
        whole = "0"
    if pattern.group:
        head = len(whole) % pattern.group
        pieces = [whole[:head]] if head else []
        pieces += [whole[i : i + pattern.group] for i in range(head, len(whole), pattern.group)]
        whole = ",".join(pieces)
    text = whole + ("." + part if part else "")
    below = rounded.is_signed() and (bool(rounded) or isinstance(value, float))
    if not below:
        return pattern.prefix + text + pattern.suffix
    if negative is not None:
        return negative[0] + text + negative[1]
    return "-" + pattern.prefix + text + pattern.suffix


def _decimal(value: Number) -> Decimal | None:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return number if number.is_finite() else None


def _rounded(value: Number, scaled: Decimal, digits: int, shift: int) -> Decimal:
    """To so many digits; where a double lies between two, by what it is exactly and not by how it is written."""
    exponent = scaled.as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent <= digits:
        return scaled
    exact = Decimal(value).scaleb(shift, _EXACT) if isinstance(value, float) else scaled
    return exact.quantize(Decimal(1).scaleb(-digits, _EXACT), context=_EXACT)
