"""NEXMark: every query as a view, maintained without recomputation, holds what the query answers over the same events.

The texts are the benchmark's own (benchmarks/nexmark/queries.py).  Events come in the order of their numbers, the three
topics side by side, in steps of one or a thousand events; the larger sizes are the benchmark's and `make soak`'s.
"""

from __future__ import annotations

import os

import pytest

import sqlengine
from benchmarks.nexmark.queries import CLOSING, QUERIES, closed
from benchmarks.nexmark.streams import declare
from sqlengine.runtime.clock import VirtualClock
from tests.depth import rounds
from tests.nexmark.steps import feed, rows

SIZES = [(rounds(200, 600), 1), (30_000, 1_000)]
if os.environ.get("HYPOTHESIS_PROFILE") == "soak":
    SIZES += [(5_000, 1), (500_000, 1_000)]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "step"), SIZES)
def test_every_view_holds_what_its_query_answers(count, step):
    with sqlengine.connect(clock=VirtualClock(0)) as db:
        declare(db)
        for query in QUERIES:
            db.execute(f"CREATE MATERIALIZED VIEW {query.name} AS {query.sql}")
            assert "maintained incrementally" in str(db.execute(f"EXPLAIN {query.name}").fetchall()), query.name
        feed(db, count, step)
        for query in QUERIES:
            assert rows(db, f"SELECT * FROM {query.name}") == rows(db, query.sql), query.name


@pytest.mark.parametrize(("count", "step"), SIZES)
def test_closed_windows_are_those_behind_the_watermark(count, step):
    with sqlengine.connect(clock=VirtualClock(0)) as db:
        declare(db)
        for name, text in CLOSING.items():
            db.execute(f"CREATE MATERIALIZED VIEW {name}_closed AS {text} EMIT ON WINDOW CLOSE")
        feed(db, count, step)
        ((latest,),) = db.execute("SELECT max(date_time) FROM bid").fetchall()
        for name in CLOSING:
            expected = rows(db, closed(name, latest))
            assert expected, name
            assert rows(db, f"SELECT * FROM {name}_closed") == expected, name


def test_q12_counts_by_processing_time():
    clock = VirtualClock(0)
    with sqlengine.connect(clock=clock) as db:
        declare(db)
        db.execute(
            "CREATE MATERIALIZED VIEW q12 AS SELECT bidder, count(*) AS bid_count, window_start, window_end FROM"
            " TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS p_time FROM bid), DESCRIPTOR(p_time), INTERVAL '10' SECOND))"
            " GROUP BY bidder, window_start, window_end"
        )
        for _ in range(3):
            feed(db, 100, 50)
            clock.advance(10_000_000)
        found = db.execute("SELECT window_start, sum(bid_count) FROM q12 GROUP BY window_start").fetchall()
        assert sorted(n for _, n in found) == [92, 92, 92]


def test_q13_joins_each_bid_with_the_side_table_as_it_is():
    with sqlengine.connect(clock=VirtualClock(0)) as db:
        declare(db)
        db.execute("CREATE TABLE side_input (key BIGINT PRIMARY KEY, value TEXT)")
        db.execute("INSERT INTO side_input SELECT i, 'v' || i FROM generate_series(0, 99) AS g(i)")
        db.execute(
            "CREATE MATERIALIZED VIEW q13 AS SELECT b.auction, b.bidder, b.price, b.date_time, s.value FROM"
            " (SELECT *, PROCTIME() AS p_time FROM bid) AS b JOIN side_input FOR SYSTEM_TIME AS OF b.p_time AS s"
            " ON MOD(b.auction, 100) = s.key"
        )
        feed(db, 1_000, 100)
        db.execute("DELETE FROM side_input")
        joined = db.execute("SELECT count(*), count(*) FILTER (WHERE value = 'v' || auction % 100) FROM q13").fetchall()
        assert joined == [(920, 920)]
