"""sqlglot's tree of a Hive query -> our AST, with Hive's meaning named where it differs.

Operators, CASE and IN carry `rules="hive"`, calls become `hive$name`; what they mean depends on types and is settled by
expr/hive when they are bound.  Nothing here is evaluated by DuckDB: what has no word is refused.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast, lower_calls, lower_expr, lower_query
from sqlengine.sql.dialect import SPARK
from sqlengine.sql.hive.aggregates import ONE_OF, aggregate_call, aggregated, passes_nulls
from sqlengine.sql.hive.literals import literal
from sqlengine.sql.hive.rewrite import SIZED
from sqlengine.sql.hive.script_trees import halves, script_of, transform
from sqlengine.sql.hive.spark_calls import SPARK_CALLS, SPARK_MADE
from sqlengine.sql.interval import parse_interval
from sqlengine.sql.lower_expr import OPERATORS, Context, Rule
from sqlengine.sql.lower_values import fold, position_of, type_name
from sqlengine.sql.quantified import quantifier
from sqlengine.types import HIVE_TINYINT

RULES_NAME = "hive"
_OPERATORS: dict[type[exp.Expr], str] = {
    **{kind: op for kind, op in OPERATORS.items() if kind not in (exp.And, exp.Or)},
    exp.IntDiv: "div",
    exp.RegexpLike: "rlike",
    exp.DPipe: "||",
    exp.BitwiseXor: "^",
}


def _binary(node: exp.Expr, ctx: Context) -> ast.Expr:
    if isinstance(node, (exp.And, exp.Or)):
        return lower_expr.binary(node, ctx)
    if (found := quantifier(node.expression)) is not None:
        return _quantified(node, *found, ctx)
    left, right = ctx.expr(node.this), ctx.expr(node.expression)
    assert isinstance(ctx, HiveLowering)
    if isinstance(node, exp.Like) and ctx.dialect == SPARK:
        return _spark_like(node, left, right)
    if isinstance(node, exp.Like) and position_of(node) is not None:  # a call like(s, pattern), read as SQLite's
        left, right = right, left
    position = position_of(node) or position_of(node.this)
    folded = lower_expr.folded_interval(_OPERATORS[type(node)], left, right)
    made = folded or ast.Binary(_OPERATORS[type(node)], left, right, position, RULES_NAME)
    return ast.Unary("not", made) if node.args.get("negate") else made


def _spark_like(node: exp.Expr, text: ast.Expr, pattern: ast.Expr) -> ast.Expr:
    """A backslash in the pattern takes the meaning of itself too, not of % and _ only as in Hive."""
    made = _named("spark_like", (text, pattern), node)
    return ast.Unary("not", made) if node.args.get("negate") else made


def _quantified(node: exp.Expr, some: bool, over: exp.Expr, ctx: Context) -> ast.Expr:
    """`a op ANY|ALL (query)`, and `a LIKE ANY|ALL ('x', 'y')`; `some`: ANY or SOME."""
    op, left = _OPERATORS[type(node)], ctx.expr(node.this)
    inner = over
    while isinstance(inner, (exp.Paren, exp.Subquery)):
        inner = inner.this
    if isinstance(inner, exp.Query):
        return ast.Subquery("any" if some else "all", ctx.query(inner), left, op, rules=RULES_NAME)
    items = inner.expressions if isinstance(inner, exp.Tuple) else [inner]
    made: ast.Expr | None = None
    for item in items:
        one = ast.Binary(op, left, ctx.expr(item), position_of(node.this), RULES_NAME)
        made = one if made is None else ast.Binary("or" if some else "and", made, one)
    if made is None:
        raise errors.SyntaxError("ANY and ALL take a query or a list", position=position_of(node.this))
    return ast.Unary("not", made) if node.args.get("negate") else made


def _between(node: exp.Expr, ctx: Context) -> ast.Expr:
    arg = ctx.expr(node.this)
    low = ast.Binary(">=", arg, ctx.expr(node.args["low"]), position_of(node.this), RULES_NAME)
    high = ast.Binary("<=", arg, ctx.expr(node.args["high"]), position_of(node.this), RULES_NAME)
    return ast.Binary("and", low, high)


def _in(node: exp.Expr, ctx: Context) -> ast.Expr:
    made = lower_expr.RULES[exp.In](node, ctx)
    return replace(made, rules=RULES_NAME) if isinstance(made, (ast.InList, ast.Subquery)) else made


def _case(node: exp.Expr, ctx: Context) -> ast.Expr:
    made = lower_expr.RULES[exp.Case](node, ctx)
    assert isinstance(made, ast.Case)
    return replace(made, rules=RULES_NAME)


def _if(node: exp.Expr, ctx: Context) -> ast.Expr:
    default = node.args.get("false")
    whens = ((ctx.expr(node.this), ctx.expr(node.args["true"])),)
    return ast.Case(None, whens, ctx.expr(default) if default is not None else None, RULES_NAME)


def _cast(node: exp.Expr, ctx: Context) -> ast.Expr:
    if node.args.get("format"):
        return _named("cast_format", (ctx.expr(node.this), ast.Literal(type_name(node.args["to"]), "text")), node)
    name = hive_type(node.args["to"])
    assert isinstance(ctx, HiveLowering)
    if ctx.dialect == SPARK and node.args["to"].this == exp.DType.TIMESTAMPTZ:
        name = "timestamp"  # what sqlglot reads Spark's TIMESTAMP as; columns of tables have no zone either
    return _named("cast", (ctx.expr(node.this), ast.Literal(name, "text")), node)


def hive_type(node: exp.Expr) -> str:
    """The type of a CAST, lower case, with the lengths of char and varchar."""
    if node.args.get("this") == exp.DType.USERDEFINED:  # char and varchar with a length, see rewrite.py
        kind, _, length = str(node.args.get("kind")).strip('"`').removeprefix(SIZED).partition("_")
        return f"{kind}({length})"
    return type_name(node, HIVE_TINYINT)


def _named(name: str, args: tuple[ast.Expr, ...], node: exp.Expr) -> ast.Call:
    return ast.Call(f"hive${name}", args, position=position_of(node))


def _call(node: exp.Expr, ctx: Context) -> ast.Expr:
    """A plain call: an aggregate by what it is made of here, anything else under Hive's own name."""
    name = node.name.lower()
    if name.startswith(("hive$", "$")):
        return lower_calls.RULES[exp.Anonymous](node, ctx)
    if name in ("if",) and len(node.expressions) in (2, 3):
        condition, *values = (ctx.expr(item) for item in node.expressions)
        return ast.Case(None, ((condition, values[0]),), values[1] if len(values) > 1 else None, RULES_NAME)
    if name in _PLAIN:
        plain = lower_calls.RULES[exp.Anonymous](node, ctx)
        return replace(plain, rules=RULES_NAME) if isinstance(plain, ast.Row) else plain
    if any(isinstance(item, exp.Lambda) for item in node.expressions):
        return ast.Call(f"hive${name}", tuple(ctx.expr(item) for item in node.expressions), position=_position(node))
    assert isinstance(ctx, HiveLowering)
    if ctx.dialect == SPARK and name == "struct":
        return _spark_struct(node, ctx)
    if ctx.dialect == SPARK:
        name = SPARK_CALLS.get(name, name)
    call = lower_calls.arguments_of(ast.Call(name, (), position=_position(node)), node.expressions, ctx)
    if name in SPARK_MADE:
        return SPARK_MADE[name](call)
    return aggregate_call(call) or replace(call, name=f"hive${name}")


