"""Which times a join's condition ties together, and how far apart they may be.

`b.ts BETWEEN a.ts - INTERVAL '1 hour' AND a.ts + INTERVAL '10 minutes'` bounds b.ts - a.ts from both sides; equal keys
that are times bound it to nothing at all.  What has no constant bound in microseconds (months) is no bound.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine.expr.simplify import conjuncts
from sqlengine.expr.tree import Call, Const, Expr, InputRef
from sqlengine.plan import nodes
from sqlengine.plan.columns import columns_of
from sqlengine.quick_dataclass import dataclass

DAY_US = 86_400_000_000
_FLIPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq"}


@dataclass(frozen=True, slots=True)
class TimeDistance:
    """`low_us` <= right - left <= `high_us` (None: no bound) of a left and a right column."""

    left: int
    right: int
    low_us: int | None
    high_us: int | None


def time_distances(join: nodes.Join) -> list[TimeDistance]:
    """Every pair of timestamp columns a join's keys or residual bound."""
    width, fields = len(join.left.schema), columns_of(join.left.schema).fields
    found: dict[tuple[int, int], tuple[int | None, int | None]] = {}
    for a, b in zip(join.left_keys, join.right_keys, strict=True):
        if pa.types.is_timestamp(fields[a].type):
            found[a, b] = (0, 0)
    for part in conjuncts(join.residual):
        bound = _distance(part, width)
        if bound is None:
            continue
        pair, op, micros = bound
        low, high = found.get(pair, (None, None))
        if op in ("ge", "gt", "eq"):
            low = micros if low is None else max(low, micros)
        if op in ("le", "lt", "eq"):
            high = micros if high is None else min(high, micros)
        found[pair] = (low, high)
    return [TimeDistance(a, b, low, high) for (a, b), (low, high) in found.items()]


def _distance(part: Expr, width: int) -> tuple[tuple[int, int], str, int] | None:
    """((left, right), op, microseconds) of a condition that says `right - left op microseconds`."""
    if not (isinstance(part, Call) and part.function in _FLIPPED):
        return None
    op, (a, b) = part.function, part.args
    if isinstance(a, Const):
        op, a, b = _FLIPPED[op], b, a
    if isinstance(b, Const):
        apart = _difference(a, b)
    else:
        apart = _shifted(a, b)
    if apart is None:
        return None
    first, second, micros = apart
    if first < width <= second:  # left - right op micros
        return (first, second - width), _FLIPPED[op], -micros
    return ((second, first - width), op, micros) if second < width <= first else None


def _difference(a: Expr, b: Const) -> tuple[int, int, int] | None:
    """`x - y op interval` as (x, y, microseconds)."""
    match a:
        case Call(function="subtract", args=(InputRef(index=x, type=kind), InputRef(index=y))):
            micros = _micros(b)
            return (x, y, micros) if micros is not None and pa.types.is_timestamp(kind) else None
    return None


def _shifted(a: Expr, b: Expr) -> tuple[int, int, int] | None:
    """`x + i op y + j` as (x, y, j - i)."""
    first, second = _time(a), _time(b)
    if first is None or second is None:
        return None
    return first[0], second[0], second[1] - first[1]


def _time(expr: Expr) -> tuple[int, int] | None:
    """(column, microseconds added) of a timestamp column, maybe moved by an interval."""
    match expr:
        case InputRef(index=index, type=kind) if pa.types.is_timestamp(kind):
            return index, 0
        case Call(function="add" | "subtract" as op, args=(moved, Const() as by)):
            below, micros = _time(moved), _micros(by)
            if below is not None and micros is not None:
                return below[0], below[1] + (micros if op == "add" else -micros)
        case Call(function="add", args=(Const() as by, moved)):
            below, micros = _time(moved), _micros(by)
            if below is not None and micros is not None:
                return below[0], below[1] + micros
    return None


def _micros(by: Const) -> int | None:
    """An interval without months, in microseconds."""
    if by.value is None or not pa.types.is_interval(by.type):
        return None
    months, days, nanos = by.value
    return None if months else days * DAY_US + nanos // 1000
