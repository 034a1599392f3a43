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
LITERAL = r"(?:[+-]?\d+(?:\.\d+)?|'(?:[^']|'')*'|NULL|TRUE|FALSE)"
_ROW = rf"\(\s*{LITERAL}(?:\s*,\s*{LITERAL})*\s*\)"
_HEAD = re.compile(
    rf"\s*INSERT\s+INTO\s+({_NAME}(?:\.{_NAME})*)\s*(?:\(\s*({_NAME}(?:\s*,\s*{_NAME})*)\s*\)\s*)?VALUES\s*(?=\()",
    re.IGNORECASE,
)
_ROWS = re.compile(rf"({_ROW}(?:\s*,\s*{_ROW})*)\s*;?\s*", re.IGNORECASE)
_NAMES = re.compile(_NAME)
TOKEN = r"('(?:[^']|'')*')|([+-]?\d+(?:\.\d+)?)|(NULL)|(TRUE|FALSE)|(\))"
"""A literal or the end of a row; by their groups the kinds below."""
_TOKENS = re.compile(TOKEN, re.IGNORECASE)
_STRING, _NUMBER, _NULL, _BOOLEAN, _END = range(5)
Token = tuple[str, ...]
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
    columns = [column_of(tokens[at::step]) for at in range(width)]
    if any(column is None for column in columns):
        return None
    return pa.table(columns, names=[f"column{at + 1}" for at in range(width)])


def column_of(tokens: Sequence[Token]) -> pa.Array | None:
    """Literals of one kind as an array; None of several kinds, and of numbers that need a wider type."""
    for kind, make in _MAKERS:
        if all(token[kind] or token[_NULL] for token in tokens):
            return make([token[kind] or None for token in tokens])
    return None


def text_array(texts: list[str | None]) -> pa.StringArray:
    """Texts as they are; made by a builder, as pa.array imports pandas where it is installed."""
    builder = pa.lib.StringBuilder()
    builder.append_values(texts)
    return builder.finish()


def _strings(texts: list[str | None]) -> pa.Array:
    return text_array([None if t is None else t[1:-1].replace("''", "'") for t in texts])


def _numbers(texts: list[str | None]) -> pa.Array | None:
    """Whole numbers as integer or bigint; others as numeric of as many digits as they have, None if these are many."""
    there = [t for t in texts if t is not None]
    written = text_array([None if t is None else t.lstrip("+") for t in texts])
    if not any("." in t for t in there):
        try:
            return written.cast(pa.int32())
        except pa.ArrowInvalid:
            return _bigints(written)
    parts = [t.lstrip("+-").partition(".") for t in there]
    scale = max(len(after) for _, _, after in parts)
    whole = max(len(before) for before, _, _ in parts)
    return written.cast(pa.decimal128(whole + scale, scale)) if whole + scale <= _EXACT_DIGITS else None


def _bigints(written: pa.StringArray) -> pa.Array | None:
    try:
        return written.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def _booleans(texts: list[str | None]) -> pa.Array:
    return text_array(texts).cast(pa.bool_())


def _nulls(texts: list[str | None]) -> pa.Array:
    return pa.nulls(len(texts), pa.string())


_MAKERS: tuple[tuple[int, Callable[[list[str | None]], pa.Array | None]], ...] = (
    (_NULL, _nulls),
    (_STRING, _strings),
    (_NUMBER, _numbers),
    (_BOOLEAN, _booleans),
)
"""By the kind of all values but NULLs; the first that fits."""
