from __future__ import annotations

import errno
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from storage.env import make_dir
from storage.faults import FaultyEnv
from tests.storage.conftest import SCHEMA, numbers, rows


@pytest.fixture
def env(scratch: Path) -> FaultyEnv:
    """A disk to be broken."""
    return FaultyEnv(str(scratch / "trash"))


@pytest.mark.parametrize("durability", ["group", "os", "sync"])
def test_a_full_disk_refuses_appends_and_recovers_without_restart(
    scratch: Path, env: FaultyEnv, durability: str
) -> None:
    path = str(scratch / "data")
    config = storage.TopicConfig(segment_bytes=4096, durability=durability)
    written: list[int] = []
    with storage.Storage.open(path, env=env) as opened:
        log = opened.create_topic("t", SCHEMA, config).partitions[0]
        for space in range(0, 4000, 150):
            env.space = space
            with pytest.raises(storage.DiskFull) as caught:
                while True:
                    written += range(log.append(rows(len(written), 7)), len(written) + 7)
            assert caught.value.sqlstate == "53100" and caught.value.hint
            assert numbers(log) == written, "reads go on, and nothing of the refused append is seen"
            env.space = None
            written += range(log.append(rows(len(written), 3)), len(written) + 3)
    with storage.Storage.open(path, env=env) as opened:
        assert numbers(opened.topic("t").partitions[0]) == written


def test_a_full_disk_refuses_everything_else_too(scratch: Path, env: FaultyEnv) -> None:
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        log = opened.create_topic("t", SCHEMA).partitions[0]
        log.append(rows(0, 5))
        attempts = [
            lambda: opened.create_topic("u", SCHEMA),
            lambda: opened.meta.append({"a": 1}),
            lambda: opened.meta.rewrite([{"a": 1}]),
            lambda: opened.offsets.commit("g", {("t", 0): 5}),
            lambda: opened.snapshots.write("s", {"x": pa.table(rows(0, 3))}, {}),
            lambda: opened.alter_topic("t", retention_ms=5),
        ]
        env.space = 10
        for attempt in attempts:
            with pytest.raises(storage.DiskFull):
                attempt()
        assert numbers(log) == list(range(5))
        env.space = None
        assert opened.meta.replay() == [] and opened.offsets.groups() == []
        assert opened.snapshots.latest("s") is None and opened.topic("t").config.retention_ms is None
        for attempt in attempts[:4]:
            attempt()
        assert opened.meta.replay() == [{"a": 1}]


def test_a_failed_fsync_stops_the_log_for_good(scratch: Path, env: FaultyEnv) -> None:
    opened = storage.Storage.open(str(scratch / "data"), env=env)
    log = opened.create_topic("t", SCHEMA).partitions[0]
    other = opened.create_topic("other", SCHEMA).partitions[0]
    log.append(rows(0, 5))
    env.fail("sync")
    syncs = env.calls["sync"]
    with pytest.raises(storage.LogFailed) as caught:
        log.append(rows(5, 5))
    assert caught.value.sqlstate == "58030"
    for _ in range(3):
        with pytest.raises(storage.LogFailed):
            log.append(rows(5, 5))
    assert env.calls["sync"] == syncs + 1, "an fsync that failed is never tried again"
    assert (log.high_watermark, numbers(log)) == (5, list(range(5))), "what was acknowledged stays readable"
    other.append(rows(0, 1))
    opened.maintain()
    opened.close()
    with storage.Storage.open(str(scratch / "data"), env=env) as again:
        assert numbers(again.topic("t").partitions[0])[:5] == list(range(5))


def test_a_failed_write_stops_the_log(scratch: Path, env: FaultyEnv) -> None:
    opened = storage.Storage.open(str(scratch / "data"), env=env)
    log = opened.create_topic("t", SCHEMA).partitions[0]
    log.append(rows(0, 5))
    env.fail("write", error=errno.EIO)
    for _ in range(2):
        with pytest.raises(storage.LogFailed, match="write failed"):
            log.append(rows(5, 5))
    assert numbers(log) == list(range(5))
    opened.close()


