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
from sqlengine.plan.statistics import RowCount

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

ABOUT: dict[Rule, Callable[[Node], bool]] = {
    outer_to_inner: lambda node: isinstance(node, nodes.Join) and node.kind in ("left", "right", "full"),
    infer_predicates: lambda node: isinstance(node, nodes.Join),
    fuse_window_aggregate: lambda node: isinstance(node, nodes.AssignWindow),
    keep_winners: lambda node: isinstance(node, nodes.WindowAggregate),
    order_joins: lambda node: isinstance(node, nodes.Join),
    push_semi_joins: lambda node: isinstance(node, nodes.Join) and node.kind in KEEPING,
    push_to_log: lambda node: isinstance(node, nodes.Filter),
}
"""Of rules that are about few nodes: whether a node is one of them.  A plan without them is as the rule leaves it."""


def optimize(node: Node, rows: RowCount, disabled: Collection[str] = ()) -> Node:
    """The plan after every rule that is not disabled; the output schema never changes."""
    for rule in RULES:
        if rule.__name__ not in disabled and _may_apply(rule, node):
            schema = node.schema
            node = rule(node, rows) if rule in COUNTING else rule(node)
            assert node.schema == schema, f"rule {rule.__name__} changed the schema"
    return node


def _may_apply(rule: Rule, plan: Node) -> bool:
    """Whether the plan has what the rule is about; to look costs less than to walk the plan by it."""
    about = ABOUT.get(rule)
    return about is None or any(map(about, distinct_nodes(plan)))
