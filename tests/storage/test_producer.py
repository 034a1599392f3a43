from __future__ import annotations

import errno
import random
import threading
import zlib
from concurrent.futures import wait
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import storage
from storage.config import MAX_EPOCH
from storage.faults import FaultyEnv
from tests.depth import rounds
from tests.storage.conftest import SCHEMA, QuickEnv, numbers, quick, rows

THREE = storage.TopicConfig(partitions=3)


# ---------------------------------------------------------------- where rows go


@given(st.lists(st.none() | st.text(max_size=3) | st.text(max_size=40), min_size=1), st.integers(1, 7))
@settings(max_examples=rounds(60, 150))
def test_a_row_goes_where_the_checksum_of_its_key_says(keys: list[str | None], count: int) -> None:
    column = pa.array(keys, pa.string())
    wanted = [0 if key is None else zlib.crc32(key.encode()) % count for key in keys]
    chunked = pa.chunked_array([column[:1], column[1:]])
    for each in (column, chunked, column.cast(pa.binary()), column.cast(pa.large_string())):
        assert storage.partitions_by_key([each], count).tolist() == wanted
    numbers_too = pa.array(range(len(keys)))
    wanted = [0 if k is None else zlib.crc32(f"{k}\x1f{n}".encode()) % count for n, k in enumerate(keys)]
    assert storage.partitions_by_key([column, numbers_too], count).tolist() == wanted


def test_keys_of_any_type_have_a_partition() -> None:
    assert storage.partitions_by_key([pa.array([b"\xff\xfe", None])], 5).tolist() == [zlib.crc32(b"\xff\xfe") % 5, 0]
    for values in ([1, 2, None], [1.5, None], [True, False]):
        wanted = [
            0 if v is None else zlib.crc32(pa.array([v]).cast(pa.string())[0].as_py().encode()) % 9 for v in values
        ]
        assert storage.partitions_by_key([pa.array(values)], 9).tolist() == wanted


@given(st.lists(st.integers(0, 4), max_size=30))
def test_dealing_keeps_every_row_and_their_order(chosen: list[int]) -> None:
    dealt = dict(storage.deal(rows(0, len(chosen)), np.array(chosen, dtype=np.int64), 5))
    for partition in range(5):
        wanted = [n for n, each in enumerate(chosen) if each == partition]
        assert (dealt[partition].column("n").to_pylist() if partition in dealt else []) == wanted


# ---------------------------------------------------------------- sending


def test_rows_are_stored_where_the_delivery_says(opened: storage.Storage) -> None:
    topic = opened.create_topic("t", SCHEMA, THREE)
    with storage.Producer(opened) as producer:
        deliveries = [(first, producer.send("t", rows(first, 40), key="s")) for first in range(0, 400, 40)]
        for first, delivery in deliveries:
            found = []
            for stored in delivery.result():
                log = topic.partitions[stored.partition]
                batches = [frame.batch for frame in log.read(stored.base_offset, max_rows=stored.num_rows)]
                found += pa.Table.from_batches(batches).column("n").to_pylist()
            assert sorted(found) == list(range(first, first + 40))
    for log in topic.partitions:
        for text in (f"row {n}" for n in numbers(log)):
            assert zlib.crc32(text.encode()) % 3 == log.partition
        assert numbers(log) == sorted(numbers(log))


def test_rows_without_a_key_go_to_the_partitions_in_turn(opened: storage.Storage) -> None:
    topic = opened.create_topic("t", SCHEMA, THREE)
    keyed = opened.create_topic("k", None, THREE)
    with storage.Producer(opened) as producer:
        for first in range(6):
            producer.send("t", pa.table(rows(first, 1)))
        producer.send("t", rows(9, 1), partition=1)
        record = {"key": None, "value": b"v", "timestamp": 0, "headers": None}
        for key in (None, None, b"a", b"a"):
            producer.send("k", pa.RecordBatch.from_pylist([record | {"key": key}], schema=storage.BYTES_SCHEMA))
        assert producer.send("t", rows(0, 0)).result() == []
    assert [numbers(log) for log in topic.partitions] == [[0, 3], [1, 4, 9], [2, 5]]
    counts = [1, 1, 0]
    counts[zlib.crc32(b"a") % 3] += 2
    assert [log.end_offset for log in keyed.partitions] == counts


