"""MATCH_RECOGNIZE by brute force: every way to match is tried, in the order of preference, by naive recursion.

Nothing of the engine is used here, not even its idea of a program: patterns are nested tuples, conditions and measures
are functions of (the rows of a partition, the match so far as (place, variable) pairs).

    ("var", "A")  ("seq", p, q, ...)  ("alt", p, q, ...)  ("rep", p, least, most or None, reluctant)  ("out", p)
    ("begin",)    ("end",)            ("permute", p, q, ...)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
Path = tuple[tuple[int, str, bool], ...]
"""(place in the partition, variable, whether it is excluded) of each row of a match."""
Condition = Callable[[list[Row], Path], bool]


@dataclass
class Query:
    """`skip`: "past", "next", ("first", vars) or ("last", vars); `within`: of the column ts."""

    pattern: Any
    defines: dict[str, Condition] = field(default_factory=dict)
    skip: Any = "past"
    within: int | None = None


class SkipError(Exception):
    """AFTER MATCH SKIP names no row, or the first one."""


def matches(query: Query, rows: list[Row]) -> list[tuple[int, Path]]:
    """(where it begins, its rows) of every match in a sorted partition."""
    found = []
    at = 0
    while at < len(rows):
        path = next(_ways(query, rows, query.pattern, at, (), False), None)
        if path is None:
            at += 1
            continue
        found.append((at, path[1]))
        at = _after(query, at, path[1])
    return found


def _after(query: Query, start: int, path: Path) -> int:
    if not path or query.skip == "next":
        return start + 1
    if query.skip == "past":
        return path[-1][0] + 1
    kind, names = query.skip
    places = [place for place, variable, _ in path if variable in names]
    if not places:
        raise SkipError
    to = places[0] if kind == "first" else places[-1]
    if to == start:
        raise SkipError
    return to


def _ways(
    query: Query, rows: list[Row], pattern: Any, at: int, path: Path, excluded: bool
) -> Iterator[tuple[int, Path]]:
    """(the place behind, the match so far) for every way to match a part of the pattern, the preferred first."""
    kind = pattern[0]
    if kind == "var":
        if at < len(rows):
            longer = (*path, (at, pattern[1], excluded))
            if _in_time(query, rows, longer) and query.defines.get(pattern[1], lambda *_: True)(rows, longer):
                yield at + 1, longer
    elif kind == "seq":
        yield from _sequence(query, rows, pattern[1:], at, path, excluded)
    elif kind == "alt":
        for choice in pattern[1:]:
            yield from _ways(query, rows, choice, at, path, excluded)
    elif kind == "permute":
        for order in itertools.permutations(pattern[1:]):
            yield from _sequence(query, rows, order, at, path, excluded)
    elif kind == "rep":
        _, part, least, most, reluctant = pattern
        yield from _repeated(query, rows, (part, least, most, reluctant), at, path, excluded)
    elif kind == "out":
        yield from _ways(query, rows, pattern[1], at, path, True)
    elif (kind == "begin" and at == 0) or (kind == "end" and at == len(rows)):
        yield at, path


def _in_time(query: Query, rows: list[Row], path: Path) -> bool:
    return query.within is None or rows[path[-1][0]]["ts"] - rows[path[0][0]]["ts"] <= query.within


def _sequence(
    query: Query, rows: list[Row], parts: Any, at: int, path: Path, excluded: bool
) -> Iterator[tuple[int, Path]]:
    if not parts:
        yield at, path
        return
    for behind, so_far in _ways(query, rows, parts[0], at, path, excluded):
        yield from _sequence(query, rows, parts[1:], behind, so_far, excluded)


def _repeated(
    query: Query, rows: list[Row], times: Any, at: int, path: Path, excluded: bool
) -> Iterator[tuple[int, Path]]:
    part, least, most, reluctant = times
    if most == 0:
        yield at, path
        return
    fewer = None if most is None else most - 1
    if least > 0:
        for behind, so_far in _ways(query, rows, part, at, path, excluded):
            yield from _repeated(query, rows, (part, least - 1, fewer, reluctant), behind, so_far, excluded)
        return
    if reluctant:
        yield at, path
    for behind, so_far in _ways(query, rows, part, at, path, excluded):
        if behind == at:  # an iteration without a row is the last
            yield behind, so_far
        else:
            yield from _repeated(query, rows, (part, 0, fewer, reluctant), behind, so_far, excluded)
    if not reluctant:
        yield at, path


# ---------------------------------------------------------------- what may be asked of a match


def places(path: Path, names: str | None) -> list[int]:
    """The rows of some variables (one letter each), None: of all."""
    return [place for place, variable, _ in path if names is None or variable in names]


def value(rows: list[Row], place: int | None, column: str) -> Any:
    """A column of a row; None outside the partition."""
    return rows[place][column] if place is not None and 0 <= place < len(rows) else None


def first(rows: list[Row], path: Path, names: str | None, column: str, offset: int = 0, step: int = 0) -> Any:
    """FIRST(names.column, offset), moved by `step` rows."""
    found = places(path, names)
    return value(rows, found[offset] + step, column) if offset < len(found) else None


def last(rows: list[Row], path: Path, names: str | None, column: str, offset: int = 0, step: int = 0) -> Any:
    """LAST(names.column, offset), moved by `step` rows."""
    found = places(path, names)[::-1]
    return value(rows, found[offset] + step, column) if offset < len(found) else None


def values(rows: list[Row], path: Path, names: str | None, column: str) -> list[Any]:
    """What an aggregate over names.column adds up."""
    return [v for v in (rows[place][column] for place in places(path, names)) if v is not None]
