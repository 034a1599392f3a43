"""Approximate aggregates of views over a large stream beside the exact answers of the same queries.

One history is fed in ticks of other sizes, on other numbers of threads and through restarts: distinct counts are the
very same numbers then, quantiles and frequent values stay within their bounds, and windows that closed leave no state.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest

import sqlengine
from sqlengine import workers

START = dt.datetime(2024, 1, 1)
ROWS, SECONDS = 60_000, 60
CALLS = "approx_count_distinct(u) AS d, approx_quantile(x, ARRAY[0.1, 0.5, 0.99]) AS q, approx_top_k(w, 5, 50) AS k"
EXACT = "count(DISTINCT u), list(x ORDER BY x), list(w)"
HOP = "HOP(s, ts, INTERVAL '10 s', INTERVAL '30 s')"
SESSION = "SESSION(s PARTITION BY g, ts, INTERVAL '5 s')"
SOURCES = {
    "everything": ("", "s", ""),
    "grouped": ("g, ", "s", " GROUP BY g"),
    "tumbling": ("window_start, ", "TUMBLE(s, ts, INTERVAL '20 s')", " GROUP BY window_start"),
    "hopping": ("g, window_start, ", HOP, " GROUP BY g, window_start"),
    "sessions": ("g, window_start, ", SESSION, " GROUP BY g, window_start, window_end"),
}


@pytest.fixture(scope="module")
def history() -> pa.Table:
    rng = np.random.default_rng(11)
    seconds = np.sort(rng.uniform(0, SECONDS, ROWS)) + rng.uniform(0, 1, ROWS)
    return pa.table(
        {
            "g": pa.array(rng.integers(0, 3, ROWS), pa.int32()),
            "u": pa.array(rng.integers(0, 20_000, ROWS), mask=rng.random(ROWS) < 0.1),
            "x": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.1),
            "w": [f"word {i}" for i in rng.zipf(1.5, ROWS) % 3_000],
            "ts": pa.array([START + dt.timedelta(seconds=s) for s in seconds], pa.timestamp("us")),
        }
    )


def declare(db):
    db.execute(
        "CREATE STREAM s (g INT, u BIGINT, x DOUBLE PRECISION, w TEXT, ts TIMESTAMP, "
        "WATERMARK FOR ts AS ts - INTERVAL '2 s')"
    )
    for name, (keys, source, tail) in SOURCES.items():
        db.execute(f"CREATE MATERIALIZED VIEW {name} AS SELECT {keys}{CALLS} FROM {source}{tail}")


def views(db):
    return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall()) for name in SOURCES}


def check(found, exact):
    """The answers of one group beside all its values."""
    (distinct, quantiles, frequent), (count, values, words) = found, exact
    assert abs(distinct - count) <= 4 * 0.01625 * count
    assert count > 384 or distinct == count
    ordered = np.sort([v for v in values if v is not None])
    for fraction, value in zip((0.1, 0.5, 0.99), quantiles, strict=True):
        first, last = (np.searchsorted(ordered, value, side) / len(ordered) for side in ("left", "right"))
        away = max(0.0, first - fraction, fraction - last)
        assert away <= 2 * (2 * math.sqrt(fraction * (1 - fraction)) / 100) + 2 / len(ordered)
    names, counts = np.unique(words, return_counts=True)
    count_of = dict(zip(names.tolist(), counts.tolist(), strict=True))
    best = np.sort(counts)[::-1]
    assert len(frequent) == 5
    for place, word in enumerate(frequent):
        assert count_of[word] >= best[place] - len(words) / 51


@pytest.mark.slow
def test_views_are_within_their_bounds_however_they_are_fed(history, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "ROWS_MIN", 1_000)
    found, exact = [], {}
    for pieces, threads in ((1, 1), (4, 3), (60, 1)):
        path = tmp_path / f"{pieces}"
        db = sqlengine.connect(path, threads=threads)
        declare(db)
        step = ROWS // pieces
        for i in range(pieces):
            db.insert("s", history.slice(i * step, step))
            if pieces > 1 and i == pieces // 2:
                before = views(db)
                db.close()
                db = sqlengine.connect(path, threads=threads)
                assert views(db) == before
        found.append(views(db))
        exact = exact or exact_answers(db)
        for name, rows in found[-1].items():
            for row, values in zip(rows, exact[name], strict=True):
                assert row[:-3] == values[:-3]
                check(row[-3:], values[-3:])
        db.close()
    for name in SOURCES:
        assert len({str([row[:-2] for row in views[name]]) for views in found}) == 1, name


def exact_answers(db):
    """All values of each group, and that one-shot queries count them exactly."""
    exact = {}
    for name, (keys, source, tail) in SOURCES.items():
        answer = db.execute(f"SELECT {keys}{EXACT} FROM {source}{tail}").fetchall()
        exact[name] = sorted(answer, key=lambda row: row[:-3])
        counted = db.execute(f"SELECT {keys}approx_count_distinct(u) FROM {source}{tail}").fetchall()
        assert sorted(counted) == [row[:-2] for row in exact[name]]
    return exact


def state_bytes(db):
    rows = db.execute("SELECT state_bytes FROM system.operators WHERE node LIKE '%Aggregate'").fetchall()
    assert len(rows) == 1
    return rows[0][0]


def test_closed_windows_leave_no_state_and_rows_no_more_than_a_sketch(tmp_path):
    db = sqlengine.connect(tmp_path)
    db.execute("CREATE STREAM s (u BIGINT, x DOUBLE PRECISION, ts TIMESTAMP, WATERMARK FOR ts AS ts)")
    db.execute(
        "CREATE MATERIALIZED VIEW v AS "
        "SELECT window_start, approx_count_distinct(u) AS d, approx_quantile(x, 0.5) AS q, "
        "approx_top_k(u, 3) AS k FROM TUMBLE(s, ts, INTERVAL '10 s') GROUP BY window_start, window_end "
        "EMIT ON WINDOW CLOSE"
    )

    def feed(second, first):
        rows = pa.table(
            {
                "u": pa.array(np.arange(first, first + 5_000)),
                "x": pa.array(np.random.default_rng(first).random(5_000)),
                "ts": pa.array([START + dt.timedelta(seconds=second)] * 5_000, pa.timestamp("us")),
            }
        )
        db.insert("s", rows)
        return state_bytes(db)

    sizes = [feed(second, 5_000 * second) for second in range(0, 2_000, 10)]
    assert max(sizes[100:]) <= 1.1 * max(sizes[:100])
    # Registers, centroids and the counts of one batch, of a few windows that wait to be forgotten together.
    assert max(sizes) < 3_000_000
    assert len(db.execute("SELECT * FROM v").fetchall()) == 199
    db.close()
