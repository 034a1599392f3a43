"""The process ends, or the power fails, before any change of the file system: the statement has happened or has not."""

from __future__ import annotations

import errno
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sqlengine import errors
from sqlengine.warehouse import Overrides, TableDescription, commit, read_table, recover, write_rows
from storage.faults import FaultyEnv
from tests.warehouse.conftest import described, tuples

OLD = [(1, "x", 1), (2, "y", 1), (3, "z", 2), (4, "w", 3)]
NEW = [(7, "n", 1), (8, "m", 3), (9, "o", 4)]
AFTER = [(3, "z", 2), *NEW]
Work = Callable[[TableDescription, Overrides, FaultyEnv], object]


class Killed(BaseException):
    """The process is gone."""


def batch(rows: list[tuple[int, str, int]]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(c) for c in zip(*rows, strict=True)], names=["a", "b", "p"])


def rows_of(table: TableDescription, overrides: Overrides) -> list[tuple[Any, ...]]:
    return sorted(tuples(list(read_table(table, overrides=overrides))))


def overwrite(table: TableDescription, overrides: Overrides, env: FaultyEnv) -> object:
    return write_rows(table, [batch(NEW)], mode="overwrite", overrides=overrides, env=env)


def append(table: TableDescription, overrides: Overrides, env: FaultyEnv) -> object:
    return write_rows(table, [batch(NEW)], overrides=overrides, env=env)


WORKS: dict[str, tuple[Work, list[tuple[int, str, int]]]] = {
    "overwrite": (overwrite, AFTER),
    "append": (append, sorted([*OLD, *NEW])),
}


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A table whose partition 3 is elsewhere."""
    place = tmp_path / "original"
    table, overrides = table_in(place)
    write_rows(table, [batch(OLD)], overrides=overrides)
    return place


def table_in(place: Path, file_format: str = "parquet") -> tuple[TableDescription, Overrides]:
    table = described(place / "t", [("a", "int"), ("b", "string")], [("p", "int")], file_format=file_format)
    return table, Overrides({("3",): str(place / "elsewhere")})


def run(place: Path, work: Work, nth: int, *, power: bool) -> bool:
    """Whether the process ended before the `nth` change."""
    env = FaultyEnv(str(place.parent / "trash"), seed=nth)
    table, overrides = table_in(place)

    def end() -> None:
        env.broken = errno.EIO
        raise Killed

    env.plan("any", nth, end)
    try:
        work(table, overrides, env)
    except BaseException:
        if env.broken is None:
            raise
    died = env.broken is not None
    if power:
        env.power_loss()
    else:
        env.kill()
    return died


@pytest.mark.slow
@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
@pytest.mark.parametrize("name", WORKS)
@pytest.mark.parametrize("devices", [1, 2])
def test_whenever_it_ends_the_statement_is_whole(
    tmp_path: Path, original: Path, name: str, power: bool, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if devices == 2:
        monkeypatch.setattr(commit, "_device", lambda path: "/elsewhere" in path)
    work, after = WORKS[name]
    seen = set()
    nth, died = 0, True
    while died:
        nth += 1
        place = tmp_path / "place"
        shutil.copytree(original, place)
        died = run(place, work, nth, power=power)
        table, overrides = table_in(place)
        recover(table.location)
        found = rows_of(table, overrides)
        assert found in (OLD, after), f"before change {nth}"
        seen.add(found == after)
        left = [p.name for p in place.rglob(".*")]
        assert left == [], f"before change {nth}"
        recover(table.location)
        assert rows_of(table, overrides) == found, "recovering twice changes nothing"
        shutil.rmtree(place)
    assert seen == {False, True} and nth > 20


def test_recovering_may_end_as_well(tmp_path: Path, original: Path) -> None:
    """Any change of a recovery is the last of its process, too."""
    rng = random.Random(5)
    for nth in range(10, 40, 3):
        place = tmp_path / "place"
        shutil.copytree(original, place)
        run(place, overwrite, nth, power=False)
        table, overrides = table_in(place)
        for _ in range(3):
            env = FaultyEnv(str(tmp_path / "trash"), seed=nth)

            def end(env: FaultyEnv = env) -> None:
                env.broken = errno.EIO
                raise Killed

            env.plan("any", rng.randint(1, 8), end)
            try:
                recover(table.location, env)
            except (Killed, errors.Error):
                assert env.broken is not None
            env.kill()
        recover(table.location)
        assert rows_of(table, overrides) in (OLD, AFTER)
        shutil.rmtree(place)


def test_a_full_disk_leaves_the_old(tmp_path: Path, original: Path) -> None:
    table, overrides = table_in(original)
    env = FaultyEnv(str(tmp_path / "trash"))
    for space in (0, 100, 600, 1500):
        env.space = space
        with pytest.raises(errors.DiskFull):
            write_rows(table, [batch(NEW)], mode="overwrite", overrides=overrides, env=env)
        assert rows_of(table, overrides) == OLD
        assert [p.name for p in original.rglob(".*")] == []
    env.space = None
    write_rows(table, [batch(NEW)], mode="overwrite", overrides=overrides, env=env)
    assert rows_of(table, overrides) == AFTER


def test_errors_of_the_disk_after_the_decision_are_finished_by_recovery(tmp_path: Path, original: Path) -> None:
    table, overrides = table_in(original)
    env = FaultyEnv(str(tmp_path / "trash"))
    renames = 0
    while True:
        renames += 1
        env.heal()
        env.fail("rename", renames)
        before = rows_of(table, overrides)
        try:
            write_rows(table, [batch(NEW)], mode="overwrite", overrides=overrides, env=env)
        except errors.FileUnavailable:
            recover(table.location)
            assert rows_of(table, overrides) in (before, AFTER)
        else:
            break
    assert renames > 5 and rows_of(table, overrides) == AFTER


def test_statements_of_the_living_are_left_alone(tmp_path: Path) -> None:
    table, overrides = table_in(tmp_path)

    def rows() -> Any:
        yield batch(OLD)
        recover(table.location)
        yield batch([(5, "v", 5)])

    write_rows(table, rows(), overrides=overrides, held_bytes=1)
    assert rows_of(table, overrides) == [*OLD, (5, "v", 5)]


def test_a_damaged_record_is_told(tmp_path: Path, original: Path) -> None:
    table, _ = table_in(original)
    staging = Path(table.location) / ".staging-0"
    staging.mkdir()
    for text in ("{", json.dumps({"version": 99})):
        (staging / "commit.json").write_text(text)
        with pytest.raises(errors.DataCorrupted, match=r"commit\.json"):
            recover(table.location)
    assert rows_of(*table_in(original)) == OLD
