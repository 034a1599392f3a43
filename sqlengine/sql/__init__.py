"""SQL text -> Statement, and queries -> DuckDB text.  The only importer of sqlglot and lark.

Both are loaded on the first call that needs them: importing this package or `sqlengine.sql.ast` loads
neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlengine.sql.bare import is_bare
from sqlengine.sql.interval import parse_interval
from sqlengine.sql.lexer import Token, Unterminated, lex
from sqlengine.sql.marks import NOW, STATEMENT, TICK, fill_marks, has_mark
from sqlengine.sql.parse import parse, parse_expr, parse_one, parse_query
from sqlengine.sql.redact import without_passwords
from sqlengine.sql.renaming import with_name_replaced
from sqlengine.sql.scripts import dialect_after, is_complete, lex_in, may_switch, split
from sqlengine.sql.token_edit import ROWTIME
from sqlengine.sql.with_clause import changes_from

if TYPE_CHECKING:
    from sqlengine.sql.column_reads import columns_read
    from sqlengine.sql.column_rename import Renaming, with_new_name, with_old_names
    from sqlengine.sql.glot import has_own_form
    from sqlengine.sql.open_params import lower_open, parameter_count
    from sqlengine.sql.params import bind_params, bind_rows
    from sqlengine.sql.pg_forms import PgForms
    from sqlengine.sql.query import lower
    from sqlengine.sql.references import Reference, called_functions, matches_rows, named_in, reads_changes, tables
    from sqlengine.sql.render import render_expr, to_duckdb
    from sqlengine.sql.sampling import sampled_share
    from sqlengine.sql.schema_names import with_schemas
    from sqlengine.sql.shell import Accepts, accepts, is_keyword
    from sqlengine.sql.syntax_help import split_alternatives, statement_words, synopsis
    from sqlengine.sql.typed import Typed
    from sqlengine.sql.under import main_of, query_under
    from sqlengine.sql.windows import grouping_window

_LAZY = {
    "Accepts": "shell",
    "accepts": "shell",
    "is_keyword": "shell",
    "split_alternatives": "syntax_help",
    "statement_words": "syntax_help",
    "synopsis": "syntax_help",
    "lower": "query",
    "main_of": "under",
    "query_under": "under",
    "has_own_form": "glot",
    "Reference": "references",
    "called_functions": "references",
    "columns_read": "column_reads",
    "matches_rows": "references",
    "Renaming": "column_rename",
    "with_new_name": "column_rename",
    "with_old_names": "column_rename",
    "reads_changes": "references",
    "runs_scripts": "references",
    "named_in": "references",
    "sampled_share": "sampling",
    "with_schemas": "schema_names",
    "tables": "references",
    "to_duckdb": "render",
    "render_expr": "render",
    "bind_params": "params",
    "bind_rows": "params",
    "PgForms": "pg_forms",
    "Typed": "typed",
    "lower_open": "open_params",
    "parameter_count": "open_params",
    "grouping_window": "windows",
}


def __getattr__(name: str) -> Any:
    """Load the functions that need sqlglot on first use."""
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # the module to load is known only now

    return getattr(import_module(f"sqlengine.sql.{module}"), name)


def quote_identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def whole_name(name: str) -> str:
    """The name of an object of the catalog with its schema, quoted, so that no item of a WITH hides it."""
    parts = name.split(".")
    return ".".join(map(quote_identifier, parts if len(parts) > 1 else ["public", *parts]))


PgOutputs = Sequence[tuple[str, str | None]]
"""The columns of a catalog query and their types in PostgreSQL's words, None where Arrow's type tells."""

__all__ = [
    "with_schemas",
    "Accepts",
    "NOW",
    "PgForms",
    "PgOutputs",
    "ROWTIME",
    "Reference",
    "Renaming",
    "STATEMENT",
    "TICK",
    "Token",
    "Typed",
    "Unterminated",
    "accepts",
    "bind_params",
    "bind_rows",
    "called_functions",
    "changes_from",
    "columns_read",
    "dialect_after",
    "fill_marks",
    "grouping_window",
    "has_mark",
    "has_own_form",
    "is_bare",
    "is_complete",
    "is_keyword",
    "lex",
    "lex_in",
    "lower",
    "lower_open",
    "main_of",
    "may_switch",
    "parameter_count",
    "parse",
    "parse_expr",
    "parse_interval",
    "parse_one",
    "parse_query",
    "query_under",
    "quote_identifier",
    "matches_rows",
    "reads_changes",
    "named_in",
    "render_expr",
    "sampled_share",
    "split",
    "split_alternatives",
    "statement_words",
    "synopsis",
    "tables",
    "whole_name",
    "with_name_replaced",
    "with_new_name",
    "with_old_names",
    "to_duckdb",
    "without_passwords",
]
