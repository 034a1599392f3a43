"""Lowering of scalar expressions: a table from sqlglot's classes to functions that make `ast` nodes.

Chains are walked by loops: AND and OR come out as balanced trees (20,000 terms are 15 levels deep), other
operators keep their shape up to a depth every later walk can stand.  What has no word of its own becomes
`ast.Opaque`, unless it holds an aggregate, a window or a sub-query, which the planner must see: then
NotSupportedError names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from sqlglot import exp

from sqlengine import errors
from sqlengine.errors import NotSupportedError, TooComplex
from sqlengine.sql import ast
from sqlengine.sql import interval as intervals
from sqlengine.sql.lower_values import (
    fold,
    hex_bytes,
    interval,
    literal,
    negated,
    parts_of,
    position_of,
    type_name,
)
from sqlengine.sql.nodes import find_all, nodes
from sqlengine.sql.quantified import over_elements, quantifier
from sqlengine.text_limits import limit_of

DEPTH_MAX = 250
"""Deepest chain of one operator that is passed on; later stages recurse over it within Python's default
limit."""


class Context(Protocol):
    """What a rule may call back: the lowering of sub-expressions and sub-queries."""

    windows: dict[str, exp.Expr]

    def expr(self, node: exp.Expr) -> ast.Expr:
        """Lower a sub-expression."""

    def query(self, node: exp.Expr) -> ast.Select | ast.SetOperation:
        """Lower a sub-query."""


Rule = Callable[[Any, Context], ast.Expr]

OPERATORS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.Pow: "^",
    exp.DPipe: "||",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "is not distinct from",
    exp.NullSafeNEQ: "is distinct from",
    exp.Like: "like",
    exp.ILike: "ilike",
    exp.SimilarTo: "similar to",
    exp.RegexpLike: "~",
    exp.RegexpILike: "~*",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.BitwiseXor: "#",
    exp.BitwiseLeftShift: "<<",
    exp.BitwiseRightShift: ">>",
    exp.JSONExtract: "->",
    exp.JSONExtractScalar: "->>",
    exp.JSONBExtract: "#>",
    exp.JSONBExtractScalar: "#>>",
    exp.ArrayContainsAll: "@>",
    exp.ArrayContainedBy: "<@",
    exp.ArrayOverlaps: "&&",
    exp.JSONBContainsTopKey: "?",
    exp.And: "and",
    exp.Or: "or",
}
"""sqlglot's class of a binary operator -> its spelling in `ast.Binary`."""


# ---------------------------------------------------------------- operators


def binary(node: exp.Expr, ctx: Context) -> ast.Expr:
    """A chain of binary operators, walked down its left side by a loop."""
    if isinstance(node, (exp.And, exp.Or)):
        return _balanced(_flatten(node, ctx), "and" if isinstance(node, exp.And) else "or")
    spine: list[exp.Expr] = []
    while type(node) in OPERATORS and not isinstance(node, (exp.And, exp.Or)):
        spine.append(node)
        node = node.this
    if len(spine) > DEPTH_MAX:
        raise TooComplex(f"an expression chains more than {DEPTH_MAX} operators", hint="break it up with sub-queries")
    left = ctx.expr(node)
    for step in reversed(spine):
        left = _operate(step, left, ctx)
    return left


def _flatten(node: exp.Expr, ctx: Context) -> list[ast.Expr]:
    """The terms of an AND or OR chain, left to right."""
    kind, terms, stack = type(node), [], [node]
    while stack:
        top = stack.pop()
        if type(top) is kind:
            stack += [top.args["expression"], top.args["this"]]
        else:
            terms.append(ctx.expr(top))
    return terms


def _balanced(terms: list[ast.Expr], op: str) -> ast.Expr:
    while len(terms) > 1:
        pairs = [ast.Binary(op, terms[i], terms[i + 1]) for i in range(0, len(terms) - 1, 2)]
        terms = pairs + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def _operate(node: exp.Expr, left: ast.Expr, ctx: Context) -> ast.Expr:
    other = node.args["expression"]
    op = OPERATORS[type(node)]
    position = position_of(node) or position_of(node.this) if isinstance(node.this, exp.Expr) else None
    if (found := quantifier(other)) is not None:
        return _quantified(left, op, node, *found, ctx)
    right = ctx.expr(other)
    folded = folded_interval(op, left, right)
    made = folded or ast.Binary(op, left, right, position)
    return ast.Unary("not", made) if node.args.get("negate") else made


