"""PostgreSQL's functions of paths into JSON (manual, section 9.16.3): jsonb_path_exists and its like, `@?` and `@@`.

`vars` is an object whose fields are the path's variables; `silent` makes errors in the document's shape a NULL.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sqlengine import duck
from sqlengine.functions.jsonpath import kernels, path
from sqlengine.functions.jsonpath.items import written
from sqlengine.functions.jsonpath.path import Ready
from sqlengine.functions.registry import Function, per_row, scalar
from sqlengine.sql.jsonpath.show import shown_path
from sqlengine.types import JSON

_TEXT, _BOOL = pa.string(), pa.bool_()
_MORE: tuple[tuple[str, pa.DataType], ...] = (("vars json", _TEXT), ("silent boolean", _BOOL))


def _items(made: Ready, document: Any, given: dict[str, Any], silent: bool = False) -> list[str]:
    return [written(item) for item in path.items(made, document, given, silent)]


def _array(made: Ready, document: Any, given: dict[str, Any], silent: bool = False) -> str:
    return written(path.items(made, document, given, silent))


def _first(made: Ready, document: Any, given: dict[str, Any], silent: bool = False) -> str | None:
    return next(iter(_items(made, document, given, silent)), None)


def _declared(
    name: str, ask: kernels.Ask, result: pa.DataType, kind: str, words: str, example: str
) -> tuple[Function, Function, Function]:
    """The function with none, one and both of its optional arguments."""
    made = []
    for count in range(len(_MORE) + 1):
        params = ", ".join(("j json", "path text", *(text for text, _ in _MORE[:count])))
        of_jsonb = f"{name}({params}) -> {kind}".replace("j json", "j jsonb", 1).replace("-> json", "-> jsonb")
        made.append(
            scalar(
                f"{name}({params}) -> {kind}; {of_jsonb}",
                words + ("", "; with variables", "; with variables, and silent about errors in its shape")[count],
                example=example.format(("", ", '{\"x\": 1}'", ", '{\"x\": 1}', true")[count]),
                constant_args=(1,),
                check=path.check,
                broadcast=True,
                can_raise=True,
                duck=kernels.for_duckdb(name, ask, result, tuple(dtype for _, dtype in _MORE[:count])),
            )(kernels.asking(ask, result))
        )
    return made[0], made[1], made[2]


exists, exists_with, exists_silent = _declared(
    "jsonb_path_exists", path.exists, _BOOL, "boolean", "whether a path leads to something in a JSON",
    """jsonb_path_exists('{{"a": [1, 2]}}', '$.a[*] ? (@ > 1)'{})""",
)  # fmt: skip
match, match_with, match_silent = _declared(
    "jsonb_path_match", path.match, _BOOL, "boolean", "what a path that is a condition says of a JSON",
    """jsonb_path_match('{{"a": [1, 2]}}', '$.a[*] > 1'{})""",
)  # fmt: skip
items, items_with, items_silent = _declared(
    "jsonb_path_items", _items, kernels.JSONS, "json[]",
    "all that a path leads to; jsonb_path_query(j, path) gives them as rows",
    """cardinality(jsonb_path_items('{{"a": [1, 2]}}', '$.a[*]'{})) = 2""",
)  # fmt: skip
array, array_with, array_silent = _declared(
    "jsonb_path_query_array", _array, JSON, "json", "all that a path leads to, as one array of JSON",
    """jsonb_path_query_array('{{"a": [1, 2]}}', '-$.a'{})::text = '[-1, -2]'""",
)  # fmt: skip
first, first_with, first_silent = _declared(
    "jsonb_path_query_first", _first, JSON, "json", "the first that a path leads to, or NULL",
    """jsonb_path_query_first('{{"a": [1, 2]}}', '$.a[*] ? (@ > 1)'{})::text = '2'""",
)  # fmt: skip


def _shown(text: str) -> str:
    path.check(text)
    return shown_path(text)


_all_shown = per_row(_TEXT, _shown)
duck.at_opening("jsonpath_shown", [_TEXT], _TEXT, _all_shown)
jsonpath = scalar(
    "jsonpath(path text) -> text",
    "a path into JSON in its canonical form; path::jsonpath means the same",
    example="jsonpath('$.a[*] ? (@ > 1)') = '$.\"a\"[*]?(@ > 1)'",
    broadcast=True,
    can_raise=True,
    duck="jsonpath_shown({0})",
)(_all_shown)
