from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from storage.faults import FaultyEnv
from storage.log.file_log import FileLog
from tests.depth import rounds
from tests.storage.conftest import SCHEMA, contents, numbers, quick, rows

CONFIG = storage.TopicConfig(segment_bytes=4096)


def _abandon(opened: storage.Storage) -> None:
    """Leave a storage as a killed process does: nothing flushed, nothing closed properly, the lock free."""
    for topic in opened.topics():
        for log in topic.partitions:
            assert isinstance(log, FileLog)
            log._closed = True
    opened._release()


def _write(path: Path, config: storage.TopicConfig, appends: int, finish: Callable[[storage.Storage], None]) -> Path:
    """A topic of `appends` batches of 3 rows, left by `finish`; returns the newest segment with frames."""
    opened = quick(str(path))
    log = opened.create_topic("t", SCHEMA, config).partitions[0]
    for number in range(appends):
        log.append(rows(number * 3, 3))
    finish(opened)
    return sorted(path.glob("topics/*/0/*.log"))[-1]


def _outcome(path: Path) -> list[int] | storage.CorruptLog:
    """What a restarted storage serves: rows, or its refusal. Appends work exactly if nothing is refused."""
    with quick(str(path)) as opened:
        log = opened.topic("t").partitions[0]
        try:
            found = numbers(log)
            log.append(rows(log.end_offset, 1))
        except storage.CorruptLog as error:
            assert error.file.endswith(".log") and error.sqlstate == "XX001"
            with pytest.raises(storage.CorruptLog):
                log.append(rows(0, 1))
            return error
        assert numbers(log) == [*found, log.end_offset - 1]
        return found


def _used(segment: Path) -> int:
    """Bytes of the segment up to the last that is not zero, rounded up to a frame boundary."""
    return (len(segment.read_bytes().rstrip(b"\0")) + 63) // 64 * 64


