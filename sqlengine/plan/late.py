"""Where late rows are dropped, and how far behind the watermark a column's values can still come.

Only a DropLate makes a promise about a stream's rows: a row that comes has a time no more than the allowed lateness
behind its own partition's watermark.  `slack_us` carries that promise up through a plan; what it says of a column is
what the operators above may forget by.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from sqlengine.expr.tree import InputRef
from sqlengine.plan import build, nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, rebuild

MONTH_US = 31 * 86_400_000_000
"""The longest month."""


def size_us(window: nodes.Window) -> int:
    """How long a window is at most; of a session the gap."""
    months, micros = window.size
    return micros + months * MONTH_US


def slack_us(node: Node, column: int) -> int | None:
    """How far behind the node's watermark a row's (or deletion's) `column` may be; None: any distance."""
    match node:
        case nodes.Scan(slacks_us=slacks) if slacks:
            return slacks[column]
        case nodes.DropLate(time_column=time, window=window, lateness_us=late):
            lasts_us = 0 if window is None or window.kind == "session" else size_us(window)
            return late + lasts_us if column == time else None
        case nodes.Project(input=below, exprs=exprs):
            expr = exprs[column]
            return slack_us(below, expr.index) if isinstance(expr, InputRef) else None
        case nodes.Filter(input=below):
            return slack_us(below, column)
        case nodes.ReleaseInOrder(input=below, time_column=time) if column == time:
            return slack_us(below, column)
        case nodes.AssignWindow():
            return _of_assigned(node, column)
        case nodes.WindowAggregate() | nodes.SessionAggregate():
            return _of_windowed(node, column)
        case nodes.TopN(append_only=True, input=below) | nodes.Over(append_only=True, input=below):
            # What is never taken back is said when it comes.
            return slack_us(below, column) if column < len(below.schema) else None
        case nodes.GroupAggregate(append_only=True, input=below, keys=keys):
            return slack_us(below, keys[column]) if column < len(keys) else None
        case nodes.GroupAggregate(keys=keys, forget=nodes.Forget() as forget):
            return forget.slack_us if column < len(keys) and keys[column] == forget.column else None
        case nodes.TopN(forget=nodes.Forget() as forget) | nodes.Over(forget=nodes.Forget() as forget):
            return forget.slack_us if column == forget.column else None
        case nodes.UnionAll(branches=branches):
            found = [slack_us(b, column) for b in branches]
            known = [s for s in found if s is not None]
            return max(known) if len(known) == len(found) else None
        case nodes.LookupJoin(left=left) | nodes.Unnest(input=left):
            return slack_us(left, column) if column < len(left.schema) else None
        case nodes.Join():
            return _of_join(node, column)
        case nodes.AsofJoin(settle=True, left=left):
            return slack_us(left, column) if column < len(left.schema) else None
    return None


def _of_assigned(node: nodes.AssignWindow, column: int) -> int | None:
    """A row's window ends after its time and begins no more than its size before."""
    base = len(node.input.schema)
    if column < base:
        return slack_us(node.input, column)
    if node.window.kind == "session":
        return None
    dropped = dropping(node.input, node.time_column)
    late = dropped.lateness_us if dropped is not None and dropped.window == node.window else None
    if late is None or node.window.kind != "tumble":
        late = slack_us(node.input, node.time_column)
    if late is None:
        return None
    return late if column > base else late + size_us(node.window)


def dropping(node: Node, column: int) -> nodes.DropLate | None:
    """The DropLate a time column comes through."""
    match node:
        case nodes.DropLate(time_column=time) if time == column:
            return node
        case nodes.Filter(input=below):
            return dropping(below, column)
        case nodes.Project(input=below, exprs=exprs) if isinstance(expr := exprs[column], InputRef):
            return dropping(below, expr.index)
    return None


def _of_windowed(node: nodes.WindowAggregate | nodes.SessionAggregate, column: int) -> int | None:
    """A window changes until it is forgotten; one that closes has left by then, its corrections counted in."""
    which = column - len(node.keys)
    if not 0 <= which < 3 or (node.emit != "close" and node.retention_us is None):
        return None
    late = 0 if node.emit == "close" else node.retention_us
    assert late is not None
    if which == 0:
        return None if isinstance(node, nodes.SessionAggregate) else late + size_us(node.window)
    return late


def _of_join(node: nodes.Join, column: int) -> int | None:
    """What a bound says of the sides' times: a pair comes with the later of its rows."""
    width = len(node.left.schema)
    if node.left_bound is None or node.right_bound is None:
        return None
    (left_time, left_keep), (right_time, right_keep) = node.left_bound, node.right_bound
    outer = {"left": (True, False), "right": (False, True), "full": (False, False)}.get(node.kind, (True, True))
    if column < width:
        own = slack_us(node.left, column)
        if own is None or column not in (left_time, *node.left_keys) or not outer[0]:
            return None
        slack = max(own, left_keep if column == left_time else _of_key(node, column, own))
    else:
        own = slack_us(node.right, column - width)
        if own is None or column - width not in (right_time, *node.right_keys) or not outer[1]:
            return None
        slack = max(own, right_keep if column - width == right_time else _of_key(node, column, own))
    return max(0, slack - node.hold_us)


def _of_key(node: nodes.Join, column: int, own: int) -> int:
    """A key that is a time on both sides is the same time on both."""
    width = len(node.left.schema)
    for a, b in zip(node.left_keys, node.right_keys, strict=True):
        if column in (a, b + width):
            other = slack_us(node.right, b) if column == a else slack_us(node.left, a)
            return own if other is None else max(own, other)
    return own


def guarded(node: Node, column: int, window: nodes.Window | None, lateness_us: int) -> Node | None:
    """The node with late rows dropped above the scan its time `column` comes from; itself when `slack_us` knows the
    column already; None when there is no way.

    `window`: a row is late when the windows of its time are over; without one when its time is.  A row may be late for
    some of its overlapping windows only: for those "$watermark" goes on to the aggregate, last.
    """
    passes_on = window is not None and window.kind in ("hop", "cumulate")
    if slack_us(node, column) is not None:
        return None if passes_on else node
    match node:
        case nodes.Scan(slacks_us=()) if column in node.time_columns:
            return _dropped(node, column, window, lateness_us)
        case nodes.Filter(predicate=predicate):
            below = guarded(node.input, column, window, lateness_us)
            return None if below is None else build.filtered(below, predicate)
        case nodes.Project(exprs=exprs) if isinstance(expr := exprs[column], InputRef):
            below = guarded(node.input, expr.index, window, lateness_us)
            if below is None:
                return None
            names = node.schema.names
            if passes_on:
                exprs, names = (*exprs, build.ref(below, len(below.schema) - 1)), [*names, "$watermark"]
            return build.projected(below, exprs, names)
        case nodes.UnionAll(branches=branches):
            below_all = [guarded(b, column, window, lateness_us) for b in branches]
            found = [b for b in below_all if b is not None]
            return build.union_all(found) if len(found) == len(branches) else None
        case nodes.AssignWindow(input=below_window, time_column=time) if not passes_on:
            return _below_window(node, below_window, column, time, lateness_us)
        case nodes.LookupJoin(left=left) if not passes_on and column < len(left.schema):
            guard = guarded(left, column, window, lateness_us)
            return None if guard is None else rebuild(node, (guard, node.right))
    return None


def _below_window(node: nodes.AssignWindow, below: Node, column: int, time: int, lateness_us: int) -> Node | None:
    """A window column is guarded by the time the window is of."""
    if node.window.kind == "session":
        return None
    base = len(below.schema)
    window = node.window if node.window.kind == "tumble" and column >= base else None
    guard = guarded(below, column if column < base else time, window, lateness_us)
    return None if guard is None else rebuild(node, (guard,))


def _dropped(scan: nodes.Scan, time_column: int, window: nodes.Window | None, lateness_us: int) -> Node:
    passes_on = window is not None and window.kind in ("hop", "cumulate")
    fields = [*scan.schema, pa.field("$watermark", pa.int64())]
    marked = replace(scan, schema=pa.schema(fields), watermark_column=True)
    return derive(
        nodes.DropLate(
            schema=marked.schema if passes_on else scan.schema,
            input=marked,
            time_column=time_column,
            watermark_column=len(scan.schema),
            window=window,
            lateness_us=lateness_us,
        )
    )
