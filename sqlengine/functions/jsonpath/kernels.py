"""Questions of paths over columns of documents: Arrow in, Arrow out, each distinct path made ready once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import NotSupportedError, ProgrammingError, TooComplex
from sqlengine.functions.jsonpath.failures import Unsuppressed
from sqlengine.functions.jsonpath.items import read
from sqlengine.functions.jsonpath.path import Ready, ready, variables
from sqlengine.functions.registry import Kernel
from sqlengine.types import JSON

_TEXT = pa.string()
JSONS = pa.list_(JSON)
Ask = Callable[..., Any]
"""(path, document, variables, further arguments of the call...) -> the answer as a Python value."""


def asking(ask: Ask, result: pa.DataType) -> Kernel:
    """A kernel of documents, paths, and perhaps variables and more; NULL for any NULL.  Answers of JSON are texts."""

    def kernel(documents: pa.Array, paths: pa.Array, *more: pa.Array) -> pa.Array:
        rows = zip(_values(documents), _values(paths), *(_values(array) for array in more), strict=True)
        return as_result([None if None in row else _answer(ask, row) for row in rows], result)

    return kernel


def _answer(ask: Ask, row: tuple[Any, ...]) -> Any:
    document, path, *more = row
    made = _of_a_row(path)
    given = variables(more[0]) if more else {}
    try:
        return ask(made, read(document), given, *more[1:])
    except RecursionError:
        raise Unsuppressed("json or path is nested too deeply", sqlstate="54001") from None


def _of_a_row(path: str) -> Ready:
    """A path that may be one row's: where it is none, only that row is wrong."""
    try:
        return ready(path)
    except (ProgrammingError, NotSupportedError, TooComplex) as wrong:
        raise Unsuppressed(wrong.message, detail=wrong.detail, sqlstate=wrong.sqlstate) from None


def _values(array: pa.Array) -> list[Any]:
    return (array.storage if isinstance(array, pa.ExtensionArray) else array).to_pylist()


def as_result(answers: list[Any], result: pa.DataType) -> pa.Array:
    """Python's values as an array; JSON and lists of it are given as texts."""
    if result == JSON:
        return pa.ExtensionArray.from_storage(JSON, pa.array(answers, JSON.storage_type))
    if result == JSONS:
        lists = pa.array(answers, pa.list_(JSON.storage_type))
        values = pa.ExtensionArray.from_storage(JSON, lists.values)
        mask = lists.is_null() if lists.null_count else None
        return pa.ListArray.from_arrays(lists.offsets, values, mask=mask)
    return pa.array(answers, result)


def for_duckdb(name: str, ask: Ask, result: pa.DataType, more: tuple[pa.DataType, ...]) -> str:
    """Makes it known to DuckDB, for a document, a path and so many more arguments; the text of its calls."""
    plain = {JSON: _TEXT, JSONS: pa.list_(_TEXT)}.get(result, result)
    unique = f"{name}_{2 + len(more)}"
    duck.at_opening(unique, [_TEXT, _TEXT, *more], plain, asking(ask, plain))
    places = ", ".join(f"{{{2 + at}}}::{duck.sql_type(dtype)}" for at, dtype in enumerate(more))
    call = f"{unique}({{0}}::JSON::VARCHAR, {{1}}{', ' if places else ''}{places})"
    return call if plain == result else f"{call}::{duck.sql_type(result)}"
