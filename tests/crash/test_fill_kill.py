"""Killed before any change of a file while a stream is made of a query: whoever reads it gets each row once."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

import sqlengine
from sqlengine.runtime import fill
from tests.crash.kill_points import Doomed, Reader, Work
from tests.crash.points import chosen

HISTORY = 10
WAYS = {
    "waited for": "CREATE STREAM t AS SELECT n * 10 AS m FROM s WHERE n % 3 > 0",
    "in the background": "SET background_ddl = true;CREATE STREAM t AS SELECT n * 10 AS m FROM s WHERE n % 3 > 0; WAIT",
    "of nothing": "CREATE STREAM t AS SELECT n * 10 AS m FROM s WHERE n % 3 > 0 AND n >= 10",
    "of a stream that is made": "CREATE STREAM t0 AS SELECT n FROM s WHERE n % 3 > 0;"
    "CREATE STREAM t AS SELECT n * 10 AS m FROM t0 UNION ALL SELECT n FROM s WHERE n % 3 > 3",
}


def work_of(way: str) -> Work:
    def work(db: sqlengine.Database) -> None:
        db.execute(WAYS[way])
        db.execute("INSERT INTO s VALUES (10), (11)")
        db.tick()
        db.execute("INSERT INTO s VALUES (12), (13)")
        db.tick()
        db.checkpoint()
        db.execute("INSERT INTO s VALUES (14)")
        db.tick()

    return work


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_that_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(fill, "STEP_ROWS_MAX", 3)
    monkeypatch.setattr(fill, "SWITCH_ROWS_MAX", 1)
    base = Doomed(tmp_path / "base")
    with base.open() as db:
        db.execute("CREATE STREAM s (n BIGINT)")
        db.execute(f"INSERT INTO s SELECT * FROM generate_series(0, {HISTORY - 1})")
    work, rng = work_of(way), random.Random(way)
    shutil.copytree(base.path, tmp_path / "whole")
    total = Doomed(tmp_path / "whole").changes(work)
    for nth in chosen(total, rng):
        path = tmp_path / str(nth)
        shutil.copytree(base.path, path)
        reader = Reader("t")
        doomed = Doomed(path, (reader,))
        assert doomed.killed(nth, work)
        for _ in range(2):
            if rng.random() < 0.7:
                doomed.killed(rng.randrange(1, 60), lambda db: db.execute("WAIT"), opening=True)
        with doomed.open() as db:
            db.execute("WAIT")
            reader.poll(db.storage)
            if not db.execute("SELECT * FROM system.streams WHERE name = 't'").fetchall():
                assert not reader.rows
                db.execute(
                    WAYS[way]
                    if "t0" not in WAYS[way]
                    else WAYS[way].replace("CREATE STREAM t0", "CREATE STREAM IF NOT EXISTS t0")
                )
            db.execute("INSERT INTO s VALUES (20), (21)")
            db.tick()
            check(db, reader, way)
        with doomed.open() as db:
            db.execute("INSERT INTO s VALUES (22)")
            db.tick()
            check(db, reader, way)
        shutil.rmtree(path)


def check(db: sqlengine.Database, reader: Reader, way: str) -> None:
    reader.poll(db.storage)
    floor = HISTORY if way == "of nothing" else 0
    wanted = db.execute(f"SELECT n * 10 FROM s WHERE n % 3 > 0 AND n >= {floor}").fetchall()
    assert Counter(reader.rows) == Counter(wanted)
    assert Counter(db.execute("SELECT m FROM t").fetchall()) == Counter(wanted)
    assert db.execute("SELECT * FROM system.transactions").fetchall() == []
