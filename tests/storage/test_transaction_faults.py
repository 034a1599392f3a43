"""Transactions on a disk that fails, is full, loses power or returns other bytes: never half of one is seen."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import storage
from storage.faults import FaultyEnv
from tests.depth import rounds
from tests.storage.conftest import SCHEMA, QuickEnv, numbers, quick, rows

CONFIG = storage.TopicConfig(partitions=2, segment_bytes=4096)
OPERATIONS = ["write", "sync", "rename", "open", "sync_dir", "resize", "remove"]


class Known:
    """What the owner of the transactions knows: those that were acknowledged, and those that were not committed."""

    def __init__(self) -> None:
        self.committed: set[int] = set()
        self.aborted: set[int] = set()
        self.prepared: dict[int, str] = {}
        self.offset = 0


def work(opened: storage.Storage, known: Known, first: int, count: int) -> None:
    """`count` transactions, each of a row in three partitions and an offset; each third is aborted, each fifth prepared
    and then committed.
    """
    if "a" not in {topic.name for topic in opened.topics()}:
        opened.create_topic("a", SCHEMA, CONFIG)
    if "b" not in {topic.name for topic in opened.topics()}:
        opened.create_topic("b", SCHEMA)
    for number in range(first, first + count):
        with opened.transaction() as t:
            for partition in (0, 1):
                t.append("a", rows(number, 1), partition=partition)
            t.append("b", rows(number, 1))
            if number % 3 == 2:
                known.aborted.add(number)
                t.abort()
                continue
            t.commit_offsets("g", {("b", 0): number % (opened.topic("b").partitions[0].end_offset + 1)})
            if number % 5 == 4:
                known.prepared[number] = t.id
                t.prepare()
            t.commit()
        known.committed.add(number)


def visible(opened: storage.Storage) -> list[list[int]]:
    """Column n of each partition, as of one moment."""
    names = {topic.name for topic in opened.topics()}
    logs = [log for name in ("a", "b") if name in names for log in opened.topic(name).partitions]
    return [
        [n for frame in log.read(0, max_rows=end) for n in frame.batch.column("n").to_pylist()]
        for log, end in zip(logs, opened.transactions.cut(logs), strict=True)
    ]


def check(opened: storage.Storage, known: Known) -> None:
    """Every partition has the same transactions, all that were acknowledged, and none that was aborted."""
    names = {topic.name for topic in opened.topics()}
    logs = [log for name in ("a", "b") if name in names for log in opened.topic(name).partitions]
    found = visible(opened)
    if len(found) < 3:
        assert not known.committed and not any(found)
        return
    assert found[0] == found[1] == found[2], "half of a transaction"
    undecided = {info.id for info in opened.transactions.unfinished()}
    assert undecided <= set(known.prepared.values()) and all(log.failure is None for log in logs)
    for number, name in known.prepared.items():
        if name in undecided:
            assert number not in found[0]
            opened.transactions.prepared(name).abort()
            known.aborted.add(number)
    assert opened.transactions.unfinished() == []
    found = visible(opened)
    assert found[0] == found[1] == found[2], "half of a transaction"
    assert len(set(found[0])) == len(found[0]), "twice"
    assert known.committed <= set(found[0])
    assert not known.aborted & set(found[0])
    assert all(log.last_stable_offset == log.end_offset for log in logs if log.durable_offset == log.end_offset)
    committed = [n for n in found[0] if n % 3 != 2]
    assert opened.offsets.fetch("g").get(("b", 0)) is not None or not committed


@contextlib.contextmanager
def broken(path: Path, seed: int) -> Iterator[FaultyEnv]:
    """A disk in a directory of its own."""
    env = FaultyEnv(str(path / "trash"), base=QuickEnv(), seed=seed)
    yield env
    shutil.rmtree(path)


@pytest.mark.parametrize("space", [False, True], ids=["broken", "full"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_failing_each_call_of_an_operation(scratch: Path, operation: str, space: bool) -> None:
    """The n-th call fails, for every n; then the power does, too, and the storage is opened twice."""
    # In what a change must pass one kind of failure takes the odd calls, the other the even ones.
    nth, failed = rounds(int(space) - 1, 0), True
    while failed:
        nth += rounds(2, 1)
        with broken(scratch / str(nth), nth) as env:
            known, path = Known(), str(scratch / str(nth) / "data")
            failed = _breaks(env, known, path, operation, nth, errno.ENOSPC if space else errno.EIO)
            for first in (100, 200):
                with storage.Storage.open(path, env=env) as opened:
                    check(opened, known)
                    work(opened, known, first, 5)
                    check(opened, known)
    assert nth > 3


def _breaks(env: FaultyEnv, known: Known, path: str, operation: str, nth: int, error: int) -> bool:
    """The work until something fails, if it does, and then a power failure."""
    env.fail(operation, nth, error)
    try:
        opened = storage.Storage.open(path, env=env)
        work(opened, known, 0, 12)
        opened.maintain()
        work(opened, known, 12, 8)
        return False
    except (storage.StorageError, OSError):
        return True
    finally:
        env.heal()
        env.power_loss()


@pytest.mark.parametrize("operation", ["write", "sync", "resize"])
def test_the_owner_goes_on_after_a_failure(scratch: Path, operation: str) -> None:
    """Without a restart: what raised is not seen, or is in doubt; the rest goes on, as far as partitions do."""
    for nth in range(1, 60, rounds(6, 2)):
        with broken(scratch / str(nth), nth) as env:
            path, known = str(scratch / str(nth) / "data"), Known()
            opened = storage.Storage.open(path, env=env)
            opened.create_topic("a", SCHEMA, CONFIG)
            opened.create_topic("b", SCHEMA)
            env.fail(operation, nth, errno.ENOSPC)
            for number in range(16):
                with contextlib.suppress(storage.StorageError):
                    work(opened, known, number, 1)
                found = visible(opened)
                assert found[0] == found[1] == found[2]
                assert not known.aborted & set(found[0])
                assert known.committed <= set(found[0]) or opened.transactions.unfinished()
            env.heal()
            env.power_loss()
            with storage.Storage.open(path, env=env) as opened:
                check(opened, known)


def test_a_full_disk_delays_markers_but_not_the_decision(scratch: Path) -> None:
    with broken(scratch / "x", 0) as env:
        opened = storage.Storage.open(str(scratch / "x" / "data"), env=env)
        opened.create_topic("a", SCHEMA)
        log = opened.topic("a").partitions[0]
        t = opened.transaction()
        t.append("a", rows(1, 1))
        env.fail("write", 4, errno.ENOSPC)  # the durable point, the decision, its point, the marker
        t.commit()
        assert numbers(log) == [1] and [each.committed for each in log.open_transactions()] == [True]
        opened.maintain()
        assert log.open_transactions() == [] and log.end_offset == 2
        opened.close()


def test_a_decision_that_may_be_written_leaves_the_transaction_in_doubt(scratch: Path) -> None:
    with broken(scratch / "x", 0) as env:
        path = str(scratch / "x" / "data")
        opened = storage.Storage.open(path, env=env)
        opened.create_topic("a", SCHEMA)
        t = opened.transaction("owner")
        t.append("a", rows(1, 1))
        env.fail("sync", 2)  # the records, the decision
        with pytest.raises(storage.LogFailed):
            t.commit()
        assert t.phase == "in doubt" and numbers(opened.topic("a").partitions[0]) == []
        for call in (t.commit, t.abort):
            with pytest.raises(storage.LogFailed):
                call()
        with pytest.raises(storage.TransactionInDoubt, match="in doubt"):
            opened.transaction("owner")
        opened.close()
        with storage.Storage.open(path, env=env) as again:
            assert again.transactions.unfinished() == []
            assert numbers(again.topic("a").partitions[0]) in ([], [1])


@pytest.mark.parametrize("outcome", ["commit", "abort"])
@pytest.mark.parametrize("kind", ["flipped", "cut"])
def test_every_byte_of_a_marker_that_is_not_known_to_be_durable(scratch: Path, outcome: str, kind: str) -> None:
    """It is torn, and is written again from the decision."""
    segment = _with_marker(scratch / "data", outcome)
    whole = segment.read_bytes()
    end = -(-len(whole.rstrip(b"\0")) // 64) * 64
    assert whole[end - 64 : end - 60] == b"SEF\x01"
    for at in range(end - 64, end):
        path = scratch / "copy"
        shutil.copytree(scratch / "data", path)
        torn = whole[:at] + (bytes([whole[at] ^ 0x41]) + whole[at + 1 :] if kind == "flipped" else b"")
        (path / segment.relative_to(scratch / "data")).write_bytes(torn)
        for _ in range(2):
            with quick(str(path)) as opened:
                found = [numbers(log) for name in ("a", "b") for log in opened.topic(name).partitions]
                assert found == ([[1, 2], [3]] if outcome == "commit" else [[], []]), at
                assert opened.topic("a").partitions[0].open_transactions() == []
        shutil.rmtree(path)


def _with_marker(path: Path, outcome: str) -> Path:
    """The segment file that ends with a marker that no fsync followed, of a process that was killed."""
    live = path.parent / "live"
    opened = quick(str(live))
    for name in ("a", "b"):
        opened.create_topic(name, SCHEMA, storage.TopicConfig(segment_bytes=4096))
    t = opened.transaction()
    t.append("a", rows(1, 2))
    t.append("b", rows(3, 1))
    getattr(t, outcome)()
    shutil.copytree(live, path)
    opened.close()
    [segment] = (path / "topics").glob("a-*/0/*.log")
    return segment


@pytest.mark.parametrize("kind", ["flipped", "cut"])
def test_every_byte_of_a_durable_marker(scratch: Path, kind: str) -> None:
    """It is damage, as that of any other frame."""
    opened = quick(str(scratch / "data"))
    opened.create_topic("a", SCHEMA)
    t = opened.transaction()
    t.append("a", rows(1, 2))
    t.abort()
    opened.close()
    [segment] = (scratch / "data" / "topics").glob("a-*/0/*.log")
    whole = segment.read_bytes()
    end = len(whole) - 64
    for at in range(end - 64, end):
        segment.write_bytes(whole[:at] + (bytes([whole[at] ^ 0x41]) + whole[at + 1 :] if kind == "flipped" else b""))
        opened = quick(str(scratch / "data"))
        log = opened.topic("a").partitions[0]
        with pytest.raises(storage.CorruptLog) as caught:
            while frames := log.read(log.start_offset):
                log.read(frames[-1].next_offset) or pytest.fail(f"byte {at} is not missed")
        assert caught.value.offset in (0, 2)
        opened.transactions.close()
        opened.close()
    segment.write_bytes(whole)


def test_an_older_version_refuses_transactional_frames() -> None:
    """By the rule of the flags it must know."""
    from storage.log import format as frames

    assert frames.FLAG_TRANSACTIONAL & frames.INCOMPATIBLE_FLAGS and frames.FLAG_CONTROL & frames.INCOMPATIBLE_FLAGS
