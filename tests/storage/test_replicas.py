"""A storage in several directories, as its user meets it: directories go, come back, are corrupted, fill up."""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import storage
from storage.env import File
from storage.replication.replicated_log import ReplicatedLog
from tests.depth import rounds
from tests.storage.conftest import SCHEMA, QuickEnv, contents, numbers, rows
from tests.storage.replicated import NAMES, connect, fill, settle, topic, whole

LOSSES = [chosen for count in (1, 2) for chosen in itertools.combinations(NAMES, count)]


@pytest.mark.parametrize("durability", ["group", "os", "sync"])
def test_every_directory_has_every_record(tmp_path: Path, durability: str) -> None:
    with connect(tmp_path) as opened:
        log = topic(opened, durability=durability)
        fill(log, 20)
        assert [(r.role, r.state, r.end_offset) for r in opened.replicas()].count(("follower", "in sync", 200)) == 2
        assert numbers(log) == list(range(200))
    for name in NAMES:  # a copy of each directory is a storage of its own
        shutil.copytree(tmp_path / name, tmp_path / f"copy {name}")
        with storage.Storage.open(str(tmp_path / f"copy {name}"), env=QuickEnv()) as opened:
            assert numbers(opened.topic("t").partitions[0]) == list(range(200))
            fill(opened.topic("t").partitions[0], 1)


@pytest.mark.parametrize("durability", ["group", "os"])
@pytest.mark.parametrize("lost", LOSSES)
def test_directories_may_go_while_the_storage_is_closed(tmp_path: Path, lost: tuple[str, ...], durability: str) -> None:
    with connect(tmp_path) as opened:
        fill(topic(opened, durability=durability), 30)
        opened.offsets.commit("g", {("t", 0): 77})
        opened.meta.append({"table": "x"})
    for name in lost:
        shutil.rmtree(tmp_path / name)
    with connect(tmp_path) as opened:
        log = opened.topic("t").partitions[0]
        assert numbers(log) == list(range(300))
        assert opened.offsets.fetch("g") == {("t", 0): 77}
        assert opened.meta.replay() == [{"table": "x"}]
        fill(log, 1)
        settle(opened)
    for name in set(NAMES) - set(lost):
        shutil.rmtree(tmp_path / name)
    with connect(tmp_path) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(310))
        assert opened.meta.replay() == [{"table": "x"}]


@pytest.mark.parametrize("durability", ["group", "os"])
@pytest.mark.parametrize("lost", LOSSES)
def test_directories_may_go_while_the_storage_is_open(tmp_path: Path, lost: tuple[str, ...], durability: str) -> None:
    with connect(tmp_path) as opened:
        log = topic(opened, durability=durability, segment_bytes=8192)
        fill(log, 20)
        for name in lost:
            shutil.rmtree(tmp_path / name)
        opened.meta.append({"n": 1})
        fill(log, 20)
        opened.offsets.commit("g", {("t", 0): 5})
        assert numbers(log) == list(range(400))
        settle(
            opened, lambda: all(d.in_use for d in opened.directories()) and all(r.in_sync for r in opened.replicas())
        )
        fill(log, 3)
    for name in set(NAMES) - set(lost):
        shutil.rmtree(tmp_path / name)
    with connect(tmp_path) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(430))
        assert opened.meta.replay() == [{"n": 1}]
        assert opened.offsets.fetch("g") == {("t", 0): 5}


def damage(root: Path, rng: random.Random) -> None:
    """Change bytes of one frame, or cut a file, in one directory."""
    files = [path for path in root.glob("topics/*/0/*.log") if path.stat().st_size]
    path = rng.choice(files)
    data = path.read_bytes()
    end = len(data.rstrip(b"\0"))
    place = rng.randrange(end)
    if rng.random() < 0.2:
        path.unlink()
    else:
        path.write_bytes(data[:place] + bytes(b ^ 0x55 for b in data[place : place + 70]) + data[place + 70 :])


@pytest.mark.parametrize("seed", range(rounds(5, 12)))
def test_what_was_corrupted_in_one_replica_is_repaired_from_another(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with connect(tmp_path) as opened:
        fill(topic(opened, segment_bytes=8192, durability=rng.choice(["os", "group"])), 60)
    victim = rng.choice(NAMES)
    for _ in range(rng.randint(1, 3)):
        damage(tmp_path / victim, rng)
    with connect(tmp_path) as opened:
        log = opened.topic("t").partitions[0]
        assert numbers(log) == list(range(600))
        fill(log, 5)
        assert numbers(log) == list(range(650))
        time.sleep(1.2)  # what was not read is looked through in the background
        settle(opened)
    for name in NAMES:
        if name != victim:
            shutil.rmtree(tmp_path / name)
    with connect(tmp_path) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(650))


