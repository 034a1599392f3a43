"""Bound expressions: typed, frozen, positions instead of names.

A tree of these is plain data: `expr/compile.py` turns it into Arrow kernels, `expr/text.py` prints it for EXPLAIN.
A node that exists is well typed; binding (`expr/bind.py`) is the only maker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import field
from operator import attrgetter, is_
from typing import Any

import pyarrow as pa

from sqlengine.by_class import ByClass
from sqlengine.functions.registry import Function
from sqlengine.quick_dataclass import dataclass
from storage.replacing import replace


class Remembering:
    """The place of what is found out of an expression once; copies and pickles leave it out."""

    __slots__ = ("_called", "_columns", "_volatility")
    _called: frozenset[str]
    _columns: frozenset[int]
    _volatility: str


@dataclass(frozen=True, slots=True)
class Expr(Remembering):
    """Base of all; `type` is the Arrow type of the value."""

    type: pa.DataType


@dataclass(frozen=True, slots=True)
class InputRef(Expr):
    """Column `index` of the input batch; `name` is for people only."""

    index: int
    name: str = field(compare=False)


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
class UserCall(Expr):
    """A call of a function the program registered in its database (functions/user.py)."""

    function: Function
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
class HigherOrder(Expr):
    """A function of arrays or maps that takes lambdas (expr/higher_order.py).

    `args`: its own arguments, `values` of them, then what the lambdas capture.  `bodies`: per lambda how many
    parameters it takes, and its body over those and, behind them, what is captured.
    """

    function: str
    args: tuple[Expr, ...]
    values: int
    bodies: tuple[tuple[int, Expr], ...]


@dataclass(frozen=True, slots=True)
class DuckExpr(Expr):
    """An expression without an Arrow kernel, evaluated by embedded DuckDB.

    `sql` is DuckDB text over columns named a0, a1, ... standing for `args`; `volatility` is that of its worst function:
    "immutable", "stable" (constant within a tick) or "volatile".
    """

    sql: str
    args: tuple[Expr, ...]
    volatility: str = "immutable"


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions, left to right."""
    return _CHILDREN[expr.__class__](expr)


_CHILDREN: ByClass[Callable[[Any], tuple[Expr, ...]]] = ByClass(
    {
        Expr: lambda leaf: (),
        Call: attrgetter("args"),
        UserCall: attrgetter("args"),
        DuckExpr: attrgetter("args"),
        HigherOrder: attrgetter("args"),
        Cast: lambda cast: (cast.arg,),
        InList: lambda test: (test.arg,),
        Case: lambda case: (*(e for pair in case.whens for e in pair), case.default),
    }
)


def input_columns(expr: Expr) -> frozenset[int]:
    """The input column positions an expression reads."""
    try:
        return expr._columns
    except AttributeError:
        return _looked_at(expr)._columns


def called(expr: Expr) -> frozenset[str]:
    """The functions that are called anywhere in an expression, but in the bodies of lambdas."""
    try:
        return expr._called
    except AttributeError:
        return _looked_at(expr)._called


def _looked_at(expr: Expr) -> Expr:
    """The expression, which knows from now on what it reads and calls."""
    columns: list[int] = []
    names: list[str] = []
    todo = [expr]
    while todo:
        node = todo.pop()
        if isinstance(node, InputRef):
            columns.append(node.index)
        else:
            todo += children(node)
            if isinstance(node, Call):
                names.append(node.function)
    object.__setattr__(expr, "_columns", frozenset(columns))
    object.__setattr__(expr, "_called", frozenset(names))
    return expr


def with_children(expr: Expr, kids: Sequence[Expr]) -> Expr:
    """The same node over other sub-expressions, given in the order of `children`; itself over its own."""
    if all(map(is_, kids, children(expr))):
        return expr
    match expr:
        case Call(type=dtype, function=name):
            return Call(dtype, name, tuple(kids))
        case Cast(type=dtype, safe=safe):
            return Cast(dtype, kids[0], safe)
        case UserCall() | DuckExpr() | HigherOrder():
            return replace(expr, args=tuple(kids))
        case InList():
            return replace(expr, arg=kids[0])
        case Case():
            pairs = tuple((kids[i], kids[i + 1]) for i in range(0, len(kids) - 1, 2))
            return replace(expr, whens=pairs, default=kids[-1])
    return expr


def remap(expr: Expr, positions: dict[int, int]) -> Expr:
    """The expression over another input: column i becomes column `positions[i]`."""
    if isinstance(expr, InputRef):
        place = positions[expr.index]
        return expr if place == expr.index else InputRef(expr.type, place, expr.name)
    kids = children(expr)
    return with_children(expr, [remap(kid, positions) for kid in kids]) if kids else expr


def identity(expr: Expr) -> Any:
    """A hashable key that equal expressions share; unlike ==, it tells 0.0 from -0.0 and ignores column names."""
    kids = tuple(identity(kid) for kid in children(expr))
    match expr:
        case InputRef(type=dtype, index=index):
            return ("input", dtype, index)
        case Const(type=dtype, value=value):
            return ("const", dtype, repr(value))
        case Call(type=dtype, function=name):
            return ("call", dtype, name, kids)
        case UserCall(type=dtype, function=function):
            return ("user", dtype, id(function), kids)
        case HigherOrder(type=dtype, function=name, values=values, bodies=bodies):
            return ("higher", dtype, name, values, tuple((n, identity(body)) for n, body in bodies), kids)
        case Cast(type=dtype, safe=safe):
            return ("cast", dtype, safe, kids)
        case InList(values=values, negated=negated):
            return ("in", negated, tuple(repr(v.value) for v in values), kids)
        case DuckExpr(type=dtype, sql=sql):
            return ("duck", dtype, sql, kids)
    return (type(expr).__name__, expr.type, kids)


_ARGUMENT = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\ba(\d+)\b""")


def rename_args(sql: str, names: Sequence[str]) -> str:
    """DuckDB text with a0, a1, ... replaced by the given texts; quoted text is left alone."""
    return _ARGUMENT.sub(lambda m: m.group() if m.group(1) is None else names[int(m.group(1))], sql)
