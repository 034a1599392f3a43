"""Killed before any change of a file within a statement: the database is as it was before it, or as it is after it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from sqlengine.runtime import fill
from tests.crash.kill_points import Doomed
from tests.crash.points import chosen

DECLARE = """
CREATE STREAM s (n BIGINT, k BIGINT);
CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT);
INSERT INTO s SELECT n, n % 3 FROM generate_series(0, 9) AS g(n);
INSERT INTO t VALUES (0, 5), (1, 6), (2, 7);
CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS c FROM s GROUP BY k;
CREATE MATERIALIZED VIEW above AS SELECT sum(c) AS c FROM v;
CREATE STREAM o AS SELECT n FROM s WHERE n % 2 = 1;
CREATE MATERIALIZED VIEW odd AS SELECT count(*) AS c FROM o;
CREATE SUBSCRIPTION f FROM v;
CREATE SCHEMA a; CREATE STREAM a.s (n BIGINT); CREATE MATERIALIZED VIEW a.v AS SELECT count(*) AS c FROM a.s;
CREATE STREAM lone (n BIGINT) WITH (partitions = 2);
INSERT INTO a.s VALUES (1), (2); INSERT INTO lone SELECT * FROM generate_series(0, 9);
"""
STATEMENTS = {
    "create or replace": ("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, max(n) AS c FROM s GROUP BY k",),
    "create or replace in the background": (
        "SET background_ddl = true;"
        "CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, max(n) AS c FROM s GROUP BY k; WAIT",
    ),
    "create a view": ("CREATE MATERIALIZED VIEW w AS SELECT k, sum(n) AS c FROM s JOIN t ON s.k = t.id GROUP BY k",),
    "truncate a topic": ("TRUNCATE TOPIC lone",),
    "truncate a table": ("TRUNCATE TABLE t",),
    "drop a view": ("DROP MATERIALIZED VIEW v CASCADE",),
    "drop a stream that a query writes": ("DROP STREAM o CASCADE",),
    "drop a stream": ("DROP STREAM s CASCADE",),
    "drop a schema": ("DROP SCHEMA a CASCADE",),
    "drop a subscription": ("DROP SUBSCRIPTION f",),
    "rename a stream that a query writes": ("DROP MATERIALIZED VIEW odd", "ALTER STREAM o RENAME TO p"),
    "rename a table": ("ALTER TABLE t RENAME TO u",),
}


def state(db: sqlengine.Database) -> dict[str, Any]:
    """What there is, and what it holds."""
    db.execute("WAIT")
    found: dict[str, Any] = {}
    for kind in ("streams", "tables", "views"):
        for (name,) in db.execute(f"SELECT name FROM system.{kind}").fetchall():
            found[f"{kind} {name}"] = sorted(db.execute(f"SELECT * FROM {name}").fetchall())
    found["subscriptions"] = sorted(db.execute("SELECT name FROM system.subscriptions").fetchall())
    found["queries"] = sorted(db.execute("SELECT name, status FROM system.queries").fetchall())
    return found


@pytest.mark.sampled(6)
@pytest.mark.parametrize("way", STATEMENTS)
def test_a_statement_happens_or_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(fill, "STEP_ROWS_MAX", 3)
    monkeypatch.setattr(fill, "SWITCH_ROWS_MAX", 1)
    *before, statement = STATEMENTS[way]
    base = Doomed(tmp_path / "base")
    with base.open() as db:
        for each in [DECLARE, *before]:
            db.execute(each)
        old = state(db)
    shutil.copytree(base.path, tmp_path / "new")
    with Doomed(tmp_path / "new").open() as db:
        db.execute(statement)
        new = state(db)
    assert old != new
    shutil.copytree(base.path, tmp_path / "whole")
    total, rng = Doomed(tmp_path / "whole").changes(lambda db: db.execute(statement)), random.Random(way)
    for nth in chosen(total, rng):
        path = tmp_path / str(nth)
        shutil.copytree(base.path, path)
        doomed = Doomed(path)
        assert doomed.killed(nth, lambda db: db.execute(statement))
        if rng.random() < 0.5:
            doomed.killed(rng.randrange(1, 40), lambda db: db.execute("WAIT"), opening=True)
        with doomed.open() as db:
            found = state(db)
            assert found in (old, new), nth
            if found != new:
                db.execute(statement)
                assert state(db) == new
        with doomed.open() as db:
            assert state(db) == new
        shutil.rmtree(path)
