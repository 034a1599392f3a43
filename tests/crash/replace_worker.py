"""A process that changes views while they run, until it is killed: `python replace_worker.py DIRECTORY SEED`.

Each step appends ten rows and replaces the view `v`, or makes `w` anew, in the background and slowly, so that several
of both are under way; or it pauses or resumes what reads them, and prints `ack n`.
"""

from __future__ import annotations

import random
import sys

import sqlengine
from sqlengine.errors import ObjectInUse, ObjectNotReady
from sqlengine.runtime import fill

DEFINITIONS = (
    "SELECT k, count(*) AS n FROM events GROUP BY k",
    "SELECT k, count(*) AS n FROM events GROUP BY k HAVING count(*) > 20",
    "SELECT k, max(n) AS n FROM events GROUP BY k",
    "SELECT e.k, sum(i.v)::BIGINT AS n FROM events AS e JOIN items AS i ON e.k = i.id GROUP BY e.k",
)

DECLARE = f"""
CREATE STREAM IF NOT EXISTS events (n BIGINT, k BIGINT) WITH (durability = 'group');
CREATE TABLE IF NOT EXISTS items (id BIGINT PRIMARY KEY, v BIGINT) WITH (durability = 'group');
CREATE MATERIALIZED VIEW IF NOT EXISTS v AS {DEFINITIONS[0]};
CREATE MATERIALIZED VIEW IF NOT EXISTS above AS SELECT count(*) AS keys, max(n) AS most FROM v;
CREATE STREAM IF NOT EXISTS odd AS SELECT n FROM events WHERE n % 2 = 1;
"""
ROWS = 10


def main() -> None:
    """Work until killed."""
    path, seed = sys.argv[1], sys.argv[2]
    rng = random.Random(seed)
    fill.STEP_ROWS_MAX, fill.SWITCH_ROWS_MAX = 7, 3
    db = sqlengine.connect(path)
    db.execute(DECLARE)
    done = db.execute("SELECT coalesce(max(n) / 10, -1) FROM events").fetchone()
    assert done is not None
    print("open", done[0], flush=True)
    db.execute("SET background_ddl = true")
    for step in range(done[0] + 1, 1_000_000):
        db.insert("events", [(n, n * 31 % 11) for n in range(step * ROWS, (step + 1) * ROWS)])
        db.execute(
            "INSERT INTO items VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET v = excluded.v", (step * 17 % 13, step)
        )
        change(db, rng)
        print("ack", step, flush=True)
        if rng.random() < 0.1:
            db.checkpoint()


def change(db: sqlengine.Database, rng: random.Random) -> None:
    """Replace, make, pause or resume something; what is still under way is left alone."""
    number = rng.randrange(len(DEFINITIONS))
    try:
        match rng.randrange(5):
            case 0 | 1:
                db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW v AS {DEFINITIONS[number]}")
            case 2:
                db.execute("DROP MATERIALIZED VIEW IF EXISTS w")
                db.execute(f"CREATE MATERIALIZED VIEW w AS {DEFINITIONS[2]}")
            case 3:
                db.execute(f"PAUSE QUERY {rng.choice(('above', 'odd'))}")
            case 4:
                db.execute(f"RESUME QUERY {rng.choice(('above', 'odd'))}")
    except (ObjectInUse, ObjectNotReady):
        return


if __name__ == "__main__":
    main()
