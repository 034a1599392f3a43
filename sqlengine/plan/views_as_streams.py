"""Views of the single rows of streams, read as the streams themselves.

Lateness is decided by the watermark of a row's own partition before that row, and a view's rows have none.  Where a
view's rows are those of streams one by one (conditions, expressions, unions, unnested lists), a query that closes with
the watermark reads the streams in its place, so that its late rows are the same however they were batched.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlengine.expr.simplify import volatility
from sqlengine.plan import build, nodes
from sqlengine.plan.exprs import expressions
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import rebuild

ViewPlan = Callable[[str], Node | None]
"""The plan of a materialized view by name; None of anything else."""


def views_as_streams(node: Node, view_plan: ViewPlan) -> Node:
    """The plan with every scan of such a view that has an event time replaced by what the view scans."""
    if isinstance(node, nodes.Scan):
        return _streams_of(node, view_plan)
    return rebuild(node, tuple(views_as_streams(i, view_plan) for i in node.inputs))


def _streams_of(scan: nodes.Scan, view_plan: ViewPlan) -> Node:
    plan = view_plan(scan.source)
    if plan is None or not scan.time_columns or not _row_by_row(plan):
        return scan
    rows = views_as_streams(plan, view_plan)
    return build.projected(rows, [build.ref(rows, plan.schema.names.index(c)) for c in scan.columns], scan.columns)


def _row_by_row(node: Node) -> bool:
    """Whether each row comes of one row that is never taken back, and would come again the same."""
    if any(volatility(e) != "immutable" for e in expressions(node)):
        return False
    match node:
        case nodes.Scan():
            return node.append_only
        case nodes.AssignWindow(window=window):
            return window.kind != "session" and _row_by_row(node.input)
        case nodes.Filter() | nodes.Project() | nodes.UnionAll() | nodes.Unnest():
            return all(_row_by_row(i) for i in node.inputs)
    return False
