"""Lowering of function calls, aggregates and OVER.

Plain calls arrive as `Anonymous` under the written name (see glot.py); calls with a syntax of their own
(EXTRACT, TRIM, CURRENT_DATE ...) are given the name and argument order of the plain function that means the
same.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from sqlengine.errors import NotSupportedError, SyntaxError, UndefinedObject  # noqa: A004 - SQL's word
from sqlengine.sql import ast
from sqlengine.sql.lower_expr import Context, Rule, opaque
from sqlengine.sql.lower_values import fold, parameter, position_of

# ---------------------------------------------------------------- plain calls


def _anonymous(node: exp.Expr, ctx: Context) -> ast.Expr:
    param = parameter(node)
    if param is not None:
        return param
    name = node.name if isinstance(node.this, exp.Identifier) else node.name.lower()
    if name == "row":
        return ast.Row(tuple(ctx.expr(item) for item in node.expressions))
    if name == "named_struct":
        return _named_struct(node, ctx)
    if any(isinstance(item, (exp.Kwarg, exp.PropertyEQ, exp.Lambda, exp.Alias)) for item in node.expressions):
        return opaque(node)
    position = (
        position_of(node)
        if position_of(node) is not None
        else position_of(node.this if isinstance(node.this, exp.Expr) else None)
    )
    return arguments_of(ast.Call(name, (), position=position), node.expressions, ctx)


def _named_struct(node: exp.Expr, ctx: Context) -> ast.Expr:
    """`named_struct('x', 1, 'y', 2)` (Hive, Spark) -> a row with the names x and y."""
    names = node.expressions[::2]
    if not names or len(node.expressions) % 2 or not all(isinstance(n, exp.Literal) and n.is_string for n in names):
        raise SyntaxError("named_struct takes names, as constants, and values in turn", position=position_of(node))
    return ast.Row(tuple(ctx.expr(v) for v in node.expressions[1::2]), tuple(str(n.this) for n in names))


def arguments_of(call: ast.Call, given: list[exp.Expr], ctx: Context) -> ast.Call:
    """Arguments with DISTINCT, ORDER BY and `*` taken apart."""
    items = list(given)
    order: tuple[ast.OrderItem, ...] = ()
    if items and isinstance(items[-1], exp.Order):
        order = order_items(items[-1], ctx)
        items = [*items[:-1], items[-1].this] if items[-1].this is not None else items[:-1]
    ignored = bool(items) and isinstance(items[-1], exp.IgnoreNulls)
    if ignored:
        call, items = replace(call, ignore_nulls=True), [*items[:-1], items[-1].this]
    distinct = bool(items) and isinstance(items[0], exp.Distinct)
    if distinct:
        items = [*items[0].expressions, *items[1:]]
    if len(items) == 1 and isinstance(items[0], exp.Star):
        return replace(call, star=True, order_by=order)
    return replace(call, args=tuple(ctx.expr(item) for item in items), distinct=distinct, order_by=order)


def order_items(order: exp.Expr | None, ctx: Context) -> tuple[ast.OrderItem, ...]:
    """ORDER BY items; `nulls_first` is always said (PostgreSQL: NULLS LAST ascending, FIRST descending)."""
    if order is None:
        return ()
    return tuple(_order_item(item, ctx) for item in order.expressions)


def _order_item(item: exp.Expr, ctx: Context) -> ast.OrderItem:
    if not isinstance(item, exp.Ordered):
        return ast.OrderItem(ctx.expr(item), False, False)
    if item.args.get("with_fill"):
        raise NotSupportedError("WITH FILL is not supported")
    return ast.OrderItem(ctx.expr(item.this), bool(item.args.get("desc")), bool(item.args.get("nulls_first")))


# ---------------------------------------------------------------- aggregates and windows


def _as_call(node: exp.Expr, ctx: Context, what: str) -> ast.Call:
    made = ctx.expr(node)
    if not isinstance(made, ast.Call):
        raise NotSupportedError(f"{what} after this expression is not supported", position=position_of(node))
    return made


def _filter(node: exp.Expr, ctx: Context) -> ast.Expr:
    return replace(_as_call(node.this, ctx, "FILTER"), filter=ctx.expr(node.expression.this))


def _within_group(node: exp.Expr, ctx: Context) -> ast.Expr:
    return replace(_as_call(node.this, ctx, "WITHIN GROUP"), within_group=order_items(node.expression, ctx))


def _over(node: exp.Expr, ctx: Context) -> ast.Expr:
    return replace(_as_call(node.this, ctx, "OVER"), over=frame_of(node, ctx))


def frame_of(node: exp.Expr, ctx: Context) -> ast.WindowFrame:
    """The OVER clause, the named window it builds on merged in."""
    base = _named(node, ctx)
    partition = tuple(ctx.expr(item) for item in node.args.get("partition_by") or ())
    order = order_items(node.args.get("order"), ctx)
    spec = node.args.get("spec")
    text = str(spec.sql(dialect="duckdb")) if spec is not None else None
    frame = _clause(spec, ctx) if spec is not None else None
    if base is None:
        return ast.WindowFrame(partition, order, text, frame)
    partition, order = base.partition_by or partition, base.order_by or order
    return ast.WindowFrame(partition, order, text or base.frame_text, frame or base.frame)


def _clause(spec: exp.Expr, ctx: Context) -> ast.FrameClause:
    """`ROWS | RANGE | GROUPS [BETWEEN] start [AND end] [EXCLUDE ...]`; without an end it is the current row."""
    start = _bound(spec.args.get("start"), spec.args.get("start_side"), ctx)
    end = _bound(spec.args.get("end"), spec.args.get("end_side"), ctx)
    exclude = spec.args.get("exclude")
    left_out = str(exclude.name if isinstance(exclude, exp.Expr) else exclude or "").lower()
    return ast.FrameClause(
        str(spec.args.get("kind") or "rows").lower(),
        start,
        end if spec.args.get("end") is not None else ast.FrameBound("current row"),
        "" if left_out == "no others" else left_out,
    )


def _bound(value: object, side: object, ctx: Context) -> ast.FrameBound:
    text = str(value).lower()
    if text == "unbounded":
        return ast.FrameBound(f"unbounded {str(side).lower()}")
    if value is None or text == "current row":
        return ast.FrameBound("current row")
    assert isinstance(value, exp.Expr)
    return ast.FrameBound(str(side).lower(), ctx.expr(value))


def _named(node: exp.Expr, ctx: Context) -> ast.WindowFrame | None:
    alias = node.args.get("alias")
    if alias is None:
        return None
    name = fold(alias)
    if name not in ctx.windows:
        raise UndefinedObject(f'window "{name}" does not exist', position=position_of(alias))
    return frame_of(ctx.windows[name], ctx)


def _nulls_treatment(node: exp.Expr, ctx: Context) -> ast.Expr:
    return replace(_as_call(node.this, ctx, "IGNORE NULLS"), ignore_nulls=True)


# ---------------------------------------------------------------- calls with a syntax of their own


def _named_call(name: str, *keys: str) -> Rule:
    """A rule that gives a node's arguments, in the order of `keys`, to a plain function; absent ones are
    left out."""

    def rule(node: exp.Expr, ctx: Context) -> ast.Expr:
        given = [node.args[key] for key in keys if isinstance(node.args.get(key), exp.Expr)]
        return ast.Call(name, tuple(ctx.expr(item) for item in given), position=position_of(node))

    return rule


def _extract(node: exp.Expr, ctx: Context) -> ast.Expr:
    unit = ast.Literal(str(node.this.name).lower(), "text")
    return ast.Call("extract", (unit, ctx.expr(node.expression)), position=position_of(node))


_TRIMS = {"LEADING": "ltrim", "TRAILING": "rtrim"}


def _trim(node: exp.Expr, ctx: Context) -> ast.Expr:
    name = _TRIMS.get(str(node.args.get("position") or "").upper(), "trim")
    return _named_call(name, "this", "expression")(node, ctx)


def _escape(node: exp.Expr, ctx: Context) -> ast.Expr:
    """`a LIKE b ESCAPE c`."""
    like = node.this
    names = {exp.Like: "like_escape", exp.ILike: "ilike_escape"}
    if type(like) not in names:
        return opaque(node)
    made = ast.Call(names[type(like)], (ctx.expr(like.this), ctx.expr(like.expression), ctx.expr(node.expression)))
    return ast.Unary("not", made) if like.args.get("negate") else made


def _adjacent_strings(node: exp.Expr, ctx: Context) -> ast.Expr:
    if all(isinstance(item, exp.Literal) for item in node.expressions):
        return ast.Literal("".join(str(item.this) for item in node.expressions), "text")
    return ast.Call("concat", tuple(ctx.expr(item) for item in node.expressions))


def _unnest(node: exp.Expr, ctx: Context) -> ast.Expr:
    items = [node.this] if isinstance(node, exp.Explode) else node.expressions
    return ast.Call("unnest", tuple(ctx.expr(item) for item in items), position=position_of(node))


RULES: dict[type[exp.Expr], Rule] = {
    exp.Anonymous: _anonymous,
    exp.Filter: _filter,
    exp.WithinGroup: _within_group,
    exp.Window: _over,
    exp.IgnoreNulls: _nulls_treatment,
    exp.RespectNulls: lambda node, ctx: ctx.expr(node.this),
    exp.Extract: _extract,
    exp.Trim: _trim,
    exp.Substring: _named_call("substring", "this", "start", "length"),
    exp.StrPosition: _named_call("strpos", "this", "substr"),
    exp.Overlay: _named_call("overlay", "this", "expression", "from_", "for_"),
    exp.AtTimeZone: _named_call("timezone", "zone", "this"),
    exp.Escape: _escape,
    exp.Concat: _adjacent_strings,
    exp.Sqrt: _named_call("sqrt", "this"),
    exp.Cbrt: _named_call("cbrt", "this"),
    exp.Explode: _unnest,
    exp.Unnest: _unnest,
    exp.CurrentTimestamp: _named_call("current_timestamp"),
    exp.CurrentDate: _named_call("current_date"),
    exp.CurrentTime: _named_call("current_time"),
    exp.Localtime: _named_call("localtime"),
    exp.Localtimestamp: _named_call("localtimestamp"),
    exp.CurrentUser: _named_call("current_user"),
    exp.SessionUser: _named_call("session_user"),
    exp.CurrentSchema: _named_call("current_schema"),
    exp.CurrentCatalog: _named_call("current_catalog"),
}
"""Calls by sqlglot class."""
