"""Making `ast.Query` and expressions out of tokens, and what can be asked of a Query.

A Query keeps sqlglot's tree; it is parsed eagerly, so that a syntax error in a statement shows when the
statement is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine import errors
from sqlengine.sql import ast, deep
from sqlengine.sql.dialect import OURS, POSTGRES, Dialect, marked
from sqlengine.sql.from_sqlglot import lower_expression, lower_tree
from sqlengine.sql.glot import parse_expression, parse_query
from sqlengine.sql.interval import fixed_us, parse_interval
from sqlengine.sql.lexer import Token
from sqlengine.sql.rewrite_ksql import ksql_grace


def make_query(tokens: Sequence[Token], text: str, dialect: Dialect = OURS) -> ast.Query:
    """The Query of a stretch of tokens of `text`; positions inside count from the start of `text`."""
    if not tokens:
        raise errors.SyntaxError("syntax error at end of input", detail="a query is expected here", position=len(text))
    start, end = tokens[0].start, tokens[-1].end
    if dialect.is_hive:
        from sqlengine.sql.hive.query import parse_hive  # only who speaks it pays for it

        return ast.Query(marked(text[start:end], dialect), parse_hive(tokens, text, dialect), start)
    grace = ksql_grace(tokens)
    grace_us = fixed_us(parse_interval(*grace)) if grace is not None else None
    return ast.Query(text[start:end], parse_query(tokens, text), start, grace_us)


def make_expr(tokens: Sequence[Token], text: str) -> ast.Expr:
    """The expression of a stretch of tokens, which is our own SQL's also in statements of other dialects."""
    if not tokens:
        raise errors.SyntaxError("an expression is expected here", position=len(text))
    return lower_expression(parse_expression(tokens, text))


def lower(query: ast.Query) -> ast.Select | ast.SetOperation:
    """The query as plain data.

    Raises NotSupportedError (0A000) naming a shape the AST has no words for, TooComplex (54001) for chains
    too long.
    """
    if query.dialect != POSTGRES:
        from sqlengine.sql.hive.lower import lower_tree as lower_hive  # only who speaks it pays for it

        return deep.run(lower_hive, query.tree, query.dialect)
    return deep.run(lower_tree, query.tree)
