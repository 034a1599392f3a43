"""Aggregates of one side of a join, made before the join (eager aggregation: Yan and Larson, VLDB 1995).

"How many bids has each auction" joins every bid with its auction, then counts.  Counted by auction first, the join
keeps one row a key of that side instead of every row ever, and what it joins with (names, descriptions) is fetched once
a change of a key's count.  Only for aggregates whose partial values add up exactly: count, min, max, and sums that are
not floating point.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.expr.tree import Call, Const, Expr, InputRef, children, input_columns
from sqlengine.plan import build, nodes
from sqlengine.plan.exprs import map_refs
from sqlengine.plan.nodes import AggregateCall, Node
from sqlengine.plan.properties import derive, over_inputs
from sqlengine.plan.rules.once import once_a_node
from sqlengine.quick_dataclass import dataclass
from storage.replacing import replace

_CALM = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "is_null", "is_not_null"})
"""Functions that never raise: what would not have been joined may be asked too."""

_TOGETHER = {"count": "sum", "sum": "sum", "min": "min", "max": "max"}
"""Aggregate -> the aggregate of its partial values."""


@once_a_node
def aggregate_early(node: Node) -> Node:
    """The plan with every such aggregate split into one below and one above the join."""
    node = over_inputs(node, aggregate_early)
    if isinstance(node, nodes.GroupAggregate) and node.aggregates and all(_splits(c) for c in node.aggregates):
        return _split(node) or node
    return node


def _splits(call: AggregateCall) -> bool:
    if call.function not in _TOGETHER or call.distinct or call.order_by or call.user is not None:
        return False
    return call.function != "sum" or not pa.types.is_floating(call.type)


def _is_calm(expr: Expr) -> bool:
    match expr:
        case InputRef() | Const():
            return True
        case Call(function=name):
            return name in _CALM and all(map(_is_calm, children(expr)))
    return False


@dataclass(frozen=True)
class _Side:
    """One side of a join: its first column among the join's, and the columns it is joined by."""

    node: Node
    first: int
    keys: tuple[int, ...]

    def has(self, exprs: Sequence[Expr]) -> bool:
        """Whether the expressions over the join's columns read this side alone."""
        columns = {c for e in exprs for c in input_columns(e)}
        return all(self.first <= c < self.first + len(self.node.schema) for c in columns)


def _split(group: nodes.GroupAggregate) -> Node | None:
    below = group.input
    exprs = build.refs(below)
    if isinstance(below, nodes.Project):
        exprs = list(below.exprs)
        below = below.input
    if type(below) is not nodes.Join or below.kind != "inner" or not below.left_keys:
        return None
    if below.residual is not None or below.left_bound or below.right_bound:
        return None
    left = _Side(below.left, 0, below.left_keys)
    right = _Side(below.right, len(below.left.schema), below.right_keys)
    keys = [exprs[k] for k in group.keys]
    inner = [exprs[c] for call in group.aggregates for c in (*call.args, *_filter(call))]
    if not group.keys and any(c.function == "count" for c in group.aggregates):
        return None  # over no rows a count is 0, a sum of counts is NULL
    if not all(map(_is_calm, inner)) or any(_may_leave_range(c, exprs) for c in group.aggregates):
        return None
    for side, other in ((right, left), (left, right)):
        unique = side.node.unique_keys
        if unique is not None and set(unique) <= set(side.keys) or not side.has(inner):
            continue  # there is nothing to reduce, or too little to reduce it by
        joined_by = {side.first + k for k in side.keys}
        if all(other.has([k]) or set(input_columns(k)) <= joined_by for k in keys):
            return _rebuilt(group, below, side, keys, exprs)
    return None


def _may_leave_range(call: AggregateCall, exprs: Sequence[Expr]) -> bool:
    """Whether a partial sum may be out of range where the rows that are joined are not."""
    return call.function == "sum" and exprs[call.args[0]].type == pa.int64()


def _filter(call: AggregateCall) -> tuple[int, ...]:
    return () if call.filter is None else (call.filter,)


def _rebuilt(
    group: nodes.GroupAggregate, join: nodes.Join, side: _Side, keys: Sequence[Expr], exprs: Sequence[Expr]
) -> Node:
    """Partial aggregates of the side by what it is joined by, joined, put together by the group's keys."""
    partial = _partial(group.aggregates, side, exprs)
    calls = [AggregateCall(_TOGETHER[c.function], (len(keys) + i,), c.type) for i, c in enumerate(group.aggregates)]
    width, is_right = len(side.node.schema), side.first > 0 or side.node is join.right
    by = tuple(range(len(side.keys)))
    if is_right:
        joined = build.joined(join.left, partial, "inner", join.left_keys, by, None)
    else:
        joined = build.joined(partial, join.right, "inner", by, join.right_keys, None)
    start = len(join.left.schema) if is_right else 0

    def moved(ref: InputRef) -> Expr:
        if side.first <= ref.index < side.first + width:
            return replace(ref, index=start + side.keys.index(ref.index - side.first))
        return ref if is_right else replace(ref, index=ref.index - width + len(partial.schema))

    columns: list[Expr] = [map_refs(k, moved) for k in keys]
    columns += [build.ref(joined, start + len(by) + i) for i in range(len(calls))]
    names = [*(group.input.schema.names[k] for k in group.keys), *(f"$p{i}" for i in range(len(calls)))]
    together = build.projected(joined, columns, names)
    return derive(replace(group, input=together, keys=tuple(range(len(keys))), aggregates=tuple(calls)))


def _partial(calls: Sequence[AggregateCall], side: _Side, exprs: Sequence[Expr]) -> nodes.GroupAggregate:
    """The calls over one side by the columns it is joined by."""

    def moved(ref: InputRef) -> Expr:
        return replace(ref, index=ref.index - side.first)

    columns: list[Expr] = [build.ref(side.node, k) for k in side.keys]
    places: dict[int, int] = {}
    for call in calls:
        for c in (*call.args, *_filter(call)):
            if c not in places:
                places[c] = len(columns)
                columns.append(map_refs(exprs[c], moved))
    names = [e.name if isinstance(e, InputRef) else f"$c{i}" for i, e in enumerate(columns)]
    read = build.projected(side.node, columns, names)
    made = [
        replace(
            call,
            args=tuple(places[a] for a in call.args),
            filter=None if call.filter is None else places[call.filter],
        )
        for call in calls
    ]
    node = build.grouped(read, range(len(side.keys)), made)
    assert isinstance(node, nodes.GroupAggregate)
    return node
