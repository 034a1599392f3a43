"""Checkpoints beside the work: whatever changes while one is written, what is revived from it is what there was."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.runtime import capture
from storage import checked
from storage.env import RealEnv
from tests.depth import rounds

DECLARE = """
CREATE TABLE items (id BIGINT PRIMARY KEY, k BIGINT, name TEXT);
CREATE TABLE kinds (k BIGINT PRIMARY KEY, label TEXT);
CREATE STREAM seen (n BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE MATERIALIZED VIEW by_kind AS
  SELECT k, count(*) AS c, min(name) AS first, count(DISTINCT name) AS names, array_agg(id ORDER BY id) AS ids
  FROM items GROUP BY k;
CREATE MATERIALIZED VIEW labelled AS SELECT i.id, x.label FROM items AS i LEFT JOIN kinds AS x USING (k);
CREATE MATERIALIZED VIEW alone AS SELECT * FROM kinds AS x WHERE NOT EXISTS (SELECT 1 FROM items AS i WHERE i.k = x.k);
CREATE MATERIALIZED VIEW top AS SELECT * FROM items ORDER BY name DESC, id LIMIT 3;
CREATE MATERIALIZED VIEW ranked AS SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY id) AS place FROM items;
CREATE MATERIALIZED VIEW windows AS
  SELECT k, window_start, count(*) AS c, max(n) AS m FROM TUMBLE(seen, ts, INTERVAL '10 s') GROUP BY k, window_start;
CREATE MATERIALIZED VIEW hops AS SELECT k, window_start, sum(n) AS s
  FROM HOP(seen, ts, INTERVAL '5 s', INTERVAL '20 s') GROUP BY k, window_start EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW sessions AS
  SELECT k, window_start, count(*) AS c FROM SESSION(seen, ts, INTERVAL '5 s') GROUP BY k, window_start, window_end;
"""
VIEWS = ("by_kind", "labelled", "alone", "top", "ranked", "windows", "hops", "sessions")


class Work:
    """Random statements, the same ones for the same seed."""

    def __init__(self, db: sqlengine.Database, seed: int) -> None:
        self.db = db
        self.random = random.Random(seed)
        self.rows = 0

    def do(self) -> None:
        pick = self.random.randrange
        what = pick(6)
        if what < 2:
            first, count = pick(60), 1 + pick(8)
            rows = ", ".join(f"({first + i}, {pick(6)}, 'name {pick(20)}')" for i in range(count))
            self.db.execute(
                f"INSERT INTO items VALUES {rows} ON CONFLICT (id) DO UPDATE SET k = excluded.k, name = excluded.name"
            )
        elif what == 2:
            self.db.execute(f"DELETE FROM items WHERE id % 7 = {pick(7)}")
        elif what == 3:
            kind = f"({pick(6)}, 'l{pick(9)}')"
            text = f"INSERT INTO kinds VALUES {kind} ON CONFLICT (k) DO UPDATE SET label = excluded.label"
            self.db.execute(text if pick(3) else f"DELETE FROM kinds WHERE k = {pick(6)}")
        else:
            at = [f"({self.rows + i}, {pick(4)}, TIMESTAMP '2024-01-01' + INTERVAL '{self.rows + i + pick(4)} s')"
                  for i in range(1 + pick(6))]  # fmt: skip
            self.rows += len(at)
            self.db.execute(f"INSERT INTO seen VALUES {', '.join(at)}")


def answers(db: sqlengine.Database) -> dict[str, list[tuple]]:
    return {view: sorted(db.execute(f"SELECT * FROM {view}").fetchall(), key=repr) for view in VIEWS}


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows a slice, and none left for the last hold of the lock if that can be had."""
    monkeypatch.setattr(capture, "SLICE_ROWS", 8)
    monkeypatch.setattr(capture, "SLICE_ROWS_MAX", 8)
    monkeypatch.setattr("sqlengine.runtime.checkpoint_writer.LEFT_ROWS_MAX", 0)


@pytest.mark.usefixtures("small_slices")
@settings(max_examples=rounds(1, 20))
@given(seed=st.integers(0, 1 << 20), every=st.integers(12, 60))
def test_work_between_slices(tmp_path_factory: pytest.TempPathFactory, seed: int, every: int) -> None:
    """Statements run between the slices of checkpoints; the process is killed after some of them."""
    path = tmp_path_factory.mktemp("db") / "d"
    db = sqlengine.connect(path, checkpoint_interval_ms=0)
    try:
        db.execute(DECLARE)
        work, pauses = Work(db, seed), 0

        def pause(_seconds: float) -> None:
            nonlocal pauses
            pauses += 1
            if pauses % every == 0:
                work.do()

        for cycle in range(3):
            for _ in range(8):
                work.do()
            db._instance.checkpoints.write(pause)
            if cycle:
                for _ in range(3):
                    work.do()
                before = answers(db)
                db.crash()
                work.db = db = sqlengine.connect(path, checkpoint_interval_ms=0)
                assert answers(db) == before
    finally:
        db.crash()