def _spark_struct(node: exp.Expr, ctx: Context) -> ast.Expr:
    """`struct(a, b + 1 AS c, 2)`: fields have the names of columns, those given, or col1, col2, ... by their places."""
    if not node.expressions:
        raise errors.UndefinedFunction("struct takes at least one value", position=_position(node))
    names: list[str] = []
    values: list[ast.Expr] = []
    for place, item in enumerate(node.expressions, 1):
        value = item.this if isinstance(item, exp.Alias) else item
        named = isinstance(item, (exp.Alias, exp.Column, exp.Dot))
        name = fold(item.args["alias"]) if isinstance(item, exp.Alias) else item.name.lower()
        names.append(name if named else f"col{place}")
        values.append(ctx.expr(value))
    return ast.Row(tuple(values), tuple(names), RULES_NAME)


def _lambda(node: exp.Expr, ctx: Context) -> ast.Expr:
    assert isinstance(ctx, HiveLowering)
    names = tuple(fold(item).lower() for item in node.expressions)
    ctx.params.append(names)
    try:
        return ast.Lambda(names, ctx.expr(node.this), position_of(node.expressions[0]))
    finally:
        ctx.params.pop()


def _column(node: exp.Expr, ctx: Context) -> ast.Expr:
    """A column, or inside a lambda one of its parameters and their fields."""
    assert isinstance(ctx, HiveLowering)
    made = lower_expr.column(node, ctx)
    if not isinstance(made, ast.Column) or not any(made.parts[0] in names for names in ctx.params):
        return made
    found: ast.Expr = ast.LambdaParam(made.parts[0])
    for name in made.parts[1:]:
        found = ast.FieldAccess(found, name)
    return found


