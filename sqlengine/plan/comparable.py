"""What columns are compared by where their values are not: jsonb has equal values of several texts (1.0 and 1), and
another order than its texts'.

Groups, DISTINCT and set operations answer with the normal value, so that it does not depend on which row came first.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.expr.tree import Call, Expr
from sqlengine.types import JSONB


def normal(expr: Expr) -> Expr:
    """The value that stands for all equal to it."""
    return Call(JSONB, "jsonb_normal", (expr,)) if expr.type == JSONB else expr


def key(expr: Expr) -> Expr:
    """What is equal where the values are."""
    return Call(pa.string(), "jsonb_key", (expr,)) if expr.type == JSONB else expr


def ordered(expr: Expr) -> Expr:
    """What sorts as the values do."""
    return Call(pa.binary(), "jsonb_order", (expr,)) if expr.type == JSONB else expr


def any_of(types: Sequence[pa.DataType], places: Sequence[int]) -> bool:
    """Whether some of those columns are compared by something else than their values."""
    return any(types[at] == JSONB for at in places)
