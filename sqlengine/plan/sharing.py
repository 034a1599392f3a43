"""What two queries may have in common: whole plans that are equal but for the names of their output columns, or parts
of plans, with answers that do not depend on when a query began."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.expr.tree import Call, DuckExpr, Expr, InputRef, UserCall, children
from sqlengine.functions import BUILTINS
from sqlengine.plan import nodes
from sqlengine.plan.exprs import expressions
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.nodes import Node
from storage.replacing import replace


def unnamed(plan: Node) -> Node:
    """The plan without a projection that only renames, its output columns called c0, c1, ..."""
    while only_renames(plan):
        (plan,) = plan.inputs
    fields = [pa.field(f"c{i}", f.type) for i, f in enumerate(plan.schema)]
    return replace(plan, schema=pa.schema(fields))


def only_renames(node: Node) -> bool:
    """Whether it is a projection that gives out all columns of its input in order, under any names."""
    if not isinstance(node, nodes.Project):
        return False
    in_place = all(isinstance(e, InputRef) and e.index == i for i, e in enumerate(node.exprs))
    return in_place and len(node.exprs) == len(node.input.schema)


def is_repeatable(node: Node) -> bool:
    """Whether the query would answer the same had it begun at another time."""
    if isinstance(node, (nodes.LookupJoin, nodes.Changelog)) or any(_depends_on_arrival(e) for e in expressions(node)):
        return False
    return all(is_repeatable(i) for i in node.inputs)


STATEFUL = (
    nodes.GroupAggregate,
    nodes.WindowAggregate,
    nodes.SessionAggregate,
    nodes.Join,
    nodes.AsofJoin,
    nodes.TopN,
    nodes.Over,
    MatchRecognize,
    nodes.Iterate,
    nodes.WorkingTables,
    nodes.Rounds,
)
"""What is worth having once."""

_OF_THE_MOMENT = (nodes.TemporalFilter, nodes.EmitEvery, nodes.Recompute, nodes.Changelog)
"""What depends on when it was told, not on what alone."""


def is_shareable(node: Node) -> bool:
    """Whether a part of a plan has state worth sharing, and has the same state whenever it began."""
    return _any(node, STATEFUL) and not _any(node, _OF_THE_MOMENT) and is_repeatable(node)


def _any(node: Node, kinds: tuple[type[Node], ...]) -> bool:
    return isinstance(node, kinds) or any(_any(i, kinds) for i in node.inputs)


def _depends_on_arrival(expr: Expr) -> bool:
    match expr:
        case Call(function="proctime"):
            return True
        case Call(function=name) if any(f.volatility == "volatile" for f in BUILTINS.lookup(name)):
            return True
        case UserCall(function=function) if function.volatility == "volatile":
            return True
        case DuckExpr(volatility="volatile"):
            return True
    return any(_depends_on_arrival(kid) for kid in children(expr))
