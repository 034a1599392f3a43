"""A part of a plan that stands in several places is rewritten once: rules ask for a node's outcome by its identity.

WITH items that are named twice are one node after binding, and a rule that looks below a node only makes the same of
it wherever it stands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from sqlengine.plan.nodes import Node


class _Outcomes(threading.local):
    """node id -> (the node, which keeps the id its own, what became of it), while the outermost call runs."""

    found: dict[int, tuple[Node, Node]] | None = None


def once_a_node(rule: Callable[..., Node]) -> Callable[..., Node]:
    """A recursive function of a node, and of what stays the same in one run, that rewrites each node once."""
    outcomes = _Outcomes()

    @wraps(rule)
    def rewritten(node: Node, *same: Any) -> Node:
        found = outcomes.found
        if found is None:
            outcomes.found = {}
            try:
                return rule(node, *same)
            finally:
                outcomes.found = None
        known = found.get(id(node))
        if known is None:
            known = found[id(node)] = (node, rule(node, *same))
        return known[1]

    return rewritten
