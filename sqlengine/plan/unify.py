"""One type for values of several: of VALUES rows, set operations, CASE-like choices in plans."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine import types
from sqlengine.errors import DatatypeMismatch
from sqlengine.expr.coerce import cast, untyped
from sqlengine.expr.dialects import rules
from sqlengine.expr.parameters import note
from sqlengine.expr.tree import Cast, Const, Expr


def meet(kinds: Sequence[pa.DataType], dialect: str = "") -> pa.DataType:
    """The type all values can have, text when nothing is known; DatatypeMismatch (42804) when there is none.

    `dialect`: whose rules say so, PostgreSQL's by default."""
    if dialect:
        return rules(dialect).met(kinds)
    merged = kinds[0]
    for kind in kinds[1:]:
        common = types.common_type(merged, kind)
        if common is None:
            raise DatatypeMismatch(f"types {types.to_sql(merged)} and {types.to_sql(kind)} cannot be matched")
        merged = common
    return pa.string() if pa.types.is_null(merged) else merged


def met(exprs: Sequence[Expr], dialect: str = "") -> pa.DataType:
    """The same of expressions, of which literals like 'x' take the others' type."""
    if dialect:
        return meet([e.type for e in exprs], dialect)
    return meet([pa.null() if untyped(e) else e.type for e in exprs])


def coerce(expr: Expr, kind: pa.DataType, dialect: str = "") -> Expr:
    """The expression as a value of the type; NULL is a NULL of it."""
    if expr.type == kind:
        return expr
    if dialect:
        return rules(dialect).to(expr, kind)
    if isinstance(expr, Const) and expr.value is None:
        note(expr, kind)
        return Const(type=kind, value=None)
    if untyped(expr):
        return cast(expr, kind)
    return Cast(type=kind, arg=expr)
