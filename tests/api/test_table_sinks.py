"""Sinks into tables: what they write is in the table once, whenever the process is killed, beside what others write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from storage import Transaction
from tests.depth import rounds

DECLARE = """
CREATE TABLE a (id BIGINT PRIMARY KEY, v BIGINT);
CREATE TABLE b (id BIGINT PRIMARY KEY, v BIGINT);
CREATE STREAM events (n BIGINT);
CREATE TABLE both_of_them (id BIGINT PRIMARY KEY, v BIGINT CHECK (v < 1000), origin TEXT DEFAULT 'own');
CREATE TABLE log (n BIGINT, m BIGINT);
CREATE TABLE copied (id BIGINT PRIMARY KEY, v BIGINT);
CREATE SINK from_a INTO both_of_them AS SELECT id, v, 'a' FROM a;
CREATE SINK from_b INTO both_of_them AS SELECT id, v, 'b' FROM b;
CREATE SINK further INTO copied AS SELECT id, v FROM both_of_them;
CREATE SINK logged INTO log (m, n) AS SELECT n * 2, n FROM events WHERE n % 2 = 0;
CREATE MATERIALIZED VIEW totals AS SELECT origin, count(*) AS c, sum(v) AS s FROM both_of_them GROUP BY origin;
"""


class Killed(BaseException):
    """The process is gone."""


class World:
    """A database that can be killed, and what its tables must hold: the last word about each key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = sqlengine.VirtualClock(1_700_000_000_000_000)
        self.db = sqlengine.connect(path, clock=self.clock)
        self.db.execute(DECLARE)
        self.sources: dict[str, dict[int, int]] = {"a": {}, "b": {}}
        self.both: dict[int, tuple[int, str]] = {}
        self.log: Counter[tuple[int, int]] = Counter()

    def step(self, kind: str, keys: list[int], value: int) -> None:
        if kind == "events":
            self.db.execute(f"INSERT INTO events VALUES {', '.join(f'({key})' for key in keys)}")
            self.log.update((key, key * 2) for key in keys if key % 2 == 0)
        elif kind == "own":
            self.db.execute("DELETE FROM both_of_them WHERE id = ?", (keys[0],))
            self.db.execute("INSERT INTO both_of_them VALUES (?, ?)", (keys[0], value % 1000))
            self.both[keys[0]] = (value % 1000, "own")
        else:
            table, what = kind.split()
            rows = self.sources[table]
            for key in dict.fromkeys(keys):
                self.put(table, rows, what, key, value + key)

    def put(self, table: str, rows: dict[int, int], what: str, key: int, value: int) -> None:
        if what == "delete":
            self.db.execute(f"DELETE FROM {table} WHERE id = ?", (key,))
            if rows.pop(key, None) is not None:
                self.both.pop(key, None)
        else:
            text = f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET v = excluded.v"
            self.db.execute(text, (key, value))
            before, rows[key] = rows.get(key), value
            if before != value and value < 1000:
                self.both[key] = (value, table)
            elif before not in (None, value):  # taken back, and the new one refused
                self.both.pop(key, None)
        self.db.tick()

    def check(self) -> None:
        rows = self.db.execute("SELECT id, v, origin FROM both_of_them").fetchall()
        assert {key: (v, origin) for key, v, origin in rows} == self.both
        assert dict(self.db.execute("SELECT id, v FROM copied").fetchall()) == {k: v for k, (v, _) in self.both.items()}
        assert Counter(self.db.execute("SELECT n, m FROM log").fetchall()) == self.log
        origins = Counter(origin for _, origin in self.both.values())
        assert {o: c for o, c, _ in self.db.execute("SELECT * FROM totals").fetchall()} == origins

    def reopen(self) -> None:
        self.db.crash()
        self.db = sqlengine.connect(self.path, clock=self.clock)


@contextmanager
def world(path: Path) -> Iterator[World]:
    made = World(path)
    try:
        yield made
    finally:
        made.db.crash()


KINDS = st.sampled_from(["a put", "a put", "b put", "a delete", "b delete", "events", "own"])
THEN = st.sampled_from(["", "", "checkpoint", "kill", "checkpoint and kill"])
STEPS = st.tuples(KINDS, st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(0, 1100), THEN)


