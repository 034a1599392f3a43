"""Threads: events a second of NEXMark queries as views on several threads, next to the same on one, in one run.

    python benchmarks/threads/bench_threads.py [--events N] [--rounds R] [--queries q5,q7] [--threads N] [--no-apart]

Rounds alternate between one thread and several; medians count, and the contents must be equal.  How much two cores of
a machine can do at all differs (they may share a memory bus, or be two halves of one core), so `apart` tells what as
many processes reach together, each with a database and one thread of its own: nothing ties those but the machine.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.synchronize import Barrier

import pyarrow as pa

import sqlengine
from benchmarks.nexmark.bench_nexmark import FRAME_ROWS, run_ours
from benchmarks.nexmark.queries import QUERIES, Query
from benchmarks.nexmark.streams import declare, fill
from benchmarks.side_by_side import report, same
from sqlengine.api.database import Database

DEFAULT = "q5,q7,q11,q16,q18"
BAR = 1.6
WARM_UPS = 2
"""Runs before those that count: the first touch memory the process does not have yet."""


def timed(db: Database, query: Query, threads: int) -> tuple[float, pa.Table]:
    """Seconds of a view on so many threads, and its contents."""
    db.execute(f"SET threads = {threads}")
    return run_ours(db, query.sql)


def compare(db: Database, query: Query, threads: int, rounds: int) -> tuple[float, float]:
    """Median seconds on one thread and on several."""
    seconds: dict[int, list[float]] = {1: [], threads: []}
    contents: dict[int, pa.Table] = {}
    for turn in range(WARM_UPS + rounds):
        for count, taken in seconds.items():
            contents.pop(count, None)
            elapsed, contents[count] = timed(db, query, count)
            if turn >= WARM_UPS:
                taken.append(elapsed)
    if not same(contents[1], contents[threads]):
        raise SystemExit(f"{query.name}: the contents on {threads} threads differ from those on one")
    return statistics.median(seconds[1]), statistics.median(seconds[threads])


def alone(queries: list[Query], events: int, rounds: int, start: Barrier, told: multiprocessing.Queue) -> None:
    """One of several processes at once: median seconds of each query on one thread, told by name."""
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path, threads=1) as db:
        declare(db)
        fill(db, events, FRAME_ROWS)
        for query in queries:
            for _ in range(WARM_UPS):
                timed(db, query, 1)
            gc.collect()
            start.wait()
            told.put((query.name, statistics.median([timed(db, query, 1)[0] for _ in range(rounds)])))
            start.wait()


def apart(queries: list[Query], events: int, rounds: int, processes: int) -> dict[str, float]:
    """Seconds of each query by name, the mean of that many processes at once."""
    spawn = multiprocessing.get_context("spawn")
    start, told = spawn.Barrier(processes), spawn.Queue()
    running = [spawn.Process(target=alone, args=(queries, events, rounds, start, told)) for _ in range(processes)]
    for process in running:
        process.start()
    answers: dict[str, list[float]] = {}
    for _ in range(processes * len(queries)):
        name, seconds = told.get()
        answers.setdefault(name, []).append(seconds)
    for process in running:
        process.join()
    return {name: statistics.mean(seconds) for name, seconds in answers.items()}


def main() -> None:
    """Parse options, fill the topics, run the queries."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", default=DEFAULT)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--apart", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    queries = [q for q in QUERIES if q.name in options.queries.split(",")]
    one: dict[str, float] = {}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        declare(db)
        fill(db, options.events, FRAME_ROWS)
        for query in queries:
            one[query.name], many = compare(db, query, options.threads, options.rounds)
            rate, beside = options.events / many / 1e6, options.events / one[query.name] / 1e6
            report(f"{query.name}, {options.threads} threads", "sqlengine", rate, "M events/s", rate / beside, BAR)
            report(f"{query.name}, 1 thread", "sqlengine", beside, "M events/s")
        db.execute("DROP MATERIALIZED VIEW IF EXISTS answer")
    if options.apart:
        together = apart(queries, options.events, options.rounds, options.threads)
        for name, seconds in together.items():
            rate = options.threads * options.events / seconds / 1e6
            report(
                f"{name} apart",
                f"{options.threads} processes",
                rate,
                "M events/s",
                options.threads * one[name] / seconds,
            )
    report("the whole run", "", time.perf_counter() - started, "s")


if __name__ == "__main__":
    main()
