"""Which types meet where, and how a value gets there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.coerce import cast, constant, widened
from sqlengine.functions.hive.casts import castable
from sqlengine.types import TIMESTAMP, TIMESTAMPTZ, common_type, is_integer, is_numeric, is_text, to_sql

STRING, DOUBLE = pa.string(), pa.float64()
MOMENTS = (pa.date32(), TIMESTAMP, TIMESTAMPTZ)


def to(expr: tree.Expr, target: pa.DataType) -> tree.Expr:
    """The expression as `target` by Hive's CAST; CannotCoerce (42846) when there is none."""
    if expr.type == target:
        return expr
    if isinstance(expr, tree.Const) and expr.value is None:
        return cast(expr, target)
    if isinstance(expr, tree.Const) and (plain := widened(expr, target) or _plain_date(expr, target)) is not None:
        return plain
    if not castable(expr.type, target):
        raise errors.CannotCoerce(f"cannot cast type {to_sql(expr.type)} to {to_sql(target)}")
    if is_integer(expr.type) and is_numeric(target) and not pa.types.is_decimal(target) and _widens(expr.type, target):
        made: tree.Expr = tree.Cast(target, expr)
    else:
        made = tree.Call(target, "hive$cast", (expr,))
    return constant(made) if isinstance(expr, tree.Const) else made


def _plain_date(expr: tree.Const, target: pa.DataType) -> tree.Const | None:
    """A text `2024-01-31` as a date, which no kernel need be asked for; None for all else."""
    if target != pa.date32() or not isinstance(expr.value, str) or not _ISO_DATE.fullmatch(expr.value):
        return None
    try:
        return tree.Const(target, date.fromisoformat(expr.value))
    except ValueError:
        return None


_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _widens(source: pa.DataType, target: pa.DataType) -> bool:
    return pa.types.is_floating(target) or target.bit_width > source.bit_width


def is_null(kind: pa.DataType) -> bool:
    """Whether it is the type of a bare NULL."""
    return bool(pa.types.is_null(kind))


def compared_as(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The type two values are compared as (FunctionRegistry.getCommonClassForComparison); None when they are not."""
    if a == b or is_null(b):
        return a
    if is_null(a):
        return b
    for one, other in ((a, b), (b, a)):
        if is_text(one) and other in MOMENTS:
            return other
        if is_text(one) and (is_numeric(other) or pa.types.is_boolean(other)):
            return DOUBLE if is_numeric(other) else STRING
        if is_numeric(one) and other in (TIMESTAMP, TIMESTAMPTZ):
            return DOUBLE
        if pa.types.is_binary(one) and is_text(other):
            return STRING
    return common_type(a, b) or _meeting_nested(a, b)


def meeting(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The type of a choice between two values (getCommonClassForUnionAll): of primitives STRING in the end."""
    if a == b or is_null(b):
        return a
    if is_null(a):
        return b
    if pa.types.is_nested(a) or pa.types.is_nested(b):
        return _meeting_nested(a, b)
    common = common_type(a, b)
    return STRING if common is None else common


def _meeting_nested(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """Arrays and maps of types that meet, and structs with as many fields, under the names of the first."""
    if pa.types.is_list(a) and pa.types.is_list(b):
        inner = meeting(a.value_type, b.value_type)
        return None if inner is None else pa.list_(inner)
    if pa.types.is_map(a) and pa.types.is_map(b):
        if is_null(a.item_type) or is_null(b.item_type):  # `map()`, of which the keys have no type either
            return b if is_null(a.item_type) else a
        key, item = meeting(a.key_type, b.key_type), meeting(a.item_type, b.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    if pa.types.is_struct(a) and pa.types.is_struct(b) and a.num_fields == b.num_fields:
        kinds = [(x.name, meeting(x.type, y.type)) for x, y in zip(a, b, strict=True)]
        return None if any(kind is None for _, kind in kinds) else pa.struct(kinds)
    return None


def met(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """The type all values can have, STRING when nothing is known; DatatypeMismatch (42804) when there is none."""
    found = kinds[0]
    for kind in kinds[1:]:
        both = meeting(found, kind)
        if both is None:
            raise errors.DatatypeMismatch(f"types {to_sql(found)} and {to_sql(kind)} cannot be matched")
        found = both
    return STRING if is_null(found) else found


def unified(exprs: Sequence[tree.Expr], what: str) -> list[tree.Expr]:
    """All expressions at the type of a choice between them; of IN at the type they are compared as."""
    if what == "IN":
        return _compared(exprs)
    try:
        target = met([e.type for e in exprs])
    except errors.DatatypeMismatch as err:
        raise errors.DatatypeMismatch(f"{what} {err.message}") from None
    return [to(e, target) for e in exprs]


def _compared(exprs: Sequence[tree.Expr]) -> list[tree.Expr]:
    target = exprs[0].type
    for expr in exprs[1:]:
        both = compared_as(target, expr.type)
        if both is None:
            raise errors.DatatypeMismatch(f"IN types {to_sql(target)} and {to_sql(expr.type)} cannot be matched")
        target = both
    return [to(e, STRING if is_null(target) else target) for e in exprs]


def number(expr: tree.Expr) -> tree.Expr:
    """A number: a text as a double, a truth value as 0 or 1; DatatypeMismatch (42804) for anything else."""
    if is_numeric(expr.type):
        return expr
    if is_text(expr.type) or is_null(expr.type):
        return to(expr, DOUBLE)
    if pa.types.is_boolean(expr.type):
        return to(expr, pa.int32())
    if expr.type in (TIMESTAMP, TIMESTAMPTZ):
        return to(expr, DOUBLE)
    raise errors.DatatypeMismatch(f"a number is expected, not {to_sql(expr.type)}")
