"""Views over random histories, compared after every tick with what their queries answer."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa

import sqlengine
from sqlengine import sql
from sqlengine.catalog.objects import MaterializedView
from sqlengine.plan.pipeline import Planned
from sqlengine.runtime.clock import VirtualClock
from sqlengine.snapshot.execute import run
from sqlengine.snapshot.expand import Expanded
from sqlengine.sql import ast
from sqlengine.statements.views import start_view
from tests.fuzz.emit import Every, is_out, watermark
from tests.fuzz.history import History, tables_with_history
from tests.fuzz.limits import small_limits
from tests.fuzz.queries import Queries
from tests.fuzz.schema import HistoryMaker, Table, Tick, merged, one_by_one, random_tables, tick_sql
from tests.fuzz.shapes import make_queries
from tests.fuzz.times import closing
from tests.fuzz.tree import Emit, Node
from tests.fuzz.user_aggregates import register

START_US = 1_704_067_200_000_000
END_US = START_US + 100_000_000
SECONDS = (1, 4, 15, 2, 30)
"""How far apart the ticks are, the fifth before the sixth and so on."""
DEPTH_MAX = 4


@dataclass(frozen=True)
class Batch:
    """Queries over tables with one history: `before` the views are made, then `ticks`.  `way`: how the history is
    split another time, see WAYS; `limits`: seed of small_limits; `views`: views that the queries, and the views behind
    them, may read."""

    tables: tuple[Table, ...]
    before: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    queries: tuple[Node, ...]
    way: str = "merged"
    limits: int = 0
    views: tuple[tuple[str, Node], ...] = ()

    @property
    def all(self) -> tuple[tuple[str, Node], ...]:
        """The views and then the queries, by the names of their views."""
        return (*self.views, *((f"view{i}", q) for i, q in enumerate(self.queries)))

    def by_name(self) -> dict[str, Table]:
        """The tables by name."""
        return {t.name: t for t in self.tables}

    def script(self) -> str:
        """The whole as SQL."""
        tables = self.by_name()
        lines = [t.create() for t in self.tables]
        lines += [s for tick in self.before for s in tick_sql(tick, tables)]
        lines += [f"CREATE MATERIALIZED VIEW {name} AS {q.statement}" for name, q in self.all]
        lines += [s for tick in self.ticks for s in tick_sql(tick, tables)]
        for name, query in self.all:
            lines += [f"SELECT * FROM {name}", query.oracle]
        return ";\n".join(lines) + ";"


@dataclass(frozen=True)
class Failure:
    """`kind`: mismatch, or the class of the error; `query` is its number among all of the batch."""

    kind: str
    query: int
    detail: str


WAYS = ("merged", "merged", "one by one", "late", "reopened")
"""All in as few ticks as it can be; one row a tick; views made at the end; closed and opened again in the middle."""


TICKS_MAX = 5


def make_batch(seed: int, count: int, ticks_max: int = TICKS_MAX) -> Batch:
    """Random tables, history and queries."""
    rng = random.Random(f"batch {seed}")
    tables = random_tables(rng)
    history = HistoryMaker(rng, tables)
    before, ticks = history.ticks(rng.randrange(3)), history.ticks(rng.randint(2, ticks_max))
    maker = make_queries(rng, tables)
    for i in range(rng.choice((0, 0, 2, 3))):
        maker.views.append((f"m{i}", maker.query(2)))
    queries = [_query(maker) for _ in range(count)]
    views = tuple((name, query.node) for name, query in maker.views)
    return Batch(tuple(tables), tuple(before), tuple(ticks), tuple(queries), rng.choice(WAYS), seed, views)


def _query(maker: Queries) -> Node:
    """A query, some with a clause that says when it speaks."""
    pick = maker.rng.random()
    closes = closing(maker) if pick < 0.1 else None
    if closes is not None:
        return closes
    node = maker.query(maker.rng.randint(1, DEPTH_MAX)).node
    return replace(node, emit=Emit(every_s=maker.rng.choice((2, 5, 20)))) if pick > 0.9 else node


class Views:
    """One database with the views of a batch; `judged`: they are compared with what DuckDB answers."""

    def __init__(self, batch: Batch, path: str = ":memory:", judged: bool = True) -> None:
        self.batch = batch
        self.path = path
        self.clock = VirtualClock(START_US)
        self.db = sqlengine.connect(path, clock=self.clock)
        self.failures: list[Failure] = []
        self.recomputed: dict[int, str] = {}
        self.planned: dict[int, Planned] = {}
        self._expanded: dict[int, Expanded] = {}
        self._every: dict[int, Every] = {}
        self._begin()
        for table in batch.tables:
            self.db.execute(table.create())
        queries = [q for _, q in batch.all]
        self._histories = [History(self.db, t) for t in tables_with_history(batch.tables, queries)] if judged else []

    def _begin(self) -> None:
        """What a session has to say first."""
        register(self.db)
        if self.batch.limits % 2:
            self.db.execute("SET threads = 2")

    def close(self) -> None:
        """Let go of the database."""
        self.db.close()

    def reopen(self) -> None:
        """Write a checkpoint and continue from it."""
        self.db.close()
        self.db = sqlengine.connect(self.path, clock=self.clock)
        self._expanded = {}
        self._begin()

    def apply(self, tick: Tick, seconds: int = 0) -> None:
        """One tick's statements, seen so many seconds later."""
        for statement in tick_sql(tick, self.batch.by_name()):
            self.db.execute(statement)
        self.clock.advance(seconds * 1_000_000)
        self.db._instance.catch_up()
        for history in self._histories:
            history.follow(self.db, self.rows_of(history.table.name))
        if self._histories:
            self.db._instance.catch_up()

    def settle(self) -> None:
        """A time at which all histories have ended and all intervals are over."""
        self.clock.advance(END_US - self.clock.now_us())
        self.db._instance.catch_up()

    def create(self) -> None:
        """All views; a query that cannot be planned is a failure."""
        instance = self.db._instance
        plan = instance.plan
        for i, (name, query) in enumerate(self.batch.all):

            def noted(*args: Any, number: int = i) -> Planned:
                self.planned[number] = plan(*args)
                return self.planned[number]

            with patch.object(instance, "plan", noted):
                self._try(
                    i, lambda text: self.db.execute(text), f"CREATE MATERIALIZED VIEW {name} AS {query.statement}"
                )
            if i in self.planned and self.planned[i].reason is not None:
                self.recomputed[i] = str(self.planned[i].reason)

    def create_as(self, other: Views) -> None:
        """The views of another database over equal tables, without planning them again."""
        context, instance = self.db._session.context, self.db._instance
        for i, name, _ in other.going():
            view = other.db._instance.catalog.get((name,))
            assert isinstance(view, MaterializedView)
            self._try(i, start_view, context, view, other.planned[i], ast.Emit())
            instance.catalog.add(view)

    def _try(self, query: int, do: Callable[..., Any], *args: Any) -> Any:
        """What `do` answers; an error is a failure of the query."""
        try:
            return do(*args)
        except Exception as error:  # whatever it is, it belongs to this query
            self.failures.append(Failure(_class_of(error), query, str(error)))
        return None

    def going(self) -> Iterator[tuple[int, str, Node]]:
        """The queries that have not failed."""
        failed = {f.query for f in self.failures}
        return ((i, name, q) for i, (name, q) in enumerate(self.batch.all) if i not in failed)

    def contents(self, number: int) -> pa.Table:
        """A view's rows."""
        return self.rows_of(self.batch.all[number][0])

    def rows_of(self, name: str) -> pa.Table:
        """The rows of a table, stream or view."""
        instance = self.db._instance
        return instance.contents(instance.catalog.get((name,)))

    def expanded(self, number: int) -> Expanded:
        """The query as the snapshot executor runs it."""
        if number not in self._expanded:
            query = sql.parse_query(self.batch.all[number][1].oracle)
            self._expanded[number] = self.db._instance.expanded(query)
        return self._expanded[number]

    def answer(self, number: int) -> pa.Table:
        """What the query answers as a one-shot SELECT."""
        expanded = self.expanded(number)
        tables = {name: self.db._instance.contents(obj) for name, obj in expanded.inputs.items()}
        return run(expanded, tables, self.clock.now_us())

    def compare(self, when: str, changed: Collection[str] | None = None) -> None:
        """Each view with its query; those that read none of the tables that changed are as they were."""
        for i, _, query in list(self.going()):
            if changed is not None and query.emit is None and not self._try(i, self._may_differ, i, changed):
                continue
            both = self._try(i, lambda n: (rows(self.contents(n)), self.wanted(n)), i)
            if both is not None and both[0] != both[1]:
                self.failures.append(Failure("mismatch", i, f"{when}: {difference(*both)}"))

    def _may_differ(self, number: int, changed: Collection[str]) -> bool:
        """Whether a view reads something that changed, a view, or the time."""
        expanded = self.expanded(number)
        read = expanded.inputs.values()
        return expanded.time_dependent or any(isinstance(o, MaterializedView) or o.name in changed for o in read)

    def wanted(self, number: int) -> Counter[tuple[Any, ...]]:
        """What a view must hold now."""
        emit = self.batch.all[number][1].emit
        if emit is None:
            return rows(self.answer(number))
        if not emit.streams:
            every = self._every.setdefault(number, Every(emit))
            tick = self.db._instance.scheduler.tick_number
            return every.told(self.clock.now_us(), tick, lambda: rows(self.answer(number)))
        tables = self.batch.by_name()
        mark = watermark([(tables[s], self.rows_of(s)) for s in emit.streams])
        return Counter({row: n for row, n in rows(self.answer(number)).items() if is_out(emit, row, mark)})


