"""A follower that reads slowly slows the sources, never the thread that follows, and misses nothing until dropped."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

import sqlengine
from sqlengine.api.subscription import Follower
from sqlengine.runtime.memory_limit import MemoryLimit
from sqlengine.state.spill import in_files
from sqlengine.statements.subscribe import FollowedQuery

ROWS = 1_000


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlengine.Database]:
    """A database in which a few thousand rows are much."""
    monkeypatch.setattr(sys.modules[FollowedQuery.__module__], "QUEUE_BYTES", 20_000)
    with sqlengine.connect() as made:
        made.execute("CREATE STREAM s (n BIGINT); CREATE MATERIALIZED VIEW v AS SELECT n, n * 2 AS d FROM s")
        yield made


def _insert(db: sqlengine.Database, step: int) -> None:
    db.insert("s", pa.table({"n": np.arange(step * ROWS, (step + 1) * ROWS)}))


def _settled(db: sqlengine.Database) -> int:
    """The number of ticks once there are no more of them for a while."""
    ticks = -1
    while ticks != db._instance.scheduler.tick_number:
        ticks = db._instance.scheduler.tick_number
        time.sleep(0.1)
    return ticks


def _read(follower: Follower, rows: int) -> list[int]:
    """What it says, up to so many rows."""
    found: list[int] = []
    while len(found) < rows:
        change = follower.next(30)
        assert change is not None, f"{len(found)} of {rows} rows have come"
        found += change.rows.column("n").to_pylist()
    return found


def _followed(follower: Follower) -> FollowedQuery:
    assert isinstance(follower._source, FollowedQuery)
    return follower._source


def _waiting(follower: Follower) -> list[pa.RecordBatch]:
    changes = _followed(follower).queue
    with changes.mutex:
        return [change.delta.batch for change in changes.queue if change is not None and change.delta is not None]


def test_ticks_wait_until_something_has_been_read(db: sqlengine.Database) -> None:
    with db.subscribe("v") as follower:
        for step in range(5):
            _insert(db, step)
            _settled(db)
        _insert(db, 5)
        ticks = _settled(db)
        for step in range(6, 20):
            _insert(db, step)
        assert _settled(db) == ticks, "rows wait in their topic"
        assert _followed(follower).waiting_bytes < 6 * 16 * ROWS
        assert _read(follower, 20 * ROWS) == list(range(20 * ROWS))
        assert db._instance.scheduler.tick_number > ticks and not _followed(follower).is_behind
    assert not db._instance.scheduler.brakes


def test_who_follows_and_reads_views_does_not_wait_for_himself(db: sqlengine.Database) -> None:
    with db.subscribe("v") as follower:
        for step in range(20):
            _insert(db, step)
            assert db.execute("SELECT count(*) FROM v").fetchall() == [((step + 1) * ROWS,)]
        batches = _waiting(follower)
        assert sum(batch.num_rows for batch in batches) == 20 * ROWS
        assert sum(batch.nbytes for batch in batches if not in_files(batch)) < 20_000 + 16 * ROWS
        assert _read(follower, 20 * ROWS) == list(range(20 * ROWS))


def test_connectors_are_not_asked_for_more(db: sqlengine.Database) -> None:
    db.execute(
        "CREATE STREAM made (n BIGINT) WITH (connector = 'datagen', 'rows-per-second' = '1000000', "
        "'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '100000000')"
    )
    with db.subscribe("made") as follower:
        _settled(db)
        written = db._instance.storage.topic("made").partitions[0].end_offset
        time.sleep(0.2)
        assert db._instance.storage.topic("made").partitions[0].end_offset == written
        assert _read(follower, written + 1)[: written + 1] == list(range(written + 1))


def test_who_reads_nothing_for_long_is_dropped_and_the_others_go_on(
    db: sqlengine.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[FollowedQuery.__module__], "PATIENCE_US", 50_000)
    with db.subscribe("v") as sleeper, db.subscribe("v") as reader:
        for step in range(10):
            _insert(db, step)
            assert _read(reader, ROWS) == list(range(step * ROWS, (step + 1) * ROWS))
        _insert(db, 10)
        assert _read(reader, ROWS) == list(range(10 * ROWS, 11 * ROWS))
        with pytest.raises(sqlengine.Error) as caught:
            _read(sleeper, 11 * ROWS)
        assert caught.value.sqlstate == "53400" and caught.value.hint


def test_a_follower_for_whom_there_is_no_space_is_dropped(
    db: sqlengine.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: MemoryLimit, batch: pa.RecordBatch) -> pa.RecordBatch:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MemoryLimit, "put_in_file", full)
    with db.subscribe("v") as follower:
        for step in range(4):
            _insert(db, step)
            assert db.execute("SELECT count(*) FROM v").fetchall() == [((step + 1) * ROWS,)]
        with pytest.raises(sqlengine.Error) as caught:
            _read(follower, 4 * ROWS)
        assert caught.value.sqlstate == "53400"
