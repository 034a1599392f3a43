"""What is known of a node's output, derived bottom-up: append-only, unique keys, event-time columns.

`derive(node)` is the only place that knows these rules; every maker and every rule passes its node through it.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, is_
from typing import Any, TypeVar

import pyarrow as pa

from sqlengine.by_class import ByClass
from sqlengine.expr.tree import InputRef
from sqlengine.plan import nodes
from sqlengine.plan.columns import columns_of, schema_with
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.plan.nodes import WINDOW_COLUMNS, Node
from storage.replacing import replace

N = TypeVar("N", bound=Node)


def own_time(node: Node, among: Callable[[int], bool] = lambda column: True) -> int | None:
    """The column that is the rows' own time where a query does not name one: the time of their window, else the first
    event-time column; None when there is none."""
    times = [at for at in node.time_columns if among(at)]
    windows = [at for at in times if columns_of(node.schema).names[at] == WINDOW_COLUMNS[2]]
    return windows[-1] if windows else times[0] if times else None


def derive(node: N) -> N:
    """The node with its properties recomputed from its inputs (a Scan's are the catalog's and stay)."""
    kind = node.__class__
    if kind in _GIVEN:
        return node
    append_only, unique, times = _append_only(node), _UNIQUE[kind](node), _TIMES[kind](node)
    if append_only is node.append_only and unique == node.unique_keys and times == node.time_columns:
        return node  # as most makers' nodes: a copy costs more than to find out
    return replace(node, append_only=append_only, unique_keys=unique, time_columns=times)


_GIVEN = frozenset((nodes.Scan, nodes.Values, nodes.RecursiveRef, nodes.Port))
"""Nodes whose properties their makers know."""


def rebuild(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The node over other inputs, properties recomputed."""
    return node if all(map(is_, inputs, node.inputs)) else with_inputs(node, inputs)


def over_inputs(node: Node, rule: Callable[..., Node], *same: Any) -> Node:
    """The node over what a rule makes of its inputs; itself where that is what they were."""
    inputs = node.inputs
    if not inputs:
        return node
    made = tuple([rule(one, *same) for one in inputs])
    return node if all(map(is_, made, inputs)) else with_inputs(node, made)


