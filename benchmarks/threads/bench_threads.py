"""Two threads next to one: NEXMark queries whose views are brought up to date on both, the same rows and machine.

    python benchmarks/threads/bench_threads.py [--events 5000000] [--rounds 3]

Rounds alternate between one thread and two; the median counts.  `ratio` is the speed with two over that with one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile

import sqlengine
from benchmarks.nexmark.bench_nexmark import FRAME_ROWS, run_ours
from benchmarks.nexmark.queries import QUERIES
from benchmarks.nexmark.streams import declare, fill
from benchmarks.side_by_side import report, same

DIVIDED = ("q5", "q7", "q11", "q16", "q18")
BAR = 1.6


def main() -> None:
    """Fill the topics, run each query in turn with one thread and with two."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        declare(db)
        fill(db, options.events, FRAME_ROWS)
        for query in QUERIES:
            if query.name not in DIVIDED:
                continue
            seconds: dict[int, list[float]] = {1: [], 2: []}
            answers = {}
            for _ in range(options.rounds):
                for threads, taken in seconds.items():
                    db.execute(f"SET threads = {threads}")
                    elapsed, answers[threads] = run_ours(db, query)
                    taken.append(elapsed)
            if not same(answers[1], answers[2]):
                raise SystemExit(f"{query.name}: the answers differ")
            one, two = (options.events / statistics.median(taken) / 1e6 for taken in seconds.values())
            report(f"{query.name}, 1 thread", "sqlengine", one, "M events/s")
            report(f"{query.name}, 2 threads", "sqlengine", two, "M events/s", two / one, BAR)
        db.execute("DROP MATERIALIZED VIEW IF EXISTS answer")


if __name__ == "__main__":
    main()
