"""Random queries: every shape of SELECT a view keeps up to date, inside one another.

Answers do not depend on chance: what is cut off by a rank or LIMIT is ordered by every column, columns whose values
may be rounded (averages) or that have no order (arrays) are only handed out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.fuzz.scalars import NUMBERS, ORDERED, Bound, Scalars, Scope
from tests.fuzz.schema import Table
from tests.fuzz.tree import Col, Many, Node, Part, expr, opt, part

ROWS_MAX = 400
"""Above so many rows by estimate, joins without an equality take base tables instead."""


@dataclass(frozen=True)
class Query:
    """A query and about how many rows it has."""

    node: Node
    rows: float

    @property
    def columns(self) -> tuple[Col, ...]:
        return self.node.columns


@dataclass(frozen=True)
class Source:
    """A FROM item: `scope` its columns; `grouped_by`: grouping by exactly these is what its window wants."""

    node: Node
    scope: tuple[Bound, ...]
    rows: float

    def exact(self) -> tuple[Bound, ...]:
        return tuple(b for b in self.scope if b.col.exact)


class Queries:
    """`shapes`: what a query may be, with weights; one that finds nothing to work on answers None."""

    def __init__(self, rng: random.Random, tables: Sequence[Table], shapes: Mapping[Shape, float]) -> None:
        self.rng = rng
        self.tables = tables
        self.shapes = shapes
        self.scalars = Scalars(rng)
        self.ctes: list[tuple[str, Query]] = []
        self.views: list[tuple[str, Query]] = []
        self.serial = 0

    def query(self, depth: int) -> Query:
        """A query nested at most `depth` deep."""
        while True:
            (shape,) = self.rng.choices(list(self.shapes), list(self.shapes.values()))
            made = shape(self, depth)
            if made is not None:
                return made

    # ------------------------------------------------------------ FROM items

    def alias(self, head: str = "q") -> str:
        """A name nobody has."""
        self.serial += 1
        return f"{head}{self.serial}"

    def source(self, depth: int, base: float = 0.35) -> Source:
        """A table or a view, or a query in parentheses, or one of the WITH queries."""
        if self.ctes and self.rng.random() < 0.4:
            name, query = self.rng.choice(self.ctes)
            alias = self.alias("c")
            return self.named(Node("from", (f"{name} AS {alias}",)), alias, query.columns, query.rows)
        if self.views and self.rng.random() < 0.25:
            name, query = self.rng.choice(self.views)
            alias = self.alias("m")
            return self.named(Node("from", (f"{name} AS {alias}",)), alias, query.columns, query.rows)
        if depth <= 0 or self.rng.random() < base:
            return self.table(self.rng.choice(self.tables))
        return self.subquery(self.query(depth - 1))

    def subquery(self, query: Query) -> Source:
        """A query as a FROM item."""
        alias = self.alias()
        return self.named(Node("from", ("(", query.node, f") AS {alias}")), alias, query.columns, query.rows)

    def table(self, table: Table) -> Source:
        """A table as a FROM item."""
        alias = self.alias(table.name)
        return self.named(Node("from", (f"{table.name} AS {alias}",)), alias, table.columns, 10)

    def named(self, node: Node, alias: str, columns: Sequence[Col], rows: float) -> Source:
        """A FROM item under its alias."""
        return Source(node, tuple(Bound(alias, c) for c in columns), rows)

    def source_with(self, depth: int, wanted: Callable[[Source], bool]) -> Source | None:
        """A source that has what is wanted: a few tries, then tables."""
        for _ in range(3):
            made = self.source(depth)
            if wanted(made):
                return made
        fitting = [s for s in map(self.table, self.tables) if wanted(s)]
        return self.rng.choice(fitting) if fitting else None

    # ------------------------------------------------------------ clauses

    def where(self, scope: Scope, depth: int, chance: float = 0.35) -> list[Part]:
        """WHERE with plain conditions and subqueries, or nothing."""
        if self.rng.random() > chance:
            return []
        tests = [self.scalars.condition(scope)]
        if depth > 0 and self.rng.random() < 0.45:
            tests = [*tests[self.rng.randrange(2) :], self.subquery_test(scope, depth - 1)]
        return [opt(" WHERE ", Many(tuple(tests), " AND "))]

    def items(self, scope: Scope, depth: int, *, exact: bool = False, least: int = 1) -> list[tuple[Node, Col]]:
        """Select items with their columns: mostly columns, some expressions, a few subqueries."""
        usable = [b for b in scope if b.col.exact or not exact]
        count = max(least, min(len(usable), self.rng.randint(1, 4)))
        found: list[tuple[Node, bool]] = [
            (b.node(), b.col.exact) for b in self.rng.sample(usable, min(count, len(usable)))
        ]
        while len(found) < count or self.rng.random() < 0.35:
            kind = self.rng.choice([b.type for b in usable] or ["int"])
            if kind not in ORDERED and kind != "boolean":
                kind = "bigint"
            found.append((self.scalars.value(kind, scope, 2), True))
        if depth > 0 and self.rng.random() < 0.15:
            found.append((self.subquery_value(scope, depth - 1), True))
        return [(e, Col(f"c{i}", e.type, good)) for i, (e, good) in enumerate(found)]

    def select(self, items: Sequence[tuple[Node, Col]], *rest: Part, distinct: bool = False, head: str = "") -> Node:
        """SELECT items and what comes behind them."""
        texts = tuple(part(e, f" AS {c.name}") for e, c in items)
        first: list[Part] = [opt("DISTINCT ")] if distinct else []
        columns = tuple(c for _, c in items)
        return Node("query", ("SELECT ", *([head] if head else []), *first, Many(texts), *rest), columns=columns)

    def total_order(self, scope: Scope) -> str:
        """ORDER BY of every exact column, so that rows it leaves equal are equal."""
        columns = list(scope)
        self.rng.shuffle(columns)
        return ", ".join(self.ordered(b.sql) for b in columns if b.col.exact)

    def ordered(self, text: str) -> str:
        """An element of ORDER BY."""
        return text + self.rng.choice(("", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"))

    # ------------------------------------------------------------ subqueries

    def correlated(self, depth: int, scope: Scope) -> tuple[Source, Node | None]:
        """A source for a subquery, and maybe an equality of a column of it with one of the query around it."""
        inner = self.source(depth)
        pairs = [(a, b) for a in inner.exact() for b in scope if b.col.exact and a.type == b.type]
        if not pairs or self.rng.random() < 0.3:
            return inner, None
        a, b = self.rng.choice(pairs)
        return inner, expr("boolean", "(", a.node(), " = ", b.node(), ")")

    def subquery_test(self, scope: Scope, depth: int) -> Node:
        """EXISTS, IN or a comparison with a scalar subquery, each maybe negated and correlated."""
        pick = self.rng.random()
        if pick < 0.35:
            return self._exists(scope, depth)
        if pick < 0.7:
            return self._in(scope, depth)
        numbers = [b for b in scope if b.col.exact and b.type in NUMBERS]
        if not numbers:
            return self._exists(scope, depth)
        column = self.rng.choice(numbers)
        sign = self.rng.choice(("=", "<", ">=", "<>"))
        return expr("boolean", "(", column.node(), f" {sign} ", self.subquery_value(scope, depth, column.type), ")")

    def _exists(self, scope: Scope, depth: int, as_value: bool = False) -> Node:
        inner, key = self.correlated(depth, scope)
        tests: list[Part] = [key] if key is not None else []
        if key is not None and not as_value and self.rng.random() < 0.3:
            column = self.rng.choice(inner.exact())
            others = [b for b in scope if b.type == column.type and b.col.exact]
            if others:
                sign = self.rng.choice(("<>", "<", ">="))
                tests.append(expr("boolean", "(", column.node(), f" {sign} ", self.rng.choice(others).node(), ")"))
        if self.rng.random() < 0.5:
            tests.append(self.scalars.condition(inner.scope, 0))
        where: list[Part] = [opt(" WHERE ", Many(tuple(tests), " AND "))] if tests else []
        query = Node("part", ("SELECT 1 AS one FROM ", inner.node, *where))
        word = self.rng.choice(("EXISTS", "NOT EXISTS"))
        return expr("boolean", f"{word} (", query, ")")

    def _in(self, scope: Scope, depth: int, as_value: bool = False) -> Node:
        inner, key = self.correlated(depth, scope)
        outer = [b for b in scope if b.col.exact and any(b.type == i.type for i in inner.exact())]
        if not outer:
            return self._exists(scope, depth, as_value)
        column = self.rng.choice(outer)
        chosen = self.rng.choice([i for i in inner.exact() if i.type == column.type])
        tests: list[Part] = [key] if key is not None else []
        if self.rng.random() < 0.5:
            tests.append(self.scalars.condition(inner.scope, 0))
        where: list[Part] = [opt(" WHERE ", Many(tuple(tests), " AND "))] if tests else []
        query = Node("part", ("SELECT ", chosen.node(), " AS one FROM ", inner.node, *where))
        word = self.rng.choice(("IN", "NOT IN", "IN"))
        return expr("boolean", "(", column.node(), f" {word} (", query, "))")

    def subquery_value(self, scope: Scope, depth: int, wanted: str = "") -> Node:
        """A scalar subquery, of one row by aggregation; or EXISTS and IN as values."""
        if not wanted and self.rng.random() < 0.3:
            made = self._in if self.rng.random() < 0.5 else self._exists
            return made(scope, depth, True)
        inner, key = self.correlated(depth, scope)
        kinds = [b for b in inner.exact() if b.type == (wanted or b.type) and b.type in ORDERED]
        if kinds and self.rng.random() < 0.6:
            column = self.rng.choice(kinds)
            call = expr(column.type, self.rng.choice(("min(", "max(")), column.node(), ")")
        else:
            call = expr("bigint", "count(*)")
        tests: list[Part] = [key] if key is not None else []
        if self.rng.random() < 0.3:
            tests.append(self.scalars.condition(inner.scope, 0))
        where: list[Part] = [opt(" WHERE ", Many(tuple(tests), " AND "))] if tests else []
        return expr(call.type, "(SELECT ", call, " AS one FROM ", inner.node, *where, ")")


Shape = Callable[[Queries, int], Query | None]
