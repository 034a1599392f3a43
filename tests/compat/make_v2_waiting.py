"""Makes the database directory `v2_waiting` beside this file: a checkpoint of operators that keep rows until their time
comes, ticks after it, and no closing. Not to be run again once a version is released.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlengine

HERE = Path(__file__).parent
DIRECTORY = HERE / "v2_waiting"
BEGAN_US = 1_700_000_000_000_000
STEP_US = 4_000_000

DECLARE = """
CREATE STREAM s (n BIGINT, k BIGINT, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '6 s');
CREATE STREAM prices (k BIGINT, price BIGINT, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '6 s');
CREATE TABLE items (id BIGINT PRIMARY KEY, k BIGINT, ts TIMESTAMPTZ);
CREATE TABLE edges (a BIGINT, b BIGINT);
CREATE MATERIALIZED VIEW changing_sessions AS
  SELECT k, window_start, window_end, count(*) AS c, max(id) AS m
  FROM SESSION(items PARTITION BY k, ts, INTERVAL '5 s') GROUP BY k, window_start, window_end;
CREATE MATERIALIZED VIEW changing_asof AS
  SELECT i.id, x.n FROM items AS i ASOF LEFT JOIN s AS x ON i.k = x.k AND i.ts >= x.ts;
CREATE MATERIALIZED VIEW settled_asof AS
  SELECT x.n, p.price FROM s AS x ASOF LEFT JOIN prices AS p ON x.k = p.k AND x.ts >= p.ts EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW versions AS
  SELECT x.n, p.price FROM s AS x JOIN prices FOR SYSTEM_TIME AS OF x.ts AS p ON x.k = p.k;
CREATE MATERIALIZED VIEW recent AS SELECT n, k FROM s WHERE ts > now() - INTERVAL '20 s';
CREATE MATERIALIZED VIEW soon AS SELECT id FROM items WHERE ts + INTERVAL '10 s' < now();
CREATE MATERIALIZED VIEW in_order AS SELECT n, ts FROM s WHERE n % 3 < 2 EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW now_and_then AS SELECT k, count(*) AS c FROM s GROUP BY k EMIT EVERY INTERVAL '10 s';
CREATE MATERIALIZED VIEW reachable AS
  WITH RECURSIVE r AS (SELECT a, b FROM edges UNION SELECT r.a, e.b FROM r JOIN edges AS e ON r.b = e.a)
  SELECT * FROM r;
CREATE MATERIALIZED VIEW running AS SELECT n, sum(n) OVER (PARTITION BY k ORDER BY ts, n) AS total FROM s;
CREATE STREAM written AS SELECT n * 10 AS m FROM s WHERE k = 1;
CREATE SUBSCRIPTION feed FROM changing_sessions
"""


def clock() -> sqlengine.VirtualClock:
    """Where the steps begin."""
    return sqlengine.VirtualClock(BEGAN_US)


def step(db: sqlengine.Database, time: sqlengine.VirtualClock, number: int) -> None:
    """A few rows of everything, some of them out of order, and some time later."""
    time.advance(STEP_US)

    def at(second: int) -> str:
        return f"to_timestamp({BEGAN_US // 1_000_000 + number * 4 + second})"

    rows = [f"({number * 3 + i}, {i}, {at(second)})" for i, second in enumerate((0, 2, -3))]
    db.execute(f"INSERT INTO s VALUES {', '.join(rows)}")
    db.execute(f"INSERT INTO prices VALUES (0, {number}, {at(1)}), (1, {number}, {at(-2)})")
    change = "ON CONFLICT (id) DO UPDATE SET k = excluded.k, ts = excluded.ts"
    db.execute(f"INSERT INTO items VALUES ({number + 5}, {number % 2}, {at(0)}), ({number % 5}, 0, {at(-1)}) {change}")
    db.execute(f"DELETE FROM items WHERE id = {number - 3}")
    db.execute(f"INSERT INTO edges VALUES ({number % 5}, {number % 7})")
    db.execute(f"DELETE FROM edges WHERE a = {number % 4} AND b = {number % 3}")
    db.tick()


def main() -> None:
    """Write it."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    time = clock()
    db = sqlengine.connect(DIRECTORY, clock=time, checkpoint_interval_ms=0)
    db.execute(DECLARE)
    for number in range(12):
        step(db, time, number)
        if number in (3, 6, 8):
            db.execute("CHECKPOINT")
    db.crash()


if __name__ == "__main__":
    main()
