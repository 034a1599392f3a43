"""EMIT ON WINDOW CLOSE without a selected time: rows are told once, and are the query's over the rows not late.

A last row far ahead closes everything before it. Lateness is worked out here by hand, and the query is run by DuckDB.
"""

from __future__ import annotations

import datetime as dt
import random

import pytest

import sqlengine
from tests.depth import rounds
from tests.differential.test_forgetting import START, WITHIN, contents, rows_of, set_up

QUERIES = {
    "rows": "SELECT k, v FROM {a} WHERE v > 20",
    "union": "SELECT k, v FROM {a} UNION ALL SELECT v, k FROM {b}",
    "inner": f"SELECT a.v, b.v AS w FROM {{a}} AS a JOIN {{b}} AS b ON {WITHIN}",
    "left": f"SELECT a.v, b.v AS w FROM {{a}} AS a LEFT JOIN {{b}} AS b ON {WITHIN}",
    "asof": "SELECT a.v, epoch(b.ts) AS t FROM {a} AS a ASOF LEFT JOIN {b} AS b ON a.k = b.k AND a.ts >= b.ts",
    "seconds": "SELECT count(*) AS n, sum(v) AS v FROM {a} GROUP BY date_trunc('second', ts), k",
    "bins": "SELECT max(v) AS v FROM {a} GROUP BY date_bin(INTERVAL '3 seconds', ts, TIMESTAMP '2024-01-01')",
    "top": "SELECT k, v FROM (SELECT k, v, row_number() OVER (PARTITION BY date_trunc('second', ts) ORDER BY v DESC, k)"
    " AS r FROM {a}) WHERE r <= 2",
    "first": "SELECT k, v FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY ts, v) r FROM {a}) WHERE r <= 3",
    "newest": "SELECT k, v FROM (SELECT k, v, rank() OVER (PARTITION BY k ORDER BY ts) AS r FROM {a}) WHERE r <= 4",
    "back": "SELECT k, v - lag(v, 2) OVER w AS d, sum(v) OVER w AS s, rank() OVER w AS r, max(v) OVER (PARTITION BY k"
    " ORDER BY ts, v ROWS 2 PRECEDING) AS m FROM {a} WINDOW w AS (PARTITION BY k ORDER BY ts, v)",
    "totals": "SELECT k, v, count(*) OVER w AS n, count(v) FILTER (WHERE v > 20) OVER w AS f, sum(v) OVER w AS s,"
    " avg(v) OVER w AS a, min(v) OVER w AS lo, max(v) FILTER (WHERE v < 60) OVER w AS hi, bool_and(v > 5) OVER w AS b,"
    " first_value(v) OVER w AS f1, last_value(v) OVER w AS l1, row_number() OVER w AS i, rank() OVER w AS r,"
    " dense_rank() OVER w AS d FROM {a} WINDOW w AS (PARTITION BY k ORDER BY ts, v)",
    "peers": "SELECT k, v, sum(v) OVER w AS s, count(*) OVER w AS n, rank() OVER w AS r, dense_rank() OVER w AS d,"
    " sum(v::double precision) OVER w AS x, min(v::text) OVER w AS t, bool_or(v > 90) OVER w AS o"
    " FROM {a} WINDOW w AS (PARTITION BY k ORDER BY ts)",
    "one partition": "SELECT v, sum(v) OVER (ORDER BY ts, v, k) AS s, max(v) OVER (ORDER BY ts) AS m FROM {a}",
    "near": "SELECT k, v, sum(v) OVER (PARTITION BY k ORDER BY ts RANGE INTERVAL '3 seconds' PRECEDING) AS s FROM {a}",
    "near and totals": "SELECT k, v, sum(v) OVER w AS s, lag(v) OVER u AS p, count(*) OVER u AS n FROM {a} WINDOW"
    " w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '3 seconds' PRECEDING AND INTERVAL '1 second' PRECEDING),"
    " u AS (PARTITION BY k ORDER BY ts, v)",
    "mixed": "SELECT k, v, lag(v, 3) OVER w AS p, sum(v) OVER w AS s, max(v) OVER (PARTITION BY k ORDER BY ts, v"
    " ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING) AS m FROM {a} WINDOW w AS (PARTITION BY k ORDER BY ts, v)",
    "groups": "SELECT k, v, sum(v) OVER (PARTITION BY k ORDER BY ts GROUPS 2 PRECEDING) AS s FROM {a}",
    "by second": "SELECT k, v, sum(v) OVER (PARTITION BY date_trunc('second', ts), k ORDER BY ts, v) AS s FROM {a}",
}
ENDS_AT = START + dt.timedelta(days=1)


def history(rng):
    """(stream, rows in the order of arrival), and the rows of each stream that no earlier row had overtaken."""
    steps, in_time, marks = [], {"a": [], "b": []}, {}
    for batch in range(0, 24, 2):
        for stream in "ab":
            rows = rows_of(rng, batch, 6, keys=3, digits=1)
            steps.append((stream, rows))
            for row in rows:
                if row[2] >= marks.get(stream, row[2]):
                    in_time[stream].append(row)
                    marks[stream] = row[2]
    return steps, in_time


@pytest.mark.sampled(16)
@pytest.mark.parametrize("name", list(QUERIES))
@pytest.mark.parametrize("seed", range(rounds(1, 2)))
@pytest.mark.parametrize("size", [1, 6])
def test_rows_leave_once_and_are_the_querys(name, seed, size):
    steps, in_time = history(random.Random(seed))
    with sqlengine.connect() as db:
        set_up(db)
        db.execute(f"CREATE MATERIALIZED VIEW v AS {QUERIES[name].format(a='a', b='b')} EMIT ON WINDOW CLOSE")
        with db.subscribe("v") as follower:
            for stream, rows in steps:
                for at in range(0, len(rows), size):
                    db.insert(stream, rows[at : at + size])
            for stream in "ab":
                db.insert(stream, [(-1, 0, ENDS_AT)])
                db.insert(f"{stream}_in_time", in_time[stream])
            db.execute("SELECT 1 FROM v LIMIT 1")
            told = []
            while (change := follower.next(timeout_s=0.2)) is not None:
                told += [row["op"] for row in change.to_pylist()]
        expected = contents(db, QUERIES[name].format(a="a_in_time", b="b_in_time"))
        assert contents(db, "SELECT * FROM v") == expected
        assert told == ["insert"] * len(expected)
