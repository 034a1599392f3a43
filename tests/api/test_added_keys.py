"""Primary keys that are added and dropped: what is kept over restarts, and that running queries go on as they were."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import sqlengine

VIEWS = {
    "grouped": "SELECT id, count(*) AS n, sum(a) AS a FROM {t} GROUP BY id",
    "joined": "SELECT x.id, y.a FROM {t} AS x JOIN {t} AS y ON x.id = y.id",
    "outer_joined": "SELECT x.a, y.id FROM {t} AS x LEFT JOIN {t} AS y ON x.a = y.id",
    "best": "SELECT id, a FROM {t} ORDER BY a DESC, id LIMIT 3",
    "distinct_ones": "SELECT DISTINCT id, a FROM {t}",
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", range(12))
def test_views_before_and_behind_a_key(tmp_path: Path, seed: int) -> None:
    """Random changes of a table that gets a key, and loses it, beside those of one that never has one."""
    chosen = random.Random(seed)
    db = sqlengine.connect(tmp_path)
    for name in ("t", "plain"):
        db.execute(f"CREATE TABLE {name} (id INT NOT NULL, a INT)")
    for view, query in VIEWS.items():
        db.execute(f"CREATE MATERIALIZED VIEW {view} AS {query.format(t='t')}")
    made = dict(VIEWS)
    for step in range(30):
        kind = chosen.choice(["upsert", "upsert", "delete", "update", "restart", "add", "drop"])
        at, value = chosen.randrange(6), chosen.randrange(6)
        for name in ("t", "plain"):
            if kind == "upsert":
                db.execute(f"DELETE FROM {name} WHERE id = {at}")
                db.execute(f"INSERT INTO {name} VALUES ({at}, {value})")
            elif kind == "delete":
                db.execute(f"DELETE FROM {name} WHERE a = {value}")
            elif kind == "update":
                db.execute(f"UPDATE {name} SET a = a + 1 WHERE id <> {at}")
        if kind == "restart":
            db.crash() if chosen.random() < 0.5 else db.close()
            db = sqlengine.connect(tmp_path)
        if kind in ("add", "drop"):
            has = bool(db.execute("SHOW INDEXES FOR t").fetchall())
            if kind == "add" and not has:
                db.execute("ALTER TABLE t ADD PRIMARY KEY (id)")
                if f"later{step}" not in made and len(made) < 8:
                    made[f"later{step}"] = VIEWS["outer_joined"]
                    db.execute(f"CREATE MATERIALIZED VIEW later{step} AS {made[f'later{step}'].format(t='t')}")
            elif kind == "drop" and has and len(made) == len(VIEWS):
                db.execute("ALTER TABLE t DROP CONSTRAINT t_pkey")
        for view, query in made.items():
            wanted = sorted(map(repr, db.execute(query.format(t="plain")).fetchall()))
            assert sorted(map(repr, db.execute(f"SELECT * FROM {view}").fetchall())) == wanted, (view, step, kind)
    db.close()


def test_state_is_kept(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (id INT, a INT)")
        db.execute("INSERT INTO t SELECT i, i % 10 FROM generate_series(1, 500) AS g(i)")
        db.execute(
            "CREATE MATERIALIZED VIEW v AS SELECT x.a, count(*) AS n FROM t AS x JOIN t AS y USING (id) GROUP BY x.a"
        )
        db.execute("ALTER TABLE t ADD PRIMARY KEY (id)")
    with sqlengine.connect(tmp_path) as db:
        db.execute("UPDATE t SET a = 0 WHERE id = 1")
        assert db.execute("SELECT n FROM v WHERE a IN (0, 1) ORDER BY a").fetchall() == [(51,), (49,)]
        assert db.execute("SELECT rows_in FROM system.queries WHERE name = 'v'").fetchall() == [(2,)]
        with pytest.raises(sqlengine.Error) as refused:
            db.execute("INSERT INTO t VALUES (7, 7)")
        assert refused.value.sqlstate == "23505"
        assert refused.value.detail == "key (id)=(7) already exists"


def test_look_ups_read_the_added_key() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT, a TEXT)")
        db.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        db.execute("ALTER TABLE t ADD PRIMARY KEY (id)")
        for _ in range(3):
            assert db.execute("SELECT a FROM t WHERE id = $1", [2]).fetchall() == [("b",)]
        db.execute("DELETE FROM t WHERE id = 2")
        assert db.execute("SELECT a FROM t WHERE id = $1", [2]).fetchall() == []


def test_two_sessions_and_one_key(tmp_path: Path) -> None:
    """A transaction that began before the key came is held to it at COMMIT."""
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (id INT, a INT)")
        other = db.cursor()
        other.execute("BEGIN")
        other.execute("INSERT INTO t VALUES (1, 1), (1, 2)")
        db.execute("ALTER TABLE t ADD PRIMARY KEY (id)")
        with pytest.raises(sqlengine.Error) as refused:
            other.execute("COMMIT")
        assert refused.value.sqlstate in ("23505", "40001")
        assert db.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
