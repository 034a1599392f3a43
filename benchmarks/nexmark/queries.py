"""The NEXMark queries as users of Flink write them, and the same for DuckDB over the whole input at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """`sql` runs as a materialized view here; `duckdb` answers once over tables bid, auction, person."""

    name: str
    sql: str
    duckdb: str
    reads: tuple[str, ...]


QUERIES = (
    Query(
        "q1",
        "SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM bid",
        "SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM bid",
        ("bid",),
    ),
    Query(
        "q2",
        "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
        "SELECT auction, price FROM bid WHERE auction % 123 = 0",
        ("bid",),
    ),
    Query(
        "q5",
        """
        SELECT ab.auction, ab.num FROM (
            SELECT auction, count(*) AS num, window_start AS starttime, window_end AS endtime
            FROM TABLE(HOP(TABLE bid, DESCRIPTOR(date_time), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
            GROUP BY auction, window_start, window_end
        ) AS ab JOIN (
            SELECT max(cb.num) AS maxn, cb.starttime, cb.endtime FROM (
                SELECT count(*) AS num, window_start AS starttime, window_end AS endtime
                FROM TABLE(HOP(TABLE bid, DESCRIPTOR(date_time), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
                GROUP BY auction, window_start, window_end
            ) AS cb GROUP BY cb.starttime, cb.endtime
        ) AS mb ON ab.starttime = mb.starttime AND ab.endtime = mb.endtime AND ab.num >= mb.maxn""",
        """
        WITH pane AS (SELECT auction, epoch_us(date_time) // 2000000 AS pane, count(*) AS n FROM bid GROUP BY ALL),
        counts AS (
            SELECT auction, pane - w AS start, sum(n)::BIGINT AS num FROM pane, range(5) AS r(w) GROUP BY ALL
        ),
        best AS (SELECT start, max(num) AS maxn FROM counts GROUP BY start)
        SELECT auction, num FROM counts JOIN best USING (start) WHERE num >= maxn""",
        ("bid",),
    ),
    Query(
        "q7",
        """
        SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
        FROM bid AS b JOIN (
            SELECT max(price) AS maxprice, window_end AS date_time
            FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(date_time), INTERVAL '10' SECOND))
            GROUP BY window_start, window_end
        ) AS b1 ON b.price = b1.maxprice
        WHERE b.date_time BETWEEN b1.date_time - INTERVAL '10' SECOND AND b1.date_time""",
        """
        SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
        FROM bid AS b JOIN (
            SELECT max(price) AS maxprice, make_timestamp((epoch_us(date_time) // 10000000 + 1) * 10000000) AS date_time
            FROM bid GROUP BY 2
        ) AS b1 ON b.price = b1.maxprice
        WHERE b.date_time BETWEEN b1.date_time - INTERVAL '10 seconds' AND b1.date_time""",
        ("bid",),
    ),
    Query(
        "q8",
        """
        SELECT p.id, p.name, p.starttime FROM (
            SELECT id, name, window_start AS starttime, window_end AS endtime
            FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(date_time), INTERVAL '10' SECOND))
            GROUP BY id, name, window_start, window_end
        ) AS p JOIN (
            SELECT seller, window_start AS starttime, window_end AS endtime
            FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(date_time), INTERVAL '10' SECOND))
            GROUP BY seller, window_start, window_end
        ) AS a ON p.id = a.seller AND p.starttime = a.starttime AND p.endtime = a.endtime""",
        """
        SELECT p.id, p.name, make_timestamp(p.w * 10000000) AS starttime FROM (
            SELECT DISTINCT id, name, epoch_us(date_time) // 10000000 AS w FROM person
        ) AS p JOIN (
            SELECT DISTINCT seller, epoch_us(date_time) // 10000000 AS w FROM auction
        ) AS a ON p.id = a.seller AND p.w = a.w""",
        ("person", "auction"),
    ),
    Query(
        "q11",
        """
        SELECT bidder, count(*) AS bid_count, window_start AS starttime, window_end AS endtime
        FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(date_time), INTERVAL '10' SECOND))
        GROUP BY bidder, window_start, window_end""",
        """
        WITH marked AS (
            SELECT bidder, date_time,
                   date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time) >= INTERVAL '10 seconds'
                       AS opens
            FROM bid
        ), numbered AS (
            SELECT bidder, date_time,
                   sum(coalesce(opens, true)::INT)
                       OVER (PARTITION BY bidder ORDER BY date_time ROWS UNBOUNDED PRECEDING) AS session
            FROM marked
        )
        SELECT bidder, count(*) AS bid_count, min(date_time) AS starttime,
               max(date_time) + INTERVAL '10 seconds' AS endtime
        FROM numbered GROUP BY bidder, session""",
        ("bid",),
    ),
)
