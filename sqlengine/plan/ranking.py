"""Top-N shapes: `ROW_NUMBER() ... <= n` over a subquery, QUALIFY, and ORDER BY ... LIMIT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import pyarrow as pa

from sqlengine.errors import InvalidParameter, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.expr.bind import bind as bind_scalar
from sqlengine.expr.tree import Const
from sqlengine.plan import build, nodes
from sqlengine.plan.aggregate import is_aggregate
from sqlengine.plan.nodes import Node
from sqlengine.plan.rewrite import conjoin, conjuncts, contains, transform, walk
from sqlengine.plan.scope import Relation, named
from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast
from storage.replacing import replace

RANKINGS = ("row_number", "rank", "dense_rank")
Order = tuple[int, bool, bool]
Bind = Callable[[ast.Select], Relation]


class QueryBinder(Protocol):
    """The part of the binder this file needs."""

    def subquery_of(self, relation: ast.Relation | None) -> tuple[ast.SubqueryRef, Bind | None] | None:
        """The subquery a FROM item is, or stands for when it names a CTE, and what binds that."""
        ...


def qualified(s: ast.Select) -> ast.Select:
    """QUALIFY as a filter over a subquery; window calls in it become hidden columns of the subquery."""
    calls: list[ast.Call] = []
    for e in walk(s.qualify):
        if isinstance(e, ast.Call) and e.over is not None and e not in calls:
            calls.append(e)
    names: dict[ast.Expr, str] = {call: f"$rank{i}" for i, call in enumerate(calls)}
    computed = {i.name for i in s.items if not _is_column_of_that_name(i)}

    def hide(e: ast.Expr) -> ast.Expr | None:
        if is_aggregate(e) or isinstance(e, ast.Column) and not (len(e.parts) == 1 and e.parts[0] in computed):
            names.setdefault(e, f"$column{len(names)}")
        return ast.Column((names[e],)) if e in names else e if isinstance(e, ast.Column) else None

    where = transform(s.qualify, hide)
    order_by = transform(s.order_by, hide)
    hidden = tuple(ast.SelectItem(call, name) for call, name in names.items())
    inner = replace(
        s,
        items=(*s.items, *hidden),
        qualify=None,
        distinct=False,
        order_by=(),
        limit=None,
        offset=None,
        ctes=(),
    )
    outer_items = tuple(ast.SelectItem(ast.Column((i.name,)), i.name) for i in s.items)
    if any(isinstance(i.expr, ast.Star) for i in s.items):
        outer_items = (ast.SelectItem(ast.Star(except_=tuple(names.values())), "*"),)
    return ast.Select(
        items=outer_items,
        from_=ast.SubqueryRef(inner, "$qualify"),
        where=where,
        distinct=s.distinct,
        order_by=order_by,
        limit=s.limit,
        offset=s.offset,
    )


def _is_column_of_that_name(item: ast.SelectItem) -> bool:
    return isinstance(item.expr, ast.Star) or isinstance(item.expr, ast.Column) and item.expr.parts[-1] == item.name


def first_of_each(s: ast.Select) -> ast.Select:
    """DISTINCT ON (...) ORDER BY ... as a QUALIFY: the first row of each group of equal values."""
    items = {i.name: i.expr for i in s.items if not _is_column_of_that_name(i)}

    def meant(e: ast.Expr) -> ast.Expr:
        if isinstance(e, ast.Literal) and isinstance(e.value, int) and 1 <= e.value <= len(s.items):
            return s.items[e.value - 1].expr
        return items.get(e.parts[0], e) if isinstance(e, ast.Column) and len(e.parts) == 1 else e

    partition = tuple(map(meant, s.distinct_on))
    order = tuple(replace(o, expr=meant(o.expr)) for o in s.order_by)
    if any(o.expr not in partition for o in order[: len(partition)]):
        raise SyntaxError("SELECT DISTINCT ON expressions must match initial ORDER BY expressions", sqlstate="42P10")
    if any(isinstance(e, ast.Call) and e.over is not None for e in walk((partition, order))):
        return first_of_each(_windows_below(s, partition, order))
    rest = tuple(o for o in order if o.expr not in partition)
    first = ast.Call("row_number", (), over=ast.WindowFrame(partition, rest))
    condition = ast.Binary("<=", first, ast.Literal(1, "integer"))
    qualify = condition if s.qualify is None else ast.Binary("and", s.qualify, condition)
    return replace(s, distinct_on=(), qualify=qualify)


def _windows_below(s: ast.Select, keys: tuple[ast.Expr, ...], order: tuple[ast.OrderItem, ...]) -> ast.Select:
    """DISTINCT ON of window functions: over a subquery that has them, and all it is ordered by, as hidden columns."""
    names: dict[ast.Expr, str] = {}
    for expr in (*keys, *(o.expr for o in order)):
        names.setdefault(expr, f"$first{len(names)}")
    hidden = tuple(ast.SelectItem(expr, name) for expr, name in names.items())
    inner = replace(s, items=(*s.items, *hidden), distinct_on=(), order_by=(), limit=None, offset=None, ctes=())
    return ast.Select(
        items=(ast.SelectItem(ast.Star(except_=tuple(names.values())), "*"),),
        from_=ast.SubqueryRef(inner, "$distinct"),
        distinct_on=tuple(ast.Column((names[key],)) for key in keys),
        order_by=tuple(replace(o, expr=ast.Column((names[o.expr],))) for o in order),
        limit=s.limit,
        offset=s.offset,
    )


def ranked_subquery(bind: Bind, binder: QueryBinder, s: ast.Select) -> tuple[ast.Select, Relation] | None:
    """`SELECT ... FROM (SELECT ..., row_number() OVER (...) AS r ...) WHERE r <= n`: a TopN over the inner query, which
    `bind` binds.

    Returns the outer select without the rank condition, and the relation that stands for its FROM.
    """
    sub, own = binder.subquery_of(s.from_) or (None, None)
    if sub is None or not isinstance(sub.query, ast.Select):
        return None
    inner, bind = sub.query, own or bind
    over = [i for i in inner.items if isinstance(i.expr, ast.Call) and i.expr.over is not None]
    if len(over) != 1 or inner.qualify is not None or inner.limit is not None or inner.distinct:
        return None
    item = over[0]
    call = item.expr
    assert isinstance(call, ast.Call) and call.over is not None
    if call.name not in RANKINGS or not call.over.order_by:
        return None
    parts = conjuncts(s.where)
    limits = [(p, n) for p in parts if (n := _upper_bound(p, item.name, sub.alias)) is not None]
    if not limits:
        return None
    node = _ranked(bind, inner, item, call, call.over, min(n for _, n in limits))
    rest = [p for p in parts if p not in [q for q, _ in limits]]
    relation = named(node, None).under(sub.alias or "", sub.column_aliases)
    return replace(s, where=conjoin(rest)), relation


def _ranked(
    bind: Bind, inner: ast.Select, item: ast.SelectItem, call: ast.Call, over: ast.WindowFrame, limit: int
) -> Node:
    """The inner query with its ranking item made by a TopN; columns in the inner query's order."""
    others = tuple(i for i in inner.items if i is not item)
    keys = tuple(ast.SelectItem(e, f"$p{n}") for n, e in enumerate(over.partition_by))
    sorts = tuple(ast.SelectItem(o.expr, f"$o{n}") for n, o in enumerate(over.order_by))
    bare = replace(inner, items=(*others, *keys, *sorts), order_by=())
    node = bind(bare).node
    visible = len(node.schema) - len(keys) - len(sorts)
    node, places = build.without_copies(node, visible)
    partition = places[visible : visible + len(keys)]
    order = [_direction(at, o) for at, o in zip(places[visible + len(keys) :], over.order_by, strict=True)]
    ranked = build.top_n(node, partition, order, limit, function=call.name, rank_name=item.name)
    rank_at = len(ranked.schema) - 1
    before = _width_before(inner.items, item, visible)
    columns = [*range(before), rank_at, *range(before, visible)]
    return build.chosen(ranked, columns)


