"""A join that would fill the memory fails alone, with its name, and everything else goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.errors import OutOfMemory
from sqlengine.operators import room
from sqlengine.operators.room import LEAST_PART, Room, left_and_all

GIB = 1 << 30


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly anything is left, and it is looked at soon."""
    monkeypatch.setattr(room, "LOOK_BYTES", 1 << 20)
    monkeypatch.setattr(room, "left_and_all", lambda: (GIB // LEAST_PART - 1, GIB))


@pytest.mark.usefixtures("full")
def test_a_query_that_is_answered_once_is_refused() -> None:
    with sqlengine.connect(dialect="hive") as db:
        db.execute("CREATE TABLE t (a INT)")
        db.insert("t", [(n,) for n in range(600)])
        with pytest.raises(sqlengine.Error, match="a join makes more rows at once than memory has room for") as caught:
            db.execute("SELECT count(*) FROM t x CROSS JOIN t y")
        assert caught.value.sqlstate == "53200" and caught.value.hint
        assert db.execute("SELECT count(*) FROM t").fetchall() == [(600,)]


@pytest.mark.usefixtures("full")
def test_a_view_fails_alone() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (k INT, v INT)")
        db.execute("CREATE MATERIALIZED VIEW pairs AS SELECT l.v, r.v AS w FROM s AS l JOIN s AS r ON l.k = r.k")
        db.execute("CREATE MATERIALIZED VIEW alone AS SELECT count(*) AS n FROM s")
        db.insert("s", [(1, n) for n in range(600)])
        assert db.execute("SELECT n FROM alone").fetchall() == [(600,)]
        with pytest.raises(sqlengine.Error, match="more rows at once") as caught:
            db.execute("SELECT * FROM pairs")
        assert caught.value.sqlstate == "53200"


def test_what_cannot_be_allocated_is_an_error_with_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        pa.allocate_buffer(1 << 60)

    with sqlengine.connect() as db:
        monkeypatch.setattr(sys.modules["sqlengine.statements.select"], "run_at", none_left)
        with pytest.raises(sqlengine.Error, match="malloc of size") as caught:
            db.execute("SELECT 1")
        assert caught.value.sqlstate == "53200"
        monkeypatch.undo()
        assert db.execute("SELECT 1").fetchall() == [(1,)]


def test_memory_is_looked_at_each_time_so_much_more_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(room, "left_and_all", lambda: looked.append(1))
    some = Room("it")
    for _ in range(8):
        some.take(room.LOOK_BYTES // 2)
    assert len(looked) == 4, "where the system does not say, nothing is refused"


def test_what_has_been_made_must_fit_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces are copied into one."""
    monkeypatch.setattr(room, "LOOK_BYTES", 1)
    monkeypatch.setattr(room, "left_and_all", lambda: (10 * GIB, 16 * GIB))
    some = Room("it")
    some.take(9 * GIB)
    with pytest.raises(OutOfMemory, match="it makes more rows at once"):
        some.take(1)


def test_the_group_that_has_fewer_left_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, most, used, stat = (tmp_path / name for name in ("meminfo", "max", "current", "stat"))
    monkeypatch.setattr(room, "_MEMINFO", machine)
    monkeypatch.setattr(room, "_GROUPS", ((most, used, stat),))
    assert left_and_all() is None
    machine.write_text("MemTotal: 2048 kB\nMemAvailable:  1024 kB\n")
    assert left_and_all() == (1 << 20, 2 << 20)
    most.write_text("max\n")
    used.write_text("25\n")
    stat.write_text("anon 3\nactive_file 12\ninactive_file 8\nfile 22\n")
    assert left_and_all() == (1 << 20, 2 << 20), "a group without a limit"
    most.write_text("1000\n")
    assert left_and_all() == (995, 1000)
    machine.write_text("nothing of the kind")
    assert left_and_all() == (995, 1000)
