"""Compaction: the latest record of each key stays at its offset, whatever else happens."""

from __future__ import annotations

import random
import tempfile
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import storage
from storage.faults import FaultyEnv
from tests.depth import rounds
from tests.storage.conftest import quick

SCHEMA = pa.schema([("k", pa.string()), ("part", pa.int32()), ("value", pa.int64()), ("weight", pa.int8())])
HOUR_MS = 3_600_000

Record = tuple[str, int, int, int]


def config(**changes: object) -> storage.TopicConfig:
    """Compacted by two columns, at once and in small segments."""
    chosen: dict[str, object] = {
        "segment_bytes": 4096,
        "cleanup": "compact",
        "key_columns": ("k", "part"),
        "tombstone": "weight",
        "min_dirty_ratio": 0.0,
    }
    return storage.TopicConfig(**(chosen | changes))  # type: ignore[arg-type]


def batch(records: list[Record]) -> pa.RecordBatch:
    """Records as a batch."""
    columns = [pa.array(column, field.type) for column, field in zip(zip(*records, strict=True), SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def everything(log: storage.Log, step: int = 1000) -> dict[int, Record]:
    """All readable records by offset, read `step` offsets at a time."""
    found: dict[int, Record] = {}
    offset = log.start_offset
    while frames := log.read(offset, max_rows=step):
        assert frames[0].base_offset == offset
        for frame in frames:
            assert frame.base_offset == offset
            offsets = frame.offsets().tolist()
            assert len(offsets) == frame.record_count == frame.batch.num_rows
            assert all(frame.base_offset <= each < frame.next_offset for each in offsets)
            found.update(zip(offsets, (tuple(row.values()) for row in frame.batch.to_pylist()), strict=True))
            offset = frame.next_offset
    assert offset == log.high_watermark
    return found


def latest(records: dict[int, Record]) -> dict[tuple[str, int], tuple[int, Record]]:
    """The last record of each key, as a reader from the beginning ends up with; tombstones left out."""
    last = {record[:2]: (offset, record) for offset, record in sorted(records.items())}
    return {key: found for key, found in last.items() if found[1][3] > 0}


OPERATIONS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 60)),
    st.tuples(st.just("append"), st.integers(1, 60)),
    st.tuples(st.just("compact"), st.integers(0, 30)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("delete"), st.integers(0, 40)),
    st.tuples(st.just("truncate"), st.integers(0, 10)),
)


@given(st.lists(OPERATIONS, min_size=3, max_size=30), st.integers(0, 2**32))
@settings(max_examples=rounds(32, 80), deadline=None)
def test_any_history_keeps_the_latest_of_each_key(operations: list[tuple[str, int]], seed: int) -> None:
    rng = random.Random(seed)
    path = tempfile.mkdtemp()
    opened, memory = quick(path), quick(None)
    logs = [s.create_topic("t", SCHEMA, config()).partitions[0] for s in (opened, memory)]
    written: dict[int, Record] = {}
    start, now_ms = 0, HOUR_MS
    for name, argument in operations:
        now_ms += HOUR_MS
        if name == "append":
            records = [
                (f"key {rng.randrange(8)}", rng.randrange(3), rng.getrandbits(40), rng.choice((1, 1, -1)))
                for _ in range(argument)
            ]
            for log in logs:
                base = log.append(batch(records), timestamp_us=now_ms * 1000)
            written.update(enumerate(records, base))
        elif name == "compact":
            now_ms += argument * HOUR_MS
            for log in logs:
                log.compact(now_ms)
        elif name == "restart":
            opened.close()
            opened = quick(path)
            logs[0] = opened.topic("t").partitions[0]
        elif name == "delete":
            start = min(start + argument, len(written))
            for log in logs:
                log.delete_before(start)
        else:
            end = max(len(written) - argument, start, *(log.compacted_offset for log in logs))
            for log in logs:
                if start < log.compacted_offset:
                    with pytest.raises(storage.OffsetOutOfRange):
                        log.truncate_to(log.compacted_offset - 1)
                log.truncate_to(end)
            written = {offset: record for offset, record in written.items() if offset < end}
        for log in logs:
            assert (log.start_offset, log.end_offset) == (start, len(written))
            found = everything(log, rng.choice((1, 7, 1000)))
            assert found.items() <= written.items(), "a record changed its offset or its content"
            kept = {offset: record for offset, record in written.items() if offset >= start}
            assert latest(found) == latest(kept)
    opened.close()


