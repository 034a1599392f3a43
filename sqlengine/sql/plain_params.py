"""INSERT ... VALUES of nothing but parameters and literals, as programs prepare it: the values they are run with become
columns at once, without a tree and without DuckDB.

A column must be of parameters or of literals, and its values of one kind; whatever else there is goes the ordinary way.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.dialect import POSTGRES, dialect_of
from sqlengine.sql.lexer import lex
from sqlengine.sql.plain_insert import LITERAL, column_of, rows_of, text_array
from sqlengine.sql.rewrite import parameter_spans
from sqlengine.sql.typed import Typed

Key = int | str
_CELL = rf"(?:{LITERAL}|\$\d+|\?|:[A-Za-z_]\w*)"
_HEAD = re.compile(r"\s*VALUES\s*", re.IGNORECASE)
_PARAMETER = frozenset("$?:")
"""What a parameter begins with."""

_TEXTS = frozenset(("text", "varchar", "character varying"))
_MOMENTS = frozenset(("date", "timestamp", "timestamptz", "timestamp with time zone"))
_BY_TEXT = _TEXTS | _MOMENTS | {
    "smallint", "integer", "bigint", "real", "double precision", "numeric", "boolean", "time", "uuid", "bytea", "json",
    "jsonb",
}  # fmt: skip
"""Types whose values are texts that a kernel reads; numeric(p, s) is one, too."""
KEPT_MAX, KEPT_TEXT_MAX = 256, 10_000


@dataclass(frozen=True, slots=True)
class Template:
    """`columns`: the parameter of each row, or the literals; `marks`: how many parameters are `?`; `positions`: how
    many values a sequence has of which each is taken, -1 where they are no sequence."""

    columns: tuple[tuple[Key, ...] | pa.Array, ...]
    marks: int
    positions: int


def template_of(text: str) -> Template | None:
    """A query's text as a template, if it is such VALUES; None of literals alone."""
    return _kept(text) if len(text) <= KEPT_TEXT_MAX else _template(text)


def _template(text: str) -> Template | None:
    head = _HEAD.match(text) if dialect_of(text)[0].name == POSTGRES else None
    rows = rows_of(text, head.end(), _CELL) if head is not None else None
    if rows is None or text.rstrip().endswith(";"):
        return None
    cells, width = rows
    keys = [key for _, _, key in parameter_spans(lex(text))]
    params = [cell for cell in cells if cell[0] in _PARAMETER]
    if not keys or len(params) != len(keys):
        return None
    coming = iter(keys)
    keyed = [next(coming) if cell[0] in _PARAMETER else None for cell in cells]
    columns = [_column(cells[at::width], keyed[at::width]) for at in range(width)]
    if any(column is None for column in columns):
        return None
    is_sequence = set(keys) == set(range(len(set(keys))))
    return Template(tuple(columns), params.count("?"), len(set(keys)) if is_sequence else -1)


_kept = lru_cache(KEPT_MAX)(_template)


def _column(cells: Sequence[str], keys: Sequence[Key | None]) -> tuple[Key, ...] | pa.Array | None:
    if all(key is not None for key in keys):
        return tuple(key for key in keys if key is not None)
    return column_of(cells) if all(key is None for key in keys) else None


def filled(template: Template, *values: Callable[[Key], Any]) -> tuple[pa.Table, tuple[str | None, ...]] | None:
    """(the rows with each of the values, the type that each column's texts are to be read as, None where they stay what
    they are); None when the values of a column are of several kinds, or of one that needs an expression."""
    columns: list[tuple[pa.Array, str | None]] = []
    for column in template.columns:
        if isinstance(column, tuple):
            made = _array([value(key) for value in values for key in column])
        else:
            made = pa.concat_arrays([column] * len(values)), None
        if made is None:
            return None
        columns.append(made)
    names = [f"column{at + 1}" for at in range(len(columns))]
    return pa.table([array for array, _ in columns], names=names), tuple(kind for _, kind in columns)


def _array(values: Sequence[Any]) -> tuple[pa.Array, str | None] | None:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values), pa.string()), None
    if len(kinds) > 1:
        return None
    (kind,) = kinds
    if kind is Typed:
        return _typed(values)
    make = _MAKERS.get(kind)
    array = None if make is None else make(values)
    return None if array is None else (array, None)


def _typed(values: Sequence[Typed | None]) -> tuple[pa.Array, str | None] | None:
    names = {value.type_name for value in values if value is not None}
    name = names.pop()
    if names or name.partition("(")[0] not in _BY_TEXT:
        return None
    texts: list[str | None] = []
    for value in values:
        text = None if value is None else value.value
        if isinstance(text, list):
            return None
        texts.append(text)
    array = _texts(texts)
    return None if array is None else (array, None if name in _TEXTS else name)


def _texts(texts: Sequence[str | None]) -> pa.Array | None:
    return None if any(text is not None and "\0" in text for text in texts) else text_array(list(texts))


def _integers(values: Sequence[int | None]) -> pa.Array | None:
    """As literals are: integer where they are that small, else bigint; None of larger ones."""
    there = [value for value in values if value is not None]
    for bits, kind in ((31, pa.int32()), (63, pa.int64())):
        if -(1 << bits) <= min(there) and max(there) < 1 << bits:
            return pa.array(values, kind)
    return None


def _timestamps(values: Sequence[dt.datetime | None]) -> pa.Array | None:
    zoned = {value.tzinfo is not None for value in values if value is not None}
    if len(zoned) > 1:
        return None
    return pa.array(values, pa.timestamp("us", "UTC") if zoned.pop() else pa.timestamp("us"))


_MAKERS: dict[type, Callable[[Sequence[Any]], pa.Array | None]] = {
    bool: lambda values: pa.array(values, pa.bool_()),
    int: _integers,
    float: lambda values: pa.array(values, pa.float64()),
    str: _texts,
    bytes: lambda values: pa.array(values, pa.binary()),
    dt.datetime: _timestamps,
    dt.date: lambda values: pa.array(values, pa.date32()),
}
"""By the exact type of a column's values."""
