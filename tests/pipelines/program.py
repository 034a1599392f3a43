"""What a random pipeline is: tables and streams with a history of changes, views of every shape, streams and part files
that queries write, views over all of these; and what is done to it meanwhile.

All of it comes from a seed.  What a run of it is not able to bear (a join that grows without bound, a query that is
computed again every tick) is left out: each query is tried over the whole history first.
"""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import sqlengine
from sqlengine.catalog.objects import STREAM_QUERY
from tests.fuzz import shapes
from tests.fuzz.queries import Queries, Query, Shape
from tests.fuzz.schema import HistoryMaker, Table, Tick, random_tables, tick_sql
from tests.fuzz.times import closing, fresh, temporal_join
from tests.fuzz.tree import Node, part
from tests.fuzz.user_aggregates import register
from tests.pipelines.inputs import Inputs

FILES = 0.5
"""Of so many outputs the rows go to part files."""
ROWS_MAX = 5_000
"""Views that hold more at the end of the history are left out."""
TRY_MS = 500
SHAPES: dict[Shape, float] = {s: w for s, w in shapes.SHAPES.items() if s not in (fresh, temporal_join)}
"""Without those whose answer depends on when it is asked."""
OF_STREAMS: dict[Shape, float] = {
    shapes.projection: 4,
    shapes.join: 2,
    shapes.interval_join: 2,
    shapes.window_rows: 1,
    shapes.lateral: 1,
}
ROLLINGS = ("roll_interval = '0'", "roll_interval = '1 s'", "roll_rows = 7, roll_interval = '100 ms'")
FILE_FORMATS = ("parquet", "arrow", "json")
_PLAIN = {"bigint", "int", "text", "boolean"}
_TRIES = 12


@dataclass(frozen=True)
class View:
    """A materialized view; `others`: definitions with the same columns by which it may be replaced."""

    name: str
    query: Node
    others: tuple[Node, ...] = ()

    def create(self, which: int = 0, *, or_replace: bool = False) -> str:
        """The statement; `which` of its definitions, 0 the first."""
        head = "CREATE OR REPLACE MATERIALIZED VIEW" if or_replace else "CREATE MATERIALIZED VIEW IF NOT EXISTS"
        return f"{head} {self.name} AS {self.definitions[which].statement}"

    @property
    def definitions(self) -> tuple[Node, ...]:
        return (self.query, *self.others)


@dataclass(frozen=True)
class Output:
    """What a query writes: a stream, or part files of a format in a directory of that name, `rolling` so."""

    name: str
    query: Node
    file_format: str = ""
    rolling: str = ""

    def create(self, folder: Path) -> str:
        """The statement; directories are in `folder`."""
        if not self.file_format:
            return f"CREATE STREAM IF NOT EXISTS {self.name} AS {self.query.statement}"
        where = f"connector = 'file', path = '{folder / self.name}', format = '{self.file_format}', {self.rolling}"
        return f"CREATE SINK IF NOT EXISTS {self.name} AS {self.query.statement} WITH ({where})"


Part = View | Output


@dataclass(frozen=True)
class Unit:
    """Statements of which all or none must be there, and no part of them twice; `control`: they change no rows."""

    statements: tuple[str, ...]
    control: bool = False


@dataclass(frozen=True)
class Program:
    """`parts` in the order they are made; `history`: what is written, in order."""

    seed: int
    tables: tuple[Table, ...]
    parts: tuple[Part, ...]
    history: tuple[Tick, ...]

    @property
    def views(self) -> list[View]:
        return [p for p in self.parts if isinstance(p, View)]

    @property
    def outputs(self) -> list[Output]:
        return [p for p in self.parts if isinstance(p, Output)]

    def part(self, name: str) -> Part:
        """The view or output of a name."""
        return next(p for p in self.parts if p.name == name)

    def readers(self, name: str) -> list[Part]:
        """Those that read a table, view or output."""
        return [p for p in self.parts if p.name != name and re.search(rf"\b{name}\b", p.query.oracle)]

    def units(self, folder: Path) -> Iterator[Unit]:
        """Everything that is said to the database, in order."""
        rng = random.Random(f"units {self.seed}")
        tables = {t.name: t for t in self.tables}
        for table in self.tables:
            text = table.create().replace(f" {table.name} ", f" IF NOT EXISTS {table.name} ", 1)
            yield Unit((text + _topic_options(rng, table),), control=True)
        waiting = list(self.parts)
        for number, tick in enumerate(self.history):
            while waiting and (number > 20 or rng.random() < 0.5):
                made = waiting.pop(0)
                if rng.random() < 0.3:
                    yield Unit((f"SET background_ddl = {rng.choice(('true', 'false'))}",), control=True)
                if isinstance(made, View):
                    yield Unit((made.create(),), control=True)
                else:  # a kill leaves its history to the background, and what that writes counts once it is saved
                    yield Unit((made.create(folder), "WAIT", "CHECKPOINT"), control=True)
            yield Unit(tuple(tick_sql(tick, tables)))
            if not waiting and rng.random() < 0.25:
                yield Unit((self._control(rng),), control=True)

    def _control(self, rng: random.Random) -> str:
        """Something that must change no answer, but for the definition of a view."""
        replaceable = [v for v in self.views if v.others]
        pausable = [o.name for o in self.outputs if not self._reads_views(o)] + [v.name for v in self.views]
        pick = rng.random()
        if pick < 0.2 and replaceable:
            view = rng.choice(replaceable)
            return view.create(rng.randrange(len(view.definitions)), or_replace=True)
        if pick < 0.45 and pausable:
            return f"PAUSE QUERY {rng.choice(pausable)}"
        if pick < 0.7 and pausable:
            return f"RESUME QUERY {rng.choice(pausable)}"
        if pick < 0.8:
            return "CHECKPOINT"
        if pick < 0.9:
            return f"SET checkpoint_interval_ms = {rng.choice((1, 5, 20, 100))}"
        return f"SET background_ddl = {rng.choice(('true', 'false'))}"

    def _reads_views(self, output: Output) -> bool:
        """Whether its position is kept in memory alone while it is paused."""
        return any(output in self.readers(v.name) for v in self.views)


