"""DataFusion, answering once over Arrow tables: a second batch engine beside DuckDB."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.nexmark.peers.peer import READS, STANDARD, main

WINDOW = "date_bin(INTERVAL '10 seconds', date_time)"
DAY = "to_char(date_time, '%Y-%m-%d')"
PARTS = {"DATE_FORMAT(date_time, 'yyyy-MM-dd')": DAY, "DATE_FORMAT(date_time, 'HH:mm')": "to_char(date_time, '%H:%M')"}


def rendered(text: str) -> str:
    """Our text with DataFusion's words for the parts of a time."""
    for ours, theirs in PARTS.items():
        text = text.replace(ours, theirs)
    return text


SAME = ("q0", "q1", "q3", "q4", "q9", "q15", "q16", "q17", "q18", "q19", "q20")
TEXTS = {name: rendered(STANDARD[name]) for name in SAME} | {
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q5": """
        WITH pane AS (
            SELECT auction, CAST(date_time AS BIGINT) / 2000000 AS pane, count(*) AS n FROM bid GROUP BY 1, 2
        ), counts AS (
            SELECT auction, pane - w AS starttime, sum(n) AS num
            FROM pane CROSS JOIN (VALUES (0), (1), (2), (3), (4)) AS r (w) GROUP BY 1, 2
        ), best AS (SELECT starttime, max(num) AS maxn FROM counts GROUP BY 1)
        SELECT auction, num FROM counts JOIN best USING (starttime) WHERE num >= maxn""",
    "q7": f"""
        SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
        FROM bid AS b JOIN (
            SELECT max(price) AS maxprice, {WINDOW} + INTERVAL '10 seconds' AS endtime FROM bid GROUP BY 2
        ) AS b1 ON b.price = b1.maxprice
        WHERE b.date_time BETWEEN b1.endtime - INTERVAL '10 seconds' AND b1.endtime""",
    "q8": f"""
        SELECT p.id, p.name, p.starttime FROM (SELECT DISTINCT id, name, {WINDOW} AS starttime FROM person) AS p
        JOIN (SELECT DISTINCT seller, {WINDOW} AS starttime FROM auction) AS a
          ON p.id = a.seller AND p.starttime = a.starttime""",
    "q11": """
        WITH marked AS (
            SELECT bidder, date_time, CASE WHEN date_time - lag(date_time) OVER (
                PARTITION BY bidder ORDER BY date_time) < INTERVAL '10 seconds' THEN 0 ELSE 1 END AS opens
            FROM bid
        ), numbered AS (
            SELECT bidder, date_time,
                   sum(opens) OVER (PARTITION BY bidder ORDER BY date_time ROWS UNBOUNDED PRECEDING) AS session
            FROM marked
        )
        SELECT bidder, count(*) AS bid_count, min(date_time) AS starttime FROM numbered GROUP BY bidder, session""",
    "q22": "SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2,"
    " split_part(url, '/', 6) AS dir3 FROM bid",
}


def run(folder: Path, query: str, text: str) -> tuple[float, int]:
    """One answer, to Arrow."""
    import pyarrow.parquet as pq
    from datafusion import SessionConfig, SessionContext  # in this process: it may not be installed

    threads = int(os.environ.get("NEXMARK_THREADS", "1"))
    context = SessionContext(SessionConfig().with_target_partitions(threads))
    for table in READS[query]:
        context.register_record_batches(table, [pq.read_table(folder / f"{table}.parquet").to_batches()])
    started = time.perf_counter()
    answer = context.sql(text).collect()
    return time.perf_counter() - started, sum(batch.num_rows for batch in answer)


if __name__ == "__main__":
    main("datafusion", TEXTS, run)