def _position(node: exp.Expr) -> int | None:
    at = position_of(node)
    return at if at is not None else position_of(node.this if isinstance(node.this, exp.Expr) else None)


_PLAIN = frozenset(
    "row_number rank dense_rank percent_rank cume_dist ntile lead lag nth_value "
    "tumble hop cumulate session window session_window tumble_start tumble_end hop_start hop_end session_start "
    "session_end descriptor proctime named_struct unnest grouping grouping_id columns".split()
)
"""Calls with the same meaning in every dialect, or of our own SQL."""


def _array(node: exp.Expr, ctx: Context) -> ast.Expr:
    return _named("array", tuple(ctx.expr(item) for item in node.expressions), node)


def _bracket(node: exp.Expr, ctx: Context) -> ast.Expr:
    if len(node.expressions) != 1:
        raise errors.SyntaxError("one index is expected", position=position_of(node))
    return _named("item", (ctx.expr(node.this), ctx.expr(node.expressions[0])), node)


def _field(node: exp.Expr, ctx: Context) -> ast.Expr:
    member = node.expression
    if not isinstance(member, exp.Identifier):
        return lower_expr.RULES[exp.Dot](node, ctx)
    return _named("member", (ctx.expr(node.this), ast.Literal(fold(member).lower(), "text")), node)


def _own(name: str, *keys: str) -> Rule:
    """A rule for a node of sqlglot's own, as Hive's function of that name."""

    def rule(node: exp.Expr, ctx: Context) -> ast.Expr:
        given = [node.args[key] for key in keys if isinstance(node.args.get(key), exp.Expr)]
        return _named(name, tuple(ctx.expr(item) for item in given), node)

    return rule


def _extract(node: exp.Expr, ctx: Context) -> ast.Expr:
    """Of Hive's EXTRACT a function of the part's name; Spark's knows other words, and fractions of seconds."""
    assert isinstance(ctx, HiveLowering)
    part = str(node.this.name).lower()
    if ctx.dialect == SPARK:
        return _named("date_part", (ast.Literal(part, "text"), ctx.expr(node.expression)), node)
    return _named(part, (ctx.expr(node.expression),), node)


def _trim(node: exp.Expr, ctx: Context) -> ast.Expr:
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    return _own(name, "this", "expression")(node, ctx)


def _adjacent(node: exp.Expr, ctx: Context) -> ast.Expr:
    return _named("concat", tuple(ctx.expr(item) for item in node.expressions), node)


def _over(node: exp.Expr, ctx: Context) -> ast.Expr:
    frame = lower_calls.frame_of(node, ctx)
    called = node.this.this if isinstance(node.this, (exp.IgnoreNulls, exp.RespectNulls)) else node.this
    ignored = isinstance(node.this, exp.IgnoreNulls)
    one_of = ONE_OF.get(called.name.lower()) if isinstance(called, exp.Anonymous) else None
    if one_of is not None and called.expressions:  # first_value(x, true)
        args = tuple(ctx.expr(item) for item in called.expressions)
        ignored = ignored or passes_nulls(args)
        made: ast.Expr = ast.Call(f"{one_of}_value", args[:1], over=frame, position=_position(called))
    else:
        made = aggregated(ctx.expr(called), lambda call: replace(call, over=frame))
    if not isinstance(made, ast.Call):
        raise NotSupportedError("OVER after this expression is not supported", position=position_of(node))
    return replace(made, ignore_nulls=True) if ignored else made


def _without_nulls(node: exp.Expr, ctx: Context) -> ast.Expr:
    """`first(x) IGNORE NULLS` is `first(x, true)`."""
    called = node.this
    if not isinstance(called, exp.Anonymous) or called.name.lower() not in ONE_OF or len(called.expressions) != 1:
        return lower_calls.RULES[exp.IgnoreNulls](node, ctx)
    return _call(exp.Anonymous(this=called.name, expressions=[*called.expressions, exp.true()]), ctx)


