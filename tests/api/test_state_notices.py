"""Whoever makes a continuous query is told when its state grows with every row of a stream, and only then."""

from __future__ import annotations

import pytest

import sqlengine

STREAM = "CREATE STREAM {} (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)"
JOIN = "SELECT a.k, a.v, b.v AS w FROM a JOIN b ON a.k = b.k"


@pytest.fixture
def db():
    with sqlengine.connect() as db:
        db.execute(STREAM.format("a"))
        db.execute(STREAM.format("b"))
        db.execute("CREATE TABLE t (k INT PRIMARY KEY, name TEXT)")
        db.execute("CREATE MATERIALIZED VIEW counts AS SELECT k, count(*) AS n FROM b GROUP BY k")
        yield db


@pytest.mark.parametrize(
    ("query", "told", "hint"),
    [
        (JOIN, "every row of a and b", "how far apart"),
        (f"{JOIN} AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1 s'", "every row of a and b", "ALLOWED LATENESS"),
        ("SELECT a.v, t.name FROM a JOIN t ON a.k = t.k", "every row of a,", "FOR SYSTEM_TIME AS OF PROCTIME()"),
        ("SELECT a.v, n FROM a JOIN counts ON a.k = counts.k", "every row of a,", "FOR SYSTEM_TIME AS OF PROCTIME()"),
        ("SELECT a.v, b.v AS w FROM a ASOF JOIN b ON a.k = b.k AND a.ts >= b.ts", "a and b", "ON WINDOW CLOSE"),
        ("SELECT v, sum(v) OVER (PARTITION BY k ORDER BY ts) AS s FROM a", "every row of a,", "now()"),
        ("SELECT k, array_agg(v) AS l FROM a GROUP BY k", "every row of a,", "now()"),
    ],
)
def test_growth_with_every_row_is_told(db, query, told, hint):
    (notice,) = db.execute(f"CREATE MATERIALIZED VIEW v AS {query}").notices
    assert notice.startswith("state grows with ") and told in notice
    assert hint in notice.split("\nHINT: ")[1]
    (again,) = db.execute(f"CREATE SINK s AS {query} WITH (connector = 'blackhole')").notices
    assert again == notice


@pytest.mark.parametrize(
    "query",
    [
        "SELECT k, count(*) AS n FROM a GROUP BY k",
        "SELECT window_start, count(*) AS n FROM TUMBLE(a, ts, INTERVAL '1 s') GROUP BY window_start",
        "SELECT DISTINCT k FROM a",
        "SELECT t.name, n FROM t JOIN counts ON t.k = counts.k",
        "SELECT name, array_agg(k) AS l FROM t GROUP BY name",
        "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY ts DESC) AS r FROM a) WHERE r <= 3",
        "SELECT a.v, t.name FROM a JOIN t FOR SYSTEM_TIME AS OF PROCTIME() ON a.k = t.k",
        "SELECT a.v, t.name FROM a JOIN t ON a.k = t.k WHERE a.ts > now() - INTERVAL '1 day'",
        f"{JOIN} AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1 s' EMIT CHANGES ALLOWED LATENESS INTERVAL '1 minute'",
    ],
)
def test_everything_else_is_not(db, query):
    assert not db.execute(f"CREATE MATERIALIZED VIEW v AS {query}").notices
