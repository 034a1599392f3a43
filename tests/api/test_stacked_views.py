"""Views over views over views: refused with all names, dropped in order, renamed, opened again."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine
from sqlengine.errors import DependentObjects
from tests.api.fill_support import rows


def stacked(db: sqlengine.Database) -> None:
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    db.execute("CREATE MATERIALIZED VIEW a AS SELECT v, count(*) AS n FROM t GROUP BY v")
    db.execute("CREATE VIEW b AS SELECT n FROM a WHERE n > 1")
    db.execute("CREATE MATERIALIZED VIEW c AS SELECT n, count(*) AS times FROM b GROUP BY n")
    db.execute("CREATE MATERIALIZED VIEW d AS SELECT c.n, a.v FROM c JOIN a ON c.n = a.n")
    db.execute("CREATE SINK s FROM d WITH (connector = 'blackhole')")
    db.execute("INSERT INTO t SELECT i, i % 3 FROM generate_series(1, 9) AS g(i)")


DEPENDENCIES = [
    "view b depends on materialized view a",
    "materialized view c depends on view b",
    "materialized view d depends on materialized view c",
    "materialized view d depends on materialized view a",
    "sink s depends on materialized view d",
]


def test_drop_is_refused_with_all_names() -> None:
    with sqlengine.connect() as db:
        stacked(db)
        db.execute("CREATE STREAM e (k INT); CREATE STREAM f AS SELECT k FROM e; CREATE VIEW g AS SELECT k FROM f")
        over_f = ["view g depends on stream f"]
        for statement, what, lines in (
            ("DROP MATERIALIZED VIEW a", "materialized view a", DEPENDENCIES),
            ("DROP TABLE t", "table t", ["materialized view a depends on table t", *DEPENDENCIES]),
            ("DROP MATERIALIZED VIEW d", "materialized view d", DEPENDENCIES[-1:]),
            ("DROP VIEW b", "view b", [*DEPENDENCIES[1:3], DEPENDENCIES[4]]),
            ("DROP STREAM f", "stream f", over_f),
            ("DROP STREAM e", "stream e", ["stream f depends on stream e", *over_f]),
            ("DROP TOPIC f", "topic f", ["stream f depends on topic f", *over_f]),
        ):
            with pytest.raises(DependentObjects, match=f"cannot drop {what} because other objects") as refused:
                db.execute(statement)
            assert refused.value.sqlstate == "2BP01"
            assert str(refused.value.detail).split("\n") == lines
            assert refused.value.hint == "use DROP ... CASCADE to drop the dependent objects too"
        with pytest.raises(DependentObjects, match="cannot rename materialized view a because") as refused:
            db.execute("ALTER MATERIALIZED VIEW a RENAME TO z")
        assert refused.value.hint == "drop them first"


def test_cascade_drops_all_and_says_so() -> None:
    with sqlengine.connect() as db:
        stacked(db)
        [notice] = db.execute("DROP TABLE t CASCADE").notices
        assert notice.split("\n") == [
            "drop cascades to 5 other objects",
            "DETAIL: drop cascades to materialized view a",
            "drop cascades to view b",
            "drop cascades to materialized view c",
            "drop cascades to materialized view d",
            "drop cascades to sink s",
        ]
        assert not list(db._instance.catalog)
        assert not db._instance.scheduler.queries
        assert not db._instance.outputs
        stacked(db)
        assert db.execute("DROP MATERIALIZED VIEW d CASCADE").notices == ["drop cascades to sink s"]
        assert db.execute("DROP TOPIC t CASCADE").notices[0].startswith("drop cascades to 4 other objects")
        assert not list(db._instance.catalog)
        assert rows(db, "SELECT name FROM system.topics") == []


def test_dropping_a_stream_ends_the_query_that_writes_it(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE STREAM e (k INT); CREATE STREAM f AS SELECT k FROM e")
        db.execute("DROP STREAM f; INSERT INTO e VALUES (1)")
        assert rows(db, "SELECT name FROM system.queries") == []
        db.execute("CREATE STREAM f AS SELECT k + 1 AS k FROM e")
        db.execute("ALTER STREAM f RENAME TO g")
        db.execute("INSERT INTO e VALUES (2)")
        assert rows(db, "SELECT k FROM g") == [(2,), (3,)]
    with sqlengine.connect(tmp_path) as db:
        db.execute("INSERT INTO e VALUES (3)")
        assert rows(db, "SELECT k FROM g") == [(2,), (3,), (4,)]
        assert db.execute("DROP STREAM e CASCADE").notices == ["drop cascades to stream g"]
        assert not list(db._instance.catalog)


def test_a_schema_is_dropped_with_what_is_in_it_and_over_it() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE SCHEMA x; CREATE TABLE x.t (id INT); CREATE MATERIALIZED VIEW v AS SELECT id FROM x.t")
        with pytest.raises(DependentObjects) as refused:
            db.execute("DROP SCHEMA x")
        assert str(refused.value.detail).split("\n") == [
            "table x.t depends on schema x",
            "materialized view v depends on table x.t",
        ]
        assert db.execute("DROP SCHEMA x CASCADE").notices[0].startswith("drop cascades to 2 other objects")
        assert not list(db._instance.catalog)


@pytest.mark.parametrize("killed", [False, True])
def test_three_deep_after_opening(tmp_path: Path, killed: bool) -> None:
    with sqlengine.connect(tmp_path) as db:
        stacked(db)
        db.checkpoint()
        db.execute("DELETE FROM t WHERE id = 1")
        if killed:
            db.crash()
    with sqlengine.connect(tmp_path) as db:
        assert rows(db, "SELECT * FROM c") == [(2, 1), (3, 2)]
        db.execute("INSERT INTO t VALUES (1, 1)")
        assert rows(db, "SELECT * FROM c") == [(3, 3)]
        assert rows(db, "SELECT * FROM d") == [(3, 0), (3, 1), (3, 2)]
