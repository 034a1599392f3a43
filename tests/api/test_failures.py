"""What fails in the background is told and tried again, and everything else goes on."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sqlengine
import storage
from sqlengine import errors
from sqlengine.api.database import Database
from sqlengine.connectors.file.text_reader import TextReader
from sqlengine.runtime import ingest, pump
from storage.log.file_log import FileLog
from storage.log.memory_log import MemoryLog


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "RETRY_AFTER_US", 1000)
    monkeypatch.setattr(ingest, "INGEST_ROWS", 10)
    monkeypatch.setattr(pump, "FAULT_WAIT_S", 0.01)


def rows_file(path: Path, count: int = 100) -> Path:
    file = path / "rows.csv"
    file.write_text("k,v\n" + "".join(f"{n % 7},{n}\n" for n in range(count)))
    return file


def until(found: Callable[[], Any]) -> Any:
    """The first true answer; waits for the background thread."""
    for _ in range(500):
        if answer := found():
            return answer
        time.sleep(0.02)
    raise AssertionError("it did not come")


def failing(times: int, error: Exception, call: Callable[..., Any], every: int = 2) -> Callable[..., Any]:
    """`call`, which raises `error` instead every so many calls, until it has done so `times` times."""
    left, turn = [times], [0]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        turn[0] += 1
        if turn[0] % every == 0 and left[0]:
            left[0] -= 1
            raise error
        return call(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize("error", [OSError(5, "input/output error", "rows.csv"), RuntimeError("a fault of ours")])
def test_a_connector_that_fails_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(TextReader, "poll", failing(4, error, TextReader.poll))
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM other (n INT)")
        db.execute("CREATE MATERIALIZED VIEW others AS SELECT count(*) AS n FROM other")
        file = rows_file(tmp_path)
        db.execute(
            f"CREATE STREAM s (k INT, v INT) WITH (connector = 'file', path = '{file}', format = 'csv', header = true)"
        )
        db.execute("CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n, sum(v) AS total FROM s")
        db.execute("INSERT INTO other VALUES (1)")
        assert db.execute("SELECT n FROM others").fetchall() == [(1,)]
        until(lambda: db.execute("SELECT status FROM system.streams WHERE name = 's'").fetchall() == [("finished",)])
        assert db.execute("SELECT n, total FROM sums").fetchall() == [(100, 4950)]


def test_what_keeps_failing_is_told_and_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(5, "input/output error", "rows.csv")
    monkeypatch.setattr(TextReader, "poll", failing(10**9, error, TextReader.poll, every=1))
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM other (n INT)")
        file = rows_file(tmp_path)
        db.execute(
            f"CREATE STREAM s (k INT, v INT) WITH (connector = 'file', path = '{file}', format = 'csv', header = true)"
        )
        told = until(lambda: db.execute("SELECT status, error FROM system.streams WHERE status = 'failing'").fetchall())
        assert told == [("failing", "input/output error: rows.csv")]
        db.execute("INSERT INTO other VALUES (1)")
        assert db.execute("SELECT n FROM other").fetchall() == [(1,)]
        with pytest.raises(errors.Error, match='stream "s" cannot be read out: input/output error') as caught:
            db.execute("SELECT * FROM s")
        assert caught.value.sqlstate == "58P01"
        db.execute("DROP STREAM s")


def test_rows_that_find_no_space_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = storage.DiskFull("no space left on device")
    with sqlengine.connect() as db:
        db.execute("CREATE TOPIC t WITH (partitions = 3)")
        monkeypatch.setattr(MemoryLog, "append", failing(6, full, MemoryLog.append))
        file = rows_file(tmp_path)
        db.execute(
            f"CREATE STREAM s (k INT, v INT) WITH (topic = 't', key = 'k', connector = 'file', path = '{file}', "
            "format = 'csv', header = true)"
        )
        until(lambda: db.execute("SELECT status FROM system.streams").fetchall() == [("finished",)])
        assert db.execute("SELECT count(*), count(DISTINCT v), sum(v) FROM s").fetchall() == [(100, 100, 4950)]


def test_a_damaged_topic_stops_the_views_over_it_alone(tmp_path: Path) -> None:
    with sqlengine.connect(str(tmp_path)) as db:
        for name in ("a", "b"):
            db.execute(f"CREATE STREAM {name} (n INT)")
            db.execute(f"INSERT INTO {name} SELECT range FROM range(10)")
    (segment,) = tmp_path.glob("topics/a-*/0/*.log")
    data = bytearray(segment.read_bytes())
    data[100] ^= 255
    segment.write_bytes(data)
    with sqlengine.connect(str(tmp_path)) as db:
        db.execute("CREATE MATERIALIZED VIEW over_b AS SELECT sum(n) AS n FROM b")
        with pytest.raises(errors.Error) as caught:
            db.execute("SELECT * FROM a")
        assert caught.value.sqlstate == "XX001"
        db.execute("INSERT INTO b VALUES (100)")
        assert db.execute("SELECT * FROM over_b").fetchall() == [(145,)]


@pytest.mark.parametrize("kind", ["stream", "table"])
def test_a_topic_that_cannot_be_read_fails_those_who_read_it(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with sqlengine.connect() as db:
        for name in ("a", "b"):
            db.execute(f"CREATE {kind} {name} (n INT)")
            db.execute(f"CREATE MATERIALIZED VIEW over_{name} AS SELECT sum(n) AS n FROM {name}")
            db.execute(f"INSERT INTO {name} VALUES (1)")
        assert db.execute("SELECT n FROM over_a").fetchall() == [(1,)]
        damage = storage.CorruptLog("frame does not match its checksum", file="a.log", position=0, offset=1)
        monkeypatch.setattr(db._instance.scheduler.sources["a"].reader, "poll", failing(10**9, damage, list, every=1))
        db.execute("INSERT INTO a VALUES (2)")
        db.execute("INSERT INTO b VALUES (2)")
        assert db.execute("SELECT n FROM over_b").fetchall() == [(3,)]
        for question in ("SELECT * FROM over_a", "SELECT * FROM a"):
            with pytest.raises(errors.Error) as caught:
                db.execute(question)
            assert caught.value.sqlstate == "XX001"
        told = dict(db.execute("SELECT name, status FROM system.queries").fetchall())
        assert told == {"over_a": "failed", "over_b": "running"}


def test_rows_that_found_no_space_when_closed_come_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = storage.DiskFull("no space left on device")
    file = rows_file(tmp_path)
    with sqlengine.connect(str(tmp_path / "db")) as db:
        db.execute("CREATE TOPIC t WITH (partitions = 3, durability = 'os')")
        append, calls = FileLog.append, [0]

        def limited(log: FileLog, *args: Any, **kwargs: Any) -> int:
            calls[0] += log.context.name == "t"
            if log.context.name == "t" and calls[0] > 7:
                raise full
            return append(log, *args, **kwargs)

        monkeypatch.setattr(FileLog, "append", limited)
        db.execute(
            f"CREATE STREAM s (k INT, v INT) WITH (topic = 't', key = 'k', connector = 'file', path = '{file}', "
            "format = 'csv', header = true)"
        )
        db.execute("CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n, sum(v) AS total FROM s")
        until(lambda: db.execute("SELECT status FROM system.streams").fetchall() == [("failing",)])
        assert 0 < db.execute("SELECT n FROM sums").fetchall()[0][0] < 100
    monkeypatch.setattr(FileLog, "append", append)
    with sqlengine.connect(str(tmp_path / "db")) as db:
        until(lambda: db.execute("SELECT status FROM system.streams").fetchall() == [("finished",)])
        assert db.execute("SELECT n, total FROM sums").fetchall() == [(100, 4950)]
        assert db.execute("SELECT count(*), count(DISTINCT v), sum(v) FROM s").fetchall() == [(100, 100, 4950)]


def test_a_sink_that_cannot_write_fails_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (n INT)")
        db.execute("CREATE MATERIALIZED VIEW sums AS SELECT sum(n) AS n FROM s")
        db.execute(
            f"CREATE SINK k AS SELECT n FROM s "
            f"WITH (connector = 'file', path = '{out}', format = 'json', roll_interval = '0')"
        )
        db.execute("INSERT INTO s VALUES (1)")
        assert db.execute("SELECT n FROM sums").fetchall() == [(1,)]
        shutil.rmtree(out)
        out.write_text("in the way")
        db.execute("INSERT INTO s VALUES (2)")
        assert db.execute("SELECT n FROM sums").fetchall() == [(3,)]
        status, error = db.execute("SELECT status, error FROM system.queries WHERE name LIKE 'k%'").fetchall()[0]
        assert status == "failing" and "out" in error
        db.execute("INSERT INTO s VALUES (3)")
        assert db.execute("SELECT n FROM sums").fetchall() == [(6,)]
        out.unlink()
        db.execute("RESUME QUERY k; INSERT INTO s VALUES (4)")
        assert db.execute("SELECT n FROM sums").fetchall() == [(10,)]
        written = [line for part in sorted(out.glob("part-*")) for line in part.read_text().split()]
        assert written == ['{"n":2}', '{"n":3}', '{"n":4}']


def background(db: Database) -> threading.Thread:
    return db._instance.pump._thread


def test_the_background_thread_survives_a_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (n INT)")
        db.execute("CREATE MATERIALIZED VIEW sums AS SELECT sum(n) AS n FROM s")
        db.execute("SET read_consistency = 'latest'")
        scheduler = db._instance.scheduler
        real, broken = scheduler.tick, threading.Event()

        def tick() -> bool:
            if threading.current_thread() is background(db) and not broken.is_set():
                broken.set()
                raise RuntimeError("a fault of ours")
            return real()

        monkeypatch.setattr(scheduler, "tick", tick)
        db.execute("INSERT INTO s VALUES (1)")
        until(lambda: db.execute("SELECT n FROM sums").fetchall() == [(1,)])
        assert broken.is_set() and background(db).is_alive()
        assert "the background thread goes on after a fault" in caplog.text


def test_a_database_opens_without_the_files_it_reads(tmp_path: Path) -> None:
    file, away = rows_file(tmp_path, 5), tmp_path / "away.csv"
    with sqlengine.connect(str(tmp_path / "db")) as db:
        db.execute("CREATE STREAM other (n INT)")
        db.execute(
            f"CREATE STREAM s (k INT, v INT) WITH (connector = 'file', path = '{file}', format = 'csv', header = true, "
            "follow = true)"
        )
        db.execute("CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM s")
        until(lambda: db.execute("SELECT n FROM sums").fetchall() == [(5,)])
    file.rename(away)
    for _ in range(2):
        with sqlengine.connect(str(tmp_path / "db")) as db:
            db.execute("INSERT INTO other VALUES (1)")
            assert db.execute("SELECT n FROM sums").fetchall() == [(5,)]
            ((error,),) = db.execute("SELECT error FROM system.streams WHERE status = 'failing'").fetchall()
            assert "no such file" in error
    with away.open("a") as out:
        out.write("1,5\n")
    with sqlengine.connect(str(tmp_path / "db")) as db:
        away.rename(file)
        until(lambda: db.execute("SELECT n FROM sums").fetchall() == [(6,)])
        with pytest.raises(errors.FileUnavailable):
            db.execute("CREATE STREAM t (k INT) WITH (connector = 'file', path = '/nowhere/x.csv', format = 'csv')")
        assert db.execute("SELECT count(*) FROM system.streams").fetchall() == [(2,)]
