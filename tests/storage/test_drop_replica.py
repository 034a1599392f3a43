"""A directory is taken away from a running storage: every one, under appends, lost, refused, killed halfway."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import storage
from storage.env import File
from storage.replication.manager import Replication
from tests.depth import rounds
from tests.storage.conftest import SCHEMA, QuickEnv, numbers, rows
from tests.storage.replicated import NAMES, connect, fill, settle, topic, whole

ROOT = Path(__file__).resolve().parents[2]
CYCLES = int(os.environ.get("SQLENGINE_CRASH_CYCLES", "6"))


def paths(opened: storage.Storage) -> set[str]:
    """Names of the storage's directories."""
    return {Path(each.path).name for each in opened.directories()}


def places(opened: storage.Storage, name: str = "t") -> set[str]:
    """Names of the directories in which a topic has replicas."""
    return {Path(each.directory).name for each in opened.replicas() if each.topic == name}


def replication_of(opened: storage.Storage) -> Replication:
    """What looks after the replicas."""
    assert opened._replication is not None
    return opened._replication


class Appender:
    """Appends numbered rows to logs in a thread until it is stopped; what went wrong is raised then."""

    def __init__(self, *logs: storage.Log) -> None:
        self._logs = logs
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Appender:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._failures and error[0] is None:
            raise self._failures[0]

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for log in self._logs:
                    fill(log, 1, 7)
        except BaseException as error:
            self._failures.append(error)


@pytest.mark.parametrize("durability", ["group", "os", "sync"])
@pytest.mark.parametrize("victim", NAMES)
def test_every_directory_can_be_dropped_under_appends_and_added_again(
    tmp_path: Path, victim: str, durability: str
) -> None:
    with connect(tmp_path):
        pass
    keeping = [name for name in NAMES if name != victim]
    with connect(tmp_path, (keeping[0], keeping[1], victim)) as opened:
        for count in (1, 2):
            settings = storage.TopicConfig(
                partitions=3, replication_factor=count, durability=durability, segment_bytes=8192
            )
            for log in opened.create_topic(f"on {count}", SCHEMA, settings).partitions:
                fill(log, 20)
        opened.meta.append({"n": 1})
        opened.offsets.commit("g", {("on 1", 0): 5})
        logs = [log for each in opened.topics() for log in each.partitions]
        assert places(opened, "on 1") == set(NAMES)
        with Appender(*logs):
            assert opened.drop_replica(str(tmp_path / victim)) is None
            time.sleep(0.05)
        assert paths(opened) == set(keeping)
        assert list((tmp_path / victim).iterdir()) == []
        assert whole(opened) and len(opened.replicas()) == 9
        ends = [log.end_offset for log in logs]
        for log in logs:
            assert numbers(log) == list(range(log.end_offset)) and log.end_offset > 200
    with storage.Storage.open(str(tmp_path / keeping[0]), env=QuickEnv()) as opened:
        assert paths(opened) == set(keeping)
        logs = [log for each in opened.topics() for log in each.partitions]
        assert [numbers(log) for log in logs] == [list(range(end)) for end in ends]
        opened.add_replica(str(tmp_path / victim))
        for each in opened.topics():
            opened.alter_topic(each.name, replication_factor=3)
        settle(opened, lambda: whole(opened) and len(opened.replicas()) == 18)
    for name in keeping:
        shutil.rmtree(tmp_path / name)
    with storage.Storage.open(str(tmp_path / victim), env=QuickEnv()) as opened:
        logs = [log for each in opened.topics() for log in each.partitions]
        assert [numbers(log) for log in logs] == [list(range(end)) for end in ends]
        assert opened.meta.replay() == [{"n": 1}]
        assert opened.offsets.fetch("g") == {("on 1", 0): 5}


