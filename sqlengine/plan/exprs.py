"""Moving bound expressions between inputs: shifting and substituting their column references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlengine.expr.tree import Expr, InputRef, children, with_children


def map_refs(expr: Expr, fn: Callable[[InputRef], Expr]) -> Expr:
    """The expression with every column reference replaced by `fn(reference)`."""
    if isinstance(expr, InputRef):
        return fn(expr)
    parts = children(expr)
    return with_children(expr, [map_refs(part, fn) for part in parts]) if parts else expr


def shift(expr: Expr, by: int) -> Expr:
    """Add `by` to every column position."""
    return map_refs(expr, lambda ref: replace(ref, index=ref.index + by))


def substitute(expr: Expr, exprs: Sequence[Expr]) -> Expr:
    """Replace each column reference by the expression of that position: composes two projections."""
    return map_refs(expr, lambda ref: exprs[ref.index])
