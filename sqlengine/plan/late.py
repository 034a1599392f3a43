"""Where late rows are dropped, and how far behind the watermark a column's values can still come.

Only a DropLate makes a promise about a stream's rows: a row that comes has a time no more than the allowed lateness
behind its own partition's watermark.  `slack_us` carries that promise up through a plan; what it says of a column is
what the operators above may forget by.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine.plan import build, nodes
from sqlengine.plan.exprs import map_refs
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, match_times, rebuild
from sqlengine.plan.truncation import cut_down
from storage.replacing import replace

MONTH_US = 31 * 86_400_000_000
"""The longest month."""


def size_us(window: nodes.Window) -> int:
    """How long a window is at most; of a session the gap."""
    months, micros = window.size
    return micros + months * MONTH_US


def slack_us(node: Node, column: int, window: nodes.Window | None = None) -> int | None:
    """How far behind the node's watermark a row's (or deletion's) `column` may be; None: any distance.

    With a `window`: so far behind is every window of that kind over which the column's times can still change.
    """
    match node:
        case nodes.Scan(slacks_us=slacks) if slacks:
            return slacks[column]
        case nodes.Values() | nodes.Project(input=nodes.Values()):
            return 0  # all there is comes before any watermark
        case nodes.DropLate(time_column=time, lateness_us=late):
            return late + _lasts_us(node, window) if column == time else None
        case nodes.Project(input=below, exprs=exprs):
            cut = cut_down(exprs[column])
            slack = None if cut is None else slack_us(below, cut[0], None if cut[1] else window)
            return None if cut is None or slack is None else slack + cut[1]
        case nodes.Filter(input=below) | nodes.EmitEvery(input=below):
            return slack_us(below, column, window)
        case nodes.ReleaseInOrder(input=below, time_column=time) if column == time:
            return slack_us(below, column, window)
        case nodes.ReleaseInOrder(input=nodes.Project() as below, time_column=time):
            return _of_released(below, time, column, window)
        case nodes.HoldWatermark(input=below, hold_us=hold):
            slack = slack_us(below, column, window)
            return None if slack is None else max(0, slack - hold)
        case nodes.AssignWindow():
            return _of_assigned(node, column, window)
        case nodes.WindowAggregate() | nodes.SessionAggregate():
            return _of_windowed(node, column)
        case nodes.TopN(append_only=True, input=below) | nodes.Over(append_only=True, input=below):
            # What is never taken back is said when it comes.
            return slack_us(below, column, window) if column < len(below.schema) else None
        case MatchRecognize():
            return _of_matches(node, column)
        case nodes.GroupAggregate(append_only=True, input=below, keys=keys):
            return slack_us(below, keys[column], window) if column < len(keys) else None
        case nodes.GroupAggregate(keys=keys, forget=nodes.Forget() as forget):
            return forget.slack_us if column < len(keys) and keys[column] == forget.column else None
        case nodes.TopN(forget=nodes.Forget() as forget) | nodes.Over(forget=nodes.Forget() as forget):
            return forget.slack_us if column == forget.column else None
        case nodes.UnionAll(branches=branches):
            found = [slack_us(b, column, window) for b in branches]
            known = [s for s in found if s is not None]
            return max(known) if len(known) == len(found) else None
        case nodes.LookupJoin(left=left) | nodes.Unnest(input=left):
            return slack_us(left, column, window) if column < len(left.schema) else None
        case nodes.Changelog(append_only=True, input=left) if left.append_only:
            return slack_us(left, column, window) if column < len(left.schema) else None
        case nodes.Join():
            return _of_join(node, column)
        case nodes.AsofJoin(settle=True, left=left):
            return slack_us(left, column, window) if column < len(left.schema) else None
    return None


def _of_matches(node: MatchRecognize, column: int) -> int | None:
    """A match is told when the watermark has passed its first row by no more than it may be long."""
    of_input = dict(match_times(node)).get(column)
    below = None if of_input is None or not node.append_only else slack_us(node.input, of_input)
    if below is None or not node.closing:
        return below
    return None if node.within_us is None or of_input != node.order[0][0] else below + node.within_us


def _of_released(node: nodes.Project, time: int, column: int, window: nodes.Window | None) -> int | None:
    """A row that waited for its time brings what that was cut down to, no further behind than the unit is long."""
    cut, own = cut_down(node.exprs[column]), cut_down(node.exprs[time])
    if cut is None or own is None or own != (cut[0], 0):
        return None
    slack = slack_us(node, time, None if cut[1] else window)
    return None if slack is None else slack + cut[1]


def _lasts_us(node: nodes.DropLate, window: nodes.Window | None) -> int:
    """How much earlier than what a DropLate compares with the watermark a time may be: nothing where it compares the
    end of the very window that is asked about, and each row brings what says which of its windows were over."""
    if node.window is None or node.window.kind == "session":
        return 0
    tells = node.window.kind == "tumble" or len(node.schema) == len(node.input.schema)
    return 0 if window == node.window and tells else size_us(node.window)


def _of_assigned(node: nodes.AssignWindow, column: int, window: nodes.Window | None) -> int | None:
    """A row's window ends after its time and begins no more than its size before."""
    base = len(node.input.schema)
    if column < base:
        return slack_us(node.input, column, window)
    if node.window.kind == "session":
        return None
    late = slack_us(node.input, node.time_column, node.window if node.window.kind == "tumble" else None)
    return late if late is None or column > base else late + size_us(node.window)


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
    outer = {"left": (True, False), "right": (False, True), "full": (False, False)}.get(node.kind, (True, True))
    side = 0 if column < width else 1
    if not outer[side]:
        return None
    at = column - side * width
    own = slack_us((node.left, node.right)[side], at)
    (time, kept_us) = (node.left_bound, node.right_bound)[side]
    if own is None:
        return None
    if at == time:
        return max(own, kept_us)
    other = _of_equal(node, side, at)
    return None if other is None else max(own, other)


def _of_equal(node: nodes.Join, side: int, column: int) -> int | None:
    """The slack on the other side of a key that is a time on both, and the same one."""
    for pair in zip(node.left_keys, node.right_keys, strict=True):
        if pair[side] == column:
            return slack_us((node.right, node.left)[side], pair[1 - side])
    return None


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
        case nodes.Scan(slacks_us=(), append_only=True) if column in node.time_columns:
            # What takes a row back has the time of that row: it is old, and must not be lost.
            return _dropped(node, column, window, lateness_us)
        case nodes.Filter(predicate=predicate):
            below = guarded(node.input, column, window, lateness_us)
            return None if below is None else build.filtered(below, predicate)
        case nodes.Project(exprs=exprs) if (cut := cut_down(exprs[column])) is not None and not (passes_on and cut[1]):
            below = guarded(node.input, cut[0], None if cut[1] else window, lateness_us)
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
        case nodes.LookupJoin(left=left) | nodes.Unnest(input=left) if column < len(left.schema):
            guard = guarded(left, column, window, lateness_us)
            return None if guard is None else _over_guard(node, guard, passes_on)
        case nodes.Changelog(input=below_changes) if not passes_on and below_changes.append_only:
            guard = guarded(below_changes, column, None, lateness_us) if column < len(below_changes.schema) else None
            return None if guard is None else rebuild(node, (guard,))
    return None


def _over_guard(node: nodes.LookupJoin | nodes.Unnest, guard: Node, passes_on: bool) -> Node:
    """The node over its (left) input with late rows dropped; what that input has more, "$watermark", goes last."""
    if not passes_on:
        return rebuild(node, (guard, *node.inputs[1:]))
    width = len(guard.schema) - 1
    schema = pa.schema([*guard.schema, *(node.schema.field(i) for i in range(width, len(node.schema)))])
    made: Node
    if isinstance(node, nodes.LookupJoin):
        residual = node.residual and map_refs(
            node.residual, lambda r: r if r.index < width else replace(r, index=r.index + 1)
        )
        made = derive(replace(node, schema=schema, left=guard, residual=residual))
    else:
        made = derive(replace(node, schema=schema, input=guard))
    order = [*range(width), *range(width + 1, len(schema)), width]
    return build.chosen(made, order)


def in_time(node: Node, column: int, window: nodes.Window | None, lateness_us: int) -> Node | None:
    """`guarded`, with the watermark held back where rows come further behind it than the allowed lateness for another
    reason (a join, a view that was itself allowed more); None when nothing bounds how far.

    Over it an operator that closes by the watermark never sees a row that it would have to drop, so that its answer
    does not depend on which rows came in one batch.
    """
    made = guarded(node, column, window, lateness_us)
    if made is None and window is not None and window.kind in ("hop", "cumulate"):
        made = guarded(node, column, None, lateness_us)
    slack = None if made is None else slack_us(made, column, window)
    if made is None or slack is None:
        return None
    return build.held(made, slack - lateness_us) if slack > lateness_us else made


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