def test_only_the_latest_is_left_in_the_sealed_part(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config()).partitions[0]
        for number in range(400):
            log.append(batch([(f"key {number % 7}", 0, number, 1), ("same", 1, number, 1)]), timestamp_us=0)
        removed = log.compact(HOUR_MS)
        found = everything(log)
        assert len(found) + removed == 800
        sealed = [record[:2] for offset, record in found.items() if offset < log.end_offset - 100]
        assert len(sealed) == len(set(sealed)) <= 8
        assert log.compact(HOUR_MS) == 0
        assert log.segment_count <= 3, "small neighbours become one file"


def test_tombstones_stay_for_their_time_and_no_older_value_comes_back(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config(delete_retention_ms=HOUR_MS)).partitions[0]
        log.append(batch([("gone", 0, 1, 1), ("stays", 0, 2, 1)]), timestamp_us=0)
        log.append(batch([("gone", 0, 1, -1)]), timestamp_us=0)
        for number in range(100):
            log.append(batch([("filler", 0, number, 1)] * 3), timestamp_us=0)
        log.compact(HOUR_MS)
        assert [record for record in everything(log).values() if record[0] == "gone"] == [("gone", 0, 1, -1)]
        log.compact(2 * HOUR_MS - 1)
        assert 2 in everything(log)
        assert log.compact(2 * HOUR_MS) == 1, "the horizon alone makes a pass due"
        assert not [record for record in everything(log).values() if record[0] == "gone"]
        assert everything(log)[1] == ("stays", 0, 2, 1)


def test_young_records_and_the_active_segment_are_left_alone(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config(min_compaction_lag_ms=HOUR_MS)).partitions[0]
        log.append(batch([("a", 0, n, 1) for n in range(5)]), timestamp_us=0)
        assert log.compact(10 * HOUR_MS) == 0, "the only segment is the active one"
        for minute in range(120):
            log.append(batch([("a", 0, minute, 1)] * 5), timestamp_us=minute * 60_000_000)
        assert log.compact(HOUR_MS) == 0
        log.compact(HOUR_MS + 60 * 60_000)
        found = everything(log)
        young = range(log.end_offset - 5 * 60, log.end_offset)
        assert set(young) <= set(found) and len(found) < log.end_offset


def test_the_dirty_ratio_holds_a_pass_back(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config(min_dirty_ratio=0.9)).partitions[0]
        for number in range(200):
            log.append(batch([(f"key {number}", 0, n, 1) for n in range(3)]), timestamp_us=0)
        assert log.compact(HOUR_MS) > 0
        for number in range(50):
            log.append(batch([(f"key {number}", 0, n, 1) for n in range(3)]), timestamp_us=0)
        assert log.compact(HOUR_MS) == 0
        opened.alter_topic("t", min_dirty_ratio=0.1)
        assert log.compact(HOUR_MS) > 0


def test_a_topic_without_a_key_cannot_be_compacted(opened: storage.Storage) -> None:
    with pytest.raises(storage.InvalidConfig, match="has no key"):
        opened.create_topic("t", SCHEMA, config(key_columns=()))
    with pytest.raises(storage.InvalidConfig, match='no column "x"'):
        opened.create_topic("t", SCHEMA, config(key_columns=("x",)))
    nested = pa.schema([("k", pa.list_(pa.int64()))])
    with pytest.raises(storage.InvalidConfig, match="cannot be a key"):
        opened.create_topic("t", nested, config(key_columns=("k",), tombstone=None))
    topic = opened.create_topic("t", SCHEMA)
    with pytest.raises(storage.InvalidConfig, match="has no key"):
        opened.alter_topic("t", cleanup="compact")
    assert topic.config.cleanup == "delete"
    opened.alter_topic("t", cleanup="compact", key_columns=("k",))
    with pytest.raises(storage.MissingKey) as caught:
        topic.partitions[0].append(batch([(None, 0, 1, 1)]))  # type: ignore[list-item]
    assert caught.value.sqlstate == "23502" and caught.value.hint
    with pytest.raises(storage.UnsupportedConfig, match='key column "k"'):
        topic.evolve(SCHEMA.set(0, pa.field("k", pa.int64())))


