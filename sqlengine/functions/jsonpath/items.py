"""Items of JSON as Python's values: read, written, named, compared, and their arithmetic.

A number is an int or a Decimal that keeps its digits behind the point; an object a dict, an array a list; what methods
make of texts may be a Moment.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

from sqlengine.errors import DivisionByZero, InvalidText, OutOfRange
from sqlengine.functions.jsonpath.moments import Moment, compared_moments
from sqlengine.sql.jsonpath.nodes import Number
from sqlengine.sql.jsonpath.show import quoted

_DIGITS_MAX = 131072
"""Digits before the point that PostgreSQL's numeric has."""
_SIGNIFICANT, _GROUP = 16, 4
"""What a quotient shows at least, and the digits PostgreSQL keeps together."""
_SCALE_MAX = 1000
_CONTEXT = Context(prec=_DIGITS_MAX + 16384, rounding=ROUND_HALF_UP, Emax=10**9, Emin=-(10**9))


def as_number(text: str) -> Number:
    """A number as JSON writes it."""
    made = Decimal(text)
    exponent = made.as_tuple().exponent
    assert isinstance(exponent, int)
    if made and made.adjusted() >= _DIGITS_MAX:
        raise OutOfRange("value overflows numeric format")
    return int(made) if exponent >= 0 else made


def _no_constant(text: str) -> Any:
    raise InvalidText("invalid input syntax for type json", detail=f'token "{text}" is invalid')


_DECODER = json.JSONDecoder(parse_float=as_number, parse_constant=_no_constant)


def read(text: str) -> Any:
    """The item that a text of JSON is; InvalidText (22P02) where it is none."""
    try:
        return _DECODER.decode(text)
    except ValueError as error:
        raise InvalidText("invalid input syntax for type json", detail=str(error)) from None


def written(item: Any) -> str:
    """An item as the text of its JSON, without spaces."""
    if isinstance(item, str):
        return quoted(item)
    if isinstance(item, dict):
        return "{" + ",".join(f"{quoted(key)}:{written(value)}" for key, value in item.items()) + "}"
    if isinstance(item, list):
        return f"[{','.join(map(written, item))}]"
    if item is None:
        return "null"
    return quoted(item.text()) if isinstance(item, Moment) else plain(item)


def plain(item: Any) -> str:
    """A text without quotes, a number, true or false."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, Decimal):
        return format(item, "f")
    return item.text() if isinstance(item, Moment) else str(item)


def type_of(item: Any) -> str:
    """The name that `.type()` gives an item."""
    return item.kind if isinstance(item, Moment) else _NAMES[type(item)]


_NAMES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    Decimal: "number",
    bool: "boolean",
    type(None): "null",
}


def is_number(item: Any) -> bool:
    """true and false are none, though Python has them among its integers."""
    return type(item) is int or type(item) is Decimal


# ---------------------------------------------------------------- comparison

COMPARISONS: dict[str, Callable[[int], bool]] = {
    "==": lambda order: order == 0,
    "!=": lambda order: order != 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


def compared(op: str, left: Any, right: Any) -> bool | None:
    """Whether a comparison of two items holds; None where it is unknown: of different types, of arrays or objects."""
    if left is None or right is None:
        if left is None and right is None:
            return COMPARISONS[op](0)
        return op == "!="
    if is_number(left) and is_number(right) or type(left) is type(right) and type(left) in (str, bool):
        return COMPARISONS[op]((left > right) - (left < right))
    if isinstance(left, Moment) and isinstance(right, Moment):
        order = compared_moments(left, right)
        return None if order is None else COMPARISONS[op](order)
    return None


# ---------------------------------------------------------------- arithmetic


def scale_of(number: Number) -> int:
    """How many digits behind the point a number shows."""
    if isinstance(number, int):
        return 0
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent


def rounded(number: Number, scale: int) -> Number:
    """With so many digits behind the point; half goes away from zero."""
    made = Decimal(number).quantize(Decimal(1).scaleb(-scale), context=_CONTEXT)
    return int(made) if scale <= 0 else made


def _quotient(left: Number, right: Number) -> Number:
    """As many digits as PostgreSQL's numeric shows of a quotient (its select_div_scale)."""
    if not right:
        raise DivisionByZero("division by zero")
    weight_left, first_left = _leading(left)
    weight_right, first_right = _leading(right)
    weight = weight_left - weight_right - (first_left <= first_right)
    scale = min(_SCALE_MAX, max(_SIGNIFICANT - weight * _GROUP, scale_of(left), scale_of(right), 0))
    context = Context(prec=_SIGNIFICANT * 4 + scale + abs(weight) * _GROUP + 8, rounding=ROUND_HALF_UP)
    exact = context.divide(Decimal(left), Decimal(right))
    return rounded(exact, scale)


def _leading(number: Number) -> tuple[int, int]:
    """The place of the first four digits that are not all zero, and these digits."""
    if not number:
        return 0, 0
    weight = Decimal(number).adjusted() // _GROUP
    return weight, int(abs(Decimal(number)).scaleb(-weight * _GROUP, context=_CONTEXT))


def _remainder(left: Number, right: Number) -> Number:
    if not right:
        raise DivisionByZero("division by zero")
    scale = max(scale_of(left), scale_of(right))
    return rounded(_CONTEXT.remainder(Decimal(left), Decimal(right)), scale)


def _exact(of: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Number, Number], Number]:
    def operation(left: Number, right: Number) -> Number:
        made = of(Decimal(left), Decimal(right))
        return int(made) if isinstance(left, int) and isinstance(right, int) else made

    return operation


ARITHMETIC: dict[str, Callable[[Number, Number], Number]] = {
    "+": _exact(_CONTEXT.add),
    "-": _exact(_CONTEXT.subtract),
    "*": _exact(_CONTEXT.multiply),
    "/": _quotient,
    "%": _remainder,
}


def floor(number: Number) -> Number:
    """The largest whole number that is not above."""
    return int(Decimal(number).to_integral_value(ROUND_FLOOR))


def ceiling(number: Number) -> Number:
    """The smallest whole number that is not below."""
    return int(Decimal(number).to_integral_value(ROUND_CEILING))
