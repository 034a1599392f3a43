"""What other sessions wait while a view is made, and made anew, over a long history.

    python benchmarks/backfill/bench_backfill.py [--rows 5000000] [--groups 1000000]

One thread makes a view grouped by a key over the rows and replaces it by another definition.  Meanwhile a second
session inserts a row into the same stream, and a third reads a small view over it (strict: it waits for a tick), each
50 times a second; both are timed, and timed also for a while when nothing is made.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

import sqlengine
from benchmarks.side_by_side import report
from sqlengine.api.database import Database

PAUSE_S = 0.02
QUIET_S = 5.0
MAKE = "CREATE OR REPLACE MATERIALIZED VIEW made AS SELECT k, count(*) AS n, {} AS x FROM e GROUP BY k"


def loaded(rows: int, groups: int) -> Database:
    """A database with the history and a small view over it."""
    db = sqlengine.connect()
    db.execute("CREATE STREAM e (k BIGINT, v BIGINT)")
    rng = np.random.default_rng(1)
    for first in range(0, rows, 500_000):
        count = min(500_000, rows - first)
        db.insert("e", pa.table({"k": rng.integers(0, groups, count), "v": rng.integers(0, 1000, count)}))
    db.execute("CREATE MATERIALIZED VIEW small AS SELECT count(*) AS n FROM e WHERE v < 0")
    return db


def waits(db: Database, work: Callable[[], object]) -> tuple[float, dict[str, np.ndarray]]:
    """(seconds `work` took, milliseconds each INSERT and SELECT of other sessions took meanwhile)."""
    over = threading.Event()
    found: dict[str, list[float]] = {"INSERT": [], "SELECT": []}

    def repeat(name: str, statement: str) -> None:
        cursor = db.cursor()
        while not over.is_set():
            began = time.perf_counter()
            cursor.execute(statement)
            found[name].append((time.perf_counter() - began) * 1000)
            over.wait(PAUSE_S)

    threads = [
        threading.Thread(target=repeat, args=("INSERT", "INSERT INTO e VALUES (1, 1)")),
        threading.Thread(target=repeat, args=("SELECT", "SELECT * FROM small")),
    ]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    over.set()
    for thread in threads:
        thread.join()
    return seconds, {name: np.array(times) for name, times in found.items()}


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--groups", type=int, default=1_000_000)
    options = parser.parse_args()
    with loaded(options.rows, options.groups) as db:
        for what, work in (
            ("nothing", lambda: time.sleep(QUIET_S)),
            ("CREATE", lambda: db.execute(MAKE.format("sum(v)"))),
            ("REPLACE", lambda: db.execute(MAKE.format("max(v)"))),
        ):
            seconds, found = waits(db, work)
            for name, times in found.items():
                report(f"{what}: {name} beside it, p50", "sqlengine", float(np.median(times)), "ms")
                report(f"{what}: {name} beside it, p99", "sqlengine", float(np.quantile(times, 0.99)), "ms")
                report(f"{what}: {name} beside it, max", "sqlengine", float(times.max()), "ms")
            report(f"{what}: took", "sqlengine", seconds, "s")


if __name__ == "__main__":
    main()
