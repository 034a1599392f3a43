"""Views run what their plans have in common once, and hold what their queries answer as others come and go."""

from __future__ import annotations

import datetime as dt
import random

import pytest

import sqlengine
from sqlengine.catalog.objects import MaterializedView
from tests.depth import rounds

START = dt.datetime(2024, 1, 1)
WINDOWS = (
    "(SELECT k, window_start, count(*) AS n, sum(v) AS v FROM TUMBLE(s, ts, INTERVAL '10 s') GROUP BY k, window_start)"
)
JOINED = "(SELECT s.k, s.v, t.v AS w FROM s JOIN t ON s.k = t.k)"
CLOSED = (
    "(SELECT k, window_start, window_end, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '10 s') "
    "GROUP BY k, window_start, window_end)"
)
QUERIES = (
    f"SELECT * FROM {WINDOWS} WHERE n > 1",
    f"SELECT window_start, v * n AS v FROM {WINDOWS} WHERE v > 3",
    f"SELECT window_start, max(n) AS most, sum(v) AS v FROM {WINDOWS} GROUP BY window_start",
    f"SELECT w.window_start, w.n + w.v AS n, t.v FROM {WINDOWS} AS w JOIN t ON w.k = t.k",
    f"SELECT window_start, n FROM {WINDOWS}",
    f"SELECT k, sum(w) AS w FROM {JOINED} GROUP BY k",
    f"SELECT k, sum(w) AS w, count(*) AS n FROM {JOINED} GROUP BY k",
    f"SELECT v, w FROM {JOINED} WHERE v > w",
    f"SELECT a.k, b.v FROM {WINDOWS} AS a JOIN {JOINED} AS b ON a.k = b.k AND a.n > 2",
    "SELECT k, v FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v, ts) AS r FROM s) WHERE r <= 2 AND v > 1",
)


def dataflow(db, name):
    instance = db._session.context.instance
    return instance.query_of(instance.catalog.get_as(MaterializedView, (name,))).dataflow


def operators(db, *names):
    """Operators of these views, and how many of them there are when shared ones count once."""
    found = [operator for name in names for operator in dataflow(db, name).operators().values()]
    return len(found), len({id(operator) for operator in found})


def declare(db):
    db.execute("CREATE STREAM s (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 s')")
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, v INT)")


def change(db, rng, step):
    at = [START + dt.timedelta(seconds=step * 3 + rng.uniform(-4, 4)) for _ in range(rng.randint(1, 4))]
    db.insert("s", [(rng.randrange(4), rng.randrange(6), time) for time in at])
    if rng.random() < 0.5:
        db.execute(
            "INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            (rng.randrange(4), rng.randrange(6)),
        )
    elif rng.random() < 0.3:
        db.execute("DELETE FROM t WHERE k = ?", (rng.randrange(4),))


def contents(db, query):
    return sorted(map(repr, db.execute(query).fetchall()))


def compare(db, views):
    for name, query in views.items():
        assert contents(db, f"SELECT * FROM {name}") == contents(db, query), (name, query)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("seed", range(rounds(5, 12)))
def test_views_that_come_and_go_hold_what_their_queries_answer(tmp_path, seed):
    rng = random.Random(seed)
    views: dict[str, str] = {}
    db = sqlengine.connect(tmp_path)
    declare(db)
    for step in range(24):
        change(db, rng, step)
        event = rng.random()
        if event < 0.35 and len(views) < 6:
            name, query = f"v{step}", rng.choice(QUERIES)
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS {query}")
            views[name] = query
        elif event < 0.5 and views:
            gone = rng.choice(list(views))
            db.execute(f"DROP MATERIALIZED VIEW {gone}")
            del views[gone]
        elif event < 0.6:
            if rng.random() < 0.7:
                db.checkpoint()
            db.close()
            db = sqlengine.connect(tmp_path)
        compare(db, views)
    db.close()


