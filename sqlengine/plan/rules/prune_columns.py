"""Columns nobody reads are not read: from the root down each node is asked only for what is used above it.

`_prune(node, wanted)` returns the node with at least the wanted columns, and where each old column now is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa

from sqlengine.expr.tree import Expr, InputRef, input_columns, remap
from sqlengine.plan import build, nodes
from sqlengine.plan.columns import columns_of, schema_with
from sqlengine.plan.nodes import AggregateCall, Node
from sqlengine.plan.properties import derive, rebuild
from storage.replacing import replace

Mapping = dict[int, int]
Pruned = tuple[Node, Mapping]


def prune_columns(node: Node) -> Node:
    """The plan reading only what its root needs; the root's schema stays."""
    everything = range(len(node.schema))
    pruned, mapping = _prune(node, set(everything))
    refs = [build.ref(pruned, mapping[i]) for i in everything]
    return build.projected(pruned, refs, node.schema.names)


def _prune(node: Node, wanted: set[int]) -> Pruned:
    for cls, prune in _PRUNERS.items():
        if isinstance(node, cls):
            return prune(node, wanted)
    return _keep_all(node, wanted)


def _identity(node: Node) -> Mapping:
    return {i: i for i in range(len(node.schema))}


def _keep_all(node: Node, wanted: set[int]) -> Pruned:
    """Nodes whose every column matters: inputs are pruned on their own and put back in order."""
    inputs = tuple(prune_columns(i) for i in node.inputs)
    return rebuild(node, inputs), _identity(node)


def _scan(node: nodes.Scan, wanted: set[int]) -> Pruned:
    kept = list(range(len(node.schema))) if node.whole else sorted(wanted) or [_cheapest(node.schema)]
    mapping = {old: new for new, old in enumerate(kept)}
    keys = node.unique_keys
    return replace(
        node,
        schema=_only(node, kept),
        columns=tuple(node.columns[i] for i in kept),
        unique_keys=tuple(mapping[k] for k in keys) if keys and all(k in mapping for k in keys) else None,
        time_columns=tuple(mapping[t] for t in node.time_columns if t in mapping),
        slacks_us=tuple(node.slacks_us[i] for i in kept) if node.slacks_us else (),
    ), mapping


def _only(node: Node, kept: Iterable[int]) -> pa.Schema:
    """The schema of some of a node's columns."""
    fields = columns_of(node.schema).fields
    return schema_with(fields[i] for i in kept)


def _with_own(below: Node, node: Node, added: Iterable[int]) -> pa.Schema:
    """The schema of an input and of the columns that the node adds to it."""
    fields = columns_of(node.schema).fields
    return schema_with((*columns_of(below.schema).fields, *(fields[i] for i in added)))


def _cheapest(schema: pa.Schema) -> int:
    """A fixed-width column when there is one: it only carries the row count."""
    fixed = [i for i, f in enumerate(schema) if pa.types.is_primitive(f.type)]
    return fixed[0] if fixed else 0


def _filter(node: nodes.Filter, wanted: set[int]) -> Pruned:
    below, mapping = _prune(node.input, wanted | input_columns(node.predicate))
    return build.filtered(below, remap(node.predicate, mapping)), mapping


def _temporal(node: nodes.TemporalFilter, wanted: set[int]) -> Pruned:
    below, mapping = _prune(node.input, wanted.union(*(input_columns(b.row) for b in node.bounds)))
    bounds = tuple(replace(b, row=remap(b.row, mapping)) for b in node.bounds)
    return derive(replace(node, schema=below.schema, input=below, bounds=bounds)), mapping


def _versions(node: nodes.Versions, wanted: set[int]) -> Pruned:
    flag = len(node.input.schema)
    below, mapping = _prune(node.input, (wanted - {flag}) | {*node.keys, node.time_column})
    new = replace(
        node,
        schema=_with_own(below, node, (flag,)),
        input=below,
        keys=tuple(mapping[k] for k in node.keys),
        time_column=mapping[node.time_column],
    )
    return derive(new), {**mapping, flag: len(below.schema)}


def _project(node: nodes.Project, wanted: set[int]) -> Pruned:
    kept = sorted(wanted) or [0]
    below, mapping = _prune(node.input, _read_by([node.exprs[i] for i in kept]))
    exprs = [remap(node.exprs[i], mapping) for i in kept]
    pruned = build.projected(below, exprs, build.names_of(node, kept))
    return pruned, {old: new for new, old in enumerate(kept)}