def test_corruption_without_a_good_replica_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    with connect(tmp_path, ("a", "b")) as opened:
        fill(topic(opened, segment_bytes=8192), 60)
    for name in ("a", "b"):
        second = sorted((tmp_path / name).glob("topics/*/0/*.log"))[1]
        second.write_bytes(bytes(b ^ 1 for b in second.read_bytes()))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.log")}
    with connect(tmp_path, ("a", "b")) as opened:
        log = opened.topic("t").partitions[0]
        with pytest.raises(storage.StorageError, match="log is corrupt at offset 160"):
            numbers(log)
        with pytest.raises(storage.StorageError, match="log is corrupt at offset 160"):
            fill(log, 1)
        time.sleep(1.2)
    newest = max(path.name for path in before)  # its unused end may be cut off
    assert all(path.read_bytes() == data for path, data in before.items() if path.name != newest)


def test_a_new_directory_takes_the_place_of_one_that_is_no_longer_named(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        fill(topic(opened), 20)
    shutil.rmtree(tmp_path / "b")
    with connect(tmp_path, ("a", "c", "d")) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(200))
        wanted = {str(tmp_path / name) for name in ("a", "c", "d")}
        settle(opened, lambda: {r.directory for r in opened.replicas() if r.in_sync} == wanted)
    for name in ("a", "c"):
        shutil.rmtree(tmp_path / name)
    with connect(tmp_path, ("a", "c", "d")) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(200))


def test_a_storage_knows_its_directories(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        fill(topic(opened), 3)
    for name in NAMES:
        with storage.Storage.open(str(tmp_path / name), env=QuickEnv()) as opened:
            assert sorted(d.path for d in opened.directories()) == [str(tmp_path / n) for n in NAMES]
            assert whole(opened)


def test_a_storage_without_replicas_gets_some(tmp_path: Path) -> None:
    with storage.Storage.open(str(tmp_path / "a"), env=QuickEnv()) as opened:
        fill(topic(opened), 30)
        assert opened.topic("t").config.replication_factor == 1
        assert (opened.directories(), opened.replicas()) == ([], [])
    with connect(tmp_path) as opened:
        log = opened.topic("t").partitions[0]
        assert numbers(log) == list(range(300))
        assert [r.directory for r in opened.replicas()] == [str(tmp_path / "a")]
        opened.alter_topic("t", replication_factor=3)
        for _ in range(20):
            fill(log, 3)
        settle(opened, lambda: len(opened.replicas()) == 3 and whole(opened))
        opened.alter_topic("t", min_insync_replicas=2)
        fill(log, 1)
        assert numbers(log) == list(range(910))
    shutil.rmtree(tmp_path / "a")
    with connect(tmp_path) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(910))
        opened.alter_topic("t", replication_factor=1, min_insync_replicas=1)
        settle(opened, lambda: len(list(tmp_path.glob("*/topics/*/0/*.log"))) == 1)
        assert len(opened.replicas()) == 1
        fill(opened.topic("t").partitions[0], 1)