def _filter(node: exp.Expr, ctx: Context) -> ast.Expr:
    condition = ctx.expr(node.expression.this)

    def filtered(call: ast.Call) -> ast.Call:
        both = condition if call.filter is None else ast.Binary("and", call.filter, condition)
        return replace(call, filter=both)

    return aggregated(ctx.expr(node.this), filtered)


def _within_group(node: exp.Expr, ctx: Context) -> ast.Expr:
    """`percentile_cont(p) WITHIN GROUP (ORDER BY x)` is `percentile_cont(x, p)`; descending, that of the negatives."""
    call, order = node.this, node.expression.expressions
    known = isinstance(call, exp.Anonymous) and call.name.lower() in ("percentile_cont", "percentile_disc")
    if not known or len(call.expressions) != 1 or len(order) != 1:
        raise errors.SyntaxError(
            "WITHIN GROUP is for percentile_cont and percentile_disc of one fraction in one order",
            position=position_of(node),
        )
    value = order[0].this if isinstance(order[0], exp.Ordered) else order[0]
    backwards = isinstance(order[0], exp.Ordered) and bool(order[0].args.get("desc"))
    sorted_by = exp.Neg(this=exp.Paren(this=value.copy())) if backwards else value.copy()
    made = _call(exp.Anonymous(this=call.name, expressions=[sorted_by, call.expressions[0].copy()]), ctx)
    return _named("negative", (made,), node) if backwards else made


def _refused(node: exp.Expr, ctx: Context) -> ast.Expr:
    raise NotSupportedError(f"{type(node).__name__.lower()} is not supported", position=position_of(node))


RULES: dict[type[exp.Expr], Rule] = {
    **lower_expr.RULES,
    **lower_calls.RULES,
    **dict.fromkeys(_OPERATORS, _binary),
    exp.Literal: lambda node, ctx: literal(node),
    exp.Localtimestamp: _own("current_timestamp"),
    exp.CurrentSchema: lambda node, ctx: _named("current_schema", (), node),
    exp.Column: _column,
    exp.Identifier: lambda node, ctx: _column(exp.Column(this=node), ctx),
    exp.Lambda: _lambda,
    exp.Between: _between,
    exp.In: _in,
    exp.Case: _case,
    exp.If: _if,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Neg: lambda node, ctx: _negated(node, ctx),
    exp.Interval: lambda node, ctx: _interval(node, ctx),
    exp.BitwiseNot: _own("bit_not", "this"),
    exp.Array: _array,
    exp.Bracket: _bracket,
    exp.Dot: _field,
    exp.Anonymous: _call,
    exp.Window: _over,
    exp.IgnoreNulls: _without_nulls,
    exp.Filter: _filter,
    exp.WithinGroup: _within_group,
    exp.Extract: _extract,
    exp.Trim: _trim,
    exp.Escape: lambda node, ctx: _escape(node, ctx),
    exp.Substring: _own("substr", "this", "start", "length"),
    exp.StrPosition: _own("locate", "substr", "this", "position"),
    exp.Concat: _adjacent,
    exp.Overlay: _own("overlay", "this", "expression", "from_", "for_"),
    exp.GenerateSeries: _own("sequence", "start", "end", "step"),
    exp.Any: lambda node, ctx: _call(exp.Anonymous(this="bool_or", expressions=[node.this]), ctx),
    exp.Sqrt: _own("sqrt", "this"),
    exp.Cbrt: _own("cbrt", "this"),
    exp.CurrentTimestamp: _own("current_timestamp"),
    exp.CurrentDate: _own("current_date"),
    exp.CurrentUser: _own("current_user"),
}


_DAY_TO_SECOND = re.compile(r"\s*([+-]?)(\d+) (\d+):(\d+):(\d+(?:\.\d+)?)\s*")