@settings(max_examples=rounds(2, 60))
@given(steps=st.lists(STEPS, min_size=3, max_size=10))
def test_the_last_word_counts_and_each_row_comes_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int], int, str]]
) -> None:
    with world(tmp_path_factory.mktemp("db") / "it") as it:
        for kind, keys, value, then in steps:
            it.step(kind, keys, value)
            if "checkpoint" in then:
                it.db.checkpoint()
            if "kill" in then:
                it.reopen()
            it.check()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("is_decided", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_killed_while_rows_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, is_decided: bool) -> None:
    commit, calls = Transaction.commit, 0

    def dying(transaction: Transaction) -> None:
        nonlocal calls
        calls += 1
        if calls == at and not is_decided:
            raise Killed
        commit(transaction)
        if calls == at:
            raise Killed

    with world(tmp_path / "it") as it:
        it.step("a put", [1, 2], 10)
        it.db.checkpoint()
        it.step("events", [2, 3, 4], 0)
        it.step("a put", [2, 3], 20)
        monkeypatch.setattr(Transaction, "commit", dying)
        with pytest.raises(Killed):
            it.step("events", [6, 8], 0)
            it.step("a delete", [2], 0)
            it.step("b put", [3], 30)
        monkeypatch.undo()
        it.reopen()
        it.db.execute("SELECT 1 FROM log")
        was = {table: dict(it.db.execute(f"SELECT * FROM {table}").fetchall()) for table in ("a", "b")}
        it.log = Counter((n, n * 2) for (n,) in it.db.execute("SELECT n FROM events").fetchall() if n % 2 == 0)
        it.both = {**{k: (v, "a") for k, v in was["a"].items()}, **{k: (v, "b") for k, v in was["b"].items()}}
        it.check()


def test_rows_the_table_refuses_are_told_and_the_others_come(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE src (id INT PRIMARY KEY, code INT, v INT)")
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, code INT UNIQUE, v INT NOT NULL CHECK (v > 0))")
        db.execute("CREATE SINK s INTO t AS SELECT id, code, v FROM src")
        db.execute("INSERT INTO src VALUES (1, 1, 1), (2, 1, 2), (3, 3, -3), (4, 4, NULL), (5, 5, 5)")
        assert db.execute("SELECT id FROM t ORDER BY id").fetchall() == [(1,), (5,)]
        db.execute("UPDATE src SET code = 5, v = 7 WHERE id = 1")
        assert db.execute("SELECT * FROM t ORDER BY id").fetchall() == [(5, 5, 5)]
        db.execute("DELETE FROM src WHERE id IN (3, 5)")
        assert db.execute("SELECT * FROM t").fetchall() == []
        states = Counter(state for (state,) in db.execute("SELECT sqlstate FROM system.errors").fetchall())
        assert states == {"23505": 2, "23514": 1, "23502": 1}


def test_what_a_paused_sink_has_missed_waits_for_a_checkpoint(tmp_path: Path) -> None:
    with world(tmp_path / "it") as it:
        it.db.execute("PAUSE QUERY logged")
        it.db.execute("INSERT INTO events VALUES (2), (3)")
        assert it.db.execute("SELECT * FROM log").fetchall() == []
        it.db.execute("RESUME QUERY logged")
        it.db.execute("INSERT INTO events VALUES (4)")
        it.reopen()
        it.db.checkpoint()
        assert sorted(it.db.execute("SELECT n FROM log").fetchall()) == [(2,), (4,)]
        it.reopen()
        assert sorted(it.db.execute("SELECT n FROM log").fetchall()) == [(2,), (4,)]


def test_a_full_disk_holds_rows_up_and_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(transaction: Transaction, *given: object, **options: object) -> None:
        raise OSError(28, "no space left on device", "log")

    with world(tmp_path / "it") as it:
        monkeypatch.setattr(Transaction, "commit_offsets", fails)
        it.db.execute("INSERT INTO events VALUES (2)")
        assert it.db.execute("SELECT * FROM log").fetchall() == []
        (error,) = it.db.execute("SELECT error FROM system.queries WHERE name = 'logged'").fetchall()
        assert "no space" in error[0]
        monkeypatch.undo()
        it.clock.advance(2_000_000)
        it.db.tick()
        assert it.db.execute("SELECT * FROM log").fetchall() == [(2, 4)]


def test_dropping_a_sink_leaves_its_rows_and_no_topic(tmp_path: Path) -> None:
    with world(tmp_path / "it") as it:
        it.step("events", [2, 4], 0)
        it.db.execute("DROP SINK logged")
        it.db.execute("INSERT INTO events VALUES (6)")
        it.check()
        names = [topic.name for topic in it.db.storage.topics() if topic.name.startswith("$sink:")]
        assert len(names) == 3
        it.db.execute("DROP TABLE both_of_them CASCADE")
        assert not [topic.name for topic in it.db.storage.topics() if topic.name.startswith("$sink:")]
        assert [g for g in it.db.storage.offsets.groups() if g.startswith("$sink:")] == []
        it.reopen()
        assert it.db.execute("SELECT count(*) FROM log").fetchone() == (2,)
