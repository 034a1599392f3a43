"""ALTER [MATERIALIZED] VIEW ... AS: another query, everything else stays."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine

DECLARE = """
CREATE STREAM s (ts TIMESTAMP, k BIGINT, WATERMARK FOR ts AS ts);
INSERT INTO s VALUES ('2024-01-01 00:00:00', 1), ('2024-01-01 00:00:01', 2), ('2024-01-01 00:01:01', 2);
CREATE MATERIALIZED VIEW v WITH (backfill_rate_limit = 1000) AS SELECT window_start, count(*) AS c
  FROM TUMBLE(s, ts, INTERVAL '1' MINUTE) GROUP BY window_start EMIT ON WINDOW CLOSE;
COMMENT ON MATERIALIZED VIEW v IS 'by minute';
CREATE MATERIALIZED VIEW above AS SELECT sum(c) AS c FROM v;
CREATE VIEW plain AS SELECT k FROM s
"""
OTHER = "SELECT window_start, sum(k) AS c FROM TUMBLE(s, ts, INTERVAL '1' MINUTE) GROUP BY window_start"


def about(db: sqlengine.Database) -> list[tuple[object, ...]]:
    return db.execute("SELECT obj_description(oid), relname FROM pg_class WHERE relname = 'v'").fetchall()


def test_options_emit_comment_and_readers_stay(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute(DECLARE)
        before = about(db)
        assert db.execute("SELECT c FROM v").fetchall() == [(2,)]
        db.execute(f"ALTER MATERIALIZED VIEW v AS {OTHER}")
        assert db.execute("SELECT c FROM v").fetchall() == [(3,)], "a window that is open is not told of"
        assert db.execute("SELECT c FROM above").fetchall() == [(3,)]
        assert about(db) == before
        view = db._instance.catalog.get(("v",))
        assert getattr(view, "options", None) == {"backfill_rate_limit": "1000"}
    with sqlengine.connect(tmp_path) as db:
        db.execute("INSERT INTO s VALUES ('2024-01-01 00:02:01', 7)")
        assert sorted(db.execute("SELECT c FROM v").fetchall()) == [(2,), (3,)]
        db.execute(f"ALTER MATERIALIZED VIEW v AS {OTHER} EMIT CHANGES")
        assert sorted(db.execute("SELECT c FROM v").fetchall()) == [(2,), (3,), (7,)]


def test_what_made_it_can_be_run_again() -> None:
    with sqlengine.connect() as db:
        db.execute(DECLARE)
        db.execute(f"ALTER MATERIALIZED VIEW v AS {OTHER} EMIT CHANGES")
        for _ in range(2):
            db.execute(f"ALTER MATERIALIZED VIEW v AS {OTHER} HAVING 'a;b' <> '';")
        ((_, text),) = db.execute("SHOW CREATE MATERIALIZED VIEW v").fetchall()
        assert text.count("ALTER") == 2
        rows = db.execute("SELECT * FROM v").fetchall()
        db.execute("DROP MATERIALIZED VIEW v CASCADE")
        db.execute(text)
        assert db.execute("SELECT * FROM v").fetchall() == rows and len(rows) == 2


def test_a_plain_view_and_bad_statements() -> None:
    with sqlengine.connect() as db:
        db.execute(DECLARE)
        db.execute("ALTER VIEW plain AS SELECT k + 1 AS k, ts FROM s")
        assert db.execute("SELECT max(k) FROM plain").fetchone() == (3,)
        result = db.execute("ALTER MATERIALIZED VIEW IF EXISTS none AS SELECT 1 AS a")
        assert result.tag == "ALTER MATERIALIZED VIEW" and "does not exist, skipping" in str(result.notices)
        for statement, state in (
            ("ALTER MATERIALIZED VIEW none AS SELECT 1 AS a", "42P01"),
            ("ALTER MATERIALIZED VIEW plain AS SELECT 1 AS a", "42809"),
            ("ALTER VIEW v AS SELECT 1 AS a", "42809"),
            ("ALTER VIEW plain AS SELECT k FROM s EMIT CHANGES", "42601"),
            ("ALTER TABLE s AS SELECT 1", "0A000"),
            ("ALTER MATERIALIZED VIEW v AS SELECT nothing FROM s", "42703"),
            ("ALTER MATERIALIZED VIEW v AS", "42601"),
        ):
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(statement)
            assert caught.value.sqlstate == state, (statement, caught.value)
        assert db.execute("SELECT c FROM v").fetchall() == [(2,)]