def folded_interval(op: str, left: ast.Expr, right: ast.Expr) -> ast.Interval | None:
    """Arithmetic of constant intervals."""
    if isinstance(left, ast.Interval) and isinstance(right, ast.Interval) and op in "+-":
        return intervals.add(left, right if op == "+" else intervals.negate(right))
    if op == "*":
        amount, factor = (left, right) if isinstance(left, ast.Interval) else (right, left)
        if isinstance(amount, ast.Interval) and isinstance(factor, ast.Literal) and type(factor.value) is int:
            return intervals.scale(amount, factor.value)
    return None


def _quantified(left: ast.Expr, op: str, node: exp.Expr, some: bool, over: exp.Expr, ctx: Context) -> ast.Expr:
    """`a op ANY|ALL (query or array)`; `node` is the comparison, `some`: ANY."""
    inner = _unwrapped(over)
    if isinstance(inner, exp.Array) and len(inner.expressions) == 1 and isinstance(inner.expressions[0], exp.Query):
        inner = inner.expressions[0]
    if isinstance(inner, (exp.Query, exp.Values)):
        return ast.Subquery("any" if some else "all", ctx.query(inner), left, op)
    if isinstance(inner, exp.Array):
        items = tuple(ctx.expr(item) for item in inner.expressions)
        if op == ("=" if some else "<>"):
            return ast.InList(left, items, not some)
        return _balanced([ast.Binary(op, left, item) for item in items], "or" if some else "and")
    return opaque(over_elements(node, some, inner))


def _unwrapped(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Paren) or (isinstance(node, exp.Subquery) and set(_given(node)) == {"this"}):
        node = node.this
    return node


def _given(node: exp.Expr) -> list[str]:
    return [key for key, value in node.args.items() if value]


def _not(node: exp.Expr, ctx: Context) -> ast.Expr:
    arg = ctx.expr(node.this)
    if isinstance(arg, (ast.IsTest, ast.Between, ast.InList)) and not arg.negated:
        return replace(arg, negated=True)
    if isinstance(arg, ast.Subquery) and arg.kind in ("in", "exists"):
        return replace(arg, negated=not arg.negated)
    return ast.Unary("not", arg)


def _negative(node: exp.Expr, ctx: Context) -> ast.Expr:
    arg = ctx.expr(node.this)
    if isinstance(arg, ast.Interval):
        return intervals.negate(arg)
    made = negated(arg) if isinstance(arg, ast.Literal) else None
    return made or ast.Unary("-", arg)


# ---------------------------------------------------------------- tests and choices


_IS_TESTS: dict[type[exp.Expr], Callable[[exp.Expr], str]] = {
    exp.Null: lambda node: "null",
    exp.Boolean: lambda node: "true" if node.this else "false",
}


def _is(node: exp.Expr, ctx: Context) -> ast.Expr:
    test = _IS_TESTS.get(type(node.expression))
    if test is None:
        return opaque(node)
    return ast.IsTest(ctx.expr(node.this), test(node.expression), bool(node.args.get("negate")))


def _between(node: exp.Expr, ctx: Context) -> ast.Expr:
    low, high = ctx.expr(node.args["low"]), ctx.expr(node.args["high"])
    arg = ctx.expr(node.this)
    if any(isinstance(e, ast.Call) and e.name == "mz_now" for e in (arg, low, high)):  # compared one by one
        return ast.Binary("and", ast.Binary(">=", arg, low), ast.Binary("<=", arg, high))
    plain = ast.Between(arg, low, high)
    return ast.Binary("or", plain, ast.Between(arg, high, low)) if node.args.get("symmetric") else plain


def _in(node: exp.Expr, ctx: Context) -> ast.Expr:
    arg = ctx.expr(node.this)
    query = node.args.get("query")
    if query is not None:
        return ast.Subquery("in", ctx.query(_unwrapped(query)), arg, "=")
    if node.args.get("unnest") or node.args.get("field"):
        raise NotSupportedError("IN over an array has no incremental form", position=position_of(node.this))
    if len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Values):
        return ast.Subquery("in", ctx.query(node.expressions[0]), arg, "=")
    return ast.InList(arg, tuple(ctx.expr(item) for item in node.expressions))


def _case(node: exp.Expr, ctx: Context) -> ast.Expr:
    operand, default = node.args.get("this"), node.args.get("default")
    whens = tuple((ctx.expr(branch.this), ctx.expr(branch.args["true"])) for branch in node.args["ifs"])
    return ast.Case(
        ctx.expr(operand) if operand is not None else None,
        whens,
        ctx.expr(default) if default is not None else None,
    )


