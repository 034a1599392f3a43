"""The best groups of each window: the special operator answers as the plan without it does, and as DuckDB does."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from tests.depth import rounds

START = dt.datetime(2024, 1, 1)
HOP = "HOP(s, ts, INTERVAL '10 s', INTERVAL '30 s')"
COUNTS = f"SELECT k, count(*) AS num, max(x) AS top, window_start AS ws, window_end AS we FROM {HOP} GROUP BY k, 4, 5"
LOWS = "SELECT k, min(x) AS low, window_start AS ws FROM TUMBLE(s, ts, INTERVAL '20 s') GROUP BY k, window_start"

QUERIES = {
    "join": f"""SELECT a.k, a.num, m.maxn, a.top, a.ws FROM ({COUNTS}) AS a
        JOIN (SELECT max(num) AS maxn, ws, we FROM ({COUNTS}) AS b GROUP BY ws, we) AS m
        ON a.ws = m.ws AND a.we = m.we AND a.num >= m.maxn""",
    "equal": f"""SELECT a.k, a.num FROM ({COUNTS}) AS a
        JOIN (SELECT max(num) AS maxn, ws FROM ({COUNTS}) AS b GROUP BY ws) AS m ON m.maxn = a.num AND a.ws = m.ws""",
    "rank": f"""SELECT k, ws, top, r FROM (SELECT k, ws, top, rank() OVER (PARTITION BY ws, we ORDER BY num DESC) AS r
        FROM ({COUNTS}) AS c) WHERE r <= 1""",
    "least": f"""SELECT a.k, a.low, a.ws FROM ({LOWS}) AS a
        JOIN (SELECT min(low) AS least, ws FROM ({LOWS}) AS b GROUP BY ws) AS m
        ON a.ws = m.ws AND a.low <= m.least AND m.least = a.low""",
}
EMITS = ("", " EMIT ON WINDOW CLOSE", " EMIT ON WINDOW CLOSE ALLOWED LATENESS INTERVAL '20 s'")

EVENTS = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 90), st.none() | st.integers(0, 3)), max_size=8),
    max_size=6,
)


def declare(db: sqlengine.Database) -> None:
    db.execute("CREATE STREAM s (k TEXT, ts TIMESTAMP, x BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5 s')")
    for rule in ("on", "off"):
        db.execute("RESET disabled_rules" if rule == "on" else "SET disabled_rules = 'keep_winners'")
        for name, query in QUERIES.items():
            for i, emit in enumerate(EMITS):
                db.execute(f"CREATE MATERIALIZED VIEW {name}_{i}_{rule} AS {query}{emit}")


def contents(db, query):
    return sorted(map(repr, db.execute(query).fetchall()))


@settings(max_examples=rounds(2, 40), deadline=None)
@given(batches=EVENTS)
def test_winners_are_those_of_the_plain_plan_and_of_duckdb(tmp_path_factory, batches):
    path = tmp_path_factory.mktemp("winners")
    db = sqlengine.connect(path)
    declare(db)
    for n, batch in enumerate(batches):
        rows = [(k, START + dt.timedelta(seconds=second), x) for k, second, x in batch]
        if rows:
            db.insert("s", rows)
        if n == 2:
            db.close()
            db = sqlengine.connect(path)
        for name, query in QUERIES.items():
            assert contents(db, f"SELECT * FROM {name}_0_on") == contents(db, query), name
            for i in range(len(EMITS)):
                both = [contents(db, f"SELECT * FROM {name}_{i}_{rule}") for rule in ("on", "off")]
                assert both[0] == both[1], (name, i)
    db.close()


@pytest.mark.parametrize("name", list(QUERIES))
def test_the_rule_takes_the_usual_spellings(name):
    with sqlengine.connect() as db:
        declare(db)
        without = str(db.execute(f"EXPLAIN {name}_0_on").fetchall())
        db.execute("RESET disabled_rules")
        with_rule = str(db.execute(f"EXPLAIN {name}_0_on").fetchall())
        assert "WindowWinners" in with_rule and "Join" not in with_rule and "TopN" not in with_rule
        assert "WindowWinners" not in without


@pytest.mark.parametrize(
    "query",
    [
        QUERIES["join"].replace("a.num >= m.maxn", "a.num > m.maxn"),
        QUERIES["join"].replace("a.num >= m.maxn", "a.num <= m.maxn"),
        QUERIES["join"].replace("a.ws = m.ws AND a.we = m.we AND ", ""),
        QUERIES["join"].replace("AS b GROUP", "AS b WHERE num > 1 GROUP"),
        QUERIES["join"].replace("max(num) AS maxn", "min(num) AS maxn"),
        QUERIES["rank"].replace("r <= 1", "r <= 2"),
        QUERIES["rank"].replace("ws, we ORDER", "ws, we, k ORDER"),
        QUERIES["rank"].replace("num DESC", "num"),
    ],
)
def test_other_joins_and_ranks_stay_what_they_are(query):
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k TEXT, ts TIMESTAMP, x BIGINT)")
        assert "WindowWinners" not in str(db.execute(f"EXPLAIN {query} EMIT CHANGES").fetchall())
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        rows = [(k, START + dt.timedelta(seconds=s), s % 3) for k, s in zip("abcab", (1, 5, 12, 30, 31), strict=True)]
        db.insert("s", rows)
        assert contents(db, "SELECT * FROM v") == contents(db, query)


def test_windows_that_share_their_start_are_not_one_window():
    groups = """SELECT k, count(*) AS n, window_start AS ws, window_end AS we
        FROM CUMULATE(s, ts, INTERVAL '10 s', INTERVAL '30 s') GROUP BY k, window_start, window_end"""
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k TEXT, ts TIMESTAMP)")
        db.execute(f"""CREATE MATERIALIZED VIEW v AS SELECT a.k, a.n FROM ({groups}) AS a
            JOIN (SELECT max(n) AS m, ws FROM ({groups}) AS b GROUP BY ws) AS c ON a.ws = c.ws AND a.n >= c.m""")
        db.insert("s", [(k, START + dt.timedelta(seconds=second)) for k, second in (("a", 1), ("b", 12), ("b", 13))])
        assert db.execute("SELECT * FROM v").fetchall() == [("b", 2), ("b", 2)]
