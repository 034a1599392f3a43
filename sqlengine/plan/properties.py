"""What is known of a node's output, derived bottom-up: append-only, unique keys, event-time columns.

`derive(node)` is the only place that knows these rules; every maker and every rule passes its node through it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pyarrow as pa

from sqlengine.expr.tree import InputRef
from sqlengine.plan import nodes
from sqlengine.plan.nodes import WINDOW_COLUMNS, Node

N = TypeVar("N", bound=Node)


def own_time(node: Node) -> int | None:
    """The column that is the rows' own time where a query does not name one: the time of their window, else the first
    event-time column; None when there is none."""
    times = node.time_columns
    windows = [at for at in times if node.schema.field(at).name == WINDOW_COLUMNS[2]]
    return windows[-1] if windows else times[0] if times else None


def derive(node: N) -> N:
    """The node with its properties recomputed from its inputs (a Scan's are the catalog's and stay)."""
    if isinstance(node, (nodes.Scan, nodes.Values, nodes.RecursiveRef, nodes.Port)):
        return node
    return replace(node, append_only=_append_only(node), unique_keys=_unique(node), time_columns=_times(node))


def rebuild(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The node over other inputs, properties recomputed."""
    if inputs == node.inputs:
        return node
    match node:
        case nodes.Join() | nodes.AsofJoin():
            return derive(replace(node, left=inputs[0], right=inputs[1]))
        case nodes.Recursion():
            return derive(replace(node, base=inputs[0], step=inputs[1]))
        case nodes.UnionAll() | nodes.Recompute() | nodes.Iterate():
            return derive(replace(node, branches=inputs))
        case nodes.Unary():
            return derive(replace(node, input=inputs[0]))
    return node


def _append_only(node: Node) -> bool:
    below = all(i.append_only for i in node.inputs)
    match node:
        case nodes.GroupAggregate(aggregates=calls, keys=keys):
            # DISTINCT over rows that only come: a group appears once and never changes.
            return below and not calls and bool(keys)
        case nodes.TopN() | nodes.Over() | nodes.Recompute():
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


def _unique(node: Node) -> tuple[int, ...] | None:
    match node:
        case nodes.Recursion(all=False) | nodes.Iterate(all=False):
            return tuple(range(len(node.schema)))
        case nodes.GroupAggregate(keys=keys):
            return tuple(range(len(keys)))
        case nodes.WindowAggregate(keys=keys) | nodes.SessionAggregate(keys=keys):
            return tuple(range(len(keys) + 2))
        case nodes.Changelog():
            return (len(node.schema) - 1,)
        case nodes.Project(input=below, exprs=exprs):
            return _through_project(below.unique_keys, exprs)
        case nodes.AssignWindow(input=below):
            if below.unique_keys is None:
                return None
            start = len(below.schema)
            return (*below.unique_keys, start, start + 1)
        case nodes.LookupJoin(left=left, right=right, right_keys=keys):
            once = right.unique_keys is not None and set(right.unique_keys) <= set(keys)
            return left.unique_keys if once else None
        case nodes.Join(left=left, kind="semi" | "anti"):
            return left.unique_keys
        case nodes.Join(left=left, right=right, kind="inner" | "left"):
            if left.unique_keys is None or right.unique_keys is None:
                return None
            return (*left.unique_keys, *(k + len(left.schema) for k in right.unique_keys))
        case nodes.AsofJoin(left=left):
            return left.unique_keys
        case nodes.Filter() | nodes.TemporalFilter() | nodes.TopN() | nodes.Over() | nodes.EmitEvery():
            return node.inputs[0].unique_keys
        case nodes.ReleaseInOrder() | nodes.DropLate():
            return node.inputs[0].unique_keys
    return None


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
        case nodes.TemporalFilter(input=below, bounds=bounds):
            # A row that waits for its time comes behind the watermark.
            return below.time_columns if all(b.op in ("gt", "ge") for b in bounds) else ()
        case nodes.Filter() | nodes.DropLate() | nodes.ReleaseInOrder() | nodes.EmitEvery():
            return node.inputs[0].time_columns
        case nodes.LookupJoin(left=left):
            return left.time_columns
        case nodes.Versions(time_column=time):
            return (time,)
        case nodes.Changelog(input=below):
            # What is taken back was there before: its time lies behind the watermark.
            return below.time_columns if below.append_only else ()
        case nodes.Join(left=left, kind="anti"):
            return left.time_columns
        case nodes.Join(kind="semi"):
            return ()  # a left row may wait long for its first match
        case nodes.Join(left=left, right=right):
            return (*left.time_columns, *(c + len(left.schema) for c in right.time_columns))
        case nodes.AsofJoin(left=left):
            return left.time_columns
        case nodes.UnionAll(branches=branches):
            shared = set(branches[0].time_columns).intersection(*(b.time_columns for b in branches))
            return tuple(sorted(shared))
    return ()


def schema_of(names: list[str], types: list[pa.DataType]) -> pa.Schema:
    """A schema of nullable fields."""
    return pa.schema([pa.field(n, t) for n, t in zip(names, types, strict=True)])
