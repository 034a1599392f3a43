"""Approximate aggregates: sketches beside the exact variants and one thread of DuckDB's approx_* over the same rows.

Filled in 65,536-row batches and asked once at the end, as a window that closes does; and asked after every batch, as a
view that changes does.  The value is ns a row of the sketch; the ratio is how many times longer the other takes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.functions.aggregates import aggregate
from sqlengine.operators.aggregates import accumulator
from sqlengine.operators.aggregates.base import NO_INTS, Accumulator, Inputs
from sqlengine.plan.nodes import AggregateCall

Ints = npt.NDArray[np.int64]

CALLS = {
    "approx_count_distinct(x)": ("approx_count_distinct", ()),
    "approx_quantile(x, 0.5)": ("approx_quantile", (0.5,)),
    "approx_top_k(x, 10)": ("approx_top_k", (10,)),
}
BATCH = 65_536
SCHEMA = pa.schema([("x", pa.int64())])


def report(case: str, value: float, unit: str, ratio: float | None = None) -> None:
    """One measurement in the form `benchmarks/run.py` reads."""
    print(json.dumps({"case": case, "engine": "sqlengine", "value": value, "unit": unit, "ratio": ratio}), flush=True)


def seconds(run: Callable[[], object], repeats: int) -> float:
    """The best of a few runs, in processor time: everything here is one thread, and others may be at work."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def fill(call: AggregateCall, append_only: bool, slots: Ints, values: pa.Array, groups: int, ask: bool) -> Accumulator:
    """All rows, batch by batch; the touched groups' answers before and after each batch, or all of them at the end."""
    made = accumulator(call, SCHEMA, append_only)
    made.grow(groups)
    for at in range(0, len(slots), BATCH):
        rows = slots[at : at + BATCH]
        touched = np.unique(rows) if ask else rows[:0]
        for moment in ("before", "after"):
            if ask:
                made.result(touched)
            if moment == "before":
                made.update(rows, Inputs([values.slice(at, BATCH)], len(rows), NO_INTS, at))
    if not ask:
        made.result(np.arange(groups))
    return made


def run_query(connection: duckdb.DuckDBPyConnection, query: str) -> object:
    """DuckDB's answer."""
    return connection.execute(query).fetchall()


def measure(rows: int, repeats: int) -> None:
    """Each aggregate over one group, a thousand and a hundred thousand."""
    connection = duckdb.connect(config={"threads": 1})
    rng = np.random.default_rng(0)
    numbers = pa.array(rng.zipf(1.1, rows) % 1_000_000)
    for text, (name, constants) in CALLS.items():
        found = aggregate(name)
        assert found is not None
        call = AggregateCall(name, (0,), found.result_type([pa.int64()]), constants=constants)
        for groups in (1, 1_000, 100_000):
            slots = rng.integers(0, groups, rows)
            connection.register("t", pa.table({"k": slots, "x": numbers}))
            query = f"SELECT count(a) FROM (SELECT k, {text} AS a FROM t GROUP BY k)"
            theirs = seconds(partial(run_query, connection, query), repeats)
            for ask in (False, True):
                where = f"{text}, {groups} groups" + (", asked after every batch" if ask else "")
                ours, exact = (
                    seconds(partial(fill, call, append_only, slots, numbers, groups, ask), repeats)
                    for append_only in (True, False)
                )
                report(where + ", beside exact", ours / rows * 1e9, "ns/row", exact / ours)
                if not ask:
                    report(where + ", beside DuckDB", ours / rows * 1e9, "ns/row", theirs / ours)
            for kind, append_only in (("sketch", True), ("exact", False)):
                held = fill(call, append_only, slots, numbers, groups, False).nbytes
                report(f"{text}, {groups} groups, state of the {kind}", held / groups, "bytes/group")


def main() -> None:
    """Run all; --rows for a quick look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    measure(arguments.rows, arguments.repeats)


if __name__ == "__main__":
    main()