def _cast(node: exp.Expr, ctx: Context) -> ast.Expr:
    if node.args.get("format") or node.args.get("default"):
        return opaque(node)
    empty = isinstance(node.this, exp.Array) and not node.this.expressions  # of which only the cast knows a type
    arg = ast.Literal("{}", "text") if empty else ctx.expr(node.this)
    name = type_name(node.args["to"])
    made = ast.Cast(arg, name, isinstance(node, exp.TryCast))
    limit = limit_of(name, position_of(node.this))
    if limit is None:
        return made
    cut = ast.Call("left", (made, ast.Literal(limit.length, "integer")))
    return ast.Call("rtrim", (cut,)) if limit.fixed else cut


# ---------------------------------------------------------------- columns and values


def column(node: exp.Expr, ctx: Context) -> ast.Expr:
    """`a`, `t.a`, `s.t.a`, or `t.*`."""
    if isinstance(node.this, exp.Star):
        return replace(star(node.this, ctx), table=parts_of(node)[-1])
    return ast.Column(parts_of(node), _first_position(node))


def _first_position(node: exp.Expr) -> int | None:
    for key in ("catalog", "db", "table", "this"):
        if node.args.get(key) is not None:
            return position_of(node.args[key])
    return None


def star(node: exp.Expr, ctx: Context) -> ast.Star:
    """`*` with EXCEPT/EXCLUDE and REPLACE."""
    if node.args.get("rename") or node.args.get("ilike"):
        raise NotSupportedError("RENAME of a star's columns has no incremental form")
    excluded = tuple(
        fold(item.this if isinstance(item, exp.Column) else item) for item in node.args.get("except_") or ()
    )
    replaced = node.args.get("replace") or ()
    if not all(isinstance(item, exp.Alias) for item in replaced):
        raise errors.SyntaxError("REPLACE takes expressions with names", hint="write * REPLACE (expression AS column)")
    return ast.Star(None, excluded, tuple((fold(item.args["alias"]), ctx.expr(item.this)) for item in replaced))


def _interval(node: exp.Expr, ctx: Context) -> ast.Expr:
    constant = interval(node)
    if constant is not None:
        return constant
    unit = node.args.get("unit")
    if node.this is None or not isinstance(unit, exp.Var):
        raise errors.SyntaxError("an interval is written INTERVAL '5' MINUTE", position=position_of(node.this))
    one = interval(exp.Interval(this=exp.Literal.string("1"), unit=unit.copy()))
    return ast.Binary("*", ctx.expr(node.this), one or opaque(node))


def _tuple(node: exp.Expr, ctx: Context) -> ast.Expr:
    return ast.Row(tuple(ctx.expr(item) for item in node.expressions))


def _struct(node: exp.Expr, ctx: Context) -> ast.Expr:
    pairs = node.expressions
    if not all(isinstance(pair, exp.PropertyEQ) for pair in pairs):
        return opaque(node)
    names = tuple(str(pair.this.this) if pair.this.is_string else fold(pair.this) for pair in pairs)
    return ast.Row(tuple(ctx.expr(pair.expression) for pair in pairs), names)


def _array(node: exp.Expr, ctx: Context) -> ast.Expr:
    items = node.expressions
    if len(items) == 1 and isinstance(items[0], (exp.Query, exp.Values)):
        return ast.Subquery("array", ctx.query(items[0]))
    return ast.ArrayLiteral(tuple(ctx.expr(item) for item in items))


def _bracket(node: exp.Expr, ctx: Context) -> ast.Expr:
    items = node.expressions
    if len(items) != 1:
        return opaque(node)
    index = items[0]
    if isinstance(index, exp.Slice):
        ends = [index.args.get("this"), index.args.get("expression")]
        bounds = tuple(ctx.expr(end) if end is not None else ast.Literal(None, "unknown") for end in ends)
        return ast.Call("array_slice", (ctx.expr(node.this), *bounds)) if not index.args.get("step") else opaque(node)
    return ast.Subscript(ctx.expr(node.this), ctx.expr(index))


def _dot(node: exp.Expr, ctx: Context) -> ast.Expr:
    """A struct's field, or a call qualified by its schema."""
    member = node.expression
    if isinstance(member, (exp.Anonymous, exp.Func)) and isinstance(node.this, (exp.Identifier, exp.Column, exp.Dot)):
        return ctx.expr(member)
    if isinstance(member, exp.Star) and isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
        return ast.FieldsOf(ctx.expr(node.this))
    if not isinstance(member, exp.Identifier):
        return opaque(node)
    return ast.FieldAccess(ctx.expr(node.this), fold(member))


def _subquery(node: exp.Expr, ctx: Context) -> ast.Expr:
    return ast.Subquery("scalar", ctx.query(node))


def _exists(node: exp.Expr, ctx: Context) -> ast.Expr:
    return ast.Subquery("exists", ctx.query(_unwrapped(node.this)))


# ---------------------------------------------------------------- the rest


