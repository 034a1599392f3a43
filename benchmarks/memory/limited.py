"""A view whose state is several times as large as the memory it may take: `python -m benchmarks.memory.limited ...`

Runs in a process of its own and prints one JSON object: the peak of its resident memory as the system counts it
(VmHWM, mapped files and the interpreter included) up to when the view has been read, what the process took before the
first row, how much it took beyond that in no file (`own`), the state, the time, and how many rows the view's answer and
DuckDB's differ by.
Keys come as they do in life: most are new or were there a moment ago, one in ten is any of the old ones.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

import sqlengine

BATCH_ROWS = 20_000
OLD = 0.1

SCHEMAS = {"s": "k BIGINT, t TEXT, v BIGINT", "r": "k BIGINT, w TEXT"}
VIEWS = {
    "group": "SELECT k, count(*) AS c, sum(v) AS s, min(v) AS lo, max(v) AS hi, max(t) AS t FROM s GROUP BY k",
    "join": "SELECT s.k, s.t, s.v, r.w FROM (SELECT k, upper(t) AS t, v * 2 AS v FROM s) AS s "
    "JOIN (SELECT k, w || w AS w FROM r) AS r ON s.k = r.k",
}
"""A grouped view, and a join of inputs that are computed: no row of them stands in a topic."""


def batches(kind: str, rows: int) -> Iterator[dict[str, pa.Table]]:
    """The same rows at every call: of each stream the kind of view reads."""
    random = np.random.default_rng(11)
    for first in range(0, rows, BATCH_ROWS):
        made = {}
        for name in ("s", "r") if kind == "join" else ("s",):
            k = first + random.integers(0, BATCH_ROWS, BATCH_ROWS)
            old = random.random(BATCH_ROWS) < OLD
            k[old] = random.integers(0, first + BATCH_ROWS, int(old.sum()))
            texts = pa.array([f"a text of the key {key * 7919:>100}" for key in k.tolist()])
            if name == "s":
                made[name] = pa.table({"k": k, "t": texts, "v": random.integers(0, 1 << 40, BATCH_ROWS)})
            else:
                made[name] = pa.table({"k": k, "w": texts})
        yield made


def status_bytes(name: str) -> int:
    """A line of /proc/self/status, e.g. VmHWM; 0 where there is none."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def differences(kind: str, rows: int, ours: pa.Table) -> int:
    """Rows that only our answer or only DuckDB's has."""
    with duckdb.connect() as duck:
        for name, columns in SCHEMAS.items():
            duck.execute(f"CREATE TABLE {name} ({columns})")
        for made in batches(kind, rows):
            for name, table in made.items():
                duck.register("made", table)
                duck.execute(f"INSERT INTO {name} FROM made")
        duck.register("ours", ours)
        duck.execute(f"CREATE TABLE theirs AS {VIEWS[kind]}")
        pairs = (("ours", "theirs"), ("theirs", "ours"))
        counts = [duck.sql(f"SELECT count(*) FROM (FROM {a} EXCEPT ALL FROM {b})").fetchall()[0][0] for a, b in pairs]
        return int(sum(counts))


def run(kind: str, rows: int, path: str, limit: int, beside: int) -> dict[str, int | float]:
    """Maintain the view and read it; see the module. `beside`: the limit is what the process takes without state and
    so many bytes, when `limit` is 0; without either there is none."""
    with sqlengine.connect(path) as db:
        db.execute("SET threads = 1")
        for name, columns in SCHEMAS.items():
            db.execute(f"CREATE STREAM {name} ({columns}) WITH (durability = 'os')")
        db.execute("CREATE MATERIALIZED VIEW warm AS SELECT count(*) FROM s")
        db.execute("SELECT k, count(*) FROM s GROUP BY k").fetchall()
        next(batches(kind, BATCH_ROWS))  # pyarrow imports pandas, where it is installed, for the first list
        base, own_base = status_bytes("VmRSS"), status_bytes("RssAnon")
        limit = limit or (base + beside if beside else 0)
        db.execute(f"SET memory_limit = {limit}")
        db.execute(f"CREATE MATERIALIZED VIEW answer AS {VIEWS[kind]}")
        own, began = 0, time.perf_counter()
        for made in batches(kind, rows):
            for name, table in made.items():
                db.insert(name, table)
            db.execute("FLUSH")
            own = max(own, status_bytes("RssAnon") - own_base)
        seconds = time.perf_counter() - began
        (told,) = db.execute("SELECT count(*), sum(k) FROM answer").fetchall()
        peak = status_bytes("VmHWM")
        query = db._instance.scheduler.by_name("answer")
        assert query is not None and query.store is not None
        state = query.dataflow.state_size()["bytes"] + query.store.num_bytes
        spills = db._instance.memory.spills
        db.execute("SET memory_limit = none")
        wrong = differences(kind, rows, db.table("answer"))
    return {
        "limit": limit,
        "base": base,
        "peak": peak,
        "own": own,
        "state": state,
        "spills": spills,
        "rows": told[0],
        "wrong": wrong,
        "seconds": seconds,
    }


def main() -> None:
    """Parse options, run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=sorted(VIEWS))
    parser.add_argument("path")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--beside", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(run(options.kind, options.rows, options.path, options.limit, options.beside)))


if __name__ == "__main__":
    main()
