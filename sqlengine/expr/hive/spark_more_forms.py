"""Forms of Spark's functions whose meaning hangs on types: texts or binaries, arrays, digits, moments."""

from __future__ import annotations

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.hive.coercion import DOUBLE, MOMENTS, STRING, is_null, met, number, to, unified
from sqlengine.expr.hive.conditions import FORMS as CONDITIONS
from sqlengine.expr.hive.form_parts import Form, made, text_of, wrong
from sqlengine.expr.hive.operators import builtin, operation
from sqlengine.functions.hive.spark_number_format import number_format
from sqlengine.types import TIMESTAMP, is_integer, is_text

_INT = pa.int32()
_OF_DOUBLES = pa.decimal128(30, 15)
"""The decimal that Spark makes of a double where a decimal is asked for."""
_DIGITS_MAX = 38

# ---------------------------------------------------------------- texts


def _decode(args: list[tree.Expr]) -> tree.Expr:
    """`decode(binary, charset)`, or `decode(x, a, result, ..., default)`, which finds NULL too."""
    if len(args) == 2:
        return made(STRING, "hive$decode", [to(args[0], pa.binary()), to(args[1], STRING)])
    if len(args) < 2:
        raise wrong("decode", args, "a binary and a character set, or a value and what becomes of others")
    value, *rest = args
    default = [rest.pop()] if len(rest) % 2 else []
    results = unified([*rest[1::2], *default], "decode")
    whens = tuple((CONDITIONS["<=>"]([value, key]), result) for key, result in zip(rest[::2], results, strict=False))
    kind = results[0].type
    return tree.Case(kind, whens, results[-1] if default else tree.Const(kind, None))


def _to_char(args: list[tree.Expr]) -> tree.Expr:
    """Of a number; of a moment the same as date_format, as in Spark 4."""
    if len(args) != 2:
        raise wrong("to_char", args, "a number and a format")
    value, form = args[0], to(args[1], STRING)
    if value.type in MOMENTS:
        return made(STRING, "hive$date_format", [to(value, TIMESTAMP), form])
    return made(STRING, "hive$to_char", [_decimal(value), form])


def _to_number(name: str) -> Form:
    """A decimal of the digits that the format has."""

    def form(args: list[tree.Expr]) -> tree.Expr:
        if len(args) != 2:
            raise wrong(name, args, "a text and a format")
        if not isinstance(args[1], tree.Const):
            raise errors.InvalidParameter(f"the format of {name} is a constant text", hint="its digits say the type")
        kind = pa.decimal128(1, 0) if args[1].value is None else number_format(text_of(args[1])).type
        return made(kind, f"hive${name}_as", [to(args[0], STRING), to(args[1], STRING)])

    return form


def _decimal(value: tree.Expr) -> tree.Expr:
    """A number as a decimal."""
    plain = number(value)
    if pa.types.is_decimal(plain.type):
        return plain
    return to(plain, pa.decimal128(20, 0) if is_integer(plain.type) else _OF_DOUBLES)


def _padded(name: str) -> Form:
    """Of texts with blanks, of binaries with zero bytes unless something else is given."""

    def form(args: list[tree.Expr]) -> tree.Expr:
        if len(args) not in (2, 3):
            raise wrong(name, args, "a text or a binary, a length, and what to fill with")
        if pa.types.is_binary(args[0].type) and (len(args) == 2 or pa.types.is_binary(args[2].type)):
            pad: tree.Expr = args[2] if len(args) == 3 else tree.Const(pa.binary(), b"\0")
            return made(pa.binary(), f"hive${name}", [args[0], to(args[1], _INT), pad])
        pad = to(args[2], STRING) if len(args) == 3 else tree.Const(STRING, " ")
        return made(STRING, f"hive${name}", [to(args[0], STRING), to(args[1], _INT), pad])

    return form


def _mask(args: list[tree.Expr]) -> tree.Expr:
    """A mark that is NULL leaves its characters as they are."""
    if not 1 <= len(args) <= 5:
        raise wrong("mask", args, "a text and four marks at most")
    marks = [tree.Const(_INT, -1) if isinstance(a, tree.Const) and a.value is None else a for a in args[1:]]
    return made(STRING, "hive$mask", [to(args[0], STRING), *marks])


# ---------------------------------------------------------------- arrays


