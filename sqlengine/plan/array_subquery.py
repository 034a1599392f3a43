"""ARRAY(query) as a scalar subquery: the list of the query's rows, in its order, and an empty one of none."""

from __future__ import annotations

from sqlengine.errors import InvalidParameter
from sqlengine.plan.aggregate import has_aggregates
from sqlengine.plan.rewrite import walk
from sqlengine.plan.unnest import is_several_rows
from sqlengine.sql import ast
from storage.replacing import replace

VALUE = ast.Column(("$rows", "$v0"))


def listed(query: ast.Select | ast.SetOperation) -> ast.Select:
    """The block whose one value is the list of a query's one column."""
    if isinstance(query, ast.Select):
        if _is_plain(query):
            return replace(query, items=(_item(query.items[0].expr, _order(query)),), order_by=())
        inner: ast.Select | ast.SetOperation
        inner, order = _with_order(query)
    else:
        # Its ORDER BY can name its one column only.
        order = tuple(replace(o, expr=VALUE) for o in query.order_by)
        inner = query
    return ast.Select(items=(_item(VALUE, order),), from_=ast.SubqueryRef(inner, "$rows", ("$v0",)))


def _item(value: ast.Expr, order: tuple[ast.OrderItem, ...]) -> ast.SelectItem:
    values = ast.Call("array_agg", (value,), order_by=order)
    return ast.SelectItem(ast.Call("array_or_empty", (values,)), "array")


def _is_plain(query: ast.Select) -> bool:
    """Whether every row that WHERE lets through is one element."""
    value = query.items[0].expr
    grouped = query.group_by or query.grouping_sets or query.having is not None or has_aggregates(query.items)
    narrowed = query.distinct or query.distinct_on or query.limit is not None or query.offset is not None
    if grouped or narrowed or query.qualify is not None or query.ctes or isinstance(value, ast.Star):
        return False
    parts = (value, *(o.expr for o in query.order_by))
    return not any(is_several_rows(e) or (isinstance(e, ast.Call) and e.over is not None) for e in walk(parts))


def _order(query: ast.Select) -> tuple[ast.OrderItem, ...]:
    """ORDER BY with positions and the column's name spelt out."""
    return tuple(replace(o, expr=_meant(o.expr, query)) for o in query.order_by)


def _meant(expr: ast.Expr, query: ast.Select) -> ast.Expr:
    item = query.items[0]
    if isinstance(expr, ast.Literal) and type(expr.value) is int:
        if expr.value != 1:
            raise InvalidParameter(f"ORDER BY position {expr.value} is not in select list", sqlstate="42P10")
        return item.expr
    named = isinstance(expr, ast.Column) and expr.parts == (item.name,)
    return item.expr if named and not isinstance(item.expr, ast.Star) else expr


def _with_order(query: ast.Select) -> tuple[ast.Select, tuple[ast.OrderItem, ...]]:
    """The block with what it is ordered by as further columns, and the order over its rows."""
    value = query.items[0]
    spelt = _order(query)
    hidden = tuple(ast.SelectItem(o.expr, f"$by{i}") for i, o in enumerate(spelt) if o.expr != value.expr)
    names = ["$v0" if o.expr == value.expr else f"$by{i}" for i, o in enumerate(spelt)]
    inside = spelt if query.distinct_on else tuple(_by(o, n) for o, n in zip(spelt, names, strict=True))
    inner = replace(query, items=(replace(value, name="$v0"), *hidden), order_by=inside)
    return inner, tuple(_by(o, "$rows", n) for o, n in zip(spelt, names, strict=True))


def _by(item: ast.OrderItem, *name: str) -> ast.OrderItem:
    return replace(item, expr=ast.Column(name))
