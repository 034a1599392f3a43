"""Parameters without a value: what type each is to have, found by binding the expressions it stands in.

PostgreSQL gives a parameter the type that its surroundings ask for, as it does with a bare literal; so here it is a
NULL that notes the first type it is made into.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field

import pyarrow as pa

from sqlengine.expr import tree
from sqlengine.quick_dataclass import dataclass

Found = dict[int, pa.DataType]
"""Types by the parameters' numbers, from 0."""

_found: ContextVar[Found | None] = ContextVar("found", default=None)


@dataclass(frozen=True, slots=True)
class Parameter(tree.Const):
    """A NULL of no type yet that stands for parameter `number`."""

    number: int = 0
    found: Found = field(default_factory=dict, compare=False)

    def met(self, kind: pa.DataType) -> None:
        """It is used as a value of a type; the first counts."""
        if not pa.types.is_null(kind):
            self.found.setdefault(self.number, kind)


@contextmanager
def collecting(found: Found) -> Iterator[None]:
    """Within, parameters may be bound; `found` has the types known before and takes those found."""
    token = _found.set(found)
    try:
        yield
    finally:
        _found.reset(token)


def stand_in(number: int) -> tree.Const | None:
    """What binding puts in a parameter's place; None when parameters must have values."""
    found = _found.get()
    if found is None:
        return None
    return tree.Const(found[number], None) if number in found else Parameter(pa.null(), None, number, found)


def note(expr: tree.Expr, kind: pa.DataType) -> None:
    """An expression is made into a type: if it is an open parameter, it is one of that type."""
    if isinstance(expr, Parameter):
        expr.met(kind)
