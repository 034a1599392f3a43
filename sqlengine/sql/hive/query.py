"""Queries of Hive and Spark through sqlglot's Hive grammar."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlglot import exp

from sqlengine.sql.dialect import HIVE
from sqlengine.sql.glot import KEYWORD_FUNCTIONS, Grammar, make_grammar, parse_query
from sqlengine.sql.hive.rewrite import rewrite
from sqlengine.sql.hive.tree import settle
from sqlengine.sql.lexer import Token

_CALLABLE = KEYWORD_FUNCTIONS | frozenset("IF ARRAY ISNULL EXPLODE PERCENTILE CUBE FILTER".split())


@lru_cache(maxsize=2)
def _grammar(dialect: str) -> Grammar:
    made = make_grammar(dialect, rewrite, _CALLABLE)
    made.dialect.SUPPORTS_USER_DEFINED_TYPES = True  # for those with a length, see rewrite.py
    if dialect == HIVE:  # hive.default.nulls.last, as Hive 4 has it: last ascending, first descending
        made.dialect.NULL_ORDERING = "nulls_are_large"
    return made


def parse_hive(tokens: Sequence[Token], text: str, dialect: str) -> exp.Expr:
    """The tree of a query; errors as of `glot.parse_query`."""
    tree = parse_query(tokens, text, _grammar(dialect))
    settle(tree)
    return tree
