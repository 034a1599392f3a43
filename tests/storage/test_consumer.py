from __future__ import annotations

import errno
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from storage.faults import FaultyEnv
from storage.offsets.assignment import TopicPartition
from tests.storage.conftest import SCHEMA, QuickEnv, quick, rows


def fill(opened: storage.Storage, topic: str = "t", partitions: int = 3, each: int = 100) -> storage.Topic:
    """A topic whose partition p has rows numbered from p * 1000 on, ten an append."""
    made = opened.create_topic(topic, SCHEMA, storage.TopicConfig(partitions=partitions, segment_bytes=4096))
    for number, log in enumerate(made.partitions):
        for first in range(0, each, 10):
            log.append(rows(number * 1000 + first, 10), timestamp_us=first)
    return made


def numbers(found: list[storage.Received]) -> list[int]:
    """Column n of what a poll returned."""
    return [n for received in found for n in received.batch.column("n").to_pylist()]


def drain(consumer: storage.Consumer, max_rows: int = 64) -> list[int]:
    """All that is there now."""
    result: list[int] = []
    while found := consumer.poll(max_rows):
        result += numbers(found)
    return result


@pytest.fixture
def clocked(scratch: Path) -> Iterator[tuple[storage.Storage, FaultyEnv]]:
    """A storage whose clock the test moves."""
    env = FaultyEnv(str(scratch / "trash"), base=QuickEnv())
    env.now = 0
    with storage.Storage.open(str(scratch / "data"), env=env) as opened:
        yield opened, env


# ---------------------------------------------------------------- reading


