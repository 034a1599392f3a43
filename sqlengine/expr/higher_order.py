"""Functions of arrays and maps that take lambdas: binding.

A lambda's body is bound over the elements and over the columns it captures, and is evaluated for all elements of a
batch together (higher_kernels.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Protocol

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast
from sqlengine.types import to_sql

Bind = Callable[[ast.Expr, "LambdaScope"], tree.Expr]
Convert = Callable[[tree.Expr, pa.DataType], tree.Expr]


class Outer(Protocol):
    """The names around a lambda."""

    def resolve(self, column: ast.Column) -> tree.InputRef:
        """The column a name means there."""
        ...


@dataclass
class LambdaScope:
    """The names a lambda's body may use: its parameters, then what it captures of the scope around it."""

    outer: Outer
    params: dict[str, pa.DataType]
    captured: list[tree.InputRef] = field(default_factory=list)

    def resolve(self, column: ast.Column) -> tree.InputRef:
        """A column of the scope around it."""
        return self._capture(self.outer.resolve(column))

    def param(self, name: str) -> tree.InputRef:
        """A parameter, of this lambda or of one around it."""
        if name in self.params:
            return tree.InputRef(self.params[name], list(self.params).index(name), name)
        if not isinstance(self.outer, LambdaScope):
            raise errors.UndefinedColumn(f'column "{name}" does not exist')
        return self._capture(self.outer.param(name))

    def _capture(self, ref: tree.InputRef) -> tree.InputRef:
        place = next((i for i, known in enumerate(self.captured) if known.index == ref.index), None)
        if place is None:
            place = len(self.captured)
            self.captured.append(ref)
        return tree.InputRef(ref.type, len(self.params) + place, ref.name)


@dataclass(frozen=True)
class Request:
    """A call to be bound: the arguments that are no lambdas bound, the lambdas as written.  `bind` binds a body in a
    scope, `to` converts by the dialect's rules, `met` gives the type two types meet at."""

    name: str
    values: Sequence[tree.Expr]
    lambdas: Sequence[ast.Lambda]
    outer: Outer
    bind: Bind
    to: Convert
    met: Callable[[Sequence[pa.DataType]], pa.DataType]


def bind_higher_order(request: Request) -> tree.Expr:
    """The bound call; UndefinedFunction (42883) when no such function takes these arguments."""
    form = _FORMS.get(request.name)
    if form is None:
        raise errors.UndefinedFunction(
            f"function {request.name} takes no lambda", hint=errors.did_you_mean(request.name, _FORMS)
        )
    return form(request)


Body = tuple[int, tree.Expr]


def _body(request: Request, index: int, types: Sequence[pa.DataType], captured: list[tree.InputRef]) -> Body:
    """A lambda over parameters of the types (or the first ones of them); what it captures is added to `captured`."""
    if index >= len(request.lambdas):
        raise _wrong(request)
    written = request.lambdas[index]
    if not 1 <= len(written.params) <= len(types):
        raise errors.UndefinedFunction(
            f"the lambda of {request.name} takes {len(types)} parameters at most", position=written.position
        )
    scope = LambdaScope(request.outer, dict(zip(written.params, types, strict=False)), captured)
    return len(written.params), request.bind(written.body, scope)


def _wrong(request: Request) -> errors.Error:
    shown = ", ".join([to_sql(v.type) for v in request.values] + ["lambda"] * len(request.lambdas))
    return errors.UndefinedFunction(f"function {request.name}({shown}) does not exist")


def _list(request: Request, index: int = 0) -> tree.Expr:
    if index >= len(request.values) or not pa.types.is_list(request.values[index].type):
        raise _wrong(request)
    return request.values[index]


def _map(request: Request) -> tree.Expr:
    if not request.values or not pa.types.is_map(request.values[0].type):
        raise _wrong(request)
    return request.values[0]


def _made(
    dtype: pa.DataType, name: str, values: Sequence[tree.Expr], captured: Sequence[tree.Expr], *bodies: Body
) -> tree.Expr:
    return tree.HigherOrder(dtype, name, (*values, *captured), len(values), bodies)