def _read_by(exprs: Iterable[Expr]) -> set[int]:
    """The columns that any of the expressions reads; most are a column each."""
    found: set[int] = set()
    for expr in exprs:
        if isinstance(expr, InputRef):
            found.add(expr.index)
        else:
            found |= input_columns(expr)
    return found


def _assign(node: nodes.AssignWindow, wanted: set[int]) -> Pruned:
    base = len(node.input.schema)
    below, mapping = _prune(node.input, {c for c in wanted if c < base} | {node.time_column, *node.partition})
    new = build.windowed(below, mapping[node.time_column], node.window, tuple(mapping[p] for p in node.partition))
    return new, {**mapping, **{base + i: len(below.schema) + i for i in range(3)}}


def _unnest(node: nodes.Unnest, wanted: set[int]) -> Pruned:
    base = len(node.input.schema)
    below, mapping = _exactly(node.input, {c for c in wanted if c < base} | _read_by(node.lists))
    added = range(base, len(node.schema))
    schema = _with_own(below, node, added)
    lists = tuple(remap(e, mapping) for e in node.lists)
    new = derive(replace(node, schema=schema, input=below, lists=lists))
    return new, {**mapping, **{old: len(below.schema) + i for i, old in enumerate(added)}}


def _exactly(node: Node, wanted: Iterable[int]) -> Pruned:
    """The input cut down to just these columns, by a projection if need be."""
    kept = sorted(set(wanted))
    below, mapping = _prune(node, set(kept))
    if not kept:
        return below, mapping
    places, names = [mapping[c] for c in kept], build.names_of(node, kept)
    if places != list(range(len(below.schema))) or names != build.names_of(below, places):
        below = build.projected(below, [build.ref(below, at) for at in places], names)
    return below, {old: new for new, old in enumerate(kept)}


def _calls(calls: Iterable[AggregateCall], mapping: Mapping) -> tuple[AggregateCall, ...]:
    return tuple(
        replace(
            c,
            args=tuple(mapping[a] for a in c.args),
            filter=None if c.filter is None else mapping[c.filter],
            order_by=tuple((mapping[o], d, f) for o, d, f in c.order_by),
        )
        for c in calls
    )


def _reads(calls: Iterable[AggregateCall]) -> set[int]:
    found: set[int] = set()
    for c in calls:
        found |= {*c.args, *(o[0] for o in c.order_by)}
        if c.filter is not None:
            found.add(c.filter)
    return found


Aggregate = nodes.GroupAggregate | nodes.WindowAggregate | nodes.SessionAggregate


def _aggregate(node: Aggregate, wanted: set[int]) -> Pruned:
    windowed = not isinstance(node, nodes.GroupAggregate)
    first = len(node.keys) + (3 if windowed else 0)
    best = node.best if isinstance(node, nodes.WindowWinners) else -1
    kept = [i for i in range(len(node.aggregates)) if first + i in wanted or i == best]
    if not kept and not first and node.aggregates:
        kept = [0]  # the one row of a grouping without keys needs a column
    calls = [node.aggregates[i] for i in kept]
    time = {node.time_column} if not isinstance(node, nodes.GroupAggregate) else set()
    below, mapping = _exactly(node.input, {*node.keys, *time, *_reads(calls)})
    places = [*range(first), *(first + i for i in kept)]
    changes = {
        "schema": _only(node, places),
        "input": below,
        "keys": tuple(mapping[k] for k in node.keys),
        "aggregates": _calls(calls, mapping),
    }
    if not isinstance(node, nodes.GroupAggregate):
        changes["time_column"] = mapping[node.time_column]
    if isinstance(node, nodes.WindowWinners):
        changes["best"] = kept.index(best)
    return derive(replace(node, **changes)), {old: new for new, old in enumerate(places)}


