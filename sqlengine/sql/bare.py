"""Whether a query is columns of one relation and nothing else, told from its tree before any work is put into it."""

from __future__ import annotations

from sqlengine.sql import ast

_PARTS = {"expressions", "from_"}


def is_bare(query: ast.Query) -> bool:
    """`SELECT ... FROM t` without any other clause."""
    return query.tree is not None and {part for part, value in query.tree.args.items() if value} == _PARTS