def test_records_without_a_key_from_before_stay(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config(cleanup="delete", segment_bytes=4096)).partitions[0]
        log.append(batch([(None, 0, 1, 1), ("a", 0, 2, 1), (None, 0, 3, 1)]), timestamp_us=0)  # type: ignore[list-item]
        opened.alter_topic("t", cleanup="compact")
        for number in range(100):
            log.append(batch([("a", 0, number, 1)] * 4), timestamp_us=0)
        assert log.compact(HOUR_MS) > 0
        assert sorted(everything(log))[:2] == [0, 2]


def test_keys_and_values_as_bytes_compact_by_key(opened: storage.Storage) -> None:
    log = opened.create_topic("t", None, storage.TopicConfig(cleanup="compact", segment_bytes=4096)).partitions[0]
    headers = storage.BYTES_SCHEMA.field(3).type
    for number in range(100):
        value = None if number == 50 else b"%d" % number
        columns = [
            pa.array([b"k%d" % (number % 60)], pa.binary()),
            pa.array([value], pa.binary()),
            pa.array([number], pa.timestamp("us")),
            pa.nulls(1, headers),
        ]
        log.append(pa.RecordBatch.from_arrays(columns, schema=storage.BYTES_SCHEMA), timestamp_us=0)
    with pytest.raises(storage.MissingKey):
        log.append(pa.RecordBatch.from_arrays([pa.nulls(1, c.type) for c in columns], schema=storage.BYTES_SCHEMA))
    log.compact(HOUR_MS)
    frames = log.read(0, max_rows=1000)
    found = {offset: frame.batch["value"][i].as_py() for frame in frames for i, offset in enumerate(frame.offsets())}
    assert found[50] is None and found[99] == b"99" and 0 not in found
    assert log.offset_for_timestamp(10) == min(offset for offset in found if offset >= 10)


def test_compact_and_delete_applies_retention_too(opened: storage.Storage) -> None:
    chosen = config(cleanup="compact,delete", retention_ms=HOUR_MS)
    log = opened.create_topic("t", SCHEMA, chosen).partitions[0]
    for number in range(200):
        log.append(batch([(f"key {number}", 0, number, 1)] * 2), timestamp_us=number * 60_000_000)
    assert log.compact(200 * 60_000) > 0
    assert log.apply_retention(200 * 60_000) > 0
    found = everything(log)
    assert min(found) >= 200 and max(found) == 399


def test_producers_are_remembered_over_compaction_and_restart(scratch: Path) -> None:
    for remove_indexes in (False, True):
        path = scratch / str(remove_indexes)
        with quick(str(path)) as opened:
            log = opened.create_topic("t", SCHEMA, config()).partitions[0]
            log.append(batch([("a", 0, 0, 1)] * 2), producer=storage.BatchId(7, 0, 0), timestamp_us=0)
            log.append(batch([("a", 0, 1, 1)]), producer=storage.BatchId(7, 0, 2), timestamp_us=0)
            for number in range(200):
                batch_id = storage.BatchId(8, 0, number)
                log.append(batch([("a", 0, number, 1)]), producer=batch_id, timestamp_us=0)
            log.compact(HOUR_MS)
            assert not {0, 1, 2} & set(everything(log))
        if remove_indexes:
            for file in path.glob("topics/*/0/*.index"):
                file.unlink()
        with quick(str(path)) as opened:
            log = opened.topic("t").partitions[0]
            assert log.append(batch([("a", 0, 0, 1)] * 2), producer=storage.BatchId(7, 0, 0)) == 0
            assert log.append(batch([("a", 0, 1, 1)]), producer=storage.BatchId(7, 0, 2)) == 2
            assert log.append(batch([("a", 0, 199, 1)]), producer=storage.BatchId(8, 0, 199)) == 202
            with pytest.raises(storage.OutOfOrderSequence):
                log.append(batch([("a", 0, 9, 1)]), producer=storage.BatchId(7, 0, 4))


