"""Numbers by Spark's formats, both ways: to_number and to_char (Spark's Number Pattern documentation).

A format is `[MI|S] [$] [0|9|G|,]* [.|D] [0|9]* [PR|MI|S]`.  Reading: a group of digits that begins with 0 before
the point wants exactly as many, any other at most as many; separators may be fewer than in the format, and blanks
between digits count for nothing.  Writing: what has no digit is a blank before the point and 0 behind it, a number with
more digits than the format has is written with `#`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pyarrow as pa

from sqlengine import errors
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.registry import Kernel, scalar
from sqlengine.quick_dataclass import dataclass

_DIGITS_MAX = 38
_SHAPE = "[MI|S] [$] [0|9|G|,]* [.|D] [0|9]* [PR|MI|S]"
_PIECES = re.compile(
    r"(?P<before>MI|S)?(?P<dollar>\$)?(?P<whole>[09G,]*)(?P<point>[.D])?(?P<fraction>[09]*)(?P<after>PR|MI|S)?"
)


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """`before` and `after`: the signs, `S`, `MI`, `PR` or nothing; `groups`: runs of `0` and `9` between separators."""

    before: str
    dollar: bool
    groups: tuple[str, ...]
    point: bool
    fraction: str
    after: str

    @property
    def whole(self) -> int:
        """How many digits stand before the point."""
        return sum(map(len, self.groups))

    @property
    def type(self) -> pa.DataType:
        """The decimal that a number in the format has."""
        return pa.decimal128(self.whole + len(self.fraction), len(self.fraction))


@lru_cache(maxsize=256)
def number_format(text: str) -> NumberFormat:
    """The parts of a format; InvalidParameter (22023) for what is none."""
    found = _PIECES.fullmatch(text.upper())
    if found is None:
        raise errors.InvalidParameter(f"invalid number format: '{text}'", hint=_SHAPE)
    groups = re.split("[G,]", found["whole"])
    if len(groups) > 1 and "" in groups:
        raise errors.InvalidParameter(
            f"invalid number format: '{text}'", hint="thousands separators stand between digits"
        )
    signs = (found["before"] or "", found["after"] or "")
    if "" not in signs:
        raise errors.InvalidParameter(f"invalid number format: '{text}'", hint="a format has one sign")
    made = NumberFormat(
        signs[0], bool(found["dollar"]), tuple(filter(None, groups)), bool(found["point"]), found["fraction"], signs[1]
    )
    digits = made.whole + len(made.fraction)
    if not 1 <= digits <= _DIGITS_MAX:
        raise errors.InvalidParameter(f"invalid number format: '{text}'", hint="a format has 1 to 38 digits")
    return made


# ---------------------------------------------------------------- reading


class _Text:
    """A text and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def takes(self, mark: str) -> bool:
        """Whether one of the marks is next; then it is behind."""
        if self.at < len(self.text) and self.text[self.at] in mark:
            self.at += 1
            return True
        return False

    def groups(self) -> list[str]:
        """The digits up to anything but digits, commas and blanks, by commas."""
        start = self.at
        while self.at < len(self.text) and (self.text[self.at] in "0123456789," or self.text[self.at].isspace()):
            self.at += 1
        return ["".join(piece.split()) for piece in self.text[start : self.at].split(",")]


def read_number(text: str, form: NumberFormat) -> Decimal | None:
    """The number; None for a text that is not in the format."""
    left = _Text(text)
    negative = _sign(left, form.before)
    opened = form.after == "PR" and left.takes("<")
    if form.dollar and not left.takes("$"):
        return None
    whole: list[str] = []
    if form.groups:
        whole = left.groups()
        if not _fit(whole, form.groups, is_whole=True):
            return None
    fraction: list[str] = []
    if form.point:
        left.takes(".")
    if form.fraction:
        fraction = left.groups()
        if not _fit(fraction, (form.fraction,), is_whole=False):
            return None
    negative = _sign(left, form.after) or negative
    closed = form.after == "PR" and left.takes(">")
    if left.at < len(text) or opened != closed:
        return None
    digits = "".join(whole) + "." + "".join(fraction)
    if digits == ".":
        return Decimal(0) if form.fraction else None
    return Decimal(("-" if negative or closed else "") + digits)


