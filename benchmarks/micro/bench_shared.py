"""200 windowed views over one stream beside one of them, identical ones and ones with filters of their own above the
same windows: seconds of the ticks, in one run."""

from __future__ import annotations

import json
import time

import numpy as np
import pyarrow as pa

import sqlengine

VIEW = "SELECT window_start, k, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '10 seconds') GROUP BY window_start, k"
FILTERED = "SELECT * FROM (" + VIEW + ") AS w WHERE n > {}"
ROWS, BATCHES, EVENTS_PER_S = 10_000, 100, 100_000


def seconds(views: int, query: str = VIEW) -> float:
    """Time to take in all batches, each read through the last view; `{}` in the query is the view's number."""
    rng = np.random.default_rng(7)
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
        for i in range(views):
            db.execute(f"CREATE MATERIALIZED VIEW v{i} AS {query.format(i)}")
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
    """Print one line for each case; the bar: 200 identical views cost at most three times what one costs."""
    for name, query, bar in (("identical", VIEW, 1 / 3), ("differently filtered", FILTERED, None)):
        one = min(seconds(1, query) for _ in range(3))
        many = min(seconds(200, query) for _ in range(3))
        for views, value in ((1, one), (200, many)):
            ratio = None if views == 1 else one / value
            met = None if ratio is None or bar is None else ratio >= bar
            line = {"case": f"{views} {name} windowed views", "engine": "sqlengine", "value": value, "unit": "s"}
            shown = None if ratio is None else bar
            print(json.dumps({**line, "ratio": ratio, "bar": shown, "met": met}), flush=True)


if __name__ == "__main__":
    main()
