"""LATERAL queries that read no table: what they give for a row is worked out beside the row, and nothing is kept.

Such is a select list alone, or over the elements of lists of the row: `CROSS JOIN LATERAL (SELECT f(t.a) AS x)`, and
all of Hive's LATERAL VIEW. As any other dependent query they would be joined with the distinct rows before them, which
grow for ever.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Protocol

from sqlengine.errors import Error
from sqlengine.expr.tree import Expr
from sqlengine.plan import build
from sqlengine.plan.aggregate import has_aggregates
from sqlengine.plan.rewrite import contains, walk
from sqlengine.plan.scope import HIDDEN, Relation, Visible, whole_rows
from sqlengine.plan.unnest import is_several_rows, unnested
from sqlengine.sql import ast
from storage.replacing import replace

_PARTS = ("hive$member", "hive$struct_item")
"""Functions that give a part of a value, NULL of NULL."""


class ItemBinder(Protocol):
    """The part of the binder this file needs."""

    def item(self, expr: ast.Expr, relation: Relation) -> Expr:
        """Bind an item of a select list."""
        ...

    def kept(self, relation: Relation, condition: ast.Expr, clause: str) -> Relation:
        """The rows for which a condition holds."""
        ...


def rows_beside(binder: ItemBinder, rel: ast.Join, left: Relation, sub: ast.SubqueryRef) -> Relation | None:
    """`left` with the query's columns behind its own; None for a query of another kind, or one that is wrong, of which
    the binding of queries in general tells."""
    query = sub.query
    always = rel.on is None or (isinstance(rel.on, ast.Literal) and rel.on.value is True)
    if not sub.lateral or not isinstance(query, ast.Select) or not _is_list(query):
        return None
    if rel.kind == "left" and not (always and _is_null_of_nothing(query)):
        return None
    try:
        relation = _beside(binder, left, query, rel.kind == "left")
    except Error:
        return None
    width = len(left.columns)
    names = [*sub.column_aliases, *(item.name for item in query.items)][: len(query.items)]
    if len(sub.column_aliases) > len(names):
        return None
    columns = (*left.columns, *(Visible(sub.alias or "", name) for name in names))
    made = Relation(relation.node, columns)
    assert len(relation.node.schema) == width + len(names)
    return made if always or rel.on is None else binder.kept(made, rel.on, "JOIN/ON")


def _is_list(query: ast.Select) -> bool:
    """Whether a query is items alone, over nothing or a function's rows, each item from its row alone."""
    if not (query.from_ is None or isinstance(query.from_, ast.FunctionRef)):
        return False
    plain = ast.Select(items=query.items, from_=query.from_)
    if any(getattr(query, f.name) != getattr(plain, f.name) for f in fields(query)):
        return False
    if has_aggregates(query.items) or contains(query, ast.Subquery) or contains(query.items, ast.Star):
        return False
    calls = [e for e in walk(query.items) if isinstance(e, ast.Call)]
    return not any(call.over is not None or is_several_rows(call) or call.name == "columns" for call in calls)


def _is_null_of_nothing(query: ast.Select) -> bool:
    """Whether all items are NULL in a row that stands for no rows, as a left join needs."""
    return query.from_ is None or all(_is_part(item.expr, query.from_) for item in query.items)


def _is_part(expr: ast.Expr, function: ast.Relation) -> bool:
    """A column of the function's, or a part of its value."""
    assert isinstance(function, ast.FunctionRef)
    if isinstance(expr, ast.Column):
        own = [*function.column_aliases, function.alias or function.name]
        return expr.parts[-1] in own and (len(expr.parts) == 1 or expr.parts[0] == function.alias)
    return isinstance(expr, ast.Call) and expr.name in _PARTS and bool(expr.args) and _is_part(expr.args[0], function)


def _beside(binder: ItemBinder, left: Relation, query: ast.Select, outer: bool) -> Relation:
    """The left side's columns and the items'; names of the function's rows are nearer than those of the left side."""
    further = (c if c.depth >= HIDDEN else replace(c, depth=c.depth + 1) for c in left.columns)
    relation = Relation(left.node, tuple(further))
    if isinstance(query.from_, ast.FunctionRef):
        relation = unnested(relation, query.from_, outer=outer)
    items = [binder.item(item.expr, relation) for item in whole_rows(query.items, relation)]
    width = len(left.columns)
    kept = build.refs(relation.node)[:width]
    names = [*left.node.schema.names, *(item.name for item in query.items)]
    node = build.projected(relation.node, [*kept, *items], names)
    return Relation(node, (*left.columns, *(Visible("", item.name) for item in query.items)))