def _sign(left: _Text, kind: str) -> bool:
    """Whether a minus is there."""
    if kind == "S" and left.takes("+"):
        return False
    return kind in ("S", "MI") and left.takes("-")


def _fit(found: Sequence[str], wanted: Sequence[str], *, is_whole: bool) -> bool:
    """Whether groups of digits have the sizes of the format's, counted from the right."""
    if len(found) > len(wanted):
        return False
    for place, group in enumerate(reversed(wanted)):
        size = len(found[-1 - place]) if place < len(found) else 0
        if size > len(group) or (is_whole and group[0] == "0" and size != len(group)):
            return False
    return True


# ---------------------------------------------------------------- writing


def written_number(value: Decimal, form: NumberFormat) -> str:
    """The number in the format."""
    whole, _, fraction = f"{abs(value):f}".partition(".")
    whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
    if len(whole) > form.whole or len(fraction) > len(form.fraction):
        whole, fraction = "#" * form.whole, "#" * len(form.fraction)
    whole = whole.rjust(form.whole)
    is_negative = value < 0
    out: list[str] = []
    _write_sign(out, form.before, is_negative)
    if form.after == "PR" and is_negative:
        out.append("<")
    if form.dollar:
        out.append("$")
    at = 0
    for place, group in enumerate(form.groups):
        if place:
            _add_separator(out)
        for digit in whole[at : at + len(group)]:
            _add_digit(out, digit, group[0])
        at += len(group)
    if form.point:
        if out and out[-1] == " ":
            out[-1] = "0"
        out.append("." if form.fraction else " ")
    out.extend(fraction.ljust(len(form.fraction), "0"))
    behind: list[str] = []
    _write_sign(behind, form.after, is_negative)
    if form.after == "PR":
        behind.append(">" if is_negative else "  ")
    if behind:
        out.insert(len(out) - 1 if out[-1:] == [" "] else len(out), behind[0])
    return "".join(out)


def _write_sign(out: list[str], kind: str, is_negative: bool) -> None:
    if kind == "S":
        out.append("-" if is_negative else "+")
    elif kind == "MI":
        out.append("-" if is_negative else " ")


def _add_digit(out: list[str], digit: str, first: str) -> None:
    if digit != " ":
        out.append(digit)
    elif first == "0":
        out.append("0")
    else:
        _add_blank(out)


def _add_blank(out: list[str]) -> None:
    """A blank, before a sign that is the last."""
    if out and out[-1] in "+-<":
        out.insert(-1, " ")
    else:
        out.append(" ")


def _add_separator(out: list[str]) -> None:
    if out and out[-1].isdigit():
        out.append(",")
    else:
        _add_blank(out)


# ---------------------------------------------------------------- functions


def _reading(raises: bool) -> Any:
    def factory(_types: Sequence[pa.DataType], result: pa.DataType) -> Kernel:
        return per_distinct(result, lambda text, form: _read(text, form, raises))

    return factory


def _read(text: str, form: str, raises: bool) -> Decimal | None:
    found = read_number(text, number_format(form))
    if found is None and raises:
        raise errors.InvalidText(f"'{text}' is no number in the format '{form}'", hint="try_to_number gives NULL")
    return found


to_number = scalar(
    "hive$to_number_as(s text, format text) -> any",
    "the number of a text in a format of digits",
    factory=True,
    can_raise=True,
)(_reading(True))
try_to_number = scalar(
    "hive$try_to_number_as(s text, format text) -> any",
    "the number of a text in a format of digits; NULL for a text that is not in it",
    factory=True,
)(_reading(False))
to_char = scalar(
    "hive$to_char(x numeric, format text) -> text",
    "the number in a format of digits",
    example="to_char(78.12, '$99.99') = '$78.12'",
    aliases=("hive$to_varchar",),
    can_raise=True,
)(per_distinct(pa.string(), lambda value, form: written_number(value, number_format(form))))
