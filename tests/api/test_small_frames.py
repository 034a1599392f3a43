"""Rows appended one by one are read as if they had come together, by queries and by views."""

from __future__ import annotations

import random
from collections.abc import Callable

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.runtime.clock import VirtualClock

JSON = """CREATE STREAM s (
    k TEXT, v INT, ts TIMESTAMP, o BIGINT METADATA FROM 'offset', WATERMARK FOR ts AS ts - INTERVAL '2 seconds'
) WITH (topic = 's', format = 'json')"""
QUERIES = [
    "SELECT k, v, ts FROM s",
    "SELECT k, v, o FROM s",
    "SELECT k, count(*) AS n, sum(v) AS total, max(o) AS newest FROM s GROUP BY k",
    "SELECT v FROM s WHERE v % 3 = 0",
    "SELECT window_start, k, count(*) AS n FROM TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '5 seconds')"
    " GROUP BY 1, 2 EMIT ON WINDOW CLOSE",
]
DECLARED = [
    JSON.replace("format = 'json'", "format = 'arrow'"),
    JSON,
    JSON.replace("format = 'json'", "format = 'arrow'").replace("WATERMARK", "doubled AS v * 2, WATERMARK"),
]


def answers(declared: str, fill: Callable[[sqlengine.Database], None]) -> list[list[tuple]]:
    """What all queries say over a stream that was filled so, as queries and as views."""
    with sqlengine.connect(clock=VirtualClock(1_704_067_200_000_000)) as db:
        db.execute(declared)
        fill(db)
        found = []
        for number, query in enumerate(QUERIES):
            plain = query.partition(" EMIT")[0]
            found.append(sorted(db.execute(plain).fetchall(), key=repr))
            db.execute(f"CREATE MATERIALIZED VIEW v{number} AS {query}")
            found.append(sorted(db.execute(f"SELECT * FROM v{number}").fetchall(), key=repr))
        found.append(db.execute("SELECT * FROM system.late_rows").fetchall())
    return found


@pytest.mark.sampled(1)
@pytest.mark.parametrize("declared", DECLARED)
def test_they_say_what_one_frame_says(declared: str) -> None:
    """Some rows come late: what is late is told by the rows before them, however they are stored."""
    chance = random.Random(7)
    rows = []
    for n in range(200):
        seconds = n // 4 - chance.choice([0, 0, 0, 9])
        rows.append(f"('{chance.choice('abc')}', {n}, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL '{seconds} seconds')")

    def one_by_one(db: sqlengine.Database) -> None:
        for row in rows:
            db.execute(f"INSERT INTO s (k, v, ts) VALUES {row}")

    def at_once(db: sqlengine.Database) -> None:
        db.execute(f"INSERT INTO s (k, v, ts) VALUES {', '.join(rows)}")

    assert answers(declared, one_by_one) == answers(declared, at_once)


def test_a_column_that_tells_the_time_is_each_frames_own() -> None:
    """PROCTIME() is when a row was appended, also where a thousand rows were, each by itself."""
    clock = VirtualClock(1_704_067_200_000_000)
    with sqlengine.connect(clock=clock) as db:
        db.execute("CREATE STREAM s (v INT, at AS now(), stamped TIMESTAMPTZ METADATA FROM 'timestamp')")
        for number in range(5):
            db.execute(f"INSERT INTO s (v) VALUES ({number})")
            clock.advance(1_000_000)
        found = db.execute("SELECT v, at, stamped FROM s").to_arrow()
        assert len(set(found.column("at").to_pylist())) == len(set(found.column("stamped").to_pylist())) == 5


def test_bad_records_keep_their_offsets() -> None:
    """What is not JSON is told of at the offset where it lies."""
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (v INT) WITH (topic = 's', format = 'json')")
        log = db._instance.storage.topic("s").partitions[0]
        for number in range(10):
            value = b"broken" if number % 3 == 1 else b'{"v": %d}' % number
            record = {"key": None, "value": value, "timestamp": 0, "headers": None}
            log.append(
                pa.RecordBatch.from_pylist(
                    [record], schema=log.read(0)[0].schema if number else db._instance.storage.topic("s").schema
                )
            )
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT sum(v) AS total FROM s")
        assert db.execute("SELECT total FROM v").fetchall() == [(0 + 2 + 3 + 5 + 6 + 8 + 9,)]
        assert sorted(db.execute('SELECT "offset" FROM system.errors').fetchall()) == [(1,), (4,), (7,)]
