"""What can be said of a predicate without evaluating it: whether it may raise, and whether NULLs make it fail."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from sqlengine.expr.tree import Call, Cast, Const, Expr, InList, InputRef

COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge"}
_NEVER_RAISE = COMPARISONS | {"and", "or", "not", "is_null", "is_not_null", "like", "ilike"}
_NULL_IN_NULL_OUT = COMPARISONS | {"not", "like", "ilike", "add", "subtract", "multiply", "divide", "negate", "upper"}
_NULL_IN_NULL_OUT |= {"lower", "length", "abs"}


def cannot_fail(expr: Expr) -> bool:
    """Whether evaluating an expression never raises."""
    match expr:
        case InputRef() | Const():
            return True
        case InList(arg=arg):
            return cannot_fail(arg)
        case Cast():
            return plain_column(expr) is not None
        case Call(function=name, args=args):
            return name in _NEVER_RAISE and all(cannot_fail(a) for a in args)
    return False


def plain_column(expr: Expr) -> InputRef | None:
    """The column an expression is, seen through casts that keep its order and its values."""
    match expr:
        case InputRef():
            return expr
        case Cast(arg=InputRef() as column, type=to) if pa.types.is_integer(column.type):
            exact = pa.types.is_floating(to) and column.type.bit_width <= 32 and to.bit_width == 64
            wider = pa.types.is_integer(to) and to.bit_width >= column.type.bit_width
            return column if exact or wider else None
    return None


def rejects_nulls(predicate: Expr, columns: Collection[int]) -> bool:
    """Whether a predicate is never true of a row in which all of `columns` are NULL."""
    match predicate:
        case Call(function="and", args=args):
            return any(rejects_nulls(a, columns) for a in args)
        case Call(function="or", args=args):
            return all(rejects_nulls(a, columns) for a in args)
        case Call(function="is_not_null", args=(arg,)):
            return _is_null(arg, columns)
    return _is_null(predicate, columns)


def _is_null(expr: Expr, columns: Collection[int]) -> bool:
    """Whether an expression is NULL where all of `columns` are (a boolean: or false)."""
    match expr:
        case InputRef(index=index):
            return index in columns
        case Const(value=value):
            return value is None
        case Cast(arg=arg) | InList(arg=arg):
            return _is_null(arg, columns)
        case Call(function=name, args=args):
            return name in _NULL_IN_NULL_OUT and any(_is_null(a, columns) for a in args)
    return False
