"""Inner joins of three and more inputs in the order that keeps what lies between them small.

Every join of a view holds both its inputs, so that the rows of intermediate results are what a bad order costs.  Greedy
operator ordering (Fegaras, 1998): of all pairs the one whose join has the fewest rows is joined first, then the result
counts as an input; pairs that no equality connects come last.  The outcome is bushy where that is smaller, and the same
whenever the row counts are.

Joins that bound how far apart two times are stay as they were written: what they may forget depends on who meets whom.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

import pyarrow as pa

from sqlengine.expr.simplify import conjunction, conjuncts
from sqlengine.expr.tree import Call, Expr, InputRef, input_columns, remap
from sqlengine.plan import build, nodes
from sqlengine.plan.exprs import shift, substitute
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import over_inputs
from sqlengine.plan.rules.once import once_a_node
from sqlengine.plan.statistics import Estimates, joined_rows
from sqlengine.plan.time_bounds import time_distances
from sqlengine.quick_dataclass import dataclass


@once_a_node
def order_joins(node: Node, sizes: Estimates) -> Node:
    """The plan with every run of inner joins ordered by the row counts."""
    region = _region(node)
    if region is None or len(region.leaves) < 3:
        return over_inputs(node, order_joins, sizes)
    leaves = [order_joins(leaf, sizes) for leaf in region.leaves]
    return _Ordering(leaves, region, sizes).plan(node)


@dataclass(frozen=True)
class _Region:
    """Joins taken apart: `conditions` and `outputs` number the columns of all leaves one after the other."""

    leaves: list[Node]
    conditions: list[Expr]
    outputs: list[Expr]


def _region(node: Node) -> _Region | None:
    """The leaves of the inner joins that begin at a node; None when it is no join that may be moved."""
    match node:
        case nodes.Project(input=nodes.Join() as below, exprs=exprs) if all(isinstance(e, InputRef) for e in exprs):
            inside = _region(below)
            if inside is None:
                return None
            return _Region(inside.leaves, inside.conditions, [substitute(e, inside.outputs) for e in exprs])
        case nodes.LookupJoin():
            return None
        case nodes.Join(kind="inner", null_safe=False, left=left, right=right) if not time_distances(node):
            return _both(node, _region(left) or _leaf(left), _region(right) or _leaf(right))
    return None


def _leaf(node: Node) -> _Region:
    return _Region([node], [], build.refs(node))


def _both(join: nodes.Join, left: _Region, right: _Region) -> _Region:
    width = sum(len(leaf.schema) for leaf in left.leaves)
    outputs = [*left.outputs, *(shift(e, width) for e in right.outputs)]
    conditions = [*left.conditions, *(shift(c, width) for c in right.conditions)]
    for a, b in zip(join.left_keys, join.right_keys, strict=True):
        conditions.append(Call(pa.bool_(), "eq", (outputs[a], outputs[len(left.outputs) + b])))
    conditions += [substitute(part, outputs) for part in conjuncts(join.residual)]
    return _Region([*left.leaves, *right.leaves], conditions, outputs)


@dataclass(frozen=True)
class _Part:
    """Leaves joined so far: the plan, its columns by their numbers in the region, also as a set, its rows, the first
    leaf's number; `serial`: no other part's."""

    node: Node
    columns: Sequence[int]
    has: frozenset[int]
    rows: float
    first: int
    serial: int


_Cost = tuple[bool, float, int, int]


class _Ordering:
    """Joins the leaves of one region."""

    def __init__(self, leaves: Sequence[Node], region: _Region, sizes: Estimates) -> None:
        self._outputs = region.outputs
        self._left = list(region.conditions)
        self._parts: list[_Part] = []
        self._costs: dict[tuple[int, int], _Cost] = {}
        first, keys = 0, set()
        for number, leaf in enumerate(leaves):
            columns = range(first, first + len(leaf.schema))
            self._parts.append(_Part(leaf, columns, frozenset(columns), sizes.rows(leaf), number, number))
            keys |= {first + c for c in leaf.unique_keys or () if leaf.unique_keys == (c,)}
            first = columns.stop
        self._serial = len(self._parts)
        pairs = [pair for c in self._left if (pair := _equal(c, range(first))) is not None]
        self._distinct = self._of_leaves({c for pair in pairs for c in pair}, sizes)
        self._limit_references(pairs, keys)

    def _of_leaves(self, wanted: Collection[int], sizes: Estimates) -> dict[int, float]:
        """How many values there are of those columns."""
        return {c: sizes.distinct(p.node, c - p.columns[0]) for p in self._parts for c in p.columns if c in wanted}

    def _limit_references(self, pairs: Sequence[tuple[int, int]], keys: set[int]) -> None:
        """A column that is equated with a key has no more values than the key."""
        for _ in pairs:  # as often as a chain of equalities can be long
            for x, y in [*pairs, *((y, x) for x, y in pairs)]:
                if x in keys and self._distinct[x] < self._distinct[y]:
                    self._distinct[y] = self._distinct[x]
                    keys.add(y)

    def plan(self, node: Node) -> Node:
        """The whole region joined, with the columns of `node`."""
        while len(self._parts) > 1:
            pairs = list(combinations(self._parts, 2))
            self._join(*min(pairs, key=lambda pair: self._cost(*pair)))
        (whole,) = self._parts
        assert not self._left, "every condition has found its join"
        places = {c: at for at, c in enumerate(whole.columns)}
        return build.projected(whole.node, [remap(e, places) for e in self._outputs], node.schema.names)

    def _cost(self, a: _Part, b: _Part) -> _Cost:
        """Least is best: connected pairs first, then few rows, then the order as written.

        It stays what it is as long as there are the two: a condition goes to the join of all that it reads."""
        known = self._costs.get((a.serial, b.serial))
        if known is None:
            keys, others = self._between(a, b)
            apart = not keys and min(a.rows, b.rows) > 1
            known = self._costs[a.serial, b.serial] = apart, self._rows(a, b, keys, len(others)), a.first, b.first
        return known

    def _rows(self, a: _Part, b: _Part, keys: Sequence[tuple[int, int]], others: int) -> float:
        return joined_rows(a.rows, b.rows, [(self._distinct[x], self._distinct[y]) for x, y in keys], others)

    def _between(self, a: _Part, b: _Part) -> tuple[list[tuple[int, int]], list[Expr]]:
        """(pairs of equal columns, other conditions) that a join of two parts can decide."""
        keys, others = [], []
        both = a.has | b.has
        for condition in self._left:
            if not input_columns(condition) <= both:
                continue
            pair = _equal(condition, a.has)
            if pair is None or pair[0] not in a.has or pair[1] in a.has:
                others.append(condition)
            else:
                keys.append(pair)
        return keys, others

    def _join(self, a: _Part, b: _Part) -> None:
        """Replace two parts by their join."""
        keys, others = self._between(a, b)
        columns = (*a.columns, *b.columns)
        places = {c: at for at, c in enumerate(columns)}
        on_left, on_right = [places[x] for x, _ in keys], [places[y] - len(a.columns) for _, y in keys]
        residual = [remap(c, places) for c in others]
        node = build.joined(a.node, b.node, "inner", on_left, on_right, conjunction(residual))
        count = self._rows(a, b, keys, len(others))
        part = _Part(node, columns, a.has | b.has, count, min(a.first, b.first), self._serial)
        self._serial += 1
        self._left = [c for c in self._left if not input_columns(c) <= part.has]
        self._parts = [p for p in self._parts if p is not a and p is not b]
        self._parts.append(part)
        self._parts.sort(key=lambda p: p.first)


def _equal(condition: Expr, first: Collection[int]) -> tuple[int, int] | None:
    """The two plain columns an equality is of, one that is in `first` before the other."""
    match condition:
        case Call(function="eq", args=(InputRef(index=x, type=t), InputRef(index=y, type=u))) if t == u:
            return (x, y) if x in first else (y, x)
    return None
