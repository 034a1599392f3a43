"""Queries about time: rows with the version of their time, rows that come and go with now(), windows that close."""

from __future__ import annotations

from dataclasses import replace

from tests.fuzz.aggregates import aggregate_calls
from tests.fuzz.history import version_of
from tests.fuzz.queries import Queries, Query, Source
from tests.fuzz.scalars import Bound, Scope
from tests.fuzz.schema import Table
from tests.fuzz.tree import Alt, Col, Emit, Node, expr, opt
from tests.fuzz.windows import times, windowed


def temporal_join(q: Queries, depth: int) -> Query | None:
    """FOR SYSTEM_TIME AS OF a time of the other side."""
    versioned = [t for t in q.tables if t.has_versions]
    left = q.source_with(depth - 1, lambda s: bool(times(s.scope)) and any(b.type == "bigint" for b in s.exact()))
    if left is None or not versioned:
        return None
    table, moment = q.rng.choice(versioned), q.rng.choice(times(left.scope))
    numbers = [b for b in left.exact() if b.type == "bigint"]
    wanted = q.rng.choice([b for b in numbers if b.col.name in ("k", "id")] or numbers)
    key = "id" if table.kind == "keyed" else q.rng.choice(("id", "k"))
    alias, word = q.alias(table.name), q.rng.choice((" JOIN ", " LEFT JOIN "))
    view = f"{table.name} FOR SYSTEM_TIME AS OF {moment.sql} AS {alias} ON {wanted.sql} = {alias}.{key}"
    oracle = f"LATERAL ({version_of(table, key, wanted.sql, moment.sql)}) AS {alias} ON true"
    node = Node("from", (left.node, Alt(word + view, word + oracle)))
    items = q.items((*left.scope, *(Bound(alias, c) for c in table.columns)), 0, least=2)
    return Query(q.select(items, " FROM ", node), left.rows)


def fresh(q: Queries, depth: int) -> Query | None:
    """A condition on now(): rows come and go as time passes."""
    source = q.source_with(depth - 1, lambda s: bool(times(s.scope)))
    if source is None:
        return None
    time = q.rng.choice(times(source.scope))
    near, far = (f"INTERVAL '{q.rng.choice((1, 5, 20, 60))} seconds'" for _ in range(2))
    test = q.rng.choice(
        (
            f"{time.sql} > localtimestamp - {near}",
            f"{time.sql} <= localtimestamp + {near}",
            f"{time.sql} < localtimestamp",
            f"{time.sql} BETWEEN localtimestamp - {near} AND localtimestamp + {far}",
            f"localtimestamp - {time.sql} < {near}",
        )
    )
    items = q.items(source.scope, 0)
    where = (" WHERE ", expr("boolean", test), *([opt(" AND ", q.scalars.condition(source.scope, 0))]))
    return Query(q.select(items, " FROM ", source.node, *where), source.rows)


# ---------------------------------------------------------------- windows that close


def closing(q: Queries) -> Node | None:
    """Windows over rows of streams, ON WINDOW CLOSE; None when no stream's watermark gets far enough."""
    streams = [t for t in q.tables if t.kind == "stream" and t.delay_s < 60]
    if not streams:
        return None
    first, second = q.rng.choice(streams), q.rng.choice(streams)
    make = q.rng.choice((_rows, _rows, _union, _near, _near, _met))
    source, behind_s = make(q, first, second)
    read = tuple({first.name: 1} if make is _rows else {first.name: 1, second.name: 1})
    time = next(b for b in source.scope if b.col.name == "ts")
    keys = q.rng.sample([b for b in source.exact() if b is not time], q.rng.choice((0, 1, 1, 2)))
    node, end = _windows(q, source, time, keys)
    if q.rng.random() < 0.3:
        node, end = _windows_of_windows(q, node)
    return replace(node, emit=Emit(streams=read, end=end, behind_s=behind_s))


def _windows(q: Queries, source: Source, time: Bound, keys: Scope) -> tuple[Node, int]:
    """Aggregates of windows, and which column is their end."""
    made = windowed(q, source, time, keys)
    alias = made.scope[0].alias
    ends = [Bound(alias, Col(n, "timestamp")) for n in ("window_start", "window_end", "window_time")]
    by = [*(Bound(alias, k.col) for k in keys), *ends]
    items = [(b.node(), Col(f"g{i}", b.type)) for i, b in enumerate(by)]
    items += aggregate_calls(q, made.exact()[:-2])
    tail = (" FROM ", made.node, " GROUP BY ", ", ".join(b.sql for b in by))
    return q.select(items, *tail), len(keys) + 1


def _windows_of_windows(q: Queries, node: Node) -> tuple[Node, int]:
    """Windows by the time of windows."""
    below = q.subquery(Query(node, 10))
    time = [b for b in below.scope if b.col.name.startswith("g")][-1]
    return _windows(q, below, time, ())


def _chosen(q: Queries, source: Source, time: Bound, tail: tuple[object, ...]) -> Source:
    """Some columns of a FROM item and its time, called ts."""
    others = [b for b in source.exact() if b.col.name != "ts"]
    items = [(b.node(), Col(f"c{i}", b.type)) for i, b in enumerate(q.rng.sample(others, min(3, len(others))))]
    items.append((time.node(), Col("ts", "timestamp")))
    return q.subquery(Query(q.select(items, " FROM ", source.node, *tail), source.rows))


def _rows(q: Queries, first: Table, second: Table) -> tuple[Source, int]:
    """A stream, or what a condition leaves of it."""
    source = q.table(first)
    if q.rng.random() < 0.4:
        return source, 0
    return _chosen(q, source, _time(source), tuple(q.where(source.scope, 0, 0.7))), 0


def _union(q: Queries, first: Table, second: Table) -> tuple[Source, int]:
    """The rows of two streams."""
    shown = ("id", "k", "ts")
    columns = tuple(Col(n, "timestamp" if n == "ts" else "bigint") for n in shown)
    head, tail = (f"SELECT {', '.join(shown)} FROM {t.name}" for t in (first, second))
    return q.subquery(Query(Node("query", (f"{head} UNION ALL {tail}",), columns=columns), 20)), 0


def _near(q: Queries, first: Table, second: Table) -> tuple[Source, int]:
    """Pairs of rows whose times are near one another, with the time of either."""
    left, right = q.table(first), q.table(second)
    low, high = q.rng.choice((0, 5, 20)), q.rng.choice((0, 10, 30))
    both = Source(
        Node("from", (left.node, " JOIN ", right.node, f" ON {_within(left, right, low, high)}")),
        (*left.scope, *right.scope),
        20,
    )
    side, behind_s = q.rng.choice(((left, high), (right, low)))
    return _chosen(q, both, _time(side), ()), behind_s


def _met(q: Queries, first: Table, second: Table) -> tuple[Source, int]:
    """Rows near which there is another."""
    left, right = q.table(first), q.table(second)
    low, high = q.rng.choice((0, 5, 20)), q.rng.choice((0, 10, 30))
    test = f" WHERE EXISTS (SELECT 1 FROM {right.node.sql} WHERE {_within(left, right, low, high)})"
    return _chosen(q, left, _time(left), (test,)), high


def _time(source: Source) -> Bound:
    return next(b for b in source.scope if b.col.name == "ts")


def _within(left: Source, right: Source, low: int, high: int) -> str:
    a, b = left.scope[0].alias, right.scope[0].alias
    near = f"{b}.ts BETWEEN {a}.ts - INTERVAL '{low} seconds' AND {a}.ts + INTERVAL '{high} seconds'"
    return f"{a}.k = {b}.k AND {near}"
