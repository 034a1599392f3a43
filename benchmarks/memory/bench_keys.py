"""Bytes of memory a key of NEXMark's q16, q18 and q20 costs: growth of the process, and what the operators say.

    python benchmarks/memory/bench_keys.py [--events 5000000] [--python clink=INTERPRETER]

A key is what the query must remember: for q16 a (channel, bidder) or (channel, auction) that was seen, for q18 a
(bidder, auction), for q20 a row of either input that the join may still need.  `process` is anonymous memory (mapped
files not counted) beyond what the engine held before the view; `operators` is the state they count themselves.
clink, when installed, is asked the same (its process grows from the start of the engine to the peak); ours is to be a
quarter.  Its q16 is a reduced form that forgets, so it is not compared.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

import sqlengine
from benchmarks.memory.bench_memory import anonymous_bytes
from benchmarks.nexmark.peer_runs import PeerRuns, write_tables
from benchmarks.nexmark.queries import QUERIES
from benchmarks.nexmark.streams import declare, fill
from benchmarks.side_by_side import report
from sqlengine.runtime.pump import IDLE_WAIT_S

BATCH_ROWS = 65_536
PEER_SECONDS = 120
KEYS = {
    "q16": "SELECT (SELECT count(*) FROM (SELECT DISTINCT channel, bidder FROM bid) AS a)"
    " + (SELECT count(*) FROM (SELECT DISTINCT channel, auction FROM bid) AS b)",
    "q18": "SELECT count(*) FROM (SELECT DISTINCT bidder, auction FROM bid) AS q",
    "q20": "SELECT (SELECT count(*) FROM bid) + (SELECT count(*) FROM auction WHERE category = 10)",
}


COMPARED = ("q18", "q20")
QUARTER = 4.0


def measure(name: str, events: int, peer_bytes: int | None) -> None:
    """One query in a process of its own, so that no other's memory is counted; `peer_bytes`: what clink took."""
    (query,) = [query for query in QUERIES if query.name == name]
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        db.execute("SET threads = 1")
        declare(db)
        fill(db, events, BATCH_ROWS)
        ((keys,),) = db.execute(KEYS[name]).fetchall()
        before = _settled()
        db.execute(f"CREATE MATERIALIZED VIEW answer AS {query.sql}")
        db.execute("SELECT 1 FROM answer LIMIT 1").fetchall()
        grown = _settled() - before
        running = db._instance.scheduler.by_name("answer")
        assert running is not None
        stated = running.dataflow.state_size()["bytes"]
        db.execute("DROP MATERIALIZED VIEW answer")
    ratio, bar = (None, None) if peer_bytes is None else (peer_bytes / grown, QUARTER)
    report(f"{name}: {keys:,} keys, process", "sqlengine", grown / keys, "bytes/key", ratio, bar)
    if peer_bytes is not None:
        report(f"{name}: {keys:,} keys, process", "clink", peer_bytes / keys, "bytes/key")
    report(f"{name}: {keys:,} keys, operators", "sqlengine", stated / keys, "bytes/key")


def _settled() -> int:
    """What stays once the engine has had time to give back what the work took for a while."""
    time.sleep(2 * IDLE_WAIT_S)
    gc.collect()
    pa.default_memory_pool().release_unused()
    return anonymous_bytes()


def peer_bytes(python: str, events: int) -> dict[str, int]:
    """The memory clink took for each query compared; nothing when it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder), events)
        runs = PeerRuns("clink", python, Path(folder), 1, PEER_SECONDS)
        lines = {name: runs.line(name) for name in COMPARED}
    return {name: int(line["grown_bytes"]) for name, line in lines.items() if line is not None}


def main() -> None:
    """Parse options, measure the queries."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--python", default=f"clink={sys.executable}", metavar="clink=INTERPRETER")
    options = parser.parse_args()
    theirs = peer_bytes(options.python.removeprefix("clink="), options.events)
    for name in KEYS:
        arguments = (name, options.events, theirs.get(name))
        process = multiprocessing.get_context("spawn").Process(target=measure, args=arguments)
        process.start()
        process.join()
        if process.exitcode != 0:
            raise SystemExit(f"{name} failed")


if __name__ == "__main__":
    main()
