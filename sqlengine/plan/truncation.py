"""Times cut down to a unit: `date_trunc('hour', ts)` is at most an hour before ts, and as good a time to close by."""

from __future__ import annotations

from sqlengine.expr.tree import Call, Const, Expr, InputRef

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
LONGEST_US = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "second": SECOND_US,
    "minute": 60 * SECOND_US,
    "hour": 3_600 * SECOND_US,
    "day": DAY_US,
    "week": 7 * DAY_US,
    "month": 31 * DAY_US,
    "quarter": 92 * DAY_US,
    "year": 366 * DAY_US,
}
"""How long a unit of date_trunc is at most."""


def cut_down(expr: Expr) -> tuple[int, int] | None:
    """(column, microseconds the expression is below it at most) of a column or one cut down; None for anything else."""
    match expr:
        case InputRef(index=index):
            return index, 0
        case Call(function="date_trunc", args=(Const(value=str() as unit), InputRef(index=index))):
            name = unit.lower()
            longest = LONGEST_US.get(name, LONGEST_US.get(name.removesuffix("s")))
            return None if longest is None else (index, longest)
        case Call(function="date_bin", args=(Const(value=tuple() as width), InputRef(index=index), Const())):
            months, days, nanoseconds = width
            return index, months * 31 * DAY_US + days * DAY_US + nanoseconds // 1_000
    return None
