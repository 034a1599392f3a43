"""to_char of numbers: texts by PostgreSQL's patterns, as its manual has them (section 9.8, table 9.29) and its
formatting.c writes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import InvalidPattern
from sqlengine.functions.number_format import nodes_of
from sqlengine.functions.registry import Value, scalar
from sqlengine.quick_dataclass import dataclass
from storage.replacing import replace

_DOUBLE_DIGITS = 15
_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
    (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_ROMAN_WIDTH = 15


@dataclass(slots=True)
class Form:
    """A pattern read.  `pre` and `post`: its digits before and behind the point; `zero_from`: the place of its first 0,
    if one stands before the point, `zero_to`: behind its last; `shift`: digits behind V; `sign_at`: before which digit
    an S stands."""

    nodes: tuple[str, ...] = ()
    pre: int = 0
    post: int = 0
    shift: int = 0
    zero_from: int | None = None
    zero_to: int = 0
    has_point: bool = False
    is_filled: bool = True
    sign_at: int | None = None
    is_sign_last: bool = False
    has_minus: bool = False
    has_plus: bool = False
    in_brackets: bool = False
    is_scientific: bool = False
    roman: str = ""


class _FormReader:
    def __init__(self, text: str) -> None:
        self.form = Form(nodes_of(text))
        self.has_shift = False

    def read(self) -> Form:
        for node in self.form.nodes:
            word = node.upper()
            if self.form.is_scientific and word in ("0", "9", ".", "D", "S", "MI", "PL", "SG", "PR", "V", "EEEE"):
                raise _wrong('"EEEE" must be the last pattern used')
            take = _TAKES.get(word)
            if take is not None:
                take(self, node)
        form = self.form
        if form.is_scientific and (not form.is_filled or form.roman or form.has_minus or form.has_plus):
            raise _wrong('"EEEE" is incompatible with other formats')
        if form.is_scientific and (form.in_brackets or form.sign_at is not None or form.is_sign_last or self.has_shift):
            raise _wrong('"EEEE" is incompatible with other formats')
        return form

    def digit(self, node: str) -> None:
        form = self.form
        if form.in_brackets:
            raise _wrong(f'"{node}" must be ahead of "PR"')
        if self.has_shift and node == "9":
            form.shift += 1
        elif form.has_point:
            form.post += 1
        else:
            form.pre += 1
        if node == "0":
            form.zero_to = form.pre + form.post
            if form.zero_from is None and not form.has_point:
                form.zero_from = form.pre - 1

    def point(self, node: str) -> None:
        if self.form.has_point:
            raise _wrong("multiple decimal points")
        if self.has_shift:
            raise _wrong('cannot use "V" and decimal point together')
        self.form.has_point = True

    def sign(self, node: str) -> None:
        form = self.form
        if form.sign_at is not None or form.is_sign_last:
            raise _wrong('cannot use "S" twice')
        if form.has_plus or form.has_minus or form.in_brackets:
            raise _wrong('cannot use "S" and "PL"/"MI"/"SG"/"PR" together')
        if form.has_point:
            form.is_sign_last = True
        else:
            form.sign_at = form.pre

    def mark(self, node: str) -> None:
        form, word = self.form, node.upper()
        if form.sign_at is not None or form.is_sign_last:
            raise _wrong(f'cannot use "S" and "{word}" together')
        form.has_minus |= word in ("MI", "SG")
        form.has_plus |= word in ("PL", "SG")

    def brackets(self, node: str) -> None:
        form = self.form
        if form.sign_at is not None or form.is_sign_last or form.has_plus or form.has_minus:
            raise _wrong('cannot use "PR" and "S"/"PL"/"MI"/"SG" together')
        form.in_brackets = True

    def fill(self, node: str) -> None:
        self.form.is_filled = False

    def roman(self, node: str) -> None:
        self.form.roman = node

    def shift(self, node: str) -> None:
        if self.form.has_point:
            raise _wrong('cannot use "V" and decimal point together')
        self.has_shift = True

    def scientific(self, node: str) -> None:
        self.form.is_scientific = True


_TAKES: dict[str, Callable[[_FormReader, str], None]] = {
    **dict.fromkeys(("0", "9"), _FormReader.digit),
    **dict.fromkeys((".", "D"), _FormReader.point),
    **dict.fromkeys(("MI", "PL", "SG"), _FormReader.mark),
    "S": _FormReader.sign,
    "PR": _FormReader.brackets,
    "FM": _FormReader.fill,
    "RN": _FormReader.roman,
    "V": _FormReader.shift,
    "EEEE": _FormReader.scientific,
}


def _wrong(message: str) -> InvalidPattern:
    return InvalidPattern(message)


@lru_cache(maxsize=256)
def form_of(text: str) -> Form:
    """A pattern read; DataError (42601) for one that contradicts itself."""
    return _FormReader(text).read()


class _Writing:
    """One number on its way through a pattern: `digits`, without its sign, `blanks` places before them."""

    def __init__(self, form: Form, sign: str, digits: str, blanks: int) -> None:
        self.form, self.sign, self.digits, self.blanks = form, sign, digits, blanks
        self.out: list[str] = []
        self.at = self.place = 0
        self.has_begun = False
        self.places = form.pre + form.post - 1
        self.is_sign_last = form.is_sign_last or form.sign_at == form.pre
        self.is_sign_first = form.sign_at is not None and not self.is_sign_last
        self.in_brackets = form.in_brackets and (sign == "-" or form.is_filled)
        self.is_sign_written = self._needs_no_sign()
        self.last = self._last_that_counts()
        if not self.is_sign_written and not blanks:
            self.places += 1

    def _needs_no_sign(self) -> bool:
        form = self.form
        if form.has_plus or form.has_minus:
            return form.has_minus
        return self.sign == "+" and not form.is_filled and not self.is_sign_first and not self.is_sign_last

    def _last_that_counts(self) -> int | None:
        """Where the digits end that FM leaves."""
        form, point = self.form, self.digits.find(".")
        if form.is_filled or not form.has_point or point < 0:
            return None
        last = max(point, len(self.digits.rstrip("0")) - 1)
        if form.zero_to > self.blanks:
            last = max(last, min(len(self.digits) - 1, form.zero_to - self.blanks))
        return last

    def run(self) -> str:
        for node in self.form.nodes:
            word = node.upper()
            if word in ("9", "0", ".", "D"):
                self._digit(word)
            elif word in (",", "G"):
                self._write("," if self.has_begun else self._blank(1))
            elif word == "L":
                self._write(self._blank(1) if self.form.is_filled else " ")
            elif word == "TH":
                self._ordinal(node)
            elif word == "SG":
                self._write(self.sign)
            elif word in ("MI", "PL"):
                own = "-" if word == "MI" else "+"
                self._write(own if self.sign == own else self._blank(1))
            elif word not in _SILENT:
                self._write(node.strip('"') if node.startswith('"') and len(node) > 1 else node)
        return "".join(self.out)

    def _write(self, text: str) -> None:
        self.out.append(text)

    def _blank(self, count: int) -> str:
        return " " * count if self.form.is_filled else ""

    def _ordinal(self, node: str) -> None:
        if not self.digits.startswith("#") and self.sign != "-" and not self.form.has_point:
            found = "th" if self.digits[-2:-1] == "1" else {"1": "st", "2": "nd", "3": "rd"}.get(self.digits[-1:], "th")
            self._write(found.upper() if node[0] == "T" else found)

    @property
    def _hides_zero(self) -> bool:
        """Whether the number begins with a 0 before its point that no 0 of the pattern asks for."""
        return self.form.zero_from is None and not self.at and self.digits[:1] == "0" and bool(self.form.post)

    @property
    def _ends_at_point(self) -> bool:
        return self.last is not None and self.digits[self.last] == "."

    def _sign(self) -> None:
        begins = self.place >= self.blanks or self.form.zero_from == self.place
        if self.is_sign_written or not begins or (self._hides_zero and not self._ends_at_point):
            return
        if self.is_sign_first:
            self._write(self.sign)
        elif self.is_sign_last:
            return
        elif self.in_brackets:
            self._write(" " if self.sign == "+" else "<")
        else:
            self._write("-" if self.sign == "-" else self._blank(1))
        self.is_sign_written = True

    def _digit(self, word: str) -> None:
        self._sign()
        zero_from = self.form.zero_from
        if self.place < self.blanks:
            if zero_from is None or zero_from > self.place:
                self._write(self._blank(1))
            else:
                self._write("0")
                self.has_begun = True
        else:
            self._next(word)
        self._sign_behind()
        self.place += 1

    def _next(self, word: str) -> None:
        """The number's next digit, or its point."""
        digit = self.digits[self.at : self.at + 1]
        if digit == ".":
            if not self._ends_at_point or not self.form.is_filled:
                self._write(".")
        elif self.last is not None and self.at > self.last and word != "0":
            pass
        elif self._hides_zero:
            self._write(self._blank(1) if self.form.is_filled else "0" if self._ends_at_point else "")
        else:
            self._write(digit)
            self.has_begun = True
        self.at += bool(digit)

    def _sign_behind(self) -> None:
        end = self.places + bool(self.blanks) + self.form.has_point
        if self.last is not None and self.last == self.at:
            end = self.place
        if self.place + 1 == end:
            if self.is_sign_written and self.in_brackets:
                self._write(" " if self.sign == "+" else ">")
            elif self.is_sign_last:
                self._write(self.sign)


