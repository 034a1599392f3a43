"""Rows with the session they are in: joined with the sessions of their key, which move as rows come and go."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.expr.tree import Call
from sqlengine.plan import build, nodes
from sqlengine.plan.nodes import AggregateCall, Node
from sqlengine.plan.properties import derive, rebuild
from storage.replacing import replace


def session_rows(node: Node) -> Node:
    """Every session window that was not grouped by as a join."""
    node = rebuild(node, tuple(session_rows(i) for i in node.inputs))
    if not isinstance(node, nodes.AssignWindow) or node.window.kind != "session":
        return node
    below, time, keys = node.input, node.time_column, node.partition
    stamp = below.schema.field(time).type
    fields = [below.schema.field(k) for k in keys]
    fields += [pa.field(name, stamp) for name in nodes.WINDOW_COLUMNS]
    sessions = derive(
        nodes.SessionAggregate(
            schema=pa.schema([*fields, pa.field("$rows", pa.int64())]),
            input=below,
            time_column=time,
            window=node.window,
            keys=keys,
            aggregates=(AggregateCall("count", (), pa.int64()),),
        )
    )
    width, first = len(below.schema), len(below.schema) + len(keys)
    at, start, end = (build.joined_ref(below, sessions, c) for c in (time, first, first + 1))
    inside = Call(pa.bool_(), "and", (Call(pa.bool_(), "ge", (at, start)), Call(pa.bool_(), "lt", (at, end))))
    join = build.joined(below, sessions, "inner", keys, range(len(keys)), inside)
    assert isinstance(join, nodes.Join)
    join = derive(replace(join, null_safe=bool(keys)))
    kept = [*range(width), *range(first, first + 3)]
    return build.projected(join, [build.ref(join, c) for c in kept], node.schema.names)
