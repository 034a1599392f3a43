"""Implicit conversions of bound expressions: literals take the other side's type, operands meet at a common type.

A bare literal ('x' or NULL) has no type of its own until it is used (PostgreSQL's "unknown"); here it is a
Const of type text or null that no cast has touched. Errors carry no position: the binder adds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.parameters import note
from sqlengine.functions import BUILTINS, Registry
from sqlengine.functions.casting import castable
from sqlengine.functions.signature import Arg, implicit
from sqlengine.types import common_type, is_integer, is_text, to_sql

_WIDE = Context(prec=77)
_ONE_ROW = pa.RecordBatch.from_arrays([pa.nulls(1)], names=["_"])


def untyped(expr: tree.Expr) -> bool:
    """Whether an expression is a literal that takes any type: 'text' or NULL."""
    return isinstance(expr, tree.Const) and (is_text(expr.type) or pa.types.is_null(expr.type))


def as_arg(expr: tree.Expr) -> Arg:
    """What overload resolution needs to know of an expression."""
    constant = isinstance(expr, tree.Const)
    value: Any = expr.value if isinstance(expr, tree.Const) else None
    return Arg(expr.type, untyped(expr), constant, value)


def type_name(expr: tree.Expr) -> str:
    """The type for error messages: `unknown` for bare literals."""
    return "unknown" if untyped(expr) else to_sql(expr.type)


def cast(expr: tree.Expr, target: pa.DataType, *, safe: bool = False) -> tree.Expr:
    """An explicit CAST, computed at once for constants.

    Raises CannotCoerce (42846) when there is no such cast, DataError when a constant has no value of the type.
    """
    if expr.type == target:
        return expr
    if isinstance(expr, tree.Const) and expr.value is None:
        note(expr, target)
        return tree.Const(target, None)
    if not castable(expr.type, target):
        raise errors.CannotCoerce(f"cannot cast type {to_sql(expr.type)} to {to_sql(target)}")
    made = tree.Cast(target, expr, safe)
    if not isinstance(expr, tree.Const):
        return made
    return widened(expr, target) or constant(made)


def widened(expr: tree.Const, target: pa.DataType) -> tree.Const | None:
    """A whole number or a decimal as a type that holds every digit of its own: the same value, which no kernel need be
    asked for; None for all else."""
    value, source = expr.value, expr.type
    if not is_integer(source) or not isinstance(value, int):
        if not (pa.types.is_decimal(source) and pa.types.is_decimal(target) and isinstance(value, Decimal)):
            return None
        spare = target.scale - source.scale
        if spare < 0 or target.precision - source.precision < spare:
            return None
        return tree.Const(target, _WIDE.quantize(value, Decimal(1).scaleb(-target.scale)))
    if is_integer(target):
        signed = pa.types.is_signed_integer(source) and pa.types.is_signed_integer(target)
        return tree.Const(target, value) if signed and target.bit_width >= source.bit_width else None
    if pa.types.is_decimal(target) and abs(value) < 10 ** (target.precision - target.scale):
        return tree.Const(target, _WIDE.quantize(Decimal(value), Decimal(1).scaleb(-target.scale)))
    return None


def constant(expr: tree.Expr, functions: Registry = BUILTINS) -> tree.Expr:
    """The Const of an expression over constants; the expression itself when Python has no such value or none that can
    be hashed (a date beyond year 9999, a struct).  Raises the DataError of its evaluation."""
    try:
        value = frozen(compile_exprs([expr], functions)(_ONE_ROW)[0][0].as_py())
        hash(value)
    except (ValueError, OverflowError, TypeError):
        return expr
    return tree.Const(expr.type, value)


def frozen(value: Any) -> Any:
    """Lists as tuples, all the way down, so that a Const can be hashed."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


def coerce(expr: tree.Expr, target: pa.DataType) -> tree.Expr:
    """The expression as `target` by an implicit conversion; DatatypeMismatch (42804) when there is none."""
    if expr.type == target:
        return expr
    if untyped(expr) or implicit(expr.type, target) or common_type(expr.type, target) == target:
        return cast(expr, target)
    raise errors.DatatypeMismatch(f"cannot convert type {to_sql(expr.type)} to {to_sql(target)} without a cast")


def unify(exprs: Sequence[tree.Expr], what: str) -> list[tree.Expr]:
    """All expressions at one type: that of the typed ones, text when none is typed.

    Raises DatatypeMismatch: `CASE types integer and text cannot be matched`, with `what` for CASE.
    """
    found: pa.DataType | None = None
    for expr in exprs:
        if untyped(expr):
            continue
        met = expr.type if found is None else common_type(found, expr.type)
        if met is None:
            assert found is not None
            raise errors.DatatypeMismatch(f"{what} types {to_sql(found)} and {to_sql(expr.type)} cannot be matched")
        found = met
    target = pa.string() if found is None else found
    return [cast(expr, target) for expr in exprs]


def boolean(expr: tree.Expr, what: str) -> tree.Expr:
    """A condition; DatatypeMismatch (42804) `argument of WHERE must be type boolean, not type integer`."""
    if untyped(expr):
        return cast(expr, pa.bool_())
    if not pa.types.is_boolean(expr.type):
        raise errors.DatatypeMismatch(f"argument of {what} must be type boolean, not type {to_sql(expr.type)}")
    return expr
