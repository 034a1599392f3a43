"""File sinks: whatever happens, a row is in one published file once, and a published file never changes; DuckDB and
pyarrow read what was written."""

from __future__ import annotations

import datetime as dt
import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlengine
from sqlengine.connectors.file import sink as sink_module
from sqlengine.connectors.file import stage as stage_module
from sqlengine.connectors.file.sink import FileSink
from sqlengine.connectors.file.stage import Stage
from sqlengine.connectors.file.writer import FileWriter
from tests.depth import rounds

START = dt.datetime(2024, 2, 28, 12)
FORMATS = ("json", "csv", "parquet", "arrow")
PARTITIONS = ("", "k, day(ts)")
ROLLINGS = (
    "roll_interval = '0'",
    "roll_interval = '20 s'",
    "roll_rows = 7",
    "roll_size = '3 kB', roll_interval = 'none'",
)
READERS = {"json": "read_json_auto", "csv": "read_csv_auto", "parquet": "read_parquet"}
TEXTS = ("at", "a/b", "../up", "", None, "x=y%", "é ü")


class Killed(BaseException):
    """The process is gone."""


def row_of(n: int) -> tuple[int, str | None, dt.datetime]:
    return n, TEXTS[n % len(TEXTS)], START + dt.timedelta(minutes=20 * n)


def literal(value: object) -> str:
    return "NULL" if value is None else f"'{value}'"


class World:
    """A database with a file sink that can be killed."""

    def __init__(self, path: Path, options: str) -> None:
        self.path, self.files = path / "db", path / "files"
        self.clock = sqlengine.VirtualClock(1_700_000_000_000_000)
        self.options = options
        self.rows = 0
        self.db = sqlengine.connect(self.path, clock=self.clock)
        self.db.execute("CREATE STREAM events (n BIGINT, k TEXT, ts TIMESTAMP)")
        self.db.execute("CREATE MATERIALIZED VIEW total AS SELECT count(*) AS c FROM events")
        self.known: dict[Path, bytes] = {}

    def create(self) -> None:
        self.db.execute(
            f"CREATE SINK IF NOT EXISTS filed AS SELECT n, k, ts FROM events WHERE n % 5 > 0 "
            f"WITH (connector = 'file', path = '{self.files}', {self.options})"
        )

    def insert(self, count: int) -> None:
        first, self.rows = self.rows, self.rows + count
        rows = [f"({n}, {literal(k)}, {literal(ts)})" for n, k, ts in map(row_of, range(first, self.rows))]
        self.db.execute(f"INSERT INTO events VALUES {', '.join(rows)}")

    def reopen(self) -> None:
        self.db.crash()
        self.db._instance.storage.close()  # it may have been killed while it was closed
        self.db = sqlengine.connect(self.path, clock=self.clock)

    def acknowledged(self) -> int:
        return self.db.execute("SELECT c FROM total").fetchone()[0]

    def check(self, *, complete: bool = False) -> None:
        """No row twice, none that was not written, no published file changed or gone; `complete`: every row."""
        published = {path: path.read_bytes() for path in self.files.rglob("part-*") if path.is_file()}
        assert all(published.get(path) == content for path, content in self.known.items())
        self.known = published
        found = Counter(n for path in published for n in self.numbers(path))
        expected = {n for n in range(self.rows) if n % 5}
        assert not [n for n, count in found.items() if count > 1] and set(found) <= expected
        if complete:
            assert set(found) == expected

    def numbers(self, path: Path) -> list[int]:
        kind = path.suffix[1:]
        if kind == "arrow":
            return pa.ipc.open_file(path).read_all().column("n").to_pylist()
        text = f"SELECT n FROM {READERS[kind]}('{path}', hive_partitioning = false)"
        return [n for (n,) in duckdb.sql(text).fetchall()]

    def read_by_others(self) -> None:
        """DuckDB and pyarrow find the rows with the columns that are in the directories' names."""
        kind = next(word for word in FORMATS if f"'{word}'" in self.options)
        split = "partition_by" in self.options
        expected = sorted([row_of(n) for n in range(self.rows) if n % 5], key=lambda row: row[0])
        if not expected:
            return
        if kind != "arrow":
            where = f"{self.files}/**/part-*"
            how = ", types = {'k': 'VARCHAR'}" if kind == "csv" and not split else ""
            parts = f"{READERS[kind]}('{where}', hive_partitioning = {split}, hive_types_autocast = false{how})"
            found = duckdb.sql(f"SELECT n, k, ts{', ts_day' if split else ''} FROM {parts} ORDER BY n").fetchall()
            blank = [(n, None if kind == "csv" and not split and k == "" else k, ts) for n, k, ts in expected]
            assert [row[:2] for row in found] == [row[:2] for row in blank]
            assert [str(row[2]).replace("T", " ")[:19] for row in found] == [str(ts) for _, _, ts in expected]
            assert not split or [row[3] for row in found] == [str(ts.date()) for _, _, ts in expected]
        if kind in ("parquet", "arrow"):
            schema = pa.schema([("k", pa.string()), ("ts_day", pa.string())])
            how_split = ds.partitioning(schema, flavor="hive") if split else None
            table = ds.dataset(self.files, format="ipc" if kind == "arrow" else kind, partitioning=how_split).to_table()
            got = sorted(zip(*(table.column(c).to_pylist() for c in ("n", "k", "ts")), strict=True), key=lambda r: r[0])
            assert got == expected


