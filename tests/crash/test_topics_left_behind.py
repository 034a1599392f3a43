"""A crash within CREATE or DROP leaves no topic that a later statement would take for its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import sqlengine
from sqlengine.catalog.catalog import Catalog
from sqlengine.runtime.fill import Fill
from storage import Storage


class Killed(BaseException):
    """The process is gone."""


def die(*_args: object, **_named: object) -> None:
    raise Killed


DECLARE = "CREATE STREAM s (n BIGINT); INSERT INTO s VALUES (1), (2), (3)"
STATEMENTS = (
    "CREATE TABLE t (a BIGINT PRIMARY KEY) WITH (partitions = 2)",
    "CREATE STREAM t (a BIGINT) WITH (partitions = 2)",
    "CREATE STREAM t AS SELECT n AS a FROM s",
)


def killed(db: sqlengine.Database, statement: str, patch: pytest.MonkeyPatch, owner: type, method: str) -> None:
    with patch.context() as within:
        within.setattr(owner, method, die)
        within.setattr(Storage, "drop_topic", die)  # nothing is undone by a process that is gone
        with pytest.raises(Killed):
            db.execute(statement)
    db.crash()


@pytest.mark.parametrize(
    ("statement", "point"),
    [
        *((statement, (Catalog, "add")) for statement in STATEMENTS[:2]),
        (STATEMENTS[2], (Catalog, "hold")),
        (STATEMENTS[2], (Fill, "step")),
    ],
)
def test_killed_while_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, point: tuple[type, str]
) -> None:
    query = " AS " in statement
    db = sqlengine.connect(tmp_path, checkpoint_interval_ms=0)
    db.execute(DECLARE)
    killed(db, statement, monkeypatch, *point)
    with sqlengine.connect(tmp_path) as db:
        assert {row[0] for row in db.execute("SHOW TOPICS").fetchall()} == {"s"}
        db.execute(statement)
        if not query:
            db.execute("INSERT INTO t VALUES (7)")
        expected = [(1,), (2,), (3,)] if query else [(7,)]
        assert sorted(db.execute("SELECT a FROM t").fetchall()) == expected
    with sqlengine.connect(tmp_path) as db:
        assert sorted(db.execute("SELECT a FROM t").fetchall()) == expected


@pytest.mark.parametrize("statement", STATEMENTS)
def test_killed_while_dropping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    db = sqlengine.connect(tmp_path, checkpoint_interval_ms=0)
    db.execute(f"{DECLARE}; {statement}")
    if " AS " not in statement:
        db.execute("INSERT INTO t VALUES (7)")
    db.checkpoint()
    killed(db, f"DROP {'TABLE' if 'TABLE' in statement else 'STREAM'} t", monkeypatch, Storage, "drop_topic")
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY)")
        assert db.execute("SELECT * FROM t").fetchall() == []


def test_a_topic_somebody_made_stays(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        with pytest.raises(sqlengine.Error):
            db.execute("CREATE TABLE nowhere.t (a BIGINT PRIMARY KEY) WITH (topic = 'kept')")
        if "kept" in {row[0] for row in db.execute("SHOW TOPICS").fetchall()}:
            db.execute("DROP TOPIC kept")
        db.execute("CREATE TOPIC kept")
    with sqlengine.connect(tmp_path) as db:
        assert [row[0] for row in db.execute("SHOW TOPICS").fetchall()] == ["kept"]


@pytest.mark.parametrize("kind", ["table", "stream"])
@pytest.mark.parametrize("rows", [1, 3, 5])
def test_another_of_the_same_name_has_none_of_the_first_ones_rows(tmp_path: Path, kind: str, rows: int) -> None:
    """The newest checkpoint is of a time when the first was there."""
    columns = "a BIGINT PRIMARY KEY" if kind == "table" else "a BIGINT"
    view = "CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n, sum(a) AS total FROM t"
    db = sqlengine.connect(tmp_path, checkpoint_interval_ms=0)
    db.execute(f"CREATE {kind} t ({columns}); INSERT INTO t VALUES (1), (2), (3); {view}; CHECKPOINT")
    db.execute(f"DROP {kind} t CASCADE; CREATE {kind} t ({columns}); {view}")
    for number in range(rows):
        db.execute(f"INSERT INTO t VALUES ({number + 10})")
    expected = [(number + 10,) for number in range(rows)]
    for _ in range(2):
        db.crash()
        db = sqlengine.connect(tmp_path, checkpoint_interval_ms=0)
        assert sorted(db.execute("SELECT * FROM t").fetchall()) == expected
        assert db.execute("SELECT n, total::BIGINT FROM v").fetchall() == [(rows, sum(a for (a,) in expected))]
        db.checkpoint()
    db.close()


def test_truncated_rows_do_not_come_back(tmp_path: Path) -> None:
    db = sqlengine.connect(tmp_path, checkpoint_interval_ms=0)
    db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY); INSERT INTO t VALUES (1), (2); CHECKPOINT; TRUNCATE TABLE t")
    db.crash()
    with sqlengine.connect(tmp_path) as db:
        assert db.execute("SELECT * FROM t").fetchall() == []
