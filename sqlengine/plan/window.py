"""Windows in plans: sizes checked, window columns appended, and where a window column came from."""

from __future__ import annotations

from sqlengine.errors import InvalidParameter
from sqlengine.expr.tree import InputRef
from sqlengine.plan import build
from sqlengine.plan.nodes import WINDOW_COLUMNS, AssignWindow, Filter, Node, Project, Window
from sqlengine.plan.scope import Relation, Visible
from sqlengine.sql import ast
from storage.replacing import replace

DAY_US = 86_400_000_000


def to_window(spec: ast.WindowSpec) -> Window:
    """InvalidParameter (22023) for sizes that are not positive, mix months with days, or do not fit each other."""
    size = _pair(spec.size, "size" if spec.kind != "session" else "gap")
    slide = _pair(spec.slide, "slide") if spec.slide is not None else size
    offset = spec.offset or ast.Interval(0, 0, 0)
    if offset.months:
        raise InvalidParameter("a window's offset cannot be in months")
    if spec.kind == "session" and size[0]:
        raise InvalidParameter("a session's gap cannot be in months")
    if (size[0] > 0) != (slide[0] > 0):
        raise InvalidParameter("a window's size and slide must both be in months or both in shorter units")
    if spec.kind == "cumulate" and (size[0] % slide[0] if size[0] else size[1] % slide[1]):
        raise InvalidParameter("a cumulating window's size must be a multiple of its step")
    return Window(spec.kind, size, slide, offset.days * DAY_US + offset.microseconds)


def _pair(interval: ast.Interval, what: str) -> tuple[int, int]:
    micros = interval.days * DAY_US + interval.microseconds
    if interval.months and micros:
        raise InvalidParameter(f"a window's {what} cannot mix months with days or shorter units")
    if interval.months <= 0 and micros <= 0:
        raise InvalidParameter(f"a window's {what} must be positive")
    return interval.months, micros


def window_relation(
    below: Relation, time: int, window: Window, alias: str | None, partition: tuple[int, ...] = ()
) -> Relation:
    """`below` with window columns appended, all under `alias` when there is one; window columns it has already are
    hidden by the new ones."""
    node = build.windowed(below.node, time, window, partition)
    columns = tuple(
        Visible(None, f"${c.name}", merged=True)
        if c.name in WINDOW_COLUMNS
        else replace(c, table=alias)
        if alias
        else c
        for c in below.columns
    )
    table = alias or (below.columns[0].table if below.columns else None)
    return Relation(node, (*columns, *(Visible(table, n) for n in WINDOW_COLUMNS)))


def window_origin(node: Node, column: int) -> tuple[AssignWindow, int] | None:
    """The AssignWindow a column comes from unchanged, and which of its three window columns it is."""
    while True:
        match node:
            case AssignWindow():
                which = column - len(node.input.schema)
                if which >= 0:
                    return node, which
                node = node.input
            case Project(exprs=exprs):
                expr = exprs[column]
                if not isinstance(expr, InputRef):
                    return None
                node, column = node.input, expr.index
            case Filter():
                node = node.input
            case _:
                return None
