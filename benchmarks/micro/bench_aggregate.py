"""Hash index and windowed aggregates: ns per row and rows per second, the index beside one thread of DuckDB."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.kernels import HashIndex
from sqlengine.operators.base import END_OF_TIME, Operator, Times
from sqlengine.operators.group_aggregate import GroupAggregateOperator
from sqlengine.operators.session_aggregate import SessionAggregateOperator
from sqlengine.operators.window_aggregate import WindowAggregateOperator
from sqlengine.plan.nodes import (
    WINDOW_COLUMNS,
    AggregateCall,
    GroupAggregate,
    Node,
    SessionAggregate,
    Window,
    WindowAggregate,
)

S = 1_000_000
EVENTS_PER_S = 100_000
COUNT = AggregateCall("count", (), pa.int64())
SUM = AggregateCall("sum", (2,), pa.int64())
SCHEMA = pa.schema([("k", pa.int64()), ("t", pa.timestamp("us")), ("v", pa.int64())])


def report(case: str, value: float, unit: str, ratio: float | None = None, bar: float | None = None) -> None:
    """One measurement in the form `benchmarks/run.py` reads."""
    met = None if bar is None or ratio is None else ratio >= bar
    line = {
        "case": case,
        "engine": "sqlengine",
        "value": value,
        "unit": unit,
        "ratio": ratio,
        "bar": bar,
        "met": met,
    }
    print(json.dumps(line), flush=True)


def seconds(run: Callable[[], object], repeats: int = 3) -> float:
    """The best of a few runs."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken)


def insert(codes: npt.NDArray[np.int64]) -> None:
    """All keys into a new index, 65,536 at a time."""
    index = HashIndex(1)
    for at in range(0, len(codes), 65_536):
        index.insert(codes[at : at + 65_536])


def hash_index(rows: int) -> None:
    """Insert keys batch by batch, next to DuckDB's GROUP BY count of the same column."""
    connection = duckdb.connect(config={"threads": 1})
    for distinct in (1_000, 100_000, 1_000_000, 5_000_000):
        keys = np.random.default_rng(0).integers(0, distinct, rows)
        connection.register("t", pa.table({"k": keys}))

        ours = seconds(partial(insert, keys.reshape(-1, 1)))
        theirs = seconds(
            lambda: connection.execute("SELECT count(*) FROM (SELECT k, count(*) FROM t GROUP BY k)").fetchall()
        )
        report(f"hash insert, {distinct} keys", ours / rows * 1e9, "ns/row", theirs / ours)


def nexmark_like(rows: int) -> pa.RecordBatch:
    """Bids: half on a hot key, the rest over the ~100 keys in flight; event time at 100,000 a second."""
    rng = np.random.default_rng(1)
    number = np.arange(rows)
    newest = number * 3 // 50 + 1_000
    keys = np.where(rng.random(rows) < 0.5, newest // 100 * 100, newest - rng.integers(0, 100, rows))
    t = number * S // EVENTS_PER_S
    return pa.RecordBatch.from_arrays(
        [pa.array(keys), pa.array(t, pa.timestamp("us")), pa.array(rng.integers(0, 1000, rows))],
        schema=SCHEMA,
    )


def bidders(rows: int) -> pa.RecordBatch:
    """As `nexmark_like` with three quarters on hot keys and the rest over a thousand."""
    rng = np.random.default_rng(2)
    number = np.arange(rows)
    newest = number // 50 + 1_000
    keys = np.where(rng.random(rows) < 0.75, newest // 100 * 100 + 1, newest - rng.integers(0, 1_010, rows))
    t = number * S // EVENTS_PER_S
    return pa.RecordBatch.from_arrays(
        [pa.array(keys), pa.array(t, pa.timestamp("us")), pa.array(number)], schema=SCHEMA
    )


def batches(data: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    """The rows in batches of `size`."""
    for at in range(0, data.num_rows, size):
        yield data.slice(at, size)


def windowed(
    cls: type[WindowAggregate] | type[SessionAggregate],
    window: Window,
    calls: tuple[AggregateCall, ...],
    emit: str,
) -> WindowAggregate | SessionAggregate:
    """A node over SCHEMA grouped by k."""
    fields = [SCHEMA.field("k")] + [pa.field(n, pa.timestamp("us")) for n in WINDOW_COLUMNS]
    fields += [pa.field(f"a{i}", c.type) for i, c in enumerate(calls)]
    return cls(
        schema=pa.schema(fields),
        input=Node(schema=SCHEMA),
        time_column=1,
        window=window,
        keys=(0,),
        aggregates=calls,
        emit=emit,
    )


def stream(make: Callable[[], Operator], data: pa.RecordBatch, size: int) -> tuple[float, float]:
    """(rows per second of the whole stream, median microseconds a tick)."""
    operator, ticks = make(), []
    for batch in batches(data, size):
        start = time.perf_counter()
        operator.process(Delta(batch), 0, 0)
        operator.advance(Times((batch.column(1)[-1].value - 4 * S,), 0))
        ticks.append(time.perf_counter() - start)
    start = time.perf_counter()
    operator.advance(Times((END_OF_TIME,), 0))
    total = sum(ticks) + time.perf_counter() - start
    return data.num_rows / total, statistics.median(ticks) * 1e6


def operators(rows: int) -> None:
    """Hop count (10 s by 2 s), tumble count and sum, session count (10 s), plain GROUP BY."""
    hop = Window("hop", (0, 10 * S), (0, 2 * S))
    tumble = Window("tumble", (0, 10 * S), (0, 10 * S))
    gap = Window("session", (0, 10 * S), (0, 10 * S))
    grouped = GroupAggregate(
        schema=pa.schema([("k", pa.int64()), ("n", pa.int64()), ("s", pa.int64())]),
        input=Node(schema=SCHEMA),
        keys=(0,),
        aggregates=(COUNT, SUM),
    )
    nodes: list[tuple[str, Callable[[], Operator], pa.RecordBatch, float | None]] = []
    bids, people = nexmark_like(rows), bidders(rows)
    for emit in ("close", "changes"):
        hop_node = windowed(WindowAggregate, hop, (COUNT,), emit)
        tumble_node = windowed(WindowAggregate, tumble, (COUNT, SUM), emit)
        session_node = windowed(SessionAggregate, gap, (COUNT,), emit)
        bar = (5e6, 3e6) if emit == "close" else (None, None)
        nodes.append((f"hop count, {emit}", lambda n=hop_node: WindowAggregateOperator(n), bids, bar[0]))
        nodes.append((f"tumble count and sum, {emit}", lambda n=tumble_node: WindowAggregateOperator(n), bids, None))
        nodes.append((f"session count, {emit}", lambda n=session_node: SessionAggregateOperator(n), people, bar[1]))
    nodes.append(("group by count and sum", lambda: GroupAggregateOperator(grouped), bids, None))
    for name, make, data, wanted in nodes:
        for size in (1_024, 65_536):
            speed, tick = stream(make, data if size > 1_024 else data.slice(0, rows // 5), size)
            ratio = None if wanted is None or size == 1_024 else speed / wanted
            report(f"{name}, {size}-row batches", speed, "rows/s", ratio, None if ratio is None else 1.0)
            report(f"{name}, {size}-row batches: median tick", tick, "us")


def main() -> None:
    """Run all; --rows for a quick look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    rows = parser.parse_args().rows
    hash_index(rows)
    operators(rows)


if __name__ == "__main__":
    main()