def with_inputs(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The same, also over its own inputs."""
    return derive(_OVER[node.__class__](node, inputs))


_OVER: ByClass[Callable[[Any, tuple[Node, ...]], Node]] = ByClass(
    {
        Node: lambda node, inputs: node,
        nodes.Unary: lambda node, inputs: replace(node, input=inputs[0]),
        nodes.Recursion: lambda node, inputs: replace(node, base=inputs[0], step=inputs[1]),
    }
    | dict.fromkeys((nodes.Join, nodes.AsofJoin), lambda node, inputs: replace(node, left=inputs[0], right=inputs[1]))
    | dict.fromkeys(
        (nodes.UnionAll, nodes.Recompute, nodes.Iterate, nodes.WorkingTables, nodes.Rounds),
        lambda node, inputs: replace(node, branches=inputs),
    )
)
"""A node over other inputs, which each class has in fields of its own; the properties are as they were."""


def _append_only(node: Node) -> bool:
    return _APPEND_ONLY[node.__class__](node)


def _all_below(node: Node) -> bool:
    return all(one.append_only for one in node.inputs)


_BELOW: Callable[[Any], bool] = attrgetter("input.append_only")


def _of_groups(node: nodes.GroupAggregate) -> bool:
    # DISTINCT over rows that only come: a group appears once and never changes.
    return node.input.append_only and bool(node.keys) and (not node.aggregates or _at_once(node.input, node.keys))


def _of_windows(node: nodes.WindowAggregate) -> bool:
    if node.emit == "changes" and not node.aggregates:
        return node.input.append_only
    return node.emit == "close" and node.lateness_us == 0


def _of_top(top: nodes.TopN) -> bool:
    return top.input.append_only and (_at_once(top.input, top.partition) or _first_comes_first(top))


def _of_over(over: nodes.Over) -> bool:
    return over.input.append_only and (_at_once(over.input, over.partition) or _looks_back(over))


def _of_matches(node: MatchRecognize) -> bool:
    # Windows that close bring all rows of a partition in one tick.
    return node.closing or (node.input.append_only and _at_once(node.input, node.partition))


def _of_bounds(node: nodes.TemporalFilter) -> bool:
    return node.input.append_only and all(b.op in ("lt", "le") for b in node.bounds)


_APPEND_ONLY: ByClass[Callable[[Any], bool]] = ByClass(
    {
        Node: _all_below,
        nodes.Unary: _BELOW,
        nodes.GroupAggregate: _of_groups,
        nodes.TopN: _of_top,
        nodes.Over: _of_over,
        MatchRecognize: _of_matches,
        nodes.Recompute: lambda node: False,
        nodes.WorkingTables: lambda node: False,
        nodes.Rounds: lambda node: False,
        nodes.TemporalFilter: _of_bounds,
        nodes.WindowAggregate: _of_windows,
        nodes.WindowWinners: lambda node: node.emit == "close" and node.lateness_us == 0,
        nodes.SessionAggregate: lambda node: node.emit == "close" and node.lateness_us == 0,
        nodes.Join: lambda join: join.kind in ("inner", "semi") and _all_below(join),
        nodes.LookupJoin: lambda node: True,
        nodes.Versions: lambda node: True,
        nodes.Changelog: lambda node: True,
        nodes.AsofJoin: lambda join: join.settle,
        nodes.ReleaseInOrder: lambda node: True,
    }
)
"""Whether a node never takes a row back."""


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


def _of_set(node: nodes.Recursion | nodes.Iterate | nodes.WorkingTables) -> tuple[int, ...] | None:
    return None if node.all else tuple(range(len(node.schema)))


def _of_window(node: nodes.WindowAggregate | nodes.SessionAggregate) -> tuple[int, ...]:
    return tuple(range(len(node.keys) + (2 if node.window.kind == "cumulate" else 1)))


def _of_project(node: nodes.Project) -> tuple[int, ...] | None:
    for columns in _unique_sets(node.input):
        if (found := _through_project(columns, node.exprs)) is not None:
            return found
    return None


def _of_assigned(node: nodes.AssignWindow) -> tuple[int, ...] | None:
    below, start = node.input.unique_keys, len(node.input.schema)
    return None if below is None else (*below, start, start + 1)


def _of_unnested(node: nodes.Unnest) -> tuple[int, ...] | None:
    below = node.input.unique_keys
    return None if below is None or not node.ordinality else (*below, len(node.schema) - 1)


def _of_lookup(node: nodes.LookupJoin) -> tuple[int, ...] | None:
    right = node.right.unique_keys
    return node.left.unique_keys if right is not None and set(right) <= set(node.right_keys) else None


def _of_first(node: nodes.TopN) -> tuple[int, ...] | None:
    if node.limit == 1 and node.offset == 0 and node.function == "row_number":
        return tuple(sorted(set(node.partition)))
    return node.input.unique_keys


def _of_join(node: nodes.Join) -> tuple[int, ...] | None:
    """One side's keys when a row of it meets at most one of the other, else both sides'."""
    left, right, kind = node.left.unique_keys, node.right.unique_keys, node.kind
    if kind in ("semi", "anti"):
        return left
    if kind == "full":
        return None
    width = len(node.left.schema)
    moved = None if right is None else tuple([k + width for k in right])
    if left is not None and right is not None and set(right) <= set(node.right_keys) and kind != "right":
        return left
    if left is not None and moved is not None and set(left) <= set(node.left_keys) and kind != "left":
        return moved
    return None if left is None or moved is None or kind == "right" else (*left, *moved)


_BELOW_UNIQUE: Callable[[Any], tuple[int, ...] | None] = attrgetter("input.unique_keys")

_UNIQUE: ByClass[Callable[[Any], tuple[int, ...] | None]] = ByClass(
    {
        Node: lambda node: None,
        nodes.Recursion: _of_set,
        nodes.Iterate: _of_set,
        nodes.WorkingTables: _of_set,
        nodes.GroupAggregate: lambda node: tuple(range(len(node.keys))),
        nodes.WindowAggregate: _of_window,
        nodes.SessionAggregate: _of_window,
        nodes.Changelog: lambda node: (len(node.schema) - 1,),
        nodes.Project: _of_project,
        nodes.AssignWindow: _of_assigned,
        nodes.Unnest: _of_unnested,
        nodes.LookupJoin: _of_lookup,
        nodes.Join: _of_join,
        nodes.AsofJoin: lambda node: node.left.unique_keys,
        nodes.TopN: _of_first,
        nodes.Filter: _BELOW_UNIQUE,
        nodes.TemporalFilter: _BELOW_UNIQUE,
        nodes.Over: _BELOW_UNIQUE,
        nodes.EmitEvery: _BELOW_UNIQUE,
        nodes.ReleaseInOrder: _BELOW_UNIQUE,
        nodes.DropLate: _BELOW_UNIQUE,
        nodes.HoldWatermark: _BELOW_UNIQUE,
    }
)
"""The columns that identify a row of a node."""


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


def _through_project(columns: tuple[int, ...] | None, exprs: tuple[object, ...]) -> tuple[int, ...] | None:
    """Where each of `columns` went, or None when one of them was not passed on."""
    if columns is None:
        return None
    places = {e.index: at for at, e in reversed(list(enumerate(exprs))) if isinstance(e, InputRef)}
    if any(c not in places for c in columns):
        return None
    return tuple(places[c] for c in columns)


def match_times(node: MatchRecognize) -> list[tuple[int, int]]:
    """The columns of matches that are a time of one of their rows: (column, the input's column)."""
    found = [(at, c) for at, c in enumerate(node.carried) if node.all_rows or c in node.partition]
    for at, measure in enumerate(node.measures):
        slot = node.slots[measure.index] if isinstance(measure, InputRef) else None
        if slot is not None and slot.kind == "row" and slot.step == 0:
            found.append((len(node.carried) + at, slot.column))
    return [(at, c) for at, c in found if c in node.input.time_columns]


def _times_of_project(node: nodes.Project) -> tuple[int, ...]:
    times = node.input.time_columns
    if not times:
        return ()
    return tuple(at for at, e in enumerate(node.exprs) if isinstance(e, InputRef) and e.index in times)


def _times_of_windows(node: nodes.WindowAggregate | nodes.SessionAggregate) -> tuple[int, ...]:
    return (len(node.keys) + 1, len(node.keys) + 2) if node.emit == "close" else ()


def _times_of_assigned(node: nodes.AssignWindow) -> tuple[int, ...]:
    start, times = len(node.input.schema), node.input.time_columns
    return (*times, *((start + 1, start + 2) if node.time_column in times else ()))


def _times_of_join(node: nodes.Join) -> tuple[int, ...]:
    left, right = node.left.time_columns, node.right.time_columns
    if node.kind in ("semi", "anti") or not right:
        return left
    width = len(node.left.schema)
    return (*left, *[c + width for c in right])


def _times_of_union(node: nodes.UnionAll) -> tuple[int, ...]:
    first, *others = (branch.time_columns for branch in node.branches)
    return tuple(sorted(set(first).intersection(*others)))


_BELOW_TIMES: Callable[[Any], tuple[int, ...]] = attrgetter("input.time_columns")

_TIMES: ByClass[Callable[[Any], tuple[int, ...]]] = ByClass(
    {
        Node: lambda node: (),
        nodes.Project: _times_of_project,
        nodes.WindowAggregate: _times_of_windows,
        nodes.SessionAggregate: _times_of_windows,
        nodes.AssignWindow: _times_of_assigned,
        nodes.TopN: lambda node: node.input.time_columns if _append_only(node) else (),
        nodes.Over: lambda node: node.input.time_columns if _append_only(node) else (),
        MatchRecognize: lambda node: tuple(at for at, _ in match_times(node)) if _append_only(node) else (),
        nodes.Versions: lambda node: (node.time_column,),
        # What is taken back was there before: its time lies behind the watermark.
        nodes.Changelog: lambda node: node.input.time_columns if node.input.append_only else (),
        nodes.LookupJoin: lambda node: node.left.time_columns,
        nodes.AsofJoin: lambda node: node.left.time_columns,
        nodes.Join: _times_of_join,
        nodes.UnionAll: _times_of_union,
        nodes.Filter: _BELOW_TIMES,
        nodes.TemporalFilter: _BELOW_TIMES,
        nodes.DropLate: _BELOW_TIMES,
        nodes.Unnest: _BELOW_TIMES,
        nodes.ReleaseInOrder: _BELOW_TIMES,
        nodes.HoldWatermark: _BELOW_TIMES,
        nodes.EmitEvery: _BELOW_TIMES,
    }
)
"""The columns of a node that hold event time."""


def schema_of(names: list[str], types: list[pa.DataType]) -> pa.Schema:
    """A schema of nullable fields."""
    return schema_with(map(pa.field, names, types))
