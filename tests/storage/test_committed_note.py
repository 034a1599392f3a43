"""What was committed is told by each replica's own note, also when too few are left for the logs to tell it."""

from __future__ import annotations

import contextlib
import errno
import random
import shutil
from pathlib import Path

import pytest

import storage
from storage.env import RealEnv
from storage.replication.committed_note import COMMITTED_FILE, CommittedNote, still_committed
from storage.replication.epochs import EpochStart
from storage.replication.replicated_log import ReplicatedLog
from storage.replication.state import LogState
from tests.replication.disks import Disks
from tests.replication.no_threads import without_threads
from tests.storage.conftest import SCHEMA, numbers, rows
from tests.storage.replicated import connect, fill, settle, topic

LOG = LogState(start=10, end=100, synced=100, epochs=(EpochStart(2, 10), EpochStart(5, 60)))


def notes(root: Path) -> list[Path]:
    return sorted(root.glob(f"*/topics/*/0/{COMMITTED_FILE}"))


def leave_one(root: Path, survivor: str) -> None:
    for name in {"a", "b", "c"} - {survivor}:
        shutil.rmtree(root / name)


def refuses_appends(log: storage.Log) -> bool:
    with pytest.raises(storage.StorageError, match="min_insync_replicas") as caught:
        log.append(rows(log.end_offset, 1))
    return caught.value.sqlstate == "55000"


@pytest.mark.parametrize("survivor", ["a", "b", "c"])
@pytest.mark.parametrize("durability", ["group", "os", "sync"])
@pytest.mark.parametrize("min_insync", [2, 3])
def test_one_directory_alone_shows_what_was_committed(
    tmp_path: Path, survivor: str, durability: str, min_insync: int
) -> None:
    with connect(tmp_path) as opened:
        fill(topic(opened, min_insync_replicas=min_insync, durability=durability), 7)
    leave_one(tmp_path, survivor)
    for _ in range(2):
        with storage.Storage.open(str(tmp_path / survivor)) as opened:
            log = opened.topic("t").partitions[0]
            opened._replication.stop()  # type: ignore[union-attr]
            if len(opened.replicas()) and sum(r.in_sync for r in opened.replicas()) < min_insync:
                assert refuses_appends(log)
            assert log.high_watermark == 70
            assert numbers(log) == list(range(70))
        leave_one(tmp_path, survivor)


def test_a_record_that_too_few_have_is_shown_when_they_are_enough(tmp_path: Path) -> None:
    """It is in the log of the replica that is left, and nobody was ever told that it counts."""
    with connect(tmp_path, ("a", "b")) as opened:
        log = topic(opened, min_insync_replicas=2)
        fill(log, 3)
        opened._replication.stop()  # type: ignore[union-attr]
        shutil.rmtree(tmp_path / "b")
        with pytest.raises(storage.StorageError, match="min_insync_replicas"):
            fill(log, 1)
        assert log.end_offset == 40 and log.high_watermark == 30
        assert numbers(log) == list(range(30))
    shutil.rmtree(tmp_path / "b", ignore_errors=True)
    shutil.copytree(tmp_path / "a", tmp_path / "kept")
    with without_threads(), connect(tmp_path, ("a", "b")) as opened:
        log = opened.topic("t").partitions[0]
        assert log.end_offset == 40 and log.high_watermark == 30
        assert numbers(log) == list(range(30))
    with connect(tmp_path, ("a", "b")) as opened:
        settle(opened)
        log = opened.topic("t").partitions[0]
        assert numbers(log) == list(range(40))


def test_min_insync_replicas_raised_later_finds_a_note(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        log = topic(opened)
        fill(log, 3)
        assert notes(tmp_path) == []  # one replica is enough to tell
        opened.alter_topic("t", min_insync_replicas=2)
        assert len(notes(tmp_path)) == 3
    leave_one(tmp_path, "c")
    with without_threads(), storage.Storage.open(str(tmp_path / "c")) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(30))


