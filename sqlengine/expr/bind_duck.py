"""Binding of functions only DuckDB knows, and of expressions the SQL front keeps as DuckDB text.

The result type is asked from DuckDB without running anything, and remembered per text and argument types.
Constants are written into the text (many of DuckDB's functions insist on constants); nested DuckDB expressions
become one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import lru_cache

import pyarrow as pa

from sqlengine import duck, errors
from sqlengine.catalog.pg.functions import overload
from sqlengine.expr import tree
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql import ast

_STABILITY = {"CONSISTENT": "immutable", "CONSISTENT_WITHIN_QUERY": "stable", "VOLATILE": "volatile"}


@dataclass(slots=True)
class _Text:
    """DuckDB text under construction, with the columns a0, a1, ... it reads."""

    args: list[tree.Expr] = field(default_factory=list)
    volatility: str = "immutable"

    def of(self, expr: tree.Expr) -> str:
        """The text of an argument: a literal, an inlined DuckDB expression, or a column."""
        if isinstance(expr, tree.Const) and not isinstance(expr.value, dict):
            return duck.literal(expr.value, expr.type)
        if isinstance(expr, tree.DuckExpr):
            self.worsen(expr.volatility)
            return "(" + tree.rename_args(expr.sql, [self.of(a) for a in expr.args]) + ")"
        keys = [tree.identity(a) for a in self.args]
        if tree.identity(expr) in keys:
            return f"a{keys.index(tree.identity(expr))}"
        self.args.append(expr)
        return f"a{len(self.args) - 1}"

    def worsen(self, volatility: str) -> None:
        """Take over a worse volatility."""
        order = ("immutable", "stable", "volatile")
        self.volatility = max(self.volatility, volatility, key=order.index)

    def finish(self, sql: str) -> tree.DuckExpr:
        """The expression, typed by DuckDB."""
        dtype = _described(sql, tuple(a.type for a in self.args))
        return tree.DuckExpr(dtype, sql, tuple(self.args), self.volatility)


@lru_cache(maxsize=4096)
def _described(sql: str, types: tuple[pa.DataType, ...]) -> pa.DataType:
    schema = pa.schema([pa.field(f"a{i}", t) for i, t in enumerate(types)] or [pa.field("_", pa.int64())])
    return duck.describe(f"SELECT {sql} FROM input_rows", {"input_rows": schema}).field(0).type


def refuse_of_session(name: str, count: int, clause: str) -> None:
    """Raise NotSupportedError (0A000) when a function with so many arguments is one that PostgreSQL's catalog has."""
    if overload(name, count) is not None:
        raise errors.NotSupportedError(
            f"{name} asks for the session or for PostgreSQL's catalog, which is not supported in {clause}",
            hint="a SELECT may, from a materialized view too",
        )


def duck_call(name: str, args: Sequence[tree.Expr], clause: str) -> tree.Expr | None:
    """The call as a DuckDB expression; None when DuckDB has no such function for these types.

    Raises GroupingError when the name is an aggregate, NotSupportedError for what is the session's or the catalog's to
    answer: DuckDB would answer for itself.
    """
    refuse_of_session(name, len(args), clause)
    if name == "unnest":
        raise errors.NotSupportedError(f"set-returning functions are not allowed in {clause}")
    kind = duck.function_kind(name)
    if kind is None:
        return None
    if kind[0] in ("aggregate", "window"):
        raise errors.GroupingError(f"aggregate functions are not allowed in {clause}")
    if kind[0] not in ("scalar", "macro"):
        return None
    text = _Text(volatility=_STABILITY.get(kind[1], "volatile"))
    sql = f"{duck.quote(name)}({', '.join(text.of(a) for a in args)})"
    try:
        return text.finish(sql)
    except errors.UndefinedFunction:
        return None


def opaque(text: str, columns: Sequence[ast.Column], inputs: Sequence[tree.InputRef]) -> tree.Expr:
    """An expression kept as DuckDB text whose columns are spelt `"t"."a"`, over the columns they mean."""
    made = _Text()
    spelt = {ast.quoted(c.parts): made.of(i) for c, i in zip(columns, inputs, strict=True)}
    return made.finish(ast.SPELT.sub(lambda m: spelt.get(m.group(), m.group()), text))
