"""Filters move towards the data: through projections, windows, groups, partitions and unions, into sides of joins.

A filter over a cross join that equates the two sides turns it into an equi-join.
"""

from __future__ import annotations

from sqlengine.expr.simplify import conjunction, conjuncts, volatility
from sqlengine.expr.tree import Call, Expr, InputRef, input_columns, remap
from sqlengine.plan import build, nodes
from sqlengine.plan.exprs import shift, substitute
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, over_inputs, rebuild
from sqlengine.plan.rules.once import once_a_node
from storage.replacing import replace


@once_a_node
def push_filters(node: Node) -> Node:
    """The plan with every filter as low as it may go."""
    if isinstance(node, nodes.Filter):
        parts = conjuncts(node.predicate)
        fixed = [p for p in parts if volatility(p) == "volatile"]
        return build.restricted(_push(push_filters(node.input), [p for p in parts if p not in fixed]), fixed)
    return over_inputs(node, push_filters)


def _push(node: Node, parts: list[Expr]) -> Node:
    """Apply the predicates to `node`, as low as they may go."""
    if not parts:
        return node
    match node:
        case nodes.Filter():
            return _push(node.input, [*conjuncts(node.predicate), *parts])
        case nodes.Project(exprs=exprs):
            low = [p for p in parts if _cheap(exprs, p)]
            return _split(node, parts, low, [substitute(p, exprs) for p in low])
        case nodes.AssignWindow() | nodes.Unnest():
            if isinstance(node, nodes.AssignWindow) and node.window.kind == "session":
                return build.restricted(node, parts)
            low = [p for p in parts if max(input_columns(p), default=0) < len(node.input.schema)]
            return _split(node, parts, low, low)
        case nodes.Over(partition=partition) | nodes.TopN(partition=partition):
            # A condition on the partition keeps or drops whole partitions, so no other row's answer changes.
            divides = _copies(node.input, partition)
            low = [p for p in parts if input_columns(p) and input_columns(p) <= divides]
            return _split(node, parts, low, low)
        case nodes.GroupAggregate(keys=keys):
            low = [p for p in parts if input_columns(p) and max(input_columns(p)) < len(keys)]
            return _split(node, parts, low, [remap(p, dict(enumerate(keys))) for p in low])
        case nodes.AsofJoin(left=left):
            low = [p for p in parts if input_columns(p) and max(input_columns(p)) < len(left.schema)]
            rest = [p for p in parts if p not in low]
            return build.restricted(rebuild(node, (_push(left, low), node.right)), rest)
        case nodes.UnionAll(branches=branches):
            return rebuild(node, tuple(_push(b, parts) for b in branches))
        case nodes.Join():
            return _into_join(node, parts)
    return build.restricted(node, parts)


def _split(node: nodes.Unary, parts: list[Expr], low: list[Expr], below: list[Expr]) -> Node:
    """Those of the parts that are `low` go below the node, as `below`; the others stay above it."""
    return build.restricted(rebuild(node, (_push(node.input, below),)), [p for p in parts if p not in low])


def _copies(node: Node, columns: tuple[int, ...]) -> set[int]:
    """The columns, and those that are always equal to one of them."""
    if not isinstance(node, nodes.Project):
        return set(columns)
    chosen = [node.exprs[c] for c in columns if isinstance(node.exprs[c], InputRef)]
    return {*columns, *(at for at, e in enumerate(node.exprs) if e in chosen)}


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
        elif columns and max(columns) < width and join.kind != "right":
            left.append(part)
        elif columns and min(columns) >= width and join.kind in ("inner", "right"):
            right.append(shift(part, -width))
        elif join.kind == "inner" and columns:
            across.append(part)
        else:
            above.append(part)
    new = replace(join, left=_push(join.left, left), right=_push(join.right, right))
    for part in across:
        new = _add_condition(new, part, width)
    return build.restricted(derive(new), above)


def _add_condition(join: nodes.Join, part: Expr, width: int) -> nodes.Join:
    """An equality of two plain columns becomes a key, anything else part of the residual."""
    if isinstance(part, Call) and part.function == "eq" and not join.null_safe:
        a, b = part.args
        if isinstance(a, InputRef) and isinstance(b, InputRef) and a.type == b.type:
            low, high = sorted((a.index, b.index))
            if low < width <= high:
                keys = (*join.left_keys, low), (*join.right_keys, high - width)
                return replace(join, left_keys=keys[0], right_keys=keys[1])
    return replace(join, residual=conjunction([*conjuncts(join.residual), part]))