def _width_before(items: tuple[ast.SelectItem, ...], item: ast.SelectItem, visible: int) -> int:
    """How many output columns stand before the ranking item; a star's width is what the others leave over."""
    at = items.index(item)
    stars = sum(isinstance(i.expr, ast.Star) for i in items)
    if stars > 1:
        raise Unplannable("a ranking beside several stars")
    star_width = visible - (len(items) - 1 - stars)
    return sum(star_width if isinstance(i.expr, ast.Star) else 1 for i in items[:at])


def _upper_bound(expr: ast.Expr, name: str, alias: str | None) -> int | None:
    """n when the condition says rank <= n (also <, =1, and turned around)."""
    if not isinstance(expr, ast.Binary) or expr.op not in ("<=", "<", "=", ">=", ">"):
        return None
    left, right, op = expr.left, expr.right, expr.op
    if isinstance(left, ast.Literal):
        left, right, op = right, left, {"<=": ">=", "<": ">", ">=": "<=", ">": "<"}.get(op, op)
    if not (isinstance(left, ast.Column) and isinstance(right, ast.Literal) and isinstance(right.value, int)):
        return None
    if left.parts not in ((name,), (alias, name)) or op in (">=", ">"):
        return None
    if op == "=":
        return 1 if right.value == 1 else None
    return right.value if op == "<=" else right.value - 1


