"""INSERT INTO t VALUES (...), (...), ... of nothing but literals, as programs write it, one row or thousands.

Such a statement needs neither a tree nor DuckDB: regular expressions see that it is one, and cut it into columns, which
are Arrow arrays at once.  A column must hold values of one kind; whatever else there is goes the ordinary way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pyarrow as pa

from sqlengine.sql import ast
from sqlengine.sql.lexer import QUERY_STARTS

_NAME = r'(?:[A-Za-z_][A-Za-z_0-9]*|"(?:[^"]|"")+")'
_LITERAL = r"(?:[+-]?\d+(?:\.\d+)?|'(?:[^']|'')*'|NULL|TRUE|FALSE)"
_ROW = rf"\(\s*{_LITERAL}(?:\s*,\s*{_LITERAL})*\s*\)"
_HEAD = re.compile(
    rf"\s*INSERT\s+INTO\s+({_NAME}(?:\.{_NAME})*)\s*(?:\(\s*({_NAME}(?:\s*,\s*{_NAME})*)\s*\)\s*)?VALUES\s*(?=\()",
    re.IGNORECASE,
)
_ROWS = re.compile(rf"({_ROW}(?:\s*,\s*{_ROW})*)\s*;?\s*", re.IGNORECASE)
_NAMES = re.compile(_NAME)
_TOKENS = re.compile(r"('(?:[^']|'')*')|([+-]?\d+(?:\.\d+)?)|(NULL)|(TRUE|FALSE)|(\))", re.IGNORECASE)
_STRING, _NUMBER, _NULL, _BOOLEAN, _END = range(5)
Token = tuple[str, str, str, str, str]
_EXACT_DIGITS = 15
"""A number of so many digits is the same double whether it is read as a decimal first or not."""


def plain_insert(text: str) -> ast.Insert | None:
    """The statement, if all of the text is one such INSERT."""
    head = _HEAD.match(text)
    if head is None:
        return None
    target, columns = _names(head[1]), _names(head[2] or "")
    found = _ROWS.fullmatch(text, head.end())
    if found is None or not QUERY_STARTS.isdisjoint(name.upper() for name in (*target, *columns)):
        return None
    rows = _table(_TOKENS.findall(found[1]))
    if rows is None:
        return None
    from sqlglot import exp  # heavy, and most texts do not come so far

    query = ast.Query(f"VALUES {found[1]}", exp.Values(expressions=[]), head.end(), rows=rows)
    return ast.Insert(text=text.strip().removesuffix(";"), target=target, columns=columns, query=query)


def _names(text: str) -> tuple[str, ...]:
    return tuple(n[1:-1].replace('""', '"') if n.startswith('"') else n.lower() for n in _NAMES.findall(text))


def _table(tokens: Sequence[Token]) -> pa.Table | None:
    """The rows; None when they are of different lengths, or a column has values of different kinds."""
    width = next(at for at, token in enumerate(tokens) if token[_END])
    step = width + 1
    if len(tokens) % step or not all(token[_END] for token in tokens[width::step]):
        return None
    columns = [_column(tokens[at::step]) for at in range(width)]
    if any(column is None for column in columns):
        return None
    return pa.table(columns, names=[f"column{at + 1}" for at in range(width)])


def _column(tokens: Sequence[Token]) -> pa.Array | None:
    for kind, make in _MAKERS:
        if all(token[kind] or token[_NULL] for token in tokens):
            return make([token[kind] or None for token in tokens])
    return None


def _strings(texts: list[str | None]) -> pa.Array:
    return pa.array([None if t is None else t[1:-1].replace("''", "'") for t in texts], pa.string())


def _numbers(texts: list[str | None]) -> pa.Array | None:
    """Whole numbers as integer or bigint; others as numeric of as many digits as they have, None if these are many."""
    there = [t for t in texts if t is not None]
    if not any("." in t for t in there):
        try:
            whole_numbers = [None if t is None else int(t) for t in texts]
            fit = all(n is None or -(2**31) <= n < 2**31 for n in whole_numbers)
            return pa.array(whole_numbers, pa.int32() if fit else pa.int64())
        except (OverflowError, pa.ArrowInvalid):
            return None
    parts = [t.lstrip("+-").partition(".") for t in there]
    scale = max(len(after) for _, _, after in parts)
    whole = max(len(before) for before, _, _ in parts)
    if whole + scale > _EXACT_DIGITS:
        return None
    return pa.array([None if t is None else t.lstrip("+") for t in texts]).cast(pa.decimal128(whole + scale, scale))


def _booleans(texts: list[str | None]) -> pa.Array:
    return pa.array([None if t is None else t.upper() == "TRUE" for t in texts], pa.bool_())


def _nulls(texts: list[str | None]) -> pa.Array:
    return pa.nulls(len(texts), pa.string())


_MAKERS: tuple[tuple[int, Callable[[list[str | None]], pa.Array | None]], ...] = (
    (_NULL, _nulls),
    (_STRING, _strings),
    (_NUMBER, _numbers),
    (_BOOLEAN, _booleans),
)
"""By the kind of all values but NULLs; the first that fits."""
