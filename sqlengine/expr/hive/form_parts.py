"""What forms share: calls made of converted arguments, and what is said of wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from sqlengine import errors
from sqlengine.expr import tree
from sqlengine.expr.coerce import constant
from sqlengine.types import to_sql

Form = Callable[[list[tree.Expr]], tree.Expr]


def made(kind: pa.DataType, name: str, args: Sequence[tree.Expr]) -> tree.Expr:
    """A call, computed at once where all is constant."""
    call = tree.Call(kind, name, tuple(args))
    return constant(call) if args and all(isinstance(a, tree.Const) for a in args) else call


def wrong(name: str, args: Sequence[tree.Expr], wanted: str) -> errors.Error:
    """What is raised for a call whose arguments do not fit."""
    shown = ", ".join(to_sql(a.type) for a in args)
    return errors.UndefinedFunction(f"function {name}({shown}) does not exist", hint=f"{name} takes {wanted}")


def text_of(expr: tree.Expr) -> str:
    """A constant as text."""
    assert isinstance(expr, tree.Const)
    return str(expr.value)
