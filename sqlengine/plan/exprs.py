"""Bound expressions of plan nodes: which there are, and moving them between inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlengine.expr.tree import Expr, InputRef, children, with_children
from sqlengine.plan import nodes
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.nodes import Node


def map_refs(expr: Expr, fn: Callable[[InputRef], Expr]) -> Expr:
    """The expression with every column reference replaced by `fn(reference)`."""
    if isinstance(expr, InputRef):
        return fn(expr)
    parts = children(expr)
    return with_children(expr, [map_refs(part, fn) for part in parts]) if parts else expr


def shift(expr: Expr, by: int) -> Expr:
    """Add `by` to every column position."""
    return map_refs(expr, lambda ref: InputRef(ref.type, ref.index + by, ref.name))


def substitute(expr: Expr, exprs: Sequence[Expr]) -> Expr:
    """Replace each column reference by the expression of that position: composes two projections."""
    return map_refs(expr, lambda ref: exprs[ref.index])


def expressions(node: Node) -> tuple[Expr, ...]:
    """The expressions a node evaluates, those of its inputs not included."""
    match node:
        case nodes.Filter(predicate=predicate):
            return (predicate,)
        case nodes.Project(exprs=exprs):
            return exprs
        case nodes.Unnest(lists=lists):
            return lists
        case nodes.TemporalFilter(bounds=bounds):
            return tuple(b.row for b in bounds)
        case nodes.Values(rows=rows):
            return tuple(e for row in rows for e in row)
        case MatchRecognize(defines=defines, measures=measures):
            return (*(d for d in defines if d is not None), *measures)
        case nodes.Join(residual=residual) if residual is not None:
            return (residual,)
    return ()
