"""JSON by Hive's rules: paths of keys, indexes and `[*]`; answers as Jackson writes them; NULL for what is no JSON.

UDFJson and GenericUDTFJSONTuple of Apache Hive: a path is cut at its points, so that keys may hold any character but
`.` and brackets; `[*]` flattens; of an array every object's field is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa

from sqlengine.functions.hive.java_text import java_double
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.registry import scalar

_INDEX = re.compile(r"\[([0-9]+|\*)\]")
_ROOT_INDEX = re.compile(r"\$((?:\[(?:[0-9]+|\*)\])+)")
_MISSING = object()


def _refused(word: str) -> Any:
    raise ValueError(word)


_LENIENT = json.JSONDecoder(strict=False, parse_constant=_refused)
_ODD_ESCAPE = re.compile(r'\\(?:u[0-9a-fA-F]{4}|(["\\/bfnrt])|(.))', re.DOTALL)


def loaded(text: str) -> Any:
    """The value; control characters within texts and any escaped character are let pass, and what follows the value."""
    value, _ = _LENIENT.raw_decode(_ODD_ESCAPE.sub(lambda m: m[2] if m[2] else m[0], text.lstrip(" \t\r\n")))
    return value


def written(value: Any) -> str | None:
    """A value as Hive gives it: texts bare, others as their JSON; None of null."""
    if value is None or value is _MISSING:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return _jackson(value)
    return java_double(value) if isinstance(value, float) else str(value)


def _jackson(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(k)}:{_jackson(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_jackson, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    return "null" if value is None else str(written(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


Step = Callable[[Any], Any]


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[Step, ...] | None:
    """The steps of a path; None for a text that is none."""
    pieces = path.split(".")
    out: list[Step] = []
    root = pieces[0]
    if root != "$":
        found = _ROOT_INDEX.fullmatch(root)
        if found is None:
            return None
        out.append(_indexes(_INDEX.findall(found.group(1))))
    for piece in pieces[1:]:
        key = re.match(r"[^\[\]]+", piece)
        indexes = _INDEX.findall(piece)
        if key is None and not indexes:
            return None
        if key is not None:
            out.append(_key(key.group()))
        if indexes:
            out.append(_indexes(indexes))
    return tuple(out)


def _key(name: str) -> Step:
    def step(value: Any) -> Any:
        if isinstance(value, dict):
            return value.get(name, _MISSING)
        if not isinstance(value, list):
            return _MISSING
        found: list[Any] = []
        for item in value:
            inner = item.get(name, _MISSING) if isinstance(item, dict) else _MISSING
            if inner is not _MISSING:
                found.extend(inner) if isinstance(inner, list) else found.append(inner)
        return found or _MISSING

    return step


def _indexes(marks: list[str]) -> Step:
    def step(value: Any) -> Any:
        at = [value]
        for mark in marks:
            lists = [v for v in at if isinstance(v, list)]
            if mark == "*":
                at = [item for items in lists for item in items]
            else:
                place = int(mark)
                if any(place >= len(items) for items in lists):
                    return _MISSING
                at = [items[place] for items in lists]
        if not at:
            return _MISSING
        return at if len(at) > 1 else at[0]

    return step


def _object(text: str, path: str) -> str | None:
    steps = _steps(path)
    if not text or steps is None:
        return None
    try:
        value = loaded(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, (dict, list)):
        return None
    for step in steps:
        value = step(value)
        if value is None or value is _MISSING:
            return None
    return written(value)


get_json_object = scalar(
    "hive$get_json_object(json_txt text, path text) -> text",
    "what a path leads to: $ the whole, .key, [n], [*]; NULL when it leads nowhere or the text is no JSON",
    example="get_json_object('{\"a\":{\"b\":[1,2]}}', '$.a.b[1]') = '2'",
)(per_distinct(pa.string(), _object))


def _item(text: str, key: str) -> str | None:
    try:
        value = loaded(text)
    except (ValueError, RecursionError):
        return None
    return written(value.get(key)) if isinstance(value, dict) else None


json_tuple_item = scalar(
    "hive$json_tuple_item(json_txt text, key text) -> text", "one column of json_tuple: a field of an object"
)(per_distinct(pa.string(), _item))