def test_all_records_come_once_in_the_order_of_their_partitions(opened: storage.Storage) -> None:
    fill(opened)
    with storage.Consumer(opened, topics=["t"]) as consumer:
        found = drain(consumer, max_rows=7)
        assert sorted(found) == [p * 1000 + n for p in range(3) for n in range(100)]
        for partition in range(3):
            mine = [n for n in found if n // 1000 == partition]
            assert mine == sorted(mine)
        assert consumer.positions() == {("t", p): 100 for p in range(3)}
        assert consumer.poll(timeout_ms=1) == []


def test_a_poll_is_fair_to_partitions_and_uses_what_others_leave(opened: storage.Storage) -> None:
    topic = fill(opened, each=0)
    for _ in range(20):
        topic.partitions[0].append(rows(0, 100))
    topic.partitions[1].append(rows(1000, 5))
    topic.partitions[2].append(rows(2000, 100))
    with storage.Consumer(opened, topics=["t"]) as consumer:
        rows_of = {0: 0, 1: 0, 2: 0}
        for received in consumer.poll(max_rows=90):
            rows_of[received.partition] += received.num_rows
        assert rows_of[1] == 5 and sum(rows_of.values()) == 90
        assert min(rows_of[0], rows_of[2]) >= 30
        first = {consumer.poll(max_rows=1)[0].partition for _ in range(4)}
        assert first == {0, 2}, "the first turn goes round"


def test_received_rows_are_where_they_say(opened: storage.Storage) -> None:
    fill(opened, partitions=1)
    with storage.Consumer(opened, topics=["t"], columns=["s"]) as consumer:
        consumer.poll(max_rows=15)
        (first, second) = consumer.poll(max_rows=8)
        assert (first.topic, first.partition, first.base_offset, first.next_offset) == ("t", 0, 15, 20)
        assert (second.base_offset, second.num_rows) == (20, 3)
        assert first.batch.schema.names == ["s"] and first.batch.column(0).to_pylist()[0] == "row 15"


def test_a_poll_waits_for_records(opened: storage.Storage) -> None:
    topic = fill(opened, each=0)
    with storage.Consumer(opened, topics=["t"]) as consumer:
        assert consumer.poll() == []
        for append in (
            lambda: topic.partitions[1].append(rows(7, 1)),
            lambda: opened.append_many([(topic.partitions[2], rows(7, 1))]),
        ):
            late = threading.Timer(0.05, append)
            late.start()
            assert numbers(consumer.poll(timeout_ms=60_000)) == [7]
            late.join()
        late = threading.Timer(0.05, consumer.wakeup)
        late.start()
        assert consumer.poll(timeout_ms=60_000) == []
        late.join()


def test_positions_are_sought_by_offset_time_and_end(opened: storage.Storage) -> None:
    fill(opened)
    with storage.Consumer(opened, topics=["t"]) as consumer:
        consumer.seek("t", 1, 95)
        consumer.pause(("t", 0), ("t", 2))
        assert consumer.paused == [("t", 0), ("t", 2)]
        assert drain(consumer) == [1095, 1096, 1097, 1098, 1099]
        consumer.seek_to_timestamp(75)
        assert consumer.positions() == {("t", p): 80 for p in range(3)}, "time is known by append"
        consumer.seek_to_timestamp(5000, ("t", 0))
        assert consumer.lag() == {("t", 0): 0, ("t", 1): 20, ("t", 2): 20}
        consumer.seek_to_beginning(("t", 0))
        consumer.seek_to_end(("t", 1))
        assert consumer.lag() == {("t", 0): 100, ("t", 1): 0, ("t", 2): 20}
        consumer.resume(("t", 0))
        assert drain(consumer) == list(range(100))
        consumer.resume()
        assert drain(consumer) == list(range(2080, 2100))
        with pytest.raises(storage.InvalidConfig, match="t-9 is not assigned"):
            consumer.seek("t", 9, 0)
        with pytest.raises(storage.InvalidConfig, match="cannot seek to offset -1"):
            consumer.seek("t", 0, -1)


@pytest.mark.parametrize("policy", ["earliest", "latest", "error"])
def test_without_a_valid_position_the_reset_policy_decides(opened: storage.Storage, policy: str) -> None:
    log = fill(opened, partitions=1).partitions[0]
    with storage.Consumer(opened, group="g", topics=["t"], auto_offset_reset=policy) as consumer:
        if policy == "error":
            with pytest.raises(storage.OffsetOutOfRange, match="t-0 has no committed offset"):
                consumer.poll()
            consumer.seek("t", 0, 0)
        early = drain(consumer)
        log.append(rows(100, 1))
        assert early + drain(consumer) == ([100] if policy == "latest" else list(range(101)))
        log.append(rows(101, 50))
        log.delete_before(130)
        if policy == "error":
            with pytest.raises(storage.OffsetOutOfRange, match="t-0 does not have the offset 101"):
                consumer.poll()
            consumer.seek_to_beginning()
        assert drain(consumer) == ([] if policy == "latest" else list(range(130, 151)))
        consumer.seek("t", 0, 99999)
        if policy != "error":
            assert drain(consumer) == ([] if policy == "latest" else list(range(130, 151)))


def test_a_damaged_partition_does_not_keep_others_from_being_read(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        fill(opened, partitions=2)
    first = min((scratch / "topics").glob("t-*/0/*.log"))
    data = bytearray(first.read_bytes())
    data[80] ^= 1
    first.write_bytes(bytes(data))
    with quick(str(scratch)) as opened, storage.Consumer(opened, topics=["t"]) as consumer:
        found: list[int] = []
        with pytest.raises(storage.CorruptLog):
            while True:
                found += numbers(consumer.poll(max_rows=30))
        assert found == list(range(1000, 1100))
        consumer.pause(("t", 0))
        assert consumer.poll() == []


# ---------------------------------------------------------------- commits


def test_what_polls_returned_is_committed_by_the_next_poll_and_by_closing(
    clocked: tuple[storage.Storage, FaultyEnv],
) -> None:
    opened, env = clocked
    fill(opened, partitions=1)
    with storage.Consumer(opened, group="g", topics=["t"], auto_commit_interval_ms=1000) as consumer:
        consumer.poll(30)
        consumer.poll(30)
        assert consumer.committed("t", 0) is None, "the interval is not over"
        env.now += 1_000_000
        consumer.poll(30)
        assert consumer.committed("t", 0) == 60, "what this poll returns may not be done yet"
    assert opened.offsets.fetch("g") == {("t", 0): 90}
    with pytest.raises(ZeroDivisionError), storage.Consumer(opened, group="g", topics=["t"]) as consumer:
        assert numbers(consumer.poll(5)) == [90, 91, 92, 93, 94]
        raise ZeroDivisionError
    assert opened.offsets.fetch("g") == {("t", 0): 90}, "after an error nothing is committed by itself"


def test_a_full_disk_keeps_nobody_from_reading_and_commits_are_made_good(
    clocked: tuple[storage.Storage, FaultyEnv],
) -> None:
    opened, env = clocked
    fill(opened, partitions=1)
    with storage.Consumer(opened, group="g", topics=["t"], auto_commit_interval_ms=1000) as consumer:
        consumer.poll(30)
        env.now += 1_000_000
        env.fail("write", 1, errno.ENOSPC)
        assert len(numbers(consumer.poll(30))) == 30
        assert isinstance(consumer.commit_failure, storage.DiskFull)
        assert consumer.committed("t", 0) is None
        env.fail("write", 1, errno.ENOSPC)
        with pytest.raises(storage.DiskFull):
            consumer.commit()
        env.now += 1_000_000
        consumer.poll(30)
        assert consumer.committed("t", 0) == 60 and consumer.commit_failure is None
        env.fail("sync", 1, errno.EIO)
        with pytest.raises(storage.LogFailed):
            consumer.commit()
        with pytest.raises(storage.LogFailed):
            consumer.close()
    assert opened.groups.describe()[0][3:] == (None, 60, 100, 40, "empty"), "it left all the same"


def test_manual_commits(opened: storage.Storage) -> None:
    fill(opened)
    with storage.Consumer(opened, group="g", topics=["t"], auto_commit=False) as consumer:
        (received, *_) = consumer.poll(9)
        consumer.commit({("t", received.partition): received.next_offset})
        assert opened.groups.committed("g") == {("t", received.partition): received.next_offset}
        consumer.commit()
        assert opened.groups.committed("g") == consumer.positions()
        with pytest.raises(storage.OffsetOutOfRange, match="offset 101 cannot be committed"):
            consumer.commit({("t", 0): 101})
        with pytest.raises(storage.TopicNotFound, match='topic "t" has no partition 3'):
            consumer.commit({("t", 3): 0})
    with (
        storage.Consumer(opened, topics=["t"]) as consumer,
        pytest.raises(storage.InvalidConfig, match="without a group"),
    ):
        consumer.commit()


def test_a_consumer_of_given_partitions_keeps_offsets_but_is_no_member(opened: storage.Storage) -> None:
    fill(opened)
    with storage.Consumer(opened, group="g", partitions=[("t", 1)]) as consumer:
        assert drain(consumer) == list(range(1000, 1100))
    assert opened.offsets.fetch("g") == {("t", 1): 100}
    with storage.Consumer(opened, group="g", topics=["t"]) as member:
        member.poll()
        with storage.Consumer(opened, group="g", partitions=[("t", 1)], auto_commit=False) as consumer:
            consumer.seek("t", 1, 0)
            consumer.poll(10)
            with pytest.raises(storage.GroupInUse):
                consumer.commit()


def test_commits_that_wait_together_share_one_record(opened: storage.Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(opened)
    written: list[dict[str, object]] = []
    append = opened.offsets._journal.append
    monkeypatch.setattr(opened.offsets._journal, "append", lambda record: (written.append(record), append(record)))
    refused = threading.Event()

    def refuse() -> None:
        refused.set()
        raise storage.MemberFenced("too late")

    def commit(number: int) -> None:
        opened.offsets.commit(f"g{number}", {("t", 0): number})

    with opened.offsets._write_lock:
        threads = [threading.Thread(target=commit, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        while len(opened.offsets._queue) < 8:
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert len(written) == 1
    assert [opened.offsets.fetch(f"g{n}") for n in range(8)] == [{("t", 0): n} for n in range(8)]
    with pytest.raises(storage.MemberFenced, match="too late"):
        opened.offsets.commit("g0", {("t", 0): 99}, allowed=refuse)
    assert refused.is_set() and len(written) == 1 and opened.offsets.fetch("g0") == {("t", 0): 0}


def test_shared_commits_are_replayed(scratch: Path) -> None:
    with quick(str(scratch)) as opened:
        opened.offsets._journal.append(
            {
                "together": [
                    {"group": "a", "positions": [["t", 0, 5]], "metadata": ""},
                    {"group": "b", "positions": [["t", 1, 6]], "metadata": "m"},
                    {"group": "a", "deleted": True},
                ]
            }
        )
    with quick(str(scratch)) as opened:
        assert opened.offsets.groups() == ["b"] and opened.offsets.fetch("b") == {("t", 1): 6}


# ---------------------------------------------------------------- groups


def test_members_share_partitions_and_lose_none_when_they_come_and_go(opened: storage.Storage) -> None:
    """Consumers that commit what they took come and go at random while rows arrive: every row is read once."""
    for seed in range(15):
        rng = random.Random(seed)
        topic = fill(opened, f"t{seed}", partitions=5, each=20)
        assignor = rng.choice(["sticky", "range", "round_robin"])
        read: list[int] = []
        consumers: list[storage.Consumer] = []
        written = [p * 1000 + n for p in range(5) for n in range(20)]
        for step in range(60):
            action = rng.random()
            if not consumers or (action < 0.1 and len(consumers) < 6):
                consumers.append(storage.Consumer(opened, group=f"g{seed}", topics=[topic.name], assignor=assignor))
            elif action < 0.15:
                consumers.pop(rng.randrange(len(consumers))).close()
            elif action < 0.2:
                opened.alter_topic(topic.name, partitions=len(topic.partitions) + 1)
            elif action < 0.4:
                log = rng.choice(topic.partitions)
                batch = rows(log.partition * 1000 + log.end_offset, 7)
                log.append(batch)
                written += batch.column("n").to_pylist()
            else:
                read += numbers(rng.choice(consumers).poll(rng.randrange(1, 40)))
            owned = [each for consumer in consumers for each in consumer.assignment]
            assert len(owned) == len(set(owned)), f"seed {seed} step {step}"
        for _ in range(4):
            for consumer in consumers:
                read += drain(consumer)
        assert sorted(read) == sorted(written), f"seed {seed}"
        counts = [len(consumer.assignment) for consumer in consumers]
        assert sum(counts) == len(topic.partitions) and max(counts) - min(counts) <= 1
        for consumer in consumers:
            consumer.close()
        assert {each.lag for each in opened.groups.describe() if each.group == f"g{seed}"} == {0}


def test_threads_of_one_group_read_everything_once(opened: storage.Storage) -> None:
    topic = fill(opened, partitions=6, each=0)
    total, lock, read, stop = 3000, threading.Lock(), [], threading.Event()

    def consume(number: int) -> None:
        with storage.Consumer(opened, group="g", topics=["t"], client_id=f"c{number}") as consumer:
            while not stop.is_set():
                found = numbers(consumer.poll(50, timeout_ms=20))
                with lock:
                    read.extend(found)
                    if len(read) >= total:
                        stop.set()

    threads = [threading.Thread(target=consume, args=(n,)) for n in range(3)]
    for number, thread in enumerate(threads):
        thread.start()
        for first in range(number * 1000, number * 1000 + 1000, 10):
            topic.partitions[first // 10 % 6].append(rows(first, 10))
    for thread in threads:
        thread.join(60)
    assert sorted(read) == list(range(total))


def test_listeners_hear_of_rebalances_and_may_commit_what_goes(opened: storage.Storage) -> None:
    fill(opened, partitions=4)
    heard: list[tuple[str, list[TopicPartition]]] = []
    first = storage.Consumer(
        opened,
        group="g",
        topics=["t"],
        auto_commit=False,
        on_assigned=lambda p: heard.append(("assigned", p)),
        on_revoked=lambda p: (heard.append(("revoked", p)), first.commit()),
    )
    first.poll(40)
    assert heard == [("assigned", [("t", n) for n in range(4)])]
    with storage.Consumer(opened, group="g", topics=["t"], auto_commit=False) as second:
        assert second.poll() == [], "nothing is free before the first gives it up"
        first.poll(40)
        ((what, gone),) = heard[1:]
        assert what == "revoked" and len(gone) == 2
        second.poll(20)
        assert second.assignment == gone
        assert [second.position(*each) for each in gone] == [20, 20], "it goes on from the commit of the listener"
    first.poll()
    assert heard[2:] == [("assigned", gone)]
    first.close()
    assert heard[3:] == [("revoked", [("t", n) for n in range(4)])]
    first.close()
    with pytest.raises(storage.StorageClosed, match="the consumer is closed"):
        first.poll()


def test_who_is_silent_for_too_long_is_put_out_and_told(clocked: tuple[storage.Storage, FaultyEnv]) -> None:
    opened, env = clocked
    fill(opened, partitions=2)
    lost: list[TopicPartition] = []
    slow = storage.Consumer(
        opened, group="g", topics=["t"], session_timeout_ms=1000, auto_commit=False, on_lost=lost.extend
    )
    slow.poll(20)
    env.now += 900_000
    slow.heartbeat()
    env.now += 900_000
    slow.commit()
    quick_one = storage.Consumer(opened, group="g", topics=["t"])
    quick_one.poll()
    env.now += 1_000_000
    read = numbers(quick_one.poll(1000))
    assert len(read) == 180 and quick_one.assignment == [("t", 0), ("t", 1)]
    with pytest.raises(storage.MemberFenced, match='not in consumer group "g": its session timed out') as caught:
        slow.commit({("t", 0): 1})
    assert caught.value.sqlstate == "55000" and "session_timeout_ms" in str(caught.value.hint)
    with pytest.raises(storage.MemberFenced):
        slow.heartbeat()
    assert opened.groups.committed("g")[TopicPartition("t", 0)] == 10, "a late commit changes nothing"
    assert slow.poll() == [] and lost == [("t", 0), ("t", 1)], "it joins again"
    quick_one.poll()
    slow.poll()
    assert len(slow.assignment) == 1 and drain(slow) == []
    slow.close()
    quick_one.close()


def test_an_instance_takes_over_from_its_predecessor(opened: storage.Storage) -> None:
    fill(opened, partitions=2)
    old = storage.Consumer(opened, group="g", topics=["t"], instance_id="worker", auto_commit=False)
    old.poll(10)
    old.commit()
    old.poll(10)
    new = storage.Consumer(opened, group="g", topics=["t"], instance_id="worker")
    assert len(drain(new)) == 190
    for call in (old.poll, old.commit, old.heartbeat):
        with pytest.raises(storage.MemberFenced, match='another consumer joined as instance "worker"'):
            call()
    old.close()
    new.close()
    with storage.Consumer(opened, group="g", topics=["t"], instance_id="worker") as third:
        assert drain(third) == [], "an instance that closed is still a member, and comes back to its partitions"
        assert len(third.assignment) == 2


@pytest.mark.parametrize("group", ["g", None])
def test_a_partition_that_is_added_is_read_from_its_beginning(opened: storage.Storage, group: str | None) -> None:
    topic = fill(opened, partitions=1)
    with storage.Consumer(opened, group=group, topics=["t"], auto_offset_reset="latest") as consumer:
        assert consumer.poll() == []
        opened.alter_topic("t", partitions=2)
        topic.partitions[1].append(rows(1000, 3))
        topic.partitions[0].append(rows(100, 1))
        assert sorted(drain(consumer)) == [100, 1000, 1001, 1002]


@pytest.mark.parametrize("group", ["g", None])
def test_a_topic_that_is_dropped_and_made_anew_is_read_from_its_beginning(
    opened: storage.Storage, group: str | None
) -> None:
    fill(opened, "other", partitions=1, each=10)
    fill(opened, partitions=2)
    with storage.Consumer(opened, group=group, topics=["t", "other"]) as consumer:
        assert len(drain(consumer)) == 210
        opened.drop_topic("t")
        assert consumer.poll() == [] and consumer.assignment == [("other", 0)]
        fill(opened, partitions=2, each=10)
        assert len(drain(consumer)) == 20
        opened.drop_topic("t")
        fill(opened, partitions=2, each=30)
        assert len(drain(consumer)) == 60
    if group is not None:
        assert opened.groups.committed(group) == {("other", 0): 10, ("t", 0): 30, ("t", 1): 30}


def test_groups_are_described_reset_and_dropped(opened: storage.Storage) -> None:
    from storage.offsets import places

    fill(opened, partitions=2)
    opened.offsets.commit("$ingest/s", {("t", 0): 5})
    with storage.Consumer(opened, group="g", topics=["t"], client_id="me", auto_commit=False) as consumer:
        consumer.poll(10)
        consumer.commit({("t", 0): 4})
        (first, second) = opened.groups.describe()
        assert first[:3] == ("g", "t", 0) and first[4:] == (4, 100, 96, "stable")
        assert second[4:] == (None, 100, None, "stable")
        assert first.member is not None and first.member == second.member and first.member.startswith("me-")
        for action in (lambda: opened.groups.reset("g", places.earliest), lambda: opened.groups.drop("g")):
            with pytest.raises(storage.GroupInUse, match="while it has 1 members"):
                action()
    assert [row.state for row in opened.groups.describe()] == ["empty"]
    assert opened.groups.reset("g", places.latest) == {("t", 0): 100, ("t", 1): 100}
    assert opened.groups.reset("g", places.earliest) == {("t", 0): 0, ("t", 1): 0}
    assert opened.groups.reset("g", places.at_offset(70)) == {("t", 0): 70, ("t", 1): 70}
    assert opened.groups.reset("g", places.at_offset(7000)) == {("t", 0): 100, ("t", 1): 100}
    assert opened.groups.reset("new", places.at_timestamp(55), topic="t") == {("t", 0): 60, ("t", 1): 60}
    assert opened.groups.names() == ["g", "new"], "groups of the layer above are not told"
    opened.groups.drop("new")
    for action in (
        lambda: opened.groups.drop("new"),
        lambda: opened.groups.reset("new", places.earliest),
    ):
        with pytest.raises(storage.GroupNotFound, match='consumer group "new" does not exist'):
            action()
    with pytest.raises(storage.TopicNotFound):
        opened.groups.reset("g", places.earliest, topic="nothing")
    for name in ("$ingest/s", "", "x" * 256):
        with pytest.raises(storage.InvalidConfig):
            opened.groups.reset(name, places.earliest)


# ---------------------------------------------------------------- bad input


def test_settings_that_make_no_sense_are_refused(opened: storage.Storage) -> None:
    fill(opened)
    bad: list[tuple[dict[str, object], type[storage.StorageError], str]] = [
        ({}, storage.InvalidConfig, "either topics or partitions"),
        ({"topics": ["t"], "partitions": [("t", 0)]}, storage.InvalidConfig, "either topics or partitions"),
        ({"topics": ["nothing"]}, storage.TopicNotFound, 'topic "nothing" does not exist'),
        ({"partitions": [("t", 9)]}, storage.TopicNotFound, 'topic "t" has no partition 9'),
        ({"topics": ["t"], "group": ""}, storage.InvalidConfig, "empty or too long"),
        ({"topics": ["t"], "group": "$x"}, storage.InvalidConfig, "reserved"),
        ({"topics": ["t"], "auto_offset_reset": "none"}, storage.InvalidConfig, "earliest, latest, error"),
        ({"topics": ["t"], "assignor": "best"}, storage.InvalidConfig, "range, round_robin, sticky"),
        ({"topics": ["t"], "session_timeout_ms": 0}, storage.InvalidConfig, "must be positive"),
        ({"topics": ["t"], "columns": ["n", "x"]}, storage.InvalidConfig, 'no column "x"'),
    ]
    for options, error, text in bad:
        with pytest.raises(error, match=text):
            storage.Consumer(opened, **options)  # type: ignore[arg-type]
    with storage.Consumer(opened, topics=["t"]) as consumer, pytest.raises(storage.InvalidConfig, match="max_rows"):
        consumer.poll(0)


def test_a_consumer_is_used_by_one_thread_at_a_time(opened: storage.Storage) -> None:
    fill(opened, each=0)
    with storage.Consumer(opened, topics=["t"]) as consumer:
        waiting = threading.Thread(target=consumer.poll, kwargs={"timeout_ms": 60_000})
        waiting.start()
        with pytest.raises(storage.ConsumerBusy, match="in use by another thread"):
            while waiting.is_alive():
                consumer.positions()
        consumer.wakeup()
        waiting.join()


def test_a_consumer_of_a_closed_storage_says_so() -> None:
    opened = quick(None)
    fill(opened)
    consumer = storage.Consumer(opened, topics=["t"])
    consumer.poll()
    opened.close()
    with pytest.raises(storage.StorageClosed):
        consumer.poll()


def test_rows_under_several_schemas_come_with_their_own(opened: storage.Storage) -> None:
    topic = fill(opened, partitions=1, each=10)
    wider = SCHEMA.append(pa.field("x", pa.float64()))
    topic.evolve(wider)
    topic.partitions[0].append(pa.RecordBatch.from_arrays([*rows(10, 2).columns, pa.array([0.5, 1.5])], schema=wider))
    with storage.Consumer(opened, topics=["t"]) as consumer:
        (old, new) = consumer.poll()
        assert old.batch.schema.equals(SCHEMA) and new.batch.schema.equals(wider)
