"""Aggregates DuckDB has no way to register: each becomes a scalar function over the lists of its arguments.

`f(x) FILTER (WHERE c)` -> `udf(list(x) FILTER (WHERE c))`; DISTINCT, ORDER BY and OVER stay with the list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from sqlengine.errors import NotSupportedError

Aggregates = Callable[[str], str | None]
"""Lower-case name -> the scalar function over lists that stands for an aggregate, or None."""


def no_aggregates(name: str) -> str | None:
    """Every aggregate is DuckDB's own."""
    return None


def spread_aggregates(tree: exp.Expr, aggregates: Aggregates) -> None:
    """Rewrite the calls in place."""
    if aggregates is no_aggregates:
        return
    for call in list(tree.find_all(exp.Anonymous)):
        target = aggregates(call.name.lower())
        if target is not None:
            _spread(call, target)


def _spread(call: exp.Anonymous, target: str) -> None:
    whole: Any = call
    while isinstance(whole.parent, (exp.Filter, exp.Window)) and whole.parent.this is whole:
        whole = whole.parent
    args = list(call.expressions)
    if len(args) > 1 and any(isinstance(a, (exp.Distinct, exp.Order)) for a in args):
        raise NotSupportedError(f"{call.name} of several arguments with DISTINCT or ORDER BY")
    place = exp.Placeholder()
    if whole.parent is not None:
        whole.replace(place)
    lists = []
    for arg in args:
        call.set("this", "list")
        call.set("expressions", [arg.copy()])
        lists.append(whole.copy())
    place.replace(exp.Anonymous(this=target, expressions=lists))
