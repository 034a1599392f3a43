"""A restart at any point says nothing twice and leaves nothing out: outputs are, record by record, what they would have
been."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.delta import Delta
from sqlengine.runtime.outputs import ConnectorOutput, TopicOutput
from tests.depth import rounds

DECLARE = """
CREATE TOPIC src WITH (partitions = 2);
CREATE STREAM events (n BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)
  WITH (topic = 'src', key = 'k', late_topic = 'too_late', idle_timeout = '10 seconds');
CREATE TABLE items (id BIGINT PRIMARY KEY, v BIGINT);
CREATE MATERIALIZED VIEW counts AS SELECT k, count(*) AS c, max(n) AS newest FROM events GROUP BY k;
CREATE MATERIALIZED VIEW joined AS SELECT e.n, i.v FROM events AS e LEFT JOIN items AS i ON e.k = i.id;
CREATE STREAM evens AS SELECT n, 100 / k AS q FROM events WHERE n % 2 = 0;
CREATE STREAM ended AS SELECT k, count(*) AS c, window_start
  FROM TUMBLE(events, ts, INTERVAL '10 s') GROUP BY k, window_start, window_end EMIT ON WINDOW CLOSE;
CREATE STREAM of_evens AS SELECT n + 1 AS m FROM evens;
"""
OUTPUTS = ("evens", "ended", "of_evens", "too_late", "evens$query_errors")
VIEWS = ("counts", "joined")


class Killed(BaseException):
    """The process is gone."""


class World:
    """A database that can be killed, and what has been put into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = sqlengine.VirtualClock(1_700_000_000_000_000)
        self.db = sqlengine.connect(path, clock=self.clock)
        self.files = path.with_name(f"{path.name}-files")
        self.db.execute(DECLARE)
        self.db.execute(
            f"CREATE SINK filed AS SELECT n, k FROM events WHERE k < 4 "
            f"WITH (connector = 'file', path = '{self.files}', roll_interval = '0')"
        )

    def step(self, number: int, kind: str) -> None:
        if kind == "rows":
            rows = [f"({number * 10 + i}, {(number + i) % 8}, TIMESTAMP '2024-01-01' + INTERVAL '{number * 3 + i} s')"
                    for i in range(5)]  # fmt: skip
            self.db.execute(f"INSERT INTO events VALUES {', '.join(rows)}")
        elif kind == "late":
            self.db.execute(f"INSERT INTO events VALUES ({number * 10}, 1, TIMESTAMP '2023-01-01')")
        elif kind == "item":
            text = "INSERT INTO items VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET v = excluded.v"
            self.db.execute(text, (number % 4, number))
        elif kind == "delete":
            self.db.execute("DELETE FROM items WHERE id = ?", (number % 4,))
        elif kind == "time":
            self.clock.advance(11_000_000)
        self.db.tick()

    def reopen(self) -> None:
        self.db.crash()
        self.db = sqlengine.connect(self.path, clock=self.clock)

    def outputs(self) -> dict[str, list[dict]]:
        there = {topic.name: topic for topic in self.db.storage.topics()}
        found: dict[str, list[dict]] = {}
        for name in OUTPUTS:
            found[name] = []
            if name in there:
                log = there[name].partitions[0]
                position = log.start_offset
                while position < log.end_offset:
                    for frame in log.read(position):
                        rows = zip(frame.offsets().tolist(), frame.batch.to_pylist(), strict=True)
                        found[name] += [{"at": at, **{k: v for k, v in row.items() if k != "time"}} for at, row in rows]
                        position = frame.next_offset
        return found

    def filed(self) -> list[str]:
        """The lines of all part files, in the order of the parts."""
        parts = sorted(self.files.glob("part-*"))
        return [line for part in parts for line in part.read_text().splitlines()]

    def views(self) -> dict[str, list[tuple]]:
        return {v: sorted(self.db.execute(f"SELECT * FROM {v}").fetchall(), key=repr) for v in VIEWS}

    @property
    def tick(self) -> int:
        return self.db._instance.scheduler.tick_number


@contextmanager
def world(path: Path) -> Iterator[World]:
    made = World(path)
    try:
        yield made
    finally:
        made.db.crash()


KINDS = st.sampled_from(["rows", "rows", "late", "item", "delete", "time", "nothing"])


THEN = st.sampled_from(["", "", "checkpoint", "kill", "checkpoint and kill"])


@settings(max_examples=rounds(5, 50))
@given(steps=st.lists(st.tuples(KINDS, THEN), min_size=3, max_size=10))
def test_killed_between_ticks(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("db")
    with world(folder / "whole") as whole, world(folder / "killed") as killed:
        for number, (kind, then) in enumerate(steps):
            whole.step(number, kind)
            killed.step(number, kind)
            if "checkpoint" in then:
                killed.db.checkpoint()
            if "kill" in then:
                ticks = killed.tick
                killed.reopen()
                assert killed.tick == ticks
            assert killed.outputs() == whole.outputs()
            assert killed.filed() == whole.filed()
            assert killed.views() == whole.views()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("stream", ["evens", "ended", "of_evens", "filed"])
@pytest.mark.parametrize("at", range(1, 5))
def test_killed_within_a_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, stream: str, written: bool
) -> None:
    steps = ["rows", "item", "rows", "late", *["rows", "rows", "delete"] * 3, "time", "rows"]
    with world(tmp_path / "whole") as whole, world(tmp_path / "killed") as killed:
        killed.step(0, steps[0])
        killed.db.checkpoint()
        whole.step(0, steps[0])
        calls = 0

        def dying(write: Callable[..., None]) -> Callable[..., None]:
            def dies(self: TopicOutput | ConnectorOutput, tick: int, now_us: int, delta: Delta | None) -> None:
                nonlocal calls
                own = (self.topic if isinstance(self, TopicOutput) else "filed") == stream and delta is not None
                calls += own
                if written or not (own and calls == at):
                    write(self, tick, now_us, delta)
                if own and calls == at:
                    raise Killed

            return dies

        died = False
        for number, kind in enumerate(steps[1:], 1):
            whole.step(number, kind)
            with monkeypatch.context() as patch:
                for output in (TopicOutput, ConnectorOutput):
                    patch.setattr(output, "__call__", dying(output.__call__))
                try:
                    killed.step(number, kind)
                except Killed:
                    died = True
            if calls >= at:
                calls = -1_000
                killed.reopen()
            killed.db.tick()
            assert killed.outputs() == whole.outputs()
            assert killed.filed() == whole.filed()
            assert killed.views() == whole.views()
        assert died


