"""What a plan was chosen by is kept: a database opened again continues its views, whatever the row counts are now."""

from __future__ import annotations

import threading

import sqlengine
from sqlengine.state.row_store import RowStore

QUERY = "SELECT a.v, b.v AS w, c.v AS x FROM a, b, c WHERE a.k = b.k AND b.k = c.k AND a.k = c.k"


def plan(db, query):
    return [r[0] for r in db.execute(f"EXPLAIN {query}").fetchall()]


def rows(db, name, first, count):
    db.insert(name, [(i, i % 7, i) for i in range(first, first + count)])


def test_a_plan_outlives_the_row_counts_it_was_chosen_by(tmp_path):
    with sqlengine.connect(tmp_path) as db:
        for name, count in (("a", 50), ("b", 2), ("c", 10)):
            db.execute(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, k BIGINT, v BIGINT)")
            rows(db, name, 0, count)
        db.execute(f"CREATE MATERIALIZED VIEW v AS {QUERY}")
        chosen = plan(db, "v")
        rows(db, "b", 2, 500)
        rows(db, "c", 10, 100)
        assert plan(db, QUERY + " EMIT CHANGES") != chosen, "the counts matter"
        assert plan(db, "v") == chosen
        before = sorted(db.execute("SELECT * FROM v").fetchall())
        db.checkpoint()
    with sqlengine.connect(tmp_path) as db:
        assert plan(db, "v") == chosen
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == before
        operators = [line for line in db.execute("EXPLAIN ANALYZE v").fetchall() if "(in " in line[0]]
        assert operators and all("(in 0, out 0" in line[0] for line in operators), "its state came from the checkpoint"
        rows(db, "a", 50, 1)
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == sorted(db.execute(QUERY).fetchall()) != before


def test_a_view_keeps_the_rules_it_was_planned_without(tmp_path):
    query = "SELECT k FROM a WHERE v > 1 + 1"
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE a (id BIGINT PRIMARY KEY, k BIGINT, v BIGINT)")
        rows(db, "a", 0, 10)
        db.execute("SET disabled_rules = 'prune_columns'")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        db.execute("RESET disabled_rules")
        chosen = plan(db, "v")
        assert chosen != plan(db, f"{query} EMIT CHANGES")
        db.checkpoint()
    with sqlengine.connect(tmp_path) as db:
        assert plan(db, "v") == chosen
        operators = [line for line in db.execute("EXPLAIN ANALYZE v").fetchall() if "(in " in line[0]]
        assert operators and all("(in 0, out 0" in line[0] for line in operators)


def test_rows_are_counted_under_the_lock_of_the_ticks(tmp_path, monkeypatch):
    """To count contents takes in what waits for them, which ticks add to at the same time."""
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE a (id BIGINT PRIMARY KEY, v BIGINT)")
        db.execute("CREATE MATERIALIZED VIEW b AS SELECT v, count(*) AS n FROM a GROUP BY v")
        rows_of = [(i, i % 3) for i in range(10)]
        db.insert("a", rows_of)
        settle, owned = RowStore.settle, []

        def listening(store):
            owned.append(db._instance.lock._is_owned())
            settle(store)

        monkeypatch.setattr(RowStore, "settle", listening)
        for query in ("SELECT a.id, b.n FROM a JOIN b ON a.v = b.v", "SELECT id FROM a"):
            plan(db, query + " EMIT CHANGES")
            with db.subscribe(query) as followed:
                assert followed.next(5.0) is not None
        assert owned and all(owned)


def test_a_query_over_windows_of_a_view_of_joins_waits_for_nobody():
    """Where no time is named, the view's plan tells it, which is made where nothing may be waited for."""
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM a (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        db.execute("CREATE TABLE b (k BIGINT PRIMARY KEY, x TEXT); CREATE TABLE c (k BIGINT PRIMARY KEY, y TEXT)")
        db.execute("CREATE MATERIALIZED VIEW n AS SELECT x, count(*) FROM b GROUP BY x")
        db.execute(
            "INSERT INTO a VALUES (1, '2024-01-01'); INSERT INTO b VALUES (1, 'x'); INSERT INTO c VALUES (1, 'y')"
        )
        db.execute("CREATE VIEW v AS SELECT a.ts, b.x, c.y FROM a, b, c WHERE a.k = b.k AND c.k = b.k")
        found = []
        query = "SELECT x, count(*) FROM v WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY x"
        asking = threading.Thread(target=lambda: found.append(db.execute(query).fetchall()), daemon=True)
        asking.start()
        asking.join(60)
        assert found == [[("x", 1)]]
