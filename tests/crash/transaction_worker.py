"""A process that writes transactions to a database until it is killed: `python transaction_worker.py DIRECTORY`.

Step n writes to two streams of several partitions and replaces all rows of a table, in frames of a few rows; it prints
`ack n` once COMMIT (or, every fourth time, ROLLBACK) has returned.
"""

from __future__ import annotations

import sys

import sqlengine
from sqlengine.statements import write

ITEMS = 40

DECLARE = """
CREATE STREAM IF NOT EXISTS debits (n BIGINT, account BIGINT) WITH (partitions = 3, key = 'account');
CREATE STREAM IF NOT EXISTS credits (n BIGINT, account BIGINT) WITH (partitions = 2, key = 'account');
CREATE TABLE IF NOT EXISTS items (id BIGINT PRIMARY KEY, step BIGINT) WITH (partitions = 2);
CREATE MATERIALIZED VIEW IF NOT EXISTS pairs AS
  SELECT d.n, count(*) AS c FROM debits AS d JOIN credits AS c ON d.n = c.n GROUP BY d.n;
CREATE MATERIALIZED VIEW IF NOT EXISTS steps AS SELECT step, count(*) AS c FROM items GROUP BY step;
"""


def main() -> None:
    """Work until killed."""
    write.APPEND_ROWS = 8
    db = sqlengine.connect(sys.argv[1])
    db.execute(DECLARE)
    found = db.execute("SELECT coalesce(max(step), -1) FROM items").fetchone()
    assert found is not None
    if found[0] < 0:
        db.execute(f"INSERT INTO items SELECT n, 0 FROM generate_series(1, {ITEMS}) AS g(n)")
    print("open", found[0], flush=True)
    for step in range(found[0] + 1, 1_000_000):
        db.execute("BEGIN")
        for stream in ("debits", "credits"):
            db.execute(f"INSERT INTO {stream} SELECT {step}, k FROM generate_series(1, 12) AS g(k)")
        db.execute(f"UPDATE items SET step = {step}")
        db.execute("ROLLBACK" if step % 4 == 3 else "COMMIT")
        print("ack", step, flush=True)


if __name__ == "__main__":
    main()