def _interval(node: exp.Expr, ctx: Context) -> ast.Expr:
    """`INTERVAL '1 2:3:4.5' DAY TO SECOND` with its units said one by one; others as in our own SQL."""
    unit = node.args.get("unit")
    if (
        isinstance(unit, exp.IntervalSpan)
        and str(unit.this.this).upper() == "DAY"
        and isinstance(node.this, exp.Literal)
    ):
        found = _DAY_TO_SECOND.fullmatch(str(node.this.this))
        if found is None:
            raise errors.InvalidDatetime(
                f"invalid interval: {str(node.this.this)!r}",
                hint="INTERVAL '1 2:03:04.5' DAY TO SECOND",
                position=position_of(node.this),
            )
        sign, *amounts = found.groups()
        spelt = " ".join(f"{sign}{n} {u}" for n, u in zip(amounts, ("day", "hour", "minute", "second"), strict=True))
        return parse_interval(spelt)
    return lower_expr.RULES[exp.Interval](node, ctx)


def _escape(node: exp.Expr, ctx: Context) -> ast.Expr:
    """`a LIKE b ESCAPE c`."""
    like = node.this
    if not isinstance(like, exp.Like):
        raise NotSupportedError("ESCAPE stands behind LIKE only", position=position_of(node))
    items = (ctx.expr(like.this), ctx.expr(like.expression), ctx.expr(node.expression))
    made = _named("like_escape", items, node)
    return ast.Unary("not", made) if like.args.get("negate") else made


def _negated(node: exp.Expr, ctx: Context) -> ast.Expr:
    assert isinstance(ctx, HiveLowering)
    if (
        isinstance(node.this, exp.Literal) and not node.this.is_string and str(node.this.this)[-1:].isalpha()
    ):  # `-8L`: the suffix says the type
        arg = literal(node.this, is_negated=ctx.dialect == SPARK)
        if isinstance(arg, ast.Literal):
            return replace(arg, value=-arg.value)
    made = lower_expr.RULES[exp.Neg](node, ctx)
    return _named("negative", (made.arg,), node) if isinstance(made, ast.Unary) else made


class HiveLowering:
    """One lowering of a Hive query; see sql/from_sqlglot.Lowering."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.windows: dict[str, exp.Expr] = {}
        self.params: list[tuple[str, ...]] = []

    def expr(self, node: exp.Expr) -> ast.Expr:
        """Lower a scalar expression."""
        return RULES.get(type(node), _refused)(node, self)

    def query(self, node: exp.Expr) -> ast.Select | ast.SetOperation:
        """Lower a query; columns without a name are called `_c0`, `_c1`, ... by their places."""
        script = script_of(node) if isinstance(node, exp.Select) else None
        if script is not None:
            return self._script(node, script)
        made = lower_query.query(node, self)
        if isinstance(made, ast.SetOperation):
            return _ruled(made)
        if isinstance(made.from_, ast.ValuesRef):
            made = replace(made, from_=replace(made.from_, rules=RULES_NAME))
        return replace(made, items=_named_items(node, made.items))

    def _script(self, node: exp.Expr, script: exp.Expr) -> ast.Select:
        """`SELECT TRANSFORM(...) USING ...`: all columns of what the script writes."""
        given, written = halves(node, script)
        rows, made = self.query(given), lower_query.query(written, self)
        assert isinstance(rows, ast.Select), "halves makes SELECTs"
        assert isinstance(made, ast.Select), "halves makes SELECTs"
        return replace(made, from_=transform(script, rows))


def _ruled(query: ast.Select | ast.SetOperation) -> ast.Select | ast.SetOperation:
    """Set operations, those within them too, whose columns meet by Hive's rules."""
    if isinstance(query, ast.Select):
        return query
    return replace(query, left=_ruled(query.left), right=_ruled(query.right), rules=RULES_NAME)


def _named_items(node: exp.Expr, items: tuple[ast.SelectItem, ...]) -> tuple[ast.SelectItem, ...]:
    if not isinstance(node, exp.Select):
        return items

    def named(at: int, item: ast.SelectItem) -> ast.SelectItem:
        if item.explicit or isinstance(item.expr, (ast.Column, ast.Star)) or _is_field(item.expr):
            return item
        return replace(item, name=f"_c{at}")

    return tuple(named(i, item) for i, item in enumerate(items))


def _is_field(expr: ast.Expr) -> bool:
    return isinstance(expr, ast.Call) and expr.name == "hive$member"


def lower_tree(tree: exp.Expr, dialect: str) -> ast.Select | ast.SetOperation:
    """The AST of a whole query of Hive's or Spark's dialect."""
    return HiveLowering(dialect).query(tree)
