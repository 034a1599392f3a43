"""Transactions as their users see them, on disk and in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from storage.faults import FaultyEnv
from storage.log.file_log import FileLog
from tests.storage.conftest import SCHEMA, numbers, quick, rows


@pytest.fixture
def topics(opened: storage.Storage) -> storage.Storage:
    """A storage with the topics a (two partitions) and b."""
    opened.create_topic("a", SCHEMA, storage.TopicConfig(partitions=2))
    opened.create_topic("b", SCHEMA)
    return opened


def seen(opened: storage.Storage) -> list[list[int]]:
    """Column n of everything readable in a/0, a/1 and b/0."""
    return [numbers(log) for topic in ("a", "b") for log in opened.topic(topic).partitions]


def uncommitted(log: storage.Log) -> list[int]:
    """Column n of everything, decided or not, that is durable."""
    log.flush()
    frames = log.read(log.start_offset, isolation="read_uncommitted")
    return [n for frame in frames for n in frame.batch.column("n").to_pylist()]


def test_appends_to_several_topics_are_seen_together(topics: storage.Storage) -> None:
    with topics.transaction() as t:
        assert t.append("a", rows(1, 2)) == 0
        t.append("a", rows(3, 1), partition=1)
        t.append("b", rows(4, 1))
        t.append("a", rows(5, 1))
        assert seen(topics) == [[], [], []]
        assert uncommitted(topics.topic("a").partitions[0]) == [1, 2, 5]
        assert t.phase == "open"
    assert t.phase == "committed"
    assert seen(topics) == [[1, 2, 5], [3], [4]]


def test_an_error_in_the_block_leaves_nothing(topics: storage.Storage) -> None:
    with pytest.raises(ZeroDivisionError), topics.transaction() as t:
        t.append("a", rows(1, 2))
        t.append("b", rows(3, 1))
        raise ZeroDivisionError
    assert t.phase == "aborted"
    topics.topic("a").partitions[0].append(rows(9, 1))
    assert seen(topics) == [[9], [], []]
    assert uncommitted(topics.topic("a").partitions[0]) == [1, 2, 9], (
        "aborted records stay, but only some readers see them"
    )


def test_other_appends_wait_behind_an_open_transaction_and_keep_their_order(topics: storage.Storage) -> None:
    log = topics.topic("b").partitions[0]
    log.append(rows(0, 1))
    t = topics.transaction()
    t.append("b", rows(1, 1))
    log.append(rows(2, 1))
    assert numbers(log) == [0]
    assert (log.last_stable_offset, log.high_watermark) == (1, 3)
    t.commit()
    assert numbers(log) == [0, 1, 2]
    assert log.last_stable_offset == log.high_watermark


def test_transactions_may_end_in_any_order(topics: storage.Storage) -> None:
    first, second, third = (topics.transaction() for _ in range(3))
    for number, t in enumerate((first, second, third, first, second)):
        t.append("b", rows(number, 1))
    second.commit()
    assert seen(topics)[2] == []
    first.abort()
    assert seen(topics)[2] == [1]
    third.commit()
    assert seen(topics)[2] == [1, 2, 4]


def test_a_batch_that_is_refused_does_not_end_the_transaction(topics: storage.Storage) -> None:
    with topics.transaction() as t:
        t.append("a", rows(1, 1))
        with pytest.raises(storage.SchemaMismatch):
            t.append("a", pa.record_batch({"x": [1]}))
        with pytest.raises(storage.TopicNotFound, match='topic "nope" does not exist'):
            t.append("nope", rows(1, 1))
        with pytest.raises(storage.TopicNotFound, match='topic "a" has no partition 2'):
            t.append("a", rows(1, 1), partition=2)
        t.append("a", rows(2, 1))
        t.append("a", rows(0, 0))
    assert seen(topics) == [[1, 2], [], []]


def test_a_finished_transaction_cannot_be_used(topics: storage.Storage) -> None:
    t = topics.transaction()
    t.append("a", rows(1, 1))
    t.commit()
    for call in (lambda: t.append("a", rows(1, 1)), t.commit, t.abort, t.prepare):
        with pytest.raises(storage.TransactionFinished, match="is committed") as caught:
            call()
        assert caught.value.sqlstate == "25000"
    t = topics.transaction()
    t.append("a", rows(2, 1))
    t.abort()
    t.abort()
    with pytest.raises(storage.TransactionFinished, match="is aborted"):
        t.commit()
    with topics.transaction() as t:
        t.append("a", rows(3, 1))
        t.abort()
    assert seen(topics)[0] == [1]


def test_a_transaction_of_nothing_is_nothing(topics: storage.Storage) -> None:
    with topics.transaction():
        assert len(topics.transactions.unfinished()) == 1
    topics.transaction().abort()
    assert topics.transactions.unfinished() == []
    assert [log.end_offset for log in topics.topic("a").partitions] == [0, 0]


# --- names, time, storage that goes away ---


def test_an_owner_that_comes_again_fences_the_one_before(topics: storage.Storage) -> None:
    old = topics.transaction("loader")
    old.append("a", rows(1, 1))
    new = topics.transaction("loader")
    for call in (lambda: old.append("a", rows(1, 1)), old.commit):
        with pytest.raises(storage.ProducerFenced, match="loader"):
            call()
    old.abort()
    new.append("a", rows(2, 1))
    new.commit()
    assert seen(topics)[0] == [2]


def test_bad_settings_are_refused(topics: storage.Storage) -> None:
    for settings in ({"name": ""}, {"timeout_ms": 0}):
        with pytest.raises(storage.InvalidConfig):
            topics.transaction(**settings)  # type: ignore[arg-type]
    with pytest.raises(storage.InvalidConfig, match="isolation"):
        storage.Consumer(topics, topics=["a"], isolation="dirty")  # type: ignore[arg-type]


@pytest.fixture
def clock(scratch: Path) -> Iterator[tuple[storage.Storage, FaultyEnv]]:
    """A storage in memory whose time stands still."""
    env = FaultyEnv(str(scratch / "trash"))
    env.now = 1_000_000
    with storage.Storage.open(None, env=env) as opened:
        opened.create_topic("a", SCHEMA)
        yield opened, env


def test_a_transaction_that_takes_too_long_is_aborted(clock: tuple[storage.Storage, FaultyEnv]) -> None:
    opened, env = clock
    late = opened.transaction(timeout_ms=1000)
    late.append("a", rows(1, 1))
    opened.topic("a").partitions[0].append(rows(2, 1))
    env.now = 2_000_000
    opened.maintain()
    assert numbers(opened.topic("a").partitions[0]) == [], "not yet"
    env.now = 2_000_001
    with storage.Consumer(opened, topics=["a"]) as consumer:
        polled = [n for each in consumer.poll() for n in each.batch.column("n").to_pylist()]
    assert polled == [2], "a reader that is held up does not need anybody else"
    for call in (lambda: late.append("a", rows(1, 1)), late.commit, late.prepare):
        with pytest.raises(storage.TransactionAborted, match="more than 1000 ms") as caught:
            call()
        assert caught.value.sqlstate == "40000" and caught.value.hint
    late.abort()


def test_the_owner_finds_out_by_itself(clock: tuple[storage.Storage, FaultyEnv]) -> None:
    opened, env = clock
    for _ in range(2):
        late = opened.transaction(timeout_ms=1000)
        late.append("a", rows(1, 1))
        env.now = (env.now or 0) + 1_000_001
        with pytest.raises(storage.TransactionAborted):
            late.commit()
    assert opened.transactions.unfinished() == []
    prepared = opened.transaction(timeout_ms=1000)
    prepared.append("a", rows(2, 1))
    prepared.prepare()
    env.now = (env.now or 0) + 10_000_000
    opened.maintain()
    prepared.commit()
    assert numbers(opened.topic("a").partitions[0]) == [2], "what is prepared has all the time it needs"


def test_closing_the_storage_aborts(tmp_path: Path) -> None:
    opened = quick(str(tmp_path))
    opened.create_topic("a", SCHEMA)
    t = opened.transaction()
    t.append("a", rows(1, 1))
    opened.close()
    for call in (t.commit, lambda: t.append("a", rows(1, 1))):
        with pytest.raises(storage.TransactionAborted, match="the storage was closed"):
            call()
    with pytest.raises(storage.StorageClosed):
        opened.transaction()
    with quick(str(tmp_path)) as again:
        assert again.topic("a").partitions[0].open_transactions() == []
        assert numbers(again.topic("a").partitions[0]) == []


def test_a_topic_may_be_dropped_under_a_transaction(topics: storage.Storage) -> None:
    t = topics.transaction()
    t.append("a", rows(1, 1))
    t.append("b", rows(2, 1))
    topics.drop_topic("b")
    topics.create_topic("b", SCHEMA)
    t.commit()
    assert seen(topics) == [[1], [], []]


# --- prepared ---


def test_a_prepared_transaction_waits_for_its_owner(topics: storage.Storage) -> None:
    with topics.transaction("checkpoint 7") as t:
        t.append("a", rows(1, 1))
        t.append("b", rows(2, 1))
        known = t.prepare()
    assert t.phase == "prepared" and seen(topics) == [[], [], []]
    with pytest.raises(storage.TransactionFinished, match="is prepared"):
        t.append("a", rows(1, 1))
    with pytest.raises(storage.TransactionInDoubt, match='"checkpoint 7" is prepared') as caught:
        topics.transaction("checkpoint 7")
    assert caught.value.hint == "commit or abort it first"
    [info] = topics.transactions.unfinished()
    assert (info.id, info.name, info.state) == (known, "checkpoint 7", "prepared")
    assert info.partitions == [("a", 0), ("b", 0)]
    topics.transactions.prepared(known).commit()
    assert seen(topics) == [[1], [], [2]]
    with pytest.raises(storage.TransactionNotFound):
        topics.transactions.prepared(known)
    with topics.transaction("checkpoint 7") as t:
        t.append("a", rows(3, 1))
        known = t.prepare()
    topics.transactions.prepared(known).abort()
    assert seen(topics) == [[1], [], [2]]


@pytest.mark.parametrize("outcome", ["commit", "abort"])
@pytest.mark.parametrize("restarts", [1, 2])
def test_a_prepared_transaction_survives_restarts(tmp_path: Path, outcome: str, restarts: int) -> None:
    with quick(str(tmp_path)) as opened:
        opened.create_topic("a", SCHEMA, storage.TopicConfig(partitions=2))
        opened.create_topic("b", SCHEMA)
        t = opened.transaction("job")
        t.append("a", rows(1, 1))
        t.append("b", rows(2, 1))
        t.commit_offsets("g", {("a", 1): 0})
        known = t.prepare()
        opened.topic("a").partitions[0].append(rows(3, 1))
    for _ in range(restarts):
        with quick(str(tmp_path)) as opened:
            assert seen(opened) == [[], [], []]
            assert opened.offsets.fetch("g") == {}
            [info] = opened.transactions.unfinished()
            assert (info.id, info.name, info.state, len(info.partitions)) == (known, "job", "prepared", 2)
            with pytest.raises(storage.TransactionInDoubt):
                opened.transaction("job")
            with opened.transaction() as other:
                other.append("a", rows(4, 1), partition=1)
            opened.topic("a").partitions[1].delete_before(opened.topic("a").partitions[1].end_offset)
    with quick(str(tmp_path)) as opened:
        getattr(opened.transactions.prepared(known), outcome)()
        expected = [[1, 3], [], [2]] if outcome == "commit" else [[3], [], []]
        offsets = {("a", 1): 0} if outcome == "commit" else {}
        assert seen(opened) == expected and opened.offsets.fetch("g") == offsets
    with quick(str(tmp_path)) as opened:
        assert seen(opened) == expected and opened.offsets.fetch("g") == offsets
        assert opened.transactions.unfinished() == [] and opened.offsets.decisions() == []


# --- readers ---


def test_a_waiting_reader_is_woken_by_the_commit(topics: storage.Storage) -> None:
    t = topics.transaction()
    t.append("a", rows(1, 2))
    t.append("b", rows(3, 1))
    with storage.Consumer(topics, topics=["a", "b"]) as consumer:
        assert consumer.poll() == []
        assert all(lag == 0 for lag in consumer.lag().values())
        threading.Timer(0.05, t.commit).start()
        polled = consumer.poll(timeout_ms=60_000)
        found = {(each.topic, each.partition): each.batch.column("n").to_pylist() for each in polled}
        assert found == {("a", 0): [1, 2], ("b", 0): [3]}, "both topics at once"
        assert consumer.poll() == []
        assert all(lag == 0 for lag in consumer.lag().values()), "markers are passed"


def test_a_consumer_may_see_what_is_undecided(topics: storage.Storage) -> None:
    t = topics.transaction()
    t.append("b", rows(1, 1))
    with storage.Consumer(topics, topics=["b"], isolation="read_uncommitted") as consumer:
        topics.topic("b").partitions[0].flush()
        assert [each.batch.column("n").to_pylist() for each in consumer.poll()] == [[1]]
        t.abort()
        topics.topic("b").partitions[0].append(rows(2, 1))
        assert [each.batch.column("n").to_pylist() for each in consumer.poll()] == [[2]]
    with storage.Consumer(topics, topics=["b"]) as consumer:
        assert [each.batch.column("n").to_pylist() for each in consumer.poll()] == [[2]]


def test_latest_is_the_last_stable_record(topics: storage.Storage) -> None:
    t = topics.transaction()
    t.append("b", rows(1, 1))
    with storage.Consumer(topics, topics=["b"], auto_offset_reset="latest") as consumer:
        assert consumer.poll() == []
        t.commit()
        assert [each.batch.column("n").to_pylist() for each in consumer.poll()] == [[1]]


def test_times_are_looked_up_among_what_can_be_read(topics: storage.Storage) -> None:
    log = topics.topic("b").partitions[0]
    log.append(rows(0, 1), timestamp_us=10)
    aborted = topics.transaction()
    aborted.append("b", rows(1, 1))
    aborted.abort()
    log.append(rows(2, 1), timestamp_us=5_000_000_000_000_000)
    pending = topics.transaction()
    pending.append("b", rows(3, 1))
    assert log.offset_for_timestamp(11) == 3, "after the aborted record and its marker"
    assert log.offset_for_timestamp(5_000_000_000_000_001) is None
    pending.abort()


def test_columns_of_what_is_hidden(topics: storage.Storage) -> None:
    t = topics.transaction()
    t.append("b", rows(1, 3))
    t.abort()
    topics.maintain()
    frames = topics.topic("b").partitions[0].read(1, columns=["s"])
    assert [(f.base_offset, f.next_offset, f.record_count) for f in frames] == [(1, 3, 0), (3, 4, 0)]
    for frame in frames:
        assert frame.batch.schema.names == ["s"] and frame.batch.num_rows == 0
        assert frame.offsets().tolist() == [] and frame.statistics == {}


# --- consumer offsets ---


def test_read_process_write(topics: storage.Storage) -> None:
    topics.topic("b").partitions[0].append(rows(0, 10))
    fail = True
    for _ in range(20):
        with storage.Consumer(topics, group="g", topics=["b"], auto_commit=False) as consumer:
            received = consumer.poll(max_rows=3)
            if not received:
                break
            with topics.transaction("doubler") as t:
                for each in received:
                    doubled = pa.record_batch(
                        [pa.array([2 * n for n in each.batch.column("n").to_pylist()]), each.batch.column("s")], SCHEMA
                    )
                    t.append("a", doubled)
                    t.commit_offsets(consumer.group_member, {(each.topic, each.partition): each.next_offset})
                fail = not fail
                if fail:
                    t.abort()
    assert seen(topics)[0] == [2 * n for n in range(10)]
    assert topics.groups.committed("g") == {("b", 0): 10}


def test_offsets_of_who_lost_the_partition_abort_the_transaction(topics: storage.Storage) -> None:
    topics.topic("b").partitions[0].append(rows(0, 10))
    old = storage.Consumer(topics, group="g", topics=["b"], auto_commit=False, instance_id="one")
    old.poll(5)
    t = topics.transaction()
    t.append("a", rows(0, 1))
    t.commit_offsets(old.group_member, {("b", 0): 5})
    new = storage.Consumer(topics, group="g", topics=["b"], auto_commit=False, instance_id="one")
    new.poll(1)
    with pytest.raises(storage.MemberFenced):
        t.commit()
    assert t.phase == "aborted" and seen(topics)[0] == []
    with pytest.raises(storage.MemberFenced):
        topics.transaction().commit_offsets(old.group_member, {("b", 0): 5})
    with pytest.raises(storage.OffsetOutOfRange):
        topics.transaction().commit_offsets(new.group_member, {("b", 0): 11})
    with pytest.raises(storage.GroupInUse):
        topics.transaction().commit_offsets("g", {("b", 0): 1})
    with pytest.raises(storage.TopicNotFound):
        topics.transaction().commit_offsets("other", {("zz", 0): 1})
    assert topics.groups.committed("g") == {}


def test_offsets_alone_may_be_a_transaction(topics: storage.Storage) -> None:
    topics.topic("b").partitions[0].append(rows(0, 10))
    with topics.transaction() as t:
        t.commit_offsets("g", {("b", 0): 4})
        t.commit_offsets("h", {("b", 0): 7})
        assert topics.groups.committed("g") == {}
    assert topics.groups.committed("g") == {("b", 0): 4} and topics.groups.committed("h") == {("b", 0): 7}


# --- producers ---


def test_a_producer_sends_in_transactions(topics: storage.Storage) -> None:
    with storage.Producer(topics, name="loader") as producer:
        producer.send("b", rows(0, 1))
        producer.begin()
        producer.send("a", rows(1, 2), partition=0)
        delivery = producer.send("b", rows(3, 1))
        assert [each.base_offset for each in delivery.result()] == [1]
        assert seen(topics) == [[], [], [0]]
        producer.commit()
        assert seen(topics) == [[1, 2], [], [0, 3]]
        producer.begin()
        producer.send("a", rows(4, 1), partition=1)
        producer.abort()
        producer.begin()
        producer.send("a", rows(5, 1), partition=1)
        producer.commit_offsets("g", {("b", 0): 1})
        known = producer.prepare()
        assert seen(topics) == [[1, 2], [], [0, 3]]
        with pytest.raises(storage.TransactionInDoubt):
            producer.begin()
        topics.transactions.prepared(known).commit()
        producer.send("b", rows(6, 1))
    assert seen(topics) == [[1, 2], [5], [0, 3, 6]]
    assert topics.groups.committed("g") == {("b", 0): 1}


def test_a_producer_without_a_transaction_says_so(topics: storage.Storage) -> None:
    with storage.Producer(topics) as producer:
        for call in (producer.commit, producer.abort, producer.prepare, lambda: producer.commit_offsets("g", {})):
            with pytest.raises(storage.TransactionFinished, match="has no transaction"):
                call()
        producer.begin()
        with pytest.raises(storage.TransactionInDoubt, match="is open"):
            producer.begin()
        producer.send("a", rows(1, 1), partition=0)
    assert seen(topics)[0] == [], "closing aborts"


def test_a_producer_that_is_replaced_can_commit_no_more(topics: storage.Storage) -> None:
    old = storage.Producer(topics, name="loader")
    old.begin()
    old.send("a", rows(1, 1), partition=0).result()
    with storage.Producer(topics, name="loader") as new:
        with pytest.raises(storage.ProducerFenced):
            old.commit()
        old.abort()
        with pytest.raises(storage.ProducerFenced):
            old.begin()
        new.begin()
        new.send("a", rows(2, 1), partition=0)
        new.commit()
    old.close()
    assert seen(topics)[0] == [2]


# --- threads ---


def test_two_threads_and_a_reader_that_sees_no_half(topics: storage.Storage) -> None:
    """Each transaction puts one row into every partition; a reader of one moment has as many of one as of another."""
    stop = threading.Event()
    failures: list[str] = []
    count = 60

    def write(first: int) -> None:
        for number in range(first, first + count):
            with topics.transaction() as t:
                t.append("a", rows(number, 1))
                t.append("b", rows(number, 1))
                t.append("a", rows(number, 1), partition=1)
                if number % 5 == 4:
                    t.abort()

    def read() -> None:
        while not stop.is_set():
            with storage.Consumer(topics, topics=["a", "b"]) as consumer:
                for _ in range(20):
                    found: dict[tuple[str, int], list[int]] = {("a", 0): [], ("a", 1): [], ("b", 0): []}
                    for each in consumer.poll(timeout_ms=1):
                        found[each.topic, each.partition] += each.batch.column("n").to_pylist()
                    if len({tuple(sorted(values)) for values in found.values()}) != 1:
                        failures.append(str(found))

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 1000)]
    reader = threading.Thread(target=read)
    reader.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert not failures, failures[0]
    expected = sorted(n for first in (0, 1000) for n in range(first, first + count) if n % 5 != 4)
    assert [sorted(values) for values in seen(topics)] == [expected] * 3


@pytest.mark.parametrize("restarts", [False, True])
def test_what_is_behind_an_open_transaction_in_one_partition_waits_in_all(tmp_path: Path, restarts: bool) -> None:
    opened = quick(str(tmp_path))
    for name in ("a", "b"):
        opened.create_topic(name, SCHEMA)
    with opened.transaction() as first:
        first.append("a", rows(0, 1))
        known = first.prepare()
    for number in (1, 2):
        with opened.transaction() as t:
            t.append("b", rows(number, 1))
            t.append("a", rows(number, 1))
    opened.topic("b").partitions[0].append(rows(3, 1))
    if restarts:
        opened.close()
        opened = quick(str(tmp_path))
    with storage.Consumer(opened, topics=["a", "b"]) as consumer:
        assert consumer.poll() == []
        assert consumer.poll(timeout_ms=20) == [], "and it waits"
        opened.transactions.prepared(known).commit()
        found: dict[str, list[int]] = {"a": [], "b": []}
        for each in consumer.poll():
            found[each.topic] += each.batch.column("n").to_pylist()
        assert found == {"a": [0, 1, 2], "b": [1, 2, 3]}
    opened.maintain()
    opened.close()
    with quick(str(tmp_path)) as opened:
        assert opened.offsets.decisions() == []


def test_what_is_behind_something_that_waits_waits_too(topics: storage.Storage) -> None:
    """`late` is behind `open` in a, and before `early` in b: neither is seen, though `early` is first in a."""
    early, still_open, late = (topics.transaction() for _ in range(3))
    early.append("a", rows(1, 1))
    still_open.append("a", rows(2, 1))
    late.append("a", rows(3, 1))
    late.append("b", rows(3, 1))
    early.append("b", rows(1, 1))
    logs = [topics.topic(name).partitions[0] for name in ("a", "b")]
    early.commit()
    assert topics.transactions.cut(logs) == [0, 0]
    late.commit()
    assert topics.transactions.cut(logs) == [0, 0]
    assert [log.last_stable_offset for log in logs] == [1, logs[1].high_watermark], "each by itself"
    still_open.abort()
    assert topics.transactions.cut(logs) == [log.high_watermark for log in logs]
    assert seen(topics) == [[1, 3], [], [3, 1]]


def test_a_partition_that_comes_late_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without a leader when the storage is opened, for instance: what is open in it is decided when it is there."""
    with quick(str(tmp_path)) as opened:
        for name in ("a", "b"):
            opened.create_topic(name, SCHEMA)
        prepared = []
        for number in range(3):
            with opened.transaction() as t:
                t.append("a", rows(number, 1))
                t.append("b", rows(number, 1))
                prepared.append(t.prepare())
    with quick(str(tmp_path)) as opened:
        with monkeypatch.context() as patch:  # the decisions reach one partition only
            patch.setattr(opened.topic("b").partitions[0], "settle", lambda *decided: None)
            patch.setattr(opened.topic("b").partitions[0], "mark", lambda *decided: 0)
            opened.transactions.prepared(prepared[0]).commit()
            opened.transactions.prepared(prepared[1]).abort()
    real = FileLog.open_transactions
    with monkeypatch.context() as patch:
        patch.setattr(FileLog, "open_transactions", lambda log: real(log) if log.context.name == "a" else [])
        opened = quick(str(tmp_path))
    assert numbers(opened.topic("b").partitions[0]) == []
    opened.maintain()
    assert [numbers(opened.topic(name).partitions[0]) for name in ("a", "b")] == [[0], [0]]
    opened.transactions.prepared(prepared[2]).commit()
    assert [numbers(opened.topic(name).partitions[0]) for name in ("a", "b")] == [[0, 2], [0, 2]]
    opened.close()
