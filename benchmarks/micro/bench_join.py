"""Joins at large and small batches, beside DuckDB's one-shot join of the same data on one thread.

Run: python benchmarks/micro/bench_join.py [rows]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import duckdb
import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators.base import Times
from sqlengine.operators.join import JoinOperator
from sqlengine.plan import nodes


@dataclass(frozen=True)
class Shape:
    """Two tables, their key columns, and whether all of the right comes before the left (`table_first`)."""

    name: str
    left: pa.Table
    right: pa.Table
    keys: tuple[int, int]
    table_first: bool


def shapes(rows: int) -> Iterator[Shape]:
    """Stream with table, stream with stream, and the joins inside NEXMark q7 and q8."""
    rng = np.random.default_rng(7)
    n = rows
    users = pa.table({"id": np.arange(10_000), "age": rng.integers(0, 99, 10_000)})
    clicks = pa.table({"user": rng.integers(0, 12_000, n), "n": np.arange(n), "x": rng.random(n)})
    yield Shape("stream-table, 10k keys", clicks, users, (0, 0), True)
    orders = pa.table({"id": rng.permutation(n // 2), "n": np.arange(n // 2)})
    payments = pa.table({"order": rng.permutation(n // 2), "paid": rng.random(n // 2)})
    yield Shape("stream-stream, one to one", orders, payments, (0, 0), False)
    prices = (10 ** (rng.random(n) * 6) * 100).round().astype(np.int64)
    bids = pa.table(
        {"auction": rng.integers(0, 10**6, n), "bidder": rng.integers(0, 10**5, n), "price": prices, "ts": np.arange(n)}
    )
    tops = pa.table({"top": np.sort(prices)[-200:], "end": np.arange(200)})
    yield Shape("q7: bids with few tops", bids, tops, (2, 0), False)
    people = pa.table({"id": rng.permutation(n // 50), "name": pa.array([f"person {i}" for i in range(n // 50)])})
    sellers = pa.table({"seller": rng.integers(0, n // 50, n * 3 // 50), "reserve": rng.integers(0, 99, n * 3 // 50)})
    yield Shape("q8: people with auctions", people, sellers, (0, 0), False)


def ours(shape: Shape, batch_rows: int) -> tuple[float, int]:
    """(seconds, output rows) of the operator over batches of `batch_rows`."""
    plan = nodes.Join(
        schema=pa.schema([*shape.left.schema, *shape.right.schema]),
        left=nodes.Values(schema=shape.left.schema, rows=()),
        right=nodes.Values(schema=shape.right.schema, rows=()),
        kind="inner",
        left_keys=(shape.keys[0],),
        right_keys=(shape.keys[1],),
    )
    operator, found = JoinOperator(plan), 0
    sides = [t.combine_chunks().to_batches(max_chunksize=batch_rows) for t in (shape.left, shape.right)]
    events = _in_turn(sides, shape.table_first)
    started = perf_counter()
    for port, batch in events:
        out = operator.process(Delta(batch), port, 0)
        operator.advance(Times((0, 0), 0))
        found += 0 if out is None else out.num_rows
    return perf_counter() - started, found


def _in_turn(sides: list[list[pa.RecordBatch]], table_first: bool) -> list[tuple[int, pa.RecordBatch]]:
    """Batches of both sides in proportion, or the whole right side first."""
    placed = [(i / len(side), port, batch) for port, side in enumerate(sides) for i, batch in enumerate(side)]
    return [(p, b) for _, p, b in sorted(placed, key=lambda e: (e[1] == 0 if table_first else e[0], e[0], e[1]))]


def theirs(shape: Shape) -> tuple[float, int]:
    """(seconds, output rows) of DuckDB joining the same tables once, materialising the result as Arrow."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("l", shape.left)
        connection.register("r", shape.right)
        on = f"l.{shape.left.column_names[shape.keys[0]]} = r.{shape.right.column_names[shape.keys[1]]}"
        started = perf_counter()
        answer = connection.sql(f"SELECT * FROM l JOIN r ON {on}").to_arrow_table()
        return perf_counter() - started, answer.num_rows


def main(rows: int) -> None:
    """Print rows per second, input rows of both sides counted."""
    for shape in shapes(rows):
        total = shape.left.num_rows + shape.right.num_rows
        duck_s, duck_rows = min(theirs(shape) for _ in range(3))
        line = f"{shape.name:28} {total:>9,} rows  duckdb {total / duck_s / 1e6:6.2f} M/s"
        for batch_rows in (65_536, 1_024):
            seconds, found = min(ours(shape, batch_rows) for _ in range(3))
            assert found == duck_rows, (found, duck_rows)
            line += f"   {batch_rows:>6}: {total / seconds / 1e6:6.2f} M/s ({duck_s / seconds:4.2f}x)"
        print(line)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_600_000)
