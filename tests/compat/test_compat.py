"""Databases that earlier versions have left behind are opened by this one, and go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlengine
from tests.compat import make_v2_altered as altered
from tests.compat import make_v2_waiting as waiting
from tests.compat.make_v2 import DECLARE, DIRECTORY, step

VIEWS = ("by_kind", "joined", "top", "ranked", "windows", "sessions", "closed")


def answers(db: sqlengine.Database) -> dict[str, list[tuple]]:
    return {view: sorted(db.execute(f"SELECT * FROM {view}").fetchall(), key=repr) for view in VIEWS}


def test_a_directory_of_v2_is_revived(tmp_path: Path) -> None:
    shutil.copytree(DIRECTORY, tmp_path / "old")
    clock = sqlengine.VirtualClock(1_700_000_000_000_000)
    with sqlengine.connect(tmp_path / "old", clock=clock) as old, sqlengine.connect(clock=clock) as new:
        new.execute(DECLARE)
        for number in range(12):
            step(new, number)
        assert old._instance.checkpoint is not None and old._instance.checkpoint.records, "not from one"
        for number in range(12, 15):
            assert answers(old) == answers(new)
            late = "SELECT count(*) FROM system.late_rows"
            assert old.execute(late).fetchall() == new.execute(late).fetchall()
            step(old, number)
            step(new, number)
        old.execute("CHECKPOINT")


WAITING = (
    "changing_sessions",
    "changing_asof",
    "settled_asof",
    "versions",
    "recent",
    "soon",
    "in_order",
    "now_and_then",
    "reachable",
    "running",
    "written",
)


def test_rows_that_waited_in_a_directory_of_v2_leave_as_they_would_have(tmp_path: Path) -> None:
    shutil.copytree(waiting.DIRECTORY, tmp_path / "old")
    time, other = waiting.clock(), waiting.clock()
    time.advance(12 * waiting.STEP_US)
    with sqlengine.connect(tmp_path / "old", clock=time) as old, sqlengine.connect(clock=other) as new:
        new.execute(waiting.DECLARE)
        for number in range(12):
            waiting.step(new, other, number)
        assert old._instance.checkpoint is not None and old._instance.checkpoint.records, "not from one"
        for number in range(12, 22):
            for view in WAITING:
                found, wanted = (sorted(db.execute(f"SELECT * FROM {view}").fetchall(), key=repr) for db in (old, new))
                assert found == wanted and wanted, (number, view)
            waiting.step(old, time, number)
            waiting.step(new, other, number)
            if number == 15:
                old.execute("CHECKPOINT")
        ticks = [change.tick for change in old.subscription("feed")]
        assert ticks == sorted(set(ticks)) and len(ticks) > 10


def test_columns_altered_in_a_directory_of_v2_stay_so(tmp_path: Path) -> None:
    shutil.copytree(altered.DIRECTORY, tmp_path / "old")
    for _ in range(2):
        with sqlengine.connect(tmp_path / "old", clock=sqlengine.VirtualClock(1_700_000_000_000_000)) as old:
            assert sorted(old.execute("SELECT * FROM items").fetchall()) == altered.ITEMS
            assert sorted(old.execute("SELECT * FROM seen").fetchall()) == altered.SEEN
            assert sorted(old.execute("SELECT * FROM names").fetchall()) == [(1, "A"), (2, "B"), (4, "D")]
            old.execute("CREATE MATERIALIZED VIEW again AS SELECT sum(number) AS n FROM seen")
            assert old.execute("SELECT * FROM again").fetchall() == [(5000000003,)]
            old.execute("DROP MATERIALIZED VIEW again")
