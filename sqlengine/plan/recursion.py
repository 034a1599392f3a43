"""WITH RECURSIVE: binding its two halves, and cutting the half that recurs loose from what does not.

Where the step of UNION is monotone in the rows so far (it reads them, as often as it likes, through filters,
projections, unions, inner and semi joins), a least set of rows satisfies it, and where that of UNION ALL is linear (it
reads them once in each branch of a union, as SQL:1999 and PostgreSQL have it), rows can be counted: one copy of the
step follows both (Iterate).  Else what a step says depends on the round, and each round has a copy (WorkingTables); so
it is with WITH MUTUALLY RECURSIVE (Rounds).  There the step may be anything that operators can answer at once.
Anything else is Unplannable and left to recompute-and-diff.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import pyarrow as pa

from sqlengine import types
from sqlengine.errors import DatatypeMismatch, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.plan import build, nodes
from sqlengine.plan.nodes import Node
from sqlengine.plan.properties import derive, rebuild
from sqlengine.plan.scope import Relation, named
from sqlengine.plan.set_operations import known_types
from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast
from sqlengine.sql.mutual import ROUNDS_MARK
from storage.replacing import replace

WIDENINGS_MAX = 4
"""How often the rows' types may widen (int, bigint, numeric, double precision) before they must agree."""


class QueryBinder(Protocol):
    """The part of the binder this file needs."""

    def query(self, query: ast.Select | ast.SetOperation) -> Relation:
        """Bind a query."""
        ...


def mentions(node: object, name: str) -> bool:
    """Whether a query reads a table of that plain name anywhere, subqueries included."""
    return _times(node, name) > 0


def bind_recursion(
    cte: ast.Cte, binder: QueryBinder, inside: Callable[[Relation], QueryBinder], level: int
) -> Relation:
    """Bind a WITH item that reads itself: `binder` for its first half, `inside(rows so far)` for its second.

    SyntaxError (42P19) when it is not `first UNION [ALL] second` with the name in the second half only.
    """
    query = cte.query
    if not isinstance(query, ast.SetOperation) or query.op != "union" or mentions(query.left, cte.name):
        raise SyntaxError(
            f'recursive query "{cte.name}" does not have the form non-recursive-term UNION [ALL] recursive-term',
            sqlstate="42P19",
        )
    if query.order_by or query.limit is not None or query.offset is not None:
        raise Unplannable("ORDER BY or LIMIT in a recursive query")
    left, mark = _without_mark(query.left)
    limit, returns = _limits(mark)
    base = binder.query(replace(left, ctes=(*query.ctes, *left.ctes)))
    names = base.under(cte.name, cte.column_aliases).columns
    schema = pa.schema([pa.field(c.name, f.type) for c, f in zip(names, base.node.schema, strict=True)])
    right = replace(query.right, ctes=(*query.ctes, *query.right.ctes))
    for _ in range(WIDENINGS_MAX):
        rows = named(nodes.RecursiveRef(schema=schema, name=cte.name, level=level, append_only=False), cte.name)
        step = inside(rows).query(right)
        wider = _common(schema, known_types(step.node), cte.name)
        if wider == schema:
            break
        schema = wider
    first, second = (build.cast_to(side.node, schema) for side in (base, step))
    node = nodes.Recursion(
        schema=schema,
        base=first,
        step=second,
        all=query.all,
        name=cte.name,
        level=level,
        replaced=mark is not None,
        limit=limit,
        returns=returns,
        manifold=any(_times(branch, cte.name) > 1 for branch in _branches(right)),
    )
    return named(derive(node), cte.name)


def _branches(query: ast.Select | ast.SetOperation) -> list[ast.Select | ast.SetOperation]:
    if isinstance(query, ast.SetOperation) and query.op == "union":
        return [*_branches(query.left), *_branches(query.right)]
    return [query]


def _times(node: object, name: str) -> int:
    """How often a query reads a table of that plain name."""
    if isinstance(node, ast.TableRef):
        return int(node.parts == (name,))
    if isinstance(node, tuple):
        return sum(_times(item, name) for item in node)
    if dataclasses.is_dataclass(node):
        return sum(_times(getattr(node, f.name), name) for f in dataclasses.fields(node))
    return 0


def _without_mark(
    base: ast.Select | ast.SetOperation,
) -> tuple[ast.Select | ast.SetOperation, ast.Call | None]:
    """The first half, and the mark that it stands for the typed columns of WITH MUTUALLY RECURSIVE, when it does."""
    if isinstance(base, ast.Select) and isinstance(base.where, ast.Call) and base.where.name == ROUNDS_MARK:
        return replace(base, where=ast.Literal(False, "boolean")), base.where
    return base, None


def _limits(mark: ast.Call | None) -> tuple[int | None, bool]:
    """The limit that a mark carries, and whether the rows it ends with are the answer."""
    values = [arg.value for arg in mark.args if isinstance(arg, ast.Literal)] if mark is not None else []
    limit, returns = values or (None, 0)
    return (limit if isinstance(limit, int) else None), returns == 1


