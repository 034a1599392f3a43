"""Databases that earlier versions have left behind are opened by this one, and go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlengine
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
