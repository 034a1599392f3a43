"""From the optimized plan to what runs: the EMIT clause, late rows, and shapes that no operator can do.

EMIT ON WINDOW CLOSE makes every window aggregate close with the watermark and puts a DropLate above the scans it
reads; without windows the rows are released in event-time order.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from sqlengine.errors import InvalidDefinition
from sqlengine.expr.tree import InputRef
from sqlengine.plan import build, nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, rebuild
from sqlengine.plan.recursion import cut_recursion
from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast

Windowed = nodes.WindowAggregate | nodes.SessionAggregate


def to_physical(node: Node, emit: ast.Emit) -> Node:
    """The physical plan; Unplannable for shapes without an operator, InvalidDefinition (42P17) for a bad EMIT."""
    _refuse(node)
    node = cut_recursion(node)
    if emit.mode == "final":
        return _closing(node, emit)
    if emit.mode == "every" and emit.every_us is not None:
        return derive(nodes.EmitEvery(schema=node.schema, input=node, every_us=emit.every_us))
    return node


def _refuse(node: Node) -> None:
    match node:
        case nodes.AssignWindow(window=nodes.Window(kind="session")):
            raise Unplannable("a session window that is not grouped by")
    for below in node.inputs:
        _refuse(below)


def _closing(node: Node, emit: ast.Emit) -> Node:
    if _any_window(node):
        return _close_windows(node, emit.lateness_us or 0)
    if not node.append_only:
        raise InvalidDefinition("EMIT ON WINDOW CLOSE needs windows, or an append-only query with an event-time column")
    if not node.time_columns:
        raise InvalidDefinition(
            "EMIT ON WINDOW CLOSE needs a watermark", hint="declare WATERMARK FOR on the stream and select that column"
        )
    node = _drop_late(node, node.time_columns[0], None, emit.lateness_us or 0)
    return derive(nodes.ReleaseInOrder(schema=node.schema, input=node, time_column=node.time_columns[0]))


def _any_window(node: Node) -> bool:
    return isinstance(node, Windowed) or any(_any_window(i) for i in node.inputs)


def _close_windows(node: Node, lateness_us: int) -> Node:
    node = rebuild(node, tuple(_close_windows(i, lateness_us) for i in node.inputs))
    if not isinstance(node, Windowed):
        return node
    if node.time_column not in node.input.time_columns:
        name = node.input.schema.names[node.time_column]
        raise InvalidDefinition(
            f'EMIT ON WINDOW CLOSE needs a watermark, and the time column "{name}" has none',
            hint="declare WATERMARK FOR on the stream, and window by that column",
        )
    if not node.input.append_only:
        raise Unplannable("a closing window over rows that are taken back")
    below = _drop_late(node.input, node.time_column, node.window, lateness_us)
    return derive(replace(node, input=below, emit="close", lateness_us=lateness_us))


def _drop_late(node: Node, time_column: int, window: nodes.Window | None, lateness_us: int) -> Node:
    """A DropLate above the scan the time column comes from, when only filters and projections lie between.

    Elsewhere (above a join, another aggregate) the closing operator's own check against the watermark is all there is.
    A row may be late for some of its overlapping windows only: for those "$watermark" goes on to the aggregate, last.
    """
    keep = window is not None and window.kind in ("hop", "cumulate")
    match node:
        case nodes.Scan() if time_column in node.time_columns:
            fields = [*node.schema, pa.field("$watermark", pa.int64())]
            marked = replace(node, schema=pa.schema(fields), watermark_column=True)
            return derive(
                nodes.DropLate(
                    schema=marked.schema if keep else node.schema,
                    input=marked,
                    time_column=time_column,
                    watermark_column=len(node.schema),
                    window=window,
                    lateness_us=lateness_us,
                )
            )
        case nodes.Filter(predicate=predicate):
            return build.filtered(_drop_late(node.input, time_column, window, lateness_us), predicate)
        case nodes.Project(exprs=exprs) if isinstance(expr := exprs[time_column], InputRef):
            below = _drop_late(node.input, expr.index, window, lateness_us)
            names = node.schema.names
            if below.schema.names[-1] == "$watermark":
                exprs, names = (*exprs, build.ref(below, len(below.schema) - 1)), [*names, "$watermark"]
            return build.projected(below, exprs, names)
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
