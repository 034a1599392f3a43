from __future__ import annotations

import contextlib
import errno
import itertools
import random
from pathlib import Path

import pytest

import storage
from storage.faults import FaultyEnv
from storage.log.producers import ProducerTable
from tests.storage.conftest import SCHEMA, QuickEnv, numbers, quick, rows

SMALL = storage.TopicConfig(segment_bytes=4096)


def send(log: storage.Log, producer: int, sequence: int, count: int = 10, epoch: int = 0) -> int:
    """Append rows of an idempotent producer."""
    return log.append(rows(sequence, count), producer=storage.BatchId(producer, epoch, sequence))


@pytest.mark.parametrize("indexes", ["kept", "lost"])
def test_producers_outlive_the_segments_they_wrote_and_a_crash(scratch: Path, indexes: str) -> None:
    opened = quick(str(scratch / "data"))
    log = opened.create_topic("t", SCHEMA, SMALL).partitions[0]
    assert send(log, 7, 0) == 0
    for first in range(0, 600, 10):
        log.append(rows(first, 10))
    assert send(log, 8, 0, epoch=3) == 610
    log.delete_before(log.end_offset)
    assert log.segment_count == 1 and log.size_bytes == 0
    # No close: what the process knew is gone.
    opened._lock_file.release()  # type: ignore[union-attr]
    if indexes == "lost":
        for file in (scratch / "data").rglob("*.index"):
            file.unlink()
    with quick(str(scratch / "data")) as again:
        log = again.topic("t").partitions[0]
        assert (send(log, 7, 0), send(log, 8, 0, epoch=3)) == (0, 610), "a repetition gets its first offset"
        assert log.end_offset == 620
        with pytest.raises(storage.ProducerFenced):
            send(log, 8, 10, epoch=2)
        with pytest.raises(storage.OutOfOrderSequence):
            send(log, 7, 20)
        assert send(log, 7, 10) == 620


def test_the_table_of_producers_is_the_same_however_it_is_rebuilt(scratch: Path) -> None:
    """Random appends, drops, restarts and crashes, with and without index files; what is kept agrees with a log in
    memory that sees the same.
    """
    for seed in range(30):
        rng = random.Random(seed)
        path = scratch / str(seed)
        mirror_storage = quick(None)
        opened, mirror = quick(str(path)), mirror_storage.create_topic("t", SCHEMA).partitions[0]
        log = opened.create_topic("t", SCHEMA, SMALL).partitions[0]
        next_sequence = dict.fromkeys(range(3), 0)
        for step in range(60):
            action = rng.random()
            if action < 0.6:
                producer, count = rng.randrange(3), rng.randrange(1, 40)
                sequence, next_sequence[producer] = next_sequence[producer], next_sequence[producer] + count
                batch_id = storage.BatchId(producer, 0, sequence)
                for each in (log, mirror):
                    each.append(rows(step, count), producer=batch_id, timestamp_us=step)
            elif action < 0.75:
                offset = rng.randint(log.start_offset, log.end_offset)
                log.delete_before(offset)
                mirror.delete_before(offset)
            else:
                opened.close() if action < 0.85 else opened._lock_file.release()  # type: ignore[union-attr]
                for index in path.rglob("*.index"):
                    if rng.random() < 0.3:
                        index.unlink()
                opened = quick(str(path))
                log = opened.topic("t").partitions[0]
            assert log.active_producers() == mirror.active_producers(), f"seed {seed} step {step}"
            sent = {producer: sequence - 1 for producer, sequence in next_sequence.items() if sequence}
            assert {p.id: p.last_sequence for p in log.active_producers()} == sent
        opened.close()


