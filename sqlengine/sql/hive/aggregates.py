"""Hive's aggregates as what our own ones make of converted arguments.

An aggregate of Hive is an expression around aggregates that every executor knows: `collect_set(x)` is the array of
distinct values that are not NULL, empty instead of NULL; `stddev` is that of the population.  Conversions of arguments
depend on types and are calls of `hive$...` (expr/hive).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlengine import errors
from sqlengine.sql import ast

Rewrite = Callable[[ast.Call], ast.Expr]


def _hive(name: str, *args: ast.Expr) -> ast.Call:
    return ast.Call(f"hive${name}", args)


def _number(name: str) -> Rewrite:
    """The aggregate `name` of arguments made numbers (a string counts as a double)."""

    def rewrite(call: ast.Call) -> ast.Expr:
        return replace(call, name=name, args=tuple(_hive("number", arg) for arg in call.args))

    return rewrite


def _double(name: str) -> Rewrite:
    def rewrite(call: ast.Call) -> ast.Expr:
        return replace(call, name=name, args=tuple(_hive("as_double", arg) for arg in call.args))

    return rewrite


def _sum(call: ast.Call) -> ast.Expr:
    return _number("sum")(replace(call, rules="hive"))


def _count(call: ast.Call) -> ast.Expr:
    """`count(DISTINCT a, b)` counts rows in which no argument is NULL."""
    if call.star or len(call.args) == 1:
        return call
    if not call.distinct:
        raise errors.UndefinedFunction(
            "count takes several arguments after DISTINCT only", position=call.position, hint="count(DISTINCT a, b)"
        )
    known: ast.Expr = ast.IsTest(call.args[0], "null", True)
    for arg in call.args[1:]:
        known = ast.Binary("and", known, ast.IsTest(arg, "null", True))
    return replace(call, args=(ast.Row(call.args),), filter=_and(call.filter, known))


def _and(left: ast.Expr | None, right: ast.Expr) -> ast.Expr:
    return right if left is None else ast.Binary("and", left, right)


def _avg(call: ast.Call) -> ast.Expr:
    """Of decimals a decimal, of all else a double."""
    if len(call.args) != 1:
        raise errors.UndefinedFunction(f"{call.name} takes one number", position=call.position)
    numbers = tuple(_hive("number", arg) for arg in call.args)
    return _hive(
        "mean", replace(call, name="sum", args=numbers, rules="hive"), replace(call, name="count", args=numbers)
    )


def _collected(distinct: bool) -> Rewrite:
    def rewrite(call: ast.Call) -> ast.Expr:
        if len(call.args) != 1:
            raise errors.UndefinedFunction(f"{call.name} takes one argument", position=call.position)
        known = _and(call.filter, ast.IsTest(call.args[0], "null", True))
        values = replace(call, name="array_agg", distinct=distinct or call.distinct, filter=known)
        return _hive("or_empty", values)

    return rewrite


def _percentile(kernel: str) -> Rewrite:
    """`percentile(x, p)` and `percentile(x, array(p, ...))` of the values that are not NULL; what an approximation is
    told of its accuracy is left out, for the answer is exact."""

    def rewrite(call: ast.Call) -> ast.Expr:
        if len(call.args) not in (2, 3):
            raise errors.UndefinedFunction(f"{call.name} takes a number and a fraction", position=call.position)
        known = _and(call.filter, ast.IsTest(call.args[0], "null", True))
        values = ast.Call("array_agg", (_hive("as_double", call.args[0]),), distinct=call.distinct, filter=known)
        return _hive(kernel, values, call.args[1])

    return rewrite


def _pairs(kernel: str, *parts: str) -> Rewrite:
    """A function of aggregates over rows in which both arguments are known: `plus` and `minus` are the variances of
    y + x and y - x, whose difference is four times their covariance."""

    def rewrite(call: ast.Call) -> ast.Expr:
        if len(call.args) != 2 or call.distinct:
            raise errors.UndefinedFunction(f"{call.name} takes two numbers", position=call.position)
        known = _and(call.filter, ast.IsTest(call.args[0], "null", True))
        known = _and(known, ast.IsTest(call.args[1], "null", True))
        y, x = (_hive("as_double", arg) for arg in call.args)

        def over(name: str, arg: ast.Expr) -> ast.Call:
            return ast.Call(name, (arg,), filter=known, position=call.position)

        made = {
            "plus": lambda: over("var_pop", ast.Binary("+", y, x, call.position, "hive")),
            "minus": lambda: over("var_pop", ast.Binary("-", y, x, call.position, "hive")),
            "x": lambda: over("var_pop", x),
            "y": lambda: over("var_pop", y),
            "n": lambda: over("count", x),
            "meanx": lambda: over("avg", x),
            "meany": lambda: over("avg", y),
        }
        if kernel == "":
            return made[parts[0]]()
        return _hive(kernel, *(made[part]() for part in parts))

    return rewrite


def _of_values(name: str) -> Rewrite:
    """An aggregate computed from the array of its first argument's values that are not NULL."""

    def rewrite(call: ast.Call) -> ast.Expr:
        if not call.args:
            raise errors.UndefinedFunction(f"{call.name} takes arguments", position=call.position)
        known = _and(call.filter, ast.IsTest(call.args[0], "null", True))
        values = ast.Call("array_agg", (call.args[0],), distinct=call.distinct, filter=known)
        return _hive(name, values, *call.args[1:])

    return rewrite


def _moments(name: str) -> Rewrite:
    return lambda call: _of_values(name)(replace(call, args=tuple(_hive("as_double", arg) for arg in call.args)))


