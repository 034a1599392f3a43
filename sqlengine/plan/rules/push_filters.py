"""Filters move towards the data: through projections, window assignment and unions, into joins and their sides.

A filter over a cross join that equates the two sides turns it into an equi-join.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from sqlengine.expr.tree import Call, Expr, InputRef, input_columns
from sqlengine.plan import build, nodes
from sqlengine.plan.exprs import shift, substitute
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, rebuild


def push_filters(node: Node) -> Node:
    """The plan with every filter as low as it may go."""
    if isinstance(node, nodes.Filter):
        return _push(push_filters(node.input), conjuncts(node.predicate))
    return rebuild(node, tuple(push_filters(i) for i in node.inputs))


def conjuncts(expr: Expr) -> list[Expr]:
    """The parts of a bound AND chain."""
    if isinstance(expr, Call) and expr.function == "and":
        return [part for arg in expr.args for part in conjuncts(arg)]
    return [expr]


def conjoin(parts: list[Expr]) -> Expr:
    """The inverse of `conjuncts`; at least one part."""
    result = parts[0]
    for part in parts[1:]:
        result = Call(type=pa.bool_(), function="and", args=(result, part))
    return result


def _push(node: Node, parts: list[Expr]) -> Node:
    """Apply the predicates to `node`, as low as they may go."""
    if not parts:
        return node
    match node:
        case nodes.Filter():
            return _push(node.input, [*conjuncts(node.predicate), *parts])
        case nodes.Project(exprs=exprs):
            if all(_cheap(exprs, part) for part in parts):
                return rebuild(node, (_push(node.input, [substitute(p, exprs) for p in parts]),))
        case nodes.AssignWindow(input=below):
            low = [p for p in parts if max(input_columns(p), default=0) < len(below.schema)]
            if node.window.kind != "session" and low:
                rest = [p for p in parts if p not in low]
                return _stay(rebuild(node, (_push(below, low),)), rest)
        case nodes.Over(input=below, partition=partition):
            # A condition on the partition keeps or drops whole partitions, so no other row's answer changes.
            low = [p for p in parts if input_columns(p) and input_columns(p) <= set(partition)]
            if low:
                rest = [p for p in parts if p not in low]
                return _stay(rebuild(node, (_push(below, low),)), rest)
        case nodes.Unnest(input=below):
            low = [p for p in parts if max(input_columns(p), default=0) < len(below.schema)]
            if low:
                rest = [p for p in parts if p not in low]
                return _stay(rebuild(node, (_push(below, low),)), rest)
        case nodes.UnionAll(branches=branches):
            return rebuild(node, tuple(_push(b, parts) for b in branches))
        case nodes.Join():
            return _into_join(node, parts)
    return _stay(node, parts)


def _stay(node: Node, parts: list[Expr]) -> Node:
    return build.filtered(node, conjoin(parts)) if parts else node


def _cheap(exprs: tuple[Expr, ...], predicate: Expr) -> bool:
    """Pushing below a projection must not evaluate its computed columns a second time."""
    return all(isinstance(exprs[i], InputRef) for i in input_columns(predicate))


def _into_join(join: nodes.Join, parts: list[Expr]) -> Node:
    width = len(join.left.schema)
    left: list[Expr] = []
    right: list[Expr] = []
    across: list[Expr] = []
    above: list[Expr] = []
    for part in parts:
        columns = input_columns(part)
        if join.kind == "full":
            above.append(part)
        elif columns and max(columns) < width:
            left.append(part)
        elif join.kind == "inner" and columns and min(columns) >= width:
            right.append(shift(part, -width))
        elif join.kind == "inner" and columns:
            across.append(part)
        else:
            above.append(part)
    new = replace(join, left=_push(join.left, left), right=_push(join.right, right))
    for part in across:
        new = _add_condition(new, part, width)
    return _stay(derive(new), above)


def _add_condition(join: nodes.Join, part: Expr, width: int) -> nodes.Join:
    """An equality of two plain columns becomes a key, anything else part of the residual."""
    if isinstance(part, Call) and part.function == "eq":
        a, b = part.args
        if isinstance(a, InputRef) and isinstance(b, InputRef) and a.type == b.type:
            low, high = sorted((a.index, b.index))
            if low < width <= high:
                keys = (*join.left_keys, low), (*join.right_keys, high - width)
                return replace(join, left_keys=keys[0], right_keys=keys[1])
    residual = part if join.residual is None else conjoin([join.residual, part])
    return replace(join, residual=residual)
