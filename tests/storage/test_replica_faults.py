"""What is left after a fault of a storage in several directories: which one is believed, and what a replica keeps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import storage
from storage.log import durable_point
from storage.replacing import replace
from storage.replication.manager import Replication
from storage.replication.marks import load_mark, write_mark
from storage.replication.replicated_log import ReplicatedLog
from tests.replication.no_threads import without_threads
from tests.storage.conftest import SCHEMA, QuickEnv, numbers, rows
from tests.storage.replicated import NAMES, connect, fill, settle, topic, whole


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_whose_deletion_was_broken_off_is_filled_again(tmp_path: Path, name: str) -> None:
    with connect(tmp_path) as opened:
        fill(topic(opened), 3)
    (tmp_path / name / "replicas").unlink()
    with connect(tmp_path) as opened:
        settle(opened)
        assert numbers(opened.topic("t").partitions[0]) == list(range(30))
    (tmp_path / name / "replicas").unlink()
    shutil.rmtree(tmp_path / name)
    with storage.Storage.open(str(tmp_path / name), env=QuickEnv()) as foreign:
        foreign.create_topic("theirs", SCHEMA)
    with pytest.raises(storage.InvalidConfig, match="belongs to another storage"):
        connect(tmp_path)
    with storage.Storage.open(str(tmp_path / name), env=QuickEnv()) as foreign:
        assert [each.name for each in foreign.topics()] == ["theirs"]


def test_a_directory_whose_mark_the_process_did_not_get_to_has_everything(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        fill(topic(opened), 3)
    before = load_mark(QuickEnv(), str(tmp_path / "c"))
    assert before is not None
    shutil.rmtree(tmp_path / "a")
    with connect(tmp_path, ("b", "c")) as opened:  # the next generation
        settle(opened)
    newest = load_mark(QuickEnv(), str(tmp_path / "b"))
    assert newest is not None
    assert newest.generation > before.generation
    assert newest.in_sync == (before.directory, newest.directory)[:: 1 if before.directory < newest.directory else -1]
    write_mark(QuickEnv(), str(tmp_path / "c"), replace(before, directories=newest.directories))
    shutil.rmtree(tmp_path / "b" / "topics")
    with connect(tmp_path, ("b", "c")) as opened:
        settle(opened)
        assert numbers(opened.topic("t").partitions[0]) == list(range(30))


def test_a_directory_that_has_lost_its_topics_does_not_drop_those_of_others(tmp_path: Path) -> None:
    with connect(tmp_path, ("a", "b")) as opened:
        fill(topic(opened), 3)
    mark = load_mark(QuickEnv(), str(tmp_path / "a"))
    assert mark is not None
    write_mark(
        QuickEnv(), str(tmp_path / "a"), replace(mark, generation=mark.generation + 1, in_sync=(mark.directory,))
    )
    shutil.rmtree(tmp_path / "a" / "topics")
    with pytest.raises(storage.DirectoryNeeded, match='/a" has lost its topics') as refused:
        connect(tmp_path, ("a", "b"))
    assert refused.value.hint == f'remove it to open what "{tmp_path}/b" has, which may not be all'
    shutil.rmtree(tmp_path / "a")
    with connect(tmp_path, ("b",)) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(30))


def test_the_damaged_last_record_of_a_journal_is_not_taken_for_a_torn_one(tmp_path: Path) -> None:
    with connect(tmp_path, ("a", "b")) as opened:
        topic(opened)
        for number in range(3):
            opened.meta.append({"number": number})
    journal = tmp_path / "a" / "meta.journal"
    data = bytearray(journal.read_bytes())
    data[: durable_point.FILE_BYTES] = bytes(durable_point.FILE_BYTES)  # as a power failure may leave it
    data[len(data.rstrip(b"\0")) - 1] ^= 1
    journal.write_bytes(data)
    with connect(tmp_path, ("a", "b")) as opened:
        assert opened.meta.replay() == [{"number": number} for number in range(3)]


@pytest.mark.parametrize("change", ["reassign", "factor"])
def test_a_partition_is_not_moved_to_a_directory_that_has_vanished(tmp_path: Path, change: str) -> None:
    with without_threads(), connect(tmp_path, ("a", "b")) as opened:
        log = topic(opened)
        assert isinstance(log, ReplicatedLog)
        fill(log, 3)
        gone = log.replication.metadata.leader
        shutil.rmtree(tmp_path / "ab"[gone])
        if change == "factor":
            opened.alter_topic("t", replication_factor=1)
        else:
            log.replication.reassign([gone])
        assert numbers(log) == list(range(30))
        shutil.rmtree(tmp_path / "ab"[gone], ignore_errors=True)
        fill(log, 1)
        assert numbers(log) == list(range(40))


def test_a_durable_point_that_has_vanished_is_made_again(tmp_path: Path) -> None:
    root, later = tmp_path / "now", tmp_path / "later"
    with connect(root, ("a", "b")) as opened:
        log = topic(opened)
        fill(log, 3)
        assert isinstance(log, ReplicatedLog)
        leader = log.replication.metadata.leader
        point = next((root / "ab"[1 - leader]).glob("topics/*/0/durable"))
        point.unlink()
        settle(opened, lambda: point.exists() and whole(opened))
        fill(log, 1)
        shutil.copytree(root, later)  # as a crash would leave it
    shutil.rmtree(root)
    later.rename(root)
    shutil.rmtree(root / "ab"[leader])
    with connect(root, ("a", "b")) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(40))


def test_all_directories_of_a_new_storage_have_the_same_from_the_beginning(tmp_path: Path) -> None:
    with without_threads(), connect(tmp_path, ("a", "b")) as opened:
        assert isinstance(opened._replication, Replication)
        opened._replication.tend()
        assert [(each.in_use, each.error) for each in opened.directories()] == [(True, None)] * 2


def test_frames_that_a_lost_leader_did_not_report_belong_to_its_epoch(tmp_path: Path) -> None:
    with without_threads(), connect(tmp_path, ("a", "b")) as opened:
        log = topic(opened)
        assert isinstance(log, ReplicatedLog)
        fill(log, 2)
        partition = log.replication
        partition.run()
        for size in (10, 20):
            log.write(rows(log.end_offset, size))
        assert partition.leader is not None
        partition._lose(partition.leader, storage.LogFailed("as if its disk failed"))
        partition.try_again()
        settle(opened, lambda: not partition.tend(1 << 20) and whole(opened))
        fill(log, 2)
        assert numbers(log) == list(range(70))
        epochs = [replica.log.epoch_starts() for replica in partition.replicas.values()]
        assert [[(1, 0), (2, 50)]] * 2 == [list(map(tuple, each)) for each in epochs]
