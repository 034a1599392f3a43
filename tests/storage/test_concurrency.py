from __future__ import annotations

import threading
from pathlib import Path

import pytest

import storage
from storage.faults import FaultyEnv
from tests.storage.conftest import SCHEMA, contents, numbers, rows


def _run(workers: list[threading.Thread]) -> None:
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@pytest.mark.parametrize("durability", ["group", "os", "sync"])
def test_concurrent_appenders_lose_and_reorder_nothing(scratch: Path, durability: str) -> None:
    config = storage.TopicConfig(partitions=2, durability=durability, segment_bytes=8192)
    with storage.Storage.open(str(scratch)) as opened:
        logs = opened.create_topic("t", SCHEMA, config).partitions
        placed: dict[int, tuple[int, int]] = {}

        def append(worker: int) -> None:
            for number in range(50):
                row = worker * 1000 + number
                placed[row] = (worker % 2, logs[worker % 2].append(rows(row, 1)))

        _run([threading.Thread(target=append, args=(worker,)) for worker in range(8)])
        for partition, log in enumerate(logs):
            found = numbers(log)
            assert {row: (partition, offset) for offset, row in enumerate(found)} == {
                row: place for row, place in placed.items() if place[0] == partition
            }
            for worker in range(8):
                mine = [row for row in found if row // 1000 == worker]
                assert mine == sorted(mine)


def test_appenders_share_fsyncs(scratch: Path) -> None:
    env = FaultyEnv(str(scratch / "trash"))
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        log = opened.create_topic("t", SCHEMA).partitions[0]
        slow = threading.Event()
        sync = log.sync_now

        def slow_sync() -> None:
            slow.wait(0.02)
            sync()

        log.sync_now = slow_sync  # type: ignore[method-assign]
        before = env.calls["sync"]
        _run([threading.Thread(target=log.append, args=(rows(0, 1),)) for _ in range(30)])
        assert log.durable_offset == 30
        assert env.calls["sync"] - before < 15


def test_append_many_syncs_each_log_once(scratch: Path) -> None:
    env = FaultyEnv(str(scratch / "trash"))
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        logs = opened.create_topic("t", SCHEMA, storage.TopicConfig(partitions=3)).partitions
        opened.append_many([(log, rows(0, 1)) for log in logs])
        before = env.calls["sync"]
        bases = opened.append_many([(logs[n % 3], rows(n, 2)) for n in range(9)])
        assert env.calls["sync"] - before == 3
        assert bases == [1, 1, 1, 3, 3, 3, 5, 5, 5]
        assert all(log.durable_offset == 7 for log in logs)


def test_a_failed_round_fails_all_its_appenders(scratch: Path) -> None:
    env = FaultyEnv(str(scratch / "trash"))
    opened = storage.Storage.open(str(scratch / "data"), env=env)
    log = opened.create_topic("t", SCHEMA).partitions[0]
    log.append(rows(0, 1))
    env.fail("sync")
    outcomes: list[object] = []

    def append() -> None:
        try:
            outcomes.append(log.append(rows(0, 1)))
        except storage.LogFailed as error:
            outcomes.append(error)

    _run([threading.Thread(target=append) for _ in range(12)])
    acknowledged = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(outcomes) == 12 and len(acknowledged) < 12
    assert all(offset < log.durable_offset for offset in acknowledged)
    opened.close()


def test_readers_are_undisturbed_by_appends_retention_and_truncation(scratch: Path) -> None:
    config = storage.TopicConfig(durability="os", segment_bytes=8192)
    with storage.Storage.open(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config).partitions[0]
        done = threading.Event()
        problems: list[BaseException] = []

        def read() -> None:
            while not done.is_set():
                try:
                    frames = log.read(log.start_offset, max_rows=300)
                    for frame in frames:
                        found = frame.batch.column("n").to_pylist()
                        assert frame.batch.column("s").to_pylist() == [f"row {n}" for n in found]
                except storage.OffsetOutOfRange:
                    continue
                except BaseException as error:
                    problems.append(error)
                    return

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(300):
            log.append(rows(number, 20))
            if number % 10 == 7:
                log.truncate_to(log.end_offset - 33)
            if number % 25 == 24:
                log.delete_before(log.end_offset - 100)
        done.set()
        for reader in readers:
            reader.join()
        assert not problems
        assert contents(log).num_rows == log.end_offset - log.start_offset
