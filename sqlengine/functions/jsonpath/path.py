"""A path made ready, and the questions that may be asked of it and a document."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlengine.errors import DataError, TooComplex
from sqlengine.functions.jsonpath.compiling import Compiler
from sqlengine.functions.jsonpath.failures import Unsuppressed, error
from sqlengine.functions.jsonpath.items import read
from sqlengine.functions.jsonpath.state import Run, State
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """A path that can run; `lax`: what is not there is no error."""

    run: Run
    lax: bool


@lru_cache(maxsize=1024)
def ready(text: str) -> Ready:
    """A path by its text; raises as parse_path does, DataError (2201B) for a wrong pattern, and TooComplex."""
    from sqlengine.sql.jsonpath.parse import parse_path  # lark: heavy

    try:
        path = parse_path(text)
        return Ready(Compiler(not path.strict).run(path.body), not path.strict)
    except RecursionError:
        raise TooComplex("path is nested too deeply") from None


def check(text: str) -> None:
    """Raises where a text is no path."""
    ready(text)


@lru_cache(maxsize=64)
def variables(text: str) -> dict[str, Any]:
    """The object of variables; Unsuppressed (22023) where it is none."""
    found = read(text)
    if not isinstance(found, dict):
        raise Unsuppressed(
            '"vars" argument is not an object',
            sqlstate="22023",
            detail='jsonpath parameters should be encoded as key-value pairs of "vars" object',
        )
    return found


def items(path: Ready, document: Any, given: dict[str, Any], silent: bool = False) -> list[Any]:
    """All items a path leads to; if `silent`, those before an error."""
    found: list[Any] = []
    try:
        path.run(State(document, given, path.lax), document, found, path.lax)
    except Unsuppressed:
        raise
    except DataError:
        if not silent:
            raise
    return found


def exists(path: Ready, document: Any, given: dict[str, Any], silent: bool = False) -> bool | None:
    """Whether it leads to something; None at an error if `silent`."""
    try:
        if path.lax:
            return path.run(State(document, given, True), document, None, True)
        return bool(items(path, document, given))
    except Unsuppressed:
        raise
    except DataError:
        if not silent:
            raise
        return None


def match(path: Ready, document: Any, given: dict[str, Any], silent: bool = False) -> bool | None:
    """What a path that is a predicate says: None for unknown, and for anything else if `silent`."""
    found = items(path, document, given, silent)
    if len(found) == 1 and (found[0] is None or isinstance(found[0], bool)):
        return found[0]
    if silent:
        return None
    raise error("22038", "single boolean result is expected")