_SILENT = frozenset(("FM", "S", "PR", "RN", "V", "EEEE", "B", "SP"))


def number_text(value: Decimal | float | int, form_text: str) -> str:
    """A number by a pattern; `#` for digits where it has more than the pattern."""
    form = form_of(form_text)
    if form.roman:
        return _roman(value, form)
    if form.is_scientific:
        return _scientific(value, form)
    form = replace(form, pre=form.pre + form.shift)
    if isinstance(value, float):
        shown, form.post = _double_digits(value * 10.0**form.shift, form.post)
    elif isinstance(value, Decimal) and not value.is_finite():
        shown = str(value)
    else:
        rounded = (Decimal(value) * 10**form.shift).quantize(Decimal(1).scaleb(-form.post), ROUND_HALF_UP, _EXACT)
        shown = format(rounded if rounded else abs(rounded), "f")
    sign, digits = ("-", shown[1:]) if shown.startswith("-") else ("+", shown)
    whole = len(digits.partition(".")[0])
    if whole > form.pre:
        digits, whole = "#" * form.pre + "." + "#" * form.post, form.pre
    return _Writing(form, sign, digits, form.pre - whole).run()


def _double_digits(value: float, post: int) -> tuple[str, int]:
    """(the digits of a double, how many stand behind the point): not more than a double has."""
    whole = len(f"{abs(value):.0f}")
    post = 0 if whole >= _DOUBLE_DIGITS else min(post, _DOUBLE_DIGITS - whole)
    return f"{value:.{post}f}", post


