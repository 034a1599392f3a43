"""The methods of items: `.size()`, `.double()`, `.keyvalue()` and so on, one function each."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlengine.functions.jsonpath import moments
from sqlengine.functions.jsonpath.failures import error
from sqlengine.functions.jsonpath.items import (
    as_number,
    ceiling,
    floor,
    is_number,
    plain,
    rounded,
    type_of,
)
from sqlengine.functions.jsonpath.moments import Moment, converted, read_moment, with_precision

Method = Callable[..., Any]
"""(item, arguments of the call...) -> the item it becomes."""

_NOT_A_NUMBER, _NOT_A_MOMENT = "22036", "22031"
_DOUBLE_MAX_DIGITS = 400
_REAL = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
_WORDS = {
    **dict.fromkeys(("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"), True),
    **dict.fromkeys(("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"), False),
}


def _of_numbers(name: str, of: Callable[[Any], Any]) -> Method:
    def method(item: Any) -> Any:
        if not is_number(item):
            raise error(_NOT_A_NUMBER, f"jsonpath item method .{name}() can only be applied to a numeric value")
        return of(item)

    return method


def _invalid(item: Any, name: str, kind: str) -> Exception:
    return error(
        _NOT_A_NUMBER, f'argument "{plain(item)}" of jsonpath item method .{name}() is invalid for type {kind}'
    )


def _scalar(item: Any, name: str) -> None:
    if not is_number(item) and not isinstance(item, str):
        raise error(_NOT_A_NUMBER, f"jsonpath item method .{name}() can only be applied to a string or numeric value")


def _no_infinity(name: str) -> Exception:
    return error(_NOT_A_NUMBER, f"NaN or Infinity is not allowed for jsonpath item method .{name}()")


_INFINITE = re.compile(r"\s*([+-]?(inf|infinity)|nan)\s*", re.IGNORECASE)


def _double(item: Any) -> Any:
    _scalar(item, "double")
    text = item if isinstance(item, str) else plain(item)
    if isinstance(item, str) and _INFINITE.fullmatch(text):
        raise _no_infinity("double")
    if not _REAL.fullmatch(text):
        raise _invalid(item, "double", "double precision")
    value = float(text)
    if value in (float("inf"), float("-inf")) or (value == 0 and re.search("[1-9]", text.lower().partition("e")[0])):
        raise _invalid(item, "double", "double precision")
    return as_number(format(Decimal(f"{value:.15g}"), "f")) if isinstance(item, str) else item


def _integer(name: str, bits: int, kind: str) -> Method:
    def method(item: Any) -> Any:
        _scalar(item, name)
        if isinstance(item, str) and not _WHOLE.fullmatch(item):
            raise _invalid(item, name, kind)
        whole = int(item) if isinstance(item, str) else rounded(item, 0)
        if not -(1 << bits) <= whole < 1 << bits:
            raise _invalid(item, name, kind)
        return whole

    return method


def _number(name: str, item: Any) -> Any:
    _scalar(item, name)
    if not isinstance(item, str):
        return item
    if _INFINITE.fullmatch(item):
        raise _no_infinity(name)
    try:
        return as_number(item.strip()) if _REAL.fullmatch(item) else None
    except InvalidOperation:
        return None


def _as_number(item: Any) -> Any:
    made = _number("number", item)
    if made is None:
        raise _invalid(item, "number", "numeric")
    return made


def _decimal(item: Any, precision: int | None = None, scale: int = 0) -> Any:
    made = _number("decimal", item)
    if made is None:
        raise _invalid(item, "decimal", "numeric")
    if precision is None:
        return made
    if not 1 <= precision <= 1000:
        raise error("22023", f"NUMERIC precision {precision} must be between 1 and 1000")
    if not -1000 <= scale <= 1000:
        raise error("22023", f"NUMERIC scale {scale} must be between -1000 and 1000")
    made = rounded(made, scale)
    if made and Decimal(made).adjusted() >= precision - scale:
        raise _invalid(item, "decimal", "numeric")
    return made


def _boolean(item: Any) -> bool:
    if isinstance(item, bool):
        return item
    if not is_number(item) and not isinstance(item, str):
        raise error(
            _NOT_A_NUMBER, "jsonpath item method .boolean() can only be applied to a boolean, string, or numeric value"
        )
    if is_number(item):
        if not isinstance(item, int) or not -(1 << 31) <= item < 1 << 31:
            raise _invalid(item, "boolean", "boolean")
        return item != 0
    found = _WORDS.get(item.strip().lower())
    if found is None:
        raise _invalid(item, "boolean", "boolean")
    return found


def _string(item: Any) -> str:
    if item is None or isinstance(item, (dict, list)):
        raise error(
            _NOT_A_NUMBER,
            "jsonpath item method .string() can only be applied to a boolean, string, numeric, or datetime value",
        )
    return plain(item)


# ---------------------------------------------------------------- dates and times


def _moment(item: Any, name: str, kind: str) -> Moment:
    if not isinstance(item, str):
        raise error(_NOT_A_MOMENT, f"jsonpath item method .{name}() can only be applied to a string")
    found = read_moment(item)
    if found is None:
        hint = "use a datetime template argument to specify the input data format" if name == "datetime" else None
        what = f'{kind} format is not recognized: "{item}"'
        raise error(_NOT_A_MOMENT, what, hint)
    return found


def _of_kind(name: str, kind: str, short: str) -> Method:
    def method(item: Any, precision: int | None = None) -> Moment:
        found = _moment(item, name, short)
        made = converted(found, kind)
        if made is None:
            raise error(_NOT_A_MOMENT, f'{short} format is not recognized: "{found.text()}"')
        return made if precision is None else with_precision(made, precision)

    return method


BY_NAME: dict[str, Method] = {
    "type": type_of,
    "abs": _of_numbers("abs", abs),
    "floor": _of_numbers("floor", floor),
    "ceiling": _of_numbers("ceiling", ceiling),
    "double": _double,
    "bigint": _integer("bigint", 63, "bigint"),
    "integer": _integer("integer", 31, "integer"),
    "number": _as_number,
    "decimal": _decimal,
    "boolean": _boolean,
    "string": _string,
    "datetime": lambda item: _moment(item, "datetime", "datetime"),
    "date": _of_kind("date", moments.DATE, "date"),
    "time": _of_kind("time", moments.TIME, "time"),
    "time_tz": _of_kind("time_tz", moments.TIMETZ, "time_tz"),
    "timestamp": _of_kind("timestamp", moments.TIMESTAMP, "timestamp"),
    "timestamp_tz": _of_kind("timestamp_tz", moments.TIMESTAMPTZ, "timestamp_tz"),
}
"""Methods of a single item; `.size()` and `.keyvalue()` are steps of their own (see steps.py)."""
WHOLE = frozenset(("type", "size"))
"""Methods of an array itself, in lax mode too."""
