"""From the optimized plan to what runs: the EMIT clause, late rows, and shapes that no operator can do.

EMIT ON WINDOW CLOSE makes every window aggregate close with the watermark; what else has a time is released when the
watermark has passed it.  ALLOWED LATENESS makes operators forget what only rows could change that are later than that.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine.errors import InvalidDefinition
from sqlengine.plan import nodes
from sqlengine.plan.forget import forgetful, without_bound
from sqlengine.plan.late import guarded, in_time, slack_us
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, rebuild
from sqlengine.plan.recursion import cut_recursion
from sqlengine.plan.sessions import session_rows
from sqlengine.sql import ast


def to_physical(node: Node, emit: ast.Emit) -> Node:
    """The physical plan; Unplannable for shapes without an operator, InvalidDefinition (42P17) for a bad EMIT."""
    node = cut_recursion(session_rows(node))
    if emit.mode == "final":
        return _closing(node, emit.lateness_us or 0)
    if emit.lateness_us is not None:
        node = forgetful(node, emit.lateness_us, closing=False)
    if emit.mode == "every" and emit.every_us is not None:
        return derive(nodes.EmitEvery(schema=node.schema, input=node, every_us=emit.every_us))
    return node


def _closing(node: Node, lateness_us: int) -> Node:
    """Rows leave once: windows by closing, anything else when the watermark has passed a time of theirs."""
    windowed = _any_window(node)
    node = forgetful(_first_by_time(node), lateness_us, closing=True)
    if windowed and (node.append_only or lateness_us):
        return node
    known = [c for c in range(len(node.schema)) if slack_us(node, c) is not None]
    if not node.append_only and not known:
        if windowed:
            return node
        raise InvalidDefinition(
            "EMIT ON WINDOW CLOSE needs windows, or an append-only query with an event-time column",
            hint="select a time by which a row can be known to change no more",
        )
    if not (known or node.time_columns):
        raise InvalidDefinition(
            "EMIT ON WINDOW CLOSE needs a watermark", hint="declare WATERMARK FOR on the stream and select that column"
        )
    return _in_order(node, known or list(node.time_columns), lateness_us)


def _in_order(node: Node, times: list[int], lateness_us: int) -> Node:
    """The rows by whichever of the times lets them go first."""
    found = [(below, c) for c in times if (below := in_time(node, c, None, lateness_us)) is not None]
    if not found:
        raise without_bound(node.schema.names[times[0]])
    below, time = min(found, key=lambda f: f[0].hold_us if isinstance(f[0], nodes.HoldWatermark) else 0)
    return derive(nodes.ReleaseInOrder(schema=below.schema, input=below, time_column=time))


def _any_window(node: Node) -> bool:
    return isinstance(node, (nodes.WindowAggregate, nodes.SessionAggregate)) or any(_any_window(i) for i in node.inputs)


def _first_by_time(node: Node) -> Node:
    """The first row of each key by time, over rows that only come: they come in order, so that the first one stays."""
    node = rebuild(node, tuple(_first_by_time(i) for i in node.inputs))
    match node:
        case nodes.TopN(order=((time, False, _), *_), limit=1, offset=0, input=below) if (
            time in below.time_columns and below.append_only and not isinstance(below, nodes.ReleaseInOrder)
        ):
            guard = guarded(below, time, None, 0)
            if guard is not None and slack_us(guard, time) == 0:
                ordered = derive(nodes.ReleaseInOrder(schema=guard.schema, input=guard, time_column=time))
                return rebuild(node, (ordered,))
    return node


def recompute(scans: tuple[nodes.Scan, ...], schema: pa.Schema, sql: str, reason: str, time_dependent: bool) -> Node:
    """The plan of last resort: run the query again whenever an input changed, and emit the difference."""
    return derive(
        nodes.Recompute(
            schema=schema,
            branches=scans,
            sql=sql,
            reason=reason,
            time_dependent=time_dependent,
        )
    )


def scan_all(source: str, schema: pa.Schema, append_only: bool) -> nodes.Scan:
    """A scan of every column of an object."""
    return nodes.Scan(schema=schema, source=source, columns=tuple(schema.names), append_only=append_only)
