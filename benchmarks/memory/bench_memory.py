"""Memory of a topic of 10,000,000 rows with a windowed view over it: anonymous memory, mapped files not counted.

State is windows, not rows, so the bar is 1 GB; `ratio` is the bar divided by what was seen.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

import sqlengine

ROWS = 10_000_000
FRAME_ROWS = 65_536
BAR_BYTES = 10**9


def anonymous_bytes() -> int:
    """Resident memory of this process that is not a mapped file (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("/proc/self/status tells no RssAnon")


def main() -> None:
    """Append, keep a view up to date meanwhile, and look."""
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as path, sqlengine.connect(path) as db:
        db.execute(
            "CREATE STREAM s (k BIGINT, v DOUBLE PRECISION, ts TIMESTAMP, "
            "WATERMARK FOR ts AS ts - INTERVAL '1 second') WITH (durability = 'os')"
        )
        db.execute(
            "CREATE MATERIALIZED VIEW v AS SELECT k, window_start, count(*) AS n, avg(v) AS mean "
            "FROM TUMBLE(s, ts, INTERVAL '1 minute') GROUP BY k, window_start, window_end"
        )
        for first in range(0, ROWS, FRAME_ROWS):
            n = min(FRAME_ROWS, ROWS - first)
            stamps = (1_700_000_000_000_000 + (first + np.arange(n)) * 100).astype("datetime64[us]")
            columns = [pa.array(random.integers(0, 1000, n)), pa.array(random.random(n)), pa.array(stamps)]
            db.insert("s", pa.table(columns, names=["k", "v", "ts"]))
        ((rows, counted),) = db.execute("SELECT count(*), sum(n) FROM v").fetchall()
        assert counted == ROWS, f"the view counts {counted} rows"
        used = anonymous_bytes()
        ratio = BAR_BYTES / used
        print(
            json.dumps(
                {
                    "case": f"memory: {ROWS:,} rows, {rows:,} windows",
                    "engine": "sqlengine",
                    "value": round(used / 1e6, 1),
                    "unit": "MB",
                    "ratio": round(ratio, 3),
                    "bar": 1.0,
                    "met": ratio >= 1.0,
                }
            )
        )


if __name__ == "__main__":
    main()
