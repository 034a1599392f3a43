"""Makes the database directory `v2_altered` beside this file: columns of tables and a stream altered before and after a
checkpoint, and no closing. Not to be run again once a version is released.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlengine

HERE = Path(__file__).parent
DIRECTORY = HERE / "v2_altered"

BEFORE = """
CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT, price TEXT, gone INT);
CREATE STREAM seen (n INT, k TEXT);
INSERT INTO items VALUES (1, 'a', '10', 1), (2, 'b', '20', 2), (3, 'c', 'none', 3);
INSERT INTO seen VALUES (1, 'x'), (2, 'y');
CREATE MATERIALIZED VIEW names AS SELECT id, upper(name) AS name FROM items WHERE id < 100;
DELETE FROM items WHERE id = 3;
ALTER TABLE items RENAME gone TO left_out;
ALTER TABLE items ALTER price TYPE INT USING price::INT * 100;
ALTER STREAM seen ALTER n TYPE BIGINT;
"""
AFTER = """
ALTER TABLE items RENAME price TO cents;
ALTER TABLE items DROP COLUMN left_out;
ALTER TABLE items ADD COLUMN left_out TEXT DEFAULT 'no';
ALTER STREAM seen RENAME n TO number;
ALTER STREAM seen DROP COLUMN k;
INSERT INTO items VALUES (4, 'd', 4000, 'yes');
INSERT INTO seen VALUES (5000000000);
UPDATE items SET cents = cents + 1 WHERE id = 1;
"""
ITEMS = [(1, "a", 1001, "no"), (2, "b", 2000, "no"), (4, "d", 4000, "yes")]
SEEN = [(1,), (2,), (5000000000,)]


def main() -> None:
    """Write it."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    db = sqlengine.connect(DIRECTORY, clock=sqlengine.VirtualClock(1_700_000_000_000_000))
    db.execute(BEFORE)
    db.execute("CHECKPOINT")
    db.execute(AFTER)
    db.tick()
    db.crash()


if __name__ == "__main__":
    main()
