"""Queries of Hive and Spark through sqlglot's Hive grammar."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlglot import exp

from sqlengine.sql.dialect import DEFAULT_DATABASE, SPARK, Dialect
from sqlengine.sql.glot import KEYWORD_FUNCTIONS, Grammar, make_grammar, parse_query
from sqlengine.sql.hive.rewrite import rewrite
from sqlengine.sql.hive.spark_tokens import spark_forms
from sqlengine.sql.hive.tree import settle
from sqlengine.sql.hive.zones import in_zone
from sqlengine.sql.lexer import Token
from sqlengine.sql.lower_values import FILE
from sqlengine.sql.nodes import nodes, of_types

_PUBLIC = "public"
_CALLABLE = KEYWORD_FUNCTIONS | frozenset("IF ARRAY ISNULL EXPLODE PERCENTILE CUBE FILTER".split())


@lru_cache(maxsize=4)
def _grammar(dialect: str, nulls_low: bool) -> Grammar:
    made = make_grammar(dialect, rewrite, _CALLABLE)
    made.dialect.SUPPORTS_USER_DEFINED_TYPES = True  # for those with a length, see rewrite.py
    if not nulls_low:  # hive.default.nulls.last, as Hive 4 has it: last ascending, first descending
        made.dialect.NULL_ORDERING = "nulls_are_large"
    return made


def parse_hive(tokens: Sequence[Token], text: str, dialect: Dialect) -> exp.Expr:
    """The tree of a query; errors as of `glot.parse_query`."""
    if dialect.name == SPARK:
        tokens = spark_forms(tokens, text)
    tree = parse_query(tokens, text, _grammar(dialect.name, dialect.nulls_low))
    settle(tree, patterns=dialect.quoted == "none")
    in_zone(tree, dialect.zone)
    _complete_names(tree, dialect.database)
    return tree


def _complete_names(tree: exp.Expr, database: str) -> None:
    """Tables without a database are in the session's; `default` is the schema that one begins in."""
    found = nodes(tree)
    names = {cte.alias_or_name.lower() for cte in of_types(found, exp.CTE)}
    for table in of_types(found, exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.this.meta.get(FILE):
            continue
        said = table.args.get("db")
        if said is not None and said.name.lower() == DEFAULT_DATABASE:
            table.set("db", exp.to_identifier(_PUBLIC, quoted=True))
        elif said is None and database and table.name.lower() not in names:
            table.set("db", exp.to_identifier(database, quoted=True))