@contextmanager
def world(path: Path, options: str) -> Iterator[World]:
    made = World(path, options)
    try:
        yield made
    finally:
        made.db.crash()


class Bomb:
    """Kills at the `at`-th step of writing files, before or after it is done, or in its middle."""

    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **named: Any) -> Any:
            self._step()
            result = call(*args, **named)
            self._step()
            return result

        return stepping

    def halves(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Of Stage._write: a record may be written in part."""

        def stepping(stage: Stage, head: bytes, payload: bytes) -> int:
            self.steps += 1
            if self.steps == self.at:
                call(stage, head, bytes(payload)[: len(payload) // 2])
                raise Killed
            return call(stage, head, payload)

        return stepping

    def after(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Done in any case: who is gone leaves no file open."""

        def stepping(*args: Any) -> None:
            call(*args)
            self._step()

        return stepping

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Killed

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Stage, "_write", self.halves(Stage._write))
        patch.setattr(FileWriter, "write", self.around(FileWriter.write))
        patch.setattr(FileWriter, "close", self.after(FileWriter.close))
        around = {name: self.around(getattr(os, name)) for name in ("rename", "replace", "truncate")}
        for module in (sink_module, stage_module):
            patch.setattr(module, "sync", self.around(module.sync))
            patch.setattr(module, "os", SimpleNamespace(**{**vars(os), **around}))


def run(world: World, patch: pytest.MonkeyPatch, step: Callable[[], object], at: int) -> bool:
    """Make a step, killed at the `at`-th moment of it if it has so many; whether it was."""
    with patch.context() as patched:
        Bomb(at).plant(patched)
        try:
            step()
            return False
        except Killed:
            pass
    world.reopen()
    return True


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["rows", "rows", "rows", "time", "pause", "resume", "checkpoint", "close"]),
        st.sampled_from([0, 0, 1, 2, 3, 4, 5, 7, 10, 15, 20]),
    ),
    min_size=4,
    max_size=12,
)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("partition", PARTITIONS)
@settings(max_examples=6)
@given(steps=STEPS, rolling=st.sampled_from(ROLLINGS), early=st.booleans())
def test_killed_at_any_moment(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    partition: str,
    steps: list[tuple[str, int]],
    rolling: str,
    early: bool,
) -> None:
    options = f"format = '{kind}', partition_by = '{partition}', {rolling}".replace("partition_by = '', ", "")
    patch = pytest.MonkeyPatch()
    with world(tmp_path_factory.mktemp("w"), options) as one:
        if not early:
            one.insert(20)
        run(one, patch, one.create, steps[0][1])
        one.create()
        for what, at in steps:
            run(one, patch, lambda what=what: take(one, what), at)
            one.rows = one.acknowledged()
            one.check()
        one.db.execute("RESUME QUERY filed")
        one.db.close()
        one.check(complete=True)
        one.read_by_others()


def take(one: World, what: str) -> None:
    if what == "rows":
        one.insert(random.Random(one.rows).choice((1, 5, 30)))
    elif what == "time":
        one.clock.advance(21_000_000)
    elif what in ("pause", "resume"):
        one.db.execute(f"{what} QUERY filed")
    elif what == "checkpoint":
        one.db.checkpoint()
    elif what == "close":
        one.db.close()
        one.db = sqlengine.connect(one.path, clock=one.clock)
    one.db.tick()