def _histogram(call: ast.Call) -> ast.Expr:
    if len(call.args) != 2:
        raise errors.UndefinedFunction("histogram_numeric takes a number and how many bins", position=call.position)
    return _of_values("histogram_numeric_of")(replace(call, args=(_hive("as_double", call.args[0]), call.args[1])))


def _renamed(name: str) -> Rewrite:
    return lambda call: replace(call, name=name)


def _one_of(name: str) -> Rewrite:
    """`first(x[, true])`: a row's value, or with `true` one that is not NULL."""

    def rewrite(call: ast.Call) -> ast.Expr:
        if not 1 <= len(call.args) <= 2:
            raise errors.UndefinedFunction(f"{call.name} takes a value and whether to pass over NULL")
        known = _and(call.filter, ast.IsTest(call.args[0], "null", True)) if passes_nulls(call.args) else call.filter
        return replace(call, name=name, args=call.args[:1], filter=known)

    return rewrite


def _beside(call: ast.Call) -> ast.Expr:
    """`max_by(x, y)`: x of the row of the greatest y, NULL too; ours passes over rows whose x is NULL, but not over a
    struct of it."""
    if len(call.args) != 2:
        raise errors.UndefinedFunction(f"{call.name} takes a value and what it is chosen by", position=call.position)
    row = replace(call, args=(_hive("struct", call.args[0]), call.args[1]))
    return _hive("member", row, ast.Literal("col1", "text"))


def passes_nulls(args: Sequence[ast.Expr]) -> bool:
    """Whether the second argument of `first(x, true)` and its like says that NULLs are passed over."""
    return len(args) > 1 and isinstance(args[1], ast.Literal) and args[1].value is True


def _same(call: ast.Call) -> ast.Expr:
    return call


ONE_OF = {"any_value": "first", "first": "first", "first_value": "first", "last": "last", "last_value": "last"}
"""Aggregates that are one row's value: the name of ours."""
SPARK_AGGREGATES: dict[str, Rewrite] = {
    **{name: _one_of(ours) for name, ours in ONE_OF.items()},
    **dict.fromkeys("mode approx_count_distinct bit_and bit_or bit_xor".split(), _same),
    **dict.fromkeys(("bool_and", "every"), _renamed("bool_and")),
    **dict.fromkeys(("bool_or", "some", "any"), _renamed("bool_or")),
    **dict.fromkeys(("max_by", "min_by"), _beside),
    **dict.fromkeys(("mean", "try_avg"), _avg),
    "count_if": lambda call: replace(call, args=tuple(_hive("istrue", arg) for arg in call.args)),
    "median": _double("median"),
    "approx_percentile": _of_values("approx_percentile_of"),
    "array_agg": _collected(False),
    "kurtosis": _moments("kurtosis_of"),
    "skewness": _moments("skewness_of"),
}
"""Those that only Spark has."""
AGGREGATES: dict[str, Rewrite] = {
    "count": _count,
    "sum": _sum,
    "avg": _avg,
    "min": _same,
    "max": _same,
    "collect_set": _collected(True),
    "collect_list": _collected(False),
    "stddev": _double("stddev_pop"),
    "std": _double("stddev_pop"),
    "stddev_pop": _double("stddev_pop"),
    "stddev_samp": _double("stddev_samp"),
    "variance": _double("var_pop"),
    "var_pop": _double("var_pop"),
    "var_samp": _double("var_samp"),
    "corr": _pairs("corr_of", "plus", "minus", "x", "y", "n"),
    "covar_pop": _pairs("covar_pop_of", "plus", "minus"),
    "covar_samp": _pairs("covar_samp_of", "plus", "minus", "n"),
    "regr_slope": _pairs("slope_of", "plus", "minus", "x"),
    "regr_intercept": _pairs("intercept_of", "plus", "minus", "x", "meanx", "meany"),
    "regr_r2": _pairs("r2_of", "plus", "minus", "x", "y"),
    "regr_count": _pairs("", "n"),
    "regr_avgx": _pairs("", "meanx"),
    "regr_avgy": _pairs("", "meany"),
    "regr_sxx": _pairs("sxx_of", "x", "n"),
    "regr_syy": _pairs("sxx_of", "y", "n"),
    "regr_sxy": _pairs("sxy_of", "plus", "minus", "n"),
    "percentile": _percentile("percentile_of"),
    "percentile_approx": _percentile("percentile_of"),
    "percentile_cont": _percentile("percentile_of"),
    "percentile_disc": _percentile("percentile_disc_of"),
    "approx_distinct": _renamed("approx_count_distinct"),
    "histogram_numeric": _histogram,
    "ngrams": _of_values("ngrams_of"),
    "context_ngrams": _of_values("context_ngrams_of"),
    **SPARK_AGGREGATES,
}
"""Hive's aggregates and what becomes of a call."""


def aggregate_call(call: ast.Call) -> ast.Expr | None:
    """What a call of an aggregate is made of; None for any other function."""
    rewrite = AGGREGATES.get(call.name)
    return None if rewrite is None else rewrite(call)


def aggregated(expr: ast.Expr, change: Callable[[ast.Call], ast.Call]) -> ast.Expr:
    """The expression with `change` made to the aggregates in it that `aggregate_call` put there: FILTER or OVER."""
    if not isinstance(expr, ast.Call):
        return expr
    if not expr.name.startswith("hive$"):
        return change(expr)
    return replace(expr, args=tuple(aggregated(arg, change) for arg in expr.args))
