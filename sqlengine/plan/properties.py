"""What is known of a node's output, derived bottom-up: append-only, unique keys, event-time columns.

`derive(node)` is the only place that knows these rules; every maker and every rule passes its node through it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from sqlengine.expr.tree import InputRef
from sqlengine.plan import nodes
from sqlengine.plan.nodes import WINDOW_COLUMNS, Node
from storage.replacing import replace

N = TypeVar("N", bound=Node)


def own_time(node: Node, among: Callable[[int], bool] = lambda column: True) -> int | None:
    """The column that is the rows' own time where a query does not name one: the time of their window, else the first
    event-time column; None when there is none."""
    times = [at for at in node.time_columns if among(at)]
    windows = [at for at in times if node.schema.field(at).name == WINDOW_COLUMNS[2]]
    return windows[-1] if windows else times[0] if times else None


def derive(node: N) -> N:
    """The node with its properties recomputed from its inputs (a Scan's are the catalog's and stay)."""
    if isinstance(node, (nodes.Scan, nodes.Values, nodes.RecursiveRef, nodes.Port)):
        return node
    known = _append_only(node), _unique(node), _times(node)
    if known == (node.append_only, node.unique_keys, node.time_columns):
        return node  # as most makers' nodes: a copy costs more than to find out
    return replace(node, append_only=known[0], unique_keys=known[1], time_columns=known[2])


def rebuild(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The node over other inputs, properties recomputed."""
    return node if inputs == node.inputs else with_inputs(node, inputs)


