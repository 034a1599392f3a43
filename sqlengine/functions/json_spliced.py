"""Texts of JSON changed at a path of keys and places: what is not on the path stays as it is written.

The rules are those of PostgreSQL's jsonb_set, jsonb_insert and #-: a place counts from 0, or with a minus from the
end; a path whose earlier steps lead to nothing changes nothing.  Objects and arrays on the way are written anew,
without spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecoder
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from sqlengine.errors import DataError

_SPACE = re.compile(r"[ \t\n\r]*")
_PLACE = re.compile(r"\s*[+-]?[0-9]+")
_HALF = re.compile("[\ud800-\udfff]")
# Numbers are not read: they may have more digits than Python makes an int of.
_DECODER = JSONDecoder(parse_int=str, parse_float=str)

Container = dict[str, str] | list[str]
"""An object or an array whose values are texts, with its keys as they stand for."""
Change = Callable[[Container, str], None]
"""What is done to the container that the last step is taken in; it may leave it as it is."""


def with_value(text: str, path: list[str | None], value: str, create: bool) -> str:
    """jsonb_set: `value` in place of what is there; where nothing is it is added, if `create`."""

    def change(container: Container, step: str) -> None:
        if isinstance(container, dict):
            if create or step in container:
                container[step] = value
            return
        place = _place(container, step)
        if place is None:
            return
        if 0 <= place < len(container):
            container[place] = value
        elif create:
            container.insert(0 if place < 0 else len(container), value)

    return _changed(text, _steps(path), change)


def with_inserted(text: str, path: list[str | None], value: str, behind: bool) -> str:
    """jsonb_insert: a further element before, or behind, the one that is there, or a further field."""

    def change(container: Container, step: str) -> None:
        if isinstance(container, dict):
            container.setdefault(step, value)
            return
        place = _place(container, step)
        if place is not None:
            container.insert(max(0, place + behind), value)

    return _changed(text, _steps(path), change)


def without(text: str, path: list[str | None]) -> str:
    """#-: without what is there.  Raises DataError of a scalar, and of an array's place that is no number."""
    if not text.lstrip().startswith(("{", "[")):
        raise DataError("cannot delete path in scalar", sqlstate="22023")

    def change(container: Container, step: str) -> None:
        if isinstance(container, dict):
            container.pop(step, None)
            return
        place = _place(container, step)
        if place is None:
            raise DataError(f'path element is not an integer: "{step}"', sqlstate="22P02")
        if 0 <= place < len(container):
            del container[place]

    return _changed(text, _steps(path), change)


def _steps(path: list[str | None]) -> list[str]:
    steps = [step for step in path if step is not None]
    if len(steps) < len(path):
        raise DataError(f"path element at position {path.index(None) + 1} is null", sqlstate="22004")
    return steps


def _changed(text: str, path: list[str], change: Change) -> str:
    """The text with a change at a path."""
    text = text.strip(" \t\n\r")
    if not path or not text.startswith(("{", "[")):
        return text
    container = _object(text) if text[0] == "{" else _array(text)
    step, rest = path[0], path[1:]
    if not rest:
        change(container, step)
    elif isinstance(container, dict):
        if step not in container:
            return text
        container[step] = _changed(container[step], rest, change)
    else:
        place = _place(container, step)
        if place is None or not 0 <= place < len(container):
            return text
        container[place] = _changed(container[place], rest, change)
    return _written(container)


def _place(array: list[str], step: str) -> int | None:
    """The place a step stands for, which may be before or behind all; None where it is no number."""
    if _PLACE.fullmatch(step) is None:
        return None
    number = int(step)
    return number + len(array) if number < 0 else number


def _read(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at a place, and where it ends."""
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        raise DataError("json is nested too deeply", sqlstate="54001") from None


def _next(text: str, at: int) -> int:
    """The place of what is no space."""
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _object(text: str) -> dict[str, str]:
    """The fields of an object; of two with one key the last counts, in the place of the first."""
    fields: dict[str, str] = {}
    at = _next(text, 1)
    while text[at] != "}":
        key, at = _read(text, at)
        start = _next(text, _next(text, at) + 1)
        _, end = _read(text, start)
        fields[key] = text[start:end]
        at = _next(text, end)
        if text[at] == ",":
            at = _next(text, at + 1)
    return fields


def _array(text: str) -> list[str]:
    items: list[str] = []
    at = _next(text, 1)
    while text[at] != "]":
        _, end = _read(text, at)
        items.append(text[at:end])
        at = _next(text, end)
        if text[at] == ",":
            at = _next(text, at + 1)
    return items


def _written(container: Container) -> str:
    if isinstance(container, dict):
        return "{" + ",".join(f"{_quoted(key)}:{value}" for key, value in container.items()) + "}"
    return f"[{','.join(container)}]"


def _quoted(key: str) -> str:
    """A key as JSON writes it; half of a surrogate pair is no character, so it stays an escape."""
    return encode_basestring(key) if key.isascii() or not _HALF.search(key) else encode_basestring_ascii(key)
