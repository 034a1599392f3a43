"""A process that writes to a database until it is killed: `python worker.py DIRECTORY SEED`.

Step n appends five rows to the stream, replaces and maybe deletes rows of the table, and prints `ack n` once the
statements have returned.  It goes on from the number of the last step it finds.  Now and then it checkpoints, and may
do so all the time beside its work.
"""

from __future__ import annotations

import datetime as dt
import random
import sys

import sqlengine

START = dt.datetime(2024, 1, 1)
ROWS = 5

DECLARE = """
CREATE STREAM IF NOT EXISTS events (n BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)
  WITH (durability = 'group');
CREATE TABLE IF NOT EXISTS items (id BIGINT PRIMARY KEY, step BIGINT) WITH (durability = 'group');
CREATE MATERIALIZED VIEW IF NOT EXISTS closed AS
  SELECT k, count(*) AS c, window_start FROM TUMBLE(events, ts, INTERVAL '10 s') GROUP BY k, window_start, window_end
  EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW IF NOT EXISTS counts AS SELECT k, count(*) AS c, max(n) AS newest FROM events GROUP BY k;
CREATE MATERIALIZED VIEW IF NOT EXISTS joined AS
  SELECT e.n, i.step FROM events AS e JOIN items AS i ON e.k = i.id WHERE e.n % 7 = 0;
CREATE MATERIALIZED VIEW IF NOT EXISTS ranked AS SELECT k, c FROM counts ORDER BY c DESC, k LIMIT 3;
CREATE STREAM IF NOT EXISTS evens AS SELECT n, 100 / (n % 50) AS q FROM events WHERE n % 2 = 0;
CREATE STREAM IF NOT EXISTS ended AS
  SELECT k, count(*) AS c, window_start FROM TUMBLE(events, ts, INTERVAL '10 s') GROUP BY k, window_start, window_end
  EMIT ON WINDOW CLOSE;
"""


def rows_of(step: int) -> list[tuple[int, int, dt.datetime]]:
    """The stream's rows of a step."""
    first = step * ROWS
    return [(n, n * 31 % 11, START + dt.timedelta(seconds=n)) for n in range(first, first + ROWS)]


def change(step: int) -> tuple[int, bool]:
    """(the item a step writes, whether it is deleted instead)."""
    return step * 17 % 13, step % 5 == 4


def main() -> None:
    """Work until killed."""
    path, seed = sys.argv[1], sys.argv[2]
    rng = random.Random(seed)
    db = sqlengine.connect(path, checkpoint_interval_ms=rng.choice((0, 20, 200)))
    db.execute(DECLARE)
    db.execute(
        f"CREATE SINK IF NOT EXISTS filed AS SELECT n, k FROM events WHERE n % 3 = 0 WITH (connector = 'file', "
        f"path = '{path}-files', format = 'parquet', partition_by = 'k', roll_rows = 9, roll_interval = '100 ms')"
    )
    done = db.execute("SELECT coalesce(max(n) / 5, -1) FROM events").fetchone()
    assert done is not None
    print("open", done[0], flush=True)
    for step in range(done[0] + 1, 1_000_000):
        item, delete = change(step)
        if delete:
            db.execute("DELETE FROM items WHERE id = ?", (item,))
        else:
            text = "INSERT INTO items VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET step = excluded.step"
            db.execute(text, (item, step))
        db.insert("events", rows_of(step))
        print("ack", step, flush=True)
        if rng.random() < 0.05:
            db.checkpoint()


if __name__ == "__main__":
    main()
