"""The best groups of each window, found where the groups are counted.

"The auctions with the most bids of each window" is written as a join of the windowed counts with their own maximum per
window (NEXMark query 5), or as `rank() ... <= 1` per window.  Both become one WindowWinners, which emits the winners
only: no join, no second aggregate, no row for the groups that do not win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import pyarrow as pa

from sqlengine.expr.simplify import conjuncts
from sqlengine.expr.tree import Call, Const, Expr, InputRef
from sqlengine.plan import build, nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, over_inputs
from sqlengine.plan.rules.once import once_a_node

_GROWING = {"count": True, "max": True, "min": False}
"""Aggregates whose value moves one way while rows only come: True upwards, so that a greatest one can be kept."""


@once_a_node
def keep_winners(node: Node) -> Node:
    """The plan with every such join or rank replaced."""
    node = over_inputs(node, keep_winners)
    match node:
        case nodes.Join(kind="inner", null_safe=False):
            return _of_join(node) or node
        case nodes.TopN(function="rank" | "dense_rank", limit=1, offset=0):
            return _of_rank(node) or node
    return node


def _of_join(join: nodes.Join) -> Node | None:
    """Windowed groups joined with the greatest value of their window."""
    best = _own_maximum(join.right)
    if best is None:
        return None
    groups, window_at, value_at = best
    width = len(join.left.schema)
    pairs = [(a, b + width) for a, b in zip(join.left_keys, join.right_keys, strict=True)]
    for part in conjuncts(join.residual):
        pair = _compared(part, width, upwards=groups.aggregates[value_at].function != "min")
        if pair is None:
            return None
        pairs.append(pair)
    seen = set()
    for a, b in pairs:
        found, column = _trace(join.left, a)
        _, meets = _trace_through(join.right, b - width, groups, window_at, value_at)
        if found != groups or column != meets:
            return None
        seen.add(column)
    first = len(groups.keys)
    says_window = {first + 1} if groups.window.kind == "cumulate" else {first, first + 1}  # those share their start
    if not (seen & says_window and first + 3 + value_at in seen):
        return None
    columns = [_trace(join.left, i)[1] for i in range(width)]
    if any(_trace(join.left, i)[0] != groups for i in range(width)):
        return None
    columns += [_trace_through(join.right, i, groups, window_at, value_at)[1] for i in range(len(join.right.schema))]
    return _winners(groups, value_at, columns, join.schema.names)


def _own_maximum(right: Node) -> tuple[nodes.WindowAggregate, tuple[int, ...], int] | None:
    """(the windowed groups, its columns that are the keys, which aggregate's best value) of the right side."""
    node = right
    while isinstance(node, nodes.Project):
        node = node.input
    if not isinstance(node, nodes.GroupAggregate) or len(node.aggregates) != 1:
        return None
    (call,) = node.aggregates
    if call.function not in ("max", "min") or call.distinct or call.filter is not None:
        return None
    groups, value = _trace(node.input, call.args[0])
    keys = [_trace(node.input, k) for k in node.keys]
    if not isinstance(groups, nodes.WindowAggregate) or any(k[0] != groups for k in keys):
        return None
    first = len(groups.keys)
    if not keys or any(not first <= k[1] < first + 3 for k in keys) or value < first + 3:
        return None
    if not _can_win(groups, value - first - 3, upwards=call.function == "max"):
        return None
    return groups, tuple(k[1] for k in keys), value - first - 3


def _of_rank(top: nodes.TopN) -> Node | None:
    """The first of each window by a count, which is never NULL."""
    if len(top.order) != 1:
        return None
    by, descending, _ = top.order[0]
    groups, value = _trace(top.input, by)
    keys = [_trace(top.input, k) for k in top.partition]
    columns = [_trace(top.input, i) for i in range(len(top.input.schema))]
    if not isinstance(groups, nodes.WindowAggregate) or any(c[0] != groups for c in columns):
        return None
    first = len(groups.keys)
    at = {k[1] for k in keys}
    if value < first + 3 or not at & {first, first + 1} or any(not first <= k < first + 3 for k in at):
        return None
    call = groups.aggregates[value - first - 3]
    if call.function != "count" or not _can_win(groups, value - first - 3, upwards=descending):
        return None
    names = top.schema.names
    ranked = _winners(groups, value - first - 3, [c[1] for c in columns], names[: len(columns)])
    if not top.rank_column:
        return ranked
    one: Expr = Const(pa.int64(), 1)
    return build.projected(ranked, [*build.refs(ranked), one], names)


def _can_win(groups: nodes.WindowAggregate, value: int, *, upwards: bool) -> bool:
    """Whether the best value per window can be kept while rows come: nothing is taken back, values move that way."""
    call = groups.aggregates[value]
    exact = pa.types.is_integer(call.type) or pa.types.is_temporal(call.type) or pa.types.is_decimal(call.type)
    moves = _GROWING.get(call.function) is upwards and not call.distinct
    return type(groups) is nodes.WindowAggregate and groups.input.append_only and exact and moves


def _winners(groups: nodes.WindowAggregate, value: int, columns: Sequence[int], names: Sequence[str]) -> Node:
    same = {f.name: getattr(groups, f.name) for f in fields(groups)}
    node = derive(nodes.WindowWinners(**same, best=value))
    return build.projected(node, [build.ref(node, c) for c in columns], names)


def _compared(part: Expr, width: int, *, upwards: bool) -> tuple[int, int] | None:
    """(left column, right column) of `left >= right` (<= downwards), `left = right`, or the same turned around."""
    if not (isinstance(part, Call) and part.function in ("ge", "le", "eq")):
        return None
    op, (a, b) = part.function, part.args
    if not (isinstance(a, InputRef) and isinstance(b, InputRef)) or a.type != b.type:
        return None
    if b.index < width:
        op, a, b = {"ge": "le", "le": "ge"}.get(op, op), b, a
    beats = op in ("eq", "ge" if upwards else "le")
    return (a.index, b.index) if beats and a.index < width <= b.index else None


def _trace(node: Node, column: int) -> tuple[Node, int]:
    """Where a column comes from unchanged, below projections; (node, -1) when an expression makes it."""
    while isinstance(node, nodes.Project):
        expr = node.exprs[column]
        if not isinstance(expr, InputRef):
            return node, -1
        node, column = node.input, expr.index
    return node, column


def _trace_through(
    right: Node, column: int, groups: Node, window_at: tuple[int, ...], value_at: int
) -> tuple[Node, int]:
    """The column of `groups` a column of the maximum's side equals in every joined row."""
    node, at = _trace(right, column)
    if at < 0:
        return node, -1
    assert isinstance(node, nodes.GroupAggregate) and isinstance(groups, nodes.WindowAggregate)
    return groups, window_at[at] if at < len(window_at) else len(groups.keys) + 3 + value_at
