"""A new view's history is read beside everything else: nothing twice, nothing missing, nothing left if it is ended."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.errors import DuplicateTable, Error, ObjectNotReady, QueryCanceled
from sqlengine.runtime import fill as fill_module
from sqlengine.runtime.clock import VirtualClock
from sqlengine.runtime.fill import Fill
from tests.api.fill_support import between_steps, rows, writes
from tests.depth import rounds


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill_module, "STEP_ROWS_MAX", 2)
    monkeypatch.setattr(fill_module, "SWITCH_ROWS_MAX", 1)


def test_others_read_and_write_while_a_view_is_made() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (k INT, v INT)")
        db.execute("INSERT INTO e SELECT i % 3, i FROM generate_series(1, 20) AS g(i)")
        other = db.cursor()
        seen: list[Any] = []

        def act(step: int) -> None:
            other.execute(f"INSERT INTO e VALUES ({step % 4}, {step})") if step < 30 else None
            seen.append(other.execute("SELECT count(*) FROM e").fetchone())

        with between_steps(act) as steps:
            db.execute("CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n, sum(v) AS s FROM e GROUP BY k")
        assert steps[0] > 10
        assert seen[:3] == [(21,), (22,), (23,)]
        assert rows(db, "SELECT * FROM v") == rows(db, "SELECT k, count(*), sum(v) FROM e GROUP BY k")


def test_in_the_background_it_is_made_step_by_step() -> None:
    with sqlengine.connect(clock=VirtualClock()) as db:
        db.execute("CREATE STREAM e (k INT)")
        db.execute("INSERT INTO e SELECT i FROM generate_series(1, 10) AS g(i)")
        db.execute("SET background_ddl = true")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM e")
        [fill] = db._instance.fills
        with pytest.raises(ObjectNotReady, match='materialized view "v" has not been populated') as refused:
            db.execute("SELECT * FROM v")
        assert refused.value.sqlstate == "55000"
        assert "0% of its history" in str(refused.value.hint)
        with pytest.raises(DuplicateTable):
            db.execute("CREATE MATERIALIZED VIEW v AS SELECT 1 AS one")
        with pytest.raises(ObjectNotReady):
            db.execute("CREATE MATERIALIZED VIEW above AS SELECT * FROM v")
        assert not fill.step()
        progress = "SELECT name, status, backfilled, backfill_total FROM system.queries"
        assert rows(db, progress) == [("v", "backfilling", 2, 10)]
        db.execute("INSERT INTO e VALUES (11), (12)")
        db.execute("WAIT")
        assert rows(db, "SELECT * FROM v") == [(12,)]
        assert rows(db, progress) == [("v", "running", None, None)]


def test_a_thread_makes_it_where_time_passes() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (k INT)")
        db.execute("INSERT INTO e SELECT i FROM generate_series(1, 100) AS g(i)")
        db.execute("SET background_ddl = on")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM e; WAIT")
        assert rows(db, "SELECT * FROM v") == [(100,)]
        assert not [t for t in threading.enumerate() if t.name.startswith("sqlengine-fill")]


def test_ending_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path) as db:
        db.execute("CREATE STREAM e (k INT)")
        db.execute("INSERT INTO e SELECT i FROM generate_series(1, 10) AS g(i)")
        session = db.session()
        for statement in (
            "CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM e",
            "CREATE STREAM f AS SELECT k + 1 AS k FROM e",
            "CREATE SINK w AS SELECT k FROM e WITH (connector = 'blackhole')",
            "SUBSCRIBE (SELECT k FROM e)",
        ):
            with between_steps(lambda step: session.cancel() if step == 3 else None), pytest.raises(QueryCanceled):
                session.execute(statement)
            assert rows(db, "SELECT name FROM system.queries") == []
            assert rows(db, "SELECT name FROM system.topics") == [("e",)]
            assert not db._instance.scheduler.taps
            assert not db._instance.scheduler.sources
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM e")
        assert rows(db, "SELECT * FROM v") == [(10,)]
        db.execute("DROP MATERIALIZED VIEW v")


def test_dropping_what_it_reads_ends_it() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (k INT)")
        db.execute("INSERT INTO e SELECT i FROM generate_series(1, 10) AS g(i)")
        other = db.cursor()
        refusals: list[str] = []

        def act(step: int) -> None:
            if step == 2:
                with pytest.raises(Error) as refused:
                    other.execute("DROP STREAM e")
                refusals.append(refused.value.sqlstate)
                other.execute("DROP STREAM e CASCADE")

        with between_steps(act), pytest.raises(QueryCanceled):
            db.execute("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM e")
        assert refusals == ["2BP01"]
        assert rows(db, "SELECT name FROM system.streams") == rows(db, "SELECT name FROM system.views") == []


def test_what_fails_in_it_is_the_statements_error() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM e (v BIGINT)")
        db.execute("INSERT INTO e SELECT 9223372036854775807 FROM generate_series(1, 9) AS g(i)")
        with pytest.raises(Error) as failed:
            db.execute("CREATE MATERIALIZED VIEW v AS SELECT sum(v) AS s FROM e")
        assert failed.value.sqlstate == "22003"
        assert rows(db, "SELECT name FROM system.queries") == []


def test_a_failure_in_the_background_can_be_seen_and_dropped() -> None:
    with sqlengine.connect(clock=VirtualClock()) as db:
        db.execute("CREATE STREAM e (v BIGINT)")
        db.execute("INSERT INTO e SELECT 9223372036854775807 FROM generate_series(1, 9) AS g(i)")
        db.execute("SET background_ddl = true")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT sum(v) AS s FROM e; WAIT")
        [(status, error)] = rows(db, "SELECT status, error FROM system.queries")
        assert (status, error) == ("failed", "bigint out of range")
        with pytest.raises(ObjectNotReady, match="has not been populated") as refused:
            db.execute("SELECT * FROM v")
        assert "bigint out of range" in str(refused.value.hint)
        db.execute("DROP MATERIALIZED VIEW v")
        assert rows(db, "SELECT name FROM system.queries") == []


@pytest.mark.parametrize("steps", range(7))
@pytest.mark.parametrize("killed", [False, True])
def test_it_begins_again_after_opening(tmp_path: Path, steps: int, killed: bool) -> None:
    clock = VirtualClock()
    with sqlengine.connect(tmp_path, clock=clock) as db:
        db.execute("CREATE STREAM e (k INT)")
        db.execute("INSERT INTO e SELECT i FROM generate_series(1, 10) AS g(i)")
        db.execute("SET background_ddl = true")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM e")
        db.execute("CREATE STREAM f AS SELECT k * 10 AS k FROM e")
        for fill in db._instance.fills:
            for _ in range(steps):
                if fill.status == "backfilling":
                    fill.step()
        db.execute("INSERT INTO e VALUES (11)")
        if killed:
            db.crash()
    with sqlengine.connect(tmp_path, clock=clock) as db:
        db.execute("WAIT")
        assert rows(db, "SELECT * FROM v") == [(11,)]
        assert rows(db, "SELECT k FROM f") == rows(db, "SELECT k * 10 FROM e")
        assert not list(db._instance.fills)
    with sqlengine.connect(tmp_path, clock=clock) as db:
        assert rows(db, "SELECT * FROM v") == [(11,)]


def test_waiting_in_the_foreground_ends_when_the_database_is_closed(tmp_path: Path) -> None:
    db = sqlengine.connect(tmp_path)
    db.execute("CREATE STREAM e (k INT)")
    db.execute("INSERT INTO e SELECT i FROM generate_series(1, 10) AS g(i)")
    with (
        between_steps(lambda step: db.close() if step == 2 else None),
        pytest.raises(Error, match="database is closed"),
    ):
        db.cursor().execute("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM e")
    with sqlengine.connect(tmp_path) as again:
        assert rows(again, "SELECT name FROM system.views") == []


class MovedClock(VirtualClock):
    """A clock that only waiting moves, in a database that takes it for a real one."""

    virtual = False


def test_its_speed_can_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill_module, "STEP_ROWS_MAX", 1000)
    clock = MovedClock()
    waits: list[float] = []

    def wait(self: Fill, seconds: float) -> None:
        waits.append(seconds)
        clock.advance(round(seconds * 1e6))

    monkeypatch.setattr(Fill, "_wait", wait)
    with sqlengine.connect(clock=clock) as db:
        db.execute("CREATE STREAM e (k INT)")
        db.execute("INSERT INTO e SELECT i FROM generate_series(1, 100) AS g(i)")
        db.execute("SET backfill_rate_limit = 200")
        with between_steps(lambda step: None) as steps:
            db.execute("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM e")
        assert steps[0] == 6, "five steps of a tenth of a second's rows, and the last under the lock"
        assert sum(waits) == pytest.approx(0.5)
        assert rows(db, "SELECT * FROM v") == [(100,)]


def test_its_speed_is_an_option_that_can_be_altered() -> None:
    with sqlengine.connect(clock=VirtualClock()) as db:
        db.execute("CREATE STREAM e (k INT); INSERT INTO e SELECT i FROM generate_series(1, 9) AS g(i)")
        db.execute("SET background_ddl = true; SET backfill_rate_limit = 7")
        create = "CREATE MATERIALIZED VIEW {} WITH (backfill_rate_limit = {}) AS SELECT count(*) AS n FROM e"
        db.execute(create.format("v", 50))
        [fill] = db._instance.fills
        assert fill.pace.rows_per_second == 50
        db.execute("ALTER MATERIALIZED VIEW v SET (backfill_rate_limit = 20)")
        assert fill.pace.rows_per_second == 20
        db.execute("ALTER MATERIALIZED VIEW v SET backfill_rate_limit = DEFAULT")
        assert fill.pace.rows_per_second == 7
        for wrong, message in (
            ("(backfil = 1)", 'unrecognized option of a materialized view "backfil"'),
            ("(backfill_rate_limit = -1)", 'invalid value for option "backfill_rate_limit": "-1"'),
            ("(backfill_rate_limit = 'fast')", 'invalid value for option "backfill_rate_limit": "fast"'),
        ):
            with pytest.raises(Error, match=message) as refused:
                db.execute(f"ALTER MATERIALIZED VIEW v SET {wrong}")
            assert refused.value.sqlstate == "22023"
        with pytest.raises(Error, match="invalid value for option"):
            db.execute(create.format("w", "'many'"))
        with pytest.raises(Error, match="ALTER MATERIALIZED VIEW ... SET is not supported yet"):
            db.execute("ALTER MATERIALIZED VIEW v SET TABLESPACE other")
        assert rows(db, "SELECT name FROM system.views") == [("v",)]


QUERIES = (
    "SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k",
    "SELECT e.k, e.v, t.v AS w FROM e JOIN t ON e.k = t.id",
    "SELECT e.k, e.v, t.v AS w FROM e LEFT JOIN t ON e.k = t.id",
    "SELECT n, count(*) AS times FROM base GROUP BY n",
    "SELECT base.k, base.n, t.v FROM base JOIN t ON base.k = t.k",
    "SELECT k, v FROM t ORDER BY v DESC, id LIMIT 3",
    "SELECT k, max(v) AS m FROM (SELECT k, v FROM t UNION ALL SELECT k, v FROM e) AS u GROUP BY k",
    "SELECT k FROM e EXCEPT SELECT k FROM t",
    "SELECT k, count(*) AS n FROM e GROUP BY k HAVING count(*) > 1",
)


@settings(max_examples=rounds(12, 100))
@given(
    at_once=st.sampled_from((1, 4, 1000)),
    query=st.sampled_from(QUERIES),
    before=st.lists(writes, max_size=12),
    during=st.lists(st.lists(writes, max_size=3), max_size=8),
    after=st.lists(writes, max_size=4),
)
def test_nothing_twice_and_nothing_missing(
    at_once: int, query: str, before: list[str], during: list[list[str]], after: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch, sqlengine.connect(clock=VirtualClock()) as db:
        patch.setattr(fill_module, "SWITCH_ROWS_MAX", at_once)
        db.execute("CREATE STREAM e (k INT, v INT); CREATE TABLE t (id INT PRIMARY KEY, k INT, v INT)")
        db.execute("CREATE MATERIALIZED VIEW base AS SELECT k, count(*) AS n FROM e GROUP BY k")
        for statement in before:
            db.execute(statement)
        other = db.cursor()

        def act(step: int) -> None:
            for statement in during[step] if step < len(during) else ():
                other.execute(statement)
            other.execute("SELECT count(*) FROM base").fetchall()  # a tick

        with between_steps(act):
            db.execute(f"CREATE MATERIALIZED VIEW v AS {query}")
        for statement in after:
            db.execute(statement)
        assert rows(db, "SELECT * FROM v") == rows(db, query)


WINDOWED = (
    "SELECT k, window_start, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '10 s') GROUP BY k, window_start, window_end",
    "SELECT window_start, max(k) AS m FROM HOP(s, ts, INTERVAL '5 s', INTERVAL '10 s') "
    "GROUP BY window_start, window_end",
    "SELECT k, window_start, count(*) AS n FROM SESSION(s PARTITION BY k, ts, INTERVAL '4 s') "
    "GROUP BY k, window_start, window_end",
    "SELECT k, ts, row_number() OVER (PARTITION BY k ORDER BY ts, k) AS place FROM s",
    "SELECT a.k, a.window_start, b.k AS other FROM TUMBLE(s, ts, INTERVAL '10 s') AS a "
    "JOIN TUMBLE(s, ts, INTERVAL '10 s') AS b ON a.window_start = b.window_start AND a.k = b.k + 1",
)

moments = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60)), max_size=6)


@settings(max_examples=rounds(10, 100))
@given(
    at_once=st.sampled_from((1, 4, 1000)),
    query=st.sampled_from(WINDOWED),
    emit=st.sampled_from(("", "EMIT ON WINDOW CLOSE")),
    before=moments,
    during=st.lists(moments, max_size=5),
    after=moments,
    keeper=st.booleans(),
)
def test_windows_are_as_if_the_view_had_always_been_there(
    at_once: int,
    query: str,
    emit: str,
    before: list[tuple[int, int]],
    during: list[list[tuple[int, int]]],
    after: list[tuple[int, int]],
    keeper: bool,
) -> None:
    declare = "CREATE STREAM s (k INT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 s')"
    make = f"CREATE MATERIALIZED VIEW v AS {query} {emit}"
    with (
        pytest.MonkeyPatch.context() as patch,
        sqlengine.connect(clock=VirtualClock()) as early,
        sqlengine.connect(clock=VirtualClock()) as late,
    ):
        patch.setattr(fill_module, "SWITCH_ROWS_MAX", at_once)
        early.execute(f"{declare}; {make}")
        late.execute(declare)
        if keeper:  # of parts that may be taken over
            late.execute(f"CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM ({query}) AS q")

        def insert(found: list[tuple[int, int]]) -> None:
            values = ", ".join(f"({k}, TIMESTAMP '2024-01-01' + INTERVAL '{second} s')" for k, second in found)
            for db in (early, late):
                if found:
                    db.cursor().execute(f"INSERT INTO s VALUES {values}")
                db.cursor().execute("FLUSH" if db is early else "SELECT count(*) FROM s")

        insert(before)
        with between_steps(lambda step: insert(during[step]) if step < len(during) else None):
            late.execute(make)
        insert(after)
        assert rows(late, "SELECT * FROM v") == rows(early, "SELECT * FROM v")


def test_steps_take_as_many_rows_as_the_one_before_says_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill_module, "STEP_ROWS_MAX", 64)
    monkeypatch.setattr(fill_module, "SWITCH_ROWS_MAX", 2)
    monkeypatch.setattr(fill_module, "STEP_ROWS_FIRST", 16)
    taken: list[int] = []
    seconds = iter([0.5, 0.1, 4.0, 0.0, 4.0, 4.0, 100.0])
    measure = fill_module.Fill._measure

    def measured(self: fill_module.Fill, rows: int, _: float) -> None:
        taken.append(rows)
        measure(self, rows, next(seconds, 1.0))

    monkeypatch.setattr(fill_module.Fill, "_measure", measured)
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (n INT)")
        db.insert("s", pa.table({"n": range(300)}))
        db.execute("WAIT; CREATE MATERIALIZED VIEW v AS SELECT n, count(*) AS c FROM s GROUP BY n")
        assert db.execute("SELECT count(*), sum(c) FROM v").fetchall() == [(300, 300)]
    assert taken[:8] == [16, 32, 64, 16, 64, 16, 4, 2] and set(taken[8:]) == {2}
