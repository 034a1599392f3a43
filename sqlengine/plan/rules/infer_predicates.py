"""What is known of one side of an equality is known of the other: from a.x = b.x and a.x = 5 follows b.x = 5.

Only conditions on a single key are passed on, and only to a side whose other rows could not have met anything.
"""

from __future__ import annotations

from sqlengine.expr.simplify import conjuncts
from sqlengine.expr.tree import Expr, InputRef, identity, input_columns, remap
from sqlengine.plan import build, nodes
from sqlengine.plan.columns import columns_of
from sqlengine.plan.exprs import shift
from sqlengine.plan.nodes import Node
from sqlengine.plan.predicates import cannot_fail
from sqlengine.plan.properties import derive, over_inputs
from sqlengine.plan.rules.once import once_a_node
from storage.replacing import replace

_TO_RIGHT = ("inner", "left", "semi", "anti")
_TO_LEFT = ("inner", "right", "semi")


@once_a_node
def infer_predicates(node: Node) -> Node:
    """The plan with conditions on join keys on both sides."""
    node = over_inputs(node, infer_predicates)
    if isinstance(node, nodes.Join) and not isinstance(node, nodes.LookupJoin):
        return _both_sides(node)
    return node


def _both_sides(join: nodes.Join) -> Node:
    left, right = join.left, join.right
    pairs = list(zip(join.left_keys, join.right_keys, strict=True))
    if join.kind in _TO_RIGHT:
        right = _restricted(right, _moved(_known(join.left), pairs, join.left, right))
    if join.kind in _TO_LEFT:
        back = [(b, a) for a, b in pairs]
        left = _restricted(left, _moved(_known(join.right), back, join.right, left))
    if left is join.left and right is join.right:
        return join
    return derive(replace(join, left=left, right=right))


def _moved(known: list[Expr], pairs: list[tuple[int, int]], source: Node, target: Node) -> list[Expr]:
    """Conditions on a single key of `source` as conditions on the key of `target` that equals it."""
    fields, others = columns_of(source.schema).fields, columns_of(target.schema).fields
    moved = []
    for part in known:
        for a, b in pairs:
            same_type = fields[a].type == others[b].type
            if input_columns(part) == {a} and same_type and cannot_fail(part):
                moved.append(remap(part, {a: b}))
    return moved


def _restricted(node: Node, parts: list[Expr]) -> Node:
    """The node where those of the parts hold that are not known to."""
    if not parts:
        return node
    have = {identity(p) for p in _known(node)}
    return build.restricted(node, [p for p in parts if identity(p) not in have])


def _known(node: Node) -> list[Expr]:
    """Conditions every row of a node passes, on its output columns."""
    match node:
        case nodes.Filter(input=below, predicate=predicate):
            return [*conjuncts(predicate), *_known(below)]
        case nodes.Project(input=below, exprs=exprs):
            places = {e.index: at for at, e in reversed(list(enumerate(exprs))) if isinstance(e, InputRef)}
            return [remap(p, places) for p in _known(below) if input_columns(p) <= places.keys()]
        case nodes.GroupAggregate(input=below, keys=keys):
            places = {k: at for at, k in reversed(list(enumerate(keys)))}
            return [remap(p, places) for p in _known(below) if input_columns(p) <= places.keys()]
        case nodes.AssignWindow(input=below) | nodes.Over(input=below) | nodes.TopN(input=below):
            return _known(below)
        case nodes.LookupJoin(left=left):
            return _known(left)
        case nodes.Join(kind="inner", left=left, right=right):
            return [*_known(left), *(shift(p, len(left.schema)) for p in _known(right))]
        case nodes.Join(kind="left" | "semi" | "anti", left=left) | nodes.AsofJoin(left=left):
            return _known(left)
        case nodes.Join(kind="right", left=left, right=right):
            return [shift(p, len(left.schema)) for p in _known(right)]
    return []
