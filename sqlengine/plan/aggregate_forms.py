"""Aggregates that are expressions over others: each call becomes what `operators/aggregates` has accumulators for.

Aliases of other systems take the known name.  Covariance, correlation and regression are written with variances, whose
accumulators lose nothing to large means: cov(y, x) = (var(y + x) - var(y - x)) / 4.  Any other aggregate DuckDB has is
applied to the group's list: its state is the group's values, and only groups that a change touches are computed again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlengine import duck
from sqlengine.functions.aggregates import aggregate
from sqlengine.plan.rewrite import transform
from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import approximate, ast
from storage.replacing import replace

ALIASES = {
    **approximate.ALIASES,
    "arbitrary": "any_value",
    "argmax": "arg_max",
    "argmin": "arg_min",
    "arrayagg": "array_agg",
    "collect": "array_agg",
    "collect_list": "array_agg",
    "correlation": "corr",
    "fsum": "sum",
    "group_concat": "string_agg",
    "kahan_sum": "sum",
    "list": "array_agg",
    "list_agg": "array_agg",
    "latest": "last",
    "earliest": "first",
    "wm_concat": "string_agg",
    "logical_and": "bool_and",
    "logical_or": "bool_or",
    "percentile": "percentile_cont",
    "quantile": "quantile_disc",
    "stddev_sample": "stddev_samp",
    "topk": "max",
    "topkdistinct": "max",
    "sumkahan": "sum",
}
STRICT = "_strict"
"""Ends the names of JSON aggregates that leave NULLs out."""
JSON_LISTS = ("json_agg", "jsonb_agg")
JSON_MAPS = ("json_object_agg", "jsonb_object_agg")
GEOMETRIC = ("geomean", "geometric_mean")
BY_OFFSET = {"earliest_by_offset": "first", "latest_by_offset": "last"}
COUNTED = ("count_if", "countif")
LEAST_COUNT = {"min": 2, "max": 2, "arg_min": 3, "arg_max": 3, "min_by": 3, "max_by": 3}
"""From how many arguments on these give the n best values as a list."""


def spelt_out(s: ast.Select) -> ast.Select:
    """The block with every such call replaced."""
    return replace(
        s,
        items=transform(s.items, _form),
        having=transform(s.having, _form),
        qualify=transform(s.qualify, _form),
        order_by=transform(s.order_by, _form),
    )


def _form(expr: ast.Expr) -> ast.Expr | None:
    """What a call stands for, or None for any other expression."""
    if not isinstance(expr, ast.Call) or expr.user is not None or expr.star:
        return None
    name = ALIASES.get(expr.name, expr.name)
    call = replace(expr, name=name)
    if expr.over is not None and (found := _over_form(call)) is not None:
        return found
    if expr.name == "topkdistinct" and len(call.args) == 2:
        call = replace(call, distinct=True)
    if expr.name in ("group_concat", "listagg", "wm_concat") and len(call.args) == 1:
        call = replace(call, args=(*call.args, ast.Literal(",", "text")))
    if name in COUNTED and len(call.args) == 1:
        return replace(call, name="count", args=(), star=True, filter=_both(call.args[0], call.filter))
    if name == "count_distinct" and call.args:
        return _form(replace(call, name="count", distinct=True)) or replace(call, name="count", distinct=True)
    if name == "count" and call.distinct and len(call.args) > 1:
        return replace(call, args=(_whole_row(call.args),))
    if name == "collect_set" and len(call.args) == 1:
        return ast.Call("array_sort", (_of_present(replace(call, name="array_agg", distinct=True)),))
    if name in BY_OFFSET and 1 <= len(call.args) <= 3:
        return _by_offset(call)
    if name in GEOMETRIC and len(call.args) == 1:
        return ast.Call("exp", (replace(call, name="avg", args=(ast.Call("ln", call.args),)),))
    if name.endswith(STRICT) and (name.removesuffix(STRICT) in (*JSON_LISTS, *JSON_MAPS)):
        plain = replace(call, name=name.removesuffix(STRICT))
        return _form(_of_present(plain, plain.args[-1]))
    if name in JSON_LISTS and len(call.args) == 1:
        return ast.Call(_maker(name), (replace(call, name="array_agg"),))
    if name in JSON_MAPS and len(call.args) == 2:
        keys, values = (replace(call, name="array_agg", args=(a,)) for a in (_text(call.args[0]), call.args[1]))
        return ast.Call(_maker(name), (ast.Call("map_of", (keys, values)),))
    if name == "map_agg" and len(call.args) == 2:
        return ast.Call("map_of", tuple(replace(call, name="array_agg", args=(a,)) for a in call.args))
    if name in REGRESSIONS and len(call.args) == 2 and not call.distinct:
        return REGRESSIONS[name](_Pair(call))
    if name in PERCENTILES and (fractions := _several_fractions(call)) is not None:
        return _percentiles(call, fractions)
    if name in LEAST_COUNT and len(call.args) >= LEAST_COUNT[name]:
        return _over_list(call)
    if aggregate(name) is None and _is_duck_aggregate(name) and call.args:
        return _over_list(call)
    return call if call != expr else None


def _maker(name: str) -> str:
    """What makes json, or jsonb, of an aggregate's values."""
    return "to_jsonb" if name.startswith("jsonb") else "to_json"


