"""Random tables and streams, and histories of changes to them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.fuzz.tree import Col, Many, Node, expr, part

POOLS: dict[str, tuple[str, ...]] = {
    "bigint": ("1", "2", "0", "3", "4", "-1", "7", "1000000000000"),
    "int": ("1", "0", "2", "3", "5", "-2"),
    "double precision": ("0.5", "1.0", "2.25", "-1.5", "0.0", "100.75"),
    "numeric(10,2)": ("1.00", "0.50", "2.25", "-3.10", "99.99"),
    "text": ("'a'", "'b'", "'ab'", "''", "'B'", "'ä'", "'a b'"),
    "boolean": ("true", "false"),
    "date": ("DATE '2024-01-01'", "DATE '2024-01-02'", "DATE '2024-02-29'", "DATE '2023-12-31'"),
}
"""Literals by type, the frequent first.  Sums of the doubles have no rounding in them."""
SHORT = {
    "bigint": "b",
    "int": "i",
    "double precision": "x",
    "numeric(10,2)": "n",
    "text": "s",
    "boolean": "f",
    "date": "d",
    "timestamp": "ts",
}
"""What a column of a type is called."""


@dataclass(frozen=True)
class Table:
    """`kind`: keyed (id is the primary key) | bag (no key: equal rows may be there) | stream.  A stream's rows are up
    to `delay_s` behind its latest."""

    name: str
    kind: str
    columns: tuple[Col, ...]
    nulls: tuple[float, ...]
    delay_s: int = 0

    @property
    def has_versions(self) -> bool:
        """Whether other rows can be joined with it as it was at a time."""
        return self.kind != "bag" and any(c.name == "ts" for c in self.columns)

    def create(self) -> str:
        """The statement that makes it."""
        columns = [f"{c.name} {c.type}" for c in self.columns]
        if self.kind == "keyed":
            columns[0] += " PRIMARY KEY"
        if self.has_versions:
            delay_s = self.delay_s if self.kind == "stream" else 0
            columns.append(f"WATERMARK FOR ts AS ts - INTERVAL '{delay_s} seconds'")
        return f"CREATE {'STREAM' if self.kind == 'stream' else 'TABLE'} {self.name} ({', '.join(columns)})"

    def select(self) -> Node:
        """All its columns as a query."""
        items = tuple(part(expr(c.type, c.name), f" AS {c.name}") for c in self.columns)
        source = Node("from", (self.name,))
        return Node("query", ("SELECT ", Many(items), " FROM ", source), columns=self.columns)

    def without(self, index: int) -> Table:
        """Without a column."""
        cut = lambda values: values[:index] + values[index + 1 :]  # noqa: E731 - one meaning for two tuples
        return replace(self, columns=cut(self.columns), nulls=cut(self.nulls))


@dataclass(frozen=True)
class Change:
    """One statement: `kind` insert | upsert | update | delete; `rows` of inserts, `sets` and `where` of the others."""

    kind: str
    table: str
    rows: tuple[tuple[str, ...], ...] = ()
    sets: tuple[tuple[str, str], ...] = ()
    where: str = ""

    def sql(self, table: Table) -> str:
        """The statement's text."""
        where = f" WHERE {self.where}" if self.where else ""
        if self.kind == "delete":
            return f"DELETE FROM {self.table}{where}"
        if self.kind == "update":
            return f"UPDATE {self.table} SET {', '.join(f'{n} = {v}' for n, v in self.sets)}{where}"
        rows = ", ".join(f"({', '.join(row)})" for row in self.rows)
        text = f"INSERT INTO {self.table} VALUES {rows}"
        if self.kind == "upsert":
            others = [c.name for c in table.columns if c.name != "id"]
            assigned = ", ".join(f"{n} = excluded.{n}" for n in others)
            text += f" ON CONFLICT (id) DO UPDATE SET {assigned}" if others else " ON CONFLICT (id) DO NOTHING"
        return text


Tick = tuple[Change, ...]


def tick_sql(tick: Tick, tables: dict[str, Table]) -> list[str]:
    """A tick's statements, seen together."""
    statements = [change.sql(tables[change.table]) for change in tick]
    return ["BEGIN", *statements, "COMMIT"] if len(statements) > 1 else statements


def random_tables(rng: random.Random) -> list[Table]:
    """Two tables with a key or without, a stream, sometimes more; one of them may stay empty."""
    kinds = ["keyed", rng.choice(("keyed", "bag")), "stream", *(rng.sample(("bag", "stream"), rng.randrange(2)))]
    return [_random_table(rng, name, kind) for name, kind in zip("tuvw", kinds)]


def _random_table(rng: random.Random, name: str, kind: str) -> Table:
    columns = [Col("id", "bigint"), Col("k", "bigint")]
    for kind_of_column in rng.sample(sorted(POOLS), rng.randint(2, 5)):
        columns.append(Col(SHORT[kind_of_column], kind_of_column))
    if kind == "stream" or rng.random() < 0.5:
        columns.append(Col("ts", "timestamp"))
    nulls = [0.0, *(rng.choice((0.0, 0.1, 0.1, 0.2, 0.5)) for _ in columns[1:])]
    if kind == "stream":
        nulls[-1] = rng.choice((0.0, 0.1))
    return Table(name, kind, tuple(columns), tuple(nulls), rng.choice((5, 20, 3600)))


