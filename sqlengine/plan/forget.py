"""What the watermark lets each operator forget, written into the plan.

From the leaves up, every operator that keeps rows by a time gets its late rows dropped at the scan (plan/late.py) where
that is possible, and is then told when what it keeps of a time can go: windows and sessions, groups and partitions of a
time, and rows of a join whose condition bounds how far apart their times are.
"""

from __future__ import annotations

from sqlengine.errors import InvalidDefinition
from sqlengine.plan import nodes
from sqlengine.plan.late import guarded, in_time, slack_us
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.nodes import Forget, Node
from sqlengine.plan.properties import derive, rebuild
from sqlengine.plan.time_bounds import TimeDistance, time_distances
from sqlengine.plan.unplannable import Unplannable
from storage.replacing import replace

ENDLESS = 1 << 62
"""How long a side keeps its rows that has no bound."""

Windowed = nodes.WindowAggregate | nodes.SessionAggregate
Keyed = nodes.GroupAggregate | nodes.TopN | nodes.Over | MatchRecognize


def forgetful(node: Node, lateness_us: int, closing: bool) -> Node:
    """The plan in which rows more than `lateness_us` behind the watermark are late and state they alone could need is
    forgotten.  `closing`: EMIT ON WINDOW CLOSE, so that windows leave once."""
    node = rebuild(node, tuple(forgetful(i, lateness_us, closing) for i in node.inputs))
    match node:
        case nodes.WindowAggregate() | nodes.SessionAggregate():
            return _closed(node, lateness_us) if closing else _retained(node, lateness_us)
        case nodes.LookupJoin():
            return node
        case nodes.Join():
            return _bounded(node, lateness_us)
        case MatchRecognize(closing=True):
            return node
        case (
            nodes.GroupAggregate(keys=keys)
            | nodes.TopN(partition=keys)
            | nodes.Over(partition=keys)
            | MatchRecognize(partition=keys)
        ):
            return _by_time(node, keys, lateness_us)
        case nodes.AsofJoin() if closing and lateness_us == 0:
            return _settled(node)
    return node


def _closed(node: Windowed, lateness_us: int) -> Node:
    """Windows that leave once, when no row of theirs can come any more."""
    below = in_time(node.input, node.time_column, node.window, lateness_us) if node.input.append_only else None
    if below is not None:
        return derive(replace(node, input=below, emit="close", lateness_us=lateness_us))
    name = node.input.schema.names[node.time_column]
    if not (node.time_column in node.input.time_columns or slack_us(node.input, node.time_column) is not None):
        raise InvalidDefinition(
            f'EMIT ON WINDOW CLOSE needs a watermark, and the time column "{name}" has none',
            hint="declare WATERMARK FOR on the stream, and window by that column",
        )
    if not node.input.append_only:
        raise Unplannable("a closing window over rows that are taken back")
    raise without_bound(name)


def without_bound(name: str) -> InvalidDefinition:
    """Says that an event time may be any distance behind the watermark when its row comes."""
    return InvalidDefinition(
        f'EMIT ON WINDOW CLOSE needs to know how late rows can come, and nothing bounds it for "{name}"',
        hint="bound how far apart the times of a join are, as in ON a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL "
        "'1 hour' AND a.ts + INTERVAL '1 hour', or join windows by their window_start and window_end; a view that is "
        "read can be EMIT ON WINDOW CLOSE itself",
    )


def _retained(node: Windowed, lateness_us: int) -> Node:
    """Windows that change until they are forgotten."""
    below = guarded(node.input, node.time_column, node.window, lateness_us)
    if below is None:
        return node
    kept = slack_us(below, node.time_column, node.window)
    return derive(replace(node, input=below, lateness_us=lateness_us, retention_us=kept))


def _by_time(node: Keyed, keys: tuple[int, ...], lateness_us: int) -> Node:
    """Groups or partitions of a time: no row of theirs comes once the watermark has passed it."""
    found: list[tuple[int, int, Node]] = []
    for key in keys:
        below = guarded(node.input, key, None, lateness_us)
        slack = None if below is None else slack_us(below, key)
        if below is not None and slack is not None:
            found.append((slack, key, below))
    if not found:
        return node
    slack, key, below = min(found, key=lambda f: f[:2])
    return derive(replace(node, input=below, forget=Forget(key, slack)))


def _bounded(join: nodes.Join, lateness_us: int) -> Node:
    """A row goes once the other side's watermark says that no match of it comes any more."""
    found: list[tuple[int, nodes.Join]] = []
    for distance in time_distances(join):
        left = guarded(join.left, distance.left, None, lateness_us)
        right = guarded(join.right, distance.right, None, lateness_us)
        if left is None or right is None:
            continue
        bound = _with_bounds(replace(join, left=left, right=right), distance)
        if bound is not None:
            found.append(bound)
    return derive(min(found, key=lambda f: f[0])[1]) if found else join


def _with_bounds(join: nodes.Join, distance: TimeDistance) -> tuple[int, nodes.Join] | None:
    """The join that forgets by a distance, and how long it keeps rows; None when it cannot."""
    slacks = slack_us(join.left, distance.left), slack_us(join.right, distance.right)
    if slacks[0] is None or slacks[1] is None or (distance.low_us is None and distance.high_us is None):
        return None
    left = None if distance.high_us is None else (distance.left, distance.high_us + slacks[1])
    right = None if distance.low_us is None else (distance.right, slacks[0] - distance.low_us)
    keeps = sum(ENDLESS if b is None else b[1] for b in (left, right))
    return keeps, replace(join, left_bound=left, right_bound=right)


def _settled(node: nodes.AsofJoin) -> Node:
    """Each left row leaves once, when no nearer right row can come."""
    if not (node.left.append_only and node.right.append_only):
        return node
    left = guarded(node.left, node.left_time, None, 0)
    right = guarded(node.right, node.right_time, None, 0)
    if left is None or right is None or slack_us(left, node.left_time) or slack_us(right, node.right_time):
        return node
    return derive(replace(node, left=left, right=right, settle=True))
