"""Random aggregate calls and GROUP BY clauses."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fuzz.queries import Queries
from tests.fuzz.scalars import NUMBERS, ORDERED, Bound, Scope
from tests.fuzz.tree import Alt, Col, Node, Part, expr, opt
from tests.fuzz.user_aggregates import USER_AGGREGATES

SUMS = {"bigint": "bigint", "int": "bigint", "double precision": "double precision"}


@dataclass(frozen=True)
class Grouping:
    """`shown`: what may stand in the select list; `clause`: GROUP BY and what is behind it."""

    shown: list[Node]
    clause: list[Part]


def grouping(q: Queries, scope: Scope) -> Grouping:
    """GROUP BY of columns and expressions, of sets of them, or of everything."""
    if q.rng.random() < 0.15:
        return Grouping([], [])
    columns = [b.node() for b in q.rng.sample(scope, min(len(scope), q.rng.choice((1, 1, 2, 3))))]
    if q.rng.random() < 0.2:
        computed = q.scalars.value(columns[0].type, scope, 1)
        if "." in computed.sql:  # a constant would be the number of a column
            columns[0] = computed
    texts = [c.sql for c in columns]
    if q.rng.random() < 0.2 and len(set(texts)) == len(texts) and all("." in t and " " not in t for t in texts):
        listed = ", ".join(texts)
        one = ", ".join(f"({t})" for t in texts)
        form = q.rng.choice((f"ROLLUP ({listed})", f"CUBE ({listed})", f"GROUPING SETS ({one}, ())"))
        columns.append(expr("int", f"CAST(grouping({texts[0]}) AS int)"))
        return Grouping(columns, [f" GROUP BY {form}"])
    return Grouping(columns, [" GROUP BY ", ", ".join(texts)])


def aggregate_calls(q: Queries, scope: Scope) -> list[tuple[Node, Col]]:
    """One to three aggregates with their columns."""
    calls = [_call(q, scope) for _ in range(q.rng.randint(1, 3))]
    return [(e, Col(f"a{i}", e.type, exact)) for i, (e, exact) in enumerate(calls)]


def _call(q: Queries, scope: Scope) -> tuple[Node, bool]:
    """An aggregate, and whether its value is exact."""
    column: Bound = q.rng.choice(scope)
    pick = q.rng.random()
    if pick < 0.15:
        return expr("bigint", "count(*)", *_filter(q, scope)), True
    if pick < 0.3:
        return expr("bigint", "count(", *_distinct(q), column.node(), ")", *_filter(q, scope)), True
    if column.type == "boolean":
        return expr("boolean", q.rng.choice(("bool_and(", "bool_or(")), column.node(), ")", *_filter(q, scope)), True
    if pick < 0.55 or column.type not in ORDERED:
        name = q.rng.choice(("min(", "max("))
        return expr(column.type, name, *_distinct(q), column.node(), ")", *_filter(q, scope)), True
    if column.type in NUMBERS and pick < 0.75:
        call = ("sum(", *_distinct(q), column.node(), ")", *_filter(q, scope))
        if column.type not in SUMS:
            return expr(column.type, "CAST(", *call, f" AS {column.type})"), True
        return expr(SUMS[column.type], *call), True
    if column.type == "bigint" and pick < 0.85:
        name, oracle = q.rng.choice(USER_AGGREGATES)
        return expr("bigint", Alt(f"{name}({column.sql})", f"{oracle}({column.sql})"), *_filter(q, scope)), True
    if column.type in NUMBERS and pick < 0.88:
        name = q.rng.choice(("avg(", "avg(", "var_pop(", "stddev_samp(", "median("))
        return expr("double precision", name, column.node(), ")", *_filter(q, scope)), False
    return _listed(q, column, scope)


def _listed(q: Queries, column: Bound, scope: Scope) -> tuple[Node, bool]:
    """Aggregates that look at the order."""
    order = column.sql + q.rng.choice(("", " DESC", " DESC NULLS LAST", " NULLS FIRST"))
    if column.type == "text" and q.rng.random() < 0.6:
        return expr("text", "string_agg(", *_distinct(q), column.node(), f", ',' ORDER BY {column.sql})"), True
    pick = q.rng.randrange(5)
    if pick == 4:
        made = _approximate(q, column, scope)
        return made, not made.type.endswith("[]")
    if pick == 0:
        return expr(column.type, f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {column.sql})"), True
    if pick == 1 and column.type in NUMBERS:
        return expr("double precision", f"percentile_cont(0.25) WITHIN GROUP (ORDER BY {column.sql})"), False
    if pick == 2:
        return expr(column.type, f"first_value({column.sql} ORDER BY {order})"), True
    return expr(f"{column.type}[]", f"array_agg({column.sql} ORDER BY {order})", *_filter(q, scope)), False


def _approximate(q: Queries, column: Bound, scope: Scope) -> Node:
    """Approximate aggregates, which are exact over so few rows, as sketches too."""
    match q.rng.randrange(4):
        case 0:
            return expr("bigint", "approx_count_distinct(", *_distinct(q), column.node(), ")", *_filter(q, scope))
        case 1:
            return expr(column.type, "approx_quantile(", column.node(), ", 0.3)", *_filter(q, scope))
        case 2:
            fractions = ", ARRAY[0.0, 0.5, 1.0])"
            return expr(f"{column.type}[]", "approx_percentile(", column.node(), fractions, *_filter(q, scope))
    return expr(f"{column.type}[]", "approx_top_k(", column.node(), ", 2)", *_filter(q, scope))


def _distinct(q: Queries) -> list[Part]:
    return [opt("DISTINCT ")] if q.rng.random() < 0.3 else []


def _filter(q: Queries, scope: Scope) -> list[Part]:
    if q.rng.random() > 0.2:
        return []
    return [opt(" FILTER (WHERE ", q.scalars.condition(scope, 0), ")")]