AGGREGATES = frozenset(
    "count sum avg mean min max stddev stddev_samp stddev_pop variance var_samp var_pop array_agg list "
    "string_agg group_concat "
    "bool_and bool_or every first last any_value arg_min arg_max min_by max_by median mode quantile "
    "quantile_cont quantile_disc "
    "percentile_cont percentile_disc approx_quantile approx_percentile percentile_approx "
    "approx_count_distinct approx_distinct approx_top_k corr covar_pop "
    "covar_samp "
    "regr_slope regr_intercept regr_r2 bit_and bit_or bit_xor histogram product json_agg jsonb_agg "
    "json_object_agg "
    "jsonb_object_agg json_group_array entropy kurtosis skewness grouping grouping_id "
    "first_value last_value".split()
)
"""Names that may not hide inside an Opaque."""
VOLATILE = frozenset(
    (
        "now",
        "proctime",
        "current_timestamp",
        "random",
        "gen_random_uuid",
        "uuid",
        "nextval",
        "clock_timestamp",
    )
)
_HIDDEN = (
    exp.Window,
    exp.Query,
    exp.WithinGroup,
    exp.Filter,
    exp.Distinct,
    exp.Unnest,
    exp.CurrentTimestamp,
    exp.Localtimestamp,
)


def opaque(node: exp.Expr) -> ast.Expr:
    """DuckDB text for an expression without a word; NotSupportedError when the planner must see inside."""
    for part in nodes(node):
        hidden = isinstance(part, exp.Anonymous) and (
            part.name.lower() in AGGREGATES | VOLATILE or part.name.startswith("$")
        )
        if hidden or isinstance(part, _HIDDEN):
            what = part.name.lower() if isinstance(part, exp.Anonymous) else type(part).__name__.lower()
            raise NotSupportedError(f"{what} inside {type(node).__name__.lower()} has no incremental form")
    copied = node.copy()
    columns = []
    for found in find_all(copied, exp.Column):
        if not isinstance(found.this, exp.Star):
            columns.append(ast.Column(parts_of(found), _first_position(found)))
            _quote_parts(found)
    text = str(copied.sql(dialect="duckdb", comments=False))
    return ast.Opaque(text, tuple(dict.fromkeys(columns)), _calls(node))


def _calls(node: exp.Expr) -> tuple[tuple[str, int], ...]:
    """(name, number of arguments) of the functions it calls, as DuckDB spells them."""
    found = []
    for part in find_all(node, exp.Func):
        given = [v for value in part.args.values() if value for v in (value if isinstance(value, list) else [value])]
        anonymous = isinstance(part, exp.Anonymous)
        name = part.name if anonymous else part.sql(dialect="duckdb").partition("(")[0]
        found.append((name.lower(), len(given) - anonymous))
    return tuple(dict.fromkeys(found))


def _quote_parts(node: exp.Expr) -> None:
    for key in ("catalog", "db", "table", "this"):
        part = node.args.get(key)
        if isinstance(part, exp.Identifier):
            node.set(key, exp.Identifier(this=fold(part), quoted=True))


def _misplaced(node: exp.Expr, ctx: Context) -> ast.Expr:
    raise errors.SyntaxError("this is not an expression", position=position_of(node))


RULES: dict[type[exp.Expr], Rule] = {
    **dict.fromkeys(OPERATORS, binary),
    exp.Paren: lambda node, ctx: ctx.expr(node.this),
    exp.Column: column,
    exp.Identifier: lambda node, ctx: ast.Column((fold(node),), position_of(node)),
    exp.Star: star,
    exp.Literal: lambda node, ctx: literal(node),
    exp.Boolean: lambda node, ctx: ast.Literal(bool(node.this), "boolean"),
    exp.Null: lambda node, ctx: ast.Literal(None, "unknown"),
    exp.HexString: lambda node, ctx: hex_bytes(node),
    exp.Interval: _interval,
    exp.Not: _not,
    exp.Neg: _negative,
    exp.BitwiseNot: lambda node, ctx: ast.Unary("~", ctx.expr(node.this)),
    exp.Is: _is,
    exp.Between: _between,
    exp.In: _in,
    exp.Case: _case,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Tuple: _tuple,
    exp.Struct: _struct,
    exp.Array: _array,
    exp.Bracket: _bracket,
    exp.Dot: _dot,
    exp.Subquery: _subquery,
    exp.Select: _subquery,
    exp.Union: _subquery,
    exp.Intersect: _subquery,
    exp.Except: _subquery,
    exp.Exists: _exists,
    exp.Parameter: _misplaced,
    exp.Placeholder: _misplaced,
}
"""Everything that is neither a call nor opaque; calls are in lower_calls.py."""
