"""The NEXMark queries as users of Flink (q0 to q23) and RisingWave (q101 to q106) write them.

Only what names the source differs: columns are spelt date_time and so on, rankings break ties, q14 counts characters
without a function of its own.  `duckdb` is the same for DuckDB over the whole input at once, where the text would not
do or a quicker one exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Query:
    """`sql` runs as a materialized view here; `duckdb` answers once over tables bid, auction, person, None when the
    engine's own rendering of `sql` for DuckDB does."""

    name: str
    sql: str
    duckdb: str | None
    reads: tuple[str, ...]


WON = """
        SELECT a.id, a.seller, a.category, b.price, b.date_time, row_number() OVER (
            PARTITION BY a.id ORDER BY b.price DESC, b.date_time, b.bidder) AS place
        FROM auction AS a, bid AS b
        WHERE a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires"""
"""Each auction's bids while it was open, the winning one first."""

RANKS = """
               count(*) AS total_bids,
               count(*) FILTER (WHERE price < 10000) AS rank1_bids,
               count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
               count(*) FILTER (WHERE price >= 1000000) AS rank3_bids"""
DISTINCTS = """
               count(DISTINCT bidder) AS total_bidders,
               count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
               count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
               count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
               count(DISTINCT auction) AS total_auctions,
               count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
               count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
               count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions"""

