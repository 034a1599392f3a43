from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

import storage
from tests.nursery import Nursery, run_script
from tests.storage.conftest import numbers

ROOT = Path(__file__).resolve().parents[2]
CYCLES = int(os.environ.get("SQLENGINE_CRASH_CYCLES", "4"))


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["group", "os", "sync"])
def test_nothing_acknowledged_is_lost_or_repeated_when_the_process_is_killed(
    tmp_path: Path, durability: str, processes: Nursery
) -> None:
    rng = random.Random(durability)
    acknowledged = committed = 0
    newest: dict[str, int] = {}
    compacted = 0
    for cycle in range(CYCLES):
        acks = rng.choice((1, 30, rng.randrange(600)))
        waited_for = "" if cycle else "compacted"  # every later cycle finds compacted segments
        lines = _run_until_killed(processes, "crash_writer.py", tmp_path, durability, acks, waited_for)
        for kind, *values in lines:
            if kind == "ack":
                base, first = map(int, values)
                assert base == first, "a repeated or lost batch would move the offsets"
                acknowledged = max(acknowledged, first + 5)
            elif kind == "put":
                newest[values[1]] = int(values[0])
            elif kind == "commit":
                committed = int(values[0])
        with storage.Storage.open(str(tmp_path)) as opened:
            log = opened.topic("t").partitions[0]
            assert log.failure is None
            assert numbers(log) == list(range(log.start_offset, log.end_offset))
            assert acknowledged <= log.end_offset <= acknowledged + 10
            assert opened.offsets.fetch("g").get(("t", 0), 0) in (committed, committed + 1000)
            snapshot = opened.snapshots.latest("s")
            assert snapshot is None or snapshot.manifest["end"] in (committed, committed + 1000)
            compacted += check_keys(opened, newest)
    assert compacted > 0, "the test must find compacted segments"


def check_keys(opened: storage.Storage, newest: dict[str, int]) -> int:
    """Each key's latest record is the newest acknowledged one or one after it, every record is at its offset; returns
    how many records are gone.
    """
    if "c" not in {topic.name for topic in opened.topics()}:
        return 0
    log = opened.topic("c").partitions[0]
    assert log.failure is None
    last: dict[str, int] = {}
    offset = log.start_offset
    rows = 0
    while frames := log.read(offset):
        for frame in frames:
            offsets = frame.offsets().tolist()
            assert frame.batch.column("n").to_pylist() == offsets
            last |= dict(zip(frame.batch.column("s").to_pylist(), offsets, strict=True))
            rows += frame.record_count
        offset = frames[-1].next_offset
    assert offset == log.end_offset
    for key, expected in newest.items():
        assert last.get(key.replace("_", " "), -1) >= expected, f"an older value of {key} came back"
    return log.end_offset - rows


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["group", "os"])
def test_a_named_producer_goes_on_where_it_was_killed_and_groups_keep_their_commits(
    tmp_path: Path, durability: str, processes: Nursery
) -> None:
    rng = random.Random(durability)
    acknowledged, committed = [0, 0, 0], [0, 0, 0]
    for _ in range(CYCLES):
        lines = _run_until_killed(
            processes, "crash_producer.py", tmp_path, durability, acks=rng.choice((1, 9, rng.randrange(300)))
        )
        found = [int(number) for number in lines[0][1:]]
        assert all(number >= acked for number, acked in zip(found, acknowledged, strict=True))
        acknowledged = found
        for kind, *values in lines[1:]:
            if kind == "ack":
                partition, base, first = map(int, values)
                assert base == first, "a repeated or lost batch would move the offsets"
                acknowledged[partition] = max(acknowledged[partition], first + 5)
            else:
                committed = [int(value) for value in values]
        with storage.Storage.open(str(tmp_path)) as opened:
            known = opened.groups.committed("readers")
            for partition, log in enumerate(opened.topic("p").partitions):
                content = [n for frame in log.read(log.start_offset) for n in frame.batch.column(0).to_pylist()]
                assert content == list(range(log.start_offset, log.end_offset))
                assert acknowledged[partition] <= log.end_offset <= acknowledged[partition] + 5
                assert committed[partition] <= known.get(("p", partition), 0) <= log.end_offset


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["group", "os"])
def test_no_transaction_is_lost_repeated_or_seen_in_part(tmp_path: Path, durability: str, processes: Nursery) -> None:
    rng = random.Random(durability)
    committed: set[int] = set()
    aborted: set[int] = set()
    undecided: dict[str, int] = {}
    found_undecided = 0
    for cycle in range(CYCLES * 8):
        if cycle >= CYCLES * 2 and found_undecided:
            break  # the window between preparing and deciding is short: a few more kills find it
        lines = _run_until_killed(processes, "crash_transactions.py", tmp_path, durability, rng.choice((1, 5, 40, 150)))
        committed |= {undecided[name] for name in lines[0][1:]}  # by the next process
        undecided = {}
        for kind, *values in lines[1:]:
            if kind in ("preparing", "prepared"):
                undecided[values[0]] = int(values[1])
            elif kind in ("committed", "aborted"):
                (committed if kind == "committed" else aborted).add(int(values[0]))
        with storage.Storage.open(str(tmp_path)) as opened:
            logs = [log for topic in ("a", "b") for log in opened.topic(topic).partitions]
            waiting = {info.id for info in opened.transactions.unfinished()}
            assert waiting <= set(undecided), "only what was prepared is undecided"
            assert not waiting & {name for name, number in undecided.items() if number in committed | aborted}
            found_undecided += len(waiting)
            seen = _seen_of_one_moment(opened, logs)
            assert all(numbers == seen[0] for numbers in seen), "a transaction in part"
            assert len(set(seen[0])) == len(seen[0]), "a transaction twice"
            if not waiting:
                assert committed <= set(seen[0]), "a transaction lost"
            assert not aborted & set(seen[0])
            once = [number for number in seen[0] if number < 1_000_000]
            assert waiting or opened.offsets.fetch("g").get(("a", 0)) == (max(once) if once else None)
    assert committed and aborted and found_undecided > 0


def _seen_of_one_moment(opened: storage.Storage, logs: list[storage.Log]) -> list[list[int]]:
    """Sorted numbers of each partition."""
    return [
        sorted(n for frame in log.read(0, max_rows=end) for n in frame.batch.column("n").to_pylist())
        for log, end in zip(logs, opened.transactions.cut(logs), strict=True)
    ]


def _run_until_killed(
    processes: Nursery, script: str, path: Path, durability: str, acks: int, waited_for: str = ""
) -> list[list[str]]:
    """Lines of a writer that was killed some time after its `acks`-th line, and after one that begins with
    `waited_for`."""
    writer = processes.child(run_script, (str(ROOT / "tests/storage" / script), str(path), durability))
    with writer.told, open(os.dup(writer.told.fileno())) as told:
        lines = [told.readline() for _ in range(acks + 1)]
        while lines[-1] and waited_for and not lines[-1].startswith(waited_for):
            lines.append(told.readline())
        writer.kill()
        lines += told.readlines()
    assert lines[0].startswith("open"), lines[:5]
    return [line.split() for line in lines if line.endswith("\n")]