@dataclass
class HistoryMaker:
    """Random ticks over some tables.  Within a tick a keyed table is changed once, a bag's rows are deleted once."""

    rng: random.Random
    tables: Sequence[Table]
    seconds: int = 30

    def __post_init__(self) -> None:
        self.empty = {t.name for t in self.tables if self.rng.random() < 0.05}
        self.serials = dict.fromkeys((t.name for t in self.tables), 0)
        self.written: dict[str, list[tuple[str, ...]]] = {t.name: [] for t in self.tables}

    def ticks(self, count: int) -> list[Tick]:
        """A history."""
        found = [self._tick() for _ in range(count)]
        return [t for t in found if t]

    def _tick(self) -> Tick:
        self.seconds += self.rng.choice((0, 3, 10, 40))
        busy = [t for t in self.tables if t.name not in self.empty]
        if not busy:
            return ()
        chosen = self.rng.sample(busy, self.rng.randint(1, len(busy)))
        return tuple(change for table in chosen for change in self._changes(table))

    def _changes(self, table: Table) -> list[Change]:
        written = self.written[table.name]
        kind = self.rng.random()
        if table.kind == "stream" or len(written) < 3 or kind < 0.35:
            return [self._insert(table)]
        if kind < 0.38:
            return [Change("delete", table.name)]
        if kind < 0.6:
            return [Change("delete", table.name, where=self._where(written))]
        if kind < 0.7 and table.kind == "bag":
            row = self.rng.choice(written)
            again = Change("insert", table.name, (row,) * self.rng.randint(1, 2))
            return [Change("delete", table.name, where=f"id = {row[0]}"), again]
        if kind < 0.8 and table.kind == "keyed":
            rows = {r[0]: self._row(table, r[0]) for r in self.rng.sample(written, 2)}
            kept = {r[0]: r for r in self.rng.sample(written, 1)}
            return [Change("upsert", table.name, tuple({**rows, **kept}.values()))]
        columns = self.rng.sample(table.columns[1:], self.rng.randint(1, 2))
        sets = tuple((c.name, self._value(table, c)) for c in columns)
        return [Change("update", table.name, sets=sets, where=self._where(written))]

    def _insert(self, table: Table) -> Change:
        rows = []
        for _ in range(self.rng.choice((1, 3, 5, 8))):
            self.serials[table.name] += 1
            rows.append(self._row(table, str(self.serials[table.name])))
        if table.kind != "keyed" and self.rng.random() < 0.3:
            rows.append(self.rng.choice([*self.written[table.name], *rows]) if table.kind == "bag" else rows[0])
        self.written[table.name] += rows
        return Change("insert", table.name, tuple(rows))

    def _row(self, table: Table, key: str) -> tuple[str, ...]:
        return (key, *(self._value(table, c) for c in table.columns[1:]))

    def _where(self, written: Sequence[tuple[str, ...]]) -> str:
        row = self.rng.choice(written)
        return self.rng.choice(
            (f"id = {row[0]}", f"id = {row[0]}", f"id % 3 = {self.rng.randrange(3)}", f"k = {row[1]}", "k IS NULL")
        )

    def _value(self, table: Table, column: Col) -> str:
        if self.rng.random() < table.nulls[table.columns.index(column)]:
            return "NULL"
        if column.type == "timestamp":
            behind = self.rng.randrange(min(table.delay_s, 60)) if table.kind == "stream" else self.rng.randrange(90)
            return timestamp(self.seconds - behind)
        pool = POOLS[column.type]
        return pool[min(int(self.rng.expovariate(0.8)), len(pool) - 1)]


def timestamp(second: int) -> str:
    """A literal `second` seconds after the beginning of 2024; the least may be in the year before."""
    day, rest = divmod(second + 86_400, 86_400)
    date = ("2023-12-31", "2024-01-01", "2024-01-02")[day]
    return f"TIMESTAMP '{date} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}'"


def one_by_one(ticks: Sequence[Tick]) -> list[Tick]:
    """The same history with one row and one statement a tick."""
    out: list[Tick] = []
    for change in (c for tick in ticks for c in tick):
        if change.kind in ("insert", "upsert"):
            out += [(replace(change, rows=(row,)),) for row in change.rows]
        else:
            out.append((change,))
    return out


def merged(ticks: Sequence[Tick], tables: dict[str, Table]) -> list[Tick]:
    """The same history in as few ticks as it can be: until a keyed table is written twice, or old rows of one go."""
    out: list[Tick] = []
    for tick in ticks:
        touched = {c.table for c in out[-1]} if out else set()
        clash = any(c.table in touched and _must_wait(c, tables[c.table]) for c in tick)
        if out and not clash:
            out[-1] = (*out[-1], *tick)
        else:
            out.append(tick)
    return out


def _must_wait(change: Change, table: Table) -> bool:
    return table.kind == "keyed" or change.kind in ("update", "delete")