def with_inputs(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The same, also over inputs that are equal to its own."""
    match node:
        case nodes.Join() | nodes.AsofJoin():
            return derive(replace(node, left=inputs[0], right=inputs[1]))
        case nodes.Recursion():
            return derive(replace(node, base=inputs[0], step=inputs[1]))
        case nodes.UnionAll() | nodes.Recompute() | nodes.Iterate() | nodes.WorkingTables() | nodes.Rounds():
            return derive(replace(node, branches=inputs))
        case nodes.Unary():
            return derive(replace(node, input=inputs[0]))
    return node


def _append_only(node: Node) -> bool:
    below = all(i.append_only for i in node.inputs)
    match node:
        case nodes.GroupAggregate(aggregates=calls, keys=keys):
            # DISTINCT over rows that only come: a group appears once and never changes.
            return below and bool(keys) and (not calls or _at_once(node.input, keys))
        case nodes.TopN(partition=partition, input=source):
            return below and (_at_once(source, partition) or _first_comes_first(node))
        case nodes.Over(partition=partition, input=source):
            return below and (_at_once(source, partition) or _looks_back(node))
        case nodes.Recompute() | nodes.WorkingTables() | nodes.Rounds():
            return False
        case nodes.TemporalFilter(bounds=bounds):
            return below and all(b.op in ("lt", "le") for b in bounds)
        case nodes.WindowWinners(emit="changes"):
            return False
        case nodes.WindowAggregate(emit="changes", aggregates=()):
            return below
        case nodes.WindowAggregate(emit=emit, lateness_us=late) | nodes.SessionAggregate(emit=emit, lateness_us=late):
            return emit == "close" and late == 0
        case nodes.LookupJoin() | nodes.Versions() | nodes.Changelog():
            return True
        case nodes.Join(kind=kind):
            return below and kind in ("inner", "semi")
        case nodes.AsofJoin(settle=settle):
            return settle
        case nodes.ReleaseInOrder():
            return True
    return below


def _at_once(node: Node, keys: tuple[int, ...]) -> bool:
    """Whether rows with equal `keys` all come in one tick: those of a window that closes do, so that an operator above
    that speaks once a tick says nothing of them twice."""
    return any(_tells_when(node, key) for key in keys)


def _tells_when(node: Node, column: int) -> bool:
    """Whether rows that agree on a column come in the same tick."""
    match node:
        case nodes.WindowAggregate(keys=keys, emit="close", lateness_us=0):
            # Windows that cumulate share their start.
            return column - len(keys) in (1, 2) or (column == len(keys) and node.window.kind != "cumulate")
        case nodes.SessionAggregate(keys=keys, emit="close", lateness_us=0):
            return column - len(keys) in (1, 2)
        case nodes.Filter(input=below):
            return _tells_when(below, column)
        case nodes.Project(input=below, exprs=exprs):
            expr = exprs[column]
            return isinstance(expr, InputRef) and _tells_when(below, expr.index)
        case nodes.GroupAggregate(input=below, keys=keys):
            return column < len(keys) and _tells_when(below, keys[column])
        case nodes.TopN(input=below, partition=keys) | nodes.Over(input=below, partition=keys):
            return column in keys and _tells_when(below, column)
    return False


def _first_comes_first(node: nodes.TopN) -> bool:
    """Whether rows come in the very order that is ranked, so that none of the first can be displaced."""
    match node:
        case nodes.TopN(order=((time, False, _), *_), input=nodes.ReleaseInOrder(time_column=by)):
            return time == by
    return False


def _looks_back(node: nodes.Over) -> bool:
    """Whether rows come in the order of the window, and no function looks at rows behind its own and their equals."""
    match node:
        case nodes.Over(order=((time, False, _), *_), input=nodes.ReleaseInOrder(time_column=by)):
            return time == by and all(looks_back(call) for call in node.calls)
    return False


def looks_back(call: nodes.WindowCall) -> bool:
    """Whether a window function with ORDER BY depends on no row behind its own and their equals."""
    if call.function in ("lead", "ntile", "percent_rank", "cume_dist"):
        return False
    if call.function == "lag" and isinstance(distance := call.constants[0], int) and distance < 0:
        return False
    if call.frame is None:
        return not call.frame_sql
    return call.frame.end.kind in ("preceding", "current row")


def kept_back(over: nodes.Over) -> nodes.Kept | None:
    """What its functions need of earlier rows, where rows come in the order of ORDER BY; None for all of them."""
    found = [_kept_back(call, i) for i, call in enumerate(over.calls)] if _looks_back(over) else [None]
    kept = nodes.Kept()
    for one in found:
        if one is None:
            return None
        distances = [d for d in (kept.distance, one.distance) if d is not None]
        kept = nodes.Kept(
            max(kept.rows, one.rows),
            max(kept.groups, one.groups),
            max(distances, default=None),
            (*kept.carried, *one.carried),
        )
    return kept


_CARRIED = frozenset("count sum avg min max bool_and bool_or first_value".split())
"""Functions that go on from what earlier rows came to (operators/over/running.py)."""


def _kept_back(call: nodes.WindowCall, place: int) -> nodes.Kept | None:
    if call.frame is None:
        return None
    if call.function == "lag":
        by = call.constants[0]
        return nodes.Kept(rows=by) if isinstance(by, int) else None
    if call.function in ("row_number", "rank", "dense_rank"):
        return nodes.Kept(carried=(place,))
    start, end = call.frame.start, call.frame.end
    if start.kind == "unbounded preceding" and end.kind == "current row":
        if call.function == "last_value":
            return nodes.Kept()
        return nodes.Kept(carried=(place,)) if call.function in _CARRIED else None
    if start.kind == "current row":
        return nodes.Kept()
    if start.kind != "preceding" or not isinstance(start.offset, (int, float)):
        return None
    if call.frame.mode == "range":
        return nodes.Kept(distance=start.offset)
    return nodes.Kept(rows=int(start.offset)) if call.frame.mode == "rows" else nodes.Kept(groups=int(start.offset))


def _unique(node: Node) -> tuple[int, ...] | None:
    match node:
        case nodes.Recursion(all=False) | nodes.Iterate(all=False) | nodes.WorkingTables(all=False):
            return tuple(range(len(node.schema)))
        case nodes.GroupAggregate(keys=keys):
            return tuple(range(len(keys)))
        case nodes.WindowAggregate(keys=keys, window=window) | nodes.SessionAggregate(keys=keys, window=window):
            return tuple(range(len(keys) + (2 if window.kind == "cumulate" else 1)))
        case nodes.Changelog():
            return (len(node.schema) - 1,)
        case nodes.Project(input=below, exprs=exprs):
            found = (_through_project(columns, exprs) for columns in _unique_sets(below))
            return next((columns for columns in found if columns is not None), None)
        case nodes.AssignWindow(input=below):
            if below.unique_keys is None:
                return None
            start = len(below.schema)
            return (*below.unique_keys, start, start + 1)
        case nodes.Unnest(input=below, ordinality=True):
            return None if below.unique_keys is None else (*below.unique_keys, len(node.schema) - 1)
        case nodes.LookupJoin(left=left, right=right, right_keys=keys):
            once = right.unique_keys is not None and set(right.unique_keys) <= set(keys)
            return left.unique_keys if once else None
        case nodes.Join(left=left, kind="semi" | "anti"):
            return left.unique_keys
        case nodes.Join(kind="inner" | "left" | "right"):
            return _unique_of_join(node)
        case nodes.AsofJoin(left=left):
            return left.unique_keys
        case nodes.TopN(limit=1, offset=0, function="row_number", partition=partition):
            return tuple(sorted(set(partition)))
        case nodes.Filter() | nodes.TemporalFilter() | nodes.TopN() | nodes.Over() | nodes.EmitEvery():
            return node.inputs[0].unique_keys
        case nodes.ReleaseInOrder() | nodes.DropLate() | nodes.HoldWatermark():
            return node.inputs[0].unique_keys
    return None


def _unique_sets(node: Node) -> tuple[tuple[int, ...], ...]:
    """Every set of columns known to identify a row: a window is known by its start and by its end."""
    known = () if node.unique_keys is None else (node.unique_keys,)
    match node:
        case nodes.WindowAggregate(keys=keys, window=window) if window.kind != "cumulate":
            groups = tuple(range(len(keys)))
            return tuple((*groups, len(keys) + part) for part in range(3))
        case nodes.SessionAggregate(keys=keys):
            groups = tuple(range(len(keys)))
            return tuple((*groups, len(keys) + part) for part in range(3))
        case nodes.Filter(input=below):
            return _unique_sets(below)
    return known


def _unique_of_join(join: nodes.Join) -> tuple[int, ...] | None:
    """One side's keys when a row of it meets at most one of the other, else both sides'."""
    left, right, width = join.left.unique_keys, join.right.unique_keys, len(join.left.schema)
    moved = None if right is None else tuple(k + width for k in right)
    if left is not None and right is not None and set(right) <= set(join.right_keys) and join.kind != "right":
        return left
    if left is not None and moved is not None and set(left) <= set(join.left_keys) and join.kind != "left":
        return moved
    return None if left is None or moved is None or join.kind == "right" else (*left, *moved)


def _through_project(columns: tuple[int, ...] | None, exprs: tuple[object, ...]) -> tuple[int, ...] | None:
    """Where each of `columns` went, or None when one of them was not passed on."""
    if columns is None:
        return None
    places = {e.index: at for at, e in reversed(list(enumerate(exprs))) if isinstance(e, InputRef)}
    if any(c not in places for c in columns):
        return None
    return tuple(places[c] for c in columns)


def _times(node: Node) -> tuple[int, ...]:
    match node:
        case nodes.Project(input=below, exprs=exprs):
            return tuple(at for at, e in enumerate(exprs) if isinstance(e, InputRef) and e.index in below.time_columns)
        case nodes.WindowAggregate(keys=keys, emit="close") | nodes.SessionAggregate(keys=keys, emit="close"):
            return (len(keys) + 1, len(keys) + 2)
        case nodes.AssignWindow(input=below, time_column=time):
            start = len(below.schema)
            return (*below.time_columns, *((start + 1, start + 2) if time in below.time_columns else ()))
        case nodes.Filter() | nodes.TemporalFilter() | nodes.DropLate() | nodes.Unnest():
            return node.inputs[0].time_columns
        case nodes.ReleaseInOrder() | nodes.HoldWatermark() | nodes.EmitEvery():
            return node.inputs[0].time_columns
        case nodes.TopN(input=below) | nodes.Over(input=below):
            return below.time_columns if _append_only(node) else ()
        case nodes.Versions(time_column=time):
            return (time,)
        case nodes.Changelog(input=below):
            # What is taken back was there before: its time lies behind the watermark.
            return below.time_columns if below.append_only else ()
        case nodes.Join(left=left, kind="semi" | "anti") | nodes.LookupJoin(left=left) | nodes.AsofJoin(left=left):
            return left.time_columns
        case nodes.Join(left=left, right=right):
            return (*left.time_columns, *(c + len(left.schema) for c in right.time_columns))
        case nodes.UnionAll(branches=branches):
            shared = set(branches[0].time_columns).intersection(*(b.time_columns for b in branches))
            return tuple(sorted(shared))
    return ()


def schema_of(names: list[str], types: list[pa.DataType]) -> pa.Schema:
    """A schema of nullable fields."""
    return pa.schema([pa.field(n, t) for n, t in zip(names, types, strict=True)])