QUERIES = (
    Query("q0", "SELECT auction, bidder, price, date_time, extra FROM bid", None, ("bid",)),
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
        "q3",
        """
        SELECT p.name, p.city, p.state, a.id FROM auction AS a JOIN person AS p ON a.seller = p.id
        WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')""",
        None,
        ("auction", "person"),
    ),
    Query(
        "q4",
        """
        SELECT q.category, avg(q.final) AS price FROM (
            SELECT max(b.price) AS final, a.category FROM auction AS a, bid AS b
            WHERE a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires
            GROUP BY a.id, a.category
        ) AS q GROUP BY q.category""",
        None,
        ("auction", "bid"),
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
        "q6",
        f"""
        SELECT q.seller, avg(q.price) OVER (
            PARTITION BY q.seller ORDER BY q.date_time, q.id ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS price
        FROM ({WON}) AS q WHERE q.place <= 1""",
        None,
        ("auction", "bid"),
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
        "q9",
        """
        SELECT id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra,
               auction, bidder, price, bid_date_time, bid_extra
        FROM (
            SELECT a.*, b.auction, b.bidder, b.price, b.date_time AS bid_date_time, b.extra AS bid_extra,
                   row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time ASC, b.bidder) AS rownum
            FROM auction AS a, bid AS b
            WHERE a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires
        ) AS q WHERE rownum <= 1""",
        None,
        ("auction", "bid"),
    ),
    Query(
        "q10",
        """
        SELECT auction, bidder, price, date_time, extra, DATE_FORMAT(date_time, 'yyyy-MM-dd') AS dt,
               DATE_FORMAT(date_time, 'HH:mm') AS hm
        FROM bid""",
        None,
        ("bid",),
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
    Query(
        "q14",
        """
        SELECT auction, bidder, 0.908 * price AS price,
               CASE WHEN HOUR(date_time) >= 8 AND HOUR(date_time) <= 18 THEN 'dayTime'
                    WHEN HOUR(date_time) <= 6 OR HOUR(date_time) >= 20 THEN 'nightTime'
                    ELSE 'otherTime' END AS bid_time_type,
               date_time, extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts
        FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000""",
        None,
        ("bid",),
    ),
    Query(
        "q15",
        f"""
        SELECT DATE_FORMAT(date_time, 'yyyy-MM-dd') AS day,{RANKS},{DISTINCTS}
        FROM bid GROUP BY DATE_FORMAT(date_time, 'yyyy-MM-dd')""",
        None,
        ("bid",),
    ),
    Query(
        "q16",
        f"""
        SELECT channel, DATE_FORMAT(date_time, 'yyyy-MM-dd') AS day, max(DATE_FORMAT(date_time, 'HH:mm')) AS minute,
               {RANKS},{DISTINCTS}
        FROM bid GROUP BY channel, DATE_FORMAT(date_time, 'yyyy-MM-dd')""",
        None,
        ("bid",),
    ),
    Query(
        "q17",
        f"""
        SELECT auction, DATE_FORMAT(date_time, 'yyyy-MM-dd') AS day,{RANKS},
               min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price, sum(price) AS sum_price
        FROM bid GROUP BY auction, DATE_FORMAT(date_time, 'yyyy-MM-dd')""",
        None,
        ("bid",),
    ),
    Query(
        "q18",
        """
        SELECT auction, bidder, price, channel, url, date_time, extra FROM (
            SELECT *, row_number() OVER (
                PARTITION BY bidder, auction ORDER BY date_time DESC, price, url, extra) AS rank_number
            FROM bid
        ) AS q WHERE rank_number <= 1""",
        None,
        ("bid",),
    ),
    Query(
        "q19",
        """
        SELECT * FROM (
            SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, date_time, extra) AS rank_number
            FROM bid
        ) AS q WHERE rank_number <= 10""",
        None,
        ("bid",),
    ),
    Query(
        "q20",
        """
        SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time AS bid_date_time, b.extra AS bid_extra,
               a.item_name, a.description, a.initial_bid, a.reserve, a.date_time AS auction_date_time, a.expires,
               a.seller, a.category, a.extra AS auction_extra
        FROM bid AS b INNER JOIN auction AS a ON b.auction = a.id WHERE a.category = 10""",
        None,
        ("auction", "bid"),
    ),
    Query(
        "q21",
        r"""
        SELECT auction, bidder, price, channel,
               CASE WHEN lower(channel) = 'apple' THEN '0'
                    WHEN lower(channel) = 'google' THEN '1'
                    WHEN lower(channel) = 'facebook' THEN '2'
                    WHEN lower(channel) = 'baidu' THEN '3'
                    ELSE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id
        FROM bid
        WHERE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) IS NOT NULL
           OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu')""",
        None,
        ("bid",),
    ),
    Query(
        "q22",
        """
        SELECT auction, bidder, price, channel, SPLIT_INDEX(url, '/', 3) AS dir1, SPLIT_INDEX(url, '/', 4) AS dir2,
               SPLIT_INDEX(url, '/', 5) AS dir3
        FROM bid""",
        None,
        ("bid",),
    ),
    Query(
        "q23",
        """
        SELECT b.auction, b.bidder, b.price, b.url, a.item_name, a.category, a.seller, p.name, p.city, p.state
        FROM bid AS b JOIN auction AS a ON b.auction = a.id JOIN person AS p ON b.bidder = p.id""",
        None,
        ("auction", "bid", "person"),
    ),
    Query(
        "q101",
        """
        SELECT a.id AS auction_id, a.item_name AS auction_item_name, b.max_price AS current_highest_bid
        FROM auction AS a LEFT OUTER JOIN (
            SELECT b1.auction, max(b1.price) AS max_price FROM bid AS b1 GROUP BY b1.auction
        ) AS b ON a.id = b.auction""",
        None,
        ("auction", "bid"),
    ),
    Query(
        "q102",
        """
        SELECT a.id AS auction_id, a.item_name AS auction_item_name, count(b.auction) AS bid_count
        FROM auction AS a JOIN bid AS b ON a.id = b.auction
        GROUP BY a.id, a.item_name
        HAVING count(b.auction) >= (SELECT count(*) / count(DISTINCT auction) FROM bid)""",
        None,
        ("auction", "bid"),
    ),
    Query(
        "q103",
        """
        SELECT a.id AS auction_id, a.item_name AS auction_item_name FROM auction AS a
        WHERE a.id IN (SELECT b.auction FROM bid AS b GROUP BY b.auction HAVING count(*) >= 20)""",
        None,
        ("auction", "bid"),
    ),
    Query(
        "q104",
        """
        SELECT a.id AS auction_id, a.item_name AS auction_item_name FROM auction AS a
        WHERE a.id NOT IN (SELECT b.auction FROM bid AS b GROUP BY b.auction HAVING count(*) < 20)""",
        None,
        ("auction", "bid"),
    ),
    Query(
        "q105",
        """
        SELECT a.id AS auction_id, a.item_name AS auction_item_name, count(b.auction) AS bid_count
        FROM auction AS a JOIN bid AS b ON a.id = b.auction
        GROUP BY a.id, a.item_name ORDER BY bid_count DESC, auction_id LIMIT 1000""",
        None,
        ("auction", "bid"),
    ),
    Query(
        "q106",
        """
        SELECT min(final) AS min_final FROM (
            SELECT a.id, max(b.price) AS final FROM auction AS a, bid AS b
            WHERE a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires GROUP BY a.id
        ) AS q""",
        None,
        ("auction", "bid"),
    ),
)

CLOSING: dict[str, str] = {
    "hop": "SELECT auction, count(*) AS n, window_start, window_end FROM TABLE(HOP(TABLE bid, DESCRIPTOR(date_time),"
    " INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end",
    "tumble": "SELECT max(price) AS best, window_start, window_end FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(date_time),"
    " INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    "session": "SELECT bidder, count(*) AS n, window_start, window_end FROM TABLE(SESSION(TABLE bid PARTITION BY"
    " bidder, DESCRIPTOR(date_time), INTERVAL '2' SECOND)) GROUP BY bidder, window_start, window_end",
}
"""The windows of q5, q7 and q11 by themselves, for views that show each once, when it closes."""
DELAY = timedelta(seconds=4)
"""How far the watermark is behind the latest bid."""


def closed(name: str, latest: datetime) -> str:
    """The query of the windows of CLOSING that are closed when `latest` is the time of the latest bid."""
    return f"SELECT * FROM ({CLOSING[name]}) AS q WHERE window_end <= TIMESTAMP '{latest - DELAY}'"
