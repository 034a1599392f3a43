"""What a random query may be: projections, joins, aggregates, windows, rankings, sets, recursion."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from tests.fuzz.aggregates import aggregate_calls, grouping
from tests.fuzz.over import window_calls
from tests.fuzz.queries import ROWS_MAX, Queries, Query, Shape, Source
from tests.fuzz.scalars import ORDERED, Bound, Scope
from tests.fuzz.schema import Table
from tests.fuzz.times import fresh, temporal_join
from tests.fuzz.tree import Col, Many, Node, Part, expr, opt, part
from tests.fuzz.windows import plain, times, window_aggregate, windowed


def make_queries(rng: random.Random, tables: Sequence[Table]) -> Queries:
    """The maker of every shape."""
    return Queries(rng, tables, SHAPES)


# ---------------------------------------------------------------- projections, DISTINCT, VALUES


def projection(q: Queries, depth: int) -> Query:
    """SELECT [DISTINCT] ... FROM ... WHERE."""
    source = q.source(depth, base=0.2)
    distinct = q.rng.random() < 0.2
    items = q.items(source.scope, depth, exact=distinct)
    node = q.select(items, " FROM ", source.node, *q.where(source.scope, depth, 0.5), distinct=distinct)
    return Query(node, source.rows)


def distinct_on(q: Queries, depth: int) -> Query | None:
    """DISTINCT ON: the first row of each group."""
    source = q.source_with(depth, lambda s: all(b.col.exact for b in s.scope) and len(s.scope) > 1)
    if source is None:
        return None
    keys = q.rng.sample(source.scope, q.rng.randint(1, min(2, len(source.scope) - 1)))
    items = q.items(source.scope, 0, exact=True)
    rest = [b for b in source.scope if b not in keys]
    order = ", ".join([*(q.ordered(k.sql) for k in keys), q.total_order(rest)])
    head = f"DISTINCT ON ({', '.join(k.sql for k in keys)}) "
    tail = (" FROM ", source.node, *q.where(source.scope, depth), f" ORDER BY {order}")
    return Query(q.select(items, *tail, head=head), source.rows / 2)


def values(q: Queries, depth: int) -> Query:
    """Rows written down, alone or joined."""
    types = [q.rng.choice(ORDERED) for _ in range(q.rng.randint(1, 3))]
    rows = tuple(
        part("(", ", ".join(f"CAST({q.scalars.constant(t).sql} AS {t})" for t in types), ")")
        for _ in range(q.rng.randint(1, 4))
    )
    alias = q.alias("v")
    names = [f"y{i}" for i in range(len(types))]
    node = Node("from", ("(VALUES ", Many(rows), f") AS {alias}({', '.join(names)})"))
    source = q.named(node, alias, [Col(n, t) for n, t in zip(names, types)], len(rows))
    items = q.items(source.scope, 0)
    return Query(q.select(items, " FROM ", source.node, *q.where(source.scope, depth, 0.3)), len(rows))


# ---------------------------------------------------------------- joins

KINDS = (" JOIN ", " JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN ")


def equalities(q: Queries, left: Scope, right: Scope, most: int = 2) -> list[Node]:
    """Equalities between columns of the two sides."""
    numbers = ("bigint", "int")
    pairs = [
        (a, b)
        for a in left
        for b in right
        if a.col.exact and b.col.exact and (a.type == b.type or (a.type in numbers and b.type in numbers))
    ]
    favoured = [p for p in pairs if p[0].col.name == p[1].col.name or "k" in (p[0].col.name, p[1].col.name)] or pairs
    if not pairs:
        return []
    chosen = [
        q.rng.choice(favoured if q.rng.random() < 0.6 else pairs) for _ in range(1 if q.rng.random() < 0.7 else most)
    ]
    return [expr("boolean", a.node(), " = ", b.node()) for a, b in dict.fromkeys(chosen)]


def join(q: Queries, depth: int) -> Query | None:
    """Two or three sources: inner, outer, cross, semi and anti joins, on equalities or on anything."""
    left = q.source(depth - 1)
    right = replace_alias(q, left) if q.rng.random() < 0.15 else q.source(depth - 1)
    joined = _joined(q, left, right)
    if q.rng.random() < 0.25 and joined.node.parts[1] != ", ":
        joined = _joined(q, joined, q.table(q.rng.choice(q.tables)))
    items = q.items(joined.scope, depth - 1)
    tail = (" FROM ", joined.node, *q.where(joined.scope, depth - 1, 0.35))
    return Query(q.select(items, *tail), joined.rows)


def replace_alias(q: Queries, source: Source) -> Source:
    """The same FROM item under another alias: a self join."""
    old, new = source.scope[0].alias, q.alias("z")
    *parts, last = source.node.parts
    assert isinstance(last, str)
    node = replace(source.node, parts=(*parts, last.removesuffix(old) + new))
    return Source(node, tuple(Bound(new, b.col) for b in source.scope), source.rows)


def _joined(q: Queries, left: Source, right: Source) -> Source:
    on: list[Node] = equalities(q, left.scope, right.scope) if q.rng.random() < 0.85 else []
    if not on and left.rows * right.rows > ROWS_MAX:
        right = q.table(q.rng.choice(q.tables))
        on = equalities(q, left.scope, right.scope)
    rows = left.rows * right.rows * (0.3 if on else 1.0)
    both = (*left.scope, *right.scope)
    if not on and q.rng.random() < 0.3:
        word = q.rng.choice((" CROSS JOIN ", ", "))
        return Source(Node("from", (left.node, word, right.node)), both, rows)
    if not on or q.rng.random() < 0.25:
        on.append(_between(q, left.scope, right.scope))
    pick = q.rng.random()
    if pick < 0.1:
        word = q.rng.choice((" SEMI JOIN ", " ANTI JOIN "))
        node = Node("from", (left.node, word, right.node, " ON ", Many(tuple(on), " AND ")))
        return Source(node, left.scope, left.rows)
    node = Node("from", (left.node, q.rng.choice(KINDS), right.node, " ON ", Many(tuple(on), " AND ")))
    return Source(node, both, rows)


def _between(q: Queries, left: Scope, right: Scope) -> Node:
    """A condition that is no equality."""
    pairs = [(a, b) for a in left for b in right if a.col.exact and b.col.exact and a.type == b.type]
    if not pairs or q.rng.random() < 0.3:
        return q.scalars.condition((*left, *right), 0)
    a, b = q.rng.choice(pairs)
    sign = q.rng.choice((" < ", " <= ", " <> ", " > ", " IS NOT DISTINCT FROM "))
    return expr("boolean", "(", a.node(), sign, b.node(), ")")


def using_join(q: Queries, depth: int) -> Query:
    """JOIN ... USING (k) of tables: the merged column stands for both."""
    left, right = (q.table(q.rng.choice(q.tables)) for _ in range(2))
    kind = q.rng.choice(KINDS)
    node = Node("from", (left.node, kind, right.node, " USING (k)"))
    others = [b for s in (left, right) for b in s.scope if b.col.name != "k"]
    merged = expr("bigint", "k")
    items = [(merged, Col("c0", "bigint"))]
    for i, bound in enumerate(q.rng.sample(others, min(3, len(others)))):
        items.append((bound.node(), Col(f"c{i + 1}", bound.type)))
    return Query(q.select(items, " FROM ", node, *q.where(others, 0, 0.3)), 30)


def interval_join(q: Queries, depth: int) -> Query | None:
    """Two sides whose times are near one another."""
    left, right = (q.source_with(depth - 1, lambda s: bool(times(s.scope))) for _ in range(2))
    if left is None or right is None:
        return None
    a, b = q.rng.choice(times(left.scope)), q.rng.choice(times(right.scope))
    low, high = q.rng.choice((0, 5, 20)), q.rng.choice((0, 10, 30))
    near = f" BETWEEN {b.sql} - INTERVAL '{low} seconds' AND {b.sql} + INTERVAL '{high} seconds'"
    on: list[Part] = [*equalities(q, left.scope, right.scope, 1), expr("boolean", a.node(), near)]
    word = q.rng.choice(KINDS)
    node = Node("from", (left.node, word, right.node, " ON ", Many(tuple(on), " AND ")))
    items = q.items((*left.scope, *right.scope), 0)
    return Query(q.select(items, " FROM ", node), left.rows * right.rows * 0.3)


def asof_join(q: Queries, depth: int) -> Query | None:
    """The nearest row in time; the right side has one row a key and time."""
    left, below = (q.source_with(depth - 1, lambda s: bool(times(s.scope))) for _ in range(2))
    if left is None or below is None:
        return None
    time = q.rng.choice(times(below.scope))
    keys = [b for b in below.exact() if b is not time and any(b.type == c.type for c in left.exact())]
    key = q.rng.choice(keys) if keys else None
    picked = q.rng.choice([b for b in below.exact() if b.type in ORDERED])
    items = [(b.node(), Col(f"c{i}", b.type)) for i, b in enumerate([time, *([key] if key else [])])]
    items.append((expr(picked.type, "max(", picked.node(), ")"), Col("m", picked.type)))
    by = ", ".join(b.sql for b in [time, *([key] if key else [])])
    right = q.subquery(Query(q.select(items, " FROM ", below.node, f" GROUP BY {by}"), below.rows))
    mine = q.rng.choice(times(left.scope))
    on: list[Part] = [f"{mine.sql} {q.rng.choice(('>=', '>', '<=', '<'))} {right.scope[0].sql}"]
    if key is not None:
        other = q.rng.choice([b for b in left.exact() if b.type == key.type])
        on.insert(0, f"{other.sql} = {right.scope[1].sql}")
    word = q.rng.choice((" ASOF JOIN ", " ASOF LEFT JOIN "))
    node = Node("from", (left.node, word, right.node, " ON ", Many(tuple(on), " AND ", 2)))
    return Query(q.select(q.items((*left.scope, *right.scope), 0), " FROM ", node), left.rows)


# ---------------------------------------------------------------- aggregates


def aggregate(q: Queries, depth: int) -> Query | None:
    """GROUP BY, with grouping sets and HAVING, or of everything."""
    source = q.source_with(depth, lambda s: bool(s.exact()))
    if source is None:
        return None
    keys = grouping(q, source.exact())
    items = [(k, Col(f"g{i}", k.type)) for i, k in enumerate(keys.shown)]
    items += aggregate_calls(q, source.exact())
    tail: list[Part] = [" FROM ", source.node, *q.where(source.scope, depth), *keys.clause]
    if q.rng.random() < 0.25:
        tests = ("count(*) > 1", "count(*) < 4", "min({}) IS NOT NULL", "max({}) <> min({})", "count({}) <> 2")
        column = q.rng.choice([b for b in source.exact() if b.type != "boolean"] or [Bound("", Col("1", "int"))])
        name = column.sql.lstrip(".")
        tail.append(opt(" HAVING ", q.rng.choice(tests).replace("{}", name)))
    return Query(q.select(items, *tail), source.rows if keys.shown else 1)


def window_rows(q: Queries, depth: int) -> Query | None:
    """The rows with their windows, alone or joined window by window."""
    source = q.source_with(depth - 1, lambda s: bool(times(s.scope)) and plain(s))
    if source is None:
        return None
    left = windowed(q, source, q.rng.choice(times(source.scope)), (), session=False)
    if q.rng.random() < 0.5:
        items = q.items(left.scope, 0, least=2)
        return Query(q.select(items, " FROM ", left.node, *q.where(left.scope, 0, 0.3)), left.rows)
    again = q.source_with(0, lambda s: bool(times(s.scope)) and plain(s))
    assert again is not None
    right = windowed(q, again, q.rng.choice(times(again.scope)), (), session=False)
    on = [f"{a.sql} = {b.sql}" for a, b in zip(left.scope[-2:], right.scope[-2:])]
    more = equalities(q, left.scope[:-2], right.scope[:-2], 1)
    kind = q.rng.choice(KINDS)
    node = Node("from", (left.node, kind, right.node, " ON ", Many((*more, *on), " AND ")))
    items = q.items((*left.scope, *right.scope), 0, least=2)
    return Query(q.select(items, " FROM ", node), left.rows * right.rows * 0.2)


# ---------------------------------------------------------------- OVER, rankings, LIMIT


def over(q: Queries, depth: int) -> Query | None:
    """Window functions."""
    source = q.source_with(depth, lambda s: all(b.col.exact for b in s.scope))
    if source is None:
        return None
    items = q.items(source.scope, 0)
    calls = window_calls(q, source.scope)
    items += [(e, replace(c, name=f"o{i}")) for i, (e, c) in enumerate(calls)]
    return Query(q.select(items, " FROM ", source.node, *q.where(source.scope, depth)), source.rows)


def top(q: Queries, depth: int) -> Query | None:
    """ORDER BY ... LIMIT, total over what is selected."""
    source = q.source_with(depth, lambda s: bool(s.exact()))
    if source is None:
        return None
    distinct = q.rng.random() < 0.2
    items = q.items(source.scope, depth, exact=True)
    order = [q.ordered(c.name) for _, c in items]
    q.rng.shuffle(order)
    limit = f" LIMIT {q.rng.choice((1, 2, 3, 5))}" + q.rng.choice(("", "", " OFFSET 1", " OFFSET 2"))
    tail = (*q.where(source.scope, depth), f" ORDER BY {', '.join(order)}", limit)
    return Query(q.select(items, " FROM ", source.node, *tail, distinct=distinct), 3)


def ranked(q: Queries, depth: int) -> Query | None:
    """The first rows of each group, by a rank in a subquery or by QUALIFY."""
    source = q.source_with(depth, lambda s: all(b.col.exact for b in s.scope))
    if source is None:
        return None
    by = q.rng.sample(source.scope, q.rng.choice((0, 1, 1, 2)) if len(source.scope) > 1 else 0)
    function = q.rng.choice(("row_number", "row_number", "rank", "dense_rank"))
    if function == "row_number":
        order = q.total_order(source.scope)
    else:
        order = ", ".join(q.ordered(b.sql) for b in q.rng.sample(source.scope, min(2, len(source.scope))))
    partition = f"PARTITION BY {', '.join(b.sql for b in by)} " if by else ""
    call = f"{function}() OVER ({partition}ORDER BY {order})"
    test = q.rng.choice(("<= 1", "<= 2", "= 1", "< 4", "<= 2"))
    items = q.items(source.scope, 0, exact=True)
    where = q.where(source.scope, depth)
    if q.rng.random() < 0.4:
        return Query(q.select(items, " FROM ", source.node, *where, f" QUALIFY {call} {test}"), source.rows)
    inner = [*items, (expr("bigint", call), Col("r", "bigint"))]
    below = q.subquery(Query(q.select(inner, " FROM ", source.node, *where), source.rows))
    rank = below.scope[-1]
    shown = below.scope if q.rng.random() < 0.5 else below.scope[:-1]
    outer = [(b.node(), Col(f"c{i}", b.type)) for i, b in enumerate(shown)]
    return Query(q.select(outer, " FROM ", below.node, f" WHERE {rank.sql} {test}"), source.rows)


# ---------------------------------------------------------------- sets, WITH, recursion


def typed(q: Queries, types: Sequence[str], depth: int) -> Query:
    """A query with columns of given types."""
    source = q.source(depth)
    items = [(q.scalars.value(t, source.scope), Col(f"c{i}", t)) for i, t in enumerate(types)]
    return Query(q.select(items, " FROM ", source.node, *q.where(source.scope, depth)), source.rows)


def set_operation(q: Queries, depth: int) -> Query:
    """UNION, INTERSECT, EXCEPT, with and without ALL."""
    types = [q.rng.choice(("bigint", "int", "text", "date", "boolean")) for _ in range(q.rng.randint(1, 2))]
    branches = [typed(q, types, depth - 1) for _ in range(q.rng.choice((2, 2, 3)))]
    node: Node = branches[0].node
    for other in branches[1:]:
        word = q.rng.choice(("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"))
        columns = branches[0].columns
        node = Node("query", ("(", node, f") {word} (", other.node, ")"), columns=columns)
    return Query(node, sum(b.rows for b in branches))


def with_query(q: Queries, depth: int) -> Query | None:
    """WITH: a query read several times."""
    if depth < 1 or q.ctes:
        return None
    named = q.query(depth - 1)
    name = q.alias("cte")
    q.ctes.append((name, named))
    try:
        body = q.query(depth - 1)
    finally:
        q.ctes.pop()
    node = Node("query", (f"WITH {name} AS (", named.node, ") ", body.node), columns=body.columns)
    return Query(node, body.rows)


def recursion(q: Queries, depth: int) -> Query | None:
    """WITH RECURSIVE: closures, and paths up to a length."""
    if q.ctes:
        return None
    edges = q.source_with(depth - 1, lambda s: sum(b.type == "bigint" for b in s.exact()) > 1)
    if edges is None:
        return None
    a, b = q.rng.sample([c for c in edges.exact() if c.type == "bigint"], 2)
    name, edge, rows = q.alias("rec"), q.alias("cte"), q.alias("r")
    listed = q.select([(e, Col(n, "bigint")) for e, n in ((_small(a), "x"), (_small(b), "y"))], " FROM ", edges.node)
    more = ""
    if q.rng.random() < 0.3:
        table = q.rng.choice(q.tables)
        more = f" WHERE {rows}.y {q.rng.choice(('IN', 'NOT IN'))} (SELECT k FROM {table.name} WHERE k IS NOT NULL)"
    start = f"SELECT x, y, 0 AS n FROM {edge}" + q.rng.choice(("", " WHERE x = 1", " WHERE x < 3"))
    if q.rng.random() < 0.6:
        other = name if q.rng.random() < 0.3 else edge
        step = f"SELECT {rows}.x, e.y, 0 FROM {name} AS {rows} JOIN {other} AS e ON {rows}.y = e.x{more}"
        word = "UNION"
    else:
        far = f" AND {rows}.n < {q.rng.randint(1, 2)}{more}"
        step = f"SELECT {rows}.x, e.y, {rows}.n + 1 FROM {name} AS {rows} JOIN {edge} AS e ON {rows}.y = e.x{far}"
        word = q.rng.choice(("UNION", "UNION ALL"))
    columns = (Col("x", "bigint"), Col("y", "bigint"), Col("n", "int"))
    head = (f"WITH RECURSIVE {edge} AS (", listed, f"), {name}(x, y, n) AS ({start} {word} {step}) ")
    q.ctes.append((name, Query(Node("query", (), columns=columns), 60)))
    try:
        source = q.named(Node("from", (f"{name} AS {rows}",)), rows, columns, 60)
        body = q.select(q.items(source.scope, 0), " FROM ", source.node, *q.where(source.scope, 0, 0.3))
        if q.rng.random() < 0.5:
            body = q.query(min(depth - 1, 1)).node
    finally:
        q.ctes.pop()
    return Query(Node("query", (*head, body), columns=body.columns), 60)


def _small(bound: Bound) -> Node:
    """A column with few values, so that paths meet."""
    return expr("bigint", f"CASE WHEN {bound.sql} BETWEEN -5 AND 5 THEN {bound.sql} ELSE {bound.sql} % 4 END")


def lateral(q: Queries, depth: int) -> Query:
    """LATERAL and UNNEST."""
    left = q.source(0)
    alias = q.alias("l")
    numbers = [b for b in left.exact() if b.type == "bigint"]
    if q.rng.random() < 0.5 or not numbers:
        array = ", ".join([b.sql for b in q.rng.sample(numbers, min(2, len(numbers)))] or ["1", "NULL"])
        node = Node("from", (left.node, f", UNNEST(ARRAY[{array}]) AS {alias}(y)"))
        added = Bound(alias, Col("y", "bigint"))
    else:
        table = q.table(q.rng.choice(q.tables))
        key, call = table.scope[1], q.rng.choice(("count(*)", "max(id)"))
        inner = f"SELECT {call} AS y FROM {table.node.sql} WHERE {key.sql} = {q.rng.choice(numbers).sql}"
        node = Node("from", (left.node, f" CROSS JOIN LATERAL ({inner}) AS {alias}"))
        added = Bound(alias, Col("y", "bigint"))
    items = q.items((*left.scope, added), 0, least=2)
    return Query(q.select(items, " FROM ", node, *q.where(left.scope, 0, 0.3)), left.rows)


SHAPES: dict[Shape, float] = {
    projection: 3,
    distinct_on: 1,
    values: 0.3,
    join: 4,
    using_join: 0.5,
    interval_join: 0.7,
    asof_join: 0.8,
    temporal_join: 0.8,
    fresh: 0.8,
    aggregate: 4,
    window_aggregate: 2,
    window_rows: 0.7,
    over: 1.5,
    top: 1.2,
    ranked: 1.3,
    set_operation: 1.5,
    with_query: 1,
    recursion: 0.7,
    lateral: 0.1,
}
