"""The nodes of a tree, breadth first.

sqlglot's own `walk` is a generator over generators; a query is walked some forty times from text to DuckDB, and a loop
over one list takes a third of the time.  The list is made before anything is done with it: what is replaced meanwhile
is still in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from sqlglot import exp

Node = TypeVar("Node", bound=exp.Expr)

_LEAVES = frozenset((str, bool, int, type(None)))


def nodes(root: exp.Expr) -> list[exp.Expr]:
    """The root, then its children, then theirs."""
    found = [root]
    for node in found:
        for value in node.args.values():
            kind = value.__class__
            if kind in _LEAVES:  # as most are
                continue
            if kind is list:
                found += [item for item in value if isinstance(item, exp.Expr)]
            elif isinstance(value, exp.Expr):
                found.append(value)
    return found


def find_all(root: exp.Expr, *types: type[Node]) -> list[Node]:
    """Those of `nodes` that are of one of the classes."""
    return of_types(nodes(root), *types)


def of_types(among: Iterable[exp.Expr], *types: type[Node]) -> list[Node]:
    """Those of a tree's nodes that are of one of the classes: a tree that nothing changes meanwhile is walked once."""
    return [node for node in among if isinstance(node, types)]
