"""SWAP WITH and SET SCHEMA over restarts: contents go with their objects, not with names."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine

DECLARE = """
CREATE SCHEMA other;
CREATE TABLE a (id INT PRIMARY KEY, v INT);
CREATE TABLE b (id INT PRIMARY KEY, v INT);
CREATE TABLE src (id INT PRIMARY KEY, v INT);
CREATE MATERIALIZED VIEW m1 AS SELECT sum(v) AS s FROM src;
CREATE MATERIALIZED VIEW m2 AS SELECT count(*) AS s FROM src;
CREATE STREAM s1 AS WITH c AS CHANGELOG FROM src SELECT v FROM c WHERE changelog_op = 1;
INSERT INTO a VALUES (1, 1);
INSERT INTO b VALUES (2, 2), (3, 3);
INSERT INTO src VALUES (1, 10), (2, 20);
"""


def contents(db: sqlengine.Database, *names: str) -> list[list[tuple[object, ...]]]:
    return [sorted(db.execute(f"SELECT * FROM {name}").fetchall()) for name in names]


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_restart_behind_it(tmp_path: Path, checkpoint: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = sqlengine.VirtualClock(1_700_000_000_000_000)
    db = sqlengine.connect(tmp_path / "db", clock=clock)
    db.execute(DECLARE)
    db.tick()
    db.checkpoint()
    if not checkpoint:
        monkeypatch.setattr(db._instance.checkpoints, "save", lambda: None)
    for text in ("TABLE a SWAP WITH b", "MATERIALIZED VIEW m1 SWAP WITH m2", "STREAM s1 SET SCHEMA other"):
        db.execute(f"ALTER {text}")
    db.execute("INSERT INTO a VALUES (4, 4); DELETE FROM b; INSERT INTO src VALUES (3, 30)")
    expected = [[(2, 2), (3, 3), (4, 4)], [], [(3,)], [(60,)], [(10,), (20,), (30,)]]
    for _ in range(3):
        assert contents(db, "a", "b", "m1", "m2", "other.s1") == expected
        db.crash()
        db = sqlengine.connect(tmp_path / "db", clock=clock)
    db.close()
