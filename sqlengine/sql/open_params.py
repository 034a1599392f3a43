"""Queries whose parameters have no values yet, as plain data, so that their types can be found."""

from __future__ import annotations

from sqlglot import exp

from sqlengine.sql import ast, deep
from sqlengine.sql.from_sqlglot import lower_tree
from sqlengine.sql.lexer import lex
from sqlengine.sql.lower_values import parameter
from sqlengine.sql.nodes import find_all
from sqlengine.sql.rewrite import parameter_spans


def parameter_count(text: str) -> int:
    """How many values a statement's text takes: the highest number of `$n`, or the `?`; named ones do not count."""
    numbers = [key for _, _, key in parameter_spans(lex(text)) if isinstance(key, int)]
    return max(numbers, default=-1) + 1


def lower_open(query: ast.Query) -> tuple[ast.Select | ast.SetOperation, frozenset[int]]:
    """(the query, the numbers of parameters that are arrays): `x = ANY($1)` stands there as `x = $1`.

    Raises NotSupportedError (0A000), TooComplex (54001) as `lower` does.
    """
    return deep.run(_lower_open, query)


def _lower_open(query: ast.Query) -> tuple[ast.Select | ast.SetOperation, frozenset[int]]:
    tree = query.tree.copy()
    arrays: set[int] = set()
    for node in find_all(tree, exp.Any, exp.All):
        inner = node.this.unnest() if isinstance(node.this, exp.Paren) else node.this
        element: exp.Expr | None = None
        if isinstance(inner, exp.Cast) and inner.to.this == exp.DType.ARRAY and inner.to.expressions:
            element, inner = inner.to.expressions[0], inner.this
        param = parameter(inner) if isinstance(inner, exp.Anonymous) else None
        if param is not None and isinstance(param.key, int):
            arrays.add(param.key)
            node.replace(inner.copy() if element is None else exp.Cast(this=inner.copy(), to=element.copy()))
    return lower_tree(tree), frozenset(arrays)
