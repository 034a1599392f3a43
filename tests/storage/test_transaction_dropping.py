"""What retention, compaction and truncation make of transactions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

import storage
from tests.storage.conftest import SCHEMA, numbers, quick, rows

FUTURE_MS = 10**13


def test_retention_leaves_open_transactions_alone(tmp_path: Path) -> None:
    for path in (str(tmp_path), None):
        with quick(path) as opened:
            config = storage.TopicConfig(segment_bytes=4096, retention_bytes=0)
            log = opened.create_topic("t", SCHEMA, config).partitions[0]
            log.append(rows(0, 100))
            t = opened.transaction()
            for number in range(100, 1000, 100):
                t.append("t", rows(number, 100))
            log.append(rows(1000, 100))
            opened.maintain()
            assert log.start_offset <= 100
            t.commit()
            assert numbers(log)[-1000:] == list(range(100, 1100))
            opened.maintain()
            assert log.start_offset > 100


def test_deleting_into_an_open_transaction(tmp_path: Path) -> None:
    for path in (str(tmp_path), None):
        with quick(path) as opened:
            log = opened.create_topic("t", SCHEMA).partitions[0]
            t = opened.transaction()
            t.append("t", rows(0, 10))
            opened.truncate_topic("t")
            assert numbers(log) == [] and log.last_stable_offset == 10
            t.append("t", rows(10, 5))
            t.commit()
            assert numbers(log) == list(range(10, 15))


def test_aborted_ranges_outlive_the_segments_before_them(tmp_path: Path) -> None:
    config = storage.TopicConfig(segment_bytes=4096)
    with quick(str(tmp_path)) as opened:
        log = opened.create_topic("t", SCHEMA, config).partitions[0]
        for number in range(0, 60, 3):
            log.append(rows(number, 1))
            t = opened.transaction()
            t.append("t", rows(number + 1, 1))
            t.append("t", rows(number + 2, 1))
            t.commit() if number % 2 else t.abort()
        assert log.segment_count > 2
        expected = numbers(log)
        start = log.end_offset // 2
    for cut in (0, start):
        with quick(str(tmp_path)) as opened:
            log = opened.topic("t").partitions[0]
            log.delete_before(max(cut, log.start_offset))
            assert numbers(log) == [n for n in expected if n in set(numbers(log))]
            assert set(numbers(log)) <= set(expected) and numbers(log)[-1] == expected[-1]
            if not cut:
                assert numbers(log) == expected


def keyed(first: int, keys: list[str]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(range(first, first + len(keys))), pa.array(keys)], SCHEMA)


@pytest.mark.parametrize("path", ["file", "memory"])
def test_compaction_forgets_what_was_aborted_and_waits_for_what_is_open(tmp_path: Path, path: str) -> None:
    config = storage.TopicConfig(
        segment_bytes=4096, cleanup="compact", key_columns=("s",), min_dirty_ratio=0.0, min_compaction_lag_ms=0
    )
    place = str(tmp_path) if path == "file" else None
    opened = quick(place)
    log = opened.create_topic("t", SCHEMA, config).partitions[0]
    log.append(keyed(0, ["x", "y"]))
    for number in range(10, 60, 5):
        t = opened.transaction()
        t.append("t", keyed(number, ["x", "gone"]))
        t.append("t", keyed(number + 2, ["y"]))
        t.abort() if number % 10 == 0 else t.commit()
    blocker = opened.transaction()
    blocker.append("t", keyed(100, ["x", "y"]))
    for number in range(110, 140, 5):
        log.append(keyed(number, ["z"]))
    removed = log.compact(FUTURE_MS)
    assert removed > 0
    latest = dict(zip(*(column(log, name) for name in ("s", "n")), strict=True))
    assert latest == {"x": 55, "gone": 56, "y": 57}
    assert numbers(log)[-3:] == [55, 56, 57], "the last committed of each key, in order"
    blocker.commit()
    latest = dict(zip(*(column(log, name) for name in ("s", "n")), strict=True))
    assert latest == {"gone": 56, "x": 100, "y": 101, "z": 135}
    for number in range(200, 230, 5):
        log.append(keyed(number, ["w"]))
    log.compact(FUTURE_MS)
    if place is not None:
        opened.close()
        for index in (tmp_path / "topics").rglob("*.index"):
            index.unlink()  # everything has to be found in the frames
        opened = quick(place)
        log = opened.topic("t").partitions[0]
    latest = dict(zip(*(column(log, name) for name in ("s", "n")), strict=True))
    assert latest == {"gone": 56, "x": 100, "y": 101, "z": 135, "w": 225}
    assert log.last_stable_offset == log.end_offset
    opened.close()


def column(log: storage.Log, name: str) -> list[object]:
    """A column of everything readable."""
    found: list[object] = []
    offset = log.start_offset
    while frames := log.read(offset):
        found += [value for frame in frames for value in frame.batch.column(name).to_pylist()]
        offset = frames[-1].next_offset
    return found


@pytest.mark.parametrize("path", ["file", "memory"])
def test_truncation_keeps_decisions(tmp_path: Path, path: str) -> None:
    with quick(str(tmp_path) if path == "file" else None) as opened:
        log = opened.create_topic("t", SCHEMA).partitions[0]
        with opened.transaction() as t:
            t.append("t", rows(0, 2))
            t.append("t", rows(2, 2))
        with pytest.raises(ZeroDivisionError), opened.transaction() as t:
            t.append("t", rows(4, 2))
            raise ZeroDivisionError
        log.truncate_to(7)
        assert numbers(log) == [0, 1, 2, 3], "the marker is gone, the abort is known"
        log.append(rows(9, 1))
        assert numbers(log) == [0, 1, 2, 3, 9]
        log.truncate_to(3)
        assert numbers(log) == [0, 1, 2], "so is the commit"
        log.append(rows(3, 1))
        assert numbers(log) == [0, 1, 2, 3]


@pytest.mark.parametrize("killed", [False, True])
def test_a_cut_marker_is_known_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool) -> None:
    """Also when the decision had been forgotten, since the marker was durable, and the journal written anew."""
    opened = quick(str(tmp_path / "db"))
    log = opened.create_topic("t", SCHEMA).partitions[0]
    for first, aborted in ((0, False), (4, True)):
        t = opened.transaction()
        t.append("t", rows(first, 4))
        (t.abort if aborted else t.commit)()
    log.append(rows(9, 1))
    opened.maintain()
    assert opened.offsets.decisions() == []
    monkeypatch.setattr("storage.offsets.store._REWRITE_RECORDS", 0)
    opened.offsets.commit("g", {("t", 0): 1})
    with monkeypatch.context() as patch:
        if killed:
            patch.setattr(type(log), "mark", _die)
            with pytest.raises(KeyboardInterrupt):
                opened.truncate(log, 2)
        else:
            opened.truncate(log, 2)
            assert numbers(log) == [0, 1]
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "db", copy)
    opened.close()
    with quick(str(copy)) as again:
        log = again.topic("t").partitions[0]
        assert numbers(log) == [0, 1] and log.last_stable_offset == log.end_offset
        log.append(rows(2, 1))
        assert numbers(log) == [0, 1, 2]


def _die(*_args: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kept", ["none", "first", "all"])
def test_records_whose_marker_was_compacted_away_count(tmp_path: Path, kept: str) -> None:
    """Whatever indexes are left: those of the segments before the marker say that the transaction is open."""
    config = storage.TopicConfig(segment_bytes=4096, cleanup="compact", key_columns=("s",), min_dirty_ratio=0.0)
    with quick(str(tmp_path)) as opened:
        log = opened.create_topic("t", SCHEMA, config).partitions[0]
        with opened.transaction() as t:
            for number in range(0, 60, 4):
                t.append("t", keyed(number, [f"key {n}" for n in range(number, number + 4)]))
            assert log.segment_count > 1
        for number in range(100, 140):
            log.append(keyed(number, ["again"]))
        before = {path.name for path in (tmp_path / "topics").rglob("*.index")}
        assert log.compact(FUTURE_MS) > 0
        log.append(keyed(200, ["last"]))
        frames = log.read(0, max_rows=10_000)
        assert not any(frame.ends_transaction or frame.transaction for frame in frames if frame.next_offset <= 60)
        end, expected = log.end_offset, numbers(log)
        assert expected[:60] == list(range(60)) and len(before) > 2
    for number, index in enumerate(sorted((tmp_path / "topics").rglob("*.index"))):
        if kept == "none" or (kept == "first" and number):
            index.unlink()
    with quick(str(tmp_path)) as opened:
        log = opened.topic("t").partitions[0]
        assert numbers(log) == expected
        assert log.end_offset == end and log.open_transactions() == [], "nothing had to be ended"
