"""Columns added to tables and numbers of identity columns, through checkpoints and crashes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import sqlengine
from sqlengine.api.database import Database

ROWS = [(1, 5, "old"), (3, 6, "old"), (4, 7, "new")]


def prepare(db: Database) -> None:
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT)")
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT a, count(*) AS n FROM t GROUP BY a")
    db.execute("INSERT INTO t VALUES (1, 5), (2, 5), (3, 6)")


def change(db: Database) -> None:
    db.execute("ALTER TABLE t ADD COLUMN z TEXT DEFAULT 'old'")
    db.execute("CREATE MATERIALIZED VIEW w AS SELECT z, count(*) AS n FROM t GROUP BY z")
    db.execute("INSERT INTO t VALUES (4, 7, 'new')")
    db.execute("DELETE FROM t WHERE id = 2")


def check(db: Database) -> None:
    assert sorted(db.execute("SELECT * FROM t").fetchall()) == ROWS
    assert sorted(db.execute("SELECT * FROM v").fetchall()) == [(5, 1), (6, 1), (7, 1)]
    assert sorted(db.execute("SELECT * FROM w").fetchall()) == [("new", 1), ("old", 2)]


@pytest.mark.parametrize("checkpoint_before", [True, False])
@pytest.mark.parametrize("crash", [True, False])
def test_an_added_column_survives(tmp_path: Path, checkpoint_before: bool, crash: bool) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    db = sqlengine.connect(first)
    prepare(db)
    if checkpoint_before:
        db.close()
        db = sqlengine.connect(first)
    change(db)
    check(db)
    if crash:
        shutil.copytree(first, second, ignore=shutil.ignore_patterns("*lock*"))
    db.close()
    with sqlengine.connect(second if crash else first) as again:
        check(again)
        again.execute("UPDATE t SET z = 'mine' WHERE id = 3")
        assert sorted(again.execute("SELECT * FROM w").fetchall()) == [("mine", 1), ("new", 1), ("old", 1)]
        assert "ADD COLUMN z" in str(again.execute("SHOW CREATE TABLE t").fetchall())


def test_numbers_are_not_given_out_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    db = sqlengine.connect(first)
    db.execute("CREATE TABLE i (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v INT)")
    db.execute("INSERT INTO i (v) SELECT 1 FROM generate_series(1, 2500)")
    db.execute("DELETE FROM i WHERE id > 10")
    shutil.copytree(first, second, ignore=shutil.ignore_patterns("*lock*"))
    db.close()
    with sqlengine.connect(second) as again:
        (new,) = again.execute("INSERT INTO i (v) VALUES (1) RETURNING id").fetchone()
        assert new > 2500


def test_infinite_dates_have_no_python_value() -> None:
    with sqlengine.connect() as db:
        for text in ("'infinity'::timestamp", "'-infinity'::date", "timestamp '294000-01-01'"):
            with pytest.raises(sqlengine.DataError, match="out of Python's range") as caught:
                db.execute(f"SELECT {text}").fetchall()
            assert caught.value.sqlstate == "22008"
        assert db.execute("SELECT 'infinity'::timestamp::text").fetchone() == ("infinity",)
