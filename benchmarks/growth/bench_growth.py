"""Time per event while a stream grows to 50 million events, for windowed queries, and keyed state to 20 million keys.

    python benchmarks/growth/bench_growth.py [--events 50000000] [--keys 20000000]

Views are live: batches of 65,536 rows are appended one by one, and the tick that takes each in is timed.  Windowed
queries read 100,000 events a second of event time; the median time per event of the batches just behind one million
events is told next to that of the last four million.  Keyed queries are first filled with keys that are all different
and then updated at random keys, at one million keys and at all of them.  `ratio` is early over late.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

import sqlengine
from benchmarks.side_by_side import report
from sqlengine.api.database import Database

BATCH_ROWS = 65_536
BEGIN_US = 1_700_000_000_000_000
EVENT_US = 10
EARLY_EVENTS, SPAN_EVENTS = 1_000_000, 4_000_000
EARLY_KEYS, UPDATES = 1_000_000, 40
WINDOWED_BAR, KEYED_BAR = 1 / 1.2, 0.5

WINDOWED = {
    "hop count": "SELECT k, window_start, count(*) AS n FROM HOP(s, ts, INTERVAL '2 seconds', INTERVAL '10 seconds')"
    " GROUP BY k, window_start, window_end",
    "tumbling maximum": "SELECT k, window_start, max(v) AS best FROM TUMBLE(s, ts, INTERVAL '10 seconds')"
    " GROUP BY k, window_start, window_end",
    "tumbling sum on close": "SELECT k, window_start, sum(v) AS total FROM TUMBLE(s, ts, INTERVAL '10 seconds')"
    " GROUP BY k, window_start, window_end EMIT ON WINDOW CLOSE",
    "sessions on close": "SELECT k, window_start, window_end, count(*) AS n FROM SESSION(s PARTITION BY k, ts,"
    " INTERVAL '1 second') GROUP BY k, window_start, window_end EMIT ON WINDOW CLOSE",
}
KEYED = {
    "count and sum by key": "SELECT k, count(*) AS n, sum(v) AS total FROM s GROUP BY k",
    "last row by key": "SELECT k, v, ts FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY ts DESC) AS place"
    " FROM s) AS q WHERE place = 1",
}


class Live:
    """One view over a growing stream."""

    def __init__(self, db: Database, query: str) -> None:
        db.execute("SET threads = 1")
        db.execute("CREATE STREAM s (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (topic = 's')")
        db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        self.schema = db.execute("SELECT * FROM s LIMIT 0").schema
        self.log = db._instance.storage.topic("s").partitions[0]
        self.catch_up = db._instance.catch_up
        self.events = 0

    def take_in(self, keys: np.ndarray) -> float:
        """Append a batch of these keys; the nanoseconds per event of the tick."""
        n = len(keys)
        numbers = self.events + np.arange(n)
        stamps = pa.array(BEGIN_US + numbers * EVENT_US).cast(self.schema.field("ts").type)
        columns = [pa.array(keys), pa.array(numbers * 7919 % 10_007), stamps]
        self.log.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))
        self.events += n
        started = time.perf_counter_ns()
        self.catch_up()
        return (time.perf_counter_ns() - started) / n


def windowed(query: str, events: int) -> tuple[float, float]:
    """(early, late) nanoseconds per event of a windowed query over a thousand keys."""
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        live, taken = Live(db, query), []
        while live.events < events:
            taken.append(live.take_in(random.integers(0, 1000, BATCH_ROWS)))
        db.execute("DROP MATERIALIZED VIEW v")
    first, span = EARLY_EVENTS // BATCH_ROWS, SPAN_EVENTS // BATCH_ROWS
    return float(np.median(taken[first : first + span])), float(np.median(taken[-span:]))


def keyed(query: str, keys: int) -> tuple[float, float]:
    """(early, late) nanoseconds per event at random keys of a keyed query."""
    random = np.random.default_rng(1)
    found = []
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        live, filled = Live(db, query), 0
        for goal in (EARLY_KEYS, keys):
            for first in range(filled, goal, BATCH_ROWS):
                live.take_in(np.arange(first, min(goal, first + BATCH_ROWS)) * 2_654_435_761)
            filled = goal
            updates = [live.take_in(random.integers(0, goal, BATCH_ROWS) * 2_654_435_761) for _ in range(UPDATES)]
            found.append(float(np.median(updates)))
        db.execute("DROP MATERIALIZED VIEW v")
    return found[0], found[1]


def measure(
    queries: dict[str, str], run: Callable[[str, int], tuple[float, float]], size: int, unit: str, bar: float
) -> None:
    """Run the queries to a size; early and late time per event."""
    for name, query in queries.items():
        early, late = run(query, size)
        gc.collect()
        report(f"{name}, 1 M {unit}", "sqlengine", early, "ns/event")
        report(f"{name}, {size / 1e6:g} M {unit}", "sqlengine", late, "ns/event", early / late, bar)


def main() -> None:
    """Parse options, run windowed and keyed queries."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--keys", type=int, default=20_000_000)
    options = parser.parse_args()
    measure(WINDOWED, windowed, options.events, "events", WINDOWED_BAR)
    measure(KEYED, keyed, options.keys, "keys", KEYED_BAR)


if __name__ == "__main__":
    main()
