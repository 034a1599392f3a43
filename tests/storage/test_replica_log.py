from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from storage.log.body import encode_body
from storage.log.commit import GroupCommit
from storage.log.format import pack_header
from storage.log.log import Stamp, TopicContext
from storage.log.replica_log import ReplicaLog, begin_at
from tests.depth import rounds
from tests.storage.conftest import SCHEMA, QuickEnv, numbers, rows


def make(path: Path, **settings: object) -> ReplicaLog:
    """An opened log of a new or an existing directory."""
    context = TopicContext(QuickEnv(), "t", storage.TopicConfig(**settings), GroupCommit(lambda: 0))  # type: ignore[arg-type]
    context.add_schema(SCHEMA)
    if not (path / "durable").exists():
        begin_at(context.env, str(path), 0, [])
    return ReplicaLog(context, 0, str(path))


def put(log: ReplicaLog, count: int, *, epoch: int = 0, producer: storage.BatchId | None = None) -> None:
    """One frame of rows that say their offsets."""
    batch = rows(log.end_offset, count)
    body = encode_body(log.context, batch, 0)
    log.leader_epoch = epoch
    header = log.next_header(body, 0, count, Stamp(1000 + log.end_offset, 1000, producer))
    log.store(header, [pack_header(header, body.crc), *body.pieces])
    log.committed = log.end_offset


def copy(source: ReplicaLog, target: ReplicaLog, limit: int, max_bytes: int) -> None:
    """All frames before `limit`, in steps."""
    while frames := source.raw_frames(target.end_offset, limit, max_bytes):
        target.store_raw(b"".join(bytes(frame.data) for frame in frames))
    target.committed = target.end_offset


@pytest.mark.parametrize("seed", range(rounds(4, 10)))
def test_a_copy_made_of_raw_frames_is_the_same_byte_for_byte(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    source = make(tmp_path / "a", segment_bytes=rng.choice([4096, 20_000]))
    target = make(tmp_path / "b", segment_bytes=rng.choice([4096, 20_000]))
    epoch, starts, bounds = 0, [], [0]
    for _ in range(rng.randint(1, 120)):
        epoch += rng.random() < 0.2 and rng.randint(1, 3)
        if not starts or starts[-1][0] != epoch:
            starts.append((epoch, source.end_offset))
        producer = storage.BatchId(rng.randint(0, 3), rng.randint(0, 1), rng.randint(0, 99))
        put(source, rng.choice([1, 3, 400]), epoch=epoch, producer=rng.choice([None, producer]))
        bounds.append(source.end_offset)
    limit = rng.choice(bounds)
    copy(source, target, limit, rng.choice([1, 5000]))
    assert target.end_offset == limit
    copy(source, target, source.end_offset, 10_000)
    assert target.epoch_starts() == source.epoch_starts() == starts
    whole = [bytes(f.data) for f in source.raw_frames(0, source.end_offset, 1 << 40)]
    assert [bytes(f.data) for f in target.raw_frames(0, source.end_offset, 1 << 40)] == whole
    assert target.active_producers() == source.active_producers()
    assert numbers(target) == list(range(source.end_offset))
    target.close()
    again = make(tmp_path / "b")
    assert (again.epoch_starts(), again.active_producers()) == (starts, source.active_producers())
    start = rng.choice(bounds)
    source.flush()
    source.delete_before(start)
    assert source.epoch_starts() == [
        (e, max(offset, start))
        for (e, offset), (_, after) in zip(starts, [*starts[1:], (0, source.end_offset)], strict=True)
        if after > start
    ]
    for offset in rng.sample(bounds, 3) if len(bounds) > 3 else []:
        if start <= offset < source.end_offset:
            assert source.frame_start(offset) == offset
            inside = max(b for b in bounds if b <= offset + 1)
            assert source.frame_start(offset + 1) == inside


@pytest.mark.parametrize("seed", range(rounds(4, 10)))
def test_a_damaged_header_says_nothing_of_epochs(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    log = make(tmp_path / "a", segment_bytes=8192)
    while log.segment_count < 5:
        put(log, rng.choice([1, 20]), epoch=log.leader_epoch + (rng.random() < 0.1))
    starts = log.epoch_starts()
    log.close()
    frames = [(s.path, at) for s in log._segments for at, _ in s.walk(0)]
    refused = 0
    for path, position in rng.sample(frames, 40):
        data = bytearray(Path(path).read_bytes())
        data[position + rng.choice([4, 8, *range(28, 32)])] ^= 1 << rng.randrange(8)  # kind, offset, leader epoch
        whole = Path(path).read_bytes()
        Path(path).write_bytes(data)
        opened = make(tmp_path / "a", segment_bytes=8192)
        try:
            assert opened.failure is not None or opened.epoch_starts() == starts
        except storage.CorruptLog:
            refused += 1
        opened.close(flush=False)
        Path(path).write_bytes(whole)
    assert refused or len(starts) == 1


def test_a_log_that_begins_later_knows_the_producers_of_before(tmp_path: Path) -> None:
    source = make(tmp_path / "a", segment_bytes=4096)
    for sequence in range(0, 400, 4):
        put(source, 4, producer=storage.BatchId(sequence % 3, 0, 0))
    source.flush()
    known = source.producers_at(200)
    assert [pid for pid, *_ in known] == [0, 1, 2]
    begin_at(source.context.env, str(tmp_path / "b"), 200, known)
    for _ in range(2):
        target = make(tmp_path / "b")
        assert (target.start_offset, target.end_offset) == (200, 200)
        assert target.producers_at(200) == known
        target.close()
    target = make(tmp_path / "b")
    copy(source, target, 400, 4096)
    assert target.active_producers() == source.active_producers()
    target.close()
    assert make(tmp_path / "b").active_producers() == source.active_producers()


def test_damaged_and_misplaced_frames_are_refused(tmp_path: Path) -> None:
    source, target = make(tmp_path / "a"), make(tmp_path / "b")
    put(source, 10)
    put(source, 10)
    first, second = (bytes(f.data) for f in source.raw_frames(0, 20, 1 << 20))
    with pytest.raises(storage.CorruptFile, match="frame of offset 10 does not follow offset 0"):
        target.store_raw(second)
    for place in range(0, len(first), 37):
        bad = bytearray(first)
        bad[place] ^= 4
        with pytest.raises(storage.CorruptFile, match="damaged on its way"):
            target.store_raw(bytes(bad))
    with pytest.raises(storage.CorruptFile, match="damaged on its way"):
        target.store_raw(first[:-64])
    assert target.end_offset == 0
    target.store_raw(first + second)
    target.committed = 15
    assert numbers(target) == list(range(15))
    with pytest.raises(storage.OffsetOutOfRange):
        source.raw_frames(30, 40, 10)


def test_a_log_notices_that_its_file_was_removed(tmp_path: Path) -> None:
    log = make(tmp_path / "a")
    put(log, 1)
    assert log.is_there()
    next((tmp_path / "a").glob("*.log")).unlink()
    put(log, 1)  # the file lives on without a name
    assert not log.is_there()


def test_only_what_is_committed_is_read(tmp_path: Path) -> None:
    log = make(tmp_path / "a")
    put(log, 5)
    put(log, 5)
    log.committed = 5
    assert numbers(log) == list(range(5))
    assert isinstance(log.read(0)[0].batch, pa.RecordBatch)
