"""State that the planner calls bounded stays so, and forgetting never changes an answer.

The view with an allowed lateness, over a history with late rows, is what its query answers over the rows that were not
late: lateness is worked out here by hand, and the query is run by DuckDB.
"""

from __future__ import annotations

import datetime as dt
import random

import pytest

import sqlengine
from sqlengine.catalog.objects import MaterializedView
from tests.depth import rounds

START = dt.datetime(2024, 1, 1)
WITHIN = "a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL '3 s' AND a.ts + INTERVAL '5 s'"
COUNTS = "SELECT k, window_end, count(*) AS n FROM TUMBLE({a}, ts, INTERVAL '1 s') GROUP BY k, window_end"
QUERIES = {
    "inner": f"SELECT a.v, b.v AS w, a.ts FROM {{a}} AS a JOIN {{b}} AS b ON {WITHIN}",
    "left": f"SELECT a.v, b.v AS w, a.ts FROM {{a}} AS a LEFT JOIN {{b}} AS b ON {WITHIN}",
    "right": f"SELECT a.v, b.v AS w, b.ts FROM {{a}} AS a RIGHT JOIN {{b}} AS b ON {WITHIN}",
    "full": f"SELECT a.v, b.v AS w FROM {{a}} AS a FULL JOIN {{b}} AS b ON {WITHIN}",
    "semi": f"SELECT a.v, a.ts FROM {{a}} AS a WHERE EXISTS (SELECT 1 FROM {{b}} AS b WHERE {WITHIN})",
    "anti": f"SELECT a.v, a.ts FROM {{a}} AS a WHERE NOT EXISTS (SELECT 1 FROM {{b}} AS b WHERE {WITHIN})",
    "times": "SELECT ts, count(*) AS n, max(v) AS v FROM {a} AS a GROUP BY ts",
    "distinct": "SELECT DISTINCT ts, k FROM {a} AS a",
    "top": "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY ts ORDER BY v DESC) AS r FROM {a}) WHERE r <= 2",
    "over": "SELECT k, v, v - avg(v) OVER (PARTITION BY ts) AS d FROM {a} AS a",
    "counts_joined": f"SELECT l.k, l.window_end, l.n, r.n AS m FROM ({COUNTS}) AS l JOIN "
    f"({COUNTS.replace('{a}', '{b}')}) AS r ON l.k = r.k AND l.window_end = r.window_end",
}
LATENESS_S = 2
EMIT = f" EMIT CHANGES ALLOWED LATENESS INTERVAL '{LATENESS_S} seconds'"


def set_up(db):
    for name in "ab":
        columns = "(k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts)"
        db.execute(f"CREATE STREAM {name} {columns}")
        db.execute(f"CREATE TABLE {name}_in_time {columns}")


def rows_of(rng: random.Random, batch: int, rows: int, keys: int, digits: int) -> list[tuple[int, int, dt.datetime]]:
    """Times that move on with the batch, spread over two seconds, some of them far behind."""
    made = []
    for _ in range(rows):
        seconds = batch + rng.uniform(-1, 1) - (20 if rng.random() < 0.05 else 0)
        made.append((rng.randrange(keys), rng.randrange(100), START + dt.timedelta(seconds=round(seconds, digits))))
    return made


def not_late(rows, watermark):
    """The rows no more than the lateness behind the rows before them, and the watermark after them."""
    kept = []
    for row in rows:
        if watermark is None or row[2] >= watermark - dt.timedelta(seconds=LATENESS_S):
            kept.append(row)
        watermark = row[2] if watermark is None else max(watermark, row[2])
    return kept, watermark


def contents(db, query):
    return sorted(map(repr, db.execute(query).fetchall()))


def state_rows(db, name):
    context = db._session.context
    view = context.instance.catalog.get_as(MaterializedView, (name,))
    return context.instance.query_of(view).dataflow.state_size()["rows"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", [n for n in QUERIES if n != "counts_joined"])
@pytest.mark.parametrize("seed", range(rounds(1, 2)))
def test_the_view_answers_over_the_rows_that_were_not_late(name, seed):
    rng, marks = random.Random(seed), {"a": None, "b": None}
    with sqlengine.connect() as db:
        set_up(db)
        db.execute(f"CREATE MATERIALIZED VIEW v AS {QUERIES[name].format(a='a', b='b')}{EMIT}")
        for batch in range(0, 40, 2):
            for stream in "ab":
                rows = rows_of(rng, batch, 6, keys=4, digits=1)
                kept, marks[stream] = not_late(rows, marks[stream])
                db.insert(stream, rows)
                if kept:
                    db.insert(f"{stream}_in_time", kept)
            query = QUERIES[name].format(a="a_in_time", b="b_in_time")
            assert contents(db, "SELECT * FROM v") == contents(db, query)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", list(QUERIES))
def test_bounded_state_stays_flat_and_unbounded_state_does_not(name):
    rng = random.Random(1)
    with sqlengine.connect() as db:
        set_up(db)
        query = QUERIES[name].format(a="a", b="b")
        db.execute(f"CREATE MATERIALIZED VIEW bounded AS {query}{EMIT}")
        db.execute(f"CREATE MATERIALIZED VIEW endless AS {query}")
        most = {"bounded": [], "endless": []}
        for batch in range(0, 120, 3):
            for stream in "ab":
                db.insert(stream, rows_of(rng, batch, 300, keys=300, digits=3))
            db.execute("SELECT 1 FROM bounded LIMIT 1")
            for view, sizes in most.items():
                sizes.append(state_rows(db, view))
        half = len(most["bounded"]) // 2
        assert max(most["bounded"][half:]) <= max(most["bounded"][:half]) * 1.3
        assert most["endless"][-1] > 1.7 * most["endless"][half]
