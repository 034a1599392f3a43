"""Views that answer the same run once: state, answers and changes, whichever of them is dropped or reopened."""

from __future__ import annotations

import sqlengine

HOT = "SELECT k, count(*) AS {n}, sum(v) AS s FROM e GROUP BY k"


def create(db: sqlengine.Database) -> None:
    db.execute("CREATE STREAM e (k INT, v INT)")
    db.execute("INSERT INTO e VALUES (1, 10), (2, 20), (1, 30)")
    db.execute(f"CREATE MATERIALIZED VIEW first AS {HOT.format(n='n')}")
    db.execute(f"CREATE MATERIALIZED VIEW second AS {HOT.format(n='amount')}")
    db.execute(f"CREATE MATERIALIZED VIEW third (key, a, b) AS {HOT.format(n='n')}")


def flows(db: sqlengine.Database) -> int:
    """How many dataflows run."""
    return len({id(q.dataflow) for q in db._instance.scheduler.queries.values()})


def test_equal_views_are_one_dataflow_under_their_own_names():
    with sqlengine.connect() as db:
        create(db)
        assert flows(db) == 1
        db.execute("INSERT INTO e VALUES (2, 5)")
        for name in ("first", "second", "third"):
            assert sorted(db.execute(f"SELECT * FROM {name}").fetchall()) == [(1, 2, 40), (2, 2, 25)]
        assert db.execute("SELECT amount FROM second WHERE k = 1").fetchall() == [(2,)]
        assert db.execute("SELECT a FROM third WHERE key = 1").fetchall() == [(2,)]


def test_what_reads_them_sees_their_names():
    with sqlengine.connect() as db:
        create(db)
        db.execute("CREATE MATERIALIZED VIEW above AS SELECT sum(amount) AS rows FROM second")
        with db.subscribe("third", snapshot=False) as changes:
            db.execute("INSERT INTO e VALUES (3, 7)")
            assert db.execute("SELECT rows FROM above").fetchall() == [(4,)]
            assert next(iter(changes)).to_pylist() == [{"op": "insert", "key": 3, "a": 1, "b": 7}]


def test_dropping_one_leaves_the_others():
    with sqlengine.connect() as db:
        create(db)
        db.execute("DROP MATERIALIZED VIEW first")
        db.execute("INSERT INTO e VALUES (1, 1)")
        assert sorted(db.execute("SELECT * FROM second").fetchall()) == [(1, 3, 41), (2, 1, 20)]
        db.execute("DROP MATERIALIZED VIEW second; INSERT INTO e VALUES (2, 2)")
        assert sorted(db.execute("SELECT * FROM third").fetchall()) == [(1, 3, 41), (2, 2, 22)]


def test_they_are_one_again_after_opening(tmp_path):
    with sqlengine.connect(tmp_path) as db:
        create(db)
    with sqlengine.connect(tmp_path) as db:
        assert flows(db) == 1
        db.execute("INSERT INTO e VALUES (1, 1)")
        assert sorted(db.execute("SELECT * FROM third").fetchall()) == [(1, 3, 41), (2, 1, 20)]
        db.checkpoint()
        db.execute("DROP MATERIALIZED VIEW first")
    with sqlengine.connect(tmp_path) as db:
        db.execute("INSERT INTO e VALUES (1, 1)")
        for name in ("second", "third"):
            assert sorted(db.execute(f"SELECT * FROM {name}").fetchall()) == [(1, 4, 42), (2, 1, 20)]


def test_a_failure_is_all_of_theirs():
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, v BIGINT)")
        for name in ("a", "b"):
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS SELECT sum(v) AS s FROM t")
        db.execute("INSERT INTO t VALUES (1, 9223372036854775807), (2, 1)")
        states = {r[1]: r[2] for r in db.execute("SHOW QUERIES").fetchall()}
        assert states["a"] == states["b"]


def test_what_depends_on_arrival_is_not_shared():
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (k INT)")
        for name in ("a", "b"):
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS SELECT k, random() AS r FROM e")
        for name in ("c", "d"):
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS SELECT k, proctime() AS at FROM e")
        assert flows(db) == 4
        for name in ("x", "y"):
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS SELECT count(*) AS n FROM e WHERE k > 1")
        db.execute("CREATE MATERIALIZED VIEW z AS SELECT count(*) AS n FROM e WHERE k > 2")
        assert flows(db) == 6


def test_a_part_that_its_holder_reads_in_two_places_runs_once():
    query = "SELECT * FROM (WITH z AS (SELECT k FROM t) SELECT k, count(*) AS n FROM z GROUP BY k) AS q"
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, k INT)")
        db.execute(
            "CREATE MATERIALIZED VIEW pairs AS WITH a AS (SELECT k, count(*) AS n FROM t GROUP BY k) "
            "SELECT x.k, y.n FROM a AS x JOIN a AS y ON x.n = y.n"
        )
        db.execute(f"CREATE MATERIALIZED VIEW counts AS {query}")
        for i in range(6):
            db.execute(f"INSERT INTO t VALUES ({i}, {i % 3})")
        db.execute("UPDATE t SET k = 1 WHERE id > 3")
        assert sorted(db.execute("SELECT * FROM counts").fetchall()) == sorted(db.execute(query).fetchall())
        assert db.execute("SELECT count(*) FROM pairs").fetchall() == [(3,)]
