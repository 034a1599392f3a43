"""From an append to the change at a subscriber while 100,000 events a second come in; the cost of idle views.

    python benchmarks/latency/bench_latency.py [--rate 100000] [--seconds 20] [--batch-ms 10]

One thread inserts NEXMark events (10,000 a second of event time), one batch of all three
streams every `--batch-ms`.  Another thread follows the view.  A tick takes in the same rows for all queries, so a
second subscription to the greatest event time tells which batches a change came from; its latency is counted from
just before the first of them was inserted.  Changes of the first two seconds are left out.
"""

from __future__ import annotations

import argparse
import bisect
import tempfile
import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import sqlengine
from benchmarks.nexmark.queries import QUERIES
from benchmarks.nexmark.streams import TABLES, declare, table_rows
from benchmarks.side_by_side import report
from sqlengine.api.database import Database
from sqlengine.connectors.nexmark.config import NexmarkConfig

FOLLOWED = ("q5", "q7", "q8")
EVENT_RATE = 10_000
"""Events a second of event time: windows turn ten times as often as in real time, so that there are changes to time."""
WARM_UP_S = 2.0
IDLE_VIEWS = 10
IDLE_S = 10.0
P50_MS, P99_MS, IDLE_SHARE = 5.0, 20.0, 0.02
CLOCK = "SELECT max(date_time) AS latest FROM (SELECT date_time FROM person UNION ALL SELECT date_time FROM auction"
CLOCK += " UNION ALL SELECT date_time FROM bid) AS events"


@dataclass
class Followed:
    """What a subscriber saw: (tick, seconds at which it had the change), in order."""

    seen: list[tuple[int, float]] = field(default_factory=list)
    latest_us: dict[int, int] = field(default_factory=dict)


def batches(rate: int, seconds: float, batch_ms: float) -> list[dict[str, pa.Table]]:
    """The rows of each batch, by stream."""
    events = max(1, int(rate * batch_ms / 1000))
    count = int(seconds * 1000 / batch_ms)
    config = NexmarkConfig(event_rate=EVENT_RATE)
    return [{t: table_rows(t, i * events, (i + 1) * events, config) for t in TABLES} for i in range(count)]


def write(db: Database, rows: list[dict[str, pa.Table]], batch_ms: float) -> list[tuple[int, float]]:
    """Insert every batch at its time; (greatest event time, seconds before the insert) of each."""
    latest_us = [max(pc.max(rows["date_time"]).value for rows in batch.values() if rows.num_rows) for batch in rows]
    stamps = []
    begin = time.perf_counter()
    for i, batch in enumerate(rows):
        wait_s = begin + i * batch_ms / 1000 - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        stamps.append((latest_us[i], time.perf_counter()))
        for table in TABLES:
            if batch[table].num_rows:
                db.insert(table, batch[table])
    return stamps


def follow(db: Database, text: str, into: Followed, stop: threading.Event, stamps: bool) -> threading.Thread:
    """A thread that takes a query's changes until told to stop; with `stamps` the last value of each is kept."""
    follower = db.subscribe(text, snapshot=False)

    def run() -> None:
        with follower:
            while not stop.is_set():
                change = follower.next(0.2)
                if change is None:
                    continue
                into.seen.append((change.tick, time.perf_counter()))
                latest = pc.max(change.rows.column(1)) if stamps else pa.scalar(None)
                if latest.is_valid:
                    into.latest_us[change.tick] = latest.value

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def latencies_ms(changes: Followed, clock: Followed, stamps: list[tuple[int, float]]) -> np.ndarray:
    """Milliseconds from the first append of each change's tick to the change."""
    times_us = [us for us, _ in stamps]
    first: dict[int, float] = {}
    at = 0
    for tick, latest_us in sorted(clock.latest_us.items()):
        first[tick] = stamps[min(at, len(stamps) - 1)][1]
        at = bisect.bisect_right(times_us, latest_us)
    begin = stamps[0][1] + WARM_UP_S
    taken = [(had - first[tick]) * 1000 for tick, had in changes.seen if tick in first and first[tick] >= begin]
    return np.array(taken)


def measure(name: str, text: str, rows: list[dict[str, pa.Table]], batch_ms: float) -> None:
    """One view followed while the batches come in."""
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        declare(db)
        changes, clock, stop = Followed(), Followed(), threading.Event()
        threads = [follow(db, text, changes, stop, False), follow(db, CLOCK, clock, stop, True)]
        stamps = write(db, rows, batch_ms)
        late_s = time.perf_counter() - stamps[0][1] - len(rows) * batch_ms / 1000
        time.sleep(1.0)
        stop.set()
        for thread in threads:
            thread.join()
    found = latencies_ms(changes, clock, stamps)
    if not len(found) or late_s > 1.0:
        raise SystemExit(f"{name}: {len(found)} changes, the writer fell {late_s:.1f} s behind")
    report(f"{name} changes timed", "sqlengine", len(found), "changes")
    for share, bar_ms in ((50, P50_MS), (99, P99_MS)):
        value = float(np.percentile(found, share))
        report(f"{name} append to change, p{share}", "sqlengine", value, "ms", bar_ms / value, 1.0)


def idle() -> None:
    """The share of one processor that ten views use while nothing comes."""
    texts = {query.name: query.sql for query in QUERIES}
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        declare(db)
        for i in range(IDLE_VIEWS):
            db.execute(f"CREATE MATERIALIZED VIEW idle{i} AS {texts[('q5', 'q7', 'q8', 'q11', 'q17')[i % 5]]}")
        for table in TABLES:
            db.insert(table, table_rows(table, 0, 10_000, NexmarkConfig()))
        db.table("idle0")
        time.sleep(1.0)
        began, used = time.perf_counter(), time.process_time()
        time.sleep(IDLE_S)
        share = (time.process_time() - used) / (time.perf_counter() - began)
    report(f"{IDLE_VIEWS} idle views", "sqlengine", share * 100, "% of a core", IDLE_SHARE / max(share, 1e-9), 1.0)


def main() -> None:
    """Parse options, follow the queries one after the other, then idle."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--batch-ms", type=float, default=10)
    options = parser.parse_args()
    rows = batches(options.rate, options.seconds, options.batch_ms)
    for query in QUERIES:
        if query.name in FOLLOWED:
            measure(query.name, query.sql, rows, options.batch_ms)
    idle()


if __name__ == "__main__":
    main()
