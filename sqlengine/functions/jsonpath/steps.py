"""What each step of a path does with an item: members, elements, levels, filters and methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Protocol

from sqlengine.functions.jsonpath.failures import error
from sqlengine.functions.jsonpath.items import is_number
from sqlengine.functions.jsonpath.methods import BY_NAME, WHOLE, Method
from sqlengine.functions.jsonpath.state import Found, Run, State, Test
from sqlengine.sql.jsonpath import nodes
from sqlengine.sql.jsonpath.nodes import LAST_LEVEL

NO_MEMBER, NO_ARRAY, NO_OBJECT, BAD_PLACE = "2203A", "22039", "2203C", "22033"
_INT = 1 << 31


class Emit:
    """What becomes of an item that a step has made; `last`: there is no further step."""

    __slots__ = ("_follow", "_lax", "last")

    def __init__(self, follow: Run | None, lax: bool) -> None:
        self._follow = follow
        self._lax = lax
        self.last = follow is None

    def __call__(self, state: State, item: Any, found: Found) -> bool:
        if self._follow is not None:
            return self._follow(state, item, found, self._lax)
        if found is not None:
            found.append(item)
        return True

    def each(self, state: State, items: Iterable[Any], found: Found) -> bool:
        """One after the other, until one is found where that is enough."""
        some = False
        for item in items:
            if self(state, item, found):
                if found is None:
                    return True
                some = True
        return some


emitter = Emit


class Compiling(Protocol):
    """What steps need of a Compiler."""

    lax: bool

    def run(self, node: Any, follow: Run | None = None) -> Run:
        """An expression."""

    def test(self, node: nodes.Predicate) -> Test:
        """A predicate."""


def step(node: nodes.Step, follow: Run | None, of: Compiling) -> Run:
    """A step with what comes behind it."""
    made: Run = _STEPS[type(node)](node, Emit(follow, of.lax), of)
    return made


def _apart(run: Run) -> Run:
    """A step that, where arrays are taken apart, goes to the elements of one."""

    def through(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        if unwrap and isinstance(item, list):
            some = False
            for element in item:
                if run(state, element, found, False):
                    if found is None:
                        return True
                    some = True
            return some
        return run(state, item, found, False)

    return through


# ---------------------------------------------------------------- members and elements


def _member(node: nodes.Member, emit: Emit, _of: Compiling) -> Run:
    key = node.key

    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        if isinstance(item, dict):
            if key in item:
                return emit(state, item[key], found)
            if not state.ignores:
                raise error(NO_MEMBER, f'JSON object does not contain key "{key}"')
        elif not state.ignores:
            raise error(NO_MEMBER, "jsonpath member accessor can only be applied to an object")
        return False

    return _apart(run)


def _any_member(_node: nodes.AnyMember, emit: Emit, _of: Compiling) -> Run:
    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        if isinstance(item, dict):
            return emit.each(state, item.values(), found)
        if not state.ignores:
            raise error(NO_OBJECT, "jsonpath wildcard member accessor can only be applied to an object")
        return False

    return _apart(run)


def _any_element(_node: nodes.AnyElement, emit: Emit, of: Compiling) -> Run:
    lax = of.lax

    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        if isinstance(item, list):
            return emit.each(state, item, found)
        if lax:
            return emit(state, item, found)
        if not state.ignores:
            raise error(NO_ARRAY, "jsonpath wildcard array accessor can only be applied to an array")
        return False

    return run


def _elements(node: nodes.Elements, emit: Emit, of: Compiling) -> Run:
    lax = of.lax
    ranges = [(_place(first, of), None if last is None else _place(last, of)) for first, last in node.ranges]

    def within(state: State, item: Any, array: list[Any], found: Found) -> bool:
        some = False
        for first_of, last_of in ranges:
            first = first_of(state, item)
            last = first if last_of is None else last_of(state, item)
            if not state.ignores and (first < 0 or first > last or last >= len(array)):
                raise error(BAD_PLACE, "jsonpath array subscript is out of bounds")
            if emit.each(state, array[max(first, 0) : max(last + 1, 0)], found):
                if found is None:
                    return True
                some = True
        return some

    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        if not isinstance(item, list) and not lax:
            if not state.ignores:
                raise error(NO_ARRAY, "jsonpath array accessor can only be applied to an array")
            return False
        array = item if isinstance(item, list) else [item]
        before, state.size = state.size, len(array)
        try:
            return within(state, item, array, found)
        finally:
            state.size = before

    return run


def _place(node: Any, of: Compiling) -> Callable[[State, Any], int]:
    """A subscript: a single number, of which the fraction does not count."""
    run, lax = of.run(node), of.lax

    def place(state: State, item: Any) -> int:
        found: list[Any] = []
        run(state, item, found, lax)
        if len(found) != 1 or not is_number(found[0]):
            raise error(BAD_PLACE, "jsonpath array subscript is not a single numeric value")
        whole = int(found[0])
        if not -_INT <= whole < _INT:
            raise error(BAD_PLACE, "jsonpath array subscript is out of integer range")
        return whole

    return place


def _descend(node: nodes.Descend, emit: Emit, _of: Compiling) -> Run:
    leaves = node.first == LAST_LEVEL and node.last == LAST_LEVEL
    first = node.first if node.first != LAST_LEVEL else float("inf")
    last = node.last if node.last != LAST_LEVEL else float("inf")

    def below(state: State, item: Any, found: Found, level: int) -> bool:
        if level > last or not isinstance(item, (dict, list)):
            return False
        some = False
        for value in item.values() if isinstance(item, dict) else item:
            wanted = level >= first or (leaves and not isinstance(value, (dict, list)))
            some = (wanted and emit(state, value, found)) or some
            if some and found is None:
                return True
            some = (level < last and below(state, value, found, level + 1)) or some
            if some and found is None:
                return True
        return some

    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        before, state.ignores = state.ignores, True
        try:
            some = first == 0 and emit(state, item, found)
            if some and found is None:
                return True
            return below(state, item, found, 1) or some
        finally:
            state.ignores = before

    return run


def _filter(node: nodes.Filter, emit: Emit, of: Compiling) -> Run:
    test = of.test(node.predicate)

    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        before, state.current = state.current, item
        try:
            holds = test(state, item)
        finally:
            state.current = before
        return holds is True and emit(state, item, found)

    return _apart(run)


# ---------------------------------------------------------------- methods


def _method(node: nodes.Method, emit: Emit, of: Compiling) -> Run:
    if node.name == "size":
        return _size(emit, of.lax)
    if node.name == "keyvalue":
        return _apart(_key_values(emit))
    method: Method = BY_NAME[node.name]
    arguments = node.arguments

    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        return emit(state, method(item, *arguments), found)

    return run if node.name in WHOLE else _apart(run)


def _size(emit: Emit, lax: bool) -> Run:
    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        if isinstance(item, list) or lax:
            return emit(state, len(item) if isinstance(item, list) else 1, found)
        if not state.ignores:
            raise error(NO_ARRAY, "jsonpath item method .size() can only be applied to an array")
        return False

    return run


def _key_values(emit: Emit) -> Run:
    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        if not isinstance(item, dict):
            raise error(NO_OBJECT, "jsonpath item method .keyvalue() can only be applied to an object")
        number: int | Decimal = state.number_of(item)
        pairs = [{"id": number, "key": key, "value": value} for key, value in item.items()]
        return emit.each(state, pairs, found)

    return run


_STEPS: dict[type, Callable[..., Run]] = {
    nodes.Member: _member,
    nodes.AnyMember: _any_member,
    nodes.AnyElement: _any_element,
    nodes.Elements: _elements,
    nodes.Descend: _descend,
    nodes.Filter: _filter,
    nodes.Method: _method,
}