def _over_elements(name: str, dtype: Callable[[pa.DataType, pa.DataType], pa.DataType], test: bool) -> Callable:  # type: ignore[type-arg]
    """A function of an array and a lambda of an element (and its place, for transform and filter)."""

    def form(request: Request) -> tree.Expr:
        of, captured = _list(request), list[tree.InputRef]()
        params = [of.type.value_type, pa.int32()] if name in ("transform", "filter") else [of.type.value_type]
        count, body = _body(request, 0, params, captured)
        body = request.to(body, pa.bool_()) if test else body
        return _made(dtype(of.type, body.type), name, [of], captured, (count, body))

    return form


def _zip_with(request: Request) -> tree.Expr:
    left, right, captured = _list(request), _list(request, 1), list[tree.InputRef]()
    body = _body(request, 0, [left.type.value_type, right.type.value_type], captured)
    return _made(pa.list_(body[1].type), "zip_with", [left, right], captured, body)


def _aggregate(request: Request) -> tree.Expr:
    """`aggregate(array, start, (acc, x) -> e [, acc -> e])`; the accumulator has the type start and e meet at."""
    of = _list(request)
    if len(request.values) != 2:
        raise _wrong(request)
    kind = request.values[1].type
    for _ in range(2):
        captured: list[tree.InputRef] = []
        count, step = _body(request, 0, [kind, of.type.value_type], captured)
        both = request.met([kind, step.type])
        if both == kind:
            break
        kind = both
    bodies = [(count, request.to(step, kind))]
    result = kind
    if len(request.lambdas) > 1:
        finish = _body(request, 1, [kind], captured)
        result = finish[1].type
        bodies.append(finish)
    return _made(result, "aggregate", [of, request.to(request.values[1], kind)], captured, *bodies)


def _over_entries(name: str) -> Callable[[Request], tree.Expr]:
    """A function of a map and a lambda of key and value."""

    def form(request: Request) -> tree.Expr:
        of, captured = _map(request), list[tree.InputRef]()
        count, body = _body(request, 0, [of.type.key_type, of.type.item_type], captured)
        if name == "map_filter":
            return _made(of.type, name, [of], captured, (count, request.to(body, pa.bool_())))
        key, item = (body.type, of.type.item_type) if name == "transform_keys" else (of.type.key_type, body.type)
        return _made(pa.map_(key, item), name, [of], captured, (count, body))

    return form


def _array_sort(request: Request) -> tree.Expr:
    """`array_sort(array, (left, right) -> e)`: e tells by its sign whether left is before right."""
    of, captured = _list(request), list[tree.InputRef]()
    count, body = _body(request, 0, [of.type.value_type] * 2, captured)
    if not pa.types.is_integer(body.type):
        raise errors.DatatypeMismatch(
            f"the lambda of array_sort gives a whole number, not {to_sql(body.type)}",
            position=request.lambdas[0].position,
        )
    return _made(of.type, "array_sort", [of], captured, (count, request.to(body, pa.int32())))


def _map_zip_with(request: Request) -> tree.Expr:
    """`map_zip_with(a, b, (key, x, y) -> e)`: over the keys of either; NULL is the value of one that a map has not."""
    if len(request.values) != 2 or not all(pa.types.is_map(value.type) for value in request.values):
        raise _wrong(request)
    left, right = request.values
    captured: list[tree.InputRef] = []
    key = request.met([left.type.key_type, right.type.key_type])
    body = _body(request, 0, [key, left.type.item_type, right.type.item_type], captured)
    sides = [request.to(side, pa.map_(key, side.type.item_type)) for side in (left, right)]
    return _made(pa.map_(key, body[1].type), "map_zip_with", sides, captured, body)


_FORMS: dict[str, Callable[[Request], tree.Expr]] = {
    "transform": _over_elements("transform", lambda of, body: pa.list_(body), False),
    "filter": _over_elements("filter", lambda of, body: of, True),
    "exists": _over_elements("exists", lambda of, body: pa.bool_(), True),
    "any_match": _over_elements("exists", lambda of, body: pa.bool_(), True),
    "forall": _over_elements("forall", lambda of, body: pa.bool_(), True),
    "all_match": _over_elements("forall", lambda of, body: pa.bool_(), True),
    "zip_with": _zip_with,
    "aggregate": _aggregate,
    "reduce": _aggregate,
    "array_sort": _array_sort,
    "map_zip_with": _map_zip_with,
    "map_filter": _over_entries("map_filter"),
    "transform_keys": _over_entries("transform_keys"),
    "transform_values": _over_entries("transform_values"),
}

NAMES = tuple(_FORMS)
"""The functions that take lambdas."""
