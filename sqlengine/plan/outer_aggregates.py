"""Aggregates in a subquery that are the query's around it.

`SELECT k, (SELECT max(b) FROM u WHERE u.n = count(t.v)) FROM t GROUP BY k`: an aggregate belongs to the innermost query
of whose columns it has one, so this count is of the groups of t.  Such aggregates become further items of the block
they belong to, and the subquery names those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from sqlengine.errors import Error, GroupingError
from sqlengine.expr.tree import Expr
from sqlengine.plan import build
from sqlengine.plan.aggregate import is_aggregate
from sqlengine.plan.aggregate_forms import spelt_out
from sqlengine.plan.rewrite import contains, transform, walk
from sqlengine.plan.scope import Relation, Visible
from sqlengine.sql import ast
from storage.replacing import replace

LIFTED = "$lifted"
"""What the names of the further items begin with."""
T = TypeVar("T")
_Query = ast.Select | ast.SetOperation


class QueryBinder(Protocol):
    """The part of the binder this file needs."""

    def relation(self, rel: ast.Relation) -> Relation:
        """Bind a FROM item."""
        ...

    def item(self, expr: ast.Expr, relation: Relation) -> Expr:
        """Bind an item of a select list."""
        ...


def lifted(binder: QueryBinder, s: ast.Select, relation: Relation) -> ast.Select:
    """The block, over the FROM `relation`, with the aggregates in its subqueries that are its own as its last items.

    GroupingError (42803) where one stands in WHERE."""
    if not contains((s.where or (), s.items, s.having or ()), ast.Subquery):
        return s
    finder = _Finder(binder, relation)
    if s.where is not None and finder.placed(s.where) != s.where:
        raise GroupingError("aggregate functions are not allowed in WHERE")
    items = tuple(replace(i, expr=finder.placed(i.expr)) for i in s.items)
    having = s.having if s.having is None else finder.placed(s.having)
    if not finder.found:
        return s
    own = tuple(ast.SelectItem(call, name) for call, name in finder.found.items())
    return replace(s, items=(*items, *spelt_out(ast.Select(items=own)).items), having=having)


def beside_groups(binder: QueryBinder, relation: Relation, s: ast.Select) -> tuple[Relation, ast.Select]:
    """The groups with a column for each lifted item, by which subqueries name it; the block without those items."""
    own = [i for i in s.items if i.name.startswith(LIFTED)]
    if not own:
        return relation, s
    exprs = [*build.refs(relation.node), *(binder.item(i.expr, relation) for i in own)]
    names = [i.name for i in own]
    node = build.projected(relation.node, exprs, [*relation.node.schema.names, *names])
    columns = (*relation.columns, *(Visible(None, n) for n in names))
    return Relation(node, columns), replace(s, items=tuple(i for i in s.items if i not in own))


class _Finder:
    """Finds the aggregates of the block over `outer` in its subqueries; `found` are their names so far."""

    def __init__(self, binder: QueryBinder, outer: Relation) -> None:
        self._binder = binder
        self._outer = outer
        self.found: dict[ast.Expr, str] = {}

    def placed(self, expr: ast.Expr) -> ast.Expr:
        """The expression with names in the place of such aggregates."""
        made: ast.Expr = transform(expr, lambda e: self._subquery(e, ()) if isinstance(e, ast.Subquery) else None)
        return made

    def _subquery(self, sub: ast.Subquery, around: tuple[Relation, ...]) -> ast.Subquery:
        arg = sub.arg if sub.arg is None or not around else self._clause(sub.arg, around)
        return replace(sub, query=self._query(sub.query, around), arg=arg)

    def _query(self, query: _Query, around: tuple[Relation, ...]) -> _Query:
        if isinstance(query, ast.SetOperation):
            return replace(query, left=self._query(query.left, around), right=self._query(query.right, around))
        parts = (query.items, query.where or (), query.having or (), query.order_by)
        if query.ctes or not any(is_aggregate(e) or isinstance(e, ast.Subquery) for e in walk(parts)):
            return query
        try:
            own = () if query.from_ is None else (self._binder.relation(query.from_),)
        except Error:  # it depends on what is around it, and is bound there
            return query
        scopes = (*around, *own)
        names = ("items", "where", "having", "order_by")
        return replace(query, **{n: self._clause(getattr(query, n), scopes) for n in names})

    def _clause(self, clause: T, scopes: tuple[Relation, ...]) -> T:
        def place(e: ast.Expr) -> ast.Expr | None:
            if is_aggregate(e) and self._is_outer(e, scopes):
                return ast.Column((self.found.setdefault(e, f"{LIFTED}{len(self.found)}"),))
            return self._subquery(e, scopes) if isinstance(e, ast.Subquery) else None

        made: T = transform(clause, place)
        return made

    def _is_outer(self, call: ast.Expr, scopes: Sequence[Relation]) -> bool:
        """Whether all columns of an aggregate, and there are some, are those of the outer query."""
        columns = [e for e in walk(call) if isinstance(e, ast.Column)]
        nearer = any(_has(relation, c) for relation in scopes for c in columns)
        return bool(columns) and not nearer and all(_has(self._outer, c) for c in columns)


def _has(relation: Relation, column: ast.Column) -> bool:
    try:
        relation.resolve(column)
    except Error:
        return False
    return True