def test_what_comes_while_an_append_waits_goes_together(opened: storage.Storage) -> None:
    log = opened.create_topic("t", SCHEMA).partitions[0]
    with storage.Producer(opened, batch_rows=30) as producer:
        with log._lock:
            deliveries = [producer.send("t", rows(first, 10)) for first in range(0, 100, 10)]
            deliveries.append(producer.send("t", rows(100, 50)))
        wait(deliveries)
        assert [d.result()[0].base_offset for d in deliveries] == list(range(0, 110, 10))
    assert numbers(log) == list(range(150))
    assert 5 <= len(log.read(0)) <= 6, "one append may have begun before the lock was taken"
    with storage.Producer(opened, linger_ms=60_000, batch_rows=20) as producer:
        deliveries = [producer.send("t", rows(n, 10)) for n in (150, 160)]
        wait(deliveries, timeout=30)
        late = producer.send("t", rows(170, 10))
        assert not late.done()
        producer.flush()
        assert late.done()
    assert numbers(log) == list(range(180))
    assert len(log.read(150)) == 2


def test_a_schema_that_grows_between_sends_is_no_matter(opened: storage.Storage) -> None:
    topic = opened.create_topic("t", SCHEMA)
    wider = SCHEMA.append(pa.field("x", pa.int8()))
    with storage.Producer(opened) as producer:
        producer.send("t", rows(0, 5)).result()
        topic.evolve(wider)
        with pytest.raises(storage.SchemaMismatch):
            producer.send("t", rows(0, 5))
        producer.send("t", pa.RecordBatch.from_arrays([*rows(5, 1).columns, pa.array([1], pa.int8())], schema=wider))
    assert topic.partitions[0].end_offset == 6


