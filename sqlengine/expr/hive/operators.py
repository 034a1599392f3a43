"""Hive's operators over bound operands."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.coerce import as_arg, constant
from sqlengine.expr.hive.coercion import DOUBLE, MOMENTS, STRING, compared_as, is_null, number, to
from sqlengine.functions import BUILTINS
from sqlengine.types import INTERVAL, common_type, is_integer, is_text, to_sql

COMPARISONS = {
    "=": "eq",
    "<>": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "is distinct from": "is_distinct",
    "is not distinct from": "is_distinct",
}
_ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply", "%": "mod"}
_BITS = {"&": "bit_and_op", "|": "bit_or_op", "^": "bit_xor_op"}
_PATTERNS = {"like": "like", "rlike": "rlike", "~": "rlike"}
DECIMAL_MAX = 38


def operation(op: str, left: tree.Expr, right: tree.Expr) -> tree.Expr:
    """`left op right`; UndefinedFunction (42883) when the types have no such operator."""
    if op in COMPARISONS:
        return _comparison(op, left, right)
    if op in _ARITHMETIC or op in ("/", "div"):
        return _folded(_arithmetic(op, left, right))
    if op in _BITS:
        return _folded(builtin(_BITS[op], [whole(left, op), whole(right, op)], op))
    if op in _PATTERNS:
        return _folded(tree.Call(pa.bool_(), f"hive${_PATTERNS[op]}", (to(left, STRING), to(right, STRING))))
    if op == "ilike":
        return _folded(builtin("ilike", [to(left, STRING), to(right, STRING)], op))
    if op == "||":
        return _folded(tree.Call(STRING, "concat_op", (to(left, STRING), to(right, STRING))))
    raise _unknown(op, left, right)


def _unknown(op: str, left: tree.Expr, right: tree.Expr) -> errors.Error:
    return errors.UndefinedFunction(f"operator does not exist: {to_sql(left.type)} {op} {to_sql(right.type)}")


def _folded(expr: tree.Expr) -> tree.Expr:
    """Constants computed at once: an operation of Hive's on them cannot raise."""
    return constant(expr) if all(isinstance(a, tree.Const) for a in tree.children(expr)) else expr


def builtin(name: str, args: list[tree.Expr], op: str) -> tree.Expr:
    """A call of one of our own functions, its arguments converted by Hive's rules."""
    found = BUILTINS.resolve(name, [as_arg(a) for a in args], operators=True)
    if found is None:
        shown = f" {op} ".join(to_sql(a.type) for a in args)
        raise errors.UndefinedFunction(f"operator does not exist: {shown}")
    converted = tuple(to(a, t) for a, t in zip(args, found.arg_types, strict=True))
    return tree.Call(found.result, found.function.name, converted)


def _comparison(op: str, left: tree.Expr, right: tree.Expr) -> tree.Expr:
    kind = compared_as(left.type, right.type)
    if kind is None:
        raise _unknown(op, left, right)
    kind = STRING if is_null(kind) else kind
    made = builtin(COMPARISONS[op], [to(left, kind), to(right, kind)], op)
    return tree.Call(pa.bool_(), "not", (made,)) if op == "is not distinct from" else made


# ---------------------------------------------------------------- arithmetic


def _arithmetic(op: str, left: tree.Expr, right: tree.Expr) -> tree.Expr:
    if op in "+-" and (INTERVAL in (left.type, right.type) or left.type in MOMENTS or right.type in MOMENTS):
        return _of_times(op, left, right)
    a, b = number(left), number(right)
    if op == "div":
        return tree.Call(pa.int64(), "hive$div", (to(a, pa.int64()), to(b, pa.int64())))
    decimals = pa.types.is_decimal(a.type) or pa.types.is_decimal(b.type)
    if decimals and not (pa.types.is_floating(a.type) or pa.types.is_floating(b.type)):
        return _of_decimals(op, _as_decimal(a), _as_decimal(b))
    if op == "/":
        return tree.Call(DOUBLE, "hive$divide", (to(a, DOUBLE), to(b, DOUBLE)))
    kind = common_type(a.type, b.type)
    assert kind is not None, "numbers have a common type"
    return tree.Call(kind, f"hive${_ARITHMETIC[op]}", (to(a, kind), to(b, kind)))


