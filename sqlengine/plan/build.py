"""Makers of plan nodes: each computes the output schema and the properties, so that binding and rules need not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sqlengine.expr.simplify import conjunction
from sqlengine.expr.tree import Call, Const, Expr, InputRef, children
from sqlengine.plan import comparable, nodes
from sqlengine.plan.columns import columns_of, schema_with
from sqlengine.plan.exprs import map_refs, substitute
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, schema_of
from sqlengine.plan.unify import coerce
from storage.replacing import replace


def ref(node: Node, index: int) -> InputRef:
    """A reference to a column of the node's output."""
    return columns_of(node.schema).ref(index)


def joined_ref(left: Node, right: Node, index: int) -> InputRef:
    """A reference to a column of two nodes side by side."""
    width = len(left.schema)
    field = columns_of(left.schema).fields[index] if index < width else columns_of(right.schema).fields[index - width]
    return InputRef(type=field.type, index=index, name=field.name)


def refs(node: Node) -> list[Expr]:
    """References to all columns."""
    return list(columns_of(node.schema).refs)


def names_of(node: Node, places: Iterable[int]) -> list[str]:
    """The names of those columns."""
    known = columns_of(node.schema).names
    return [known[at] for at in places]


def chosen(node: Node, places: Sequence[int]) -> Node:
    """Those columns of the node, under their names."""
    return projected(node, [ref(node, at) for at in places], names_of(node, places))


def side_by_side(left: Node, right: Node) -> pa.Schema:
    """The left's columns, then the right's."""
    return schema_with((*columns_of(left.schema).fields, *columns_of(right.schema).fields))


def filtered(node: Node, predicate: Expr) -> Node:
    """`node` where `predicate`."""
    return derive(nodes.Filter(schema=node.schema, input=node, predicate=predicate))


def restricted(node: Node, parts: Sequence[Expr]) -> Node:
    """`node` where all of `parts` hold."""
    predicate = conjunction(list(parts))
    return node if predicate is None else filtered(node, predicate)


def projected(node: Node, exprs: Sequence[Expr], names: Sequence[str]) -> Node:
    """One column per expression; consecutive projections collapse, and one that changes nothing disappears."""
    if isinstance(node, nodes.Project) and _cheap_to_inline(node.exprs, exprs):
        types = [e.type for e in exprs]
        exprs = [substitute(e, node.exprs) for e in exprs]
        node = node.input
    else:
        types = None
    if _in_place(node, exprs) and columns_of(node.schema).names == tuple(names):
        return node
    schema = schema_of(list(names), types or [e.type for e in exprs])
    return derive(nodes.Project(schema=schema, input=node, exprs=tuple(exprs)))


def _in_place(node: Node, exprs: Sequence[Expr]) -> bool:
    """Whether they are the node's columns, all of them in their places."""
    if len(exprs) != len(node.schema):
        return False
    return all(isinstance(e, InputRef) and e.index == i for i, e in enumerate(exprs))


def without_copies(node: Node, visible: int) -> tuple[Node, list[int]]:
    """The node without the columns from `visible` on that only repeat one before them; where each column is now."""
    if not isinstance(node, nodes.Project):
        return node, list(range(len(node.schema)))
    kept: list[int] = []
    places: list[int] = []
    for at, expr in enumerate(node.exprs):
        same = [i for i in kept if isinstance(expr, InputRef) and node.exprs[i] == expr] if at >= visible else []
        places.append(kept.index(same[0]) if same else len(kept))
        if not same:
            kept.append(at)
    return projected(node.input, [node.exprs[i] for i in kept], names_of(node, kept)), places


def _cheap_to_inline(below: Sequence[Expr], above: Sequence[Expr]) -> bool:
    """Composing must not evaluate a computed column twice, nor lose a name nobody else carries."""
    uses: dict[int, int] = {}
    stack: list[Expr] = list(above)
    while stack:
        expr = stack.pop()
        if isinstance(expr, InputRef):
            uses[expr.index] = uses.get(expr.index, 0) + 1
        stack.extend(children(expr))
    return all(isinstance(below[i], InputRef) or n == 1 for i, n in uses.items())


def windowed(node: Node, time_column: int, window: nodes.Window, partition: tuple[int, ...] = ()) -> Node:
    """Window columns appended."""
    stamp = node.schema.field(time_column).type
    fields = [*node.schema, *(pa.field(name, stamp) for name in nodes.WINDOW_COLUMNS)]
    return derive(
        nodes.AssignWindow(
            schema=pa.schema(fields), input=node, time_column=time_column, window=window, partition=partition
        )
    )


def held(node: Node, hold_us: int) -> Node:
    """The node with its watermark so far back."""
    return derive(nodes.HoldWatermark(schema=node.schema, input=node, hold_us=hold_us))


def changelog(node: Node) -> Node:
    """The node's changes as rows, with what happened and a number."""
    kinds = (pa.int16(), pa.int64())
    fields = [pa.field(name, kind) for name, kind in zip(nodes.CHANGELOG_COLUMNS, kinds, strict=True)]
    return derive(nodes.Changelog(schema=pa.schema([*node.schema, *fields]), input=node))


