"""Whether a query is columns of one relation, all rows or the first ones, told from its tree before any work is put
into it."""

from __future__ import annotations

from sqlengine.sql import ast

_PARTS = {"expressions", "from_"}
_CUTS = {"limit", "offset"}


def is_bare(query: ast.Query) -> bool:
    """`SELECT ... FROM t [LIMIT ...] [OFFSET ...]` without any other clause."""
    return query.tree is not None and {part for part, value in query.tree.args.items() if value} - _CUTS == _PARTS
