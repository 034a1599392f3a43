"""Forms of Spark's own functions of single values: casts, choices, sums that fit, parts of times (see calls.py)."""

from __future__ import annotations

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.hive.coercion import DOUBLE, MOMENTS, STRING, is_null, number, to
from sqlengine.expr.hive.form_parts import Form, made, wrong
from sqlengine.expr.hive.operators import operation
from sqlengine.types import HIVE_TYPES, INTERVAL, TIMESTAMP, common_type, is_integer

SPARK_CASTS: dict[str, pa.DataType] = {**HIVE_TYPES, "decimal": pa.decimal128(10, 0)}
"""Functions that are casts, and what to."""


def _current_timezone(args: list[tree.Expr]) -> tree.Expr:
    """Of another zone than UTC its name is put there before (sql/hive/zones.py)."""
    if args:
        raise wrong("current_timezone", args, "no arguments")
    return tree.Const(STRING, "UTC")


# ---------------------------------------------------------------- choices and sums


def _nanvl(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 2:
        raise wrong("nanvl", args, "two numbers")
    return made(DOUBLE, "hive$nanvl", [to(number(a), DOUBLE) for a in args])


def _nullifzero(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1:
        raise wrong("nullifzero", args, "a number")
    value = number(args[0])
    zero = operation("=", value, tree.Const(pa.int32(), 0))
    return tree.Case(value.type, ((zero, tree.Const(value.type, None)),), value)


def _zeroifnull(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1:
        raise wrong("zeroifnull", args, "a number")
    value = to(args[0], pa.int32()) if is_null(args[0].type) else number(args[0])
    return made(value.type, "coalesce", [value, to(tree.Const(pa.int32(), 0), value.type)])


_KERNELS = {"+": "whole_sum", "-": "whole_difference", "*": "whole_product"}


def _trying(name: str, op: str) -> Form:
    """The operator; NULL where whole numbers do not fit (decimals and quotients give NULL in any case)."""

    def form(args: list[tree.Expr]) -> tree.Expr:
        if len(args) != 2:
            raise wrong(name, args, "two values")
        if op in "+-" and args[0].type == pa.date32() and is_integer(args[1].type):
            return made(
                pa.date32(), "hive$date_add" if op == "+" else "hive$date_sub", [args[0], to(args[1], pa.int32())]
            )
        if op == "/" or any(a.type in MOMENTS or a.type == INTERVAL for a in args):
            return operation(op, *args)
        a, b = (to(x, y.type) if is_null(x.type) and is_integer(y.type) else number(x) for x, y in (args, args[::-1]))
        kind = common_type(a.type, b.type)
        if kind is None or not is_integer(kind):
            return operation(op, a, b)
        return made(kind, f"hive${_KERNELS[op]}", [to(a, kind), to(b, kind)])

    return form


def _approx_percentile(args: list[tree.Expr]) -> tree.Expr:
    """One of an array's values, at its own type, or several; the accuracy is not asked, the answer is exact."""
    if len(args) not in (2, 3) or not pa.types.is_list(args[0].type):
        raise wrong("approx_percentile", args[1:], "numbers, a fraction or an array of them, and an accuracy")
    several = pa.types.is_list(args[1].type)
    kind, doubles = args[0].type.value_type, pa.list_(DOUBLE)
    found = tree.Call(
        doubles if several else DOUBLE,
        "hive$percentile_disc_of",
        (to(args[0], doubles), to(args[1], doubles if several else DOUBLE)),
    )
    return to(found, pa.list_(kind) if several else kind)


# ---------------------------------------------------------------- parts of times

_PARTS: dict[str, str] = {
    **dict.fromkeys("year y years yr yrs".split(), "year"),
    "yearofweek": "yearofweek",
    **dict.fromkeys("quarter qtr".split(), "quarter"),
    **dict.fromkeys("month mon mons months".split(), "month"),
    **dict.fromkeys("week w weeks".split(), "weekofyear"),
    **dict.fromkeys("day d days".split(), "day"),
    **dict.fromkeys("dayofweek dow".split(), "dayofweek"),
    **dict.fromkeys("dayofweek_iso dow_iso".split(), "dayofweek_iso"),
    "doy": "dayofyear",
    **dict.fromkeys("hour h hours hr hrs".split(), "hour"),
    **dict.fromkeys("minute m min mins minutes".split(), "minute"),
    **dict.fromkeys("second s sec seconds secs".split(), "second"),
}
_OF_INTERVALS = ("year", "month", "day", "hour", "minute", "second")
_OF_DATES = ("yearofweek", "dayofweek_iso")


def _date_part(args: list[tree.Expr]) -> tree.Expr:
    """`date_part('field', time or interval)`; seconds have their fraction."""
    field = args[0] if len(args) == 2 else None
    if not isinstance(field, tree.Const):
        raise wrong("date_part", args, "a field as a constant, and a time or an interval")
    if field.value is None:
        return tree.Const(DOUBLE, None)
    part, value = _PARTS.get(str(field.value).lower()), args[1]
    of_interval = value.type == INTERVAL
    if part is None or (of_interval and part not in _OF_INTERVALS):
        raise errors.InvalidParameter(f"'{field.value}' is no field of this value", sqlstate="22023")
    kind = pa.decimal128(8, 6) if part == "second" else pa.int32()
    if of_interval:
        return made(kind, f"hive${part}_of_interval", [value])
    if part in _OF_DATES:
        return made(kind, f"hive${part}", [to(value, pa.date32())])
    return made(kind, "hive$exact_second" if part == "second" else f"hive${part}", [to(value, TIMESTAMP)])


SPARK_FORMS: dict[str, Form] = {
    "current_timezone": _current_timezone,
    "nanvl": _nanvl,
    "nullifzero": _nullifzero,
    "zeroifnull": _zeroifnull,
    "try_add": _trying("try_add", "+"),
    "try_subtract": _trying("try_subtract", "-"),
    "try_multiply": _trying("try_multiply", "*"),
    "try_divide": _trying("try_divide", "/"),
    "approx_percentile_of": _approx_percentile,
    "date_part": _date_part,
    "extract": _date_part,
}
"""Forms by Spark's name."""
