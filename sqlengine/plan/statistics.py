"""How many rows a node may hold: estimates for ordering joins, from the row counts of what is scanned.

The usual assumptions (Selinger et al., 1979): conditions are independent, values spread evenly, every key of the
smaller side of an equality has a partner.  A column that identifies a row has as many values as its table has rows; any
other is taken to have fewer.  Estimates only choose between plans that answer the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlengine.expr.simplify import conjuncts
from sqlengine.expr.tree import Call, Expr, InList, InputRef
from sqlengine.plan import nodes
from sqlengine.plan.nodes import Node

RowCount = Callable[[str], int]
"""Rows of a stream, table or view now; 0 when nothing is known."""

UNKNOWN_ROWS = 1000.0
"""What an object without rows is taken to have: it was hardly made to stay empty."""
EQUAL, RANGE, OTHER = 0.05, 0.3, 0.5
"""Parts of the rows that pass a condition."""
REPEATED = 0.75
"""Rows to this power: distinct values of a column that does not identify a row."""


class Estimates:
    """Of the nodes of one plan and of what rules make of it, each estimated once."""

    def __init__(self, rows: RowCount) -> None:
        self._counted = rows
        self._known: dict[int, tuple[Node, float]] = {}

    def rows(self, node: Node) -> float:
        """Rows of a node's output, at least 1."""
        known = self._known.get(id(node))
        if known is None:
            known = self._known[id(node)] = (node, self._rows(node))  # the node keeps its id
        return known[1]

    def _rows(self, node: Node) -> float:
        match node:
            case nodes.Scan(source=source):
                return float(self._counted(source)) or UNKNOWN_ROWS
            case nodes.Values(rows=constant):
                return max(1.0, float(len(constant)))
            case nodes.Filter(input=below, predicate=predicate):
                return max(1.0, self.rows(below) * selectivity(conjuncts(predicate)))
            case nodes.GroupAggregate(keys=()):
                return 1.0
            case nodes.GroupAggregate(input=below) | nodes.WindowAggregate(input=below):
                return max(1.0, self.rows(below) ** REPEATED)
            case nodes.TopN(partition=(), limit=limit, input=below):
                return min(float(limit), self.rows(below))
            case nodes.Join(kind="inner", left=left, right=right):
                pairs = zip(node.left_keys, node.right_keys, strict=True)
                matched = [(self.distinct(left, a), self.distinct(right, b)) for a, b in pairs]
                return joined_rows(self.rows(left), self.rows(right), matched, 0)
            case nodes.UnionAll(branches=branches):
                return sum(map(self.rows, branches))
        return self.rows(node.inputs[0]) if node.inputs else UNKNOWN_ROWS

    def distinct(self, node: Node, column: int) -> float:
        """Distinct values of a column before any filter: of what it comes from."""
        match node:
            case nodes.Project(input=below, exprs=exprs):
                expr = exprs[column]
                return self.distinct(below, expr.index) if isinstance(expr, InputRef) else self._repeated(below)
            case nodes.Filter(input=below):
                return self.distinct(below, column)
            case nodes.Join(left=left, right=right):
                width = len(left.schema)
                return self.distinct(left, column) if column < width else self.distinct(right, column - width)
        return self.rows(node) if node.unique_keys == (column,) else self._repeated(node)

    def _repeated(self, node: Node) -> float:
        return max(1.0, self.rows(node) ** REPEATED)


def joined_rows(left: float, right: float, keys: Sequence[tuple[float, float]], others: int) -> float:
    """Rows of a join of so many rows, given each key's distinct values on either side and the number of conditions
    that are no equalities of columns."""
    values = 1.0
    for a, b in keys:
        values *= max(a, b)
    values = min(values, max(left, right)) if len(keys) > 1 else values
    return max(1.0, left * right / max(1.0, values) * RANGE**others)


def selectivity(parts: Sequence[Expr]) -> float:
    """The part of the rows that passes all conditions."""
    share = 1.0
    for part in parts:
        match part:
            case Call(function="eq"):
                share *= EQUAL
            case InList(values=values, negated=False):
                share *= min(OTHER, EQUAL * len(values))
            case Call(function="lt" | "le" | "gt" | "ge" | "like"):
                share *= RANGE
            case _:
                share *= OTHER
    return share