def test_what_cannot_be_dropped_is_refused_and_stays(tmp_path: Path) -> None:
    def refused(path: str, kind: type[storage.StorageError], match: str) -> storage.StorageError:
        before = (paths(opened), [r[:4] for r in opened.replicas()])
        with pytest.raises(kind, match=match) as caught:
            opened.drop_replica(str(tmp_path / path))
        assert (paths(opened), [r[:4] for r in opened.replicas()]) == before
        return caught.value

    with connect(tmp_path) as opened:
        fill(topic(opened), 3)
        error = refused("bb", storage.DirectoryNotFound, "is none of this storage's")
        assert error.sqlstate == "42704" and f'"{tmp_path}/b"' in str(error.hint)
        error = refused(
            "b", storage.UnsupportedConfig, 'topic "t" has replication factor 3, and 2 directories would be'
        )
        assert error.hint == "ALTER TOPIC t SET (replication_factor = 2) first"
        error = refused("a", storage.DirectoryInUse, "is the one that the storage was opened by")
        assert error.sqlstate == "55006" and "open the storage by another" in str(error.hint)
        opened.alter_topic("t", replication_factor=1)
        for name in ("c", "b"):
            opened.drop_replica(str(tmp_path / name))
        refused("a", storage.UnsupportedConfig, "is the only one of this storage")
        assert numbers(opened.topic("t").partitions[0]) == list(range(30))
    with connect(tmp_path, ("a", "b")) as opened:  # none is locked, and one that was dropped may come again
        replication_of(opened).stop()
        shutil.rmtree(tmp_path / "a")
        fill(opened.create_topic("u", SCHEMA, storage.TopicConfig(replication_factor=1)).partitions[0], 1)
        replication_of(opened).directories.tend()
        refused("b", storage.DirectoryNeeded, "is the only one in use")
    with storage.Storage.open(str(tmp_path / "single"), env=QuickEnv()) as opened:
        refused("single", storage.UnsupportedConfig, "was opened without replicas")


@pytest.mark.parametrize("victim", ["b", "c"])
def test_a_directory_that_is_lost_is_forgotten(tmp_path: Path, victim: str) -> None:
    other = "c" if victim == "b" else "b"
    with connect(tmp_path) as opened:
        logs = opened.create_topic(
            "t", SCHEMA, storage.TopicConfig(partitions=6, replication_factor=2, segment_bytes=8192)
        ).partitions
        for log in logs:
            fill(log, 10)
        shutil.rmtree(tmp_path / victim)
        (tmp_path / victim).write_text("no directory")
        with Appender(*logs):
            opened.drop_replica(str(tmp_path / victim))
        assert paths(opened) == places(opened) == {"a", other} and whole(opened)
        assert (tmp_path / victim).read_text() == "no directory"
        assert all(numbers(log) == list(range(log.end_offset)) for log in logs)
    shutil.rmtree(tmp_path / "a")
    with storage.Storage.open(str(tmp_path / other), env=QuickEnv()) as opened:
        assert all(len(numbers(log)) > 100 for log in opened.topic("t").partitions)


