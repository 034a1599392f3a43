from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import storage
from tests.depth import rounds
from tests.storage.arrow_data import NESTED_TYPES, SIMPLE_TYPES, random_batch, random_schema
from tests.storage.conftest import SCHEMA, contents, numbers, quick, rows

Make = Callable[..., storage.Log]


def test_append_answers_offsets_and_read_returns_the_rows(make_log: Make) -> None:
    log = make_log()
    assert [log.append(rows(0, 3)), log.append(rows(3, 1)), log.append(rows(4, 300))] == [0, 3, 4]
    assert (log.start_offset, log.end_offset, log.high_watermark, log.durable_offset) == (0, 304, 304, 304)
    assert numbers(log) == list(range(304))
    assert log.read(304) == []
    assert log.size_bytes > 0


@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.data())
@settings(max_examples=rounds(10, 25))
def test_any_cut_of_a_read_gives_exactly_those_rows(sizes: list[int], data: st.DataObject) -> None:
    for path in (None, tempfile.mkdtemp()):
        with quick(path) as opened:
            log = opened.create_topic("t", SCHEMA, storage.TopicConfig(segment_bytes=8192)).partitions[0]
            for size in sizes:
                log.append(rows(log.end_offset, size))
            offset = data.draw(st.integers(0, log.end_offset))
            count = data.draw(st.integers(0, log.end_offset + 5))
            frames = log.read(offset, max_rows=count, columns=["s"])
            expected = [f"row {n}" for n in range(offset, min(offset + count, log.end_offset))]
            assert [text for frame in frames for text in frame.batch.column("s").to_pylist()] == expected
            assert all(frame.batch.schema.names == ["s"] for frame in frames)
            assert [frame.record_count for frame in frames] == [frame.batch.num_rows for frame in frames]
            assert sum(frame.record_count for frame in frames) == len(expected)


@given(st.integers(0, 2**32))
def test_any_schema_survives_the_log_and_a_restart(seed: int) -> None:
    rng = random.Random(seed)
    schema = random_schema(rng, SIMPLE_TYPES + NESTED_TYPES)
    batches = [random_batch(rng, schema, rng.choice((1, 5, 300, 700))) for _ in range(rng.randint(1, 5))]
    expected = pa.Table.from_batches(batches, schema)
    path = tempfile.mkdtemp()
    with quick(path) as opened:
        log = opened.create_topic("t", schema, storage.TopicConfig(segment_bytes=16384)).partitions[0]
        for batch in batches:
            log.append(batch)
        found = [frame.batch for frame in log.read(0)]
        assert pa.Table.from_batches(found, schema).equals(expected)
    with quick(path) as opened:
        topic = opened.topic("t")
        assert topic.schema.equals(schema)
        again = [frame.batch for frame in topic.partitions[0].read(0)]
        assert pa.Table.from_batches(again, schema).equals(expected)
    assert pa.Table.from_batches(found, schema).equals(expected), "batches outlive the storage"


def test_a_read_outside_the_log_names_its_range(make_log: Make) -> None:
    log = make_log()
    log.append(rows(0, 5))
    log.delete_before(2)
    for offset in (-1, 1, 6):
        with pytest.raises(storage.OffsetOutOfRange) as caught:
            log.read(offset)
        assert "offsets 2 to 5" in str(caught.value.hint)


def test_an_empty_batch_is_not_stored(make_log: Make) -> None:
    log = make_log()
    log.append(rows(0, 2))
    assert log.append(rows(0, 0)) == 2
    assert log.end_offset == 2 and len(log.read(0)) == 1


def test_another_schema_is_refused_until_the_topic_evolves(opened: storage.Storage) -> None:
    topic = opened.create_topic("t", SCHEMA)
    log = topic.partitions[0]
    log.append(rows(0, 2))
    wider = pa.record_batch({"n": [2], "s": ["row 2"], "x": [1.5]})
    with pytest.raises(storage.SchemaMismatch, match="3 columns, expected 2"):
        log.append(wider)
    with pytest.raises(storage.SchemaMismatch, match="column 1 is n int32, expected n int64"):
        log.append(rows(0, 1).set_column(0, "n", pa.array([1], pa.int32())))
    assert topic.evolve(wider.schema) == 1
    log.append(wider)
    assert [frame.batch.schema.names for frame in log.read(0)] == [["n", "s"], ["n", "s", "x"]]
    assert topic.evolve(wider.schema) == 1
    with pytest.raises(storage.SchemaMismatch):
        log.append(rows(0, 1))


