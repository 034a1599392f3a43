"""NEXMark's windowed queries in the spellings of three systems: maintained alike, with equal contents.

Flink names the time with DESCRIPTOR inside TABLE(...), RisingWave passes table and column by position, Spark and older
Flink group by a function.  A query written in one of them should run here with only its connector changed.
"""

from __future__ import annotations

import re

import pytest

import sqlengine
from benchmarks.nexmark.queries import QUERIES
from benchmarks.nexmark.streams import declare
from sqlengine.runtime.clock import VirtualClock
from tests.nexmark.steps import feed, rows

TABLE_FUNCTION = {query.name: query.sql for query in QUERIES}
HOPS = "INTERVAL '2' SECOND, INTERVAL '10' SECOND"
SIZE = "INTERVAL '10' SECOND"
GROUPING = {
    "q5": f"""
        SELECT ab.auction, ab.num FROM (
            SELECT auction, count(*) AS num, HOP_START(date_time, {HOPS}) AS starttime,
                   HOP_END(date_time, {HOPS}) AS endtime
            FROM bid GROUP BY auction, HOP(date_time, {HOPS})
        ) AS ab JOIN (
            SELECT max(cb.num) AS maxn, cb.starttime, cb.endtime FROM (
                SELECT count(*) AS num, HOP_START(date_time, {HOPS}) AS starttime,
                       HOP_END(date_time, {HOPS}) AS endtime
                FROM bid GROUP BY auction, HOP(date_time, {HOPS})
            ) AS cb GROUP BY cb.starttime, cb.endtime
        ) AS mb ON ab.starttime = mb.starttime AND ab.endtime = mb.endtime AND ab.num >= mb.maxn""",
    "q7": f"""
        SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
        FROM bid AS b JOIN (
            SELECT max(price) AS maxprice, TUMBLE_END(date_time, {SIZE}) AS date_time
            FROM bid GROUP BY TUMBLE(date_time, {SIZE})
        ) AS b1 ON b.price = b1.maxprice
        WHERE b.date_time BETWEEN b1.date_time - {SIZE} AND b1.date_time""",
    "q8": f"""
        SELECT p.id, p.name, p.starttime FROM (
            SELECT id, name, TUMBLE_START(date_time, {SIZE}) AS starttime, TUMBLE_END(date_time, {SIZE}) AS endtime
            FROM person GROUP BY id, name, TUMBLE(date_time, {SIZE})
        ) AS p JOIN (
            SELECT seller, TUMBLE_START(date_time, {SIZE}) AS starttime, TUMBLE_END(date_time, {SIZE}) AS endtime
            FROM auction GROUP BY seller, TUMBLE(date_time, {SIZE})
        ) AS a ON p.id = a.seller AND p.starttime = a.starttime AND p.endtime = a.endtime""",
    "q11": f"""
        SELECT bidder, count(*) AS bid_count, SESSION_START(date_time, {SIZE}) AS starttime,
               SESSION_END(date_time, {SIZE}) AS endtime
        FROM bid GROUP BY bidder, SESSION(date_time, {SIZE})""",
}


def positional(text: str) -> str:
    """The same query with windows as RisingWave writes them; sizes are already in its order."""
    return re.sub(
        r"TABLE\((\w+)\(TABLE (\w+)( PARTITION BY \w+)?, DESCRIPTOR\((\w+)\), ([^)]*)\)\)",
        r"\1(\2\3, \4, \5)",
        text,
    )


@pytest.mark.parametrize("emit", ["", "EMIT ON WINDOW CLOSE"])
@pytest.mark.parametrize("name", GROUPING)
def test_every_spelling_of_a_query_gives_the_same_view(name: str, emit: str) -> None:
    texts = {"table": TABLE_FUNCTION[name], "position": positional(TABLE_FUNCTION[name]), "grouping": GROUPING[name]}
    assert len(set(texts.values())) == 3 and "DESCRIPTOR" not in texts["position"]
    with sqlengine.connect(clock=VirtualClock(0)) as db:
        declare(db)
        for spelling, text in texts.items():
            db.execute(f"CREATE MATERIALIZED VIEW {spelling}_view AS {text} {emit}")
            assert "maintained incrementally" in str(db.execute(f"EXPLAIN {spelling}_view").fetchall()), spelling
        feed(db, 6_000, 500)
        expected = rows(db, "SELECT * FROM table_view")
        assert expected and (emit or expected == rows(db, texts["table"]))
        for spelling in texts:
            assert rows(db, f"SELECT * FROM {spelling}_view") == expected, spelling