def _class_of(error: Exception) -> str:
    state = getattr(error, "sqlstate", "")
    return f"{type(error).__name__} {state}".strip()


def rows(table: pa.Table) -> Counter[tuple[Any, ...]]:
    """The rows as a multiset, doubles to ten digits."""
    columns = [[plain(v) for v in column.to_pylist()] for column in table.columns]
    return Counter(zip(*columns, strict=True))


def plain(value: Any) -> Any:
    """A value that is equal to what means the same."""
    if isinstance(value, float):
        return float(f"{value:.10g}") + 0.0
    if isinstance(value, list):
        return tuple(plain(v) for v in value)
    if isinstance(value, Decimal):
        return value.normalize()
    return value


def difference(got: Counter[tuple[Any, ...]], want: Counter[tuple[Any, ...]]) -> str:
    """What is wrong with a view's rows."""
    show = lambda c: ", ".join(f"{n} x {r}" if n > 1 else str(r) for r, n in list(c.items())[:4])  # noqa: E731
    return f"missing [{show(want - got)}], too many [{show(got - want)}]"


def check_batch(batch: Batch, path: Path | None = None, twice: bool = True) -> tuple[list[Failure], dict[int, str]]:
    """Run a batch tick by tick, then (`twice`) split another way; what failed, and which views are computed again and
    why."""
    with small_limits(batch.limits), contextlib.closing(Views(batch)) as views:
        for tick in batch.before:
            views.apply(tick, 1)
        views.create()
        views.compare("at first")
        for number, tick in enumerate(batch.ticks):
            views.apply(tick, SECONDS[number % len(SECONDS)])
            last = number == len(batch.ticks) - 1
            views.compare(f"after tick {number + 1}", None if last else {c.table for c in tick})
        views.settle()
        views.compare("in the end", ())
        again = _another_way(views, path) if twice else []
        return [*views.failures, *again], views.recomputed


