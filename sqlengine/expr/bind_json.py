"""Paths into JSON as one step after the other."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.coerce import type_name
from sqlengine.types import is_json

Step = Callable[[str, tree.Expr, tree.Expr], tree.Expr]
"""A call of a function of JSON and a key, by its name."""


def json_operator(op: str, left: tree.Expr, right: tree.Expr, position: int | None, step: Step) -> tree.Expr:
    """`j #> '{a,b}'`: the keys one after the other."""
    if not is_json(left.type) or not isinstance(right, tree.Const) or not isinstance(right.value, str):
        raise errors.UndefinedFunction(
            f"operator does not exist: {type_name(left)} {op} {type_name(right)}",
            position=position,
            hint="the path must be a constant such as '{a,0,b}'",
        )
    keys = [k.strip().strip('"') for k in right.value.strip().strip("{}").split(",") if k.strip()]
    for i, key in enumerate(keys):
        last = op == "#>>" and i == len(keys) - 1
        place = tree.Const(pa.int64(), int(key)) if key.lstrip("-").isdigit() else tree.Const(pa.string(), key)
        left = step("json_get_text" if last else "json_get", left, place)
    return left


def json_path(name: str, args: list[tree.Expr], step: Step) -> tree.Expr:
    """json_extract_path(j, 'a', '0'): the arrows one after the other."""
    found, *steps = args
    for i, given in enumerate(steps):
        last = name.endswith("text") and i == len(steps) - 1
        place = isinstance(given, tree.Const) and isinstance(given.value, str) and given.value.lstrip("-").isdigit()
        key = tree.Const(pa.int64(), int(given.value)) if place and isinstance(given, tree.Const) else given
        found = step("json_get_text" if last else "json_get", found, key)
    return found
