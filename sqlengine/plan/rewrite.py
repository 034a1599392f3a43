"""Generic walks over the unbound syntax tree: search and replacement, without knowing each node's fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import is_
from typing import Any

from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast
from storage.replacing import replace

PARTS = (ast.Expr, ast.OrderItem, ast.WindowFrame, ast.FrameClause, ast.FrameBound, ast.SelectItem)
"""What expressions stand in."""


class _Parts(dict[type, tuple[bool, tuple[str, ...]]]):
    """Class -> whether it is an expression, and the fields in which expressions may be looked for: not those that are
    texts, numbers or truth values.  Subqueries are not entered: of them it is what stands before IN."""

    def __missing__(self, cls: type) -> tuple[bool, tuple[str, ...]]:
        names: tuple[str, ...] = ()
        if cls is ast.Subquery:
            names = ("arg",)
        elif issubclass(cls, PARTS):
            names = tuple(f.name for f in dataclasses.fields(cls) if str(f.type) not in _PLAIN)
        found = self[cls] = issubclass(cls, ast.Expr), names
        return found


_PARTS = _Parts()
_PLAIN = frozenset(
    ("str", "bool", "int", "Any", "str | None", "int | None", "bool | None", "int | str", "tuple[str, ...]")
)


def transform(node: Any, fn: Callable[[ast.Expr], ast.Expr | None]) -> Any:
    """Replace expressions top-down: where `fn` returns an expression it stands instead, else its parts are visited.

    Subqueries are not entered: their names are their own; what stands before IN is not theirs.
    """
    cls = node.__class__
    if cls is tuple:
        items = tuple([transform(item, fn) for item in node])
        return node if all(map(is_, items, node)) else items
    is_expr, parts = _PARTS[cls]
    if is_expr:
        replacement = fn(node)
        if replacement is not None:
            return replacement
    if cls is ast.Opaque:
        return _opaque(node, fn)
    changes = {}
    for name in parts:
        old = getattr(node, name)
        if old:
            new = transform(old, fn)
            if new is not old:
                changes[name] = new
    return replace(node, **changes) if changes else node


def _opaque(node: ast.Opaque, fn: Callable[[ast.Expr], ast.Expr | None]) -> ast.Opaque:
    columns = transform(node.columns, fn)
    if columns == node.columns:
        return node
    if not all(isinstance(c, ast.Column) for c in columns):
        raise Unplannable("an expression only DuckDB knows over computed columns")
    return node.over(columns)


def walk(node: Any) -> list[ast.Expr]:
    """Every expression in the tree, outermost first; subqueries are among them, of them only what stands before IN is
    entered."""
    found: list[ast.Expr] = []
    todo = [node]
    while todo:
        here = todo.pop()
        cls = here.__class__
        if cls is tuple:
            todo += here[::-1]
            continue
        is_expr, parts = _PARTS[cls]
        if is_expr:
            found.append(here)
        for name in reversed(parts):
            below = getattr(here, name)
            if below:
                todo.append(below)
    return found


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
