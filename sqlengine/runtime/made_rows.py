"""Relations of a query whose rows are made before its plan runs: what scripts write, files that are named in FROM.

The query is planned with tables in their places, of which nothing is known but their columns; whoever runs the plan
makes the rows first. Relations that are equal are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast

T = TypeVar("T")
Lowered = ast.Select | ast.SetOperation
Made = ast.TransformRef | ast.FileRef
"""What rows are made of."""
PREFIX = "$made"


@dataclass(frozen=True, slots=True)
class Found:
    """A relation that is to be made, under the name that stands for it; `ctes`: what is in scope where it stands."""

    name: str
    relation: Made
    ctes: tuple[ast.Cte, ...] = ()


def taken_out(query: Lowered) -> tuple[Lowered, list[Found]]:
    """(the query with tables in the places of relations that are made, these), the outermost ones only: what a script
    is given may have some of its own."""
    found: dict[Made, Found] = {}
    return _query(query, (), found), list(found.values())


def _query(query: Lowered, scope: tuple[ast.Cte, ...], found: dict[Made, Found]) -> Lowered:
    ctes: list[ast.Cte] = []
    inside = scope
    for cte in query.ctes:
        ctes.append(replace(cte, query=_query(cte.query, inside, found)))
        inside = (*inside, cte)

    def change(node: Any) -> Any:
        if isinstance(node, (ast.Select, ast.SetOperation)):
            return _query(node, inside, found)
        if isinstance(node, ast.TransformRef):
            script = found.setdefault(replace(node, position=None), Found(f"{PREFIX}{len(found)}", node, inside))
            return ast.TableRef((script.name,), position=node.position)
        if isinstance(node, ast.FileRef):
            files = found.setdefault(replace(node, alias=None), Found(f"{PREFIX}{len(found)}", node))
            return ast.TableRef((files.name,), node.alias or node.path)
        return None

    parts = {f.name: _mapped(getattr(query, f.name), change) for f in fields(query) if f.name != "ctes"}
    return replace(query, ctes=tuple(ctes), **parts)


def _mapped(node: T, change: Callable[[Any], Any]) -> T:
    """The node with what `change` gives (None: it goes on below) for it and for its parts."""
    if isinstance(node, tuple):
        parts = tuple(_mapped(part, change) for part in node)
        return node if all(a is b for a, b in zip(parts, node, strict=True)) else parts  # type: ignore[return-value]
    if not is_dataclass(node) or isinstance(node, type):
        return node
    changed = change(node)
    if changed is not None:
        return changed  # type: ignore[no-any-return]
    below = {f.name: (getattr(node, f.name), _mapped(getattr(node, f.name), change)) for f in fields(node)}
    others = {name: new for name, (old, new) in below.items() if new is not old}
    return replace(node, **others) if others else node


# ---------------------------------------------------------------- what a script is given


def given_rows(relation: ast.TransformRef, ctes: Sequence[ast.Cte]) -> ast.Select:
    """The query of the rows that a script is given, in the order of the one query that it reads from, if it does: SORT
    BY and CLUSTER BY of a sub-query are there for the script above it."""
    query = replace(relation.input, ctes=(*ctes, *relation.input.ctes))
    inner = _read_from(query.from_, query.ctes)
    if inner is None or not inner.query.order_by or inner.column_aliases or query.group_by or query.grouping_sets:
        return query
    alias = inner.alias or "$given"
    order, hidden = _order_above(inner.query, alias)
    if hidden and any(isinstance(item.expr, ast.Star) for item in query.items):
        items = tuple(_without(item, tuple(item.name for item in hidden)) for item in query.items)
        query = replace(query, items=items)
    below = inner.query
    if hidden:
        assert isinstance(below, ast.Select), "only their items are expressions"
        below = replace(below, items=(*below.items, *hidden))
    return replace(query, from_=replace(inner, query=below, alias=alias), order_by=tuple(order))


def _read_from(relation: ast.Relation | None, ctes: Sequence[ast.Cte]) -> ast.SubqueryRef | None:
    """The sub-query that stands alone in FROM, itself or by the name of a CTE."""
    if isinstance(relation, ast.SubqueryRef) and not relation.lateral:
        return relation
    if isinstance(relation, ast.TableRef) and len(relation.parts) == 1:
        named: Mapping[str, ast.Cte] = {cte.name: cte for cte in ctes if not cte.recursive}
        cte = named.get(relation.parts[0])
        if cte is not None:
            names = relation.column_aliases or cte.column_aliases
            return ast.SubqueryRef(cte.query, relation.alias or cte.name, names)
    return None


def _order_above(inner: Lowered, alias: str) -> tuple[list[ast.OrderItem], list[ast.SelectItem]]:
    """(the order of a sub-query's rows by its columns, columns that it needs for that)."""
    items = inner.items if isinstance(inner, ast.Select) else ()
    names = [item.name for item in items]
    order: list[ast.OrderItem] = []
    hidden: list[ast.SelectItem] = []
    for item in inner.order_by:
        name = _output_name(item.expr, items, names)
        if name is None:
            name = f"$sort{len(hidden)}"
            hidden.append(ast.SelectItem(item.expr, name, True))
        order.append(replace(item, expr=ast.Column((alias, name))))
    return order, hidden


def _output_name(expr: ast.Expr, items: Sequence[ast.SelectItem], names: Sequence[str]) -> str | None:
    if isinstance(expr, ast.Literal) and type(expr.value) is int and 0 < expr.value <= len(names):
        return names[expr.value - 1]
    if isinstance(expr, ast.Column) and len(expr.parts) == 1 and (expr.parts[0] in names or not names):
        return expr.parts[0]
    same = [item.name for item in items if item.expr == expr]
    return same[0] if same and names.count(same[0]) == 1 else None


def _without(item: ast.SelectItem, names: tuple[str, ...]) -> ast.SelectItem:
    if not isinstance(item.expr, ast.Star):
        return item
    return replace(item, expr=replace(item.expr, except_=(*item.expr.except_, *names)))