def test_readers_appends_and_retention_go_on_during_compaction(scratch: Path) -> None:
    chosen = config(durability="os", cleanup="compact,delete", retention_bytes=60_000)
    with storage.Storage.open(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, chosen).partitions[0]
        log.append(batch([("key 0", 0, 0, 1)]), timestamp_us=0)
        held = log.read(0)[0].batch
        done = threading.Event()
        problems: list[BaseException] = []

        def read() -> None:
            while not done.is_set():
                try:
                    for offset, (key, _, value, _) in everything(log, 50).items():
                        assert value == offset and key == f"key {offset % 13}"
                except storage.OffsetOutOfRange:
                    continue
                except AssertionError as error:
                    if log.start_offset == 0:
                        problems.append(error)
                except storage.StorageError as error:
                    problems.append(error)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for first in range(1, 3000, 3):
            log.append(batch([(f"key {n % 13}", 0, n, 1) for n in range(first, first + 3)]), timestamp_us=0)
            if first % 100 == 1:
                log.compact(HOUR_MS)
            if first % 1000 == 1:
                log.apply_retention(HOUR_MS)
        done.set()
        for reader in readers:
            reader.join()
        assert not problems
        assert held.to_pylist()[0]["k"] == "key 0", "a batch outlives the file it was read from"
        assert {key for key, _ in latest(everything(log))} == {f"key {n}" for n in range(13)}


def test_maintain_compacts_in_the_background_and_close_ends_it(scratch: Path) -> None:
    with storage.Storage.open(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config(durability="os")).partitions[0]
        for number in range(300):
            log.append(batch([("a", 0, number, 1)] * 3))
        opened.maintain()
        thread = opened._compactor._thread
        assert thread is not None
        thread.join()
        assert len(everything(log)) < 150 and log.failure is None
        opened.maintain()
    with storage.Storage.open(str(scratch)) as opened:
        assert opened.topic("t").partitions[0].compacted_offset > 0


def test_what_a_writer_may_still_cut_off_is_not_compacted(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config()).partitions[0]
        for number in range(300):
            log.append(batch([("a", 0, number, 1)]), timestamp_us=0)
        log.compaction_limit = 100
        log.compact(HOUR_MS)
        found = everything(log)
        assert set(range(100, 300)) <= set(found)
        log.truncate_to(100)
        assert max(everything(log)) <= 99 and everything(log)
        with pytest.raises(storage.OffsetOutOfRange):
            log.truncate_to(10)


@pytest.mark.parametrize("cut", [1, 5, 17])
def test_truncation_inside_a_compacted_segment_keeps_the_rest(scratch: Path, cut: int) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config()).partitions[0]
        for number in range(60):
            log.append(batch([(f"key {n % 20}", 0, number, 1) for n in range(20)]), timestamp_us=0)
        log.compact(HOUR_MS)
        before = everything(log)
        end = log.end_offset - cut
        log.truncate_to(end)
        assert everything(log) == {offset: record for offset, record in before.items() if offset < end}


def test_a_pass_that_is_stopped_anywhere_brings_no_older_value_back(scratch: Path) -> None:
    """Tombstones may go at once here: nothing but the order in which segments are rewritten protects from that."""
    rng = random.Random(1)
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config(delete_retention_ms=0)).partitions[0]
        written: dict[int, Record] = {}
        stopped = 0
        for turn in range(60):
            for _ in range(12):
                key = f"key {rng.randrange(200)}"
                records = [(key, 0, rng.getrandbits(20), rng.choice((1, -1))) for _ in range(3)]
                written.update(enumerate(records, log.append(batch(records), timestamp_us=0)))
            calls = iter(range(rng.randrange(4 * log.segment_count)))
            log.compact(HOUR_MS + turn, lambda size, calls=calls: next(calls, None) is not None)
            stopped += next(calls, None) is None
            assert latest(everything(log)) == latest(written)
        assert stopped > 20 and len(everything(log)) < len(written) / 2


def test_a_full_disk_breaks_a_pass_off_and_the_next_one_succeeds(scratch: Path) -> None:
    env = FaultyEnv(str(scratch / "trash"))
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        log = opened.create_topic("t", SCHEMA, config(durability="os")).partitions[0]
        written: dict[int, Record] = {}
        for number in range(200):
            records = [(f"key {number % 9}", 0, number, 1)] * 3
            written.update(enumerate(records, log.append(batch(records), timestamp_us=0)))
        log.flush()
        for space in (0, 50, 200, 600):
            env.space = space
            with pytest.raises(storage.DiskFull) as caught:
                log.compact(HOUR_MS)
            assert caught.value.sqlstate == "53100" and log.failure is None
            assert latest(everything(log)) == latest(written)
            env.space = None
        assert log.compact(HOUR_MS) > 0
        assert latest(everything(log)) == latest(written) and log.append(batch([("z", 0, 1, 1)])) == 600