def test_nullability_and_metadata_of_a_batch_do_not_matter(make_log: Make) -> None:
    log = make_log()
    strict = pa.schema([pa.field("n", pa.int64(), nullable=False), SCHEMA.field(1)], metadata={"a": "b"})
    log.append(rows(0, 3).cast(strict))
    assert numbers(log) == [0, 1, 2]


def test_frames_carry_timestamps_and_statistics(make_log: Make) -> None:
    log = make_log()
    log.leader_epoch = 4
    log.append(rows(10, 3000), timestamp_us=77, max_timestamp_us=99)
    (frame,) = log.read(5, max_rows=2)
    assert (frame.base_offset, frame.record_count, frame.append_timestamp_us) == (5, 2, 77)
    assert (frame.max_timestamp_us, frame.leader_epoch, frame.producer_id) == (99, 4, -1)
    assert frame.statistics == {"n": storage.ColumnStatistics(10, 3009, 0)}


def test_producers_are_answered_refused_and_fenced(make_log: Make) -> None:
    log = make_log()

    def send(sequence: int, count: int, epoch: int = 0) -> int:
        return log.append(rows(log.end_offset, count), producer=storage.BatchId(7, epoch, sequence))

    assert [send(0, 2), send(2, 3), send(5, 1)] == [0, 2, 5]
    assert [send(2, 3), send(0, 2)] == [2, 0], "a repeated batch gets its first offset"
    with pytest.raises(storage.OutOfOrderSequence, match="sequence 8, expected 6"):
        send(8, 1)
    assert send(0, 1, epoch=1) == 6
    with pytest.raises(storage.ProducerFenced):
        send(6, 1)
    with pytest.raises(storage.OutOfOrderSequence):
        send(3, 1, epoch=2)
    assert log.append(rows(7, 1), producer=storage.BatchId(8, 0, 50)) == 7, "an unknown producer may begin anywhere"
    for sequence in range(1, 8):
        send(sequence, 1, epoch=1)
    with pytest.raises(storage.OutOfOrderSequence):
        send(1, 1, epoch=1)
    assert log.end_offset == 15


def test_sequence_numbers_wrap(make_log: Make) -> None:
    log = make_log()
    log.append(rows(0, 2), producer=storage.BatchId(1, 0, 2**31 - 2))
    assert log.append(rows(2, 1), producer=storage.BatchId(1, 0, 0)) == 2


def test_producers_are_remembered_over_a_restart(tmp_path: Path) -> None:
    config = storage.TopicConfig(segment_bytes=4096)
    for sequence in range(0, 400, 10):
        with quick(str(tmp_path)) as opened:
            log = (opened.topics() or [opened.create_topic("t", SCHEMA, config)])[0].partitions[0]
            for repeat in (max(sequence - 10, 0), sequence, sequence):
                assert log.append(rows(repeat, 10), producer=storage.BatchId(1, 0, repeat)) == repeat
            if sequence == 200:
                log.delete_before(200)
    assert log.start_offset == 200 and log.segment_count > 2


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 50)), max_size=40),
    st.integers(-1, 51),
    st.integers(0, 20),
)
@settings(max_examples=rounds(24, 60))
def test_offset_for_timestamp_is_what_a_scan_finds(appends: list[tuple[int, int]], wanted: int, start: int) -> None:
    for path in (None, tempfile.mkdtemp()):
        with quick(path) as opened:
            log = opened.create_topic("t", SCHEMA, storage.TopicConfig(segment_bytes=4096)).partitions[0]
            for count, timestamp in appends:
                log.append(rows(log.end_offset, count), max_timestamp_us=timestamp)
            log.delete_before(min(start, log.end_offset))
            frames = log.read(log.start_offset)
            expected = next((f.base_offset for f in frames if f.max_timestamp_us >= wanted), None)
            assert log.offset_for_timestamp(wanted) == expected


