"""INSERT INTO t VALUES (...), (...), ... of nothing but literals, as programs write it, one row or thousands.

Such a statement needs neither a tree nor DuckDB: regular expressions see that it is one, and cut it into columns, which
are Arrow arrays at once.  A column must hold values of one kind; whatever else there is goes the ordinary way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import pyarrow as pa

from sqlengine.sql import ast
from sqlengine.sql.lexer import QUERY_STARTS

_NAME = r'(?:[A-Za-z_][A-Za-z_0-9]*|"(?:[^"]|"")+")'
_STRING = r"'(?:[^']|'')*'"
LITERAL = rf"(?:[+-]?\d+(?:\.\d+)?|{_STRING}|NULL|TRUE|FALSE)"
_HEAD = re.compile(
    rf"\s*INSERT\s+INTO\s+({_NAME}(?:\.{_NAME})*)\s*(?:\(\s*({_NAME}(?:\s*,\s*{_NAME})*)\s*\)\s*)?VALUES\s*(?=\()",
    re.IGNORECASE,
)
_NAMES = re.compile(_NAME)
_TOKENS = re.compile(rf"{_STRING}|[^\s,()]+")
"""The literals of rows that are known to be rows."""
_EXACT_DIGITS = 15
"""A number of so many digits is the same double whether it is read as a decimal first or not."""


def plain_insert(text: str) -> ast.Insert | None:
    """The statement, if all of the text is one such INSERT."""
    head = _HEAD.match(text)
    if head is None:
        return None
    target, columns = _names(head[1]), _names(head[2] or "")
    if not QUERY_STARTS.isdisjoint(name.upper() for name in (*target, *columns)):
        return None
    rows = rows_of(text, head.end(), LITERAL)
    found = _table(*rows) if rows is not None else None
    if found is None:
        return None
    listed = text[head.end() :].rstrip().removesuffix(";").rstrip()
    from sqlglot import exp  # heavy, and most texts do not come so far

    query = ast.Query(f"VALUES {listed}", exp.Values(expressions=[]), head.end(), rows=found)
    return ast.Insert(text=text.strip().removesuffix(";"), target=target, columns=columns, query=query)


def _names(text: str) -> tuple[str, ...]:
    return tuple(n[1:-1].replace('""', '"') if n.startswith('"') else n.lower() for n in _NAMES.findall(text))


def rows_of(text: str, start: int, cell: str) -> tuple[list[str], int] | None:
    """(the cells, a row behind the other; how many a row has) of rows in parentheses that the text ends with; None when
    it does not, or when they are of different lengths.  `cell`: what a cell looks like."""
    first = _one_row(cell).match(text, start)
    if first is None:
        return None
    width = len(_TOKENS.findall(first[0]))
    if _all_rows(cell, width).fullmatch(text, start) is None:
        return None
    return _TOKENS.findall(text.rstrip().removesuffix(";"), start), width


@cache
def _one_row(cell: str) -> re.Pattern[str]:
    return re.compile(rf"\(\s*{cell}(?:\s*,\s*{cell})*\s*\)", re.IGNORECASE)


@lru_cache(64)
def _all_rows(cell: str, width: int) -> re.Pattern[str]:
    row = rf"\(\s*{cell}(?:\s*,\s*{cell}){{{width - 1}}}\s*\)"
    return re.compile(rf"{row}(?:\s*,\s*{row})*\s*;?\s*", re.IGNORECASE)


def _table(cells: Sequence[str], width: int) -> pa.Table | None:
    """The rows; None when a column has values of different kinds."""
    columns = [column_of(cells[at::width]) for at in range(width)]
    if any(column is None for column in columns):
        return None
    return pa.table(columns, names=[f"column{at + 1}" for at in range(width)])


def column_of(cells: Sequence[str]) -> pa.Array | None:
    """Literals of one kind as an array; None of several kinds, and of numbers that need a wider type."""
    kinds = {_KINDS.get(first, _numbers) for first in {cell[0] for cell in cells}}
    given: Sequence[str | None] = cells
    if _nulls in kinds:
        kinds.remove(_nulls)
        given = [None if cell[0] in "nN" else cell for cell in cells]
    if len(kinds) > 1:
        return None
    return kinds.pop()(given) if kinds else _nulls(given)


def text_array(texts: Sequence[str | None]) -> pa.StringArray:
    """Texts as they are; made by a builder, as pa.array imports pandas where it is installed."""
    builder = pa.lib.StringBuilder()
    builder.append_values(texts)
    return builder.finish()


def _strings(cells: Sequence[str | None]) -> pa.Array:
    return text_array([None if cell is None else cell[1:-1].replace("''", "'") for cell in cells])


def _numbers(cells: Sequence[str | None]) -> pa.Array | None:
    """Whole numbers as integer or bigint; others as numeric of as many digits as they have, None if these are many."""
    all_of_them = "".join(filter(None, cells))
    if "+" in all_of_them:
        cells = [None if cell is None else cell.lstrip("+") for cell in cells]
    written = text_array(cells)
    if "." not in all_of_them:
        try:
            return written.cast(pa.int32())
        except pa.ArrowInvalid:
            return _bigints(written)
    shapes = {(cell.find("."), len(cell), cell[0]) for cell in cells if cell is not None}
    scale = max(length - point - 1 for point, length, _ in shapes if point >= 0)
    whole = max((point if point >= 0 else length) - (first == "-") for point, length, first in shapes)
    return written.cast(pa.decimal128(whole + scale, scale)) if whole + scale <= _EXACT_DIGITS else None


def _bigints(written: pa.StringArray) -> pa.Array | None:
    try:
        return written.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def _booleans(cells: Sequence[str | None]) -> pa.Array:
    return text_array(cells).cast(pa.bool_())


def _nulls(cells: Sequence[str | None]) -> pa.Array:
    return pa.nulls(len(cells), pa.string())


_KINDS: dict[str, Callable[[Sequence[str | None]], pa.Array | None]] = {
    "'": _strings, "n": _nulls, "N": _nulls, "t": _booleans, "T": _booleans, "f": _booleans, "F": _booleans,
}  # fmt: skip
"""By the first character of a literal; every other begins a number."""
