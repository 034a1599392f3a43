"""The ticker pattern of MATCH_RECOGNIZE over 1,000,000 rows of 1,000 symbols, in batches of 65,536 rows: rows a second
of processor time of a view that says each match once, of one that follows every change, and of one answer."""

from __future__ import annotations

import json
import time

import numpy as np
import pyarrow as pa

import sqlengine

ROWS, SYMBOLS, BATCH = 1_000_000, 1_000, 65_536
QUERY = """
SELECT * FROM ticker MATCH_RECOGNIZE (
    PARTITION BY symbol ORDER BY ts
    MEASURES STRT.ts AS start_ts, LAST(DOWN.ts) AS bottom_ts, LAST(UP.ts) AS end_ts
    ONE ROW PER MATCH AFTER MATCH SKIP TO LAST UP
    PATTERN (STRT DOWN+ UP+)
    DEFINE DOWN AS DOWN.price < PREV(DOWN.price), UP AS UP.price > PREV(UP.price)
)"""


def prices() -> pa.Table:
    """Random walks, the symbols in random order."""
    rng = np.random.default_rng(1)
    symbols = rng.integers(0, SYMBOLS, ROWS)
    order = np.argsort(symbols, kind="stable")
    price = np.empty(ROWS)
    price[order] = np.cumsum(rng.normal(0, 1, ROWS))
    names = pa.array([f"S{i:04d}" for i in range(SYMBOLS)])
    columns = {"symbol": names.take(pa.array(symbols)), "ts": pa.array(np.arange(ROWS) * 1000, pa.timestamp("us"))}
    return pa.table({**columns, "price": price})


def seconds(rows: pa.Table, emit: str | None) -> float:
    """Of processors: to take in all batches with a view (`emit`), or to answer once when they are there."""
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM ticker (symbol TEXT, ts TIMESTAMP, price DOUBLE PRECISION, WATERMARK FOR ts AS ts)")
        if emit is not None:
            db.execute(f"CREATE MATERIALIZED VIEW v AS {QUERY} {emit}")
        start = time.process_time()
        for first in range(0, ROWS, BATCH):
            db.insert("ticker", rows.slice(first, BATCH))
            if emit is not None:
                db.execute("SELECT count(*) FROM v").fetchall()
        if emit is None:
            start = time.process_time()
            db.execute(f"SELECT count(*) FROM ({QUERY}) AS m").fetchall()
        return time.process_time() - start


def main() -> None:
    """Print one line for each way, the best of three."""
    rows = prices()
    seconds(rows, "")  # what is loaded and compiled is loaded once
    for name, emit in (("view, on window close", "EMIT ON WINDOW CLOSE"), ("view, changes", ""), ("one answer", None)):
        value = ROWS / min(seconds(rows, emit) for _ in range(3)) / 1e6
        print(
            json.dumps(
                {
                    "case": f"ticker pattern, {name}",
                    "engine": "sqlengine",
                    "value": value,
                    "unit": "M rows/s of processor time",
                }
            )
        )


if __name__ == "__main__":
    main()