@pytest.mark.parametrize(
    ("view", "share"),
    [
        ("SELECT k, count(*) AS c, sum(v) AS s, max(v) AS top FROM s GROUP BY k", 0.05),
        (
            "SELECT k, v, count(*) OVER w AS c, sum(v) OVER w AS s, max(v) OVER w AS top FROM s "
            "WINDOW w AS (PARTITION BY k ORDER BY v)",
            0.15,  # a row more of each key, another value for its first, and both in the contents
        ),
    ],
    ids=["groups", "over"],
)
def test_a_hundredth_changed_is_a_hundredth_written(tmp_path: Path, view: str, share: float) -> None:
    with sqlengine.connect(tmp_path, checkpoint_interval_ms=0) as db:
        db.execute("CREATE STREAM s (k BIGINT, v BIGINT)")
        db.execute(f"CREATE MATERIALIZED VIEW m AS {view}")
        db.execute("INSERT INTO s SELECT n, n FROM generate_series(1, 200000) AS g(n)")
        whole = db.checkpoint()
        for at in range(4):
            db.execute(f"INSERT INTO s SELECT n * 100 + {at}, 7 FROM generate_series(1, 1999) AS g(n)")
            assert db.checkpoint() < share * whole
        assert db.checkpoint() < 0.001 * whole
        want = db.execute("SELECT count(*), sum(c), sum(s), sum(top) FROM m").fetchall()
        db.crash()
    with sqlengine.connect(tmp_path, checkpoint_interval_ms=0) as db:
        assert db.execute("SELECT count(*), sum(c), sum(s), sum(top) FROM m").fetchall() == want
        db.execute("INSERT INTO s SELECT n * 100, 7 FROM generate_series(1, 1999) AS g(n)")
        assert db.checkpoint() < share * whole, "after a restart, too"


def until(holds: Callable[[], bool]) -> None:
    wait = threading.Event()
    for _ in range(6000):
        if holds():
            return
        wait.wait(0.01)
    raise AssertionError("it never became true")


def test_checkpoints_are_written_by_themselves(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path, checkpoint_interval_ms=10) as db:
        db.execute(DECLARE)
        work = Work(db, 3)
        for _ in range(20):
            work.do()
        count = "SELECT count(*) FROM system.checkpoints WHERE error IS NULL"
        until(lambda: db.execute(count).fetchall()[0][0] >= 1)
        other = db.session()
        assert other.settings.get("checkpoint_interval_ms") == 10
        other.execute("SET checkpoint_interval_ms = 0")
        assert db.execute("SHOW checkpoint_interval_ms").fetchall() == [("0",)]
        db.execute("RESET checkpoint_interval_ms")
        assert other.settings.get("checkpoint_interval_ms") == 10_000
        before = answers(db)
        db.crash()
    with sqlengine.connect(tmp_path) as db:
        assert answers(db) == before


def test_a_checkpoint_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY)")
    env = RealEnv()
    for path in tmp_path.glob("snapshots/checkpoint/*/manifest.json"):
        manifest = checked.load_json(env, str(path))
        manifest["manifest"]["format"] += 1
        path.write_bytes(checked.seal(json.dumps(manifest).encode()))
    with pytest.raises(sqlengine.NotSupportedError, match="has format") as caught:
        sqlengine.connect(tmp_path)
    assert caught.value.sqlstate == "0A000" and "version that wrote it" in str(caught.value.hint)


def test_a_full_disk_fails_the_checkpoint_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from storage import DiskFull
    from storage.snapshots.table_file import TableFile

    def full(*_args: object) -> None:
        raise OSError(28, "no space left on device")

    with sqlengine.connect(tmp_path, checkpoint_interval_ms=0) as db:
        db.execute(DECLARE)
        work = Work(db, 5)
        for _ in range(10):
            work.do()
        db.execute("CHECKPOINT")
        for _ in range(10):
            work.do()
        with monkeypatch.context() as patch:
            patch.setattr(TableFile, "append", full)
            with pytest.raises((sqlengine.Error, DiskFull)) as caught:
                db.execute("CHECKPOINT")
            assert getattr(caught.value, "sqlstate", None) == "53100"
        told = db.execute("SELECT error FROM system.checkpoints ORDER BY number DESC LIMIT 1").fetchall()
        assert "no space left" in told[0][0]
        before = answers(db)
        db.execute("CHECKPOINT")
        db.crash()
    with sqlengine.connect(tmp_path) as db:
        assert answers(db) == before


def test_a_database_in_memory_says_that_it_saves_nothing() -> None:
    with sqlengine.connect() as db:
        assert db.execute("CHECKPOINT").notices == ["a database in memory saves nothing"]
