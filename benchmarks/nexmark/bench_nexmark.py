"""NEXMark: events a second as a continuously maintained view, next to DuckDB answering the same query once.

    python benchmarks/nexmark/bench_nexmark.py [--events N] [--batch ROWS] [--rounds R] [--queries q1,q5]

Both engines read the same rows: ours from a topic on disk (memory-mapped frames of `--batch` rows), DuckDB from the
same frames as Arrow tables, with one thread, which is what our engine uses for one view.  Rounds alternate between
the engines; the median counts.  The view's final contents are compared with DuckDB's answer before anything is
reported.  `events` counts all kinds, as the benchmark does.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time

import pyarrow as pa

import sqlengine
from benchmarks.nexmark.queries import QUERIES, Query
from benchmarks.nexmark.streams import declare, fill
from benchmarks.side_by_side import report, run_duckdb, same
from sqlengine.api.database import Database
from sqlengine.duck_macros import MACROS
from sqlengine.sql import parse_query

BAR = 0.5


def run_ours(db: Database, query: Query) -> tuple[float, pa.Table]:
    """Seconds to bring a view up to date from its topics, and its contents."""
    db.execute("DROP MATERIALIZED VIEW IF EXISTS answer")
    gc.collect()
    started = time.perf_counter()
    db.execute(f"CREATE MATERIALIZED VIEW answer AS {query.sql}")
    contents = db.table("answer")
    return time.perf_counter() - started, contents


def reference(db: Database, query: Query) -> tuple[dict[str, pa.Table], str]:
    """The tables and the text DuckDB answers: those of the query, or what the engine makes of the view's own text."""
    if query.duckdb is not None:
        return {name: db.table(name) for name in query.reads}, query.duckdb
    expanded = db._instance.expanded(parse_query(query.sql))
    return {name: db.table(obj.name) for name, obj in expanded.inputs.items()}, expanded.text


def measure(db: Database, query: Query, count: int, rounds: int) -> None:
    """Alternate the engines, compare their answers, report medians."""
    tables, text = reference(db, query)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        seconds, contents = run_ours(db, query)
        ours.append(seconds)
        seconds, answer = run_duckdb(tables, text, MACROS)
        theirs.append(seconds)
    if not same(contents, answer):
        raise SystemExit(
            f"{query.name}: the view ({contents.num_rows} rows) differs from DuckDB ({answer.num_rows} rows)"
        )
    rate, reference_rate = count / statistics.median(ours) / 1e6, count / statistics.median(theirs) / 1e6
    report(query.name, "sqlengine", rate, "M events/s", rate / reference_rate, BAR)
    report(query.name, "duckdb, once, 1 thread", reference_rate, "M events/s")


def main() -> None:
    """Parse options, fill the topics, run the queries."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--batch", type=int, default=65_536)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", default="")
    options = parser.parse_args()
    chosen = [q for q in QUERIES if not options.queries or q.name in options.queries.split(",")]
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        declare(db)
        fill(db, options.events, options.batch)
        for query in chosen:
            measure(db, query, options.events, options.rounds)
        db.execute("DROP MATERIALIZED VIEW IF EXISTS answer")


if __name__ == "__main__":
    main()