def _over_form(call: ast.Call) -> ast.Expr | None:
    """What an aggregate stands for before OVER where that is another than in a group."""
    if call.name in FRAMES and len(call.args) == 1:
        return replace(call, name=FRAMES[call.name], ignore_nulls=call.ignore_nulls or call.name == "any_value")
    if call.name == "approx_count_distinct" and call.args:
        return replace(call, name="count", args=call.args[:1], distinct=True)
    if call.name == "mode" and len(call.args) == 1:
        values = _of_present(replace(call, name="array_agg"))
        return ast.Call("mode_of_list", (values,), position=call.position)
    if call.name in WINDOWED:
        return call
    return None


FRAMES = {"first": "first_value", "last": "last_value", "any_value": "first_value"}
"""Aggregates that are a row of the frame before OVER."""
WINDOWED = frozenset(("lag", "lead", "first_value", "last_value", "nth_value", "ntile", "row_number", "rank"))
"""Window functions that are no aggregates, or others as such."""


def _of_present(call: ast.Call, value: ast.Expr | None = None) -> ast.Call:
    """The call over the rows whose value (the first argument, if nothing else is said) is not NULL."""
    return replace(call, filter=_both(ast.IsTest(value or call.args[0], "null", True), call.filter))


def _whole_row(values: tuple[ast.Expr, ...]) -> ast.Expr:
    """The values as one, NULL where one of them is: what count(DISTINCT a, b) counts."""
    present: ast.Expr = ast.IsTest(values[0], "null", True)
    for value in values[1:]:
        present = _both(present, ast.IsTest(value, "null", True))
    return ast.Case(None, ((present, ast.Row(values)),), None)


def _by_offset(call: ast.Call) -> ast.Expr | None:
    """ksqlDB's earliest and latest value, or array of n values: `f(x [, n] [, whether NULLs are left out])`."""
    value, *rest = call.args
    constants = [a.value for a in rest if isinstance(a, ast.Literal)]
    counts = [c for c in constants if isinstance(c, int) and not isinstance(c, bool)]
    wrong = any(c is None or isinstance(c, str) for c in constants) or any(c < 1 for c in counts)
    if len(constants) < len(rest) or len(counts) > 1 or wrong:
        return None
    ignore = next((c for c in constants if isinstance(c, bool)), True)
    plain = replace(call, args=(value,))
    over = _of_present(plain) if ignore else plain
    if not counts:
        return replace(over, name=BY_OFFSET[call.name])
    last = call.name == "latest_by_offset"
    return ast.Call(
        "list_last" if last else "list_first",
        (replace(over, name="array_agg"), ast.Literal(counts[0], "integer")),
        position=call.position,
    )


def _is_duck_aggregate(name: str) -> bool:
    kind = duck.function_kind(name)
    return kind is not None and kind[0] == "aggregate"


PERCENTILES = ("percentile_cont", "percentile_disc", "quantile_cont", "quantile_disc")


def _several_fractions(call: ast.Call) -> tuple[ast.Expr, ...] | None:
    """The fractions of percentile_cont(ARRAY[0.1, 0.9]); None for a single one."""
    found = next(iter(call.args[:1] if call.within_group else call.args[1:2]), None)
    return found.items if isinstance(found, ast.ArrayLiteral) else None


def _percentiles(call: ast.Call, fractions: tuple[ast.Expr, ...]) -> ast.Expr:
    """One percentile a fraction as an array; NULL of no values."""
    value = call.within_group[0].expr if call.within_group else call.args[0]
    before = () if call.within_group else call.args[:1]
    each = ast.ArrayLiteral(tuple(replace(call, args=(*before, f)) for f in fractions))
    some = replace(call, name="count", args=(value,), within_group=())
    return ast.Case(None, ((ast.Binary(">", some, ast.Literal(0, "integer")), each),), None)


def _over_list(call: ast.Call) -> ast.Expr:
    """DuckDB's aggregate of a list; Unplannable for one of several columns."""
    args, order = call.args, call.order_by
    if call.within_group or not all(isinstance(a, ast.Literal) for a in args[1:]):
        raise Unplannable(f"the aggregate {call.name} of several columns")
    values = ast.Call(
        "array_agg",
        args[:1],
        distinct=call.distinct,
        filter=call.filter,
        order_by=order,
        over=call.over,
        position=call.position,
    )
    name = ast.Literal(call.name, "text")
    return ast.Call("list_aggr", (values, name, *args[1:]), position=call.position)