def test_what_is_repeated_after_a_power_failure_is_stored_once(scratch: Path) -> None:
    """Producers that append, or rest while what they wrote is dropped; the power fails at a random moment, also in
    the middle of a drop; then everybody repeats the last batch, acknowledged or not, and goes on.
    """
    for seed in range(40):
        rng = random.Random(seed)
        env = FaultyEnv(str(scratch / f"trash{seed}"), seed=seed)
        sent: dict[int, list[tuple[int, int]]] = {0: [], 1: [], 2: []}
        acknowledged: dict[tuple[int, int], int] = {}
        for _ in range(4):
            opened = storage.Storage.open(str(scratch / f"data{seed}"), env=env)
            log = (opened.topics() or [opened.create_topic("t", SCHEMA, SMALL)])[0].partitions[0]
            assert log.failure is None, f"seed {seed}"
            for producer, batches in sent.items():
                if batches:
                    first = send(log, producer, *batches[-1])
                    assert acknowledged.setdefault((producer, batches[-1][0]), first) == first, f"seed {seed}"
            env.fail("any", rng.randrange(5, 200), errno.EIO)
            with contextlib.suppress(storage.StorageError):
                for _ in range(60):
                    if rng.random() < 0.15:
                        log.delete_before(log.end_offset if rng.random() < 0.5 else rng.randint(0, log.end_offset))
                        continue
                    producer = rng.choice((0, 0, 0, 0, 0, 0, 1, 2))
                    sequence = sum(sent[producer][-1]) if sent[producer] else 0
                    sent[producer].append((sequence, rng.randrange(1, 30)))
                    acknowledged[producer, sequence] = send(log, producer, *sent[producer][-1])
            env.power_loss()
            env.heal()
        stored = sorted((first, first + dict(sent[p])[s]) for (p, s), first in acknowledged.items())
        assert all(end <= first for (_, end), (first, _) in itertools.pairwise(stored)), (
            f"seed {seed}: no row over another"
        )


def test_records_can_be_dropped_on_a_full_disk_and_their_producers_stay_known(scratch: Path) -> None:
    env = FaultyEnv(str(scratch / "trash"), base=QuickEnv())
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        log = opened.create_topic("t", SCHEMA, SMALL).partitions[0]
        for sequence in range(0, 500, 10):
            send(log, 7, sequence)
        env.fail("write", 1, errno.ENOSPC)
        log.delete_before(300)
        assert log.start_offset == 300 and log.failure is None
    with quick(str(scratch / "data")) as again:
        assert [p.last_sequence for p in again.topic("t").partitions[0].active_producers()] == [499]


def test_producers_that_append_nothing_are_forgotten_after_a_day(scratch: Path) -> None:
    env = FaultyEnv(str(scratch / "trash"), base=QuickEnv())
    env.now = 0
    for path in (None, str(scratch / "data")):
        with storage.Storage.open(path, env=env) as opened:
            log = opened.create_topic("t", SCHEMA).partitions[0]
            send(log, 1, 0)
            env.now += 3_600_000_000
            send(log, 2, 0)
            env.now += 23 * 3_600_000_000
            opened.maintain()
            assert [p.id for p in log.active_producers()] == [1, 2]
            env.now += 1000
            opened.maintain()
            assert [p.id for p in log.active_producers()] == [2]
            assert send(log, 1, 500) == 20, "who is forgotten may begin anywhere"
            env.now += 48 * 3_600_000_000
            opened.maintain()
            assert log.active_producers() == []


def test_a_table_without_times_is_read_and_kept() -> None:
    saved = [[9, 1, [[0, 3, 0], [3, 2, 3]]]]
    table = ProducerTable(saved)
    table.expire(1 << 62)
    assert table.save() == saved
    (producer,) = table.active()
    assert producer == (9, 1, 4, 4, None)


def test_a_damaged_table_of_dropped_producers_is_refused(scratch: Path) -> None:
    with quick(str(scratch / "data")) as opened:
        log = opened.create_topic("t", SCHEMA, SMALL).partitions[0]
        for sequence in range(0, 500, 10):
            send(log, 7, sequence)
        log.delete_before(300)
    (file,) = (scratch / "data").rglob("*.producers")
    for index in (scratch / "data").rglob("*.index"):
        index.unlink()
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    with quick(str(scratch / "data")) as opened:
        with pytest.raises(storage.CorruptFile, match=r"\.producers"):
            opened.topic("t").partitions[0].append(rows(0, 1))
    file.write_bytes(content)
    with quick(str(scratch / "data")) as opened:
        assert numbers(opened.topic("t").partitions[0]) == list(range(300, 500))


@pytest.mark.parametrize("bad", [(-1, 0, 0), (1 << 63, 0, 0), (0, -1, 0), (0, 1 << 15, 0), (0, 0, -1), (0, 0, 1 << 31)])
def test_numbers_that_no_frame_can_hold_are_refused(bad: tuple[int, int, int]) -> None:
    with pytest.raises(storage.InvalidConfig, match="must be between 0 and"):
        storage.BatchId(*bad)
