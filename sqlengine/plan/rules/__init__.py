"""The optimizer: rules applied in order, one per file; each can be switched off by the setting `disabled_rules`."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlengine.plan import nodes
from sqlengine.plan.distinct import distinct_nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.rules.aggregate_early import aggregate_early
from sqlengine.plan.rules.fuse_window_aggregate import fuse_window_aggregate
from sqlengine.plan.rules.infer_predicates import infer_predicates
from sqlengine.plan.rules.keep_best_pairs import keep_best_pairs
from sqlengine.plan.rules.keep_winners import keep_winners
from sqlengine.plan.rules.order_joins import order_joins
from sqlengine.plan.rules.outer_to_inner import outer_to_inner
from sqlengine.plan.rules.prune_columns import prune_columns
from sqlengine.plan.rules.push_filters import push_filters
from sqlengine.plan.rules.push_semi_joins import KEEPING, push_semi_joins
from sqlengine.plan.rules.push_to_log import push_to_log
from sqlengine.plan.rules.simplify_plan import simplify_plan
from sqlengine.plan.statistics import Estimates, RowCount

Rule = Callable[..., Node]
"""From a plan to one that answers the same; those of COUNTING are given row counts too."""

RULES: tuple[Rule, ...] = (
    simplify_plan,
    push_filters,
    outer_to_inner,
    infer_predicates,
    push_filters,
    fuse_window_aggregate,
    keep_winners,
    order_joins,
    push_semi_joins,
    aggregate_early,
    prune_columns,
    push_to_log,
    keep_best_pairs,
)
"""In the order they are applied; filters are pushed again once more of them are known."""

COUNTING: tuple[Rule, ...] = (order_joins, push_semi_joins)
"""Rules that choose by the numbers of rows there are."""

ABOUT: dict[Rule, Collection[type | str]] = {
    outer_to_inner: ("left", "right", "full"),
    infer_predicates: (nodes.Join,),
    fuse_window_aggregate: (nodes.AssignWindow,),
    keep_winners: (nodes.AssignWindow, nodes.WindowAggregate, nodes.WindowWinners),
    order_joins: (nodes.Join,),
    push_semi_joins: KEEPING,
}
"""Of rules that are about few nodes their classes, or kinds of joins: a plan without any is as the rule leaves it.  No
rule makes one of them of anything else."""


def optimize(node: Node, rows: RowCount, disabled: Collection[str] = ()) -> Node:
    """The plan after every rule that is not disabled; the output schema never changes."""
    sizes, schema = Estimates(rows), node.schema
    kinds = _kinds(node)
    for rule in RULES:
        if rule.__name__ in disabled or kinds.isdisjoint(ABOUT.get(rule, kinds)):
            continue
        node = rule(node, sizes) if rule in COUNTING else rule(node)
        assert node.schema == schema, f"rule {rule.__name__} changed the schema"
    return node


def _kinds(plan: Node) -> set[type | str]:
    """The classes of a plan's nodes, and the kinds of its joins."""
    found: set[type | str] = set()
    for node in distinct_nodes(plan):
        found.add(node.__class__)
        if isinstance(node, nodes.Join):
            found.add(node.kind)
    return found