def test_a_failed_write_of_a_pass_stops_the_log_and_loses_nothing(scratch: Path) -> None:
    for operation in ("write", "sync", "rename", "sync_dir"):
        env = FaultyEnv(str(scratch / operation / "trash"))
        opened = storage.Storage.open(str(scratch / operation / "data"), env=env)
        log = opened.create_topic("t", SCHEMA, config()).partitions[0]
        written: dict[int, Record] = {}
        for number in range(100):
            records = [(f"key {number % 9}", 0, number, 1)] * 3
            written.update(enumerate(records, log.append(batch(records), timestamp_us=0)))
        env.fail(operation)
        with pytest.raises(storage.LogFailed) as caught:
            log.compact(HOUR_MS)
        assert caught.value.sqlstate == "58030"
        with pytest.raises(storage.LogFailed):
            log.append(batch([("z", 0, 1, 1)]))
        assert latest(everything(log)) == latest(written), "reads go on"
        opened.close()
        with storage.Storage.open(str(scratch / operation / "data"), env=env) as again:
            assert latest(everything(again.topic("t").partitions[0])) == latest(written)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["flip", "cut"])
def test_no_damaged_byte_of_a_compacted_segment_is_served(scratch: Path, harm: str) -> None:
    with quick(str(scratch / "whole")) as opened:
        log = opened.create_topic("t", SCHEMA, config()).partitions[0]
        for number in range(40):
            log.append(batch([(f"key {number % 3}", 0, number, 1), (f"rare {number // 10}", 1, 7, 1)]), timestamp_us=0)
        assert log.compact(HOUR_MS) and log.segments()[0].state == "compacted"
        whole, file = everything(log), Path(log.segments()[0].file or "")
        used = log.segments()[0].bytes
    data = file.read_bytes()
    assert used > 200
    for position in range(0, used, rounds(4, 1)):
        changed = bytearray(data) if harm == "flip" else data[:position]
        if isinstance(changed, bytearray):
            changed[position] ^= 1 << position % 8
        file.write_bytes(changed)
        with quick(str(scratch / "whole")) as opened, pytest.raises(storage.CorruptLog):
            everything(opened.topic("t").partitions[0])
    file.write_bytes(data)
    with quick(str(scratch / "whole")) as opened:
        assert everything(opened.topic("t").partitions[0]) == whole


def test_a_damaged_note_of_compaction_costs_a_pass_and_no_record(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA, config()).partitions[0]
        for number in range(200):
            log.append(batch([(f"key {number % 3}", 0, number, 1)]), timestamp_us=0)
        assert log.compact(HOUR_MS)
        whole = everything(log)
    (note,) = scratch.glob("topics/*/0/cleaned")
    data = note.read_bytes()
    for position in range(len(data)):
        note.write_bytes(data[:position] + bytes([data[position] ^ 64]) + data[position + 1 :])
        with quick(str(scratch)) as opened:
            log = opened.topic("t").partitions[0]
            log.compact(HOUR_MS)
            assert everything(log) == whole


@pytest.mark.parametrize("path", [None, "here"])
def test_segments_tell_what_they_hold(scratch: Path, path: str | None) -> None:
    with quick(path and str(scratch / path)) as opened:
        log = opened.create_topic("t", SCHEMA, config(durability="os", min_compaction_lag_ms=0)).partitions[0]
        assert [(s.base_offset, s.end_offset, s.bytes) for s in log.segments()] == ([] if path is None else [(0, 0, 0)])
        for number in range(150):
            log.append(
                batch([(f"key {number % 3}", 0, number, 1)]), timestamp_us=1000 + number, max_timestamp_us=number
            )
        found = log.segments()
        assert len(found) == log.segment_count and sum(s.bytes for s in found) == log.size_bytes
        assert [s.base_offset for s in found] == [0, *(s.end_offset for s in found[:-1])]
        assert found[-1].end_offset == 150
        assert [(s.max_timestamp_us, s.last_append_us) for s in found] == [
            (s.end_offset - 1, 999 + s.end_offset) for s in found
        ]
        if path is None:
            assert {s.state for s in found} == {"memory"} and not any(s.durable or s.file for s in found)
            return
        assert [s.state for s in found] == ["sealed"] * (len(found) - 1) + ["active"]
        assert not any(s.durable for s in found) and all(Path(s.file or "").exists() for s in found)
        log.flush()
        log.compact(HOUR_MS)
        assert [s.state for s in log.segments()] == ["compacted", "active"] and all(s.durable for s in log.segments())
