"""`mz_now()` beside a number: Materialize's time is the number of milliseconds since 1970, ours a timestamptz."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine.expr import tree
from sqlengine.sql import ast

LAST_MS = 253402300799999
"""The end of the year 9999: what is later is as late as that."""


def operands(left: ast.Expr, right: ast.Expr, bind: Callable[[ast.Expr], tree.Expr]) -> tuple[tree.Expr, tree.Expr]:
    """Both sides of an operator, bound; a number beside mz_now() as the moment it means."""
    bound = bind(left), bind(right)
    if _is_mz_now(left) and _is_number(bound[1].type):
        return bound[0], bind(_moment(right))
    if _is_mz_now(right) and _is_number(bound[0].type):
        return bind(_moment(left)), bound[1]
    return bound


def _is_mz_now(expr: ast.Expr) -> bool:
    return isinstance(expr, ast.Call) and expr.name == "mz_now"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _moment(number: ast.Expr) -> ast.Expr:
    last = ast.Literal(LAST_MS, "bigint")
    kept = ast.Case(None, ((ast.Binary(">", number, last), last),), number)
    seconds = ast.Binary("/", ast.Cast(kept, "double precision"), ast.Literal(1000, "integer"))
    return ast.Call("to_timestamp", (seconds,))
