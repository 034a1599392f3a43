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
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa

import sqlengine
from sqlengine.api.database import Database
from sqlengine.connectors.nexmark.config import NexmarkConfig
from sqlengine.connectors.nexmark.events import events, schema
from sqlengine.duck import normalise
from sqlengine.duck_macros import MACROS
from sqlengine.sql import parse_query
from sqlengine.types import to_sql

sys.path.insert(0, str(Path(__file__).parent))
from queries import QUERIES, Query  # noqa: E402 - found beside this script

TABLES = ("person", "auction", "bid")
BAR = 0.5


def declare(db: Database) -> None:
    """The three streams, with the benchmark's four seconds of watermark delay."""
    for table in TABLES:
        columns = ", ".join(f"{f.name} {to_sql(f.type)}" for f in schema(table, "snake"))
        db.execute(
            f"CREATE STREAM {table} ({columns}, WATERMARK FOR date_time AS date_time - INTERVAL '4 seconds') "
            f"WITH (topic = '{table}', durability = 'os')"
        )


def fill(db: Database, count: int, batch_rows: int) -> None:
    """Append `count` events to the three topics in frames of `batch_rows` rows."""
    config = NexmarkConfig()
    for table in TABLES:
        stored = db.execute(f"SELECT * FROM {table} LIMIT 0").schema
        rows: list[pa.RecordBatch] = []
        for first in range(0, count, 500_000):
            rows.append(events(table, first, min(count, first + 500_000), config))
        whole = pa.Table.from_batches(rows).cast(stored).combine_chunks()
        log = db._instance.storage.topic(table).partitions[0]
        for chunk in whole.to_batches(max_chunksize=batch_rows):
            log.append(chunk)


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


def run_duckdb(tables: dict[str, pa.Table], text: str) -> tuple[float, pa.Table]:
    """Seconds for one answer over the whole input, to an Arrow table."""
    connection = duckdb.connect(config={"threads": 1, "integer_division": True})
    connection.execute(";".join(["SET TimeZone = 'UTC'", *MACROS]))
    for name, table in tables.items():
        connection.register(name, table)
    gc.collect()
    started = time.perf_counter()
    answer = connection.sql(text).to_arrow_table()
    elapsed = time.perf_counter() - started
    connection.close()
    return elapsed, answer


def same(ours: pa.Table, theirs: pa.Table) -> bool:
    """Equal as multisets of rows, types aside."""
    check = duckdb.connect()
    check.register("a", ours.rename_columns([f"c{i}" for i in range(ours.num_columns)]))
    check.register("b", normalise(theirs).rename_columns([f"c{i}" for i in range(theirs.num_columns)]))
    (missing,) = check.execute("SELECT count(*) FROM (FROM a EXCEPT ALL FROM b)").fetchone() or (1,)
    return ours.num_rows == theirs.num_rows and missing == 0


def measure(db: Database, query: Query, count: int, rounds: int, report: Callable[[dict[str, object]], None]) -> None:
    """Alternate the engines, compare their answers, report medians."""
    tables, text = reference(db, query)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        seconds, contents = run_ours(db, query)
        ours.append(seconds)
        seconds, answer = run_duckdb(tables, text)
        theirs.append(seconds)
    if not same(contents, answer):
        raise SystemExit(
            f"{query.name}: the view ({contents.num_rows} rows) differs from DuckDB ({answer.num_rows} rows)"
        )
    rate, reference_rate = count / statistics.median(ours), count / statistics.median(theirs)
    ratio = rate / reference_rate
    report(
        {
            "case": query.name,
            "engine": "sqlengine",
            "value": round(rate / 1e6, 3),
            "unit": "M events/s",
            "ratio": round(ratio, 3),
            "bar": BAR,
            "met": ratio >= BAR,
        }
    )
    report(
        {
            "case": query.name,
            "engine": "duckdb, once, 1 thread",
            "value": round(reference_rate / 1e6, 3),
            "unit": "M events/s",
        }
    )


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
            measure(db, query, options.events, options.rounds, lambda row: print(json.dumps(row), flush=True))
        db.execute("DROP MATERIALIZED VIEW IF EXISTS answer")


if __name__ == "__main__":
    main()
