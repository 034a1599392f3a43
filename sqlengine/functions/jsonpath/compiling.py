"""A path's tree as functions that call one another: expressions and predicates; steps are in steps.py.

As in PostgreSQL each item goes through all further steps before the next one is looked at, so that who asks only
whether there is something stops at the first, in lax mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlengine.errors import DataError
from sqlengine.functions.jsonpath.failures import Unsuppressed, error
from sqlengine.functions.jsonpath.items import ARITHMETIC, compared, is_number
from sqlengine.functions.jsonpath.state import Found, Run, State, Test
from sqlengine.functions.jsonpath.steps import Emit, emitter, step
from sqlengine.functions.posix_regex import compiled as compiled_regex
from sqlengine.sql.jsonpath import nodes


class Compiler:
    """Makes functions of trees; `lax`: arrays are taken apart and put together on the way, as steps need."""

    def __init__(self, lax: bool) -> None:
        self.lax = lax

    def run(self, node: Any, follow: Run | None = None) -> Run:
        """An expression, or a predicate as one, with what comes behind it."""
        emit = emitter(follow, self.lax)
        if isinstance(node, nodes.Chain):
            for part in reversed(node.steps):
                follow = step(part, follow, self)
            return self.run(node.head, follow)
        if isinstance(node, nodes.PREDICATES):
            test = self.test(node)
            return lambda state, item, found, unwrap: emit(state, test(state, item), found)
        made: Run = _EXPRESSIONS[type(node)](self, node, emit)
        return made

    def test(self, node: nodes.Predicate) -> Test:
        """A predicate."""
        made: Test = _PREDICATES[type(node)](self, node)
        return made

    def sequence(self, node: Any, apart: bool = True) -> Callable[[State, Any], list[Any]]:
        """All items of an expression; in lax mode what is an array gives its elements, if `apart`."""
        run, lax = self.run(node), self.lax

        def items(state: State, item: Any) -> list[Any]:
            found: list[Any] = []
            run(state, item, found, lax)
            if lax and apart and any(isinstance(value, list) for value in found):
                return [part for value in found for part in (value if isinstance(value, list) else (value,))]
            return found

        return items


# ---------------------------------------------------------------- expressions


def _literal(_of: Compiler, node: nodes.Literal, emit: Emit) -> Run:
    value = node.value
    return lambda state, item, found, unwrap: emit(state, value, found)


def _variable(_of: Compiler, node: nodes.Variable, emit: Emit) -> Run:
    name = node.name
    return lambda state, item, found, unwrap: emit(state, state.variable(name), found)


def _root(_of: Compiler, _node: nodes.Root, emit: Emit) -> Run:
    return lambda state, item, found, unwrap: emit(state, state.root, found)


def _current(_of: Compiler, _node: nodes.Current, emit: Emit) -> Run:
    return lambda state, item, found, unwrap: emit(state, state.current, found)


def _last(_of: Compiler, _node: nodes.Last, emit: Emit) -> Run:
    return lambda state, item, found, unwrap: emit(state, state.size - 1, found)


def _unary(of: Compiler, node: nodes.Unary, emit: Emit) -> Run:
    operand, op = of.sequence(node.operand), node.op

    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        some = False
        for value in operand(state, item):
            if not is_number(value):
                if found is None and emit.last:
                    continue
                raise error("2203B", f"operand of unary jsonpath operator {op} is not a numeric value")
            if emit(state, -value if op == "-" else value, found):
                if found is None:
                    return True
                some = True
        return some

    return run


def _binary(of: Compiler, node: nodes.Binary, emit: Emit) -> Run:
    left, right, op = of.sequence(node.left), of.sequence(node.right), node.op
    operation = ARITHMETIC[op]

    def run(state: State, item: Any, found: Found, unwrap: bool) -> bool:
        sides = left(state, item), right(state, item)
        for name, values in zip(("left", "right"), sides, strict=True):
            if len(values) != 1 or not is_number(values[0]):
                raise error("22038", f"{name} operand of jsonpath operator {op} is not a single numeric value")
        return emit(state, operation(sides[0][0], sides[1][0]), found)

    return run


_EXPRESSIONS: dict[type, Callable[..., Run]] = {
    nodes.Literal: _literal,
    nodes.Variable: _variable,
    nodes.Root: _root,
    nodes.Current: _current,
    nodes.Last: _last,
    nodes.Unary: _unary,
    nodes.Binary: _binary,
}


# ---------------------------------------------------------------- predicates


def _logic(of: Compiler, node: nodes.Logic) -> Test:
    left, right = of.test(node.left), of.test(node.right)
    decides = node.op == "||"

    def test(state: State, item: Any) -> bool | None:
        first = left(state, item)
        if first is decides:
            return decides
        second = right(state, item)
        return first if second is (not decides) else second

    return test


def _not(of: Compiler, node: nodes.Not) -> Test:
    operand = of.test(node.operand)

    def test(state: State, item: Any) -> bool | None:
        found = operand(state, item)
        return None if found is None else not found

    return test


def _is_unknown(of: Compiler, node: nodes.IsUnknown) -> Test:
    operand = of.test(node.operand)
    return lambda state, item: operand(state, item) is None


def _exists(of: Compiler, node: nodes.Exists) -> Test:
    run, lax = of.run(node.path), of.lax

    def test(state: State, item: Any) -> bool | None:
        try:
            if lax:
                return run(state, item, None, True)
            found: list[Any] = []
            run(state, item, found, False)
            return bool(found)
        except Unsuppressed:
            raise
        except DataError:
            return None

    return test


Holds = Callable[[Any, Any], bool | None]


def _of_pairs(of: Compiler, left: Any, rights: Callable[[State, Any], list[Any]], holds: Holds) -> Test:
    """Whether it holds for any pair of items: in strict mode all are looked at, and one that is unknown makes it so."""
    lefts, lax = of.sequence(left), of.lax

    def test(state: State, item: Any) -> bool | None:
        try:
            values, others = lefts(state, item), rights(state, item)
        except Unsuppressed:
            raise
        except DataError:
            return None
        some, unknown = False, False
        for value in values:
            for other in others:
                answer = holds(value, other)
                if answer is None:
                    if not lax:
                        return None
                    unknown = True
                elif answer:
                    if lax:
                        return True
                    some = True
        return True if some else None if unknown else False

    return test


def _compare(of: Compiler, node: nodes.Compare) -> Test:
    op = node.op
    return _of_pairs(of, node.left, of.sequence(node.right), lambda a, b: compared(op, a, b))


def _starts_with(of: Compiler, node: nodes.StartsWith) -> Test:
    def holds(whole: Any, beginning: Any) -> bool | None:
        if not isinstance(whole, str) or not isinstance(beginning, str):
            return None
        return whole.startswith(beginning)

    return _of_pairs(of, node.whole, of.sequence(node.beginning, apart=False), holds)


_REGEX_LINES = {(False, False): "p", (True, False): "s", (False, True): "n", (True, True): "w"}
"""(flag s, flag m) -> the option of PostgreSQL's regular expressions that means it."""


def _like_regex(of: Compiler, node: nodes.LikeRegex) -> Test:
    flags = node.flags
    options = _REGEX_LINES["s" in flags, "m" in flags] + "".join(letter for letter in "iq" if letter in flags)
    pattern = compiled_regex(node.pattern, options, "like_regex")

    def holds(text: Any, _only: Any) -> bool | None:
        return pattern.search(text) is not None if isinstance(text, str) else None

    return _of_pairs(of, node.text, of.sequence(nodes.Literal(None)), holds)


_PREDICATES: dict[type, Callable[..., Test]] = {
    nodes.Logic: _logic,
    nodes.Not: _not,
    nodes.IsUnknown: _is_unknown,
    nodes.Exists: _exists,
    nodes.Compare: _compare,
    nodes.StartsWith: _starts_with,
    nodes.LikeRegex: _like_regex,
}
