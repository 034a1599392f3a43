"""format: texts, names and constants of SQL in a text with places, as PostgreSQL's manual has it (section 9.4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import DataError, InvalidText
from sqlengine.functions.registry import scalar
from sqlengine.functions.shown import TEXT, shown
from sqlengine.pg_words import quote_ident, quote_text

_PLACE = re.compile(r"%(?:(%)|(?:(\d+)\$)?(-*)(?:(\d+)|(\*)(?:(\d+)\$)?)?(.?))", re.DOTALL)
"""%%, or an argument's number, flags, a width (of digits, or that of an argument, with its number) and the kind."""


class _Formatting:
    """One text on its way: `at` is the place of the argument taken last, counted from 1."""

    def __init__(self, values: Sequence[str | None]) -> None:
        self.values, self.at = values, 0

    def write(self, place: re.Match[str]) -> str:
        percent, number, flags, digits, star, width_number, kind = place.groups()
        if percent:
            return "%"
        if not kind:
            raise DataError("unterminated format() type specifier", hint=_HINT, sqlstate="22023")
        width = self._width(width_number) if star else int(digits or 0)
        if kind not in "sIL":
            raise DataError(f'unrecognized format() type specifier "{kind}"', hint=_HINT, sqlstate="22023")
        text = _WRITERS[kind](self._argument(number))
        return text.ljust(-width) if width < 0 else text.ljust(width) if flags else text.rjust(width)

    def _width(self, number: str | None) -> int:
        text = self._argument(number)
        try:
            return int(text or 0)
        except ValueError:
            raise InvalidText(f'invalid input syntax for type integer: "{text}"') from None

    def _argument(self, number: str | None) -> str | None:
        self.at = self.at + 1 if number is None else int(number)
        if self.at == 0:
            raise DataError("format specifies argument 0, but arguments are numbered from 1", sqlstate="22023")
        if self.at > len(self.values):
            raise DataError("too few arguments for format()", sqlstate="22023")
        return self.values[self.at - 1]


_HINT = 'For a single "%" use "%%".'


def _name(value: str | None) -> str:
    if value is None:
        raise DataError("null values cannot be formatted as an SQL identifier", sqlstate="22004")
    return quote_ident(value)


_WRITERS: dict[str, Callable[[str | None], str]] = {
    "s": lambda value: value or "",
    "I": _name,
    "L": lambda value: "NULL" if value is None else quote_text(value),
}


def formatted(form: str | None, values: Sequence[str | None]) -> str | None:
    """The text with its places filled; NULL for no text."""
    return None if form is None else _PLACE.sub(_Formatting(values).write, form)


@scalar(
    "format(form text) -> text; format(form text, VARIADIC values any) -> text",
    "a text with the arguments in its places: %s as text, %I as a name, %L as a constant of SQL, %% a percent sign; "
    "%2$s the second argument, %10s and %-10s filled to a width, which * takes from an argument",
    example="format('%s-%I-%L', 'a', 'B c', 'd') = 'a-\"B c\"-''d'''",
    strict=False,
    can_raise=True,
    broadcast=True,
    duck="",
)
def format_(form: pa.Array, *values: pa.Array) -> pa.Array:
    rows = zip(*(shown(value).to_pylist() for value in values), strict=True) if values else [()] * len(form)
    return pa.array([formatted(f, row) for f, row in zip(form.to_pylist(), rows, strict=True)], TEXT)


def _format_lists(forms: pa.Array, values: pa.Array) -> pa.Array:
    rows = zip(forms.to_pylist(), values.to_pylist(), strict=True)
    return pa.array([formatted(form, row or ()) for form, row in rows], TEXT)


duck.at_opening("text_format", [TEXT, pa.list_(TEXT)], TEXT, _format_lists)
