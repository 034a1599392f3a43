"""A process that writes to a database and follows two of its views until it is killed: `python subscription_worker.py
DIRECTORY SEED`.

Each step appends rows, changes the table and takes in what subscriptions tell, each change a line of a file of its own
beside the database; it acknowledges now and then, and prints `ack n`.  It may replace a view, pause or resume one.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import sqlengine

DEFINITIONS = (
    "SELECT k, count(*) AS c, max(n) AS newest FROM events GROUP BY k",
    "SELECT k, count(*) AS c, min(n) AS newest FROM events GROUP BY k HAVING count(*) > 3",
)
DECLARE = f"""
CREATE STREAM IF NOT EXISTS events (n BIGINT, k BIGINT) WITH (durability = 'group');
CREATE TABLE IF NOT EXISTS items (id BIGINT PRIMARY KEY, v BIGINT) WITH (durability = 'group');
CREATE MATERIALIZED VIEW IF NOT EXISTS counts AS {DEFINITIONS[0]};
CREATE MATERIALIZED VIEW IF NOT EXISTS joined AS SELECT e.n, i.v FROM events AS e JOIN items AS i ON e.k = i.id;
CREATE SUBSCRIPTION IF NOT EXISTS counts_feed FROM counts;
CREATE SUBSCRIPTION IF NOT EXISTS joined_feed FROM joined;
"""
FEEDS = {"counts_feed": "counts", "joined_feed": "joined"}
ROWS = 5


def file_of(path: str, feed: str) -> Path:
    """Where a follower keeps what it was told."""
    return Path(f"{path}-{feed}.jsonl")


def told(path: str, feed: str) -> dict[int, list[list[object]]]:
    """By tick, the rows a follower has kept; those of a tick that it was told twice must be the same."""
    found: dict[int, list[list[object]]] = {}
    file = file_of(path, feed)
    for line in file.read_text().splitlines(keepends=True) if file.exists() else ():
        if line.endswith("\n"):
            change = json.loads(line)
            assert found.setdefault(change["tick"], change["rows"]) == change["rows"], "a tick that changed"
    return found


def take(follower: sqlengine.api.subscription.SubscriptionFollower, path: str, feed: str, acknowledges: bool) -> None:
    """Keep what has come, then acknowledge it."""
    with file_of(path, feed).open("r+b" if file_of(path, feed).exists() else "w+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)  # a line that was broken off
        file.seek(0, os.SEEK_END)
        while (change := follower.next(0.01)) is not None:
            rows = sorted((list(row.values()) for row in change.to_pylist()), key=repr)
            file.write(json.dumps({"tick": change.tick, "rows": rows}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            if acknowledges:
                follower.acknowledge(change.tick)


def main() -> None:
    """Work until killed."""
    path, seed = sys.argv[1], sys.argv[2]
    rng = random.Random(seed)
    db = sqlengine.connect(path, checkpoint_interval_ms=rng.choice((0, 20, 200)))
    db.execute(DECLARE)
    done = db.execute("SELECT coalesce(max(n) / 5, -1) FROM events").fetchone()
    assert done is not None
    print("open", done[0], flush=True)
    followers = {feed: db.subscription(feed) for feed in FEEDS}
    for step in range(done[0] + 1, 1_000_000):
        db.insert("events", [(n, n * 31 % 11) for n in range(step * ROWS, (step + 1) * ROWS)])
        text = "INSERT INTO items VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET v = excluded.v"
        db.execute(text, (step * 17 % 13, step))
        for feed, follower in followers.items():
            take(follower, path, feed, rng.random() < 0.5)
        match rng.randrange(12):
            case 0:
                db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW counts AS {rng.choice(DEFINITIONS)}")
            case 1:
                db.execute("PAUSE QUERY joined")
            case 2:
                db.execute("RESUME QUERY joined")
            case 3:
                db.checkpoint()
        print("ack", step, flush=True)


if __name__ == "__main__":
    main()
