"""clink (pyclink) reading Parquet into its blackhole sink; q5, q7, q16 and q17 in the reduced form its SQL allows."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.nexmark.peers.peer import READS, columns, main

SIZE = "INTERVAL '10' SECOND"
HOP = f"{SIZE}, INTERVAL '2' SECOND"
BID = "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, date_time BIGINT, extra VARCHAR"
SINKS = {
    "q0": "auction BIGINT, bidder BIGINT, price BIGINT, date_time BIGINT, extra VARCHAR",
    "q1": "auction BIGINT, bidder BIGINT, price DOUBLE, date_time BIGINT, extra VARCHAR",
    "q2": "auction BIGINT, price BIGINT",
    "q3": "name VARCHAR, city VARCHAR, state VARCHAR, id BIGINT",
    "q4": "category BIGINT, price DOUBLE",
    "q5": "starttime BIGINT, auction BIGINT, num BIGINT",
    "q7": "price BIGINT, bidder BIGINT",
    "q8": "id BIGINT, name VARCHAR, starttime BIGINT",
    "q11": "bidder BIGINT, bid_count BIGINT",
    "q16": "channel VARCHAR, total_bids BIGINT, total_bidders BIGINT",
    "q17": "auction BIGINT, n BIGINT, least BIGINT, most BIGINT, mean DOUBLE, total BIGINT",
    "q18": BID,
    "q19": BID,
    "q20": "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, bid_extra VARCHAR,"
    " item_name VARCHAR, description VARCHAR, seller BIGINT, category BIGINT, auction_extra VARCHAR",
    "q22": "auction BIGINT, bidder BIGINT, price BIGINT, dir1 VARCHAR, dir2 VARCHAR, dir3 VARCHAR",
}
TEXTS = {
    "q0": "SELECT auction, bidder, price, date_time, extra FROM bid",
    "q1": "SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
    "q3": "SELECT P.name, P.city, P.state, A.id FROM auction AS A JOIN person AS P ON A.seller = P.id"
    " WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA')",
    "q4": "SELECT Q.category AS category, AVG(Q.final) AS price FROM ("
    " SELECT MAX(B.price) AS final, A.category AS category, A.id AS id FROM auction AS A JOIN bid AS B"
    " ON A.id = B.auction WHERE B.date_time BETWEEN A.date_time AND A.expires GROUP BY A.id, A.category"
    " ) AS Q GROUP BY Q.category",
    "q5": "SELECT starttime, auction, num FROM ("
    " SELECT *, ROW_NUMBER() OVER (PARTITION BY starttime ORDER BY num DESC, auction ASC) AS place FROM ("
    f" SELECT auction, COUNT(*) AS num, window_start AS starttime FROM bid GROUP BY HOP(date_time, {HOP}), auction"
    " ) AS W ) AS R WHERE place <= 1",
    "q7": f"SELECT MAX(price) AS price, MIN(bidder) AS bidder FROM bid GROUP BY TUMBLE(date_time, {SIZE})",
    "q8": "SELECT P_id AS id, P_name AS name, P_starttime AS starttime FROM ("
    " SELECT id, name, COUNT(*) AS n, window_start AS starttime, window_end AS endtime FROM person"
    f" GROUP BY TUMBLE(date_time, {SIZE}), id, name ) AS P JOIN ("
    " SELECT seller, COUNT(*) AS m, window_start AS begins, window_end AS ends FROM auction"
    f" GROUP BY TUMBLE(date_time, {SIZE}), seller ) AS A ON P.id = A.seller"
    " WHERE P_starttime = A_begins AND P_endtime = A_ends",
    "q11": f"SELECT bidder, COUNT(*) AS bid_count FROM bid GROUP BY SESSION(date_time, {SIZE}), bidder",
    "q16": "SELECT channel, COUNT(*) AS total_bids, COUNT(DISTINCT bidder) AS total_bidders FROM bid"
    f" GROUP BY TUMBLE(date_time, {SIZE}), channel",
    "q17": "SELECT auction, COUNT(*) AS n, MIN(price) AS least, MAX(price) AS most, AVG(price) AS mean,"
    " SUM(price) AS total FROM bid GROUP BY auction",
    "q18": "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction"
    " ORDER BY date_time DESC, price ASC, url ASC) AS place FROM bid) AS R WHERE place = 1",
    "q19": "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction"
    " ORDER BY price DESC, date_time ASC, extra ASC) AS place FROM bid) AS R WHERE place <= 10",
    "q20": "SELECT B.auction AS auction, B.bidder AS bidder, B.price AS price, B.channel AS channel, B.url AS url,"
    " B.extra AS bid_extra, A.item_name AS item_name, A.description AS description, A.seller AS seller,"
    " A.category AS category, A.extra AS auction_extra"
    " FROM bid AS B JOIN auction AS A ON B.auction = A.id WHERE A.category = 10",
    "q22": "SELECT auction, bidder, price, SPLIT_INDEX(url, '/', 3) AS dir1, SPLIT_INDEX(url, '/', 4) AS dir2,"
    " SPLIT_INDEX(url, '/', 5) AS dir3 FROM bid",
}


def run(folder: Path, query: str, text: str) -> tuple[float, None]:
    """From opening the engine to the end of the job."""
    import pyclink  # in this process: it may not be installed

    script = ""
    for table in READS[query]:
        path = folder / "millis" / f"{table}.parquet"
        script += (
            f"CREATE TABLE {table} ({columns(table, 'VARCHAR', 'BIGINT')}) WITH (connector = 'parquet',"
            f" format = 'json', path = '{path}', event_time_column = 'date_time', watermark_lag_ms = '4000');\n"
        )
    script += f"CREATE TABLE answer ({SINKS[query]}) WITH (connector = 'blackhole');\nINSERT INTO answer {text};"
    started = time.perf_counter()
    with pyclink.Engine(parallelism=int(os.environ.get("NEXMARK_THREADS", "1"))) as engine:
        engine.execute(script)
        engine.await_all()
    return time.perf_counter() - started, None


if __name__ == "__main__":
    main("pyclink", TEXTS, run)
