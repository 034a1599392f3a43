"""Text of Hive's dialect -> statements: Hive's own first, else those of our own SQL with queries in Hive's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlengine import errors
from sqlengine.errors import Error
from sqlengine.settings import Settings
from sqlengine.sql import ast, deep, guard
from sqlengine.sql.dialect import Dialect
from sqlengine.sql.hive.script import Written, after, written
from sqlengine.sql.hive.script_tokens import script_forms
from sqlengine.sql.hive.unsupported import unsupported_in_hive
from sqlengine.sql.hive.variables import Words
from sqlengine.sql.lexer import Token
from sqlengine.sql.with_clause import refuse_writing_items

if TYPE_CHECKING:
    from sqlengine.sql.build import Node

_STARTS = frozenset(
    "CREATE ALTER DROP USE MSCK TRUNCATE ANALYZE RELOAD INSERT FROM WITH LOAD EXPORT IMPORT DESCRIBE DESC SHOW "
    "EXPLAIN CACHE UNCACHE CLEAR REFRESH".split()
)
"""First words of statements that Hive's grammar has."""


def parse_script(text: str, settings: Settings) -> list[ast.Statement]:
    """All statements of a script; see `sql.parse`."""
    made: list[ast.Statement] = []
    for found in written(text, Words.of(settings)):
        try:
            made += _statements(found, settings)
        except Error as error:
            found.place(error)
            raise
    return made


def words_after(text: str, settings: Settings) -> Words:
    """What the text behind a script depends on; the script has been read before."""
    words = Words.of(settings)
    for found in written(text, words):
        words = after(found)
    return words


def _statements(found: Written, settings: Settings) -> list[ast.Statement]:
    if found.made is not None:
        return [replace(found.made, text=found.text, position=found.start)]
    guard.check_length(found.text, settings)
    guard.check(found.tokens, settings)
    dialect = found.words.dialect(settings.dialect)
    built = deep.run(hive_statements, found.text, list(found.tokens), dialect)
    return [replace(one, text=found.text, position=found.start) for one in built]


def parse_query_text(text: str, dialect: Dialect) -> ast.Query:
    """The query that a view or subscription keeps."""
    words = Words(database=dialect.database)
    (found,) = written(text, words)
    (statement,) = deep.run(hive_statements, found.text, list(found.tokens), dialect)
    if isinstance(statement, ast.SelectStatement) and statement.emit is None:
        return statement.query
    raise errors.SyntaxError("a query is expected here", position=0)


def hive_statements(text: str, tokens: list[Token], dialect: Dialect) -> list[ast.Statement]:
    """One statement's text; most are one statement here too."""
    from sqlengine.sql.parse import statements_of  # that module needs this one

    tokens = script_forms(tokens)
    feature = unsupported_in_hive(tokens)
    if feature is not None:
        return [ast.Unsupported(feature=feature)]
    refuse_writing_items(tokens)
    if not _may_be_hive(tokens):
        return statements_of(text, tokens, dialect)
    try:
        return [_hive_statement(text, tokens, dialect)]
    except errors.SyntaxError as error:
        theirs = error
    try:
        return statements_of(text, tokens, dialect)
    except errors.SyntaxError as error:
        raise (theirs if (theirs.position or 0) >= (error.position or 0) else error) from None


def _may_be_hive(tokens: list[Token]) -> bool:
    from sqlengine.sql.hive.grammar import has_insert  # lark: heavy

    first = tokens[0].upper
    return first in _STARTS and (first not in ("FROM", "WITH") or has_insert(tokens))


def _hive_statement(text: str, tokens: list[Token], dialect: Dialect) -> ast.Statement:
    from sqlengine.sql import shell  # lark: heavy
    from sqlengine.sql.build import Node
    from sqlengine.sql.hive.grammar import HIVE_SHELL

    parsed = shell.parse_shell(tokens, HIVE_SHELL)
    node = next(Node(parsed.tree, text, parsed.tokens, dialect).nodes())
    if node.rule == "explain":
        return _explain(node, text, dialect)
    return _builders()[node.rule](node)


def _explain(node: Node, text: str, dialect: Dialect) -> ast.Statement:
    from sqlengine.sql.hive.build_more import explain_head  # lark: heavy

    leaf = node.leaf("STATEMENT")
    assert leaf is not None, "the grammar asks for it"
    tokens = node.source(leaf)
    made = hive_statements(text, tokens, dialect)
    if len(made) != 1:
        raise errors.SyntaxError("only one statement is expected here", position=tokens[0].start)
    start = tokens[0].start
    inner = replace(made[0], text=text[start : tokens[-1].end], position=start)
    return ast.Explain(statement=inner, **explain_head(node))


def _builders() -> dict[str, Callable[..., ast.Statement]]:
    from sqlengine.sql.hive import build as tables  # lark: heavy
    from sqlengine.sql.hive import build_more as more
    from sqlengine.sql.hive import build_spark as spark

    return {
        "create_database": tables.create_database,
        "alter_database": tables.alter_database,
        "drop_database": tables.drop_database,
        "use": tables.use,
        "create_table": tables.create_table,
        "create_like": tables.create_like,
        "drop_table": tables.drop_table,
        "msck": tables.msck,
        "truncate": tables.truncate,
        "analyze": tables.analyze,
        "alter_table": tables.alter_table,
        "create_view": more.create_view,
        "create_materialized_view": more.create_materialized_view,
        "alter_view": more.alter_view,
        "alter_materialized_view": more.alter_materialized_view,
        "drop_view": more.drop_view,
        "drop_materialized_view": more.drop_materialized_view,
        "create_function": more.create_function,
        "drop_function": more.drop_function,
        "reload_functions": more.reload_functions,
        "create_macro": more.create_macro,
        "drop_macro": more.drop_macro,
        "insert": more.insert,
        "multi_insert": more.multi_insert,
        "load": more.load,
        "export": more.export,
        "import": more.import_,
        "describe": more.describe,
        "describe_database": more.describe_database,
        "describe_function": more.describe_function,
        "show": more.show,
        "show_create_database": more.show_create_database,
        "create_source_view": spark.create_source_view,
        "cache": spark.cache,
        "uncache": spark.uncache,
        "clear_cache": spark.clear_cache,
        "refresh": spark.refresh,
    }
