"""NEXMark: events a second as a continuously maintained view, next to DuckDB answering once and to other engines.

    python benchmarks/nexmark/bench_nexmark.py [--events N] [--rounds R] [--queries q1,q5] [--live-events N]
        [--threads T] [--peers clink,flink | none] [--python flink=/path/to/python] [--peer-seconds S]

Ours reads a topic on disk (memory-mapped frames of 65,536 rows): the view is created, brought up to date and read.
DuckDB answers the same query once over the same frames as Arrow tables.  Both have one thread, or `--threads`.  Rounds
alternate between the two; the median counts.  The contents are compared before anything is reported.  `live` is our
view following appends of 1,024 rows, a tick each: the time of the ticks and of a last read.  Peers are told by the
scripts beside peers/peer.py; one that is not installed, cannot or takes too long is left out by name, as is an answer
with another number of rows than DuckDB's.  `events` counts all kinds, as the benchmark does.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

import sqlengine
from benchmarks.nexmark.peer_runs import PEERS, PeerRuns, write_tables
from benchmarks.nexmark.queries import CLOSING, QUERIES, Query, closed
from benchmarks.nexmark.scores import Scores
from benchmarks.nexmark.streams import TABLES, append, declare, fill, table_rows
from benchmarks.side_by_side import run_duckdb, same
from sqlengine.api.database import Database
from sqlengine.connectors.nexmark.config import NexmarkConfig
from sqlengine.duck_macros import MACROS
from sqlengine.sql import parse_query

FRAME_ROWS = 65_536
LIVE_ROWS = 1_024


def run_ours(db: Database, query: str) -> tuple[float, pa.Table]:
    """Seconds to bring a view up to date from its topics, and its contents."""
    db.execute("DROP MATERIALIZED VIEW IF EXISTS answer")
    gc.collect()
    started = time.perf_counter()
    db.execute(f"CREATE MATERIALIZED VIEW answer AS {query}")
    contents = db.table("answer")
    return time.perf_counter() - started, contents


def run_live(query: Query, steps: list[dict[str, pa.Table]], threads: int) -> float:
    """Seconds of the ticks in which a view takes in the steps one by one, and of reading it."""
    seconds = 0.0
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        db.execute(f"SET threads = {threads}")
        declare(db)
        db.execute(f"CREATE MATERIALIZED VIEW answer AS {query.sql}")
        for step in steps:
            for table in query.reads:
                append(db, table, step[table], LIVE_ROWS)
            started = time.perf_counter()
            db._instance.catch_up()
            seconds += time.perf_counter() - started
        started = time.perf_counter()
        db.table("answer")
        seconds += time.perf_counter() - started
        db.execute("DROP MATERIALIZED VIEW answer")
    return seconds


def live_steps(count: int) -> list[dict[str, pa.Table]]:
    """The events in steps that bring about LIVE_ROWS bids each."""
    config = NexmarkConfig()
    step = LIVE_ROWS * config.round_length // config.bid_proportion
    return [{t: table_rows(t, i, min(count, i + step), config) for t in TABLES} for i in range(0, count, step)]


def reference(db: Database, query: Query) -> tuple[dict[str, pa.Table], str]:
    """The tables and the text DuckDB answers: those of the query, or what the engine makes of the view's own text."""
    if query.duckdb is not None:
        return {name: db.table(name) for name in query.reads}, query.duckdb
    expanded = db._instance.expanded(parse_query(query.sql))
    return {name: db.table(obj.name) for name, obj in expanded.inputs.items()}, expanded.text


def measure(db: Database, query: Query, options: argparse.Namespace, scores: Scores, view: str | None = None) -> int:
    """Alternate the engines, compare their answers, score medians; the number of rows of the answer.

    `view`: the view's query where it is another text."""
    tables, text = reference(db, query)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(options.rounds):
        seconds, contents = run_ours(db, view or query.sql)
        ours.append(seconds)
        seconds, answer = run_duckdb(tables, text, options.threads, MACROS)
        theirs.append(seconds)
    if not same(contents, answer):
        raise SystemExit(
            f"{query.name}: the view ({contents.num_rows} rows) differs from DuckDB ({answer.num_rows} rows)"
        )
    scores.add(query.name, "duckdb", options.events / statistics.median(theirs))
    scores.add(query.name, "sqlengine", options.events / statistics.median(ours))
    return int(answer.num_rows)


def measure_closing(db: Database, options: argparse.Namespace, scores: Scores) -> None:
    """Views that show windows when they close, next to DuckDB's answer restricted to the windows that are closed."""
    ((latest,),) = db.execute("SELECT max(date_time) FROM bid").fetchall()
    for name, text in CLOSING.items():
        query = Query(f"{name}, on close", closed(name, latest), None, ("bid",))
        measure(db, query, options, scores, f"{text} EMIT ON WINDOW CLOSE")


def run_peers(options: argparse.Namespace, chosen: list[Query], answers: dict[str, int], scores: Scores) -> None:
    """All wanted engines on all queries, each run in a process of its own."""
    wanted = [p for p in PEERS if options.peers == "all" or p in options.peers.split(",")]
    pythons = dict(pair.split("=", 1) for pair in options.python)
    with tempfile.TemporaryDirectory() as folder:
        if wanted:
            write_tables(Path(folder), options.events)
        for peer in wanted:
            runs = PeerRuns(
                peer, pythons.get(peer, sys.executable), Path(folder), options.threads, options.peer_seconds
            )
            for query in chosen:
                seconds = runs.seconds(query.name, answers[query.name])
                if seconds is not None:
                    scores.add(query.name, peer, options.events / seconds)


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--live-events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--queries", default="")
    parser.add_argument("--peers", default="all", help="names of " + ", ".join(PEERS) + "; all or none")
    parser.add_argument("--peer-seconds", type=float, default=60)
    parser.add_argument("--python", action="append", default=[], metavar="PEER=INTERPRETER")
    return parser.parse_args()


def main() -> None:
    """Fill the topics, run ours and DuckDB, then live, then the peers; at the end the table of all."""
    options = arguments()
    chosen = [q for q in QUERIES if not options.queries or q.name in options.queries.split(",")]
    scores, answers = Scores(options.threads), {}
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        db.execute(f"SET threads = {options.threads}")
        declare(db)
        fill(db, options.events, FRAME_ROWS)
        for query in chosen:
            answers[query.name] = measure(db, query, options, scores)
        if not options.queries or "closing" in options.queries.split(","):
            measure_closing(db, options, scores)
        db.execute("DROP MATERIALIZED VIEW IF EXISTS answer")
    if options.live_events:
        steps = live_steps(options.live_events)
        for query in chosen:
            scores.add(query.name, "sqlengine live", options.live_events / run_live(query, steps, options.threads))
    run_peers(options, chosen, answers, scores)
    scores.compare_with_peers()
    print(scores.table(), file=sys.stderr)


if __name__ == "__main__":
    main()
