"""INSERT INTO t VALUES (...), (...), ... of nothing but literals, as programs write it by the thousand rows.

Such rows mean the same to DuckDB as they stand, so they need neither tokens nor a tree: two regular expressions see
that it is so, and the rest is read by DuckDB's own parser.  Whatever does not look like it goes the ordinary way.
"""

from __future__ import annotations

import re

from sqlengine.sql import ast

LENGTH_MIN = 1_000
"""Shorter statements are parsed as quickly by the ordinary parser."""

_NAME = r'(?:[A-Za-z_][A-Za-z_0-9]*|"(?:[^"]|"")+")'
_LITERAL = r"(?:[+-]?\d+(?:\.\d+)?|'(?:[^']|'')*'|NULL|TRUE|FALSE)"
_ROW = rf"\(\s*{_LITERAL}(?:\s*,\s*{_LITERAL})*\s*\)"
_HEAD = re.compile(
    rf"\s*INSERT\s+INTO\s+({_NAME}(?:\.{_NAME})*)\s*(?:\(\s*({_NAME}(?:\s*,\s*{_NAME})*)\s*\)\s*)?VALUES\s*(?=\()",
    re.IGNORECASE,
)
_ROWS = re.compile(rf"({_ROW}(?:\s*,\s*{_ROW})*)\s*;?\s*", re.IGNORECASE)
_NAMES = re.compile(_NAME)


def plain_insert(text: str) -> ast.Insert | None:
    """The statement, if all of the text is one such INSERT and a long one."""
    head = _HEAD.match(text) if len(text) >= LENGTH_MIN else None
    rows = _ROWS.fullmatch(text, head.end()) if head is not None else None
    if head is None or rows is None:
        return None
    from sqlglot import exp  # heavy, and most texts do not come so far

    values = f"VALUES {rows[1]}"
    return ast.Insert(
        text=text.strip().removesuffix(";"),
        target=_names(head[1]),
        columns=_names(head[2] or ""),
        query=ast.Query(values, exp.Values(expressions=[]), head.end(), duckdb=values),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(n[1:-1].replace('""', '"') if n.startswith('"') else n.lower() for n in _NAMES.findall(text))
