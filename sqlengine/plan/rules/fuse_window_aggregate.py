"""GROUP BY over assigned windows becomes one operator that never makes a row per window.

    GroupAggregate(keys include window columns) <- Project/Filter* <- AssignWindow <- X
  becomes
    Project <- WindowAggregate | SessionAggregate <- Project(time, keys, arguments) <- Filter* <- X

Filters on window columns between them move above the aggregate: they only look at group keys.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.expr.simplify import conjuncts
from sqlengine.expr.tree import Expr, InputRef, input_columns, remap
from sqlengine.plan import build, nodes
from sqlengine.plan.exprs import substitute
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, over_inputs
from sqlengine.plan.rules.once import once_a_node
from storage.replacing import replace


@once_a_node
def fuse_window_aggregate(node: Node) -> Node:
    """The plan with every grouped window fused that can be."""
    node = over_inputs(node, fuse_window_aggregate)
    if isinstance(node, nodes.GroupAggregate):
        return _fuse(node) or node
    return node


def _fuse(group: nodes.GroupAggregate) -> Node | None:
    found = _down_to_window(group.input)
    if found is None:
        return None
    assign, exprs, predicates = found
    base = len(assign.input.schema)
    parts = [_window_part(exprs[k], base) for k in group.keys]
    have = {p for p in parts if p is not None}
    if not _identifies(assign.window.kind, have):
        return None
    plain = [k for k, p in zip(group.keys, parts, strict=True) if p is None]
    needed = list(dict.fromkeys([*plain, *_arguments_of(group)]))
    if any(max(input_columns(exprs[c]), default=0) >= base for c in needed):
        return None
    low = [p for p in predicates if max(input_columns(p), default=0) < base]
    high = [p for p in predicates if p not in low]
    if assign.window.kind == "session" and not _sessions_are_groups(assign, exprs, plain, low):
        return None
    fused, places = _aggregate(group, assign, exprs, plain, needed, low)
    return _above(group, fused, parts, plain, high, places, exprs, base)


def _sessions_are_groups(
    assign: nodes.AssignWindow, exprs: Sequence[Expr], keys: Sequence[int], predicates: Sequence[Expr]
) -> bool:
    """Whether each group holds whole sessions: grouped by exactly what divides them, filtered by nothing else."""
    divides = set(assign.partition)
    grouped = {e.index if isinstance(e := exprs[k], InputRef) else None for k in keys}
    return grouped == divides and all(set(input_columns(p)) <= divides for p in predicates)


def _down_to_window(node: Node) -> tuple[nodes.AssignWindow, list[Expr], list[Expr]] | None:
    """Walk through projections and filters: the window node, the top's columns and the filters over its output."""
    exprs: list[Expr] = build.refs(node)
    predicates: list[Expr] = []
    while True:
        match node:
            case nodes.AssignWindow():
                return node, exprs, predicates
            case nodes.Project(exprs=below):
                exprs = [substitute(e, below) for e in exprs]
                predicates = [substitute(p, below) for p in predicates]
                node = node.input
            case nodes.Filter(predicate=predicate):
                predicates += conjuncts(predicate)
                node = node.input
            case _:
                return None


def _window_part(expr: Expr, base: int) -> int | None:
    """0, 1 or 2 when the expression is window_start, window_end or window_time itself."""
    if isinstance(expr, InputRef) and expr.index >= base:
        return expr.index - base
    return None


def _identifies(kind: str, have: set[int]) -> bool:
    """Whether grouping by these window columns is grouping by the window."""
    if kind in ("tumble", "hop"):
        return bool(have)
    return {0, 1} <= have or {0, 2} <= have


def _arguments_of(group: nodes.GroupAggregate) -> list[int]:
    """The input columns its aggregates read; a window column among them is beyond the fused operator."""
    columns: list[int] = []
    for call in group.aggregates:
        columns += [*call.args, *(o[0] for o in call.order_by)]
        if call.filter is not None:
            columns.append(call.filter)
    return columns


def _aggregate(
    group: nodes.GroupAggregate,
    assign: nodes.AssignWindow,
    exprs: list[Expr],
    plain: list[int],
    needed: list[int],
    low: list[Expr],
) -> tuple[Node, dict[int, int]]:
    """The fused operator over a projection of (time, what the aggregate needs)."""
    below = build.restricted(assign.input, low)
    time = build.ref(below, assign.time_column)
    inputs: list[Expr] = [time]
    for column in needed:
        if exprs[column] not in inputs:
            inputs.append(exprs[column])
    at = {c: inputs.index(exprs[c]) for c in needed}
    names = [e.name if isinstance(e, InputRef) else f"$e{i}" for i, e in enumerate(inputs)]
    projected = build.projected(below, inputs, names)
    calls = tuple(
        replace(
            c,
            args=tuple(at[a] for a in c.args),
            filter=None if c.filter is None else at[c.filter],
            order_by=tuple((at[o], desc, first) for o, desc, first in c.order_by),
        )
        for c in group.aggregates
    )
    keys = tuple(at[k] for k in plain)
    fields = [pa.field(f"$g{i}", projected.schema.field(k).type) for i, k in enumerate(keys)]
    fields += [pa.field(n, time.type) for n in nodes.WINDOW_COLUMNS]
    fields += [pa.field(f"$a{i}", c.type) for i, c in enumerate(calls)]
    cls = nodes.SessionAggregate if assign.window.kind == "session" else nodes.WindowAggregate
    fused = derive(
        cls(
            schema=pa.schema(fields),
            input=projected,
            time_column=0,
            window=assign.window,
            keys=keys,
            aggregates=calls,
        )
    )
    return fused, {k: i for i, k in enumerate(plain)}


def _above(
    group: nodes.GroupAggregate,
    fused: Node,
    parts: list[int | None],
    plain: list[int],
    high: list[Expr],
    places: dict[int, int],
    exprs: list[Expr],
    base: int,
) -> Node | None:
    """Filters on window columns, and the aggregate's own column order."""
    first_window = len(plain)
    if high:
        mapping = {base + i: first_window + i for i in range(3)}
        for k in plain:
            if isinstance(e := exprs[k], InputRef):
                mapping[e.index] = places[k]
        if any(not input_columns(p) <= mapping.keys() for p in high):
            return None
        fused = build.restricted(fused, [remap(p, mapping) for p in high])
    columns = [places[k] if part is None else first_window + part for k, part in zip(group.keys, parts, strict=True)]
    columns += [first_window + 3 + i for i in range(len(group.aggregates))]
    return build.projected(fused, [build.ref(fused, c) for c in columns], group.schema.names)