def _roman(value: Decimal | float | int, form: Form) -> str:
    number, text = 0, ""
    if math.isfinite(value) and abs(float(value)) < 1e6:
        number = round(value) if isinstance(value, float) else int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP))
    for worth, letters in _ROMAN:
        while 0 < worth <= number < 4000:
            text, number = text + letters, number - worth
    text = text or "#" * _ROMAN_WIDTH
    text = text.lower() if form.roman[0] == "r" else text
    return text.rjust(_ROMAN_WIDTH) if form.is_filled else text


def _scientific(value: Decimal | float | int, form: Form) -> str:
    if not math.isfinite(value):
        return f" {'#' * form.pre}.{'#' * (form.post + 4)}"
    if isinstance(value, float) or not value:
        text = f"{float(value):+.{form.post}e}"
    else:
        text = f"{Context(form.post + 1, ROUND_HALF_UP).create_decimal(value):+.{form.post}e}"
    head, _, power = text.partition("e")
    return f"{head.replace('+', ' ')}e{power[0]}{power[1:].zfill(2)}"


_EXACT = Context(prec=200)


def _write(texts: pa.Array, forms: pa.Array, doubles: pa.Array) -> pa.Array:
    """Each number, given as its text, by its pattern."""
    rows = zip(texts.to_pylist(), forms.to_pylist(), doubles.to_pylist(), strict=True)
    return pa.array([None if t is None or f is None else _of_text(t, f, d) for t, f, d in rows], pa.string())


def _of_text(text: str, form: str, is_double: bool) -> str:
    return number_text(float(text) if is_double else Decimal(text), form)


duck.at_opening("number_write", [pa.string(), pa.string(), pa.bool_()], pa.string(), _write)


def duck_number_text(value: str, form: str) -> str:
    """DuckDB text of a number in a pattern."""
    return f"number_write(CAST({value} AS VARCHAR), {form}, typeof({value}) IN ('DOUBLE', 'FLOAT'))"


NUMBERS = "'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'DOUBLE', 'FLOAT'"
"""DuckDB's types of numbers, but for DECIMAL(p,s)."""


@scalar(
    "to_char(x bigint, form text) -> text; to_char(x double precision, form text) -> text; "
    "to_char(x numeric, form text) -> text",
    "a number as text, by a pattern of 9, 0, `.`, D, `,`, G, S, MI, PL, SG, PR, L, TH, RN, V, EEEE and FM",
    example="to_char(-1234.5, 'FM9,999.00') = '-1,234.50'",
    constant_args=(1,),
    can_raise=True,
    duck="",
)
def to_char_number(x: Value, form: Value) -> Value:
    pattern = form.as_py()
    if pattern is None:
        return pa.nulls(len(x), pa.string()) if isinstance(x, pa.Array) else pa.scalar(None, pa.string())
    if isinstance(x, pa.Scalar):
        number = x.as_py()
        return pa.scalar(None if number is None else number_text(number, pattern), pa.string())
    found = x.dictionary_encode()
    made = [None if n is None else number_text(n, pattern) for n in found.dictionary.to_pylist()]
    return pa.array(made, pa.string()).take(found.indices)