def test_the_only_copy_of_records_is_not_forgotten(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        logs = opened.create_topic("t", SCHEMA, storage.TopicConfig(partitions=3, replication_factor=1)).partitions
        for log in logs:
            fill(log, 3)
        (tmp_path / "b").rename(tmp_path / "away")
        (tmp_path / "b").write_text("no directory")
        with pytest.raises(storage.StorageError) as caught:
            opened.drop_replica(str(tmp_path / "b"))
        assert caught.value.sqlstate in ("55000", "58030")
        assert paths(opened) == set(NAMES)
        (tmp_path / "b").unlink()
        (tmp_path / "away").rename(tmp_path / "b")
        settle(opened)
        opened.drop_replica(str(tmp_path / "b"))
        assert [numbers(log) for log in logs] == [list(range(30))] * 3


def test_a_drop_ends_when_who_should_take_over_is_lost(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        log = topic(opened, replication_factor=2, segment_bytes=8192)
        fill(log, 50)
        settle(opened)
        (target,) = set(NAMES) - places(opened)
        victim = next(name for name in ("c", "b") if name != target)

        def lose(moved: int, partitions: int) -> None:
            shutil.rmtree(tmp_path / target, ignore_errors=True)
            replication_of(opened).directories.tend()

        with pytest.raises(storage.DirectoryNeeded, match="needs 2 directories, and of those that stay 1 can be used"):
            opened.drop_replica(str(tmp_path / victim), lose)
        fill(log, 5)
        settle(opened, lambda: whole(opened) and len(opened.replicas()) == 2)
        opened.drop_replica(str(tmp_path / victim))
        assert paths(opened) == places(opened) == set(NAMES) - {victim}
        assert numbers(log) == list(range(550))


def test_a_drop_can_be_broken_off_and_says_how_far_it_is(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def check(moved: int, partitions: int) -> None:
        seen.append((moved, partitions))
        raise KeyboardInterrupt

    with connect(tmp_path) as opened:
        for log in opened.create_topic("t", SCHEMA, storage.TopicConfig(partitions=3, replication_factor=2)).partitions:
            fill(log, 5)
        before = [r[:3] for r in opened.replicas()]
        with pytest.raises(KeyboardInterrupt):
            opened.drop_replica(str(tmp_path / "c"), check)
        assert [partitions for _, partitions in seen] == [3] and seen[0][0] < 3
        settle(opened, lambda: whole(opened) and len(opened.replicas()) == len(before))
        opened.create_topic("u", SCHEMA)
        settle(opened)
        assert places(opened, "u") == set(NAMES)


def test_topics_that_are_made_or_changed_meanwhile_stay_away_from_it(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        log = topic(opened, replication_factor=2, segment_bytes=8192)
        fill(log, 50)
        made: list[str] = []

        def meanwhile(moved: int, partitions: int) -> None:
            if made:
                return
            made.append("u")
            for log in opened.create_topic("u", SCHEMA, storage.TopicConfig(partitions=4)).partitions:
                fill(log, 2)
            opened.alter_topic("t", replication_factor=1)
            with pytest.raises(storage.UnsupportedConfig, match="this storage has 2 directories"):
                opened.alter_topic("t", replication_factor=3)
            with pytest.raises(storage.DirectoryInUse, match="is being dropped already"):
                opened.drop_replica(str(tmp_path / "c"))

        opened.drop_replica(str(tmp_path / "c"), meanwhile)
        assert opened.topic("u").config.replication_factor == 2
        assert places(opened, "u") == {"a", "b"}
        settle(opened, lambda: len(places(opened)) == 1 and whole(opened))
        assert numbers(log) == list(range(500))


def test_a_full_disk_can_be_dropped_and_cannot_take_over(tmp_path: Path) -> None:
    env = Stopping()
    with connect(tmp_path, env=env) as opened:
        log = topic(opened, replication_factor=2)
        fill(log, 5)
        settle(opened)
        (target,) = set(NAMES) - places(opened)
        victim = next(name for name in ("c", "b") if name != target)
        env.full = f"{tmp_path}/{target}/topics/"
        with pytest.raises(storage.DiskFull):
            opened.drop_replica(str(tmp_path / victim))
        env.full = ""
        settle(opened)
        env.full = f"{tmp_path}/{victim}/"
        fill(log, 1)
        opened.meta.append({"n": 1})
        opened.drop_replica(str(tmp_path / victim))
        assert paths(opened) == places(opened) == set(NAMES) - {victim}
        assert numbers(log) == list(range(60))


class Stopping(QuickEnv):
    """A machine that changes nothing on disk any more after `left` changes, as if the process had been killed; files
    below `full` cannot be written.
    """

    def __init__(self) -> None:
        self.left: int | None = None
        self.full = ""

    def _change(self) -> None:
        """Count a change."""
        if self.left is not None:
            if self.left == 0:
                raise OSError(5, os.strerror(5))
            self.left -= 1

    def open(self, path: str, *, create: bool = False) -> File:
        """See `Env.open`."""
        if create and not self.exists(path):
            self._change()
        file = super().open(path, create=create)
        write, resize = file.write, file.resize

        def limited(position: int, pieces: Sequence[Any]) -> None:
            if self.full and path.startswith(self.full):
                raise OSError(28, os.strerror(28))
            self._change()
            write(position, pieces)

        def resized(size: int) -> None:
            self._change()
            resize(size)

        file.write, file.resize = limited, resized  # type: ignore[method-assign]
        return file

    def mkdir(self, path: str) -> None:
        """See `Env.mkdir`."""
        self._change()
        super().mkdir(path)

    def rename(self, source: str, target: str) -> None:
        """See `Env.rename`."""
        self._change()
        super().rename(source, target)

    def remove(self, path: str) -> None:
        """See `Env.remove`: a directory goes file by file."""
        if os.path.isdir(path):
            for name in os.listdir(path):
                self.remove(f"{path}/{name}")
        if os.path.exists(path):
            self._change()
            super().remove(path)


def broken_off(root: Path, left: int) -> tuple[int, int]:
    """A drop of directory c that ends after so many changes on disk; returns how many it made and how many records were
    acknowledged.
    """
    env = Stopping()
    opened = connect(root, env=env)
    log = opened.create_topic("t", SCHEMA, storage.TopicConfig(replication_factor=2, segment_bytes=4096)).partitions[0]
    fill(log, 20)
    fill(opened.create_topic("single", SCHEMA, storage.TopicConfig(replication_factor=1)).partitions[0], 2)
    opened.meta.append({"n": 1})
    settle(opened)
    env.left = left
    acknowledged = log.end_offset

    def append(moved: int, partitions: int) -> None:
        nonlocal acknowledged
        acknowledged = log.append(rows(log.end_offset, 10)) + 10

    try:
        opened.drop_replica(str(root / "c"), append)
    except storage.StorageError:
        assert env.left == 0
    made = left - env.left
    replication_of(opened).stop()
    env.left = 0
    try:
        opened.close()
    except (storage.StorageError, OSError):
        replication_of(opened).release()
    return made, acknowledged


@pytest.mark.parametrize("seed", range(rounds(2, 4)))
def test_a_drop_that_breaks_off_at_any_change_on_disk_loses_nothing(scratch: Path, seed: int) -> None:
    rng = random.Random(seed)
    changes, _ = broken_off(scratch / "whole", 10**9)
    assert changes > 30
    for left in sorted(rng.sample(range(changes), 8)):
        root = scratch / str(left)
        _, acknowledged = broken_off(root, left)
        by = rng.choice(["a", "b"])
        with storage.Storage.open(str(root / by), env=QuickEnv()) as opened:
            assert paths(opened) in ({"a", "b"}, {"a", "b", "c"}), left
            log = opened.topic("t").partitions[0]
            assert numbers(log) == list(range(log.end_offset)) and log.end_offset >= acknowledged, left
            assert numbers(opened.topic("single").partitions[0]) == list(range(20))
            settle(opened)
            if "c" in paths(opened):
                opened.drop_replica(str(root / "c"))
            assert list((root / "c").iterdir()) == []
            fill(log, 1)
            end = log.end_offset
            assert places(opened) == {"a", "b"}
        with storage.Storage.open(str(root / "a"), env=QuickEnv()) as opened:
            assert numbers(opened.topic("t").partitions[0]) == list(range(end))
            assert opened.meta.replay() == [{"n": 1}]


def run_until_killed(root: Path, seed: int, rng: random.Random) -> list[list[str]]:
    """What a process printed that appends, drops directories and adds them again, until it was killed."""
    command = [sys.executable, str(ROOT / "tests/storage/crash_dropper.py"), str(root), str(seed)]
    lines: list[list[str]] = []
    drops = rng.randint(1, 3)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.split())
            drops -= lines[-1][0] == "dropping"
            if drops == 0:
                break
        time.sleep(rng.random() / 5)
        process.kill()
        lines += [line.split() for line in process.stdout.read().splitlines()[:-1] if line]
    assert drops == 0, "the process ended by itself"
    return lines


@pytest.mark.slow
def test_nothing_is_lost_when_the_process_is_killed_while_it_drops_directories(tmp_path: Path) -> None:
    rng = random.Random(7)
    acknowledged = [0, 0]
    for cycle in range(CYCLES):
        for kind, *values in run_until_killed(tmp_path, cycle, rng):
            if kind == "ack":
                number, end = map(int, values)
                acknowledged[number] = end
        with storage.Storage.open(str(tmp_path / "a")) as opened:
            for number, log in enumerate(opened.topic("t").partitions):
                assert numbers(log) == list(range(log.end_offset)), cycle
                assert log.end_offset >= acknowledged[number], cycle
            settle(opened)
            copies = places(opened)
            assert copies <= paths(opened)
