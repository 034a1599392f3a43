"""Values of JSON changed at a path of keys and places: jsonb_set, jsonb_insert and #- as PostgreSQL has them.

A place counts from 0, or with a minus from the end; a path whose earlier steps lead to nothing changes nothing.  The
values are those of json_canonical.py, the answers canonical texts.  A value may be changed itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlengine.errors import DataError, InvalidText
from sqlengine.json_canonical import sorted_object, text_of

_PLACE = re.compile(r"\s*[+-]?[0-9]+")

_Change = Callable[[Any, Any], None]
"""What is done to an object and a key, or an array and a place, which is below 0 before its beginning."""


def with_value(value: Any, path: list[str | None], new: Any, create: bool = True) -> str:
    """jsonb_set: `new` in place of what is there; where nothing is it is added, if `create`."""

    def change(inner: Any, place: Any) -> None:
        if isinstance(inner, dict):
            if create or place in inner:
                _put(inner, place, new)
        elif 0 <= place < len(inner):
            inner[place] = new
        elif create:
            inner.insert(0 if place < 0 else len(inner), new)

    return text_of(value) if _is_empty(value) and not create else _changed(value, path, change, "set")


def with_inserted(value: Any, path: list[str | None], new: Any, after: bool = False) -> str:
    """jsonb_insert: a further element before, or after, the one that is there, or a further field."""

    def change(inner: Any, place: Any) -> None:
        if isinstance(inner, list):
            inner.insert(max(0, place + after), new)
        elif place in inner:
            raise DataError(
                "cannot replace existing key",
                hint="try using the function jsonb_set to replace key value",
                sqlstate="22023",
            )
        else:
            _put(inner, place, new)

    return _changed(value, path, change, "set")


def without(value: Any, path: list[str | None]) -> str:
    """#-: without what is there."""

    def change(inner: Any, place: Any) -> None:
        if isinstance(inner, dict):
            inner.pop(place, None)
        elif 0 <= place < len(inner):
            del inner[place]

    return text_of(value) if _is_empty(value) else _changed(value, path, change, "delete")


def _is_empty(value: Any) -> bool:
    """Whether it is an object or an array that nothing is in: PostgreSQL does not look at the path then."""
    return isinstance(value, (dict, list)) and not value


def _changed(value: Any, path: list[str | None], change: _Change, what: str) -> str:
    """The value with that object or array changed which the last step of a path is a key or a place of; unchanged where
    there is none.  Raises 22023 for a scalar, 22P02 for a place that is no number, 22004 for a step that is NULL.
    """
    if not isinstance(value, (dict, list)):
        raise DataError(f"cannot {what} path in scalar", sqlstate="22023")
    inner: Any = value
    for at, step in enumerate(path):
        if step is None:
            raise DataError(f"path element at position {at + 1} is null", sqlstate="22004")
        if not isinstance(inner, (dict, list)):
            break
        place: Any = _place(inner, step, at) if isinstance(inner, list) else step
        if at == len(path) - 1:
            change(inner, place)
        elif place in inner if isinstance(inner, dict) else 0 <= place < len(inner):
            inner = inner[place]
        else:
            break
    return text_of(value)


def _place(array: list[Any], step: str, at: int) -> int:
    if _PLACE.fullmatch(step) is None:
        raise InvalidText(f'path element at position {at + 1} is not an integer: "{step}"')
    number = int(step)
    return number + len(array) if number < 0 else number


def _put(inner: dict[str, Any], key: str, new: Any) -> None:
    made = sorted_object({**inner, key: new})
    inner.clear()
    inner.update(made)
