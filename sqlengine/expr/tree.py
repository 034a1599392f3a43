"""Bound expressions: typed, frozen, positions instead of names.

A tree of these is plain data: `expr/compile.py` turns it into Arrow kernels, `expr/text.py` prints it for EXPLAIN.
A node that exists is well typed; binding (`expr/bind.py`) is the only maker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Expr:
    """Base of all; `type` is the Arrow type of the value."""

    type: pa.DataType


@dataclass(frozen=True, slots=True)
class InputRef(Expr):
    """Column `index` of the input batch; `name` is for people only."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Const(Expr):
    """A literal; `value` is a Python value pyarrow accepts for `type` (None = NULL)."""

    value: Any


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A registered scalar function (operators are functions too: `add`, `eq`, `and`, ...)."""

    function: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """CAST; `safe` turns failures into NULL (TRY_CAST)."""

    arg: Expr
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Case(Expr):
    """Searched CASE: the first true condition's result, else `default`."""

    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr


@dataclass(frozen=True, slots=True)
class InList(Expr):
    """`arg IN (constants)`; SQL's three-valued answer."""

    arg: Expr
    values: tuple[Const, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class DuckExpr(Expr):
    """An expression without an Arrow kernel, evaluated by embedded DuckDB.

    `sql` is DuckDB text over columns named a0, a1, ... standing for `args`.
    """

    sql: str
    args: tuple[Expr, ...]


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions, left to right."""
    match expr:
        case Call(args=args) | DuckExpr(args=args):
            return args
        case Cast(arg=arg) | InList(arg=arg):
            return (arg,)
        case Case(whens=whens, default=default):
            return (*(e for pair in whens for e in pair), default)
    return ()


def input_columns(expr: Expr) -> set[int]:
    """The input column positions an expression reads."""
    found: set[int] = set()
    todo = [expr]
    while todo:
        node = todo.pop()
        if isinstance(node, InputRef):
            found.add(node.index)
        todo.extend(children(node))
    return found
