"""Times that a query does not select: rows can wait for the watermark by them all the same."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.plan import build, nodes
from sqlengine.plan.nodes import Node


def with_times(node: Node) -> Node:
    """The plan with the timestamps that its topmost projections drop, behind its own columns; itself without any."""
    match node:
        case nodes.Project(input=below, exprs=exprs):
            wide = with_times(below)
            shown = build.refs(wide)
            times = [r for r in shown if pa.types.is_timestamp(r.type) and r not in exprs]
            names = [*node.schema.names, *(f"$time{i}" for i in range(len(times)))]
            return build.projected(wide, [*exprs, *times], names) if times else node
        case nodes.Filter(input=below, predicate=predicate):
            return build.filtered(with_times(below), predicate)
        case nodes.UnionAll(branches=branches):
            wide_branches = [with_times(b) for b in branches]
            added = {tuple(list(w.schema.types)[len(node.schema) :]) for w in wide_branches}
            return build.union_all(wide_branches) if len(added) == 1 else node
    return node


def without_times(node: Node, schema: pa.Schema) -> Node:
    """The plan's first columns, which are those of `schema`."""
    return build.projected(node, build.refs(node)[: len(schema)], schema.names)
