"""Hive's aggregates as what our own ones make of converted arguments.

An aggregate of Hive is an expression around aggregates that every executor knows: `collect_set(x)` is the array of
distinct values that are not NULL, empty instead of NULL; `stddev` is that of the population.  Conversions of arguments
depend on types and are calls of `hive$...` (expr/hive).
"""

from __future__ import annotations

from collections.abc import Callable
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
    numbers = tuple(_hive("number", arg) for arg in call.args)
    return _hive("mean", replace(call, name="sum", args=numbers), replace(call, name="count", args=numbers))


def _collected(distinct: bool) -> Rewrite:
    def rewrite(call: ast.Call) -> ast.Expr:
        if len(call.args) != 1:
            raise errors.UndefinedFunction(f"{call.name} takes one argument", position=call.position)
        known = _and(call.filter, ast.IsTest(call.args[0], "null", True))
        values = replace(call, name="array_agg", distinct=distinct or call.distinct, filter=known)
        return _hive("or_empty", values)

    return rewrite


def _percentile(name: str) -> Rewrite:
    """`percentile(x, p)` and `percentile(x, array(p, ...))`: interpolated, of the values that are not NULL."""

    def rewrite(call: ast.Call) -> ast.Expr:
        if len(call.args) < 2:
            raise errors.UndefinedFunction(f"{call.name} takes a number and a fraction", position=call.position)
        known = _and(call.filter, ast.IsTest(call.args[0], "null", True))
        values = ast.Call("array_agg", (_hive(name, call.args[0]),), distinct=call.distinct, filter=known)
        return _hive("percentile_of", values, call.args[1])

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


def _same(call: ast.Call) -> ast.Expr:
    return call


AGGREGATES: dict[str, Rewrite] = {
    "count": _count,
    "sum": _number("sum"),
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
    "corr": _double("corr"),
    "covar_pop": _double("covar_pop"),
    "covar_samp": _double("covar_samp"),
    "regr_slope": _double("regr_slope"),
    "regr_intercept": _double("regr_intercept"),
    "regr_r2": _double("regr_r2"),
    "regr_count": _double("regr_count"),
    "regr_avgx": _double("regr_avgx"),
    "regr_avgy": _double("regr_avgy"),
    "regr_sxx": _double("regr_sxx"),
    "regr_syy": _double("regr_syy"),
    "regr_sxy": _double("regr_sxy"),
    "percentile": _percentile("as_double"),
    "percentile_approx": _percentile("as_double"),
    "percentile_cont": _percentile("as_double"),
    "histogram_numeric": _of_values("histogram_numeric_of"),
    "ngrams": _of_values("ngrams_of"),
    "context_ngrams": _of_values("context_ngrams_of"),
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
