"""Other dialects' rules of typing: who settles what an operator, a choice or a call of theirs means.

The AST says by whose rules (`ast.Binary.rules`, names such as `hive$substr`); a dialect's package is loaded when the
first of its expressions is bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Protocol

import pyarrow as pa

from sqlengine.expr import tree
from sqlengine.functions import Registry


class Dialect(Protocol):
    """What a dialect's module answers.  Errors are ProgrammingErrors without a position."""

    def operation(self, op: str, left: tree.Expr, right: tree.Expr) -> tree.Expr:
        """`left op right`."""

    def unified(self, exprs: Sequence[tree.Expr], what: str) -> list[tree.Expr]:
        """All expressions at one type, as CASE and IN want them."""

    def met(self, kinds: Sequence[pa.DataType]) -> pa.DataType:
        """The type the columns of set operations meet at."""

    def compared_as(self, a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
        """The type two values are compared as; None when they are not."""

    def to(self, expr: tree.Expr, target: pa.DataType) -> tree.Expr:
        """A value converted to that type."""

    def aggregated(self, name: str, kind: pa.DataType, args: Sequence[tree.Expr]) -> pa.DataType:
        """The type of an aggregate's result, whose type by our own rules is `kind`."""

    def call(self, name: str, args: Sequence[tree.Expr], functions: Registry) -> tree.Expr:
        """A call of the function `name`."""


@lru_cache(maxsize=8)
def rules(name: str) -> Dialect:
    """The rules of a dialect by the name the AST gives it."""
    return import_module(f"sqlengine.expr.{name}")  # type: ignore[return-value]


def aggregated(dialect: str, name: str, kind: pa.DataType, args: Sequence[tree.Expr]) -> pa.DataType:
    """The type of an aggregate's result; `dialect` "" for our own, which `kind` is."""
    return rules(dialect).aggregated(name, kind, args) if dialect else kind


def dialect_call(name: str) -> tuple[Dialect, str] | None:
    """(the dialect, the function's own name) of `hive$substr`; None for a name of ours."""
    dialect, mark, bare = name.partition("$")
    return (rules(dialect), bare) if mark and dialect else None
