"""AS OF TIMESTAMP beside AS OF TICK, and SUBSCRIBE from a moment of the past on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sqlengine

DECLARE = """
CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT);
CREATE MATERIALIZED VIEW m AS SELECT v, count(*) AS c FROM t GROUP BY v;
CREATE VIEW plain AS SELECT v FROM m;
CREATE STREAM s (n BIGINT);
CREATE SUBSCRIPTION feed FROM m WITH (retention = '1 hour');
CREATE SUBSCRIPTION raw FROM t
"""
Rows = Counter[tuple[Any, ...]]


class World:
    """A database under a clock of its own, and what was in `t` and `m` at each time and tick."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = sqlengine.VirtualClock(1_700_000_000_000_000)
        self.began_us = self.clock.now_us()
        self.past: list[tuple[int, int, Rows, Rows]] = []
        self.rng = random.Random(1)
        self.db = sqlengine.connect(path, clock=self.clock, checkpoint_interval_ms=0)
        self.db.execute(DECLARE)
        self.note()

    def rows(self, query: str) -> Rows:
        return Counter(self.db.execute(query).fetchall())

    def note(self) -> None:
        self.past.append(
            (self.clock.now_us(), self.db.current_tick, self.rows("SELECT * FROM t"), self.rows("SELECT * FROM m"))
        )

    def step(self) -> None:
        """Some rows more, others or fewer, some time later; perhaps several ticks at one time."""
        if self.rng.random() < 0.8:
            self.clock.advance(self.rng.randrange(1, 3_000_000))
        key = self.rng.randrange(6)
        if self.rng.random() < 0.3:
            self.db.execute("DELETE FROM t WHERE k = ?", (key,))
        else:
            upsert = "INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
            self.db.execute(upsert, (key, self.rng.randrange(3)))
        self.db.tick()
        self.note()

    def at(self, time_us: int) -> tuple[Rows, Rows]:
        """The rows at a time: after the last tick until then."""
        return next((t, m) for us, _, t, m in reversed(self.past) if us <= time_us)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "db")
    try:
        yield made
    finally:
        made.db.crash()


def literal(time_us: int) -> str:
    return f"to_timestamp({time_us // 1_000_000}) + INTERVAL '{time_us % 1_000_000} microseconds'"


def test_rows_at_any_time_before_and_after_a_restart(world: World) -> None:
    for round_ in range(3):
        for _ in range(12):
            world.step()
        for _ in range(15):
            time_us = world.rng.randrange(world.began_us, world.clock.now_us() + 1)
            tables, views = world.at(time_us)
            assert world.rows(f"SELECT * FROM t AS OF TIMESTAMP {literal(time_us)}") == tables
            assert world.rows(f"SELECT * FROM m AS OF TIMESTAMP {literal(time_us)}") == views
            both = f"SELECT (SELECT count(*) FROM t), (SELECT sum(c) FROM m) AS OF TIMESTAMP {literal(time_us)}"
            assert world.rows(both) == Counter([(tables.total(), sum(c for _, c in views) or None)])
        if round_ % 2:
            world.db.checkpoint()
        world.db.crash()
        world.db = sqlengine.connect(world.path, clock=world.clock, checkpoint_interval_ms=0)


def test_a_subscriber_from_the_past_hears_of_each_change_once(world: World) -> None:
    for _ in range(15):
        world.step()
    time_us, tick, _, views = world.past[6]
    declare = "DECLARE {} CURSOR WITH HOLD FOR SUBSCRIBE {}"
    world.db.execute(declare.format("whole", f"m AS OF TICK {tick}"))
    world.db.execute(declare.format("later", f"(SELECT * FROM m) WITH (snapshot = false) AS OF TICK {tick}"))
    world.db.execute(declare.format("timed", f"m AS OF TIMESTAMP {literal(time_us)}"))
    seen = {"whole": Rows(), "later": views.copy(), "timed": Rows()}
    for round_ in range(4):
        for _ in range(3 * round_):
            world.step()
        for cursor, rows in seen.items():
            take(world, cursor, rows)
            assert +rows == world.rows("SELECT * FROM m")


