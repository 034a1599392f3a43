"""What checkpoints cost: how long ticks wait for them, what they write, how soon a killed database answers.

    python benchmarks/checkpoint/bench_checkpoint.py [--keys 10000000] [--view NAME]

A view keeps (`groups`) a count, a sum and a maximum for each of so many keys, or (`over`) the same up to each row,
(`rows`) with all their rows kept, (`lists`) all values of a thousand keys as a list, (`asof`) rows beside the last ones
before them, (`recent`) rows until they are too old.

A checkpoint is written beside one INSERT after the other (a tick each): of everything, of a hundredth changed, of a few
rows changed.  Then the process lets go of the database as if it were killed, and another one opens it and asks; then
a hundredth changes again.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

import sqlengine
from benchmarks.side_by_side import report
from sqlengine.api.database import Database

BATCH = 1_000_000
PAUSE_S = 0.002
VIEWS = {
    "groups": "SELECT k, count(*) AS c, sum(v) AS s, max(v) AS top FROM e GROUP BY k",
    "over": "SELECT k, v, count(*) OVER w AS c, sum(v) OVER w AS s, max(v) OVER w AS top FROM e "
    "WINDOW w AS (PARTITION BY k ORDER BY v)",
    "rows": "SELECT k, count(*) AS c, sum(v) AS s, last_value(v ORDER BY v) AS top FROM e GROUP BY k",
    "lists": "SELECT k / 1000 AS k, count(*) AS c, sum(v) AS s, max(v) AS top, array_agg(v ORDER BY v) AS list "
    "FROM e GROUP BY k / 1000",
    "asof": "SELECT a.k, 1 AS c, a.v AS s, b.v AS top FROM e AS a ASOF JOIN e AS b ON a.k = b.k AND a.v >= b.v",
    "recent": "SELECT k, 1 AS c, v AS s, v AS top FROM e WHERE TIMESTAMPTZ '2100-01-01' + v * INTERVAL '1 s' > now()",
}
ASKED = "SELECT count(*), sum(c), sum(s), sum(top) FROM m"


def insert(db: Database, keys: np.ndarray) -> None:
    """A row a key."""
    db.insert("e", pa.table({"k": keys, "v": np.arange(len(keys))}))
    db.execute("WAIT")


def one_checkpoint(db: Database) -> tuple[float, float, float, float]:
    """(seconds, longest hold of the lock in ms, bytes written, of bytes) of one that is written by itself."""
    newest = "SELECT number, extract(epoch FROM duration), extract(epoch FROM longest_hold) * 1000, bytes_written, "
    newest += "bytes_total FROM system.checkpoints ORDER BY number DESC LIMIT 1"
    before = db.execute(newest).fetchall()
    db.execute("SET checkpoint_interval_ms = 1")
    while (found := db.execute(newest).fetchall()) == before:
        time.sleep(0.02)
    db.execute("SET checkpoint_interval_ms = 0")
    return tuple(float(value) for value in found[0][1:])  # type: ignore[return-value]


def beside_inserts(db: Database) -> tuple[tuple[float, float, float, float], np.ndarray]:
    """A checkpoint, and milliseconds each INSERT with a look at a view took meanwhile."""
    over, times = threading.Event(), []

    def work() -> None:
        cursor = db.cursor()
        while not over.is_set():
            began = time.perf_counter()
            cursor.execute("INSERT INTO e VALUES (1, 1)")
            cursor.execute("SELECT * FROM few")
            times.append((time.perf_counter() - began) * 1000)
            over.wait(PAUSE_S)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    times.clear()
    figures = one_checkpoint(db)
    over.set()
    thread.join()
    return figures, np.array(times)


def told(case: str, value: float, unit: str, at_most: float | None = None) -> None:
    """A measurement; of a bar `at_most` the ratio says how far below it the value is."""
    ratio = None if at_most is None else at_most / max(value, 1e-9)
    report(case, "sqlengine", value, unit, ratio, None if ratio is None else 1.0)


def tell(what: str, db: Database, share: float | None = None) -> None:
    """Lines for a checkpoint; `share`: of all bytes it may write so much."""
    (seconds, hold, written, total), times = beside_inserts(db)
    told(f"{what}: longest hold of ticks", hold, "ms", 20)
    told(
        f"{what}: written of {total / 1e6:.0f} MB", written / 1e6, "MB", None if share is None else share * total / 1e6
    )
    told(f"{what}: took", seconds, "s")
    for name, value in (("p50", np.median(times)), ("p99", np.quantile(times, 0.99)), ("max", times.max())):
        told(f"{what}: INSERT and SELECT beside it, {name}", float(value), "ms")


def answer(path: str) -> None:
    """A new process opens what another has left."""
    began = time.perf_counter()
    db = sqlengine.connect(path, checkpoint_interval_ms=0)
    told("opened", time.perf_counter() - began, "s")
    db.execute(ASKED)
    told("opened and answered", time.perf_counter() - began, "s", 5)
    db.crash()


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--view", choices=VIEWS, default="groups")
    parser.add_argument("--answer", help="only open the database in this directory, and ask")
    given = parser.parse_args()
    if given.answer:
        answer(given.answer)
        return
    keys = given.keys
    folder = Path(tempfile.mkdtemp())
    chosen = np.random.default_rng(1).choice(keys, keys // 100, replace=False)
    try:
        db = sqlengine.connect(folder / "db", checkpoint_interval_ms=0)
        db.execute("CREATE STREAM e (k BIGINT, v BIGINT) WITH (durability = 'os')")
        db.execute(f"CREATE MATERIALIZED VIEW m AS {VIEWS[given.view]}")
        db.execute("CREATE MATERIALIZED VIEW few AS SELECT count(*) AS n FROM e WHERE v < 0")
        for first in range(0, keys, BATCH):
            insert(db, np.arange(first, min(keys, first + BATCH)))
        insert(db, chosen[:1])
        db.execute("SELECT * FROM m WHERE k = 1")
        tell("everything", db)
        insert(db, chosen)
        tell("a hundredth changed", db, 0.05)
        tell("a few rows changed", db, 0.05)
        db.crash()
        subprocess.run([sys.executable, __file__, "--answer", str(folder / "db")], check=True)
        db = sqlengine.connect(folder / "db", checkpoint_interval_ms=0)
        insert(db, chosen)
        tell("a hundredth changed after a restart", db, 0.05)
        db.crash()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