@pytest.mark.slow
@pytest.mark.parametrize(
    ("durability", "finish"),
    [("group", _abandon), ("os", _abandon), ("group", storage.Storage.close)],
    ids=["killed", "killed-os", "closed"],
)
def test_a_segment_cut_at_any_byte(scratch: Path, durability: str, finish: Callable[[storage.Storage], None]) -> None:
    config = storage.TopicConfig(segment_bytes=4096, durability=durability)
    segment = _write(scratch / "whole", config, 2, finish)
    used = _used(segment)
    durable = durability == "group" or finish is storage.Storage.close
    boundaries = [used * n // 2 for n in range(3)]
    for cut in range(0, used + 1, 1 if durability == "os" else 7):
        shutil.copytree(scratch / "whole", scratch / "cut")
        with (scratch / "cut" / segment.relative_to(scratch / "whole")).open("r+b") as file:
            file.truncate(cut)
        outcome = _outcome(scratch / "cut")
        if durable and cut < used:
            assert isinstance(outcome, storage.CorruptLog), f"acknowledged rows were dropped at byte {cut}"
        else:
            whole_frames = sum(boundary <= cut for boundary in boundaries) - 1
            assert outcome == list(range(whole_frames * 3)), cut
        shutil.rmtree(scratch / "cut")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("durability", "finish"),
    [("group", _abandon), ("os", _abandon), ("group", storage.Storage.close)],
    ids=["killed", "killed-os", "closed"],
)
def test_any_flipped_byte_of_a_segment(
    scratch: Path, durability: str, finish: Callable[[storage.Storage], None]
) -> None:
    config = storage.TopicConfig(segment_bytes=4096, durability=durability)
    segment = _write(scratch / "whole", config, 2, finish)
    used = _used(segment)
    durable = durability == "group" or finish is storage.Storage.close
    for position in range(0, used, 1 if durable else 5):
        shutil.copytree(scratch / "whole", scratch / "flip")
        with (scratch / "flip" / segment.relative_to(scratch / "whole")).open("r+b") as file:
            file.seek(position)
            byte = file.read(1)[0]
            file.seek(position)
            file.write(bytes([byte ^ (1 << position % 8)]))
        outcome = _outcome(scratch / "flip")
        if durable:
            assert isinstance(outcome, storage.CorruptLog), f"a flip at byte {position} was not noticed"
            assert outcome.position == position * 2 // used * used // 2
            assert outcome.offset == position * 2 // used * 3
        else:
            assert outcome == list(range(position * 2 // used * 3)), position
        shutil.rmtree(scratch / "flip")


@pytest.mark.parametrize("name", ["durable", "*.index"])
def test_derived_files_may_be_damaged_or_missing(scratch: Path, name: str) -> None:
    _write(scratch / "whole", CONFIG, 30, storage.Storage.close)
    for file in sorted((scratch / "whole").glob(f"topics/*/0/{name}")):
        data = file.read_bytes()
        damages = [
            b"",
            None,
            *(data[:p] + bytes([data[p] ^ 255]) + data[p + 1 :] for p in range(0, len(data), 37)),
        ]
        for damaged in damages:
            shutil.copytree(scratch / "whole", scratch / "hurt")
            hurt = scratch / "hurt" / file.relative_to(scratch / "whole")
            hurt.unlink() if damaged is None else hurt.write_bytes(damaged)
            assert _outcome(scratch / "hurt") == list(range(90))
            shutil.rmtree(scratch / "hurt")


def test_without_a_durable_point_damage_before_whole_frames_is_still_refused(scratch: Path) -> None:
    segment = _write(scratch, CONFIG, 3, storage.Storage.close)
    next(scratch.glob("topics/*/0/durable")).unlink()
    data = bytearray(segment.read_bytes())
    data[100] ^= 1
    segment.write_bytes(data)
    assert isinstance(_outcome(scratch), storage.CorruptLog)
    assert segment.read_bytes() == bytes(data), "corruption must not be touched"


def test_a_missing_segment_is_refused(scratch: Path) -> None:
    for victim in range(3):
        path = scratch / str(victim)
        _write(path, CONFIG, 60, storage.Storage.close)
        segments = sorted(path.glob("topics/*/0/*.log"))
        assert len(segments) >= 3
        segments[(0, 1, -1)[victim]].unlink()
        with quick(str(path)) as opened:
            with pytest.raises(storage.CorruptLog, match="missing"):
                numbers(opened.topic("t").partitions[0])


def test_other_topics_work_while_one_is_corrupt(scratch: Path) -> None:
    segment = _write(scratch, CONFIG, 3, storage.Storage.close)
    with quick(str(scratch)) as opened:
        opened.create_topic("other", SCHEMA).partitions[0].append(rows(0, 5))
    segment.write_bytes(b"\xff" * 100)
    with quick(str(scratch)) as opened:
        assert isinstance(opened.topic("t").partitions[0].failure, storage.CorruptLog)
        assert numbers(opened.topic("other").partitions[0]) == list(range(5))
        opened.maintain()
        opened.drop_topic("t")
        opened.create_topic("t", SCHEMA).partitions[0].append(rows(0, 1))


def test_a_frame_of_a_newer_version_is_named_as_such(scratch: Path) -> None:
    segment = _write(scratch, CONFIG, 1, storage.Storage.close)
    data = bytearray(segment.read_bytes())
    data[3] = 2
    segment.write_bytes(data)
    outcome = _outcome(scratch)
    assert isinstance(outcome, storage.CorruptLog) and "unknown version 2" in str(outcome)


def test_strays_of_a_crash_are_removed(scratch: Path) -> None:
    segment = _write(scratch, CONFIG, 30, storage.Storage.close)
    strays = [
        segment.parent / "00000000000000099999.index",
        segment.parent / "00000000000000000000.log.tmp",
        scratch / "topics" / "x-12345678.tmp",
        scratch / "topics" / "y-12345678.deleted",
    ]
    for stray in strays[:2]:
        stray.write_bytes(b"x")
    for stray in strays[2:]:
        (stray / "0").mkdir(parents=True)
    assert _outcome(scratch) == list(range(90))
    assert not any(stray.exists() for stray in strays)


COMPACTED = storage.TopicConfig(
    segment_bytes=4096, cleanup="compact", key_columns=("s",), min_dirty_ratio=0.0, delete_retention_ms=0
)


class _Acknowledged(list[int]):
    """What the workload knows to be stored: the numbers in `t`, and the newest offset of each key in `c`."""

    def __init__(self) -> None:
        super().__init__()
        self.newest: dict[str, int] = {}


def _workload(opened: storage.Storage, acknowledged: _Acknowledged) -> None:
    """Appends, rolls, a deletion, a truncation, a compaction, a new topic and schema; notes what was acknowledged."""
    names = [topic.name for topic in opened.topics()]
    keyed = opened.topic("c") if "c" in names else opened.create_topic("c", SCHEMA, COMPACTED)
    for turn in range(25):
        end = keyed.partitions[0].end_offset
        keys = [f"key {turn % 20}", f"key {turn % 3}"]
        base = keyed.partitions[0].append(pa.record_batch([[end, end + 1], keys], schema=SCHEMA))
        acknowledged.newest |= {keys[0]: base} | {keys[1]: base + 1}
    keyed.partitions[0].compact(opened._env.now_us() // 1000 + 1)
    topic = opened.topic("t") if "t" in names else opened.create_topic("t", SCHEMA, CONFIG)
    log = topic.partitions[0]
    for _ in range(12):
        first = log.append(rows(log.end_offset, 7), producer=None)
        acknowledged[:] = range(first + 7)
    opened.offsets.commit("g", {("t", 0): log.end_offset})
    opened.snapshots.write("s", {"a": contents(log)}, {"end": log.end_offset})
    log.delete_before(log.end_offset - 30)
    keep = log.end_offset - 5
    acknowledged[:] = range(keep)
    log.truncate_to(keep)
    log.append(rows(keep, 2))
    acknowledged[:] = range(keep + 2)
    opened.meta.append({"note": log.end_offset})
    if "u" not in names:
        opened.create_topic("u", SCHEMA)


def _check_survivors(path: Path, env: FaultyEnv, acknowledged: _Acknowledged) -> None:
    """Everything acknowledged is there, in order, and nothing that was never written."""
    with storage.Storage.open(str(path), env=env) as opened:
        assert not opened.damaged
        if acknowledged.newest:
            _check_keys(opened.topic("c").partitions[0], acknowledged.newest)
        if not acknowledged:
            return
        log = opened.topic("t").partitions[0]
        assert log.failure is None
        found = numbers(log)
        assert found == list(range(log.start_offset, log.end_offset)), "gap, repetition or wrong order"
        assert log.end_offset >= len(acknowledged), "an acknowledged record is lost"
        newest = opened.snapshots.latest("s")
        committed = opened.offsets.fetch("g").get(("t", 0), 0)
        assert newest is None or newest.manifest["end"] <= log.end_offset + 35
        assert committed <= log.end_offset + 35
        log.append(rows(log.end_offset, 1))


def _check_keys(log: storage.Log, newest: dict[str, int]) -> None:
    """The newest acknowledged record of each key, or one after it, is the last; every record is at its offset."""
    assert log.failure is None
    last: dict[str, int] = {}
    offset = log.start_offset
    while frames := log.read(offset):
        for frame in frames:
            assert frame.batch.column("n").to_pylist() == frame.offsets().tolist()
            last |= dict(zip(frame.batch.column("s").to_pylist(), frame.offsets().tolist(), strict=True))
        offset = frames[-1].next_offset
    assert offset == log.end_offset
    for key, expected in newest.items():
        assert last.get(key, -1) >= expected, f"an older value of {key} came back, or its latest is lost"


@pytest.mark.parametrize("seed", range(rounds(12, 40)))
def test_power_loss_keeps_what_was_acknowledged(scratch: Path, seed: int) -> None:
    env, rng = FaultyEnv(str(scratch / "trash"), seed=seed), random.Random(seed)
    acknowledged = _Acknowledged()
    for _ in range(3):
        env.heal()
        opened = storage.Storage.open(str(scratch / "data"), env=env)
        env.fail("any", rng.randint(1, 200))
        try:
            _workload(opened, acknowledged)
        except storage.StorageError as error:
            assert error.sqlstate in ("58030", "XX001")
        env.heal()
        env.power_loss()
        _check_survivors(scratch / "data", env, acknowledged)


@pytest.mark.parametrize("operation", ["write", "sync", "rename", "open", "sync_dir", "resize", "remove", "mkdir"])
def test_failing_each_call_of_an_operation_loses_nothing(scratch: Path, operation: str) -> None:
    nth = 0
    while True:
        nth += 1
        path = scratch / str(nth)
        env = FaultyEnv(str(path / "trash"), seed=nth)
        acknowledged = _Acknowledged()
        env.fail(operation, nth)
        try:
            opened = storage.Storage.open(str(path / "data"), env=env)
            _workload(opened, acknowledged)
            opened.close()
        except (storage.StorageError, OSError):
            env.heal()
            env.power_loss()
            _check_survivors(path / "data", env, acknowledged)
            shutil.rmtree(path)
        else:
            break
    assert nth > 3
