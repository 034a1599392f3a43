"""What a path knows while it runs over one document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlengine.functions.jsonpath.failures import Unsuppressed

Found = list[Any] | None
"""The items found so far; None where it is enough to know whether there is one."""


class State:
    """`root`: the document; `current`: what `@` is; `size`: of the nearest array; `ignores`: what is not there is no
    error; `variables`: by name."""

    __slots__ = ("_numbers", "current", "ignores", "root", "size", "variables")

    def __init__(self, root: Any, variables: dict[str, Any], ignores: bool) -> None:
        self.root = root
        self.current = root
        self.variables = variables
        self.ignores = ignores
        self.size = 0
        self._numbers: dict[int, int] | None = None

    def variable(self, name: str) -> Any:
        """The value of `$name`; Unsuppressed (42704) where there is none."""
        if name not in self.variables:
            raise Unsuppressed(f'could not find jsonpath variable "{name}"', sqlstate="42704")
        return self.variables[name]

    def number_of(self, item: dict[str, Any]) -> int:
        """The number of an object in the order of the document's text, from 0: what `.keyvalue()` calls its id."""
        if self._numbers is None:
            self._numbers = {}
            for value in (self.root, *self.variables.values()):
                _number(value, self._numbers)
        return self._numbers.setdefault(id(item), len(self._numbers))


def _number(value: Any, numbers: dict[int, int]) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            numbers[id(item)] = len(numbers)
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


Run = Callable[[State, Any, Found, bool], bool]
"""(state, item, found, whether an array is taken apart first) -> whether anything was found."""
Test = Callable[[State, Any], bool | None]
"""(state, item) -> true, false, or None for unknown."""
