"""Expressions are folded, and what they decide is done: a filter that is always true goes, one that never is leaves
nothing, and what reads nothing disappears as far as its answer is known.
"""

from __future__ import annotations

from operator import is_

from sqlengine.expr.simplify import TRUE, simplify
from sqlengine.expr.tree import Const, Expr
from sqlengine.plan import build, nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, over_inputs
from sqlengine.plan.rules.once import once_a_node
from storage.replacing import replace


@once_a_node
def simplify_plan(node: Node) -> Node:
    """The plan with folded expressions and without parts that hold no row."""
    node = over_inputs(node, simplify_plan)
    match node:
        case nodes.Filter(input=below, predicate=predicate):
            return _filter(node, below, simplify(predicate))
        case nodes.Project(input=below, exprs=exprs):
            if not _is_empty(below):
                simple = tuple(simplify(e) for e in exprs)
                return node if all(map(is_, simple, exprs)) else derive(replace(node, exprs=simple))
        case nodes.LookupJoin():
            return node
        case nodes.Join():
            return _join(node)
        case nodes.UnionAll(branches=branches):
            return _union(node, branches)
    reads_nothing = isinstance(node, _PASSING) or (isinstance(node, nodes.GroupAggregate) and bool(node.keys))
    return _empty(node) if reads_nothing and all(_is_empty(i) for i in node.inputs) else node


_PASSING = (nodes.Project, nodes.AssignWindow, nodes.TopN, nodes.Over, nodes.Repeat)
"""Nodes that put out nothing over no row."""


def _is_empty(node: Node) -> bool:
    return isinstance(node, nodes.Values) and not node.rows


def _empty(node: Node) -> Node:
    """No row of the node's schema."""
    return nodes.Values(schema=node.schema, rows=(), time_columns=node.time_columns)


def _holds_never(predicate: Expr) -> bool:
    return isinstance(predicate, Const) and predicate.value is not True


def _filter(node: nodes.Filter, below: Node, predicate: Expr) -> Node:
    if predicate == TRUE:
        return below
    if _holds_never(predicate) or _is_empty(below):
        return _empty(node)
    return node if predicate is node.predicate else derive(replace(node, predicate=predicate))


def _join(join: nodes.Join) -> Node:
    """A residual that is decided, sides that have no row."""
    residual = None if join.residual is None else simplify(join.residual)
    if residual == TRUE:
        residual = None
    never = residual is not None and _holds_never(residual)
    no_left, no_right = _is_empty(join.left), _is_empty(join.right)
    if (join.kind in ("inner", "semi") and (never or no_left or no_right)) or (
        join.kind in ("left", "anti") and no_left
    ):
        return _empty(join)
    if join.kind == "anti" and (never or no_right):
        return join.left
    if join.kind == "left" and (never or no_right):
        nulls = [Const(f.type, None) for f in join.right.schema]
        return build.projected(join.left, [*build.refs(join.left), *nulls], join.schema.names)
    return join if residual is join.residual else derive(replace(join, residual=residual))


def _union(node: nodes.UnionAll, branches: tuple[Node, ...]) -> Node:
    """The branches that have rows."""
    kept = [b for b in branches if not _is_empty(b)]
    if not kept:
        return _empty(node)
    named = [build.renamed(b, node.schema.names) for b in kept]
    return named[0] if len(named) == 1 else (node if len(kept) == len(branches) else build.union_all(named))
