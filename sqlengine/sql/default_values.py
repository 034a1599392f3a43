"""DEFAULT among the rows of `INSERT ... VALUES`: where it stands, and the query with something else in its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlglot import exp

from sqlengine.sql import ast, deep
from sqlengine.sql.glot import parse_expression
from sqlengine.sql.lexer import lex

Place = tuple[int, int]
"""(row, column), from 0 on."""


def default_places(query: ast.Query) -> tuple[list[Place], int, int]:
    """Where a query of VALUES says DEFAULT, its rows, and the columns of the first one; no place in any other query."""
    if not isinstance(query.tree, exp.Values) or not query.tree.expressions:
        return [], 0, 0
    rows = query.tree.expressions
    found = [(i, j) for i, row in enumerate(rows) for j, item in enumerate(row.expressions) if _is_default(item)]
    return found, len(rows), len(rows[0].expressions)


def _is_default(item: exp.Expr) -> bool:
    return isinstance(item, exp.Var) and item.name.upper() == "DEFAULT"


def with_values(query: ast.Query, left_out: Collection[int], texts: Mapping[Place, str]) -> ast.Query:
    """The query without the columns `left_out`, and with the expressions that `texts` spell."""
    tree: Any = deep.run(query.tree.copy)
    for i, row in enumerate(tree.expressions):
        items = [item if (i, j) not in texts else _parsed(texts[i, j]) for j, item in enumerate(row.expressions)]
        row.set("expressions", [item for j, item in enumerate(items) if j not in left_out])
    changed = f"{query.text} /* {sorted(left_out)} {sorted(texts.items())} */"
    return ast.Query(changed, tree, query.position)


def _parsed(text: str) -> exp.Expr:
    return parse_expression(lex(text), text)
