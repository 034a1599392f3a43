"""The nodes of a plan one by one."""

from __future__ import annotations

from collections.abc import Iterator

from sqlengine.plan.nodes import Node


def distinct_nodes(plan: Node) -> Iterator[Node]:
    """The nodes of a plan, a node before those that it reads; what stands in several places is one."""
    seen: set[int] = set()
    todo = [plan]
    while todo:
        node = todo.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            todo += node.inputs[::-1]