def test_a_windowed_aggregate_below_other_tops_is_one(tmp_path):
    rng = random.Random(1)
    with sqlengine.connect(tmp_path) as db:
        declare(db)
        for step in range(5):
            change(db, rng, step)
        views = dict(zip("abcd", QUERIES[:4], strict=True))
        for name, query in views.items():
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS {query}")
        aggregates = {
            id(step.operator)
            for name in views
            for step in dataflow(db, name).steps
            if type(step.node).__name__ == "WindowAggregate"
        }
        assert len(aggregates) == 1
        assert "shared" in str(db.execute("EXPLAIN ANALYZE b").fetchall())
        db.execute("DROP MATERIALIZED VIEW a")
        del views["a"]
        for step in range(5, 8):
            change(db, rng, step)
            compare(db, views)
        db.checkpoint()
        before = operators(db, *views)
        assert before[1] < before[0]
    with sqlengine.connect(tmp_path) as db:
        assert operators(db, *views) == before
        change(db, rng, 8)
        compare(db, views)


def test_closing_windows_are_shared_and_late_rows_told_to_each(tmp_path):
    rng = random.Random(2)
    with sqlengine.connect(tmp_path) as db:
        declare(db)
        db.execute(f"CREATE MATERIALIZED VIEW a AS SELECT * FROM {CLOSED} WHERE n > 1 EMIT ON WINDOW CLOSE")
        db.execute(
            f"CREATE MATERIALIZED VIEW b AS SELECT window_end, n FROM {CLOSED} WHERE n <= 1 EMIT ON WINDOW CLOSE"
        )
        assert operators(db, "a", "b")[1] < operators(db, "a", "b")[0]
        for step in range(30):
            change(db, rng, step)
        db.insert("s", [(1, 1, START)])
        total = "SELECT (SELECT coalesce(sum(n), 0) FROM a) + (SELECT coalesce(sum(n), 0) FROM b)"
        late = dict(db.execute("SELECT name, late_rows FROM system.queries").fetchall())
        assert late["a"] == late["b"] > 0
        closed = db.execute(f"SELECT sum(n) FROM {CLOSED} WHERE window_end <= (SELECT max(ts) FROM s) - INTERVAL '5 s'")
        assert db.execute(total).fetchall()[0][0] == closed.fetchall()[0][0] - late["a"]


def test_a_part_that_fails_fails_all_who_read_it_and_nobody_else(tmp_path, monkeypatch):
    with sqlengine.connect(tmp_path) as db:
        declare(db)
        for name, query in zip("ab", QUERIES[:2], strict=True):
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS {query}")
        db.execute("CREATE MATERIALIZED VIEW c AS SELECT count(*) AS n FROM s")
        (shared,) = {step.operator for step in dataflow(db, "a").steps if type(step.node).__name__ == "WindowAggregate"}

        def broken(*_):
            raise RuntimeError("planted")

        monkeypatch.setattr(shared, "process", broken)
        db.insert("s", [(1, 1, START)])
        assert db.execute("SELECT n FROM c").fetchall() == [(1,)]
        for name in "ab":
            with pytest.raises(sqlengine.Error, match="planted"):
                db.execute(f"SELECT * FROM {name}")


def test_a_stream_that_is_read_from_now_on_is_not_shared(tmp_path):
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE STREAM s (k INT, v INT, ts TIMESTAMP) WITH (start = 'latest')")
        db.execute(
            "CREATE MATERIALIZED VIEW a AS SELECT k, n FROM (SELECT k, count(*) AS n FROM s GROUP BY k) WHERE n > 0"
        )
        db.insert("s", [(1, 1, START)])
        db.execute(
            "CREATE MATERIALIZED VIEW b AS SELECT n FROM (SELECT k, count(*) AS n FROM s GROUP BY k) WHERE n > 0"
        )
        db.insert("s", [(1, 1, START)])
        assert db.execute("SELECT n FROM a").fetchall() == [(2,)]
        assert db.execute("SELECT n FROM b").fetchall() == [(1,)]