def _join(node: nodes.Join, wanted: set[int]) -> Pruned:
    width = len(node.left.schema)
    wanted = wanted | (input_columns(node.residual) if node.residual is not None else set())
    bounds = [{b[0]} if b else set() for b in (node.left_bound, node.right_bound)]
    left, on_left = _exactly(node.left, {c for c in wanted if c < width} | set(node.left_keys) | bounds[0])
    right, on_right = _exactly(node.right, {c - width for c in wanted if c >= width} | set(node.right_keys) | bounds[1])
    mapping = {**on_left, **{c + width: new + len(left.schema) for c, new in on_right.items()}}
    new = replace(
        node,
        schema=left.schema if node.kind in ("semi", "anti") else build.side_by_side(left, right),
        left=left,
        right=right,
        left_keys=tuple(on_left[k] for k in node.left_keys),
        right_keys=tuple(on_right[k] for k in node.right_keys),
        residual=None if node.residual is None else remap(node.residual, mapping),
        left_bound=(on_left[node.left_bound[0]], node.left_bound[1]) if node.left_bound else None,
        right_bound=(on_right[node.right_bound[0]], node.right_bound[1]) if node.right_bound else None,
    )
    return derive(new), mapping


def _asof(node: nodes.AsofJoin, wanted: set[int]) -> Pruned:
    width = len(node.left.schema)
    left, on_left = _exactly(node.left, {c for c in wanted if c < width} | {node.left_time, *node.left_keys})
    right, on_right = _exactly(
        node.right, {c - width for c in wanted if c >= width} | {node.right_time, *node.right_keys}
    )
    new = derive(
        replace(
            node,
            schema=build.side_by_side(left, right),
            left=left,
            right=right,
            left_keys=tuple(on_left[k] for k in node.left_keys),
            right_keys=tuple(on_right[k] for k in node.right_keys),
            left_time=on_left[node.left_time],
            right_time=on_right[node.right_time],
        )
    )
    return new, {**on_left, **{c + width: at + len(left.schema) for c, at in on_right.items()}}


def _union(node: nodes.UnionAll, wanted: set[int]) -> Pruned:
    kept = sorted(wanted) or [0]
    branches = [_exactly(b, kept)[0] for b in node.branches]
    return build.union_all(branches), {old: new for new, old in enumerate(kept)}


def _over(node: nodes.Over, wanted: set[int]) -> Pruned:
    width = len(node.input.schema)
    kept = [i for i in range(len(node.calls)) if width + i in wanted]
    if not kept:
        return _prune(node.input, wanted)
    calls = [node.calls[i] for i in kept]
    own = {*node.partition, *(c for c, _, _ in node.order), *(c for call in calls for c in call.reads)}
    below, mapping = _prune(node.input, {c for c in wanted if c < width} | own)
    new = replace(
        node,
        schema=_with_own(below, node, [width + i for i in kept]),
        input=below,
        partition=tuple(mapping[p] for p in node.partition),
        order=tuple((mapping[c], d, f) for c, d, f in node.order),
        calls=tuple(
            replace(
                c,
                args=tuple(mapping[a] for a in c.args),
                filter=None if c.filter is None else mapping[c.filter],
                reads=tuple(mapping[r] for r in c.reads),
            )
            for c in calls
        ),
    )
    return derive(new), {**mapping, **{width + i: len(below.schema) + at for at, i in enumerate(kept)}}


def _in_order(node: nodes.ReleaseInOrder, wanted: set[int]) -> Pruned:
    below, mapping = _prune(node.input, wanted | {node.time_column})
    new = derive(replace(node, schema=below.schema, input=below, time_column=mapping[node.time_column]))
    return new, mapping


def _every(node: nodes.EmitEvery, wanted: set[int]) -> Pruned:
    below, mapping = _prune(node.input, wanted)
    return derive(replace(node, schema=below.schema, input=below)), mapping


_PRUNERS: dict[type, Callable[..., Pruned]] = {
    nodes.Scan: _scan,
    nodes.Filter: _filter,
    nodes.Project: _project,
    nodes.AssignWindow: _assign,
    nodes.Unnest: _unnest,
    nodes.GroupAggregate: _aggregate,
    nodes.WindowAggregate: _aggregate,
    nodes.WindowWinners: _aggregate,
    nodes.SessionAggregate: _aggregate,
    nodes.Join: _join,
    nodes.LookupJoin: _join,
    nodes.TemporalFilter: _temporal,
    nodes.Versions: _versions,
    nodes.AsofJoin: _asof,
    nodes.UnionAll: _union,
    nodes.Over: _over,
    nodes.ReleaseInOrder: _in_order,
    nodes.EmitEvery: _every,
}