def _topic_options(rng: random.Random, table: Table) -> str:
    """Several partitions where the watermark does not depend on it; a changelog that is compacted."""
    options = []
    if table.kind != "stream" and rng.random() < 0.4:
        options.append(f"partitions = {rng.randint(2, 3)}")
    if table.kind == "keyed" and not table.has_versions and rng.random() < 0.5:
        options += ["cleanup_policy = 'compact'", "segment_bytes = 8192", "min_dirty_ratio = 0.1"]
    return f" WITH ({', '.join(options)})" if options else ""


def make_program(seed: int, ticks: int, parts: int = 9) -> Program:
    """A pipeline with a history of about so many ticks."""
    rng = random.Random(f"pipeline {seed}")
    tables = random_tables(rng)
    maker = HistoryMaker(rng, tables)
    maker.empty.clear()
    history = tuple(maker.ticks(ticks))
    with contextlib.closing(_Trial(tables, history)) as trial:
        found: list[Part] = []
        queries = Queries(rng, list(tables), SHAPES)
        for number in range(parts):
            made = _output(rng, queries, trial, f"o{number}") if number % 3 == 1 else None
            made = made or _view(rng, queries, trial, f"m{number}")
            if made is None:
                continue
            found.append(made)
            if (isinstance(made, View) and made.query.emit is None) or (
                isinstance(made, Output) and not made.file_format
            ):
                queries.views.append((made.name, Query(made.query, 10)))
    return Program(seed, tuple(tables), tuple(found), history)


def _view(rng: random.Random, queries: Queries, trial: _Trial, name: str) -> View | None:
    for _ in range(_TRIES):
        closes = closing(queries) if rng.random() < 0.2 else None
        node = closes or queries.query(rng.choice((1, 1, 2, 3))).node
        view = View(name, node, () if closes else tuple(_narrowed(node)) if rng.random() < 0.5 else ())
        if trial.accepts(view.create(), name):
            return view
    return None


def _narrowed(node: Node) -> Iterator[Node]:
    """Queries with the same columns that answer something else."""
    first = node.columns[0].name
    for text in (f" WHERE {first} IS NOT NULL", " LIMIT 0" if len(node.columns) == 1 else f" WHERE {first} IS NULL"):
        if "LIMIT" not in text:
            yield replace(part("SELECT * FROM (", node, f") AS narrowed{text}"), kind="query", columns=node.columns)


def _output(rng: random.Random, queries: Queries, trial: _Trial, name: str) -> Output | None:
    of_streams = Queries(rng, [t for t in queries.tables if t.kind == "stream"], OF_STREAMS)
    of_streams.views = [(n, q) for n, q in queries.views if n.startswith("o")]
    for _ in range(_TRIES):
        closes = closing(queries) if rng.random() < 0.5 else None
        node = closes or of_streams.query(1).node
        output = Output(name, node, rng.choice(FILE_FORMATS) if rng.random() < FILES else "", rng.choice(ROLLINGS))
        if output.file_format == "json" and not {c.type for c in node.columns} <= _PLAIN:
            output = replace(output, file_format="arrow")
        if re.search(r"user_(xor|least)", node.sql):
            continue  # what waits for its functions after a restart is written anew
        made_as = replace(output, file_format="")
        if trial.accepts(made_as.create(Path()), name, keep=not output.file_format):
            return output
    return None


class _Trial:
    """The end of the history, over which queries are tried."""

    def __init__(self, tables: Sequence[Table], history: Sequence[Tick]) -> None:
        self.db = sqlengine.connect()
        register(self.db)
        by_name = {t.name: t for t in tables}
        with contextlib.closing(Inputs(tables)) as inputs:
            for tick in history:
                inputs.apply(tick_sql(tick, by_name))
            for table in tables:
                self.db.execute(table.create())
                self.db.insert(table.name, inputs.contents()[table.name])

    def accepts(self, statement: str, name: str, keep: bool = True) -> bool:
        """Whether it can be made, is kept up to date step by step, and stays small; it is there then, with `keep`."""
        instance = self.db._instance
        self.db.execute(f"SET statement_timeout_ms = {TRY_MS}")
        try:
            self.db.execute(statement)
        except sqlengine.Error as error:
            assert error.sqlstate in ("57014", "22003", "0A000", "42P17", "42611", "22012", "22008"), (statement, error)
            return False
        finally:
            self.db.execute("SET statement_timeout_ms = 0")
        query = instance.scheduler.by_name(name) or instance.scheduler.by_name(name + STREAM_QUERY)
        (count,) = self.db.execute(f"SELECT count(*) FROM {name}").fetchone() or (0,)
        good = query is not None and query.reason is None and count <= ROWS_MAX
        if not good or not keep:
            kind = "STREAM" if statement.startswith("CREATE STREAM") else "MATERIALIZED VIEW"
            self.db.execute(f"DROP {kind} {name}")
        return good

    def close(self) -> None:
        self.db.close()