def take(world: World, cursor: str, rows: Rows) -> None:
    """All changes there are; after those of a tick the rows are what they were after it."""
    table = world.db.execute(f"FETCH ALL FROM {cursor}").to_arrow()
    assert table.column_names == ["tick", "time", "op", "v", "c"]
    changes = table.to_pylist()
    for number, change in enumerate(changes):
        rows[change["v"], change["c"]] += 1 if change["op"] in ("insert", "update_after") else -1
        if number + 1 == len(changes) or changes[number + 1]["tick"] != change["tick"]:
            assert +rows == [views for _, tick, _, views in world.past if tick <= change["tick"]][-1]


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("SELECT * FROM m AS OF TIMESTAMP '1999-01-01'", "72000"),
        ("SELECT * FROM m AS OF TIMESTAMP '2999-01-01'", "22023"),
        ("SELECT * FROM m AS OF TIMESTAMP NULL", "22023"),
        ("SELECT * FROM m AS OF TIMESTAMP 'soon'", "22007"),
        ("SELECT * FROM m AS OF TIMESTAMP (SELECT max(k) FROM t)", "22023"),
        ("SELECT * FROM s AS OF TIMESTAMP now()", "0A000"),
        ("BEGIN; SELECT * FROM m AS OF TIMESTAMP now()", "25000"),
        ("SUBSCRIBE m AS OF TICK 0", "72000"),
        ("SUBSCRIBE m AS OF TICK 100000", "22023"),
        ("SUBSCRIBE m AS OF TICK 'x'", "22023"),
        ("SUBSCRIBE (SELECT c FROM m) AS OF TICK 3", "0A000"),
        ("SUBSCRIBE (SELECT v FROM m WHERE c > 1) AS OF TICK 3", "0A000"),
        ("SUBSCRIBE (SELECT * FROM m LIMIT 1) AS OF TICK 3", "0A000"),
        ("SUBSCRIBE plain AS OF TICK 3", "0A000"),
        ("SUBSCRIBE s AS OF TICK 3", "0A000"),
        ("SUBSCRIBE m AS OF", "42601"),
    ],
)
def test_bad_statements(world: World, statement: str, state: str) -> None:
    world.step()
    with pytest.raises(sqlengine.Error) as caught:
        world.db.execute(statement)
    assert caught.value.sqlstate == state, caught.value
    world.db.rollback()


def test_what_retention_has_taken_is_refused(world: World) -> None:
    for _ in range(4):
        world.step()
    early_us = world.clock.now_us()
    world.clock.advance(2 * 3_600_000_000)
    world.step()
    for _ in range(2):
        world.db.checkpoint()
    world.step()
    assert world.rows(f"SELECT * FROM t AS OF TIMESTAMP {literal(early_us)}") == world.at(early_us)[0]
    with pytest.raises(sqlengine.Error, match="does not reach back") as caught:
        world.db.execute(f"SELECT * FROM m AS OF TIMESTAMP {literal(world.began_us)}")
    assert caught.value.sqlstate == "72000"


def test_the_past_as_a_parameter_of_a_copy(world: World, tmp_path: Path) -> None:
    for _ in range(5):
        world.step()
    time_us, _, tables, _ = world.past[3]
    found = world.db.execute("SELECT count(*) FROM t AS OF TIMESTAMP to_timestamp(?)", [time_us / 1e6]).fetchone()
    assert found == (world.at(round(time_us / 1e6 * 1e6))[0].total(),)
    world.db.execute(f"COPY (SELECT k FROM t AS OF TIMESTAMP {literal(time_us)}) TO '{tmp_path}/then.csv' (FORMAT csv)")
    assert sorted((tmp_path / "then.csv").read_text().split()[1:]) == sorted(str(k) for k, _ in tables)