def test_a_segment_that_can_neither_be_begun_nor_removed_stops_the_log(scratch: Path, env: FaultyEnv) -> None:
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        log = opened.create_topic("t", SCHEMA, storage.TopicConfig(segment_bytes=4096)).partitions[0]
        env.fail("resize")
        for nth in range(1, 9):
            env.fail("remove", nth)
        with pytest.raises(storage.LogFailed, match="removing a segment that was not begun failed"):
            for first in range(0, 10_000, 10):
                log.append(rows(first, 10))
        with pytest.raises(storage.LogFailed):
            log.append(rows(0, 1))
        env.heal()
        written = numbers(log)
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        assert numbers(opened.topic("t").partitions[0]) == written == list(range(len(written)))


def test_a_failed_rollback_after_a_full_disk_stops_the_log(scratch: Path, env: FaultyEnv) -> None:
    opened = storage.Storage.open(str(scratch / "data"), env=env)
    log = opened.create_topic("t", SCHEMA).partitions[0]
    env.fail("write", error=errno.ENOSPC)
    env.fail("resize")
    with pytest.raises(storage.LogFailed, match="rolling back"):
        log.append(rows(0, 5))
    opened.close()


def test_a_failed_read_is_reported_and_may_succeed_later(scratch: Path, env: FaultyEnv) -> None:
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        log = opened.create_topic("t", SCHEMA, storage.TopicConfig(segment_bytes=4096)).partitions[0]
        for number in range(20):
            log.append(rows(number * 10, 10))
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        log = opened.topic("t").partitions[0]
        env.fail("map")
        with pytest.raises(storage.ReadFailed):
            log.read(0)
        assert numbers(log) == list(range(200))


def test_what_a_refused_append_left_behind_is_never_taken_for_a_frame(scratch: Path, env: FaultyEnv) -> None:
    """A value that looks like a frame of the log, cut where that frame begins, followed by a crash."""
    with storage.Storage.open(str(scratch / "model"), env=env) as opened:
        log = opened.create_topic("t", SCHEMA, storage.TopicConfig(durability="os")).partitions[0]
        log.append(rows(0, 3))
    forged = sorted((scratch / "model").glob("topics/*/0/*.log"))[0].read_bytes()
    opened = storage.Storage.open(str(scratch / "data"), env=env)
    log = opened.create_topic("t", SCHEMA, storage.TopicConfig(durability="os")).partitions[0]
    payload = rows(0, 1).set_column(1, "s", [forged.decode("latin-1")])
    env.space = 300
    with pytest.raises(storage.DiskFull):
        log.append(payload)
    env.heal()
    segment = sorted((scratch / "data").glob("topics/*/0/*.log"))[0]
    assert segment.read_bytes().strip(b"\0") == b""
    opened.close()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_file_that_cannot_be_made_large_enough_is_told(scratch: Path, env: FaultyEnv, error: int) -> None:
    """A frame that is larger than a segment makes the first one, which is empty, larger."""
    path = str(scratch / "data")
    with storage.Storage.open(path, env=env) as opened:
        log = opened.create_topic("t", SCHEMA, storage.TopicConfig(segment_bytes=4096)).partitions[0]
        large = rows(0, 2000)
        env.fail("resize", error=error)
        with pytest.raises(storage.StorageError) as caught:
            log.append(large)
        assert caught.value.sqlstate == ("53100" if error == errno.ENOSPC else "58030") and caught.value.hint
        if error == errno.EIO:
            with pytest.raises(storage.LogFailed):
                log.append(large)
        else:
            assert log.append(large) == 0 and numbers(log) == list(range(2000))
    with storage.Storage.open(path, env=env) as opened:
        log = opened.topic("t").partitions[0]
        assert log.append(rows(log.end_offset, 5)) == (0 if error == errno.EIO else 2000)


def test_a_directory_whose_name_could_not_be_made_durable_is_made_so_by_the_next_call(scratch: Path) -> None:
    for seed in range(8):  # without a sync, about half of them lose it
        env = FaultyEnv(str(scratch / "trash"), seed=seed)
        made = scratch / str(seed) / "made"
        made.parent.mkdir()
        env.fail("sync_dir")
        with pytest.raises(OSError, match="Input/output error"):
            make_dir(env, str(made))
        make_dir(env, str(made))
        env.power_loss()
        assert made.exists()
