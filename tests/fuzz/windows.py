"""Windows of random sources, and their groups."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz.aggregates import aggregate_calls
from tests.fuzz.queries import Queries, Query, Source
from tests.fuzz.scalars import Bound, Scope
from tests.fuzz.tree import Col, Node, Part


def times(scope: Scope) -> list[Bound]:
    """The columns that are times."""
    return [b for b in scope if b.type == "timestamp" and b.col.exact]


SPANS = (5, 10, 30, 60)


def windowed(q: Queries, source: Source, time: Bound, partition: Sequence[Bound], session: bool = True) -> Source:
    """A source with the windows of one of its times."""
    alias = q.alias("w")
    size, slide = q.rng.choice(SPANS[1:]), q.rng.choice(SPANS[:2])
    kind = q.rng.choice(("TUMBLE", "TUMBLE", "HOP", "CUMULATE", *(("SESSION", "SESSION") if session else ())))
    inside, name = source.node, time.col.name
    if source.node.parts[0] != "(":
        inside = Node("part", (str(source.node.parts[0]).partition(" ")[0],))
    head: tuple[Part, ...] = (inside,)
    if kind == "SESSION" and partition:
        head = (inside, " PARTITION BY ", ", ".join(b.col.name for b in partition))
    texts = {
        "TUMBLE": f"INTERVAL '{size} seconds'" + q.rng.choice(("", "", ", INTERVAL '3 seconds'")),
        "HOP": f"INTERVAL '{slide} seconds', INTERVAL '{size} seconds'",
        "CUMULATE": f"INTERVAL '{slide} seconds', INTERVAL '{size // slide * slide} seconds'",
        "SESSION": f"INTERVAL '{slide} seconds'",
    }
    node = Node("from", (f"{kind}(", *head, f", {name}, {texts[kind]}) AS {alias}"))
    columns = [*(b.col for b in source.scope), Col("window_start", "timestamp"), Col("window_end", "timestamp")]
    return q.named(node, alias, columns, source.rows * (1 if kind in ("TUMBLE", "SESSION") else 4))


def window_aggregate(q: Queries, depth: int) -> Query | None:
    """Groups of windows, of every kind, over tables, streams and queries."""
    source = q.source_with(depth, lambda s: bool(times(s.scope)) and plain(s))
    if source is None:
        return None
    time = q.rng.choice(times(source.scope))
    others = [b for b in source.exact() if b is not time]
    keys = q.rng.sample(others, min(len(others), q.rng.choice((0, 1, 1, 2))))
    made = windowed(q, source, time, keys)
    alias = made.scope[0].alias
    both = q.rng.random() < 0.75 or str(made.node.parts[0]).startswith("SESSION")
    ends = made.scope[-2:] if both else (q.rng.choice(made.scope[-2:]),)
    by = [*(Bound(alias, k.col) for k in keys), *ends]
    items = [(b.node(), Col(f"g{i}", b.type)) for i, b in enumerate(by)]
    items += aggregate_calls(q, made.exact()[:-2])
    where = [] if str(made.node.parts[0]).startswith("SESSION") else q.where(made.scope[:-2], 0, 0.3)
    tail = (" FROM ", made.node, *where, " GROUP BY ", ", ".join(b.sql for b in by))
    return Query(q.select(items, *tail), made.rows)


def plain(source: Source) -> bool:
    """Whether a window may stand around it: a table or a query, with columns not called as a window's."""
    names = {b.col.name for b in source.scope}
    first = str(source.node.parts[0]) if source.node.parts else ""
    return not names & {"window_start", "window_end"} and not first.startswith("w") and not first.startswith("r")
