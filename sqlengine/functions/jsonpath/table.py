"""JSON_TABLE's rows: the items of a row pattern, each with those of its nested patterns.

A row is an array with one place per pattern, in the order they are written: `[item, number]`, the number counting from
1 within the item above, or `[]` where another pattern beside it has the row.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

from sqlengine.errors import DataError
from sqlengine.functions.jsonpath import path
from sqlengine.functions.jsonpath.failures import Unsuppressed
from sqlengine.functions.jsonpath.items import read, written
from sqlengine.functions.jsonpath.path import Ready, ready
from sqlengine.quick_dataclass import dataclass

Cells: TypeAlias = dict[int, list[Any]]
"""The places of a row that are not empty."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path whose items are rows; `place`: its number among all."""

    place: int
    path: Ready
    nested: tuple[Pattern, ...]


def rows(made: Ready, document: Any, given: dict[str, Any], nested: str, on_error: str) -> list[str]:
    """The rows as texts of JSON; `nested`: the patterns below, `[[path, [patterns below]], ...]` as JSON.

    A pattern that fails gives no rows; with `on_error` being `error`, its DataError.
    """
    below, count = _patterns(nested)
    found = _rows(Pattern(0, made, below), document, given, on_error == "error")
    return [written([cells.get(place, []) for place in range(count)]) for cells in found]


@lru_cache(maxsize=256)
def _patterns(nested: str) -> tuple[tuple[Pattern, ...], int]:
    """The patterns below the first, and how many there are with it."""
    count = 1

    def made(written_as: list[Any]) -> tuple[Pattern, ...]:
        nonlocal count
        out = []
        for text, below in written_as:
            place, count = count, count + 1
            out.append(Pattern(place, ready(text), made(below)))
        return tuple(out)

    return made(read(nested)), count


def _rows(pattern: Pattern, item: Any, given: dict[str, Any], strict: bool) -> list[Cells]:
    try:
        found = path.items(pattern.path, item, given)
    except Unsuppressed:
        raise
    except DataError:
        if strict:
            raise
        return []
    out: list[Cells] = []
    for number, value in enumerate(found, 1):
        own = {pattern.place: [value, number]}
        below = [cells for part in pattern.nested for cells in _rows(part, value, given, strict)]
        out += [own | cells for cells in below] if below else [own]
    return out