def test_a_note_that_was_removed_is_made_again(tmp_path: Path) -> None:
    with connect(tmp_path) as opened:
        log = topic(opened, min_insync_replicas=2)
        fill(log, 3)
        for note in notes(tmp_path):
            note.unlink()
        settle(opened, lambda: len(notes(tmp_path)) == 3)
    leave_one(tmp_path, "b")
    with without_threads(), storage.Storage.open(str(tmp_path / "b")) as opened:
        assert opened.topic("t").partitions[0].high_watermark == 30


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_replica_that_cannot_note_what_is_committed_is_lost(tmp_path: Path, number: int) -> None:
    """Nobody hears of a commit that a replica which counts cannot tell of after a restart."""
    disks = Disks(str(tmp_path / "disks"), random.Random(1))
    root = tmp_path / "disks"
    with without_threads():
        opened = storage.Storage.open(f"{root}/a", replicas=[f"{root}/b", f"{root}/c"], env=disks)
        config = storage.TopicConfig(min_insync_replicas=2, durability="os")
        log = opened.create_topic("t", SCHEMA, config).partitions[0]
        assert isinstance(log, ReplicatedLog)
        fill(log, 2)
        follower = next(r for r in opened.replicas() if r.role == "follower" and not r.directory.endswith("/a"))
        disks.disk(Path(follower.directory).name).fail("write", 2, number)  # the frame, then the note
        fill(log, 1)
        states = {r.directory: r.state for r in opened.replicas()}
        assert states[follower.directory] == "offline" and list(states.values()).count("in sync") == 2
        assert log.high_watermark == 30 and numbers(log) == list(range(30))
        opened.close()


def test_an_unclean_leader_takes_nothing_for_committed_that_it_does_not_have(tmp_path: Path) -> None:
    """Neither does an append count as committed because it lies where a lost one lay."""
    root = tmp_path / "disks"
    disks = Disks(str(root), random.Random(1))
    with without_threads():
        opened = storage.Storage.open(f"{root}/a", replicas=[f"{root}/b", f"{root}/c"], env=disks)
        log = opened.create_topic("t", SCHEMA).partitions[0]
        fill(log, 2)
        behind = next(r.directory for r in opened.replicas() if r.role == "follower" and not r.directory.endswith("/a"))
        in_sync = {"a", "b", "c"} - {Path(behind).name}
        disks.disk(Path(behind).name).broken = errno.EIO
        fill(log, 5)
        for name in in_sync:
            disks.disk(name).broken = errno.EIO
        with pytest.raises(storage.StorageError):
            fill(log, 1)
        disks.disk(Path(behind).name).heal()
        for _ in range(5):
            disks.now += 2_000_000
            with contextlib.suppress(storage.StorageError):
                opened._replication.tend()  # type: ignore[union-attr]
        assert opened.elect_unclean("t", 0).end_offset == 20
        assert log.high_watermark == 20 == log.end_offset
        fill(log, 1)
        assert log.high_watermark == 30 == log.durable_offset
        assert numbers(log) == list(range(30))
        opened.close()


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("epoch", "offset", "known"),
    [
        (5, 80, 80),
        (5, 120, 100),  # the log was cut since
        (2, 80, 60),  # what was committed then behind 60 has been given up for records of epoch 5
        (2, 40, 40),
        (4, 80, 60),  # nothing of epoch 4 is left
        (7, 90, 90),  # nothing was written in epoch 7 yet
        (1, 50, 10),
        (5, 3, 10),  # retention has dropped records since
    ],
)
def test_a_note_counts_as_far_as_the_log_is_the_one_it_was_made_of(epoch: int, offset: int, known: int) -> None:
    assert still_committed(LOG, epoch, offset) == known


def test_every_byte_of_a_note_may_be_lost_or_wrong(tmp_path: Path) -> None:
    """Then it says what it said before, or nothing; never anything else."""
    path = tmp_path / COMMITTED_FILE
    note = CommittedNote(RealEnv(), str(tmp_path))
    for offset in (20, 30, 40):
        note.save(2, offset, sync=True)
    note.release()
    written = path.read_bytes()
    assert CommittedNote(RealEnv(), str(tmp_path)).known(LOG) == 40
    found = set()
    for place in range(len(written)):
        for damaged in (_flipped(written, place), written[:place], written[:place] + bytes(len(written) - place)):
            path.write_bytes(damaged)
            found.add(CommittedNote(RealEnv(), str(tmp_path)).known(LOG))
            assert found <= {10, 30, 40}
            again = CommittedNote(RealEnv(), str(tmp_path))
            again.save(2, 50)
            again.release()
            assert CommittedNote(RealEnv(), str(tmp_path)).known(LOG) == 50
    assert found == {10, 30, 40}


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes((data[place] ^ 0x10,)) + data[place + 1 :]


def test_a_note_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    note = CommittedNote(RealEnv(), str(tmp_path))
    assert note.known(LOG) == LOG.start
    (tmp_path / COMMITTED_FILE).mkdir()
    assert note.known(LOG) == LOG.start
    with contextlib.closing(_Releasing(note)), pytest.raises(storage.StorageError):
        note.save(2, 20)


class _Releasing:
    def __init__(self, note: CommittedNote) -> None:
        self.close = note.release