def test_many_threads_send_and_nothing_is_lost_or_out_of_order(opened: storage.Storage) -> None:
    log = opened.create_topic("t", SCHEMA).partitions[0]
    with storage.Producer(opened, buffer_bytes=5_000) as producer:

        def send(number: int) -> None:
            for step in range(50):
                producer.send("t", rows(number * 1000 + step * 10, 10))

        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = numbers(log)
    assert sorted(found) == [n * 1000 + k for n in range(4) for k in range(500)]
    for number in range(4):
        mine = [n for n in found if n // 1000 == number]
        assert mine == sorted(mine)


# ---------------------------------------------------------------- idempotence


def test_appends_are_numbered_and_a_name_is_fenced_by_its_next_producer(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        log = opened.create_topic("t", SCHEMA).partitions[0]
        with storage.Producer(opened) as nameless, storage.Producer(opened, name="loader") as first:
            nameless.send("t", rows(0, 3)).result()
            assert first.stored_until("t", 0) is None
            first.send("t", rows(3, 4)).result()
            first.send("t", rows(7, 1)).result()
            second = storage.Producer(opened, name="loader")
            assert second.stored_until("t", 0) == 8
            with pytest.raises(storage.ProducerFenced, match='producer "loader" with epoch 0 is fenced'):
                first.send("t", rows(99, 1)).result()
            second.send("t", rows(8, 2)).result()
            with pytest.raises(storage.ProducerFenced):
                first.send("t", rows(99, 1))
            with pytest.raises(storage.ProducerFenced):
                first.flush()
            second.close()
            assert opened.producers.names() == {1: "loader"}
            described = [(p.id, p.epoch, p.last_sequence, p.last_offset) for p in log.active_producers()]
            assert described == [(0, 0, 2, 2), (1, 1, 1, 9)]
            with pytest.raises(storage.ProducerFenced):
                first.close()
            first._failure = None
    with quick(str(scratch)) as opened, storage.Producer(opened, name="loader") as third:
        assert third.stored_until("t", 0) == 10
        third.send("t", rows(10, 1)).result()
        log = opened.topic("t").partitions[0]
        assert numbers(log) == list(range(11))
        assert [p.epoch for p in log.active_producers()] == [0, 2]
        opened.producers.forget("loader")
        opened.producers.forget("loader")
        with pytest.raises(storage.ProducerFenced):
            third.send("t", rows(99, 1)).result()
        third._failure = None


def test_rows_of_transactions_are_not_counted_as_stored(scratch: Path) -> None:
    """Whatever becomes of the transaction, and whoever asks."""
    with quick(str(scratch)) as opened:
        opened.create_topic("t", SCHEMA)
        with storage.Producer(opened, name="loader") as producer:
            producer.begin()
            producer.send("t", rows(0, 3)).result()
            assert producer.stored_until("t", 0) is None
            producer.commit()
            assert producer.stored_until("t", 0) is None
            producer.send("t", rows(3, 2)).result()
            end = producer.stored_until("t", 0)
            for finish in (producer.abort, producer.commit):
                producer.begin()
                producer.send("t", rows(5, 4)).result()
                finish()
                assert producer.stored_until("t", 0) == end
    with quick(str(scratch)) as opened, storage.Producer(opened, name="loader") as again:
        assert again.stored_until("t", 0) == end == 6, "three rows, a marker, two rows"


def test_a_named_producer_is_not_forgotten(scratch: Path) -> None:
    env = FaultyEnv(str(scratch / "trash"), base=QuickEnv())
    env.now = 0
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        opened.create_topic("t", SCHEMA)
        with storage.Producer(opened) as nameless, storage.Producer(opened, name="loader") as named:
            for producer in (nameless, named):
                producer.send("t", rows(0, 1)).result()
            env.now += 10**13
            opened.maintain()
            assert (nameless.stored_until("t", 0), named.stored_until("t", 0)) == (None, 2)
            nameless.send("t", rows(1, 1)).result()
            assert nameless.stored_until("t", 0) == 3, "its numbers go on"


def test_ids_are_never_given_twice_and_epochs_end_in_a_new_id(scratch: Path) -> None:
    seen: set[tuple[int, int]] = set()
    rng = random.Random(1)
    for _ in range(6):
        with quick(str(scratch)) as opened:
            for _ in range(rng.randrange(1, 1500)):
                got = opened.producers.acquire(rng.choice([None, "a", "b"]))
                assert got not in seen
                seen.add(got)
    assert (scratch / "producers.journal").stat().st_size < 200_000, "the journal is rewritten"
    with quick(str(scratch)) as opened:
        producer, _ = opened.producers.acquire("a")
        opened.producers._names["a"] = (producer, MAX_EPOCH)
        newer, epoch = opened.producers.acquire("a")
        assert newer != producer and epoch == 0


def test_after_a_partition_was_cut_back_a_new_epoch_begins(opened: storage.Storage) -> None:
    log = opened.create_topic("t", SCHEMA).partitions[0]
    with storage.Producer(opened, name="loader") as producer:
        for first in (0, 5, 10):
            producer.send("t", rows(first, 5)).result()
        log.truncate_to(5)
        (stored,) = producer.send("t", rows(5, 5)).result()
        producer.send("t", rows(10, 5)).result()
        assert stored.base_offset == 5 and numbers(log) == list(range(15))
        assert [(p.epoch, p.last_sequence) for p in log.active_producers()] == [(1, 9)]


def test_without_idempotence_nothing_is_remembered(opened: storage.Storage) -> None:
    log = opened.create_topic("t", SCHEMA).partitions[0]
    with storage.Producer(opened, idempotent=False) as producer:
        producer.send("t", rows(0, 1)).result()
        assert log.active_producers() == []
        with pytest.raises(storage.InvalidConfig, match="only an idempotent producer"):
            producer.stored_until("t", 0)


# ---------------------------------------------------------------- what goes wrong


def test_a_full_disk_is_tried_again_in_order(scratch: Path) -> None:
    env = FaultyEnv(str(scratch / "trash"), base=QuickEnv())
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        full, free = opened.create_topic("t", SCHEMA, storage.TopicConfig(partitions=2)).partitions
        with storage.Producer(opened, batch_rows=10) as producer:
            env.fail("write", 1, errno.ENOSPC)
            with full._lock:
                deliveries = [producer.send("t", rows(first, 10), partition=0) for first in range(0, 50, 10)]
                other = producer.send("t", rows(0, 10), partition=1)
            assert [d.result()[0].base_offset for d in deliveries] == [0, 10, 20, 30, 40]
            assert other.result()[0].base_offset == 0
            assert numbers(full) == list(range(50)) and numbers(free) == list(range(10))
        with storage.Producer(opened, delivery_timeout_ms=0) as producer:
            env.fail("write", 1, errno.ENOSPC)
            lost = producer.send("t", rows(50, 1), partition=0)
            with pytest.raises(storage.DiskFull):
                lost.result()
            with pytest.raises(storage.DiskFull):
                producer.flush()
            producer.flush()
            producer.send("t", rows(50, 1), partition=0)
        assert numbers(full) == list(range(51))


def test_a_partition_that_stops_does_not_stop_others(scratch: Path) -> None:
    env = FaultyEnv(str(scratch / "trash"), base=QuickEnv())
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        bad, good = opened.create_topic("t", SCHEMA, storage.TopicConfig(partitions=2)).partitions
        producer = storage.Producer(opened)
        env.fail("write", 1, errno.EIO)
        with pytest.raises(storage.LogFailed, match="partition 0"):
            producer.send("t", rows(0, 1), partition=0).result()
        assert producer.send("t", rows(0, 1), partition=1).result()[0].base_offset == 0
        assert bad.failure is not None and good.failure is None
        both = producer.send("t", rows(0, 50), key="s")
        with pytest.raises(storage.LogFailed):
            both.result()
        with pytest.raises(storage.LogFailed):
            producer.close()
        producer.close()
        with pytest.raises(storage.StorageClosed, match="the producer is closed"):
            producer.send("t", rows(0, 1))


def test_more_than_the_buffer_holds_waits_and_is_refused_in_the_end(opened: storage.Storage) -> None:
    log = opened.create_topic("t", SCHEMA).partitions[0]
    with storage.Producer(opened, buffer_bytes=2000, max_block_ms=20) as producer:
        with log._lock:
            producer.send("t", rows(0, 1000))
            with pytest.raises(storage.BufferFull, match="bytes are on their way") as caught:
                producer.send("t", rows(1000, 1))
            assert caught.value.sqlstate == "53000"
        producer.flush()
        producer.send("t", rows(1000, 1))
    assert numbers(log) == list(range(1001))


def test_bad_sends_and_settings_are_refused_at_once(opened: storage.Storage) -> None:
    opened.create_topic("t", SCHEMA)
    with storage.Producer(opened) as producer:
        bad: list[tuple[tuple[object, ...], dict[str, object], type[storage.StorageError], str]] = [
            (("nothing", rows(0, 1)), {}, storage.TopicNotFound, 'topic "nothing" does not exist'),
            (("t", rows(0, 1)), {"partition": 1}, storage.TopicNotFound, "has no partition 1"),
            (("t", rows(0, 1)), {"partition": 0, "key": "n"}, storage.InvalidConfig, "not by both"),
            (("t", rows(0, 1)), {"key": "x"}, storage.InvalidConfig, 'has no column "x"'),
            (("t", rows(0, 1).select(["n"])), {}, storage.SchemaMismatch, "does not fit topic"),
        ]
        for arguments, options, error, text in bad:
            with pytest.raises(error, match=text):
                producer.send(*arguments, **options)  # type: ignore[arg-type]
        with pytest.raises(storage.TopicNotFound):
            producer.stored_until("t", 1)
    for options in ({"name": ""}, {"linger_ms": -1}, {"batch_rows": 0}, {"name": "x", "idempotent": False}):
        with pytest.raises(storage.InvalidConfig):
            storage.Producer(opened, **options)  # type: ignore[arg-type]


def test_a_producer_of_a_closed_storage_says_so() -> None:
    opened = quick(None)
    opened.create_topic("t", SCHEMA)
    producer = storage.Producer(opened)
    producer.send("t", rows(0, 1)).result()
    opened.close()
    with pytest.raises(storage.StorageClosed):
        producer.send("t", rows(0, 1))
    producer.close()