def _of_times(op: str, left: tree.Expr, right: tree.Expr) -> tree.Expr:
    """Times and intervals as our own SQL computes them; a text beside an interval is a timestamp.

    A date and months give a date, two dates an interval of days."""
    moment = pa.timestamp("us")
    dates = left.type == right.type == pa.date32()
    a = to(left, moment) if is_text(left.type) or dates else left
    b = to(right, moment) if is_text(right.type) or dates else right
    made = builtin({"+": "add", "-": "subtract"}[op], [a, b], op)
    if pa.date32() in (a.type, b.type) and any(_of_months(e) for e in (a, b)):
        return to(made, pa.date32())
    return made


def _of_months(expr: tree.Expr) -> bool:
    """Whether it is a constant interval of whole months."""
    if not isinstance(expr, tree.Const) or expr.type != INTERVAL or expr.value is None:
        return False
    _, days, nanos = expr.value
    return not days and not nanos


def _as_decimal(expr: tree.Expr) -> tree.Expr:
    if pa.types.is_decimal(expr.type):
        return expr
    if isinstance(expr, tree.Const) and isinstance(expr.value, int) and not isinstance(expr.value, bool):
        return tree.Const(pa.decimal128(max(1, len(str(abs(expr.value)))), 0), Decimal(expr.value))
    return to(expr, pa.decimal128({8: 3, 16: 5, 32: 10}.get(expr.type.bit_width, 19), 0))


def _of_decimals(op: str, a: tree.Expr, b: tree.Expr) -> tree.Expr:
    """Decimals with the precision and scale Hive gives their results (HiveDecimal's GenericUDFOP* classes)."""
    result = _decimal_result(op, a.type, b.type)
    name = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "mod"}[op]
    return tree.Call(result, f"hive$decimal_{name}", (a, b))


def _decimal_result(op: str, a: pa.DataType, b: pa.DataType) -> pa.DataType:
    p1, s1, p2, s2 = a.precision, a.scale, b.precision, b.scale
    whole = max(p1 - s1, p2 - s2)
    precision, scale = {
        "+": (whole + max(s1, s2) + 1, max(s1, s2)),
        "-": (whole + max(s1, s2) + 1, max(s1, s2)),
        "*": (p1 + p2 + 1, s1 + s2),
        "/": (p1 - s1 + s2 + max(6, s1 + p2 + 1), max(6, s1 + p2 + 1)),
        "%": (min(p1 - s1, p2 - s2) + max(s1, s2), max(s1, s2)),
    }[op]
    if precision > DECIMAL_MAX:  # digits before the point are kept, at least six behind it
        digits = precision - scale
        scale = max(DECIMAL_MAX - digits, min(scale, 6))
        precision = DECIMAL_MAX
    return pa.decimal128(precision, scale)


def aggregated(name: str, kind: pa.DataType, args: Sequence[tree.Expr]) -> pa.DataType:
    """Sums of decimals have ten digits more than what is added (GenericUDAFSum)."""
    if name == "sum" and pa.types.is_decimal(kind):
        return pa.decimal128(min(args[0].type.precision + 10, DECIMAL_MAX), kind.scale)
    return kind


def whole(expr: tree.Expr, op: str) -> tree.Expr:
    """A whole number for a bit operator; UndefinedFunction (42883) for anything else."""
    if is_integer(expr.type):
        return expr
    if is_text(expr.type) or is_null(expr.type):
        return to(expr, pa.int64())
    raise errors.UndefinedFunction(f"operator {op} takes whole numbers, not {to_sql(expr.type)}")
