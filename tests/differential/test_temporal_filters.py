"""Conditions on now(): after any history of rows and any passing of time, a view equals its query at that time."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.runtime.clock import VirtualClock
from tests.depth import rounds

START = dt.datetime(2024, 2, 28, 12, tzinfo=dt.UTC)
START_US = int(START.timestamp()) * 1_000_000

CONDITIONS = (
    "ts > now() - INTERVAL '1 hour'",
    "ts >= now() - INTERVAL '1 hour' AND ts <= now()",
    "ts < now() - INTERVAL '90 minutes'",
    "now() - ts < INTERVAL '2 hours'",
    "ts BETWEEN now() - INTERVAL '1 day' AND now() + INTERVAL '1 hour'",
    "ts + INTERVAL '30 minutes' > now() AND id > 1",
    "ts > now() - INTERVAL '1 month'",
    "ts >= date_trunc('hour', now())",
    "ts::date = current_date",
    "ts::date > current_date - INTERVAL '2 days'",
    "ts::timestamp > localtimestamp - INTERVAL '1 hour'",
    "now() > TIMESTAMPTZ '2024-02-28 14:00:00+00'",
    "now() < '2024-02-29 00:00:00+00' OR id = 1",
    "ts > now() - INTERVAL '1 hour' OR ts < now() - INTERVAL '1 day'",
    "(ts > now() - INTERVAL '1 hour' AND id > 1) OR (ts::date = current_date AND id < 4) OR id = 2",
    "(ts > now() - INTERVAL '1 hour' OR ts < now() - INTERVAL '2 hours') AND (id = 1 OR ts > now() OR id = 5)",
    "(ts BETWEEN now() - INTERVAL '1 hour' AND now() OR id = 1) AND NOT (ts > now() - INTERVAL '1 minute')",
)
SHAPES = (
    "SELECT id, x FROM t WHERE {}",
    "SELECT x, count(*) AS n, min(ts) AS first FROM t WHERE {} GROUP BY x",
    "SELECT t.id, u.name FROM t JOIN u ON t.x = u.x WHERE {}",
)

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("row"),
            st.integers(0, 5),
            st.none() | st.integers(-3 * 86_400, 86_400),
            st.none() | st.integers(0, 3),
        ),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 1800, 3600, 7200, 86_400, 40 * 86_400])),
        st.tuples(st.just("restart")),
    ),
    max_size=12,
)


def same(db, view, query):
    assert sorted(map(repr, db.execute(f"SELECT * FROM {view}").fetchall())) == sorted(
        map(repr, db.execute(query).fetchall())
    ), query


@pytest.mark.sampled(5)
@pytest.mark.parametrize("condition", CONDITIONS)
@settings(max_examples=rounds(4, 40), deadline=None)
@given(steps=STEPS)
def test_a_view_equals_its_query_as_time_passes(tmp_path_factory, condition, steps):
    clock = VirtualClock(START_US)
    path = tmp_path_factory.mktemp("temporal")
    db = sqlengine.connect(path, clock=clock)
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMPTZ, x BIGINT)")
    db.execute("CREATE TABLE u (x BIGINT PRIMARY KEY, name TEXT); INSERT INTO u VALUES (1, 'one'), (2, 'two')")
    queries = {f"v{i}": shape.format(condition) for i, shape in enumerate(SHAPES)}
    for view, query in queries.items():
        db.execute(f"CREATE MATERIALIZED VIEW {view} AS {query}")
        assert "TemporalFilter" in str(db.execute(f"EXPLAIN {view}").fetchall())
    for step in steps:
        match step:
            case ("row", key, offset, x):
                stamp = None if offset is None else START + dt.timedelta(seconds=offset)
                text = "INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET ts = excluded.ts, x = excluded.x"
                db.execute(text, (key, stamp, x))
            case ("delete", key):
                db.execute("DELETE FROM t WHERE id = ?", (key,))
            case ("wait", seconds):
                clock.advance(seconds * 1_000_000)
            case ("restart",):
                db.close()
                db = sqlengine.connect(path, clock=clock)
        for view, query in queries.items():
            same(db, view, query)
    db.close()


def test_rows_leave_without_any_input_and_followers_hear_of_it():
    clock = VirtualClock(START_US)
    with sqlengine.connect(clock=clock) as db:
        db.execute("CREATE STREAM s (id INT, ts TIMESTAMPTZ)")
        db.execute("CREATE MATERIALIZED VIEW fresh AS SELECT id FROM s WHERE ts > now() - INTERVAL '1 minute'")
        db.execute("INSERT INTO s VALUES (1, ?), (2, ?)", (START, START - dt.timedelta(seconds=50)))
        with db.subscribe("fresh", snapshot=False) as follower:
            clock.advance(10_000_000)
            db.tick()
            assert [(r["op"], r["id"]) for r in follower.next(0).to_pylist()] == [("delete", 2)]
            clock.advance(50_000_000)
            db.tick()
            assert [(r["op"], r["id"]) for r in follower.next(0).to_pylist()] == [("delete", 1)]
        assert "state" not in str(db.execute("EXPLAIN ANALYZE fresh").fetchall())


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (
            "SELECT max(id) FILTER (WHERE ts <> now()) AS n FROM s GROUP BY ts HAVING ts <> now()",
            "a condition on now()",
        ),
        ("SELECT id FROM s WHERE CASE WHEN id = 1 THEN ts > now() ELSE ts < now() END", "a condition on now()"),
        ("SELECT id FROM s WHERE ts <> now()", "a condition on now()"),
    ],
)
def test_other_uses_of_now_are_computed_again(query, reason):
    with sqlengine.connect(clock=VirtualClock(START_US)) as db:
        db.execute("CREATE STREAM s (id INT, ts TIMESTAMPTZ)")
        assert reason in str(db.execute(f"EXPLAIN {query} EMIT CHANGES").fetchall())


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id, now() AS n FROM s",
        "SELECT id, now() - ts AS age FROM s",
        "SELECT id, current_timestamp FROM s",
        "SELECT id, current_date AS d FROM s WHERE id > 1",
        "SELECT id, n FROM (SELECT id, ts, now() AS n FROM s) WHERE ts IS NOT NULL ORDER BY id LIMIT 3",
    ],
)
def test_now_is_no_value_of_a_view(query):
    with sqlengine.connect(clock=VirtualClock(START_US)) as db:
        db.execute("CREATE STREAM s (id INT, ts TIMESTAMPTZ)")
        statement = f"CREATE MATERIALIZED VIEW v AS {query}"
        with pytest.raises(sqlengine.ProgrammingError, match="now.. in what a continuous query puts out") as caught:
            db.execute(statement)
        assert caught.value.sqlstate == "42P17" and "proctime()" in caught.value.hint
        if "now()" in query:
            assert statement[caught.value.position :].startswith("now()")
        assert db.execute(query).schema.names  # a SELECT has one moment


def test_proctime_stays_with_its_row():
    clock = VirtualClock(START_US)
    with sqlengine.connect(clock=clock) as db:
        db.execute("CREATE STREAM s (id INT); CREATE MATERIALIZED VIEW v AS SELECT id, proctime() AS at FROM s")
        db.execute("INSERT INTO s VALUES (1)")
        before = db.execute("SELECT * FROM v").fetchall()
        clock.advance(1_000_000)
        assert db.execute("SELECT * FROM v").fetchall() == before == [(1, START)]