def _common(rows: pa.Schema, step: list[pa.DataType], name: str) -> pa.Schema:
    """The types that hold both halves' columns, under the first half's names."""
    if len(rows) != len(step):
        raise SyntaxError("each UNION query must have the same number of columns")
    fields = []
    for i, (a, b) in enumerate(zip(rows, step, strict=True)):
        common = types.common_type(a.type, b)
        if common is None:
            raise DatatypeMismatch(
                f'recursive query "{name}" column {i + 1} has type {types.to_sql(a.type)} in non-recursive term'
                f" but type {types.to_sql(b)} overall",
                hint="cast the output of the non-recursive term to the correct type",
            )
        fields.append(pa.field(a.name, common))
    return pa.schema(fields)


# ---------------------------------------------------------------- physical


def cut_recursion(node: Node) -> Node:
    """Every Recursion as an Iterate, WorkingTables or Rounds: what its step reads besides its own rows becomes inputs
    of the operator."""
    node = rebuild(node, tuple(cut_recursion(i) for i in node.inputs))
    if not isinstance(node, nodes.Recursion):
        return node
    outer: list[Node] = []
    if node.replaced:
        step = _cut(node.step, node, outer)
        return derive(
            nodes.Rounds(schema=node.schema, branches=tuple(outer), step=step, limit=node.limit, returns=node.returns)
        )
    followed = node.step if node.all else _with_copies(node.step, node)
    if _all_follow(followed, node):
        step = _cut(followed, node, outer)
        return derive(nodes.Iterate(schema=node.schema, branches=(node.base, *outer), step=step, all=node.all))
    step = _cut(node.step, node, outer)
    cumulative = node.manifold and not node.all
    branches = (node.base, *outer)
    return derive(
        nodes.WorkingTables(schema=node.schema, branches=branches, step=step, all=node.all, cumulative=cumulative)
    )


def _all_follow(node: Node, recursion: nodes.Recursion) -> bool:
    """Whether the whole step is linear or, of UNION, monotone."""
    if _is_own(node, recursion) or not _recurs(node, recursion):
        return True
    return _follows(node, recursion) and all(_all_follow(i, recursion) for i in node.inputs)


def _with_copies(node: Node, recursion: nodes.Recursion) -> Node:
    """The step without its own DISTINCTs, where all rows are made distinct at last: what is above them is linear and
    makes the same rows of copies, only more often."""
    if not _recurs(node, recursion):
        return node
    match node:
        case nodes.GroupAggregate(input=below, keys=keys, aggregates=()) if keys:
            rows = build.projected(below, [build.ref(below, k) for k in keys], node.schema.names)
            return _with_copies(rows, recursion)
        case _ if _follows(node, recursion):
            return rebuild(node, tuple(_with_copies(i, recursion) for i in node.inputs))
    return node


def _cut(node: Node, recursion: nodes.Recursion, outer: list[Node]) -> Node:
    """The step over Ports; `outer` collects the plans behind ports 1, 2, ..."""
    if _is_own(node, recursion):
        return nodes.Port(schema=node.schema, index=0, append_only=False)
    if not _recurs(node, recursion):
        if node not in outer:
            outer.append(node)
        return nodes.Port(
            schema=node.schema,
            index=1 + outer.index(node),
            append_only=node.append_only,
            unique_keys=node.unique_keys,
        )
    if not _answers_at_once(node):
        raise Unplannable(f"a recursive query with {type(node).__name__} over its own rows")
    return rebuild(node, tuple(_cut(i, recursion, outer) for i in node.inputs))


def _is_own(node: Node, recursion: nodes.Recursion) -> bool:
    return isinstance(node, nodes.RecursiveRef) and (node.name, node.level) == (recursion.name, recursion.level)


def _recurs(node: Node, recursion: nodes.Recursion) -> bool:
    return _is_own(node, recursion) or any(_recurs(i, recursion) for i in node.inputs)


def _answers_at_once(node: Node) -> bool:
    """Whether a node's operator tells the change of its rows without waiting for a tick's end."""
    if isinstance(node, nodes.LookupJoin):
        return False
    changing = (nodes.Join, nodes.GroupAggregate, nodes.TopN, nodes.Over)
    passing = (nodes.Filter, nodes.Project, nodes.UnionAll, nodes.Unnest, nodes.Repeat, nodes.AssignWindow)
    return isinstance(node, (*changing, *passing))


def _follows(node: Node, recursion: nodes.Recursion) -> bool:
    """Whether a node's output is linear in the recursive input it has or, of UNION, grows with its recursive inputs."""
    match node:
        case nodes.LookupJoin():
            return False
        case nodes.Join(left=left, right=right, kind=kind):
            if not _recurs(right, recursion):
                return kind in ("inner", "left", "semi", "anti")
            if not recursion.all:
                return kind in ("inner", "semi")
            return kind == "inner" and not _recurs(left, recursion)
        case nodes.Filter() | nodes.Project() | nodes.UnionAll() | nodes.AssignWindow() | nodes.Unnest():
            return True
    return False
