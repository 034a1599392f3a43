"""Random expressions over the columns in scope, such that no row raises and no sum rounds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fuzz.schema import POOLS, timestamp
from tests.fuzz.tree import Col, Node, expr

NUMBERS = ("bigint", "int", "double precision", "numeric(10,2)")
ORDERED = (*NUMBERS, "text", "date", "timestamp")
COMPARABLE = {"bigint": ("bigint", "int"), "int": ("int", "bigint")}
"""Types a value may be compared with; itself alone unless said."""


@dataclass(frozen=True)
class Bound:
    """A column under its table's alias."""

    alias: str
    col: Col

    @property
    def type(self) -> str:
        return self.col.type

    @property
    def sql(self) -> str:
        return f"{self.alias}.{self.col.name}"

    def node(self) -> Node:
        """A mention of it."""
        return expr(self.type, self.sql)


Scope = Sequence[Bound]


@dataclass
class Scalars:
    """Makes expressions of a wanted type; `spans` are the lengths of time that occur."""

    rng: random.Random

    def constant(self, type: str) -> Node:  # noqa: A002 - SQL's word
        """A literal, rarely NULL."""
        if self.rng.random() < 0.04:
            return expr(type, f"CAST(NULL AS {type})")
        if type == "timestamp":
            return expr(type, timestamp(self.rng.randrange(0, 200)))
        text = self.rng.choice(POOLS[type][:4])
        if type in ("double precision", "numeric(10,2)"):
            text = f"CAST({text} AS {type})"
        return expr(type, text if not text.startswith("-") else f"({text})")

    def value(self, type: str, scope: Scope, depth: int = 1) -> Node:  # noqa: A002 - SQL's word
        """An expression of a type: mostly a column."""
        fitting = [b for b in scope if b.type == type and b.col.exact]
        if fitting and self.rng.random() < (0.6 if depth else 0.9):
            return self.rng.choice(fitting).node()
        if depth <= 0 or self.rng.random() < 0.15:
            return self.constant(type)
        return self._compound(type, scope, depth - 1)

    def _compound(self, type: str, scope: Scope, depth: int) -> Node:  # noqa: A002 - SQL's word
        def same() -> Node:
            return self.value(type, scope, depth)

        kind = self.rng.randrange(8)
        if kind == 0:
            return expr(type, "coalesce(", same(), ", ", same(), ")")
        if kind == 1:
            return expr(type, "CASE WHEN ", self.condition(scope, depth), " THEN ", same(), " ELSE ", same(), " END")
        if kind == 2:
            return expr(type, "CASE WHEN ", self.condition(scope, depth), " THEN ", same(), " END")
        if kind == 3:
            return expr(type, "nullif(", same(), ", ", same(), ")")
        return self._of_type(type, scope, depth)

    def _of_type(self, type: str, scope: Scope, depth: int) -> Node:  # noqa: A002 - SQL's word
        def of(other: str) -> Node:
            return self.value(other, scope, depth)

        pick = self.rng.randrange(4)
        match type:
            case "bigint":
                return (
                    expr(type, "(", of(type), self.rng.choice((" + ", " - ")), of("int"), ")"),
                    expr(type, "(", of(type), " % ", self.rng.choice(("2", "3")), ")"),
                    expr(type, "CAST(length(", of("text"), ") AS bigint)"),
                    expr(type, "abs(", of(type), ")"),
                )[pick]
            case "int":
                return (
                    expr(type, "(", of(type), self.rng.choice((" % 2", " / 2")), ")"),
                    expr(type, "abs(", of(type), ")"),
                    expr(type, "length(", of("text"), ")"),
                    expr(type, "CASE WHEN ", of("boolean"), " THEN 1 ELSE 0 END"),
                )[pick]
            case "double precision":
                return expr(type, "(", of(type), self.rng.choice((" * 0.5)", " + 0.25)", " - 1)", " * -1)")))
            case "numeric(10,2)":
                return expr(type, "CAST(", of(type), self.rng.choice((" + 1", " - 0.5", " * 2")), " AS numeric(10,2))")
            case "text":
                return (
                    expr(type, "(", of(type), " || ", of(type), ")"),
                    expr(type, self.rng.choice(("upper(", "lower(", "trim(")), of(type), ")"),
                    expr(type, "CAST(", of(self.rng.choice(("bigint", "boolean", "date"))), " AS text)"),
                    expr(type, "substr(", of(type), ", 1, 1)"),
                )[pick]
            case "boolean":
                return self.condition(scope, depth)
            case "date":
                return expr(type, "CAST(", of("timestamp"), " AS date)")
            case _:
                return (
                    expr(type, "(", of(type), " + INTERVAL '7 seconds')"),
                    expr(type, "(", of(type), " - INTERVAL '1 minute')"),
                    expr(type, "date_trunc('minute', ", of(type), ")"),
                    expr(type, "CAST(", of("date"), " AS timestamp)"),
                )[pick]

    def condition(self, scope: Scope, depth: int = 1) -> Node:
        """A boolean expression, unknown often enough."""
        pick = self.rng.random()
        if depth > 0 and pick < 0.25:
            parts = (self.condition(scope, depth - 1), self.condition(scope, depth - 1))
            return expr("boolean", "(", parts[0], self.rng.choice((" AND ", " OR ", " OR ", " OR ")), parts[1], ")")
        if depth > 0 and pick < 0.33:
            return expr("boolean", "(NOT ", self.condition(scope, depth - 1), ")")
        usable = [b for b in scope if b.col.exact]
        if not usable:
            return self.constant("boolean")
        column = self.rng.choice(usable)
        if pick < 0.45:
            return expr("boolean", "(", column.node(), self.rng.choice((" IS NULL)", " IS NOT NULL)", " IS NOT NULL)")))
        if column.type == "boolean":
            return column.node()
        if pick < 0.55:
            values = ", ".join(self.constant(column.type).sql for _ in range(2))
            return expr(
                "boolean", "(", column.node(), self.rng.choice((" IN (", " NOT IN (", " NOT IN (")), values, "))"
            )
        if pick < 0.62:
            low, high = self.value(column.type, scope, 0), self.value(column.type, scope, 0)
            return expr("boolean", "(", column.node(), " BETWEEN ", low, " AND ", high, ")")
        if pick < 0.7 and column.type == "text":
            return expr(
                "boolean", "(", column.node(), self.rng.choice((" LIKE '%a%')", " NOT LIKE '%b')", " NOT LIKE '_')"))
            )
        return self.comparison(column, scope, depth)

    def comparison(self, column: Bound, scope: Scope, depth: int = 0) -> Node:
        """`column` compared with something of scope."""
        other = self.rng.choice(COMPARABLE.get(column.type, (column.type,)))
        signs = ("=", "<>", "<>", "<", "<=", "<=", ">", ">=", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
        value = self.value(other, [b for b in scope if b != column], min(depth, 1))
        return expr("boolean", "(", column.node(), f" {self.rng.choice(signs)} ", value, ")")
