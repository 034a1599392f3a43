"""What is left after a fault of a storage in several directories: which one is believed, and what a replica keeps."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

import storage
from storage.log import durable_point
from storage.replacing import replace
from storage.replication.manager import Replication
from storage.replication.marks import load_mark, write_mark
from storage.replication.partition import NoReplica
from storage.replication.replicated_log import ReplicatedLog
from storage.replication.state_file import Kept, StateFile
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


def damage_last_record(journal: Path) -> None:
    """Change a bit of it; how far the journal was durable is not known, as a power failure may leave it."""
    data = bytearray(journal.read_bytes())
    data[: durable_point.FILE_BYTES] = bytes(durable_point.FILE_BYTES)
    data[len(data.rstrip(b"\0")) - 1] ^= 1
    journal.write_bytes(data)


def test_the_damaged_last_record_of_a_journal_is_not_taken_for_a_torn_one(tmp_path: Path) -> None:
    with connect(tmp_path, ("a", "b")) as opened:
        topic(opened)
        for number in range(3):
            opened.meta.append({"number": number})
    damage_last_record(tmp_path / "a" / "meta.journal")
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


def test_of_two_damages_that_look_like_torn_records_none_costs_what_was_acknowledged(tmp_path: Path) -> None:
    """One directory has a record that the end of the process kept from the other, and a damaged one besides."""
    with connect(tmp_path, ("a", "b")) as opened:
        topic(opened)
        opened.offsets.commit("g", {("t", 0): 77})
        meta = (tmp_path / "b" / "meta.journal").read_bytes()
        opened.meta.append({"not": "acknowledged"})
    (tmp_path / "b" / "meta.journal").write_bytes(meta)
    damage_last_record(tmp_path / "a" / "offsets.journal")
    with connect(tmp_path, ("a", "b")) as opened:
        assert opened.offsets.fetch("g") == {("t", 0): 77}


def test_a_directory_that_comes_back_keeps_its_topics_when_the_one_in_use_has_lost_them(tmp_path: Path) -> None:
    with without_threads(), connect(tmp_path, ("a", "b")) as opened:
        fill(topic(opened), 3)
        assert isinstance(opened._replication, Replication)
        directories = opened._replication.directories
        assert directories.files.lose(str(tmp_path / "b"), OSError(5, "as if its disk failed"))
        shutil.rmtree(tmp_path / "a" / "topics")
        directories.try_again()
        opened._replication.tend()
        assert [each.in_use for each in opened.directories()] == [True, False]
        assert list((tmp_path / "b").glob("topics/t-*/0/*.log"))
    shutil.rmtree(tmp_path / "a")
    with connect(tmp_path, ("b",)) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(30))


@pytest.mark.parametrize("file", ["durable", "00000000000000000000.log", ""])
def test_a_replica_without_all_its_files_does_not_join(tmp_path: Path, file: str) -> None:
    with without_threads(), connect(tmp_path, ("a", "b")) as opened:
        log = topic(opened, segment_bytes=4096)
        assert isinstance(log, ReplicatedLog)
        fill(log, 20)
        assert log.segment_count > 2
        partition = log.replication
        follower = 1 - partition.metadata.leader
        (directory,) = (tmp_path / "ab"[follower]).glob("topics/t-*/0")
        (directory / file).unlink() if file else shutil.rmtree(directory)
        assert not partition._is_synced(follower)
        assert not partition.is_live(follower)


@pytest.mark.parametrize(("durability", "missing", "told"), [("os", 1, 2), ("os", 2, 2), ("group", -1, -1)])
def test_a_log_whose_middle_is_missing_keeps_its_beginning_or_is_filled_anew(
    tmp_path: Path, durability: str, missing: int, told: int
) -> None:
    """The protocol hears of damage at a segment; that, or the one before, has no file any more. The last one is the one
    that the durable point names.
    """
    with without_threads(), connect(tmp_path, ("a", "b")) as opened:
        log = topic(opened, durability=durability, segment_bytes=4096)
        assert isinstance(log, ReplicatedLog)
        fill(log, 30)
        partition = log.replication
        partition.run()
        follower = partition.replicas[1 - partition.metadata.leader]
        files = sorted((tmp_path / "ab"[follower.id]).glob("topics/t-*/0/*.log"))
        files[missing].unlink()
        error = storage.CorruptLog("frame is missing", file=str(files[told]), position=0, offset=int(files[told].stem))
        follower.log._failure = error
        assert partition._found_damage(follower, error)
        partition.run()
        partition.try_again()
        settle(opened, lambda: not partition.tend(1 << 20) and whole(opened))
        assert follower.id in partition.metadata.isr
        leader = partition.metadata.leader
        assert partition.replicas[1 - leader].log.start_offset == 0
        fill(log, 1)
    shutil.rmtree(tmp_path / "ab"[leader])
    with connect(tmp_path, ("a", "b")) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(310))


def test_what_is_left_without_a_durable_point_is_there_after_an_unclean_election(tmp_path: Path) -> None:
    with connect(tmp_path, ("a", "b")) as opened:
        log = topic(opened, segment_bytes=4096)
        fill(log, 30)
        log.delete_before(100)
        start = log.start_offset
        assert 0 < start <= 100
    next((tmp_path / "a").glob("topics/t-*/0/durable")).unlink()
    shutil.rmtree(tmp_path / "b")
    with without_threads(), connect(tmp_path, ("a", "b")) as opened:
        log = opened.topic("t").partitions[0]
        assert log.failure is not None
        opened.elect_unclean("t", 0)
        assert numbers(log)[-200:] == list(range(100, 300))
        fill(log, 1)


def alone_on(opened: storage.Storage, name: str) -> storage.Log:
    """The partition, moved to one directory of the storage; the others have nothing of its records any more."""
    log = opened.topic("t").partitions[0]
    path = next(each.path for each in opened.directories() if each.path.endswith(f"/{name}"))
    opened.assign_replicas("t", 0, [path])
    settle(opened, lambda: [r.directory for r in opened.replicas()] == [path] and whole(opened))
    return log


def logs_in(directory: Path) -> list[str]:
    """The files of partition 0 of the topic."""
    return sorted(each.name for each in (directory / "topics").glob("*/0/*"))


def test_directories_without_replicas_know_that_the_records_are_elsewhere(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        fill(topic(opened, replication_factor=1), 3)
        alone_on(opened, "c")
        fill(alone_on(opened, "a"), 2)
        settle(opened, lambda: logs_in(tmp_path / "c") == ["replication"])
    shutil.rmtree(tmp_path / "a")
    with connect(tmp_path) as opened:  # c has had the partition, b never: neither takes an empty log for all of it
        (log,) = opened.topic("t").partitions
        assert isinstance(log.failure, NoReplica)
        with pytest.raises(NoReplica, match="no in-sync replica of partition 0"):
            log.append(rows(0, 1))
        opened.elect_unclean("t", 0)
        assert numbers(log) == []


def test_a_directory_that_never_had_records_knows_where_they_are(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        fill(topic(opened, replication_factor=1), 3)
        (holder,) = opened.replicas()
        first, other = (tmp_path / name for name in NAMES if name != Path(holder.directory).name)
        assert "replication" in logs_in(first) and "replication" in logs_in(other)
        shutil.rmtree(other)
        settle(opened, lambda: whole(opened) and "replication" in logs_in(other))
    shutil.rmtree(holder.directory)
    shutil.rmtree(first)
    with connect(tmp_path) as opened:
        assert isinstance(opened.topic("t").partitions[0].failure, NoReplica)


def test_a_replica_that_was_lost_is_told_in_a_directory_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanished(**options: object) -> None:
        raise storage.LogFailed("its disk failed once")

    with without_threads(), connect(tmp_path / "now", ("a", "b")) as opened:
        log = topic(opened)
        assert isinstance(log, ReplicatedLog)
        fill(log, 3)
        other = 1 - log.replication.metadata.leader
        monkeypatch.setattr(log.replication.replicas[other], "check_present", vanished)
        fill(log, 3)
        assert all(each.in_use for each in opened.directories())
        shutil.copytree(tmp_path / "now", tmp_path / "later")  # as a crash would leave it
        monkeypatch.undo()
    shutil.rmtree(tmp_path / "now")
    (tmp_path / "later").rename(tmp_path / "now")
    shutil.rmtree(tmp_path / "now" / "ab"[1 - other])
    with connect(tmp_path / "now", ("a", "b")) as opened:  # it lacks records, and knows it
        assert isinstance(opened.topic("t").partitions[0].failure, NoReplica)


def test_others_know_nothing_of_a_partition_whose_only_replica_could_not_keep_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, broken = StateFile.save, list[str]()

    def fails(file: StateFile, kept: Kept) -> None:
        broken[:] = broken or [file._directory]
        if file._directory in broken:
            raise OSError(errno.EIO, "Input/output error")
        save(file, kept)

    with without_threads(), connect(tmp_path, ("a", "b")) as opened:
        monkeypatch.setattr(StateFile, "save", fails)
        assert topic(opened, replication_factor=1).failure is not None
        monkeypatch.undo()
    with connect(tmp_path, ("a", "b")) as opened:  # it would wait for ever for a replica that has never begun
        (log,) = opened.topic("t").partitions
        fill(log, 2)
        assert numbers(log) == list(range(20))


def test_the_log_of_a_replica_that_was_away_when_the_partition_moved_is_deleted(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        fill(topic(opened, replication_factor=2), 3)
        held = {Path(each.directory).name for each in opened.replicas()}
    (free,) = set(NAMES) - held
    away = sorted(held - {"a"})[0]
    (tmp_path / away).rename(tmp_path / "away")
    (tmp_path / away).write_text("in the way")
    with connect(tmp_path) as opened:
        rest = sorted(held - {away})
        paths = [str(tmp_path / name) for name in (*rest, free)]
        opened.assign_replicas("t", 0, paths)
        settle(opened, lambda: sorted(r.directory for r in opened.replicas() if r.in_sync) == sorted(paths))
        fill(opened.topic("t").partitions[0], 2)
    (tmp_path / away).unlink()
    (tmp_path / "away").rename(tmp_path / away)
    assert "replication" in logs_in(tmp_path / away) != ["replication"]
    with connect(tmp_path) as opened:
        settle(opened, lambda: logs_in(tmp_path / away) == ["replication"])
        assert numbers(opened.topic("t").partitions[0]) == list(range(50))
