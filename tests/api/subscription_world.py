"""A database whose views change, fail, stand still and are replaced, that can be killed; with what its views held at
each tick, and followers of subscriptions that forget what they have not acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa

import sqlengine
from sqlengine.delta import Delta
from sqlengine.runtime.subscription import SubscriptionOutput

DECLARE = """
CREATE STREAM events (n BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (idle_timeout = '10 seconds');
CREATE TABLE items (id BIGINT PRIMARY KEY, v BIGINT, label TEXT);
CREATE MATERIALIZED VIEW counts AS SELECT k, count(*) AS c, max(n) AS newest FROM events GROUP BY k;
CREATE MATERIALIZED VIEW joined AS SELECT e.n, i.v FROM events AS e LEFT JOIN items AS i ON e.k = i.id;
CREATE MATERIALIZED VIEW above AS SELECT c % 2 AS odd, sum(newest) AS total FROM counts GROUP BY c % 2;
CREATE SUBSCRIPTION counts_feed FROM counts WITH (retention = 'forever');
CREATE SUBSCRIPTION joined_feed FROM joined WITH (retention = 'forever');
CREATE SUBSCRIPTION above_feed FROM above WITH (retention = 'forever');
CREATE SUBSCRIPTION items_feed FROM items WITH (retention = 'forever');
"""
FEEDS = {"counts_feed": "counts", "joined_feed": "joined", "above_feed": "above", "items_feed": "items"}
DEFINITIONS = (
    "SELECT k, count(*) AS c, max(n) AS newest FROM events GROUP BY k",
    "SELECT k, count(*) AS c, min(n) AS newest FROM events WHERE n % 3 > 0 GROUP BY k",
    "SELECT n AS k, k AS c, n AS newest FROM events",
)
Rows = Counter[tuple[object, ...]]


class Killed(BaseException):
    """The process is gone."""


def rows_of(table: pa.Table) -> Rows:
    """The rows as a bag."""
    return Counter(zip(*(column.to_pylist() for column in table.columns), strict=True))


@dataclass
class Client:
    """Somebody outside the database: `kept` is on a disk of its own, with the tick it has acknowledged next."""

    name: str
    rows: Rows = field(default_factory=Counter)
    kept: Rows = field(default_factory=Counter)
    tick: int = -1
    kept_tick: int = -1
    follower: object = None

    def crash(self) -> None:
        """Forget what was not kept."""
        self.rows, self.tick, self.follower = Counter(self.kept), self.kept_tick, None

    def receive(self, db: sqlengine.Database, most: int | None = None) -> None:
        """Take changes in; each must come once, in order."""
        if self.follower is None:
            self.follower = db.subscription(self.name)
        while most is None or most > 0:
            change = self.follower.next()
            if change is None:
                return
            most = None if most is None else most - 1
            assert change.is_snapshot == (self.tick == -1), "a snapshot comes first, and only then"
            assert change.tick > self.tick, "a change came twice, or out of order"
            for op, *row in zip(*(column.to_pylist() for column in change.rows.columns), strict=True):
                self.rows[tuple(row)] += 1 if op in ("insert", "update_after") else -1
            assert min(self.rows.values(), default=0) >= 0, "a row was taken back that never came"
            self.rows = +self.rows
            self.tick = change.tick

    def acknowledge(self) -> None:
        """Keep what there is, and say so."""
        if self.follower is not None and self.tick > self.kept_tick:
            self.kept, self.kept_tick = Counter(self.rows), self.tick
            self.follower.acknowledge(self.tick)


class World:
    """`history`: by tick, what each of the views and tables of FEEDS held after it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = sqlengine.VirtualClock(1_700_000_000_000_000)
        self.db = sqlengine.connect(path, clock=self.clock, checkpoint_interval_ms=0)
        self.db.execute(DECLARE)
        self.clients = {name: Client(name) for name in FEEDS}
        self.history: dict[int, dict[str, Rows]] = {}
        self.paused: set[str] = set()
        self.record()

    def step(self, number: int, kind: str) -> None:
        """One thing that happens, and the ticks after it."""
        db = self.db
        if kind == "rows":
            rows = [f"({number * 10 + i}, {(number + i) % 8}, TIMESTAMP '2024-01-01' + INTERVAL '{number * 3 + i} s')"
                    for i in range(5)]  # fmt: skip
            db.execute(f"INSERT INTO events VALUES {', '.join(rows)}")
        elif kind == "item":
            text = "INSERT INTO items VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET v = excluded.v"
            db.execute(text, (number % 4, number, None if number % 3 else "näme"))
        elif kind == "delete":
            db.execute("DELETE FROM items WHERE id = ?", (number % 4,))
        elif kind == "time":
            self.clock.advance(11_000_000)
        elif kind == "replace":
            db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW counts AS {DEFINITIONS[number % len(DEFINITIONS)]}")
        elif kind == "pause" and not self.paused:
            name = ("counts", "joined", "above")[number % 3]
            self.paused.add(name)
            db.execute(f"PAUSE QUERY {name}")
        elif kind == "resume" and self.paused:
            db.execute(f"RESUME QUERY {self.paused.pop()}")
        elif kind == "checkpoint":
            db.checkpoint()
        db.tick()

    def step_killed(self, number: int, kind: str, at: int, written: bool) -> None:
        """A step that the process does not outlive, if it comes to the `at`-th change of a subscription in it: killed
        before that is written, or just after."""
        write, calls = SubscriptionOutput.__call__, 0

        def dies(output: SubscriptionOutput, tick: int, now_us: int, delta: Delta | None) -> None:
            nonlocal calls
            calls += delta is not None
            if written or calls != at:
                write(output, tick, now_us, delta)
            if delta is not None and calls == at:
                raise Killed

        with patch.object(SubscriptionOutput, "__call__", dies):
            try:
                self.step(number, kind)
                self.record()
            except Killed:
                self.reopen()
                self.record()

    def record(self) -> None:
        """Remember what the views hold at the newest tick."""
        self.history[self.tick] = {name: rows_of(self.db.table(name)) for name in FEEDS.values()}

    def reopen(self) -> None:
        """Killed, and opened again."""
        self.db.crash()
        self.db = sqlengine.connect(self.path, clock=self.clock, checkpoint_interval_ms=0)
        self.paused = {obj.name for obj in self.db._instance.catalog if getattr(obj, "paused", False)}
        for client in self.clients.values():  # what comes again is what was not acknowledged
            client.crash()

    def check_followers(self) -> None:
        """Who has had everything has what the view holds."""
        for name, client in self.clients.items():
            client.receive(self.db)
            assert client.rows == rows_of(self.db.table(FEEDS[name])), name

    def check_history(self) -> None:
        """AS OF TICK gives what was recorded at that tick, of all views at once."""
        for tick, views in self.history.items():
            for name, rows in views.items():
                found = self.db.execute(f"SELECT * FROM {name} AS OF TICK {tick}").to_arrow()
                assert rows_of(found) == rows, (tick, name)

    @property
    def tick(self) -> int:
        """The newest tick's number."""
        return self.db.current_tick


@contextmanager
def world(path: Path) -> Iterator[World]:
    """A World that is let go of at the end."""
    made = World(path)
    try:
        yield made
    finally:
        made.db.crash()
