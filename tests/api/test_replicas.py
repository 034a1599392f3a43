"""A database in several directories, as its user meets it through SQL and the command line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import sqlengine
from storage.replication import departure


def open_all(root: Path) -> sqlengine.Database:
    """The database in three directories."""
    return sqlengine.connect(root / "a", replicas=[root / "b", root / "c"])


def rows(db: sqlengine.Database, query: str) -> list[tuple[object, ...]]:
    """All rows of a query."""
    return [tuple(row) for row in db.execute(query).fetchall()]


def until(db: sqlengine.Database, query: str, wanted: list[tuple[object, ...]]) -> None:
    """Wait until a query answers so."""
    deadline = time.monotonic() + 20
    while (found := rows(db, query)) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def fill(db: sqlengine.Database) -> None:
    """A stream, a table and a view over both."""
    db.execute("CREATE STREAM s (k BIGINT, v BIGINT)")
    db.execute("CREATE TABLE t (k BIGINT PRIMARY KEY, name TEXT)")
    db.execute("INSERT INTO t SELECT x, 'name ' || x FROM generate_series(1, 5) AS g(x)")
    db.execute(
        "CREATE MATERIALIZED VIEW m AS SELECT t.name, sum(s.v) AS total FROM s JOIN t ON s.k = t.k GROUP BY t.name"
    )
    db.execute("INSERT INTO s SELECT 1 + x % 5, x FROM generate_series(1, 1000) AS g(x)")


TOTALS = [("name 1", 100500), ("name 2", 99700), ("name 3", 99900), ("name 4", 100100), ("name 5", 100300)]
QUERY = "SELECT name, total FROM m ORDER BY name"


@pytest.mark.parametrize("kept", ["a", "b", "c"])
def test_one_directory_is_enough(tmp_path: Path, kept: str) -> None:
    with open_all(tmp_path) as db:
        fill(db)
        assert rows(db, QUERY) == TOTALS
    for name in {"a", "b", "c"} - {kept}:
        shutil.rmtree(tmp_path / name)
    with open_all(tmp_path) as db:
        assert rows(db, QUERY) == TOTALS
        assert rows(db, "SELECT count(*) FROM s") == [(1000,)]
        db.execute("INSERT INTO s VALUES (1, 1)")
        assert rows(db, QUERY)[0] == ("name 1", 100501)


@pytest.mark.parametrize("kept", ["a", "b", "c"])
def test_directories_are_deleted_under_a_running_database(tmp_path: Path, kept: str) -> None:
    with open_all(tmp_path) as db:
        fill(db)
        for name in {"a", "b", "c"} - {kept}:
            shutil.rmtree(tmp_path / name)
        db.execute("INSERT INTO s VALUES (1, 1)")
        db.execute("CREATE TABLE later (x BIGINT PRIMARY KEY)")
        db.execute("INSERT INTO later VALUES (1)")
        assert rows(db, QUERY) == [("name 1", 100501), *TOTALS[1:]]
        until(db, "SELECT in_use, count(*) FROM system.directories GROUP BY 1", [(True, 3)])
        until(db, "SELECT count(*) FROM system.replicas WHERE NOT in_sync", [(0,)])
        db.execute("INSERT INTO later VALUES (2)")
    shutil.rmtree(tmp_path / kept)
    with open_all(tmp_path) as db:
        assert rows(db, QUERY) == [("name 1", 100501), *TOTALS[1:]]
        assert rows(db, "SELECT x FROM later ORDER BY x") == [(1,), (2,)]


def test_replicas_are_added_and_taken_away_by_sql(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path / "a") as db:
        db.execute("CREATE STREAM s (v BIGINT)")
        db.execute("INSERT INTO s SELECT * FROM generate_series(1, 100)")
        assert rows(db, "SHOW REPLICAS") == rows(db, "SHOW DIRECTORIES") == []
    with open_all(tmp_path) as db:
        leader = "SELECT role, state FROM system.replicas WHERE topic = 's' ORDER BY role DESC"
        assert rows(db, leader) == [("leader", "in sync")]
        db.execute("ALTER TOPIC s SET (replication_factor = 3)")
        db.execute("INSERT INTO s VALUES (101)")
        until(db, leader, [("leader", "in sync"), ("follower", "in sync"), ("follower", "in sync")])
        db.execute("ALTER TOPIC s SET (min_insync_replicas = 3)")
        db.execute("INSERT INTO s VALUES (102)")
        with pytest.raises(sqlengine.Error) as caught:
            db.execute("ALTER TOPIC s SET (replication_factor = 2)")
        assert caught.value.sqlstate == "22023"
        db.execute("ALTER TOPIC s SET (replication_factor = 1, min_insync_replicas = 1)")
        until(db, leader, [("leader", "in sync")])
        assert rows(db, "SELECT count(*), sum(v) FROM s") == [(102, 102 * 103 // 2)]
        for statement, state in {
            "CREATE TOPIC x WITH (replication_factor = 4)": "0A000",
            "CREATE TOPIC x WITH (replication_factor = 0)": "22023",
            "CREATE TOPIC x WITH (replication_factor = 2, min_insync_replicas = 3)": "22023",
            "CREATE TOPIC x WITH (min_insync_replicas = 0)": "22023",
            "CREATE TOPIC x WITH (replication_factor = many)": "22023",
        }.items():
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(statement)
            assert (caught.value.sqlstate, statement) == (state, statement)


def test_a_directory_is_added_while_the_database_runs(tmp_path: Path) -> None:
    with open_all(tmp_path) as db:
        fill(db)
        db.execute(f"ALTER SYSTEM ADD REPLICA '{tmp_path}/d'")
        assert rows(db, "SELECT count(*) FROM system.directories WHERE in_use") == [(4,)]
        for name in ("s", "t"):
            db.execute(f"ALTER TOPIC {name} SET (replication_factor = 4)")
        db.execute("INSERT INTO s VALUES (1, 1)")
        until(db, "SELECT count(*) FROM system.replicas WHERE in_sync AND directory LIKE '%/d'", [(2,)])
        for path, state in {"a": "22023", "a/x": "22023", "": "22023"}.items():
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(f"ALTER SYSTEM ADD REPLICA '{tmp_path / path if path else ''}'")
            assert (caught.value.sqlstate, path) == (state, path)
        db.execute("CREATE TABLE later (x BIGINT PRIMARY KEY)")
    for name in ("a", "b", "c"):
        shutil.rmtree(tmp_path / name)
    with sqlengine.connect(tmp_path / "d") as db:
        assert rows(db, QUERY) == [("name 1", 100501), *TOTALS[1:]]
        assert rows(db, "SELECT count(*) FROM later") == [(0,)]
    with sqlengine.connect(tmp_path / "plain") as db, pytest.raises(sqlengine.Error) as caught:
        db.execute(f"ALTER SYSTEM ADD REPLICA '{tmp_path}/e'")
    assert caught.value.sqlstate == "0A000"


def test_a_directory_is_dropped_while_the_database_runs(tmp_path: Path) -> None:
    with open_all(tmp_path) as db:
        fill(db)
        with pytest.raises(
            sqlengine.Error, match="has replication factor 3, and 2 directories would be left"
        ) as caught:
            db.execute(f"ALTER SYSTEM DROP REPLICA '{tmp_path}/b'")
        assert caught.value.sqlstate == "0A000"
        for topic, _ in {*rows(db, "SELECT DISTINCT topic, 0 FROM system.replicas")}:
            db.execute(f"ALTER TOPIC {topic} SET (replication_factor = 2)")
        for path, state in {"x/b": "42704", "a": "55006", "": "22023"}.items():
            statement = f"ALTER SYSTEM DROP REPLICA '{tmp_path / path if path else ''}'"
            with pytest.raises(sqlengine.Error) as caught:
                db.execute(statement)
            assert (caught.value.sqlstate, path) == (state, path)
            if state == "42704":
                assert caught.value.position == statement.index("'")
                assert f'"{tmp_path}/b"' in str(caught.value.hint)
        until(db, "SELECT count(*) FROM system.replicas WHERE NOT in_sync", [(0,)])
        db.execute(f"ALTER SYSTEM DROP REPLICA '{tmp_path}/b'")
        assert [row[0] for row in rows(db, "SHOW DIRECTORIES")] == [f"{tmp_path}/a", f"{tmp_path}/c"]
        assert list((tmp_path / "b").iterdir()) == []
        db.execute("INSERT INTO s VALUES (1, 1)")
        db.execute(f"ALTER SYSTEM ADD REPLICA '{tmp_path}/b'")
        db.execute("ALTER TOPIC s SET (replication_factor = 3)")
        until(db, "SELECT count(*) FROM system.replicas WHERE in_sync AND directory LIKE '%/b'", [(1,)])
    shutil.rmtree(tmp_path / "a")
    with sqlengine.connect(tmp_path / "c") as db:
        assert rows(db, QUERY) == [("name 1", 100501), *TOTALS[1:]]


def test_a_drop_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_all(tmp_path) as db:
        db.execute("CREATE STREAM s (v BIGINT) WITH (replication_factor = 1, partitions = 3)")
        db.execute("INSERT INTO s SELECT * FROM generate_series(1, 100)")
        session = db.session()
        step = departure._move

        def cancelling(*arguments: Any) -> tuple[int, int]:
            session.cancel()
            return step(*arguments)

        monkeypatch.setattr(departure, "_move", cancelling)
        with pytest.raises(sqlengine.Error) as caught:
            session.execute(f"ALTER SYSTEM DROP REPLICA '{tmp_path}/c'")
        assert caught.value.sqlstate == "57014"
        assert re.fullmatch(
            r"[0-3] of \d partitions had no replica in the directory; it stays in use", caught.value.detail
        )
        monkeypatch.undo()
        assert len(rows(db, "SHOW DIRECTORIES")) == 3
        session.execute(f"ALTER SYSTEM DROP REPLICA '{tmp_path}/c'")
        assert rows(db, "SELECT count(*), sum(v) FROM s") == [(100, 5050)]


def test_bad_directories_are_refused(tmp_path: Path) -> None:
    sqlengine.connect(tmp_path / "other").close()
    with pytest.raises(sqlengine.Error, match="belongs to another storage") as caught:
        sqlengine.connect(tmp_path / "a", replicas=[tmp_path / "other"])
    assert caught.value.sqlstate == "22023"
    with pytest.raises(sqlengine.InterfaceError, match="must be a list of directories"):
        sqlengine.connect(tmp_path / "a", replicas=str(tmp_path / "b"))
    with open_all(tmp_path), pytest.raises(sqlengine.Error, match="is in use by") as caught:
        sqlengine.connect(tmp_path / "d", replicas=[tmp_path / "b"])
    assert caught.value.sqlstate == "55006"
    with pytest.raises(sqlengine.Error, match="in memory has no replicas"):
        sqlengine.connect(replicas=[tmp_path / "x"])


def test_the_command_takes_replicas(tmp_path: Path) -> None:
    def run(sql: str, *more: str) -> str:
        command = [
            sys.executable,
            "-m",
            "repl",
            str(tmp_path / "a"),
            *more,
            "--no-header",
            "--format",
            "csv",
            "-c",
            sql,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    replicas = [word for name in "bc" for word in ("--replica", str(tmp_path / name))]
    run("CREATE STREAM s (v BIGINT); INSERT INTO s VALUES (1), (2)", *replicas)
    shutil.rmtree(tmp_path / "a")
    assert run("SELECT sum(v) FROM s", *replicas).split() == ["3"]
    assert run("SELECT count(*) FROM system.directories WHERE in_use").split() == ["3"]