def grouped(node: Node, keys: Sequence[int], calls: Sequence[nodes.AggregateCall]) -> Node:
    """GROUP BY; output = keys then aggregates, named $g0.. and $a0.."""
    if comparable.any_of(node.schema.types, keys):
        node, keys = _with_more(node, [comparable.normal(ref(node, k)) for k in keys])
    known = columns_of(node.schema).fields
    fields = [pa.field(f"$g{i}", known[k].type) for i, k in enumerate(keys)]
    fields += [pa.field(f"$a{i}", c.type) for i, c in enumerate(calls)]
    return derive(
        nodes.GroupAggregate(schema=schema_with(fields), input=node, keys=tuple(keys), aggregates=tuple(calls))
    )


def joined(
    left: Node,
    right: Node,
    kind: str,
    left_keys: Sequence[int],
    right_keys: Sequence[int],
    residual: Expr | None,
    null_safe: bool = False,
) -> Node:
    """Equi-join; output = left columns then right columns, of a semi or anti join the left's only; `null_safe`: NULLs
    among the keys are equal."""
    if comparable.any_of(left.schema.types, left_keys) or comparable.any_of(right.schema.types, right_keys):
        return _joined_by_keys(left, right, kind, left_keys, right_keys, residual, null_safe)
    schema = left.schema if kind in ("semi", "anti") else side_by_side(left, right)
    return derive(
        nodes.Join(
            schema=schema,
            left=left,
            right=right,
            kind=kind,
            left_keys=tuple(left_keys),
            right_keys=tuple(right_keys),
            residual=residual,
            null_safe=null_safe,
        )
    )


def _joined_by_keys(
    left: Node,
    right: Node,
    kind: str,
    left_keys: Sequence[int],
    right_keys: Sequence[int],
    residual: Expr | None,
    null_safe: bool,
) -> Node:
    """The join by what the values of its keys are equal by, without those columns."""
    widths = len(left.schema), len(right.schema)
    left, left_keys = _with_more(left, [comparable.key(ref(left, k)) for k in left_keys])
    right, right_keys = _with_more(right, [comparable.key(ref(right, k)) for k in right_keys])
    more = len(left.schema) - widths[0]
    if residual is not None and more:
        residual = map_refs(
            residual, lambda r: r if r.index < widths[0] else InputRef(type=r.type, index=r.index + more, name=r.name)
        )
    made = joined(left, right, kind, left_keys, right_keys, residual, null_safe)
    places = list(range(widths[0]))
    if kind not in ("semi", "anti"):
        places += range(len(left.schema), len(left.schema) + widths[1])
    return chosen(made, places)


def _with_more(node: Node, exprs: Sequence[Expr]) -> tuple[Node, list[int]]:
    """The node with those expressions among its columns, and where they are."""
    columns = refs(node)
    places = []
    for expr in exprs:
        if isinstance(expr, InputRef):
            places.append(expr.index)
            continue
        places.append(len(columns))
        columns.append(expr)
    more = [f"$k{i}" for i in range(len(node.schema), len(columns))]
    return projected(node, columns, [*node.schema.names, *more]), places


def or_zero(expr: Expr) -> Expr:
    """A bigint with 0 for NULL."""
    return Call(type=expr.type, function="coalesce", args=(expr, Const(expr.type, 0)))


def cast_to(node: Node, schema: pa.Schema, dialect: str = "") -> Node:
    """The node's columns under `schema`'s names and types, cast by the dialect's rules where types differ."""
    exprs = [coerce(ref(node, i), field.type, dialect) for i, field in enumerate(schema)]
    return projected(node, exprs, schema.names)


def union_all(branches: Sequence[Node]) -> Node:
    """All rows of all branches, which have equal schemas."""
    return derive(nodes.UnionAll(schema=branches[0].schema, branches=tuple(branches)))


def renamed(node: Node, names: Sequence[str]) -> Node:
    """Other column names."""
    return projected(node, refs(node), names)


def top_n(
    node: Node,
    partition: Sequence[int],
    order: Sequence[tuple[int, bool, bool]],
    limit: int,
    offset: int = 0,
    function: str = "row_number",
    rank_name: str | None = None,
) -> Node:
    """The first `limit` rows of each partition."""
    if comparable.any_of(node.schema.types, [*partition, *(at for at, _, _ in order)]):
        width = len(node.schema)
        node, partition = _with_more(node, [comparable.key(ref(node, k)) for k in partition])
        node, places = _with_more(node, [comparable.ordered(ref(node, at)) for at, _, _ in order])
        order = [(at, descending, first) for at, (_, descending, first) in zip(places, order, strict=True)]
        made = top_n(node, partition, order, limit, offset, function, rank_name)
        return chosen(made, [*range(width), *range(len(node.schema), len(made.schema))])
    schema = node.schema
    if rank_name is not None:
        schema = schema_with((*columns_of(schema).fields, pa.field(rank_name, pa.int64())))
    return derive(
        nodes.TopN(
            schema=schema,
            input=node,
            partition=tuple(partition),
            order=tuple(order),
            limit=limit,
            offset=offset,
            function=function,
            rank_column=rank_name is not None,
        )
    )


def with_schema_names(node: Node, names: Sequence[str]) -> Node:
    """Rename in place, without a projection: only for a root whose names nobody refers to."""
    fields = [f.with_name(n) for f, n in zip(node.schema, names, strict=True)]
    return replace(node, schema=pa.schema(fields))