def limited(bind: Bind, s: ast.Select, partition: Sequence[str] = ()) -> Relation:
    """ORDER BY ... LIMIT n OFFSET m of a block that `bind` binds, for each value of the output columns `partition`.

    Sort expressions that are not in the select list become hidden columns."""
    hidden: list[ast.SelectItem] = []
    names = [i.name for i in s.items]
    places: list[int | str] = []
    for item in s.order_by:
        if isinstance(item.expr, ast.Literal) and isinstance(item.expr.value, int):
            places.append(item.expr.value - 1)
        elif isinstance(item.expr, ast.Column) and len(item.expr.parts) == 1 and names.count(item.expr.parts[0]) == 1:
            places.append(item.expr.parts[0])
        elif (same := [i for i in s.items if i.expr == item.expr]) and names.count(same[0].name) == 1:
            places.append(same[0].name)
        else:
            places.append(f"$o{len(hidden)}")
            hidden.append(ast.SelectItem(item.expr, f"$o{len(hidden)}"))
    if hidden and s.distinct:
        raise SyntaxError(
            "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
            hint="a GROUP BY with an aggregate says which of the equal rows' values they are ordered by",
            sqlstate="42P10",
        )
    bare = replace(s, items=(*s.items, *hidden), order_by=(), limit=None, offset=None)
    relation = bind(bare)
    kept = len(relation.node.schema) - len(hidden)
    node, at = build.without_copies(relation.node, kept)
    by = [at[relation.resolve(ast.Column((p,))).index] for p in partition]
    order = [_direction(at[_place(p, relation)], o) for p, o in zip(places, s.order_by, strict=True)]
    node = build.top_n(node, by, order, _count(s.limit, "LIMIT"), _count(s.offset, "OFFSET", 0))
    node = build.chosen(node, range(kept))
    return named(node, None)


def order_output(relation: Relation, op: ast.SetOperation) -> Relation:
    """LIMIT over a set operation; its ORDER BY may name output columns only."""
    if op.limit is None and op.offset is None:
        return relation
    order = []
    for item in op.order_by:
        if isinstance(item.expr, ast.Literal):
            order.append(_direction(item.expr.value - 1, item))
        elif isinstance(item.expr, ast.Column):
            order.append(_direction(relation.resolve(item.expr).index, item))
        else:
            raise SyntaxError(
                "ORDER BY of a set operation takes output columns only",
                hint="add the expression to each of its queries",
            )
    node = build.top_n(relation.node, (), order, _count(op.limit, "LIMIT"), _count(op.offset, "OFFSET", 0))
    return relation.on(node)


def _place(place: int | str, relation: Relation) -> int:
    if isinstance(place, int):
        if not 0 <= place < len(relation.columns):
            raise InvalidParameter(f"ORDER BY position {place + 1} is not in select list", sqlstate="42P10")
        return place
    return relation.resolve(ast.Column((place,))).index


def _direction(column: int, item: ast.OrderItem) -> Order:
    nulls_first = item.nulls_first if item.nulls_first is not None else item.descending
    return column, item.descending, nulls_first


def _count(expr: ast.Expr | None, clause: str, default: int = 2**62) -> int:
    if expr is None:
        return default
    if isinstance(expr, ast.Literal) and isinstance(expr.value, int) and expr.value >= 0:
        return expr.value
    if isinstance(expr, ast.Literal) and expr.value is None or isinstance(expr, ast.Opaque) and expr.text == "ALL":
        return default
    if isinstance(expr, (ast.Binary, ast.Cast)) and not contains(expr, ast.Column):
        bound = bind_scalar(expr, Relation(nodes.Values(schema=pa.schema([]), rows=()), ()))
        if isinstance(bound, Const) and isinstance(bound.value, int) and bound.value >= 0:
            return bound.value
    raise InvalidParameter(f"{clause} of a continuous query must be a whole number, not negative", sqlstate="2201W")
