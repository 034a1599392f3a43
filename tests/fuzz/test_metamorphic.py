"""Two views that must always hold the same rows, without another engine.

TLP (Rigger and Su, "Finding Bugs in Database Systems via Query Partitioning", OOPSLA 2020): every row of a query
satisfies a condition, its negation, or leaves it unknown.  NoREC (Rigger and Su, ESEC/FSE 2020): as many rows satisfy a
condition as it is true for when it is evaluated row by row, where nothing can be optimized.  And a plan without the
optimizer's rules answers as one with them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing

import pytest

from sqlengine.plan.rules import RULES
from tests.fuzz.check import Batch, Views, difference, rows
from tests.fuzz.limits import small_limits
from tests.fuzz.queries import Queries
from tests.fuzz.scalars import ORDERED
from tests.fuzz.schema import HistoryMaker, random_tables
from tests.fuzz.shapes import make_queries
from tests.fuzz.tree import Node, part

BATCHES, PAIRS_PER_BATCH = 30, 12
NEEDED = {"fuse_window_aggregate"}
"""Rules without which a plan cannot be carried out: sessions run as aggregates only."""

Pair = tuple[Node, Node]


def partitioned(q: Queries) -> Pair:
    """TLP: the rows, and the rows by what a condition says of them."""
    source = q.source(2)
    items = q.items(source.scope, 0)
    condition = q.scalars.condition(source.scope, 2)
    tests = (f"{condition.sql}", f"NOT {condition.sql}", f"{condition.sql} IS NULL")
    word = q.rng.choice((" UNION ALL ", " UNION "))
    whole = q.select(items, " FROM ", source.node, distinct=word == " UNION ")
    pieces = [q.select(items, " FROM ", source.node, f" WHERE ({t})").sql for t in tests]
    return whole, part(word.join(pieces))


def partitioned_groups(q: Queries) -> Pair:
    """TLP of aggregates: of everything, and put together from those of the three parts."""
    source = q.source(2)
    condition = q.scalars.condition(source.scope, 2)
    exact = source.exact()
    key = q.rng.choice(exact).sql if exact else "1 = 1"
    value = next((b.sql for b in q.rng.sample(exact, len(exact)) if b.type in ORDERED), "1")
    number = next((b.sql for b in exact if b.type in ("bigint", "int")), "1")
    calls = f"count(*) AS n, sum({number}) AS s, min({value}) AS low, max({value}) AS high"
    grouped = f"SELECT {key} AS g, {calls} FROM {source.node.sql}"
    tests = (f"{condition.sql}", f"NOT {condition.sql}", f"{condition.sql} IS NULL")
    pieces = " UNION ALL ".join(f"{grouped} WHERE ({t}) GROUP BY {key}" for t in tests)
    together = "SELECT g, sum(n) AS n, sum(s) AS s, min(low) AS low, max(high) AS high"
    return part(f"{grouped} GROUP BY {key}"), part(f"{together} FROM ({pieces}) AS parts GROUP BY g")


def counted(q: Queries) -> Pair:
    """NoREC: rows that satisfy a condition, and how often it is true."""
    source = q.source(2)
    condition = q.scalars.condition(source.scope, 2)
    each = f"SELECT CASE WHEN {condition.sql} THEN 1 ELSE 0 END AS hit FROM {source.node.sql}"
    filtered = f"SELECT count(*) AS n FROM {source.node.sql} WHERE {condition.sql}"
    return part(filtered), part(f"SELECT coalesce(sum(hit), 0) AS n FROM ({each}) AS each_row")


def planned_twice(q: Queries) -> Pair:
    """Any query, with and without rules."""
    query = q.query(3).node
    return query, query


KINDS: tuple[Callable[[Queries], Pair], ...] = (partitioned, partitioned_groups, counted, planned_twice)


@pytest.mark.sampled(8)
@pytest.mark.parametrize("seed", range(BATCHES))
def test_what_must_be_equal_is(seed: int) -> None:
    rng = random.Random(f"pairs {seed}")
    tables = random_tables(rng)
    history = HistoryMaker(rng, tables)
    before, ticks = history.ticks(rng.randrange(3)), history.ticks(rng.randint(3, 5))
    maker = make_queries(rng, tables)
    pairs = [rng.choice(KINDS)(maker) for _ in range(PAIRS_PER_BATCH)]
    first, second = (
        Batch(tuple(tables), tuple(before), tuple(ticks), tuple(pair[i] for pair in pairs)) for i in range(2)
    )
    without = ", ".join(r.__name__ for r in RULES if r.__name__ not in NEEDED)
    with small_limits(seed), closing(Views(first)) as plain, closing(Views(second)) as rewritten:
        rewritten.db.execute(f"SET disabled_rules = '{without}'")
        for tick in before:
            plain.apply(tick)
            rewritten.apply(tick)
        plain.create()
        rewritten.create()
        assert not plain.failures + rewritten.failures, first.script()
        for tick in ticks:
            plain.apply(tick)
            rewritten.apply(tick)
            for i, pair in enumerate(pairs):
                got, want = rows(plain.contents(i)), rows(rewritten.contents(i))
                assert got == want, f"{difference(got, want)}\n{pair[0].sql}\n{pair[1].sql}\n{first.script()}"
