"""Approximate aggregates in a one-shot query: all rows are at hand, so the answer is the exact one.

approx_count_distinct becomes count(DISTINCT ...), approx_quantile quantile_disc, approx_top_k the head of a histogram.
DuckDB's own sketches would answer differently from the views' (and from themselves, on another number of threads).
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from sqlengine.errors import Error, UndefinedFunction
from sqlengine.sql import approximate
from sqlengine.sql.lower_values import position_of
from sqlengine.sql.nodes import find_all
from sqlengine.sql.render_aggregates import wrap


def exact_aggregates(tree: exp.Expr) -> exp.Expr:
    """Rewrite the calls in place; gives the tree back (its root may be new)."""
    holder = exp.Paren(this=tree)
    for call in find_all(tree, exp.Anonymous):
        name = call.name.lower()
        name = approximate.ALIASES.get(name, name)
        if name in approximate.NAMES and call.expressions:
            try:
                _rewrite(call, name)
            except Error as error:
                raise error.at(position_of(call)) from None
    return holder.this.pop()  # type: ignore[no-any-return]


def _rewrite(call: exp.Anonymous, name: str) -> None:
    ordered = isinstance(call.parent, exp.WithinGroup)
    value, *rest = ([None] if ordered else []) + list(call.expressions)
    constants = [_constant(arg) for arg in rest]
    if all(c is not _NOT_CONSTANT for c in constants):
        approximate.check(name, constants)
    else:
        raise UndefinedFunction(f"the arguments of {name} after the first must be constants")
    if name in approximate.DISTINCT_COUNTS:
        call.set("this", "count")
        call.set("expressions", [value if isinstance(value, exp.Distinct) else exp.Distinct(expressions=[value])])
    elif name in approximate.QUANTILES:
        call.set("this", "percentile_disc" if ordered else "quantile_disc")
        call.set("expressions", call.expressions[: 1 if ordered else 2])
    else:
        k = approximate.frequent_of(name, constants).k
        call.set("this", "histogram")
        call.set("expressions", [value])
        wrap(call, lambda whole: exp.Anonymous(this="most_frequent", expressions=[whole, exp.Literal.number(k)]))


_NOT_CONSTANT = object()


def _constant(arg: exp.Expr) -> Any:
    """The value of a literal, a tuple of those of an ARRAY of them, _NOT_CONSTANT for anything else."""
    if isinstance(arg, exp.Array):
        items = tuple(_constant(item) for item in arg.expressions)
        return _NOT_CONSTANT if _NOT_CONSTANT in items else items
    if isinstance(arg, exp.Neg):
        inner = _constant(arg.this)
        return _NOT_CONSTANT if inner is _NOT_CONSTANT else f"-{inner}"
    if isinstance(arg, exp.Null):
        return None
    if isinstance(arg, exp.Cast):
        return _constant(arg.this)
    return str(arg.this) if isinstance(arg, exp.Literal) else _NOT_CONSTANT
