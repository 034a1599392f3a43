"""Generic walks over the unbound syntax tree: search and replacement, without knowing each node's fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast
from storage.replacing import replace

PARTS = (ast.Expr, ast.OrderItem, ast.WindowFrame, ast.FrameClause, ast.FrameBound, ast.SelectItem)
"""What expressions stand in."""


_known_parts: dict[type, tuple[str, ...]] = {}


def _parts(kind: type) -> tuple[str, ...]:
    """The fields of a class that may hold expressions: not those that are texts, numbers or truth values."""
    found = _known_parts.get(kind)
    if found is None:
        found = tuple(f.name for f in dataclasses.fields(kind) if str(f.type) not in _PLAIN)
        _known_parts[kind] = found
    return found


_PLAIN = frozenset(("str", "bool", "int", "str | None", "int | None", "bool | None", "int | str", "tuple[str, ...]"))


def transform(node: Any, fn: Callable[[ast.Expr], ast.Expr | None]) -> Any:
    """Replace expressions top-down: where `fn` returns an expression it stands instead, else its parts are visited.

    Subqueries are not entered: their names are their own; what stands before IN is not theirs.
    """
    if isinstance(node, ast.Expr):
        replacement = fn(node)
        if replacement is not None:
            return replacement
    if isinstance(node, tuple):
        items = tuple([transform(item, fn) for item in node])
        return node if all(a is b for a, b in zip(items, node, strict=True)) else items
    if isinstance(node, ast.Subquery):
        arg = transform(node.arg, fn)
        return node if arg is node.arg else replace(node, arg=arg)
    if isinstance(node, ast.Opaque):
        columns = transform(node.columns, fn)
        if columns == node.columns:
            return node
        if not all(isinstance(c, ast.Column) for c in columns):
            raise Unplannable("an expression only DuckDB knows over computed columns")
        return node.over(columns)
    if isinstance(node, PARTS):
        changes = {}
        for name in _parts(type(node)):
            old = getattr(node, name)
            if old is None or old == ():
                continue
            new = transform(old, fn)
            if new is not old:
                changes[name] = new
        return replace(node, **changes) if changes else node
    return node


def walk(node: Any) -> Iterator[ast.Expr]:
    """Every expression in the tree, outermost first; subqueries are yielded, of them only what stands before IN is
    entered."""
    if isinstance(node, ast.Expr):
        yield node
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
    elif isinstance(node, ast.Subquery):
        yield from walk(node.arg)
    elif isinstance(node, PARTS):
        for name in _parts(type(node)):
            below = getattr(node, name)
            if below is not None and below != ():
                yield from walk(below)


def contains(node: Any, kind: type[ast.Expr]) -> bool:
    """True when an expression of that class is in the tree."""
    return any(isinstance(e, kind) for e in walk(node))


def conjuncts(expr: ast.Expr | None) -> list[ast.Expr]:
    """The parts of an AND chain, left to right."""
    parts: list[ast.Expr] = []
    todo = [expr] if expr is not None else []
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Binary) and node.op == "and":
            todo += [node.right, node.left]
        else:
            parts.append(node)
    return parts


def conjoin(parts: list[ast.Expr]) -> ast.Expr | None:
    """The inverse of `conjuncts`."""
    result: ast.Expr | None = None
    for part in parts:
        result = part if result is None else ast.Binary("and", result, part)
    return result