def test_appends_need_min_insync_replicas(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        log = topic(opened, min_insync_replicas=2)
        fill(log, 2)
        opened._replication.stop()  # nothing is repaired from here on
        shutil.rmtree(tmp_path / "b")
        fill(log, 2)
        shutil.rmtree(tmp_path / "c")
        with pytest.raises(storage.StorageError, match="min_insync_replicas") as caught:
            fill(log, 1)
        assert caught.value.sqlstate in ("08007", "55000")  # the leader may have been the one that went
        with pytest.raises(storage.StorageError, match="fewer replicas are in sync than min_insync_replicas"):
            fill(log, 1)
        assert numbers(log) == list(range(40))


def test_bad_directories_are_refused(tmp_path: Path) -> None:
    with storage.Storage.open(str(tmp_path / "other"), env=QuickEnv()) as opened:
        fill(topic(opened), 1)
    with pytest.raises(storage.InvalidConfig, match="belongs to another storage"):
        connect(tmp_path, ("a", "other"))
    with connect(tmp_path, ("x", "y")) as opened:
        pass
    with pytest.raises(storage.InvalidConfig, match="belongs to another storage"):
        connect(tmp_path, ("other", "y"))
    with pytest.raises(storage.InvalidConfig, match="named twice"):
        connect(tmp_path, ("a", "b", "b"))
    with pytest.raises(storage.InvalidConfig, match="lies in directory"):
        connect(tmp_path, ("a", "a/b"))
    with pytest.raises(storage.InvalidConfig, match="in memory has no replicas"):
        storage.Storage.open(None, replicas=["x"])
    with connect(tmp_path) as opened:
        with pytest.raises(storage.StorageLocked, match=f'"{tmp_path}/b" is in use by process'):
            connect(tmp_path, ("d", "b"))
        with pytest.raises(storage.UnsupportedConfig, match="replication factor 4 needs as many directories") as caught:
            topic(opened, replication_factor=4)
        assert caught.value.sqlstate == "0A000"
        with pytest.raises(storage.InvalidConfig, match="min_insync_replicas must be between 1 and 3"):
            topic(opened, replication_factor=3, min_insync_replicas=4)
    with connect(tmp_path):  # nothing is left locked
        pass


@pytest.mark.parametrize("seed", range(rounds(3, 6)))
def test_the_writer_may_take_records_back(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with connect(tmp_path) as opened:
        log = topic(opened, segment_bytes=4096)
        known: list[int] = []
        for step in range(30):
            if rng.random() < 0.3 and known:
                end = rng.randint(log.start_offset, log.end_offset)
                log.truncate_to(end)
                del known[end:]
            elif rng.random() < 0.2:
                start = rng.randint(log.start_offset, log.end_offset)
                log.delete_before(start)
            fill(log, 1, rng.randint(1, 40))
            known = list(range(log.end_offset))
            assert numbers(log) == known[log.start_offset :], step
        start, end = log.start_offset, log.end_offset
    for name in rng.sample(NAMES, 2):
        shutil.rmtree(tmp_path / name)
    with connect(tmp_path) as opened:
        log = opened.topic("t").partitions[0]
        assert numbers(log)[-(end - start) :] == list(range(start, end))


@pytest.mark.parametrize("committed", [True, False])
def test_a_transaction_survives_the_loss_of_its_leader(tmp_path: Path, committed: bool) -> None:
    with connect(tmp_path) as opened:
        log = topic(opened)
        fill(log, 1)
        leader = next(Path(r.directory).name for r in opened.replicas() if r.role == "leader")
        transaction = opened.transaction()
        transaction.append("t", rows(10, 5))
        shutil.rmtree(tmp_path / leader)
        transaction.append("t", rows(15, 5))
        assert numbers(log) == list(range(10))
        if committed:
            transaction.commit()
        else:
            transaction.abort()
        wanted = list(range(20 if committed else 10))
        assert [n for n in numbers(log) if n < 100] == wanted
        log.append(rows(100, 1))
    others = [name for name in NAMES if name != leader]
    shutil.rmtree(tmp_path / others[0])
    with connect(tmp_path) as opened:
        assert numbers(opened.topic("t").partitions[0]) == [*wanted, 100]


def test_a_full_disk_of_one_replica_stops_nothing(tmp_path: Path) -> None:
    class OneFull(QuickEnv):
        """A machine on which one directory has no space left while `full`."""

        full = False

        def open(self, path: str, *, create: bool = False) -> File:
            file = super().open(path, create=create)
            write = file.write

            def limited(position: int, pieces: Sequence[Any]) -> None:
                if self.full and path.startswith(str(tmp_path / "b")):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                write(position, pieces)

            file.write = limited  # type: ignore[method-assign]
            return file

    env = OneFull()
    with connect(tmp_path, env=env) as opened:
        logs = [topic(opened), opened.create_topic("u", SCHEMA, storage.TopicConfig(durability="os")).partitions[0]]
        for log in logs:
            fill(log, 3)
        env.full = True
        for log in logs:
            fill(log, 3)
            assert numbers(log) == list(range(60))
        opened.meta.append({"n": 1})
        broken = {r.directory: r.error for r in opened.replicas() if not r.in_sync}
        assert "no space left" in str(broken.pop(str(tmp_path / "b"))).lower()
        assert not broken
        env.full = False
        settle(opened)
        for log in logs:
            fill(log, 1)
    for name in ("a", "c"):
        shutil.rmtree(tmp_path / name)
    with connect(tmp_path) as opened:
        assert opened.meta.replay() == [{"n": 1}]
        for name in ("t", "u"):
            assert numbers(opened.topic(name).partitions[0]) == list(range(70))


def drop_when_others_are_back(opened: storage.Storage, directory: Path) -> None:
    """Drop a directory, as often as it takes until those that were deleted meanwhile have been made again."""
    deadline = time.monotonic() + 20
    while True:
        try:
            opened.drop_replica(str(directory))
            return
        except storage.DirectoryNeeded:
            assert time.monotonic() < deadline, opened.directories()
            time.sleep(0.1)


@pytest.mark.parametrize("seed", range(rounds(3, 8)))
def test_whatever_happens_the_log_is_the_list_of_what_was_acknowledged(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    acknowledged: list[int] = []
    opened = connect(tmp_path)
    log = topic(opened, segment_bytes=rng.choice([4096, 1 << 20]), durability=rng.choice(["os", "group", "sync"]))
    names = list(NAMES)
    healthy = set(names)
    for step in range(40):
        action = rng.random()
        if action < 0.6:
            count = rng.randint(1, 30)
            base = log.append(rows(len(acknowledged), count))
            assert base == len(acknowledged), step
            acknowledged += range(base, base + count)
        elif action < 0.75 and len(healthy) > 1:
            name = rng.choice(sorted(healthy))
            healthy.discard(name)
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        elif action < 0.82:
            settle(opened)
            healthy = set(names)
        elif action < 0.88:  # another directory takes the place of one, which is dropped, lost or not
            (new,) = {*NAMES, "d"} - set(names)
            old = rng.choice(names[1:])
            opened.add_replica(str(tmp_path / new))
            names.append(new)
            healthy.add(new)
            if not healthy - {old, new}:
                settle(opened)
                healthy = set(names)
            drop_when_others_are_back(opened, tmp_path / old)
            names.remove(old)
            healthy.discard(old)
        elif action < 0.95:
            opened.close()
            if rng.random() < 0.5 and len(healthy) > 1:
                name = rng.choice(sorted(healthy))
                healthy.discard(name)
                shutil.rmtree(tmp_path / name)
            opened = connect(tmp_path, tuple(names))
            log = opened.topic("t").partitions[0]
        else:
            assert numbers(log) == acknowledged, step
    assert numbers(log) == acknowledged
    opened.close()


def test_partitions_are_added_and_retention_and_compaction_reach_every_replica(tmp_path: Path) -> None:
    settings = storage.TopicConfig(cleanup="compact", key_columns=("s",), segment_bytes=4096, min_dirty_ratio=0.0)
    with connect(tmp_path) as opened:
        keyed = opened.create_topic("k", SCHEMA, settings).partitions[0]
        for number in range(200):
            keyed.append(pa.record_batch([[number], [f"key {number % 7}"]], SCHEMA))
        aged = topic(opened, segment_bytes=4096)
        fill(aged, 100)
        assert opened.compact() > 100
        opened.alter_topic("t", partitions=3, retention_bytes=8192)
        opened.maintain()
        assert (aged.start_offset > 300, aged.end_offset) == (True, 1000)
        for log in opened.topic("t").partitions[1:]:
            fill(log, 2)
        latest = contents(keyed).to_pylist()
        assert {row["s"]: row["n"] for row in latest} == {f"key {n % 7}": n for n in range(193, 200)}
        start = aged.start_offset
        shutil.rmtree(tmp_path / "b")
        fill(aged, 1)
        keyed.append(pa.record_batch([[200], ["key 0"]], SCHEMA))
        settle(opened)
    for name in ("a", "c"):
        shutil.rmtree(tmp_path / name)
    with connect(tmp_path) as opened:
        rest = contents(opened.topic("k").partitions[0]).to_pylist()
        assert {row["s"]: row["n"] for row in rest}["key 0"] == 200
        assert len({row["s"] for row in rest}) == 7
        assert len(rest) < 60
        logs = opened.topic("t").partitions
        assert logs[0].start_offset == start
        assert [len(numbers(log)) for log in logs] == [1010 - start, 20, 20]


def test_readers_and_writers_notice_nothing_when_directories_go(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        log = topic(opened, durability="os", segment_bytes=65536)
        stop = threading.Event()
        failures: list[BaseException] = []

        def write() -> None:
            try:
                while not stop.is_set():
                    fill(log, 1)
            except BaseException as error:
                failures.append(error)

        def read() -> None:
            offset = 0
            try:
                while not stop.is_set():
                    for frame in log.read(offset, max_rows=500):
                        assert frame.base_offset == offset
                        assert frame.batch.column("n").to_pylist() == list(range(offset, frame.next_offset))
                        offset = frame.next_offset
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for work in (write, read, read)]
        for thread in threads:
            thread.start()
        for name in ("a", "b", "c"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
            time.sleep(0.1)
            settle(opened)
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures
        assert numbers(log) == list(range(log.end_offset))


def test_a_leader_stays_until_the_others_have_what_its_appenders_wait_for(tmp_path: Path) -> None:
    """The new replica is in sync with what is committed before it has what is not: that is too large for one round."""
    with connect(tmp_path, ("a", "b")) as opened:
        log = topic(opened, replication_factor=1)
        assert isinstance(log, ReplicatedLog)
        fill(log, 3)
        (old,) = log.replication.metadata.replicas
        with log.replication.lock:  # the thread that looks after the replicas must not come in between
            ends = [log.write(rows(log.end_offset, 200_000)) + 200_000 for _ in range(2)]
            log.replication.reassign([1 - old])
            while log.replication.metadata.target:
                log.replication.tend(1)
            assert log.write(rows(ends[-1], 10)) == ends[-1]
        assert log.replication.metadata.replicas == (1 - old,)
        for end in (*ends, ends[-1] + 10):
            log.acknowledge(end)
        assert numbers(log) == list(range(400_040))