def _reverse(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1:
        raise wrong("reverse", args, "a text or an array")
    if pa.types.is_list(args[0].type):
        return made(args[0].type, "hive$reversed_array", args)
    return builtin("reverse", [to(args[0], STRING)], "reverse")


def _shuffle(args: list[tree.Expr]) -> tree.Expr:
    if len(args) != 1 or not pa.types.is_list(args[0].type):
        raise wrong("shuffle", args, "an array")
    return tree.Call(args[0].type, "hive$shuffled_array", (args[0],))


def joined_arrays(args: list[tree.Expr]) -> tree.Expr:
    """`concat` of arrays, NULL when one is NULL."""
    kind = met([a.type for a in args])
    if not pa.types.is_list(kind):
        raise wrong("concat", args, "texts, binaries, or arrays")
    return made(kind, "hive$flatten_arrays", [tree.Call(pa.list_(kind), "array", tuple(to(a, kind) for a in args))])


# ---------------------------------------------------------------- numbers


def _rounded(name: str) -> Form:
    """`ceil(x, digits)`, a decimal with so many digits behind the point (Spark's RoundCeil)."""

    def form(args: list[tree.Expr]) -> tree.Expr:
        if len(args) != 2 or not isinstance(args[1], tree.Const) or args[1].value is None:
            raise wrong(name, args, "a number and a constant number of digits")
        value, digits = _decimal(args[0]), int(text_of(args[1]))
        precision, scale = value.type.precision, value.type.scale
        if is_integer(args[0].type):
            precision = {8: 3, 16: 5, 32: 10}.get(args[0].type.bit_width, 20)
        whole = precision - scale + 1
        kind = pa.decimal128(min(max(whole, 1 - digits), _DIGITS_MAX), 0)
        if digits >= 0:
            behind = min(scale, digits)
            kind = pa.decimal128(min(whole + behind, _DIGITS_MAX), behind)
        return made(kind, f"hive${name}_to", [value, tree.Const(_INT, digits)])

    return form


def _randn(args: list[tree.Expr]) -> tree.Expr:
    """A number of the standard normal distribution, by Box and Muller; a seed is refused, its numbers being Spark's."""
    if args:
        raise errors.NotSupportedError("randn with a seed is not supported", hint="randn() has none")
    return tree.Call(DOUBLE, "hive$normal_of", (tree.Const(_INT, 0),))


def _try_sum_arg(args: list[tree.Expr]) -> tree.Expr:
    """What try_sum adds up: whole numbers as decimals, which do not overflow."""
    value = number(args[0])
    return to(value, pa.decimal128(20, 0)) if is_integer(value.type) else value


def _try_sum_of(args: list[tree.Expr]) -> tree.Expr:
    """The sum; of whole numbers a bigint, NULL when it does not fit; the second argument has the values' type."""
    total, witness = args
    return to(total, pa.int64()) if is_integer(number(witness).type) else total


# ---------------------------------------------------------------- moments


def _trunc(args: list[tree.Expr]) -> tree.Expr:
    """Of a date; a number is cut as in Hive."""
    if len(args) == 2 and (is_text(args[0].type) or args[0].type in MOMENTS or is_null(args[0].type)):
        moment = args[0] if args[0].type in MOMENTS else to(args[0], STRING)
        return made(pa.date32(), "hive$spark_trunc", [moment, to(args[1], STRING)])
    value = number(args[0]) if args else tree.Const(_INT, None)
    return made(value.type, "hive$trunc", [value, *(to(a, _INT) for a in args[1:])])


def _convert_timezone(args: list[tree.Expr]) -> tree.Expr:
    """From one zone's clock to another's; without the first from UTC, where timestamps without a zone are."""
    if len(args) not in (2, 3):
        raise wrong("convert_timezone", args, "a zone, another, and a timestamp")
    *zones, moment = args
    value = to(moment, TIMESTAMP)
    if len(zones) == 2:
        value = made(TIMESTAMP, "hive$to_utc_timestamp", [value, to(zones[0], STRING)])
    return made(TIMESTAMP, "hive$from_utc_timestamp", [value, to(zones[-1], STRING)])


def _make_timestamp(args: list[tree.Expr]) -> tree.Expr:
    """Of six parts, and a zone whose clock shows them."""
    if len(args) not in (6, 7):
        raise wrong("make_timestamp", args, "year, month, day, hour, minute, second, and a zone")
    parts = [*(to(a, _INT) for a in args[:5]), to(args[5], pa.decimal128(16, 6))]
    moment = made(TIMESTAMP, "hive$make_timestamp", parts)
    return moment if len(args) == 6 else made(TIMESTAMP, "hive$to_utc_timestamp", [moment, to(args[6], STRING)])


_PARTS = {
    "make_interval": ("years", "months", "weeks", "days", "hours", "mins", "secs"),
    "make_dt_interval": ("days", "hours", "mins", "secs"),
    "make_ym_interval": ("years", "months"),
}
"""Parts of intervals, in the order of arguments."""


def _make_interval(name: str) -> Form:
    def form(args: list[tree.Expr]) -> tree.Expr:
        parts = _PARTS[name]
        if len(args) > len(parts):
            raise wrong(name, args, ", ".join(parts))
        given = dict(zip(parts, args, strict=False))
        zero = tree.Const(_INT, 0)
        values = [to(given.get(part, zero), DOUBLE if part == "secs" else _INT) for part in _PARTS["make_interval"]]
        return builtin("make_interval", values, name)

    return form


SPARK_MORE: dict[str, Form] = {
    "decode": _decode,
    "to_number": _to_number("to_number"),
    "try_to_number": _to_number("try_to_number"),
    "to_char": _to_char,
    "to_varchar": _to_char,
    "spark_lpad": _padded("spark_lpad"),
    "spark_rpad": _padded("spark_rpad"),
    "spark_mask": _mask,
    "reverse": _reverse,
    "shuffle": _shuffle,
    "ceil_to": _rounded("ceil"),
    "floor_to": _rounded("floor"),
    "randn": _randn,
    "try_sum_arg": _try_sum_arg,
    "try_sum_of": _try_sum_of,
    "try_mod": lambda args: operation("%", *args) if len(args) == 2 else _refuse("try_mod", args),
    "spark_trunc": _trunc,
    "convert_timezone": _convert_timezone,
    **dict.fromkeys(("make_timestamp", "make_timestamp_ntz", "make_timestamp_ltz"), _make_timestamp),
    **{name: _make_interval(name) for name in _PARTS},
}
"""Forms by Spark's name."""


def _refuse(name: str, args: list[tree.Expr]) -> tree.Expr:
    raise wrong(name, args, "two numbers")
