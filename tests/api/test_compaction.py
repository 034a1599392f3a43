"""Compacted topics under tables and streams: what a table holds and what views say does not change."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

import sqlengine

VIEWS = {
    "groups": "SELECT g, count(*) AS c, sum(v) AS total FROM t GROUP BY g",
    "large": "SELECT k, v FROM t WHERE v > 500",
    "joined": "SELECT t.k, u.name FROM t JOIN u ON t.g = u.g",
}
DECLARE = """
CREATE TABLE t (k BIGINT PRIMARY KEY, g BIGINT, v BIGINT) WITH (segment_bytes = 4096);
CREATE TABLE u (g BIGINT PRIMARY KEY, name TEXT);
INSERT INTO u VALUES (0, 'zero'), (1, 'one'), (2, 'two');
"""


def change(db: sqlengine.Database, model: dict[int, tuple[int, int]], rng: random.Random) -> None:
    """One random statement, in the table and in the model."""
    k, g, v = rng.randrange(12), rng.randrange(4), rng.randrange(1000)
    kind = rng.random()
    if kind < 0.6:
        text = "INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (k) DO UPDATE SET g = excluded.g, v = excluded.v"
        db.execute(text, (k, g, v))
        model[k] = (g, v)
    elif kind < 0.8:
        db.execute("DELETE FROM t WHERE k = ?", (k,))
        model.pop(k, None)
    else:
        db.execute("UPDATE t SET v = v + 1 WHERE g = ?", (g,))
        model.update({key: (a, b + 1) for key, (a, b) in model.items() if a == g})


def check(db: sqlengine.Database, model: dict[int, tuple[int, int]]) -> None:
    """The table is the model, every view its query."""
    expected = sorted((k, g, v) for k, (g, v) in model.items())
    assert db.execute("SELECT * FROM t ORDER BY k").fetchall() == expected
    for view, query in VIEWS.items():
        assert sorted(db.execute(f"SELECT * FROM {view}").fetchall()) == sorted(db.execute(query).fetchall()), view


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", range(6))
def test_compaction_changes_no_table_and_no_view(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    model: dict[int, tuple[int, int]] = {}
    db = sqlengine.connect(tmp_path)
    db.execute(DECLARE)
    for view, query in VIEWS.items():
        db.execute(f"CREATE MATERIALIZED VIEW {view} AS {query}")
    db.execute("ALTER TOPIC t SET (cleanup_policy = 'compact', min_dirty_ratio = 0, delete_retention = '0 seconds')")
    removed = 0
    for _ in range(12):
        for _ in range(25):
            change(db, model, rng)
        removed += db._instance.storage.compact()
        check(db, model)
        what = rng.random()
        if what < 0.3:
            db.crash()  # the checkpoint is older than what compaction has done to the changelog since
            db = sqlengine.connect(tmp_path)
        elif what < 0.5:
            db.close()
            db = sqlengine.connect(tmp_path)
        elif what < 0.6:
            db.execute("DROP MATERIALIZED VIEW large")
            db.execute(f"CREATE MATERIALIZED VIEW large AS {VIEWS['large']}")
        check(db, model)
    assert removed > 100
    db.close()
    shutil.rmtree(tmp_path / "snapshots" / "checkpoint")
    with sqlengine.connect(tmp_path) as again:
        check(again, model)


def test_a_compacted_stream_keeps_the_last_row_of_each_key_and_its_offset(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute(
            "CREATE STREAM s (k TEXT, n BIGINT, place BIGINT METADATA FROM 'offset') WITH (key = 'k', "
            "segment_bytes = 4096, cleanup_policy = 'compact,delete', min_dirty_ratio = 0, retention = '7 days')"
        )
        for n in range(200):
            db.insert("s", [(f"key {n % 5}", n)])
        assert db._instance.storage.compact() > 50
        rows = db.execute("SELECT k, n, place FROM s").fetchall()
        assert len(rows) < 150 and all(n == place for _, n, place in rows)
        latest = db.execute("SELECT k, max(n) FROM s GROUP BY k ORDER BY k").fetchall()
        assert latest == [(f"key {n % 5}", n) for n in range(195, 200)]
        printed = db.execute("PRINT 's' FROM BEGINNING LIMIT 8").fetchall()
        assert len(printed) == 8 and all(row[1] == row[4] for row in printed)
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS c FROM s GROUP BY k")
        query = "SELECT k, count(*) AS c FROM s GROUP BY k"
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == sorted(db.execute(query).fetchall())


def test_a_long_stretch_without_records_ends_no_reading(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute(DECLARE)
        db.execute(
            "ALTER TOPIC t SET (cleanup_policy = 'compact', min_dirty_ratio = 0, delete_retention = '0 seconds')"
        )
        for n in range(150):
            db.execute("INSERT INTO t VALUES (1, 1, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v", (n,))
        db.execute("DELETE FROM t")
        db.execute("INSERT INTO t SELECT 2, 2, 2 FROM generate_series(1, 1)")
        db._instance.storage.compact()
        assert db.execute("SELECT * FROM t").fetchall() == [(2, 2, 2)]
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT sum(v) AS x FROM t")
        assert db.execute("SELECT x FROM v").fetchall() == [(2,)]
        db.crash()
    with sqlengine.connect(tmp_path) as db:
        assert db.execute("SELECT * FROM t").fetchall() == [(2, 2, 2)]


@pytest.mark.parametrize(
    ("text", "sqlstate", "message"),
    [
        ("CREATE TABLE x (a INT) WITH (cleanup_policy = 'compact')", "42P17", "no primary key"),
        ("CREATE STREAM x (a INT) WITH (cleanup_policy = 'compact')", "42P17", "no key to compact by"),
        (
            "CREATE TABLE x (a INT PRIMARY KEY, b TIMESTAMP, WATERMARK FOR b AS b) WITH (cleanup_policy = 'compact')",
            "0A000",
            "FOR SYSTEM_TIME AS OF",
        ),
        ("CREATE STREAM x WITH (cleanup_policy = 'compact') AS SELECT * FROM s", "0A000", "written by a query"),
        ("ALTER TOPIC s SET (cleanup_policy = 'compact')", "42P17", "no key to compact by"),
        ("ALTER TOPIC d SET (cleanup_policy = 'compact')", "0A000", "written by a query"),
        ("ALTER TOPIC s SET (cleanup_policy = 'shrink')", "22023", "cleanup_policy"),
        ("ALTER TOPIC s SET (min_dirty_ratio = 2)", "22023", "min_dirty_ratio"),
        ("ALTER TOPIC s SET (min_dirty_ratio = half)", "22023", "min_dirty_ratio"),
        ("ALTER TOPIC s SET (delete_retention = '1 month')", "22023", "fixed length"),
        ("ALTER TOPIC s SET (cleaning = 'compact')", "22023", "unrecognized topic option"),
        ("ALTER TOPIC two SET (cleanup_policy = 'compact')", "42P17", "no one key"),
    ],
)
def test_what_cannot_be_compacted_is_refused(text: str, sqlstate: str, message: str) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (a INT)")
        db.execute("CREATE STREAM d AS SELECT a FROM s")
        db.execute("CREATE STREAM one (a INT, b INT) WITH (topic = 'two', key = 'a')")
        db.execute("CREATE STREAM other (a INT, b INT) WITH (topic = 'two', key = 'b')")
        with pytest.raises(sqlengine.Error, match=message) as caught:
            db.execute(text)
        assert caught.value.sqlstate == sqlstate
        assert db.execute("SELECT * FROM s").fetchall() == []


def test_a_row_without_a_key_is_refused() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k TEXT, n INT) WITH (key = 'k')")
        db.execute("INSERT INTO s VALUES ('a', 1)")
        db.execute(
            "ALTER TOPIC s SET (cleanup_policy = 'delete,compact', retention = '1 day', retention_bytes = '1 GB')"
        )
        with pytest.raises(sqlengine.Error, match='compacted by "k"') as caught:
            db.execute("INSERT INTO s VALUES (NULL, 2)")
        assert caught.value.sqlstate == "23502"
        db.execute("ALTER TOPIC s SET (cleanup_policy = 'delete')")
        db.execute("INSERT INTO s VALUES (NULL, 2)")
        assert len(db.execute("SELECT * FROM s").fetchall()) == 2
