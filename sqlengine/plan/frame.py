"""Window frames: the clause of an OVER as bounds in rows, groups or distances."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from sqlengine.errors import DatatypeMismatch, InvalidParameter, WindowingError
from sqlengine.expr.tree import Const, Expr
from sqlengine.plan import nodes
from sqlengine.plan.unplannable import Unplannable
from sqlengine.sql import ast

DAY_US = 86_400_000_000
START, END = ast.FrameBound("unbounded preceding"), ast.FrameBound("unbounded following")
HERE = ast.FrameBound("current row")
_ORDER = ("unbounded preceding", "preceding", "current row", "following", "unbounded following")

Bind = Callable[[ast.Expr], Expr]


def frame_of(window: ast.WindowFrame, order: pa.DataType | None, bind: Bind, ordered: bool) -> nodes.Frame | None:
    """The frame of a window; None for one that only DuckDB computes (EXCLUDE, distances in months or decimals).

    `order`: the type of the one ORDER BY column, None when there are none or several.  WindowingError (42P20) for
    bounds that make no sense, Unplannable for ones that are not constant.
    """
    clause = window.frame
    if clause is None:
        clause = ast.FrameClause("range", START, HERE if ordered else END)
    if clause.start.kind == "unbounded following" or clause.end.kind == "unbounded preceding":
        raise WindowingError(f"a frame cannot go from {clause.start.kind} to {clause.end.kind}")
    if _ORDER.index(clause.start.kind) > _ORDER.index(clause.end.kind):
        raise WindowingError(f"a frame starting from {clause.start.kind} cannot end at {clause.end.kind}")
    if clause.mode == "groups" and not ordered:
        raise WindowingError("GROUPS mode requires an ORDER BY clause")
    bounds = [_bound(b, clause.mode, order, bind) for b in (clause.start, clause.end)]
    if clause.exclude or bounds[0] is None or bounds[1] is None:
        return None
    return nodes.Frame(clause.mode, bounds[0], bounds[1])


def _bound(bound: ast.FrameBound, mode: str, order: pa.DataType | None, bind: Bind) -> nodes.FrameBound | None:
    if bound.offset is None:
        return nodes.FrameBound(bound.kind)
    if mode == "range" and order is None:
        raise WindowingError("RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column")
    offset = bind(bound.offset)
    if not isinstance(offset, Const):
        raise Unplannable("a window frame whose bounds are not constants")
    distance = _distance(offset, order) if mode == "range" and order is not None else _count(offset, mode)
    if distance is None:
        return None
    if distance < 0:
        raise InvalidParameter("frame offset must not be negative", sqlstate="22013")
    return nodes.FrameBound(bound.kind, distance)


def _count(offset: Const, mode: str) -> int:
    if not isinstance(offset.value, int):
        raise DatatypeMismatch(f"argument of {mode.upper()} must be a whole number")
    return offset.value


def _distance(offset: Const, order: pa.DataType) -> int | float | None:
    """A distance in the ORDER BY column's own unit; None where DuckDB must add it."""
    value = offset.value
    if pa.types.is_interval(offset.type):
        months, days, nanos = value  # type: ignore[misc]
        micros = days * DAY_US + nanos // 1000
        if months or not (pa.types.is_timestamp(order) or pa.types.is_date(order)):
            return None
        if pa.types.is_date(order):
            return None if micros % DAY_US else micros // DAY_US
        return int(micros)
    if pa.types.is_floating(order):
        return float(value) if isinstance(value, (int, float)) else None
    whole = pa.types.is_integer(order) and not pa.types.is_uint64(order)
    return value if whole and isinstance(value, int) else None
