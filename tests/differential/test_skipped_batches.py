"""Batches left out by their statistics change nothing: not the rows, not the watermark, not what is late."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

import sqlengine

START = dt.datetime(2024, 1, 1)
ROWS = 3_000
"""Enough for a batch to get statistics."""

CONDITIONS = (
    "id = 4500",
    "id IN (17, 8999, 70000)",
    "id BETWEEN 2900 AND 3100",
    "ts > TIMESTAMP '2024-01-01 00:02:00' AND ts <= TIMESTAMP '2024-01-01 00:02:30'",
    "x < 0.05",
    "x IS NULL",
    "x IS NOT NULL AND id < 100",
    "id < 0",
    "small = -1 AND NOT id = 3",
)


def batch(number: int) -> pa.Table:
    """Growing ids and times, values of one tenth of 0..1 per batch, no value at all in every third one."""
    at = np.arange(ROWS) + number * ROWS
    shuffled = np.random.default_rng(number).permutation(at)
    x = None if number % 3 == 2 else (number + np.random.default_rng(number).random(ROWS)) / 10
    times = np.datetime64(START, "us") + (at * 20).astype("timedelta64[ms]")
    return pa.table(
        {
            "id": pa.array(shuffled),
            "small": pa.array((shuffled % 7 - number).astype(np.int16)),
            "x": pa.nulls(ROWS, pa.float64()) if x is None else pa.array(x),
            "ts": pa.array(times),
        }
    )


@pytest.fixture
def db(tmp_path):
    with sqlengine.connect(tmp_path / "data") as db:
        db.execute(
            "CREATE STREAM s (id BIGINT, small SMALLINT, x DOUBLE PRECISION, ts TIMESTAMP, WATERMARK FOR ts AS ts)"
        )
        for number in range(4):
            db.insert("s", batch(number))
        yield db


def contents(db, query):
    return sorted(map(repr, db.execute(query).fetchall()))


def figure(db, view, name):
    (line,) = [r[0] for r in db.execute(f"EXPLAIN ANALYZE {view}").fetchall() if f"{name} " in r[0] and "Scan" in r[0]]
    return int(line.split(f"{name} ")[1].split()[0].rstrip(","))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_views_with_and_without_the_rule_hold_the_same(db, condition):
    query = f"SELECT id, small, x, ts FROM s WHERE {condition}"
    db.execute(f"CREATE MATERIALIZED VIEW pushed AS {query}")
    db.execute("SET disabled_rules = 'push_to_log'")
    db.execute(f"CREATE MATERIALIZED VIEW plain AS {query} AND TRUE")
    for number in (4,):
        assert contents(db, "SELECT * FROM pushed") == contents(db, "SELECT * FROM plain") == contents(db, query)
        db.insert("s", batch(number))
    assert contents(db, "SELECT * FROM pushed") == contents(db, query)
    assert "pushed:" in str(db.execute("EXPLAIN ANALYZE pushed").fetchall())
    assert "skipped" not in str(db.execute("EXPLAIN ANALYZE plain").fetchall())


def test_batches_are_left_out_of_the_history_and_of_what_comes(db):
    db.execute("CREATE MATERIALIZED VIEW one AS SELECT id, ts FROM s WHERE id = 4500")
    db.execute("SELECT * FROM one")
    assert figure(db, "one", "skipped") == 3
    db.insert("s", batch(4))
    db.execute("SELECT * FROM one")
    assert figure(db, "one", "skipped") == 4 and figure(db, "one", "batches") == 1


def test_a_batch_that_is_left_out_moves_the_watermark(db):
    db.execute(
        "CREATE MATERIALIZED VIEW closed AS SELECT window_start, count(*) AS n FROM "
        "TUMBLE((SELECT ts FROM s WHERE id < 3000), ts, INTERVAL '1 second') GROUP BY window_start EMIT ON WINDOW CLOSE"
    )
    assert db.execute("SELECT count(*), sum(n) FROM closed").fetchall() == [(60, 3000)]
    assert figure(db, "closed", "skipped") == 3


def test_a_batch_with_late_rows_is_read(tmp_path):
    with sqlengine.connect(tmp_path / "data") as db:
        db.execute(
            "CREATE STREAM s (id BIGINT, small SMALLINT, x DOUBLE PRECISION, ts TIMESTAMP, WATERMARK FOR ts AS ts) "
            "WITH (late_topic = 'behind')"
        )
        columns = "query TEXT, id BIGINT, small SMALLINT, x DOUBLE PRECISION, ts TIMESTAMP"
        db.execute(f"CREATE STREAM late ({columns}) WITH (topic = 'behind')")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT id, ts FROM s WHERE id < 3000 EMIT ON WINDOW CLOSE")
        for number in (0, 2, 1, 3):
            db.insert("s", batch(number))
        assert db.execute("SELECT count(*) FROM v").fetchall() == [(3000,)]
        assert db.execute("SELECT count(*), min(id) FROM late").fetchall() == [(3000, 3000)]
        assert figure(db, "v", "skipped") == 2
