"""The last tick before a kill is run again: what has been read of it, of a stream that a query writes, stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.runtime.topic_output import TopicOutput
from tests.crash.test_left_for_later import copied

Rows = list[tuple[int, int]]
TAIL = [(3, 1), (4, 2), (5, 3)]


def as_it_was(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def backwards(batch: pa.RecordBatch) -> pa.RecordBatch:
    """As other threads, or another memory limit, may put a tick's rows."""
    return batch.take(pa.array(range(batch.num_rows)[::-1]))


def with_more(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.concat_batches([backwards(batch), pa.record_batch([[9], [9]], schema=batch.schema)])


def others(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.record_batch([[7], [7]], schema=batch.schema)


@pytest.mark.parametrize(
    ("change", "expected"),
    [(as_it_was, TAIL), (backwards, TAIL), (with_more, [*TAIL, (9, 9)]), (others, [(7, 7)]), (None, [])],
)
def test_rows_that_were_read_stay(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pa.RecordBatch], pa.RecordBatch] | None,
    expected: Rows,
) -> None:
    def rows(db: sqlengine.Database) -> Rows:
        return db.execute("SELECT k, n FROM out").fetchall()

    with sqlengine.connect(tmp_path / "one", checkpoint_interval_ms=0) as db:
        db.execute("CREATE STREAM s (k INT)")
        db.execute("CREATE STREAM out AS SELECT k, n::INT AS n FROM s, unnest([k % 3 + 1]) AS u(n)")
        db.execute("INSERT INTO s VALUES (1), (2); WAIT; CHECKPOINT")
        db.execute("INSERT INTO s VALUES (8); WAIT")
        first = rows(db)
        db.execute("INSERT INTO s VALUES (3), (4), (5); WAIT")
        assert rows(db) == [*first, (3, 1), (4, 2), (5, 3)]
        copied(db, tmp_path / "one", tmp_path / "two")
    told, comes_again = TopicOutput.__call__, [True]

    def changed(output: TopicOutput, tick: int, now_us: int, delta: sqlengine.delta.Delta | None) -> None:
        if not comes_again:
            told(output, tick, now_us, delta)
        elif comes_again.pop() and change is not None and delta is not None:
            told(output, tick, now_us, replace(delta, batch=change(delta.batch), weights=None))

    monkeypatch.setattr(TopicOutput, "__call__", changed)
    with sqlengine.connect(tmp_path / "two", checkpoint_interval_ms=0) as db:
        assert rows(db) == [*first, *expected]
        db.execute("INSERT INTO s VALUES (6); WAIT")
        assert rows(db) == [*first, *expected, (6, 1)]
