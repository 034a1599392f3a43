"""A query under the WITH of the statement it is part of, which its own WITH comes before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlglot import exp

from sqlengine.sql import ast, deep
from sqlengine.sql.glot import parse_query
from sqlengine.sql.lexer import lex
from sqlengine.sql.nodes import nodes


def query_under(with_text: str, query: ast.Query) -> ast.Query:
    """The query with the items of a WITH around it."""
    return deep.run(_under, with_text, query) if with_text else query


def main_of(statement: ast.With) -> ast.Statement:
    """The statement behind items that are run before it, which sees them."""
    main = statement.statement
    if isinstance(main, ast.SelectStatement):
        return replace(main, query=query_under(statement.with_text, main.query))
    return main


def _under(with_text: str, query: ast.Query) -> ast.Query:
    above = _parsed(f"{with_text} SELECT 1").args["with_"]
    for node in nodes(above):
        node.meta.pop("start", None)  # it is no place in the statement: what is wrong there is found by its name
    tree: Any = query.tree.copy()
    if not isinstance(tree, (exp.Select, exp.SetOperation)) or tree.args.get("with_") is not None:
        tree = _as_relation(tree)
    tree.set("with_", above)
    return ast.Query(f"{with_text} {query.text}", tree, query.position, query.grace_us)


def _as_relation(tree: exp.Expr) -> exp.Expr:
    """`SELECT *` from a query, which keeps its own WITH, or from VALUES."""
    made: Any = _parsed('SELECT * FROM (VALUES (1)) AS "$given"')
    relation = made.args["from_"].this
    if isinstance(tree, exp.Values):
        relation.set("expressions", tree.expressions)
    else:
        relation.replace(exp.Subquery(this=tree, alias=relation.args["alias"]))
    return made  # type: ignore[no-any-return]


def _parsed(text: str) -> exp.Expr:
    return parse_query(lex(text), text)
