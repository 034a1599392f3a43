"""What the parameters of a catalog query are, by what stands beside them: casts, comparisons, functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlglot import exp

from sqlengine.sql.lower_values import parameter
from sqlengine.sql.nodes import find_all
from sqlengine.sql.pg_types import type_name

Known = Mapping[int, str | None]
"""PostgreSQL's types of expressions by the identity of their nodes."""


def parameter_kinds(tree: exp.Expr, known: Known, argument: Callable[[str, int, int], str | None]) -> dict[int, str]:
    """Parameter's number -> the name of its type; those that nothing tells of are left out.

    `argument(name, count, index)` gives the type of a function's parameter.
    """
    found: dict[int, str] = {}
    for node in find_all(tree, exp.Anonymous):
        param = parameter(node)
        if param is not None and isinstance(param.key, int):
            kind = next((k for k in _kinds(node, known, argument) if k is not None), None)
            if kind is not None:
                found.setdefault(param.key, kind)
    return found


def _kinds(node: exp.Expr, known: Known, argument: Callable[[str, int, int], str | None]) -> Iterator[str | None]:
    """What each neighbour says, the nearest first."""
    above = node.parent
    while isinstance(above, exp.Paren):
        node, above = above, above.parent
    if isinstance(above, exp.Cast):
        yield type_name(above.to) or str(above.to.sql(dialect="postgres")).lower()
    elif isinstance(above, (exp.Any, exp.All)):
        compared = above.parent
        partner = known.get(id(compared.this)) if compared is not None else None
        yield None if partner is None else f"{partner}[]"
    elif isinstance(above, exp.In):
        yield known.get(id(above.this)) if above.this is not node else known.get(id(above.expressions[0]))
    elif isinstance(above, exp.Binary):
        yield known.get(id(above.expression if above.this is node else above.this))
    elif isinstance(above, exp.Anonymous):
        yield argument(above.name.lower(), len(above.expressions), above.expressions.index(node))
