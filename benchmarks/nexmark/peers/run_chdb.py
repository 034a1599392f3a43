"""chDB with materialized views that are triggered by inserts: no retraction, no closing of windows.

The view keeps aggregate states (or the newest row) by key, which merges of its table put together; reading it finishes
the answer.  q5, q7 and q19 read from such states what their joins and ranks would give.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nexmark.peers.peer import columns, main

BATCH_ROWS = 65_536
SMALL, MIDDLE, LARGE = "price < 10000", "price >= 10000 AND price < 1000000", "price >= 1000000"
COUNTS = "countState() AS n, " + ", ".join(
    f"countIfState({where}) AS n{i}" for i, where in enumerate((SMALL, MIDDLE, LARGE))
)
DISTINCTS = ", ".join(
    f"uniqExactState({column}) AS {column}s, "
    + ", ".join(
        f"uniqExactIfState({column}, {where}) AS {column}s{i}" for i, where in enumerate((SMALL, MIDDLE, LARGE))
    )
    for column in ("bidder", "auction")
)
READ_COUNTS = "countMerge(n), " + ", ".join(f"countIfMerge(n{i})" for i in range(3))
READ_DISTINCTS = ", ".join(
    f"uniqExactMerge({column}s), " + ", ".join(f"uniqExactIfMerge({column}s{i})" for i in range(3))
    for column in ("bidder", "auction")
)


@dataclass(frozen=True, slots=True)
class View:
    """`engine` and `text` of the view triggered by inserts into bid; `read` finishes the answer."""

    engine: str
    text: str
    read: str = "SELECT count() FROM answer"


def by(key: str) -> str:
    """A table that merges aggregate states of a key."""
    return f"AggregatingMergeTree ORDER BY ({key})"


VIEWS = {
    "q0": View("Memory", "SELECT auction, bidder, price, date_time, extra FROM bid"),
    "q1": View("Memory", "SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM bid"),
    "q2": View("Memory", "SELECT auction, price FROM bid WHERE auction % 123 = 0"),
    "q5": View(
        "SummingMergeTree ORDER BY (pane, auction)",
        "SELECT intDiv(toUnixTimestamp64Micro(date_time), 2000000) AS pane, auction, count() AS n FROM bid"
        " GROUP BY pane, auction",
        "SELECT count() FROM (SELECT auction, num, max(num) OVER (PARTITION BY starttime) AS best FROM ("
        " SELECT pane - w AS starttime, auction, sum(n) AS num FROM answer ARRAY JOIN range(5) AS w"
        " GROUP BY starttime, auction)) WHERE num = best",
    ),
    "q7": View(
        by("w"),
        "SELECT intDiv(toUnixTimestamp64Micro(date_time), 10000000) AS w,"
        " argMaxState((auction, bidder, date_time, extra), price) AS best, maxState(price) AS highest"
        " FROM bid GROUP BY w",
        "SELECT count() FROM (SELECT w, argMaxMerge(best), maxMerge(highest) FROM answer GROUP BY w)",
    ),
    "q15": View(
        by("day"),
        f"SELECT toDate(date_time) AS day, {COUNTS}, {DISTINCTS} FROM bid GROUP BY day",
        f"SELECT count() FROM (SELECT day, {READ_COUNTS}, {READ_DISTINCTS} FROM answer GROUP BY day)",
    ),
    "q16": View(
        by("channel, day"),
        "SELECT channel, toDate(date_time) AS day, maxState(formatDateTime(date_time, '%H:%i')) AS minute,"
        f" {COUNTS}, {DISTINCTS} FROM bid GROUP BY channel, day",
        f"SELECT count() FROM (SELECT channel, day, maxMerge(minute), {READ_COUNTS}, {READ_DISTINCTS} FROM answer"
        " GROUP BY channel, day)",
    ),
    "q17": View(
        by("auction, day"),
        f"SELECT auction, toDate(date_time) AS day, {COUNTS}, minState(price) AS least, maxState(price) AS most,"
        " avgState(price) AS mean, sumState(price) AS total FROM bid GROUP BY auction, day",
        f"SELECT count() FROM (SELECT auction, day, {READ_COUNTS}, minMerge(least), maxMerge(most), avgMerge(mean),"
        " sumMerge(total) FROM answer GROUP BY auction, day)",
    ),
    "q18": View(
        "ReplacingMergeTree(date_time) ORDER BY (bidder, auction)",
        "SELECT auction, bidder, price, channel, url, date_time, extra FROM bid",
        "SELECT count() FROM (SELECT * FROM answer FINAL)",
    ),
    "q19": View(
        by("auction"),
        "SELECT auction, groupArraySortedState(10)((-price, date_time, extra, bidder, channel, url)) AS best FROM bid"
        " GROUP BY auction",
        "SELECT sum(length(top)) FROM (SELECT auction, groupArraySortedMerge(10)(best) AS top FROM answer"
        " GROUP BY auction)",
    ),
    "q22": View(
        "Memory",
        "SELECT auction, bidder, price, channel, splitByChar('/', url)[4] AS dir1, splitByChar('/', url)[5] AS dir2,"
        " splitByChar('/', url)[6] AS dir3 FROM bid",
    ),
}


def run(folder: Path, query: str, _: str) -> tuple[float, int]:
    """From the first insert to the end of the read."""
    from chdb.session import Session  # in this process: it may not be installed

    view = VIEWS[query]
    threads = os.environ.get("NEXMARK_THREADS", "1")
    with tempfile.TemporaryDirectory() as path:
        session = Session(path)
        for setting, value in {"max_threads": threads, "max_block_size": BATCH_ROWS}.items():
            session.query(f"SET {setting} = {value}")
        session.query("CREATE DATABASE nexmark")
        session.query("USE nexmark")
        session.query(f"CREATE TABLE bid ({columns('bid', 'String', 'DateTime64(6)')}) ENGINE = Null")
        session.query(f"CREATE MATERIALIZED VIEW answer ENGINE = {view.engine} AS {view.text}")
        started = time.perf_counter()
        session.query(f"INSERT INTO bid SELECT * FROM file('{folder / 'bid.parquet'}', Parquet)")
        rows = int(str(session.query(view.read, "CSV")))
        seconds = time.perf_counter() - started
        session.close()
    return seconds, rows


if __name__ == "__main__":
    main("chdb", {name: view.text for name, view in VIEWS.items()}, run)
