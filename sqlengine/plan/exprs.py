"""Moving bound expressions between inputs: renumbering and substituting their column references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlengine.expr.tree import Call, Case, Cast, DuckExpr, Expr, InList, InputRef


def map_refs(expr: Expr, fn: Callable[[InputRef], Expr]) -> Expr:
    """The expression with every column reference replaced by `fn(reference)`."""
    match expr:
        case InputRef():
            return fn(expr)
        case Call(args=args) | DuckExpr(args=args):
            return replace(expr, args=tuple(map_refs(a, fn) for a in args))
        case Cast(arg=arg) | InList(arg=arg):
            return replace(expr, arg=map_refs(arg, fn))
        case Case(whens=whens, default=default):
            pairs = tuple((map_refs(c, fn), map_refs(r, fn)) for c, r in whens)
            return replace(expr, whens=pairs, default=map_refs(default, fn))
    return expr


def remap(expr: Expr, mapping: Mapping[int, int]) -> Expr:
    """Renumber column references: old position -> new position."""
    return map_refs(expr, lambda ref: replace(ref, index=mapping[ref.index]))


def shift(expr: Expr, by: int) -> Expr:
    """Add `by` to every column position."""
    return map_refs(expr, lambda ref: replace(ref, index=ref.index + by))


def substitute(expr: Expr, exprs: Sequence[Expr]) -> Expr:
    """Replace each column reference by the expression of that position: composes two projections."""
    return map_refs(expr, lambda ref: exprs[ref.index])