@settings(max_examples=15)
@given(steps=st.lists(st.sampled_from(["rows", "time", "checkpoint", "loss", "resumed"]), min_size=3, max_size=12))
def test_what_was_not_synced_is_lost_with_the_machine(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Of a staged log as much is left as was forced to disk."""
    durable: dict[str, int] = {}
    plain = stage_module.sync

    def noting(path: str) -> None:
        plain(path)
        if os.path.isfile(path):
            durable[path] = os.path.getsize(path)

    patch = pytest.MonkeyPatch()
    patch.setattr(stage_module, "sync", noting)
    options = "format = 'json', partition_by = 'k', roll_interval = '20 s'"
    try:
        with world(tmp_path_factory.mktemp("w"), options) as one:
            one.create()
            for what in steps:
                if what == "loss":
                    one.db.crash()
                    for path in one.files.rglob("*.stage"):
                        size = path.stat().st_size
                        os.truncate(path, min(size, durable.get(str(path), 0)))
                    one.db = sqlengine.connect(one.path, clock=one.clock)
                elif what == "resumed":
                    one.db.execute("PAUSE QUERY filed")
                    one.insert(9)
                    one.db.execute("RESUME QUERY filed")
                else:
                    take(one, what)
                one.check()
            one.db.close()
            one.check(complete=True)
    finally:
        patch.undo()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with world(tmp_path, "format = 'parquet', partition_by = 'k', roll_interval = '20 s'") as one:
        one.create()
        one.insert(30)
        one.db.tick()
        with monkeypatch.context() as patch:
            patch.setattr(FileWriter, "write", full)
            take(one, "time")
            told = one.db.execute("SELECT status, error FROM system.queries WHERE name = 'filed'").fetchall()
            assert told == [("running", f'could not write to "{one.files}": no space left on device')]
            assert not list(one.files.rglob("*.tmp"))
            one.insert(30)
            one.check()
            one.reopen()
            take(one, "time")
        assert one.acknowledged() == 60 and not one.known
        plain = Stage._write

        def in_part(stage: Stage, head: bytes, payload: bytes) -> int:
            plain(stage, head, payload)
            stage.end -= len(head) + len(payload)
            raise OSError(errno.ENOSPC, "no space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Stage, "_write", in_part)
            one.insert(30)
            one.db.tick()
            told = one.db.execute("SELECT status, error FROM system.queries WHERE name = 'filed'").fetchall()
            assert told == [("failing", f'could not write to "{one.files}": no space left on device')]
        for _ in range(8):
            take(one, "time")
        one.db.checkpoint()
        take(one, "time")
        told = one.db.execute("SELECT status, error FROM system.queries WHERE name = 'filed'").fetchall()
        assert told == [("running", None)]
        one.check(complete=True)


@pytest.mark.parametrize("paused", [False, True])
def test_killed_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paused: bool) -> None:
    """What could not be put by is in the checkpoint that is written meanwhile, and comes once when there is space."""
    plain, calls = Stage._write, 0

    def soon_full(stage: Stage, head: bytes, payload: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise OSError(errno.ENOSPC, "no space left on device")
        return plain(stage, head, payload)

    with world(tmp_path, "format = 'json', partition_by = 'k', roll_interval = '20 s'") as one:
        one.create()
        one.insert(20)
        one.db.tick()
        with monkeypatch.context() as patch:
            patch.setattr(Stage, "_write", soon_full)
            one.insert(30)
            one.db.tick()
            if paused:
                one.db.execute("PAUSE QUERY filed")
            one.db.checkpoint()
            one.insert(10)
            one.db.tick()
            for _ in range(2):
                one.reopen()
                one.db.tick()
                one.db.checkpoint()
                told = one.db.execute("SELECT status, error FROM system.queries WHERE name = 'filed'").fetchall()
                error = f'could not write to "{one.files}": no space left on device'
                assert told == [("paused" if paused else "failing", error)]
        one.db.execute("RESUME QUERY filed")
        one.insert(10)
        one.db.tick()
        one.db.close()
        one.check(complete=True)


def _same(n: int) -> int:
    return n


@pytest.mark.parametrize("harm", ["gone", "shorter", "changed"])
@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_damaged_staged_rows(tmp_path: Path, harm: str, when: str) -> None:
    """Rows of ticks that come again are made again; others are missed, and the sink says so and shows nothing wrong."""
    with world(tmp_path, "roll_interval = 'none'") as one:
        one.create()
        one.insert(50)
        one.db.tick()
        if when != "after":
            one.db.checkpoint()
        if when == "between":
            one.insert(10)
            one.db.tick()
        one.db.crash()
        (path,) = one.files.rglob("*.stage")
        data = path.read_bytes()
        if harm == "gone":
            path.unlink()
        else:
            middle = len(data) // 2
            path.write_bytes(
                data[:middle] if harm == "shorter" else data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
            )
        one.db = sqlengine.connect(one.path, clock=one.clock)
        assert one.acknowledged() == (60 if when == "between" else 50)
        status, error = one.db.execute("SELECT status, error FROM system.queries WHERE name = 'filed'").fetchone()
        if when != "after":
            one.db.function(_same)  # what waits for functions is tried again
            status, error = one.db.execute("SELECT status, error FROM system.queries WHERE name = 'filed'").fetchone()
            assert status == "waiting" and str(path) in error
            one.db.execute("DROP SINK filed")
            one.check()
            assert not one.known
        else:
            assert (status, error) == ("running", None)
            one.db.close()
            one.check(complete=True)


def test_staged_rows_that_are_taken_away_while_it_runs(tmp_path: Path) -> None:
    with world(tmp_path, "roll_interval = 'none'") as one:
        one.create()
        one.insert(50)
        one.db.tick()
        for path in one.files.rglob("*.stage"):
            path.unlink()
        one.insert(10)
        one.db.tick()
        status, error = one.db.execute("SELECT status, error FROM system.queries WHERE name = 'filed'").fetchone()
        assert status == "failing" and "gone" in error
        assert one.acknowledged() == 60


def test_time_alone_completes_parts(tmp_path: Path) -> None:
    files = tmp_path / "files"
    with sqlengine.connect(tmp_path / "db") as db:
        db.execute("CREATE STREAM s (n BIGINT)")
        db.execute(f"CREATE SINK f FROM s WITH (connector = 'file', path = '{files}', roll_interval = '200 ms')")
        db.execute("INSERT INTO s VALUES (1)")
        assert until(lambda: [p.read_text() for p in files.glob("part-*")] == ['{"n":1}\n'])


def until(holds: Callable[[], bool]) -> bool:
    import time

    for _ in range(500):
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_dropping_and_closing_show_what_is_staged(tmp_path: Path) -> None:
    with world(tmp_path, "roll_interval = 'none'") as one:
        one.create()
        one.insert(20)
        one.db.execute("ALTER SINK filed RENAME TO other")
        one.insert(20)
        one.db.tick()
        one.check()
        assert not one.known
        one.db.close()
        one.check(complete=True)
        one.db = sqlengine.connect(one.path, clock=one.clock)
        one.insert(20)
        one.db.execute("DROP SINK other")
        one.check(complete=True)
        assert [path.name for path in one.files.iterdir() if path.name.startswith(".")] == []
        one.db.execute("INSERT INTO events VALUES (1, 'x', TIMESTAMP '2024-01-01')")
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (n BIGINT)")
        db.execute(f"CREATE SINK f FROM s WITH (connector = 'file', path = '{tmp_path / 'm'}')")
        db.execute("INSERT INTO s VALUES (1)")
    assert [path.read_text() for path in (tmp_path / "m").iterdir()] == ['{"n":1}\n']


def test_two_sinks_in_one_directory(tmp_path: Path) -> None:
    with world(tmp_path, "roll_interval = '0'") as one:
        one.create()
        one.db.execute(
            f"CREATE SINK rest AS SELECT n, k, ts FROM events WHERE n % 5 = 0 "
            f"WITH (connector = 'file', path = '{one.files}', roll_interval = '0')"
        )
        one.insert(20)
        one.db.tick()
        found = sorted(n for path in one.files.glob("part-*") for n in one.numbers(path))
        assert found == list(range(20))
        one.db.execute("DROP SINK rest")
        assert sorted(n for path in one.files.glob("part-*") for n in one.numbers(path)) == found


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=rounds(10, 25))
@given(texts=st.lists(st.one_of(st.none(), ANY_TEXT), max_size=12))
def test_any_text_is_a_partition(tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]) -> None:
    files = tmp_path_factory.mktemp("p") / "files"
    texts = [*texts, "__HIVE_DEFAULT_PARTITION__", "..", ".", "/etc", None]
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (n BIGINT, k TEXT)")
        db.execute(
            f"CREATE SINK f FROM s WITH (connector = 'file', format = 'parquet', path = '{files}', partition_by = 'k')"
        )
        db.insert("s", list(enumerate(texts)))
    assert {path.parent.parent for path in files.rglob("part-*")} == {files}
    how = "hive_partitioning = true, hive_types_autocast = false"
    found = duckdb.sql(f"SELECT n, k FROM read_parquet('{files}/*/*.parquet', {how})").fetchall()
    assert sorted(found) == list(enumerate(texts))
    by_name = ds.partitioning(pa.schema([("k", pa.string())]), flavor="hive")
    table = ds.dataset(files, format="parquet", partitioning=by_name).to_table(columns=["n", "k"])
    default = [(n, None if k == "__HIVE_DEFAULT_PARTITION__" else k) for n, k in enumerate(texts)]
    assert sorted(zip(table["n"].to_pylist(), table["k"].to_pylist(), strict=True)) == default


@pytest.mark.parametrize(
    ("options", "sqlstate"),
    [
        ("partition_by = 'nope'", "42703"),
        ("partition_by = 'day(k)'", "42804"),
        ("partition_by = 'a'", "42804"),
        ("partition_by = 'k, k'", "42701"),
        ("partition_by = 'day(ts'", "22023"),
        ("partition_by = 'week(ts)'", "22023"),
        ("partition_by = 'n, k, ts, a'", "42804"),
        ("roll_size = 'big'", "22023"),
        ("roll_interval = '1 month'", "22023"),
        ("roll_interval = '-1 s'", "22023"),
        ("roll_rows = -1", "22023"),
        ("roll_sise = '1 MB'", "22023"),
        ("format = 'arrow', compression = 'gzip'", "0A000"),
        ("format = 'xml'", "22023"),
    ],
)
def test_options_that_are_refused(tmp_path: Path, options: str, sqlstate: str) -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM s (n BIGINT, k TEXT, ts TIMESTAMP, a BIGINT[])")
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(f"CREATE SINK f FROM s WITH (connector = 'file', path = '{tmp_path / 'files'}', {options})")
        assert caught.value.sqlstate == sqlstate
        assert not db.execute("SHOW SINKS").fetchall()


@pytest.mark.parametrize(
    "spelling",
    [
        "'sink.rolling-policy.file-size' = '64MB', 'sink.rolling-policy.rollover-interval' = '0 min'",
        "max_row_count = 1, rollover_seconds = 60",
        "file_size_bytes = 1",
    ],
)
def test_spellings_of_other_systems(tmp_path: Path, spelling: str) -> None:
    with world(tmp_path, spelling) as one:
        one.create()
        one.insert(10)
        one.db.tick()
        one.check(complete=True)


def test_guarantees_are_stated(tmp_path: Path) -> None:
    with world(tmp_path, "format = 'csv'") as one:
        one.create()
        one.db.execute("CREATE STREAM copied AS SELECT n FROM events")
        one.db.execute("CREATE SINK seen FROM events WITH (connector = 'print')")
        one.db.execute("CREATE SINK gone FROM events WITH (connector = 'blackhole')")
        told = dict(one.db.execute("SELECT name, guarantee FROM system.sinks").fetchall())
        assert told.pop("filed") == "exactly once" and told.pop("seen") == told.pop("gone") == "at least once"
        assert set(told.values()) <= {"exactly once"}


def test_sinks_are_what_the_module_says(tmp_path: Path) -> None:
    """A published part never has the name of another, whoever wrote that."""
    with world(tmp_path, "roll_interval = '0'") as one:
        one.create()
        sink = one.db._instance.outputs["filed"].sink
        assert isinstance(sink, FileSink)
        one.insert(5)
        one.db.tick()
        (part,) = one.files.glob("part-*")
        last = int(part.name.split("-")[1])
        foreign = one.files / part.name.replace(f"{last:010d}", f"{last + 1:010d}")
        foreign.write_text("mine\n")
        one.insert(5)
        one.db.tick()
        assert foreign.read_text() == "mine\n"
        assert len(list(one.files.glob("part-*"))) == 3
