"""Which part of a query is why EMIT ON WINDOW CLOSE is refused: the reason in words, and where the part is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from sqlengine.errors import InvalidDefinition
from sqlengine.plan import nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import looks_back
from sqlengine.plan.time_bounds import time_distances
from sqlengine.sql import ast

_LEAD_HINT = (
    "lead(x, n) and frames in ROWS can wait for rows behind their own, where ORDER BY begins with an event time; "
    "ranks, RANGE, GROUPS and UNBOUNDED FOLLOWING cannot"
)


def placed(error: InvalidDefinition, plan: Node, query: object) -> InvalidDefinition:
    """The error with the position of what causes it in the lowered `query`, of which `plan` was bound; a window
    function that looks ahead without a bound is named."""
    if error.position is not None:
        return error
    cause = _cause(plan)
    if isinstance(cause, nodes.Over):
        ahead = [c.function for c in cause.calls if not looks_back(c)]
        calls = [e for e in _parts(query) if isinstance(e, ast.Call) and e.over is not None]
        if not ahead:
            return error.at(_first(calls))  # type: ignore[return-value]
        return InvalidDefinition(
            f"EMIT ON WINDOW CLOSE needs final rows, and {ahead[0]}(...) depends on rows behind its own",
            hint=_LEAD_HINT,
            position=_first(c for c in calls if c.name == ahead[0]),
        )
    if isinstance(cause, nodes.Join):
        joins = (p for p in _parts(query) if isinstance(p, ast.Join))
        error.at(_first(part for join in joins for part in (join, *_parts(join.on), *_parts(join.right))))
    elif isinstance(cause, nodes.GroupAggregate):
        blocks = (p for p in _parts(query) if isinstance(p, ast.Select))
        error.at(_first(part for block in blocks for part in _parts((block.group_by, block.items))))
    return error


def _cause(node: Node) -> Node | None:
    """The lowest operator whose rows nothing makes final."""
    for below in node.inputs:
        found = _cause(below)
        if found is not None:
            return found
    match node:
        case nodes.Over(order=order, calls=calls, input=below):
            by_time = bool(order) and order[0][0] in below.time_columns and not order[0][1]
            return None if by_time and all(map(looks_back, calls)) else node
        case nodes.Join() if not isinstance(node, nodes.LookupJoin) and not time_distances(node):
            return node
        case nodes.GroupAggregate():
            return node
    return None


def _first(found: Iterable[object]) -> int | None:
    """The position of the first part that has one."""
    return next((at for part in found if (at := getattr(part, "position", None)) is not None), None)


def _parts(node: object) -> Iterator[object]:
    """A syntax tree's nodes, outermost first."""
    if isinstance(node, tuple):
        for item in node:
            yield from _parts(item)
    elif dataclasses.is_dataclass(node) and not isinstance(node, type):
        yield node
        for field in dataclasses.fields(node):
            yield from _parts(getattr(node, field.name))
