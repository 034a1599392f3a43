"""Queries that stand still and go on: what they show meanwhile, what they tell, whatever happens in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.connectors import blackhole
from sqlengine.connectors.base import Moment
from sqlengine.errors import DiskFull, Error, NotSupportedError, ObjectInUse, ObjectNotReady, UndefinedObject
from sqlengine.runtime import fill as fill_module
from sqlengine.runtime.clock import VirtualClock
from tests.api.fill_support import between_steps, rows, writes
from tests.depth import rounds


def made(db: sqlengine.Database) -> None:
    db.execute("CREATE STREAM e (k INT, v INT); INSERT INTO e VALUES (1, 10), (2, 20)")
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT k, sum(v) AS s FROM e GROUP BY k")
    db.execute("CREATE MATERIALIZED VIEW above AS SELECT sum(s) AS s FROM v")
    db.execute("CREATE STREAM out AS SELECT k * 10 AS k FROM e")


def status(db: sqlengine.Database) -> dict[str, str]:
    return dict(db.execute("SELECT name, status FROM system.queries").fetchall())


def test_a_paused_query_stands_still_and_goes_on() -> None:
    with sqlengine.connect(clock=VirtualClock()) as db:
        made(db)
        followed = db.subscribe("v", snapshot=False)
        db.execute("PAUSE QUERY v; PAUSE QUERY out")
        assert status(db) | {"above": "running"} == status(db)
        assert (status(db)["v"], status(db)["out$query"]) == ("paused", "paused")
        db.execute("INSERT INTO e VALUES (1, 1), (3, 30)")
        assert rows(db, "SELECT * FROM v") == [(1, 10), (2, 20)]
        assert rows(db, "SELECT * FROM above") == [(30,)]
        assert rows(db, "SELECT * FROM out") == [(10,), (20,)]
        assert rows(db, "SELECT name, rows_behind FROM system.queries WHERE status = 'paused'") == [
            ("out$query", 2),
            ("v", 2),
        ]
        assert followed.next(0.0) is None
        db.execute("RESUME QUERY v; RESUME QUERY out")
        assert rows(db, "SELECT * FROM v") == [(1, 11), (2, 20), (3, 30)]
        assert rows(db, "SELECT * FROM above") == [(61,)]
        assert rows(db, "SELECT * FROM out") == [(10,), (10,), (20,), (30,)]
        change = followed.next(0.0)
        assert change is not None
        assert sorted(tuple(r.values()) for r in change.rows.to_pylist()) == [
            ("insert", 3, 30),
            ("update_after", 1, 11),
            ("update_before", 1, 10),
        ]
        db.execute("INSERT INTO e VALUES (1, 1)")
        assert rows(db, "SELECT * FROM above") == [(62,)]
        assert set(status(db).values()) == {"running"}


def test_by_id_and_wrong_words() -> None:
    with sqlengine.connect() as db:
        made(db)
        [(query_id,)] = rows(db, "SELECT query_id FROM system.queries WHERE name = 'v'")
        db.execute(f"PAUSE {query_id}")
        assert status(db)["v"] == "paused"
        assert db.execute(f"PAUSE QUERY {query_id}").notices == ['query "v" is paused already']
        assert db.execute("RESUME QUERY above").notices == ['query "above" is not paused']
        db.execute(f"RESUME QUERY {query_id}")
        for action in ("PAUSE", "RESUME", "CANCEL"):
            with pytest.raises(UndefinedObject, match='query "abov" does not exist') as unknown:
                db.execute(f"{action} QUERY abov")
            assert (unknown.value.sqlstate, unknown.value.hint) == ("42704", 'did you mean "above"?')
        with pytest.raises(NotSupportedError, match='belongs to "v" and ends with it'):
            db.execute("CANCEL QUERY v")


def test_canceling_ends_a_follower() -> None:
    with sqlengine.connect() as db:
        made(db)
        followed = db.subscribe("v", snapshot=False)
        [(name,)] = rows(db, "SELECT query_id FROM system.queries WHERE query_id LIKE 'follow%'")
        db.execute(f"CANCEL QUERY {name}")
        with pytest.raises(Error) as ended:
            followed.next(5.0)
        assert ended.value.sqlstate == "57014"


def test_canceling_ends_what_is_being_made() -> None:
    with sqlengine.connect(clock=VirtualClock()) as db:
        made(db)
        db.execute("SET background_ddl = true")
        for statement, name in (
            ("CREATE MATERIALIZED VIEW w AS SELECT max(v) AS m FROM e", "w"),
            ("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, max(v) AS s FROM e GROUP BY k", "v"),
            ("CREATE STREAM more AS SELECT v FROM e", "more"),
        ):
            before = rows(db, "SELECT name FROM system.topics"), len(list(db._instance.catalog))
            db.execute(statement)
            with pytest.raises(ObjectInUse):
                db.execute(f"PAUSE QUERY {name}")
            db.execute(f"CANCEL QUERY {name}")
            assert not list(db._instance.fills)
            assert before == (rows(db, "SELECT name FROM system.topics"), len(list(db._instance.catalog)))
        assert rows(db, "SELECT * FROM v") == [(1, 10), (2, 20)]


def test_one_that_shares_its_work_pauses_alone() -> None:
    with sqlengine.connect() as db:
        made(db)
        db.execute("CREATE MATERIALIZED VIEW twin AS SELECT k, sum(v) AS s FROM e GROUP BY k")
        db.execute("CREATE MATERIALIZED VIEW large AS SELECT k, sum(v) AS s FROM e GROUP BY k HAVING sum(v) > 15")
        for name in ("v", "large"):
            db.execute(f"PAUSE QUERY {name}; INSERT INTO e VALUES (1, 100)")
        assert rows(db, "SELECT * FROM v") == [(1, 10), (2, 20)]
        assert rows(db, "SELECT * FROM large") == [(1, 110), (2, 20)]
        assert rows(db, "SELECT * FROM twin") == [(1, 210), (2, 20)]
        db.execute("RESUME QUERY v; INSERT INTO e VALUES (1, 5); RESUME QUERY large")
        for name in ("v", "large", "twin"):
            assert rows(db, f"SELECT * FROM {name}") == [(1, 215), (2, 20)]
        db.execute("DROP MATERIALIZED VIEW twin; INSERT INTO e VALUES (2, 1)")
        assert rows(db, "SELECT * FROM large") == rows(db, "SELECT * FROM v") == [(1, 215), (2, 21)]


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("resumed", [False, True])
def test_it_survives_opening(tmp_path: Path, killed: bool, resumed: bool) -> None:
    with sqlengine.connect(tmp_path) as db:
        made(db)
        db.execute("PAUSE QUERY v; PAUSE QUERY out; PAUSE QUERY above")
        db.execute("INSERT INTO e VALUES (1, 1)")
        db.checkpoint()
        if resumed:
            db.execute("RESUME QUERY v; RESUME QUERY out")
        db.execute("INSERT INTO e VALUES (3, 3)")
        if killed:
            db.crash()
    with sqlengine.connect(tmp_path) as db:
        paused = {"v": "paused", "out$query": "paused"} if not resumed else {"v": "running", "out$query": "running"}
        assert {name: state for name, state in status(db).items() if name in paused} == paused
        assert status(db)["above"] == "paused"
        if not resumed:
            assert rows(db, "SELECT * FROM v") == [(1, 10), (2, 20)]
            assert rows(db, "SELECT * FROM out") == [(10,), (20,)]
            db.execute("RESUME QUERY v; RESUME QUERY out")
        db.execute("RESUME QUERY above")
        assert rows(db, "SELECT * FROM v") == [(1, 11), (2, 20), (3, 3)]
        assert rows(db, "SELECT * FROM above") == [(34,)]
        assert rows(db, "SELECT * FROM out") == [(10,), (10,), (20,), (30,)]


def test_checkpoints_leave_it_out_and_take_it_in_again(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        made(db)
        db.execute("INSERT INTO e SELECT i, i FROM generate_series(10, 6000) AS g(i)")
        db.execute("CREATE MATERIALIZED VIEW over AS SELECT k, s * 2 AS s FROM v")
        db.checkpoint()
        db.execute("PAUSE QUERY over")
        db.checkpoint()
        db.execute("RESUME QUERY over; INSERT INTO e VALUES (7, 7)")
        db.checkpoint()
        db.crash()
    with sqlengine.connect(tmp_path) as db:
        assert rows(db, "SELECT * FROM over") == rows(db, "SELECT k, sum(v) * 2 FROM e GROUP BY k")


def test_what_retention_has_deleted_is_not_passed_over() -> None:
    with sqlengine.connect() as db:
        made(db)
        db.execute("PAUSE QUERY out; PAUSE QUERY v; INSERT INTO e VALUES (3, 3), (4, 4)")
        log = db.storage.topic("e").partitions[0]
        log.delete_before(3)
        with pytest.raises(ObjectNotReady, match='retention or compaction has deleted records of topic "e"'):
            db.execute("RESUME QUERY out")
        assert status(db)["out$query"] == "paused"
        db.execute("RESUME QUERY v")
        assert rows(db, "SELECT * FROM v") == rows(db, "SELECT k, sum(v) FROM e GROUP BY k")


def test_a_view_that_failed_is_made_anew() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, v BIGINT); INSERT INTO t VALUES (1, 5)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT sum(v) AS s FROM t")
        db.execute("CREATE MATERIALIZED VIEW above AS SELECT s + 1 AS s FROM v")
        db.execute("INSERT INTO t VALUES (2, 9223372036854775807), (3, 9223372036854775807)")
        with pytest.raises(Error, match='"v" has failed: bigint out of range') as failed:
            db.execute("SELECT * FROM v")
        assert "RESUME QUERY" in str(failed.value.hint)
        with pytest.raises(ObjectNotReady):
            db.execute("PAUSE QUERY v")
        with pytest.raises(Error, match="bigint out of range"):
            db.execute("RESUME QUERY v")
        assert status(db)["v"] == "failed"
        db.execute("DELETE FROM t WHERE id > 1; INSERT INTO t VALUES (4, 2); RESUME QUERY v")
        assert rows(db, "SELECT * FROM v") == [(7,)]
        assert rows(db, "SELECT * FROM above") == [(8,)]


class FullSink(blackhole.BlackholeSink):
    """A sink whose disk is full for as long as `full` says; `taken` has the rows that were written."""

    full = False
    taken: list[Any] = []

    def write(self, moment: Moment, batch: pa.RecordBatch | None, weights: Any | None) -> None:
        if FullSink.full and batch is not None:
            raise DiskFull("the disk is full")
        FullSink.taken += [] if batch is None else batch.to_pylist()


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> type[FullSink]:
    FullSink.full, FullSink.taken = False, []
    monkeypatch.setattr(
        "sqlengine.connectors.CONNECTORS",
        tuple(_with_full_sink(c) for c in sqlengine.connectors.CONNECTORS),
    )
    return FullSink


def _with_full_sink(connector: Any) -> Any:
    from dataclasses import replace

    return replace(connector, sink=FullSink) if connector.name == "blackhole" else connector


def keys(sink: type[FullSink]) -> list[int]:
    return [row["k"] for row in sink.taken]


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_sink_that_fails_is_tried_again(sink: type[FullSink], by_hand: bool) -> None:
    clock = VirtualClock()
    with sqlengine.connect(clock=clock) as db:
        made(db)
        db.execute("CREATE SINK w AS SELECT k FROM e WITH (connector = 'blackhole')")
        sink.full = True
        db.execute("INSERT INTO e VALUES (3, 0); FLUSH; INSERT INTO e VALUES (4, 0); FLUSH")
        assert rows(db, "SELECT status, error FROM system.queries WHERE name = 'w'") == [
            ("failing", "the disk is full")
        ]
        assert rows(db, "SELECT s FROM above") == [(30,)]
        for _ in range(4):
            clock.advance(1_000_000)
            db.tick()
        assert keys(sink) == [1, 2]
        if by_hand:
            with pytest.raises(DiskFull):
                db.execute("RESUME QUERY w")
        sink.full = False
        if by_hand:
            db.execute("RESUME QUERY w")
        else:
            clock.advance(8_000_000)
            db.tick()
        assert keys(sink) == [1, 2, 3, 4]
        assert status(db)["w"] == "running"
        db.execute("INSERT INTO e VALUES (5, 0); FLUSH")
        assert keys(sink) == [1, 2, 3, 4, 5]
        assert not db._instance.scheduler.feeders
        assert not db._instance.scheduler.taps


def test_a_failing_sink_over_a_view_misses_nothing(sink: type[FullSink]) -> None:
    clock = VirtualClock()
    with sqlengine.connect(clock=clock) as db:
        made(db)
        db.execute("CREATE SINK w AS SELECT k, s FROM v WITH (connector = 'blackhole')")
        sink.full = True
        for value in range(3):
            db.execute(f"INSERT INTO e VALUES ({value}, 1); FLUSH")
        db.execute("PAUSE QUERY w")
        sink.full = False
        clock.advance(100_000_000)
        db.tick()
        assert len(sink.taken) == 2, "a paused one is not tried"
        db.execute("RESUME QUERY w")
        assert sorted((r["k"], r["s"]) for r in sink.taken[2:]) == [(0, 1), (1, 10), (1, 11), (2, 20), (2, 21)]


@settings(max_examples=rounds(5, 100))
@given(
    at_once=st.sampled_from((1, 4, 1000)),
    before=st.lists(writes, max_size=8),
    during=st.lists(writes, max_size=10),
    beside=st.lists(st.lists(writes, max_size=2), max_size=4),
    after=st.lists(writes, max_size=3),
    paused=st.sets(st.sampled_from(("base", "v", "top", "joined")), min_size=1),
)
def test_paused_or_not_all_agree_at_the_end(
    at_once: int, before: list[str], during: list[str], beside: list[list[str]], after: list[str], paused: set[str]
) -> None:
    views = {
        "base": "SELECT k, count(*) AS n FROM e GROUP BY k",
        "v": "SELECT n, count(*) AS times FROM base GROUP BY n",
        "joined": "SELECT base.k, base.n, t.v FROM base JOIN t ON base.k = t.k",
        "top": "SELECT max(times) AS m, count(*) AS c FROM v",
    }
    with pytest.MonkeyPatch.context() as patch, sqlengine.connect(clock=VirtualClock()) as db:
        patch.setattr(fill_module, "STEP_ROWS_MAX", 2)
        patch.setattr(fill_module, "SWITCH_ROWS_MAX", at_once)
        db.execute("CREATE STREAM e (k INT, v INT); CREATE TABLE t (id INT PRIMARY KEY, k INT, v INT)")
        for name, query in views.items():
            db.execute(f"CREATE MATERIALIZED VIEW {name} AS {query}")
        for statement in before:
            db.execute(statement)
        shown = {}
        for name in sorted(paused):
            db.execute(f"PAUSE QUERY {name}")
            shown[name] = rows(db, f"SELECT * FROM {name}")
        for statement in during:
            db.execute(statement)
        for name in paused:
            assert rows(db, f"SELECT * FROM {name}") == shown[name]
        other = db.cursor()

        def act(step: int) -> None:
            for statement in beside.pop() if beside else ():
                other.execute(statement)
            other.execute("SELECT * FROM t").fetchall()

        for name in sorted(paused):
            with between_steps(act):
                db.execute(f"RESUME QUERY {name}")
        for statement in after:
            db.execute(statement)
        for name, query in views.items():
            assert rows(db, f"SELECT * FROM {name}") == rows(db, query)
