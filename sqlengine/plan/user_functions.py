"""Before binding: calls of functions the database has of its own are marked with their definitions.

Built-in functions cannot be shadowed, so a mark never changes what an existing query means.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from sqlengine.functions.user import UserFunctions
from sqlengine.sql import ast
from storage.replacing import replace

T = TypeVar("T")


def mark_user_functions(node: T, functions: UserFunctions) -> T:
    """The syntax tree with `Call.user` set, subqueries included; the same object when there is nothing to mark."""
    return _marked(node, functions) if len(functions) else node


def _marked(node: Any, functions: UserFunctions) -> Any:
    if isinstance(node, tuple):
        items = [_marked(item, functions) for item in node]
        return tuple(items) if any(a is not b for a, b in zip(items, node, strict=True)) else node
    if not dataclasses.is_dataclass(node) or isinstance(node, (type, ast.Query)):
        return node
    changes = {}
    for field in dataclasses.fields(node):
        old = getattr(node, field.name)
        new = _marked(old, functions)
        if new is not old:
            changes[field.name] = new
    if isinstance(node, ast.Call) and (found := functions.find(node.name)) is not None:
        changes["user"] = found
    return replace(node, **changes) if changes else node
