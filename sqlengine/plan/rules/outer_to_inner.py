"""An outer join below a filter that no row with NULLs can pass need not make such rows: it becomes an inner join, a
full join a left one.
"""

from __future__ import annotations

from sqlengine.expr.tree import Expr
from sqlengine.plan import nodes
from sqlengine.plan.exprs import substitute
from sqlengine.plan.nodes import Node
from sqlengine.plan.predicates import rejects_nulls
from sqlengine.plan.properties import derive, over_inputs, rebuild
from sqlengine.plan.rules.once import once_a_node
from storage.replacing import replace

_WITHOUT_LEFT = {"right": "inner", "full": "left"}
"""What a join becomes when no row without a left side is wanted."""
_WITHOUT_RIGHT = {"left": "inner", "full": "right"}


@once_a_node
def outer_to_inner(node: Node) -> Node:
    """The plan with joins no more outer than what is above them can see."""
    if isinstance(node, nodes.Filter):
        return rebuild(node, (outer_to_inner(_below(node.input, node.predicate)),))
    return over_inputs(node, outer_to_inner)


def _below(node: Node, predicate: Expr) -> Node:
    """The node, given that only rows that pass `predicate` matter."""
    match node:
        case nodes.Filter(input=below):
            return rebuild(node, (_below(below, predicate),))
        case nodes.Project(input=below, exprs=exprs):
            return rebuild(node, (_below(below, substitute(predicate, exprs)),))
        case nodes.LookupJoin():
            return node
        case nodes.Join(left=left, kind=kind) if kind in ("left", "right", "full"):
            width = len(left.schema)
            if rejects_nulls(predicate, range(width)):
                kind = _WITHOUT_LEFT.get(kind, kind)
            if rejects_nulls(predicate, range(width, len(node.schema))):
                kind = _WITHOUT_RIGHT.get(kind, kind)
            return derive(replace(node, kind=kind))
    return node