# ---------------------------------------------------------------- two variables


class _Pair:
    """The terms of an aggregate of (y, x), over the rows that have both."""

    def __init__(self, call: ast.Call) -> None:
        self._call = call
        self._y, self._x = (_double(a) for a in call.args)

    def of(self, name: str, value: ast.Expr) -> ast.Call:
        """Another aggregate of the same rows."""
        return replace(self._call, name=name, args=(value,))

    @property
    def count(self) -> ast.Expr:
        """Number of rows."""
        return self.of("count", ast.Binary("+", self._y, self._x))

    @property
    def x(self) -> ast.Expr:
        """x, NULL where y is."""
        return _where(self._y, self._x)

    @property
    def y(self) -> ast.Expr:
        """y, NULL where x is."""
        return _where(self._x, self._y)

    @property
    def covariance(self) -> ast.Expr:
        """Of the population."""
        total, difference = (self.of("var_pop", ast.Binary(op, self._y, self._x)) for op in "+-")
        return _divide(ast.Binary("-", total, difference), ast.Literal(4, "integer"))

    @property
    def slope(self) -> ast.Expr:
        """Of the line through the points by least squares; NULL when all x are equal."""
        return _divide(self.covariance, self.of("var_pop", self.x))

    @property
    def intercept(self) -> ast.Expr:
        """Where that line crosses x = 0."""
        return ast.Binary("-", self.of("avg", self.y), ast.Binary("*", self.slope, self.of("avg", self.x)))

    @property
    def correlation(self) -> ast.Expr:
        """NULL when all x or all y are equal."""
        zero, one = ast.Literal(0, "integer"), ast.Literal(1, "integer")
        spread = ast.Binary("*", self.of("stddev_pop", self.x), self.of("stddev_pop", self.y))
        at_most = ast.Call("least", (ast.Binary("/", self.covariance, spread), one))
        bounded = ast.Call("greatest", (at_most, ast.Literal(-1, "integer")))
        return ast.Case(None, ((ast.Binary(">", spread, zero), bounded),), None)

    @property
    def determination(self) -> ast.Expr:
        """correlation squared; 1 when all y are equal, NULL when all x are."""
        flat_x, flat_y = (ast.Binary("=", self.of("var_pop", v), ast.Literal(0, "integer")) for v in (self.x, self.y))
        whens = ((flat_x, ast.Literal(None, "unknown")), (flat_y, ast.Literal(1, "integer")))
        return ast.Case(None, whens, ast.Binary("*", self.correlation, self.correlation))

    @property
    def sample_covariance(self) -> ast.Expr:
        """NULL of fewer than two rows."""
        fewer = ast.Binary("-", self.count, ast.Literal(1, "integer"))
        return _divide(ast.Binary("*", self.covariance, _double(self.count)), fewer)

    def sum_of(self, mean: ast.Expr) -> ast.Expr:
        """A mean times the number of rows, NULL of none."""
        return ast.Binary("*", mean, _double(self.count))


REGRESSIONS: dict[str, Callable[[_Pair], ast.Expr]] = {
    "corr": lambda p: p.correlation,
    "covar_pop": lambda p: p.covariance,
    "covar_samp": lambda p: p.sample_covariance,
    "regr_avgx": lambda p: p.of("avg", p.x),
    "regr_avgy": lambda p: p.of("avg", p.y),
    "regr_count": lambda p: p.count,
    "regr_intercept": lambda p: p.intercept,
    "regr_r2": lambda p: p.determination,
    "regr_slope": lambda p: p.slope,
    "regr_sxx": lambda p: p.sum_of(p.of("var_pop", p.x)),
    "regr_sxy": lambda p: p.sum_of(p.covariance),
    "regr_syy": lambda p: p.sum_of(p.of("var_pop", p.y)),
}


def _double(expr: ast.Expr) -> ast.Expr:
    return ast.Cast(expr, "double precision")


def _text(expr: ast.Expr) -> ast.Expr:
    return ast.Cast(expr, "text")


def _divide(a: ast.Expr, b: ast.Expr) -> ast.Expr:
    """a / b, NULL when b is 0."""
    return ast.Binary("/", a, ast.Call("nullif", (b, ast.Literal(0, "integer"))))


def _where(test: ast.Expr, value: ast.Expr) -> ast.Expr:
    return ast.Case(None, ((ast.IsTest(test, "null", True), value),), None)


def _both(condition: ast.Expr, other: Any) -> ast.Expr:
    return condition if other is None else ast.Binary("and", condition, other)
