"""What of a plan can be worked on side by side.

A keyed operator can be divided: what it answers for a key depends on that key's rows alone.  An operator without state
can take the batches of a tick in any order, unless it calls functions of the program, which may not expect that.
"""

from __future__ import annotations

from sqlengine.expr.tree import Expr, InputRef, UserCall, children
from sqlengine.plan import nodes
from sqlengine.plan.exprs import expressions
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.nodes import Node


def shard_keys(node: Node) -> tuple[int, ...]:
    """Input columns such that rows that differ in them never meet in the node's state; () when there are none."""
    if calls_program(node):
        return ()
    match node:
        case nodes.GroupAggregate(keys=keys) | nodes.WindowAggregate(keys=keys):
            return keys
        case nodes.TopN(partition=partition) if not node.input.append_only:
            return partition  # one over rows that only come copies winners alone; dealing all rows out costs more
        case nodes.Over(partition=partition) | MatchRecognize(partition=partition):
            return partition
    return ()


def is_spreadable(node: Node) -> bool:
    """Whether its batches may be worked on at the same time, and that is worth something."""
    if not isinstance(node, (nodes.Filter, nodes.Project)):
        return False
    return any(not isinstance(e, InputRef) for e in expressions(node)) and not calls_program(node)


def calls_program(node: Node) -> bool:
    """Whether the node's operator runs functions or aggregates the program registered, which may not expect threads."""
    match node:
        case nodes.GroupAggregate() | nodes.WindowAggregate() | nodes.SessionAggregate():
            return any(call.user is not None for call in node.aggregates)
        case MatchRecognize(slots=slots) if any(s.call is not None and s.call.user is not None for s in slots):
            return True
    return any(_calls_program(e) for e in expressions(node))


def _calls_program(expr: Expr) -> bool:
    return isinstance(expr, UserCall) or any(_calls_program(kid) for kid in children(expr))
