"""How long 99 queries in Hive's SQL over a star schema (tests/hql/star_queries.py) take to be parsed and planned.

    python benchmarks/hql/bench_planning.py [--rounds N]

Each round parses and plans every query from its text, as a SELECT does before it reads rows; the first round is not
counted.  Told are the median and the 99th percentile of all of them, by the clock and in processor time: on a machine
that others use too only the latter says what the code needs.  Bar: 20 ms at the 99th percentile (`ratio` is 20 ms over
the figure).
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sqlengine
from benchmarks.side_by_side import report
from sqlengine import sql
from sqlengine.runtime.one_shot import prepare
from sqlengine.session import Session
from tests.hql.star_queries import queries, tables

MOST_MS = 20.0


def planned(session: Session, text: str) -> tuple[float, float]:
    """Parse and plan one query: milliseconds by the clock, milliseconds of processor time."""
    context = session.context
    clock, used = time.perf_counter(), time.process_time()
    (statement,) = sql.parse(text, context.settings)
    prepare(statement.query, context.instance.planning)
    return (time.perf_counter() - clock) * 1e3, (time.process_time() - used) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description="HQL parsed and planned")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with sqlengine.connect(dialect="hive") as database:
        for name, columns in tables().items():
            database.execute(f"CREATE TABLE {name} ({columns})")
        session = database.session()
        texts = list(queries().values())
        for text in texts:
            planned(session, text)
        gc.collect()
        found = np.array([planned(session, text) for _ in range(arguments.rounds) for text in texts])
    for kind, times in zip(("clock", "processor"), found.T, strict=True):
        half, most = np.percentile(times, [50, 99]).tolist()
        report(f"parse and plan, median, {kind}", "ours", half, "ms")
        report(f"parse and plan, p99, {kind}", "ours", most, "ms", MOST_MS / most, 1.0)


if __name__ == "__main__":
    main()
