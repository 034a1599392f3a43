"""A view whose text names one that is made anew after a kill, and whose plan does not read it, goes on by itself."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

import sqlengine
from sqlengine.runtime import fill


def copied(db: sqlengine.Database, path: Path, to: Path) -> None:
    """What a kill would leave."""
    while True:
        with contextlib.suppress(shutil.Error), db._instance.lock:  # files go while they are copied: once more
            shutil.copytree(path, to)
            return
        shutil.rmtree(to)


@pytest.mark.parametrize("attempt", range(6))
def test_no_tick_is_left_out(attempt: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the background is at work when the process dies is chance: without the mend half the attempts failed."""
    monkeypatch.setattr(fill, "STEP_ROWS_MAX", 7)
    monkeypatch.setattr(fill, "SWITCH_ROWS_MAX", 3)
    rows = 0

    def insert(count: int) -> None:
        nonlocal rows
        values = ", ".join(f"({rows + i}, '2024-01-01 00:00:{rows + i:02d}')" for i in range(count))
        db.execute(f"INSERT INTO v VALUES {values}")
        rows += count

    with sqlengine.connect(tmp_path / "one", checkpoint_interval_ms=1) as db:
        db.execute("CREATE STREAM v (id BIGINT, ts TIMESTAMP) WITH (partitions = 2); CREATE STREAM w (id BIGINT)")
        db.execute("CREATE MATERIALIZED VIEW first AS SELECT v.id, v.ts FROM v LEFT JOIN w ON v.id = w.id")
        db.execute("CREATE MATERIALIZED VIEW second AS WITH c AS (SELECT id FROM first) SELECT count(*) AS n FROM v")
        db.execute("PAUSE QUERY first; CHECKPOINT")
        insert(4)
        db.execute("SET background_ddl = true")
        insert(9)
        db.execute("RESUME QUERY first; CHECKPOINT")
        insert(9)
        copied(db, tmp_path / "one", tmp_path / "two")
    with sqlengine.connect(tmp_path / "two") as db:
        db.execute("WAIT")
        assert db.execute("SELECT n FROM second").fetchall() == [(rows,)]
        assert db.execute("SELECT count(*) FROM first").fetchall() == [(rows,)]
