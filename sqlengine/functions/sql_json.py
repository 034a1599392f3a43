"""The SQL standard's calls of paths into JSON: JSON_VALUE, JSON_QUERY and JSON_EXISTS (PostgreSQL 17, Flink).

Their clauses are words of the call; sql/json_path_clauses.py makes arguments of them.  `on_empty` and `on_error` say
what becomes of a path that leads to nothing, and of one that fails: `null`, `error`, for JSON_QUERY also `[]` and `{}`,
for JSON_EXISTS `true`, `false` and `unknown`.  A DEFAULT is chosen by what the `_state` functions say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sqlengine import duck
from sqlengine.errors import DataError
from sqlengine.functions.jsonpath import kernels, path, table
from sqlengine.functions.jsonpath.failures import Unsuppressed
from sqlengine.functions.jsonpath.items import plain, written
from sqlengine.functions.jsonpath.path import Ready
from sqlengine.functions.registry import Function, declare, scalar
from sqlengine.types import JSON

_TEXT, _BOOL = pa.string(), pa.bool_()
_SCALAR = "JSON path expression in JSON_VALUE must return single scalar item"
_SINGLE = "JSON path expression in JSON_QUERY must return single item when no wrapper is requested"
EMPTY = object()
"""What a path that leads to nothing gives."""


def _empty() -> DataError:
    return DataError("no SQL/JSON item found for specified path", sqlstate="22035")


def _scalar(made: Ready, document: Any, given: dict[str, Any]) -> Any:
    """The one item there is, which is neither an array nor an object."""
    found = path.items(made, document, given)
    if len(found) > 1:
        raise DataError(_SCALAR, sqlstate="22034")
    if found and isinstance(found[0], (list, dict)):
        raise DataError(_SCALAR, sqlstate="2203F")
    return found[0] if found else EMPTY


def _value(
    made: Ready, document: Any, given: dict[str, Any], on_empty: str = "null", on_error: str = "null"
) -> str | None:
    try:
        found = _scalar(made, document, given)
    except Unsuppressed:
        raise
    except DataError:
        if on_error == "error":
            raise
        return None
    if found is EMPTY and on_empty == "error":
        raise _empty()
    return None if found is EMPTY or found is None else plain(found)


def _value_state(made: Ready, document: Any, given: dict[str, Any]) -> str:
    try:
        found = _scalar(made, document, given)
    except Unsuppressed:
        raise
    except DataError:
        return "error"
    return "empty" if found is EMPTY else "null" if found is None else "value"


def _wrapped(made: Ready, document: Any, given: dict[str, Any], wrapper: str) -> Any:
    """The item, or an array of all there are: `always`, or of several with the wrapper `several`."""
    found = path.items(made, document, given)
    if not found:
        return EMPTY
    if wrapper == "always" or (wrapper == "several" and len(found) > 1):
        return found
    if len(found) > 1:
        raise DataError(_SINGLE, sqlstate="22034", hint="WITH WRAPPER makes an array of several items")
    return found[0]


def _query(
    made: Ready,
    document: Any,
    given: dict[str, Any],
    wrapper: str = "never",
    on_empty: str = "null",
    on_error: str = "null",
    *,
    write: Callable[[Any], str] = written,
) -> str | None:
    try:
        found = _wrapped(made, document, given, wrapper)
    except Unsuppressed:
        raise
    except DataError:
        if on_error == "error":
            raise
        return None if on_error == "null" else on_error
    if found is not EMPTY:
        return write(found)
    if on_empty == "error":
        raise _empty()
    return None if on_empty == "null" else on_empty


def _bare(found: Any) -> str:
    """A single text without its quotes."""
    return found if isinstance(found, str) else written(found)


def _query_text(made: Ready, document: Any, given: dict[str, Any], *clauses: str) -> str | None:
    """As JSON_QUERY, but of a single text without its quotes."""
    return _query(made, document, given, *clauses, write=_bare)


def _query_state(made: Ready, document: Any, given: dict[str, Any], wrapper: str = "never") -> str:
    try:
        return "empty" if _wrapped(made, document, given, wrapper) is EMPTY else "value"
    except Unsuppressed:
        raise
    except DataError:
        return "error"


_ANSWERS = {"true": True, "false": False, "unknown": None}


def _exists(made: Ready, document: Any, given: dict[str, Any], on_error: str = "false") -> bool | None:
    try:
        return path.exists(made, document, given)
    except Unsuppressed:
        raise
    except DataError:
        if on_error == "error":
            raise
        return _ANSWERS[on_error]


_BOTH = ("on_empty text", "on_error text")


def _declared(
    name: str, ask: kernels.Ask, result: pa.DataType, kind: str, words: str, example: str, *more: str
) -> Function:
    """A function of a document as text or JSON and a path, and, if there is `more`, of variables and what it names."""
    given = ("vars json", *filter(None, more)) if more else ()
    params = ", ".join(("path text", *given))
    return scalar(
        f"{name}(s text, {params}) -> {kind}; {name}(j json, {params}) -> {kind}",
        words,
        example=example,
        constant_args=(1,),
        check=path.check,
        broadcast=True,
        can_raise=True,
        duck=kernels.for_duckdb(name, ask, result, (_TEXT,) * len(given)),
    )(kernels.asking(ask, result))


def _quick(name: str, ask: kernels.Ask, result: pa.DataType, macro: str) -> str:
    """DuckDB text of a call without clauses: a path of plain keys is DuckDB's own business, as long as what is on the
    way is no array, which lax paths go into, and the answer no number whose digits DuckDB would round."""
    slowly = kernels.for_duckdb(name, ask, result, ()).format("d", "p")
    duck.run_at_opening(f"CREATE MACRO {name}_of(d, p) AS {macro.format(plain=_PLAIN, slowly=slowly)}")
    return f"{name}_of({{0}}::JSON, {{1}})"


_PLAIN = "CASE WHEN regexp_matches(p, '^[$]([.][A-Za-z_][A-Za-z_0-9]*)+$') THEN p ELSE '$' END"
json_value = declare(
    "json_value(s text, path text) -> text; json_value(j json, path text) -> text",
    "the number, text, true or false that a path leads to; NULL where it fails",
    example="json_value('{\"a\": [7]}', '$.a[0]') = '7'",
    constant_args=(1,),
    check=path.check,
    can_raise=True,
    duck=_quick(
        "json_value", _value, _TEXT,
        "CASE WHEN {plain} = '$' THEN {slowly} "
        "WHEN json_type(d, {plain}) IN ('VARCHAR', 'BOOLEAN', 'UBIGINT', 'BIGINT') "
        "THEN json_extract_string(d, {plain}) "
        "WHEN json_type(d, {plain}) IN ('OBJECT', 'ARRAY', 'NULL') THEN NULL "
        "WHEN json_type(d, {plain}) IS NULL AND NOT contains(d::VARCHAR, '[') THEN NULL ELSE {slowly} END",
    ),
)  # fmt: skip
json_value_clauses = _declared(
    "json_value", _value, _TEXT, "text",
    "JSON_VALUE(j, path PASSING x AS v NULL | ERROR ON EMPTY NULL | ERROR ON ERROR)",
    "json_value('[7]', '$[*] ? (@ > $x)', '{\"x\": 1}', 'error', 'error') = '7'", *_BOTH,
)  # fmt: skip
json_value_state = _declared(
    "json_value_state", _value_state, _TEXT, "text", "what JSON_VALUE found: value, null, empty or error",
    "json_value_state('{}', '$.a', '{}') = 'empty'", "",
)  # fmt: skip
json_query = _declared(
    "json_query", _query, JSON, "json", "what a path leads to; NULL where it fails or leads to several items",
    "json_query('{\"a\": [7]}', '$.a')::text = '[7]'",
)  # fmt: skip
json_query_clauses = _declared(
    "json_query", _query, JSON, "json",
    "JSON_QUERY with its clauses; wrapper: never, always, or of several items",
    "json_query('[7, 8]', '$[*]', '{}', 'always', 'null', 'error')::text = '[7,8]'", "wrapper text", *_BOTH,
)  # fmt: skip
json_query_text = _declared(
    "json_query_text", _query_text, _TEXT, "text", "JSON_QUERY(... OMIT QUOTES)",
    "json_query_text('[\"a\"]', '$[*]', '{}', 'never', 'null', 'null') = 'a'", "wrapper text", *_BOTH,
)  # fmt: skip
json_query_state = _declared(
    "json_query_state", _query_state, _TEXT, "text", "what JSON_QUERY found: value, empty or error",
    "json_query_state('{}', '$.a', '{}', 'never') = 'empty'", "wrapper text",
)  # fmt: skip
json_exists = declare(
    "json_exists(s text, path text) -> boolean; json_exists(j json, path text) -> boolean",
    "whether a path leads to something; false where it fails",
    example="json_exists('{\"a\": null}', '$.a')",
    constant_args=(1,),
    check=path.check,
    can_raise=True,
    duck=_quick(
        "json_exists", _exists, _BOOL,
        "CASE WHEN {plain} = '$' THEN {slowly} WHEN json_type(d, {plain}) IS NOT NULL THEN true "
        "WHEN d IS NOT NULL AND NOT contains(d::VARCHAR, '[') THEN false ELSE {slowly} END",
    ),
)  # fmt: skip
json_exists_clauses = _declared(
    "json_exists", _exists, _BOOL, "boolean",
    "JSON_EXISTS(j, path PASSING x AS v TRUE | FALSE | UNKNOWN | ERROR ON ERROR)",
    "json_exists('{}', 'strict $.a', '{}', 'true')", "on_error text",
)  # fmt: skip
json_table_rows = scalar(
    "json_table_rows(j json, path text, vars json, nested text, on_error text) -> json[]",
    "the rows of JSON_TABLE(j, path COLUMNS (...)) before their columns are read",
    example="cardinality(json_table_rows('[1, 2]', '$[*]', '{}', '[]', 'null')) = 2",
    constant_args=(1,),
    check=path.check,
    broadcast=True,
    can_raise=True,
    duck=kernels.for_duckdb("json_table_rows", table.rows, kernels.JSONS, (_TEXT,) * 3),
)(kernels.asking(table.rows, kernels.JSONS))
