"""Queries that depend on the rows of the query around them: LATERAL, and subqueries correlated in any place.

A dependent query is bound once for all distinct combinations of the outer columns it mentions (its domain): the domain
stands before its FROM, its rows carry the domain's columns behind their own, and whatever in it works on a whole table,
a grouping, DISTINCT, a window, a LIMIT, works on each combination by itself.  The outer rows then find their
combination's rows by a join that takes NULL for a value.  This is unnesting of arbitrary queries with a domain (Neumann
and Kemper, "Unnesting Arbitrary Queries", BTW 2015).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from sqlengine.errors import Error
from sqlengine.expr.bind import bind as bind_scalar
from sqlengine.expr.tree import Expr
from sqlengine.plan import build
from sqlengine.plan.aggregate import has_aggregates
from sqlengine.plan.lateral_rows import rows_beside
from sqlengine.plan.nodes import Node
from sqlengine.plan.rewrite import conjoin, transform
from sqlengine.plan.scope import HIDDEN, Relation, Visible
from sqlengine.plan.unify import coerce, met
from sqlengine.plan.unplannable import Unplannable
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from storage.replacing import replace


class DependentBinder(Protocol):
    """The part of the binder this file needs."""

    def query(self, query: ast.Select | ast.SetOperation) -> Relation:
        """Bind a query."""
        ...

    def condition(self, expr: ast.Expr, relation: Relation, clause: str) -> Expr:
        """Bind a boolean."""
        ...

    def item(self, expr: ast.Expr, relation: Relation) -> Expr:
        """Bind an item of a select list."""
        ...

    def kept(self, relation: Relation, condition: ast.Expr, clause: str) -> Relation:
        """The rows for which a condition holds."""
        ...

    def within(self, domain: Domain | None) -> DependentBinder:
        """The binder for a query that depends on a domain, or on nothing."""
        ...

    @property
    def depth(self) -> int:
        """How many dependent queries are around."""
        ...


@dataclass(frozen=True)
class Domain:
    """`relation`: the distinct combinations of outer columns, visible under their own names behind everything nearer,
    and under their `handles`."""

    relation: Relation
    handles: tuple[str, ...]

    @property
    def columns(self) -> tuple[ast.Expr, ...]:
        """The handles as expressions."""
        return tuple(ast.Column((h,)) for h in self.handles)

    def spread(self, s: ast.Select) -> ast.Select:
        """The block working on each combination by itself, which its rows carry as their last columns."""
        own = self.columns
        items = (*s.items, *(ast.SelectItem(ast.Column((h,)), h) for h in self.handles))
        if s.distinct_on:
            order = tuple(ast.OrderItem(c, False, False) for c in own)
            s = replace(s, distinct_on=(*own, *s.distinct_on), order_by=(*order, *s.order_by))
        if s.group_by != (ast.Star(),) and is_grouped(s):
            sets = tuple(ast.GroupingSet((*g.exprs, *own)) for g in s.grouping_sets)
            s = replace(s, group_by=(*s.group_by, *own), grouping_sets=sets)

        def by_combination(e: ast.Expr) -> ast.Expr | None:
            if not isinstance(e, ast.Call) or e.over is None:
                return None
            return replace(e, over=replace(e.over, partition_by=(*own, *e.over.partition_by)))

        parts = {name: transform(getattr(s, name), by_combination) for name in ("qualify", "order_by")}
        return replace(s, items=transform(items, by_combination), **parts)

    def is_only_key(self, s: ast.Select) -> bool:
        """Whether a spread block is an aggregation without GROUP BY of its own: one row a combination."""
        return is_grouped(s) and not s.grouping_sets and s.group_by == self.columns


def is_grouped(s: ast.Select) -> bool:
    """Whether a block is an aggregation."""
    return bool(s.group_by or s.grouping_sets) or s.having is not None or has_aggregates(s.items)


def dependent(
    binder: DependentBinder, query: ast.Select | ast.SetOperation, outer: Relation
) -> tuple[Relation, list[int]]:
    """(the query's rows, the outer columns they depend on behind their own; where those are in `outer`)."""
    places = mentioned(query, outer)
    if not places:
        return binder.within(None).query(query), []
    return binder.within(domain_of(outer, places, binder.depth + 1)).query(query), places


def domain_of(outer: Relation, places: Sequence[int], depth: int) -> Domain:
    """The distinct combinations of some of the outer relation's columns."""
    handles = tuple(f"$d{depth}.{i}" for i in range(len(places)))
    chosen = build.projected(outer.node, [build.ref(outer.node, p) for p in places], handles)
    node = build.renamed(build.grouped(chosen, range(len(places)), ()), list(handles))
    columns = (
        replace(outer.columns[p], merged=False, depth=outer.columns[p].depth + 1, handle=h)
        for p, h in zip(places, handles, strict=True)
    )
    return Domain(Relation(node, tuple(columns)), handles)


def mentioned(query: Any, outer: Relation) -> list[int]:
    """Positions of the outer columns a query may mean: every name in it that the outer relation has, and that no table
    of the query itself is called."""
    inside: set[str] = set()
    names: list[ast.Column] = []
    _collect(query, inside, names)
    found = set()
    for column in names:
        if len(column.parts) > 1 and column.parts[-2] in inside:
            continue
        try:
            found.add(outer.resolve(column).index)
        except Error:
            continue
    return sorted(found)


def _collect(node: Any, tables: set[str], names: list[ast.Column]) -> None:
    """The table names and the columns anywhere in a query."""
    if isinstance(node, ast.Column):
        names.append(node)
    elif isinstance(node, ast.Relation) and (name := _table_name(node)) is not None:
        tables.add(name)
    if isinstance(node, tuple):
        for item in node:
            _collect(item, tables, names)
    elif dataclasses.is_dataclass(node) and not isinstance(node, type):
        for field in dataclasses.fields(node):
            _collect(getattr(node, field.name), tables, names)


def _table_name(relation: ast.Relation) -> str | None:
    alias = getattr(relation, "alias", None)
    if alias is None and isinstance(relation, ast.TableRef):
        return relation.parts[-1]
    return alias


# ---------------------------------------------------------------- joins


def joined_laterally(binder: DependentBinder, rel: ast.Join, left: Relation, sub: ast.SubqueryRef) -> Relation:
    """`left [LEFT] JOIN LATERAL (query) ON ...`; without LATERAL the query sees only what is around it all."""
    if rel.kind not in ("inner", "cross", "left") or rel.using or rel.natural:
        raise Unplannable(f"a {rel.kind} join with a dependent subquery")
    if (beside := rows_beside(binder, rel, left, sub)) is not None:
        return beside
    seen = left if sub.lateral else _around(left)
    rows, places = dependent(binder, sub.query, seen)
    width = len(rows.columns) - len(places)
    right = Relation(rows.node, rows.columns).under(sub.alias or "", sub.column_aliases)
    hidden = tuple(Visible("", c.name, depth=HIDDEN) for c in right.columns[width:])
    both = Relation(
        build.joined(left.node, right.node, "inner", (), (), None), (*left.columns, *right.columns[:width], *hidden)
    )
    residual = None if rel.on is None else binder.condition(rel.on, both, "JOIN/ON")
    kind = "left" if rel.kind == "left" else "inner"
    node = null_safe_join(left.node, right.node, kind, places, range(width, width + len(places)), residual)
    kept = len(left.columns) + width
    return Relation(build.chosen(node, range(kept)), both.columns[:kept])


def _around(relation: Relation) -> Relation:
    """Only the columns of the queries around can be named."""
    columns = (c if c.depth else Visible("", "", depth=HIDDEN) for c in relation.columns)
    return Relation(relation.node, tuple(columns))


def is_dependent(sub: ast.SubqueryRef, left: Relation) -> bool:
    """Whether a subquery in FROM must be bound beside what stands before it."""
    return sub.lateral or bool(mentioned(sub.query, _around(left)))


def is_dependent_values(values: ast.ValuesRef, left: Relation) -> bool:
    """Whether a VALUES list mentions what stands before it."""
    return bool(mentioned(values.rows, left))


def joined_values(binder: DependentBinder, rel: ast.Join, left: Relation, values: ast.ValuesRef) -> Relation:
    """Each row of `left` with the rows of a VALUES list over its columns."""
    bound = [[bind_scalar(e, left) for e in row] for row in values.rows]
    merged = [met([row[i] for row in bound]) for i in range(len(bound[0]))]
    names = [*values.column_aliases, *(f"column{i + 1}" for i in range(len(values.column_aliases), len(merged)))]
    branches = []
    for row in bound:
        cells = [coerce(e, t) for e, t in zip(row, merged, strict=True)]
        branches.append(build.projected(left.node, [*build.refs(left.node), *cells], [*left.node.schema.names, *names]))
    node = build.union_all(branches) if len(branches) > 1 else branches[0]
    relation = Relation(node, (*left.columns, *(Visible(values.alias, n) for n in names)))
    if rel.on is None:
        return relation
    return relation.on(build.filtered(node, binder.condition(rel.on, relation, "JOIN/ON")))


def semi_join(
    binder: DependentBinder, kind: str, left: Relation, query: ast.Select | ast.SetOperation, args: Sequence[ast.Expr]
) -> Relation:
    """The rows of `left` for which the query has (`kind` anti: has not) a row, equal to `args` when there are some."""
    rows, places = dependent(binder, query, left)
    width = len(rows.columns) - len(places)
    hidden = tuple(Visible("", "", depth=HIDDEN) for _ in rows.columns)
    placeholder = build.joined(left.node, rows.node, "inner", (), (), None)
    both = Relation(placeholder, (*left.columns, *hidden))
    first = len(left.columns)
    residual = None
    if args:
        equal = [ast.Binary("=", a, ast.Column((f"#{first + i}",))) for i, a in enumerate(args)]
        condition = conjoin([*equal])
        assert condition is not None
        residual = binder.condition(condition, both, "IN")
    keys = range(width, width + len(places))
    return left.on(null_safe_join(left.node, rows.node, kind, places, keys, residual))


def value_beside(
    binder: DependentBinder, left: Relation, query: ast.Select | ast.SetOperation, alias: str
) -> tuple[Relation, ast.Column]:
    """`left` with the value of a query that has one column, and one row at most for each row of it."""
    sub = ast.SubqueryRef(query, alias, ("$v0",), True)
    always = ast.Literal(True, "boolean")
    return joined_laterally(binder, ast.Join("left", sub, sub, always), left, sub), ast.Column((alias, "$v0"))


def null_safe_join(
    left: Node,
    right: Node,
    kind: str,
    left_keys: Sequence[int],
    right_keys: Sequence[int],
    residual: Expr | None,
) -> Node:
    """A join whose keys are equal when both are NULL."""
    return build.joined(left, right, kind, left_keys, right_keys, residual, null_safe=bool(left_keys))


def padded(domain: Domain, groups: Relation, counts: Sequence[int]) -> Relation:
    """The groups by the domain's columns with a row also for combinations without rows: NULLs, but 0 for `counts`.

    The keys are the groups' first columns."""
    width = len(domain.handles)
    keys = range(width)
    node = null_safe_join(domain.relation.node, groups.node, "left", keys, keys, None)
    exprs: list[Expr] = [build.ref(node, i) for i in range(width)]
    for i in range(width, len(groups.node.schema)):
        value = build.ref(node, width + i)
        exprs.append(build.or_zero(value) if i in counts else value)
    return Relation(build.projected(node, exprs, groups.node.schema.names), groups.columns)