def _another_way(first: Views, path: Path | None) -> list[Failure]:
    """The same history split otherwise must end with the same contents."""
    batch = first.batch
    way = batch.way if path is not None or batch.way != "reopened" else "merged"
    split = batch.before + batch.ticks
    if way == "one by one":
        split = tuple(one_by_one(split))
    elif way == "merged":
        split = tuple(merged(split, batch.by_name()))
    with contextlib.closing(Views(batch, str(path) if way == "reopened" else ":memory:", judged=False)) as views:
        if way != "late":
            views.create_as(first)
        for number, tick in enumerate(split):
            views.apply(tick)
            if way == "reopened" and number == len(split) // 2:
                views.reopen()
        if way == "late":
            views.create_as(first)
        views.settle()
        for i in {n for n, *_ in first.going()} & {n for n, *_ in views.going()}:
            got, want = views._try(i, lambda n: rows(views.contents(n)), i), rows(first.contents(i))
            if got is not None and got != want:
                views.failures.append(Failure("mismatch", i, f"{way}: {difference(got, want)}"))
        return views.failures


def alone(batch: Batch, query: int) -> Batch:
    """A batch with one of the queries, or of the views, and the views it may read."""
    return replace(batch, queries=(batch.all[query][1],), views=batch.views[:query])