def test_offset_for_timestamp_is_exact_for_keys_and_values(make_log: Make) -> None:
    log = make_log(None)
    stamps: list[int | None] = [None, 5, 3, None, 9]
    columns = [pa.array([b"k"] * 5), pa.array([b"v"] * 5), pa.array(stamps, pa.timestamp("us")), pa.nulls(5)]
    batch = pa.RecordBatch.from_arrays(
        [c.cast(f.type) for c, f in zip(columns, storage.BYTES_SCHEMA, strict=True)],
        schema=storage.BYTES_SCHEMA,
    )
    log.append(batch, timestamp_us=2)
    assert [log.offset_for_timestamp(ts) for ts in (0, 4, 6, 9, 10)] == [1, 1, 4, 4, None]
    assert log.read(0)[0].max_timestamp_us == 9


def test_retention_by_time_drops_whole_old_segments(make_log: Make) -> None:
    log = make_log(retention_ms=1000, segment_bytes=4096)
    for second in range(20):
        log.append(rows(second * 10, 10), timestamp_us=second * 1_000_000)
    assert log.apply_retention(500) == 0
    assert log.apply_retention(10_500) > 0
    assert 0 < log.start_offset <= 100
    kept = numbers(log)
    assert kept == list(range(log.start_offset, 200))
    log.apply_retention(1_000_000)
    assert log.start_offset == log.end_offset == 200 and numbers(log) == []
    assert log.append(rows(200, 1)) == 200


def test_retention_by_size_keeps_at_least_that_much(make_log: Make) -> None:
    log = make_log(retention_bytes=20_000, segment_bytes=4096)
    for number in range(200):
        log.append(rows(number * 10, 10))
        log.apply_retention(0)
    assert 20_000 <= log.size_bytes <= 30_000
    assert numbers(log) == list(range(log.start_offset, 2000))


def test_compacted_topics_are_exempt_from_retention(make_log: Make) -> None:
    log = make_log(retention_ms=0, retention_bytes=0, cleanup="compact", key_columns=("n",))
    log.append(rows(0, 10), timestamp_us=0)
    assert log.apply_retention(10**9) == 0 and numbers(log) == list(range(10))


OPERATIONS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 300)),
    st.tuples(st.just("truncate"), st.integers(0, 100)),
    st.tuples(st.just("delete"), st.integers(0, 100)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("alter"), st.sampled_from([0, 1, 2])),
)


@given(st.lists(OPERATIONS, min_size=1, max_size=25))
@settings(max_examples=rounds(24, 60))
def test_a_log_is_a_list_of_rows_with_a_moving_start(operations: list[tuple[str, int]]) -> None:
    path = tempfile.mkdtemp()
    opened, memory = quick(path), quick(None)
    config = storage.TopicConfig(segment_bytes=4096)
    logs = [s.create_topic("t", SCHEMA, config).partitions[0] for s in (opened, memory)]
    start, model, fresh = 0, [], 0
    for name, argument in operations:
        end = start + len(model)
        if name == "append":
            assert [log.append(rows(fresh, argument)) for log in logs] == [end, end]
            model += range(fresh, fresh + argument)
            fresh += argument
        elif name == "truncate":
            keep = len(model) * argument // 100
            for log in logs:
                log.truncate_to(start + keep)
            del model[keep:]
        elif name == "delete":
            drop = len(model) * argument // 100
            for log in logs:
                log.delete_before(start + drop)
            start, model = start + drop, model[drop:]
        elif name == "alter":
            for each in (opened, memory):
                each.alter_topic("t", durability=("group", "os", "sync")[argument])
        else:
            opened.close()
            opened = quick(path)
            logs[0] = opened.topic("t").partitions[0]
        for log in logs:
            assert (log.start_offset, log.end_offset) == (start, start + len(model))
            assert numbers(log) == model
    opened.close()


def test_batches_survive_truncation_deletion_and_drop(tmp_path: Path) -> None:
    with quick(str(tmp_path)) as opened:
        log = opened.create_topic("t", SCHEMA).partitions[0]
        for number in range(20):
            log.append(rows(number * 1000, 1000))
        held = contents(log)
        before = held.column("s").to_pylist()
        log.truncate_to(10)
        log.append(rows(0, 20_000))
        log.delete_before(log.end_offset)
        opened.drop_topic("t")
    assert held.column("s").to_pylist() == before
