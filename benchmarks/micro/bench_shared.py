"""200 identical windowed views over one stream beside one of them: seconds of the ticks, in one run."""

from __future__ import annotations

import json
import time

import numpy as np
import pyarrow as pa

import sqlengine

VIEW = "SELECT window_start, k, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '10 seconds') GROUP BY window_start, k"
ROWS, BATCHES, EVENTS_PER_S = 10_000, 100, 100_000


def seconds(views: int) -> float:
    """Time to take in all batches, each read through the last view."""
    rng = np.random.default_rng(7)
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        for i in range(views):
            db.execute(f"CREATE MATERIALIZED VIEW v{i} AS {VIEW}")
        taken = 0.0
        for batch in range(BATCHES):
            us = np.arange(batch * ROWS, (batch + 1) * ROWS) * (1_000_000 // EVENTS_PER_S)
            rows = pa.table({"k": rng.integers(0, 1000, ROWS), "ts": pa.array(us, pa.timestamp("us"))})
            start = time.perf_counter()
            db.insert("s", rows)
            db.execute(f"SELECT count(*) FROM v{views - 1}").fetchall()
            taken += time.perf_counter() - start
        return taken


def main() -> None:
    """Print one line for each number of views; the bar: 200 cost at most three times what one costs."""
    one = min(seconds(1) for _ in range(3))
    many = min(seconds(200) for _ in range(3))
    for views, value in ((1, one), (200, many)):
        ratio = None if views == 1 else one / value
        met = None if ratio is None else ratio >= 1 / 3
        line = {"case": f"{views} identical windowed views", "engine": "sqlengine", "value": value, "unit": "s"}
        print(json.dumps({**line, "ratio": ratio, "bar": None if ratio is None else 1 / 3, "met": met}), flush=True)


if __name__ == "__main__":
    main()
