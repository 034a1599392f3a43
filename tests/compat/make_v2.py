"""Makes the database directory `v2` beside this file: a checkpoint, ticks after it, and no closing. Not to be run again
once a version is released.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlengine

HERE = Path(__file__).parent
DIRECTORY = HERE / "v2"

DECLARE = """
CREATE TABLE items (id BIGINT PRIMARY KEY, k BIGINT, name TEXT, price NUMERIC(10, 2));
CREATE STREAM seen (n BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (late_topic = 'too_late');
CREATE MATERIALIZED VIEW by_kind AS
  SELECT k, count(*) AS c, sum(price) AS total, min(name) AS first, count(DISTINCT name) AS names,
    array_agg(id ORDER BY id) AS ids
  FROM items GROUP BY k;
CREATE MATERIALIZED VIEW joined AS SELECT s.n, i.name FROM seen AS s LEFT JOIN items AS i ON s.k = i.id;
CREATE MATERIALIZED VIEW top AS SELECT * FROM items ORDER BY price DESC, id LIMIT 2;
CREATE MATERIALIZED VIEW ranked AS SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY id) AS place FROM items;
CREATE MATERIALIZED VIEW windows AS
  SELECT k, window_start, count(*) AS c, max(n) AS m FROM TUMBLE(seen, ts, INTERVAL '10 s') GROUP BY k, window_start;
CREATE MATERIALIZED VIEW sessions AS
  SELECT k, window_start, count(*) AS c FROM SESSION(seen, ts, INTERVAL '5 s') GROUP BY k, window_start, window_end;
CREATE STREAM closed AS SELECT k, window_start, count(*) AS c
  FROM HOP(seen, ts, INTERVAL '5 s', INTERVAL '20 s') GROUP BY k, window_start, window_end EMIT ON WINDOW CLOSE;
"""


def step(db: sqlengine.Database, number: int) -> None:
    """A few rows of everything, some of them late."""
    values = ", ".join(f"({number + i}, {i % 3}, 'name {i % 4}', {number}.{i}0)" for i in range(4))
    change = "ON CONFLICT (id) DO UPDATE SET k = excluded.k, price = excluded.price"
    db.execute(f"INSERT INTO items VALUES {values} {change}")
    db.execute(f"DELETE FROM items WHERE id = {number - 3}")
    seconds = [number * 4, number * 4 + 1, number * 4 - 30]
    times = [f"TIMESTAMP '2024-01-01' + INTERVAL '{second} s'" for second in seconds]
    rows = [f"({number * 3 + i}, {i}, {time})" for i, time in enumerate(times)]
    db.execute(f"INSERT INTO seen VALUES {', '.join(rows)}")
    db.tick()


def main() -> None:
    """Write it."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    db = sqlengine.connect(DIRECTORY, clock=sqlengine.VirtualClock(1_700_000_000_000_000))
    db.execute(DECLARE)
    for number in range(12):
        step(db, number)
        if number in (3, 6, 8):
            db.execute("CHECKPOINT")
    db.crash()


if __name__ == "__main__":
    main()