def test_ticks_of_history_have_numbers_that_no_other_tick_gets(tmp_path: Path) -> None:
    """A file sink names its parts by them: a number given twice would write over a part."""
    files = tmp_path / "files"
    db = sqlengine.connect(tmp_path / "db", checkpoint_interval_ms=0)
    try:
        db.execute("CREATE STREAM s (n BIGINT)")
        db.execute("INSERT INTO s VALUES (0)")
        db.execute("SET background_ddl = true")
        db.execute(
            f"CREATE SINK filed AS SELECT n FROM s WITH (connector = 'file', path = '{files}', roll_interval = '0')"
        )
        db.execute("WAIT")
        for number in range(1, 6):
            db.execute(f"PAUSE QUERY filed; INSERT INTO s VALUES ({number}); RESUME QUERY filed")
            db.execute("WAIT")
            before = db._instance.scheduler.tick_number
            db.crash()
            db = sqlengine.connect(tmp_path / "db", checkpoint_interval_ms=0, background_ddl="true")
            assert db._instance.scheduler.tick_number >= before
            db.execute(f"INSERT INTO s VALUES ({number * 100})")
            db.execute("WAIT")
            found = sorted(json.loads(line)["n"] for p in files.glob("part-*") for line in p.read_text().splitlines())
            assert found == sorted([*range(number + 1), *(n * 100 for n in range(1, number + 1))])
    finally:
        db.crash()


def test_a_tick_is_on_disk_before_something_of_it_leaves(tmp_path: Path) -> None:
    with sqlengine.connect(tmp_path, checkpoint_interval_ms=0) as db:
        db.execute("CREATE STREAM s (n BIGINT)")
        db.execute("CREATE STREAM twice AS SELECT 2 * n AS m FROM s")
        for number in range(3):
            db.execute(f"INSERT INTO s VALUES ({number})")
            db.execute("WAIT")
            log = db.storage.topic("$ticks").partitions[0]
            assert log.durable_offset == log.end_offset > log.start_offset


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE TOPIC "$mine"',
        'CREATE STREAM "$mine" (a BIGINT)',
        "CREATE STREAM s (a BIGINT) WITH (topic = '$ticks')",
        "CREATE STREAM s (a BIGINT) WITH (late_topic = '$ticks')",
        "CREATE STREAM s (a BIGINT) WITH (error_topic = '$ticks')",
        'CREATE TABLE "$mine" (a BIGINT PRIMARY KEY)',
        'CREATE STREAM "$mine" AS SELECT n FROM events',
    ],
)
def test_names_of_the_engine_are_refused(tmp_path: Path, statement: str) -> None:
    with world(tmp_path / "db") as one:
        one.step(1, "rows")
        with pytest.raises(sqlengine.Error) as caught:
            one.db.execute(statement)
        assert caught.value.sqlstate == "42939" and "$" in str(caught.value.hint)


@pytest.mark.parametrize(
    "statement",
    ['DROP TOPIC "$ticks"', "PRINT '$ticks' FROM BEGINNING LIMIT 1", 'ALTER TOPIC "$ticks" SET (retention = \'1 day\')',
     'TRUNCATE TOPIC "$ticks"', 'SELECT * FROM "$ticks"'],
)  # fmt: skip
def test_topics_of_the_engine_are_not_there_for_statements(tmp_path: Path, statement: str) -> None:
    with world(tmp_path / "db") as one:
        one.step(1, "rows")
        with pytest.raises(sqlengine.Error) as caught:
            one.db.execute(statement)
        assert caught.value.sqlstate == "42P01"


def test_outputs_begin_anew_only_where_nothing_is_known(tmp_path: Path) -> None:
    with world(tmp_path / "db") as killed:
        killed.step(1, "rows")
        before = killed.outputs()
        killed.reopen()
        killed.reopen()
        assert killed.outputs() == before


def test_a_journal_that_cannot_be_written_does_not_stop_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world(tmp_path / "db") as one:
        one.step(1, "rows")
        log = one.db.storage.topic("$ticks").partitions[0]
        with monkeypatch.context() as patch:
            patch.setattr(type(log), "append", _full)
            one.db._instance.scheduler.run_timers()
        one.step(2, "nothing")
        one.db.checkpoint()
        one.step(3, "rows")
        views, outputs = one.views(), one.outputs()
        one.reopen()
        assert one.views() == views and one.outputs() == outputs


def _full(*_args: object, **_named: object) -> int:
    from storage import DiskFull

    raise DiskFull("no space left on device")


def test_topics_of_the_engine_are_not_shown(tmp_path: Path) -> None:
    with world(tmp_path / "db") as one:
        one.step(1, "rows")
        assert not [row for row in one.db.execute("SHOW TOPICS").fetchall() if row[0].startswith("$")]
        assert not one.db.execute("SELECT * FROM system.partitions WHERE topic LIKE '$%'").fetchall()
