"""From the optimized plan to what runs: the EMIT clause, late rows, and shapes that no operator can do.

EMIT ON WINDOW CLOSE makes every window aggregate close with the watermark; what else has a time is released when the
watermark has passed it.  ALLOWED LATENESS makes operators forget what only rows could change that are later than that.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine.errors import InvalidDefinition
from sqlengine.plan import nodes
from sqlengine.plan.forget import forgetful, without_bound
from sqlengine.plan.late import in_time, slack_us
from sqlengine.plan.look_ahead import distance, told_later
from sqlengine.plan.match_node import END, MatchRecognize
from sqlengine.plan.nodes import Forget, Node
from sqlengine.plan.properties import derive, kept_back, looks_back, rebuild
from sqlengine.plan.recursion import cut_recursion
from sqlengine.plan.sessions import session_rows
from sqlengine.plan.temporal_join import TAKEN_BACK
from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast
from storage.replacing import replace


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
    """Rows leave once: windows by closing, anything else when the watermark has passed a time of theirs; functions that
    look ahead where that makes their rows final, else a fixed number of rows behind."""
    try:
        return _final(_by_time(node, ahead=False), lateness_us)
    except InvalidDefinition:
        later = _by_time(node, ahead=True)
        if later == _by_time(node, ahead=False):
            raise
        return _final(later, lateness_us)


def _final(node: Node, lateness_us: int) -> Node:
    windowed = _any_window(node)
    node = forgetful(node, lateness_us, closing=True)
    _check_lookups(node)
    if _tells_matches(node):
        return node
    if windowed and (node.append_only or lateness_us):
        return node
    released = _released(node, lateness_us)
    if released is not None:
        return released
    if windowed or (node.append_only and _follows_time(node)):
        return node
    if node.append_only:
        raise InvalidDefinition(
            "EMIT ON WINDOW CLOSE needs a watermark, and no time of these rows has one",
            hint="declare WATERMARK FOR on the stream that is read, and keep that time or a window up to the last step",
        )
    raise InvalidDefinition(
        "EMIT ON WINDOW CLOSE needs rows that are final at some time, and these can change for ever",
        hint="group or partition by a window or a time, or bound how far apart the times of joined rows are",
    )


def _tells_matches(node: Node) -> bool:
    """Whether the rows are those of matches, which are told as soon as no row to come can change them."""
    if isinstance(node, (nodes.Project, nodes.Filter)):
        return _tells_matches(node.input)
    return isinstance(node, MatchRecognize) and node.closing


def _check_lookups(node: Node) -> None:
    """Unplannable when a row that met the other side as it was could be taken back after all."""
    if isinstance(node, nodes.LookupJoin) and not node.left.append_only:
        raise Unplannable(TAKEN_BACK)
    for below in node.inputs:
        _check_lookups(below)


def _released(node: Node, lateness_us: int) -> Node | None:
    """The rows as they become final, by whichever time lets them go first: one that they are known to be no further
    behind the watermark than some distance by, or, of rows that only come, any; None when there is none."""
    stamps = [c for c, field in enumerate(node.schema) if pa.types.is_timestamp(field.type)]
    times = [c for c in stamps if slack_us(node, c) is not None]
    if not times and node.append_only:
        times = list(node.time_columns) or stamps
    found = [(below, c) for c in times if (below := in_time(node, c, None, lateness_us)) is not None]
    if not found:
        if node.append_only and node.time_columns:
            raise without_bound(node.schema.names[times[0]])
        return None
    below, time = min(found, key=lambda f: f[0].hold_us if isinstance(f[0], nodes.HoldWatermark) else 0)
    return _waiting(below, time)


def _waiting(node: Node, time: int) -> Node:
    return derive(nodes.ReleaseInOrder(schema=node.schema, input=node, time_column=time))


def _any_window(node: Node) -> bool:
    return isinstance(node, (nodes.WindowAggregate, nodes.SessionAggregate)) or any(_any_window(i) for i in node.inputs)


def _by_time(node: Node, ahead: bool) -> Node:
    """First rows by time, and functions over earlier rows (`ahead`: or over a fixed number of later ones), of rows that
    only come: these come in order, so that what was said stays."""
    node = rebuild(node, tuple(_by_time(i, ahead) for i in node.inputs))
    match node:
        case nodes.TopN(order=((time, False, _), *_), input=below):
            ordered = _in_order(below, time)
            return node if ordered is None else rebuild(node, (ordered,))
        case nodes.Over(order=((time, False, _), *_), input=below, calls=calls):
            back = all(map(looks_back, calls))
            ordered = _in_order(below, time) if back or (ahead and distance(node) is not None) else None
            if ordered is not None:
                return _kept_short(rebuild(node, (ordered,)) if back else told_later(node, ordered))
        case MatchRecognize(order=((time, False, _), *_), input=below, program=program):
            ordered = _in_order(below, time)
            if ordered is not None and END in program.ops:
                raise InvalidDefinition(
                    "EMIT ON WINDOW CLOSE is not possible with $ in a pattern: no row of a stream is the last",
                    hint="leave $ out, or EMIT ON WINDOW CLOSE",
                )
            return node if ordered is None else derive(replace(node, input=ordered, closing=True))
    return node


def _kept_short(node: Node) -> Node:
    """Window functions over rows in order, down to those just made, that keep no more rows than they read."""
    if isinstance(node, nodes.Over):
        kept = kept_back(node)
        if kept is None or kept.distance is None or kept.rows or kept.groups or kept.carried:
            return replace(node, keeps=kept)
        return replace(node, keeps=kept, forget=Forget(node.order[0][0], int(kept.distance)))
    return rebuild(node, tuple(_kept_short(i) if isinstance(i, (nodes.Over, nodes.Filter)) else i for i in node.inputs))


def _in_order(below: Node, time: int) -> Node | None:
    """The rows in the order of their time; None where they cannot come so, or do."""
    if time not in below.time_columns or not below.append_only or isinstance(below, nodes.ReleaseInOrder):
        return None
    guard = in_time(below, time, None, 0)
    return None if guard is None else _waiting(guard, time)


def _follows_time(node: Node) -> bool:
    """Whether all rows have waited for the watermark already."""
    return isinstance(node, nodes.ReleaseInOrder) or bool(node.inputs) and all(map(_follows_time, node.inputs))


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
