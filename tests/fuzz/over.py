"""Random window functions: ranks, neighbours, running and sliding aggregates."""

from __future__ import annotations

from tests.fuzz.queries import Queries
from tests.fuzz.scalars import NUMBERS, ORDERED, Bound, Scope
from tests.fuzz.tree import Col, Node, expr

FRAMES = (
    "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
    "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "ROWS UNBOUNDED PRECEDING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW",
)


def window_calls(q: Queries, scope: Scope) -> list[tuple[Node, Col]]:
    """One or two calls with their columns; at most one of them tells equal rows apart."""
    calls = [_call(q, scope)]
    if q.rng.random() < 0.5:
        more = _call(q, scope)
        if not all(_by_place(e.sql) for e, _ in (*calls, more)):
            calls.append(more)
    return [(e, Col("", e.type, exact)) for e, exact in calls]


def _by_place(text: str) -> bool:
    return "ROWS" in text or text.startswith(("row_number", "lag", "lead"))


def _call(q: Queries, scope: Scope) -> tuple[Node, bool]:
    by = q.rng.sample(list(scope), q.rng.choice((0, 1, 1)))
    partition = f"PARTITION BY {by[0].sql} " if by else ""
    column: Bound = q.rng.choice(scope)
    pick = q.rng.random()
    if pick < 0.2:
        order = ", ".join(q.ordered(b.sql) for b in q.rng.sample(list(scope), min(2, len(scope))))
        name = q.rng.choice(("rank", "dense_rank", "percent_rank", "cume_dist"))
        exact = name.endswith("rank") and name != "percent_rank"
        return expr("bigint" if exact else "double precision", f"{name}() OVER ({partition}ORDER BY {order})"), exact
    total = f"{partition}ORDER BY {q.total_order(scope)}"
    if pick < 0.3:
        return expr("bigint", f"row_number() OVER ({total})"), True
    if pick < 0.5:
        name = q.rng.choice(("lag({})", "lead({})", "lag({}, 2)", "first_value({})", "last_value({})"))
        return expr(column.type, f"{name.format(column.sql)} OVER ({total})"), True
    if pick < 0.6:
        distance = f"RANGE BETWEEN {q.rng.randint(0, 2)} PRECEDING AND {q.rng.randint(0, 2)} FOLLOWING"
        numbers = [b for b in scope if b.type in ("bigint", "int")]
        if numbers:
            order = q.rng.choice(numbers).sql + q.rng.choice(("", " DESC"))
            return expr("bigint", f"count(*) OVER ({partition}ORDER BY {order} {distance})"), True
    window = q.rng.choice((partition.strip(), total, f"{total} {q.rng.choice(FRAMES)}"))
    return _aggregate(column, window, q)


def _aggregate(column: Bound, window: str, q: Queries) -> tuple[Node, bool]:
    if column.type in NUMBERS and q.rng.random() < 0.5:
        if q.rng.random() < 0.4:
            return expr("double precision", f"avg({column.sql}) OVER ({window})"), False
        kind = "bigint" if column.type == "int" else column.type
        return expr(kind, f"CAST(sum({column.sql}) OVER ({window}) AS {kind})"), True
    if column.type in ORDERED:
        name = q.rng.choice(("min", "max", "count"))
        return expr("bigint" if name == "count" else column.type, f"{name}({column.sql}) OVER ({window})"), True
    return expr("bigint", f"count({column.sql}) OVER ({window})"), True
