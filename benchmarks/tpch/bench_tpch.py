"""TPC-H: each query as a view at scale factor 1: its first answer, and what it takes to follow sales.

    python benchmarks/tpch/bench_tpch.py [--scale-factor 1] [--queries q1,q5] [--cache FOLDER]

A view's first answer is told next to DuckDB's one answer over the same rows (Arrow; one thread each).  Then refresh
functions: one order in a thousand comes with its lines, and as many others go, as the specification has it.  `follow`
is what the view's operators take for that, next to DuckDB answering again; `refresh` is all the time from the first
INSERT to the view's new contents, which the two DELETEs that look for their rows in six million take most of.  The
second refresh undoes the first, so that all queries start from the same rows.  The contents are compared with
DuckDB's after the first answer and after each refresh.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

import sqlengine
from benchmarks.side_by_side import report, run_duckdb, same
from benchmarks.tpch.data import TABLES, refresh_sets, rows
from benchmarks.tpch.queries import QUERIES, Query
from sqlengine.api.database import Database

THREADS = 1
SALES = {"orders": "o_orderkey", "lineitem": "l_orderkey"}


@dataclass(frozen=True, slots=True)
class Sales:
    """Orders and lines that come, the table of keys of the orders that go, and all tables behind it."""

    come: dict[str, pa.Table]
    go: str
    behind: dict[str, pa.Table]


def prepare(db: Database, scale_factor: float, cache: Path) -> tuple[Sales, Sales]:
    """Load all tables; the sales that come and go, and the same undone."""
    tables = rows(scale_factor, cache)
    refresh = refresh_sets(tables)
    keys = {"new_sales": refresh.new["orders"]["o_orderkey"].combine_chunks(), "old_sales": refresh.old}
    for table, columns in TABLES.items():
        db.execute(f"CREATE TABLE {table} ({columns})")
        db.insert(table, refresh.initial[table])
    for table, going in keys.items():
        db.execute(f"CREATE TABLE {table} (sold INTEGER PRIMARY KEY)")
        db.insert(table, pa.table({"sold": going}))
    old = {name: tables[name].filter(pc.is_in(tables[name][key], refresh.old)) for name, key in SALES.items()}
    after = {
        name: tables[name].filter(pc.invert(pc.is_in(tables[name][key], refresh.old))) for name, key in SALES.items()
    }
    return Sales(refresh.new, "old_sales", {**tables, **after}), Sales(old, "new_sales", refresh.initial)


def first_answer(db: Database, text: str) -> tuple[float, pa.Table]:
    """Seconds to create the view and read it, and its rows."""
    gc.collect()
    started = time.perf_counter()
    db.execute(f"CREATE MATERIALIZED VIEW answer AS {text}")
    contents = db.table("answer")
    return time.perf_counter() - started, contents


def apply(db: Database, sales: Sales) -> tuple[float, float, pa.Table]:
    """Seconds from the first change to the view's contents behind all, those of its operators, and the contents."""
    gc.collect()
    busy_s, started = _busy_seconds(db), time.perf_counter()
    for table, added in sales.come.items():
        db.insert(table, added)
    for table, key in SALES.items():
        db.execute(f"DELETE FROM {table} WHERE {key} IN (SELECT sold FROM {sales.go})")
    contents = db.table("answer")
    return time.perf_counter() - started, _busy_seconds(db) - busy_s, contents


def _busy_seconds(db: Database) -> float:
    query = db._instance.scheduler.by_name("answer")
    assert query is not None
    return sum(step.busy_ns for step in query.dataflow.steps) / 1e9


def measure(db: Database, query: Query, scale_factor: float, refreshes: tuple[Sales, Sales]) -> None:
    """One query: first answer, both refreshes, each compared with DuckDB's answer over the same rows."""
    text = query.sql(scale_factor)
    ours, contents = first_answer(db, text)
    theirs, answer = run_duckdb({name: refreshes[1].behind[name] for name in query.reads}, text, THREADS)
    _check(query, contents, answer)
    report(f"{query.name} first answer", "sqlengine", ours, "s", theirs / ours)
    report(f"{query.name} first answer", "duckdb, once, 1 thread", theirs, "s")
    taken, busy, again = [], [], []
    for sales in refreshes:
        whole_s, busy_s, contents = apply(db, sales)
        again_s, answer = run_duckdb({name: sales.behind[name] for name in query.reads}, text, THREADS)
        _check(query, contents, answer)
        for seconds, kept in ((whole_s, taken), (busy_s, busy), (again_s, again)):
            kept.append(seconds)
    once_s = statistics.mean(again)
    report(f"{query.name} follow", "sqlengine", statistics.mean(busy), "s", once_s / max(statistics.mean(busy), 1e-6))
    report(f"{query.name} refresh", "sqlengine", statistics.mean(taken), "s", once_s / statistics.mean(taken))
    db.execute("DROP MATERIALIZED VIEW answer")


def _check(query: Query, ours: pa.Table, theirs: pa.Table) -> None:
    if not same(ours, theirs):
        raise SystemExit(f"{query.name}: the view ({ours.num_rows} rows) differs from DuckDB ({theirs.num_rows} rows)")


def main() -> None:
    """Parse options, load the tables, run the queries."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale-factor", type=float, default=1)
    parser.add_argument("--queries", default="")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "sqlengine-tpch")
    options = parser.parse_args()
    chosen = [q for q in QUERIES if not options.queries or q.name in options.queries.split(",")]
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        db.execute(f"SET threads = {THREADS}")
        refreshes = prepare(db, options.scale_factor, options.cache)
        for query in chosen:
            measure(db, query, options.scale_factor, refreshes)


if __name__ == "__main__":
    main()
