"""The nodes of a tree, breadth first.

sqlglot's own `walk` is a generator over generators; a query is walked some forty times from text to DuckDB, and a loop
over one list takes a third of the time.  The list is made before anything is done with it: what is replaced meanwhile
is still in it.
"""

from __future__ import annotations

from typing import TypeVar

from sqlglot import exp

Node = TypeVar("Node", bound=exp.Expr)


def nodes(root: exp.Expr) -> list[exp.Expr]:
    """The root, then its children, then theirs."""
    found = [root]
    for node in found:
        for value in node.args.values():
            if isinstance(value, exp.Expr):
                found.append(value)
            elif value.__class__ is list:
                found += [item for item in value if isinstance(item, exp.Expr)]
    return found


def find_all(root: exp.Expr, *types: type[Node]) -> list[Node]:
    """Those of `nodes` that are of one of the classes."""
    return [node for node in nodes(root) if isinstance(node, types)]
