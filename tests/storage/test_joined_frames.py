"""Small frames read as one hold what the frames hold one by one."""

from __future__ import annotations

from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import storage
from storage.log import joined_frames
from tests.depth import rounds
from tests.storage.conftest import SCHEMA, quick, rows


def same(frames: Sequence[storage.Frame], found: Sequence[storage.Frame | storage.JoinedFrames]) -> bool:
    """Whether both have the same rows at the same offsets with the same stamps."""
    full = [frame for frame in frames if frame.record_count]
    if not full:
        return not found
    batches = pa.Table.from_batches([frame.batch for frame in full])
    return (
        pa.Table.from_batches([frame.batch for frame in found]) == batches
        and bool(np.array_equal(*(np.concatenate([f.offsets() for f in some]) for some in (full, found))))
        and bool(np.array_equal(*(np.concatenate([f.append_timestamps_us() for f in some]) for some in (full, found))))
    )


@settings(max_examples=rounds(24, 60), deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=25), st.data())
def test_they_have_the_same_rows(sizes: list[int], data: st.DataObject) -> None:
    """Frames of every size, some of transactions that are committed or aborted, read from and to anywhere."""
    with quick(None) as opened:
        log = opened.create_topic("t", SCHEMA).partitions[0]
        for number, size in enumerate(sizes):
            kind = data.draw(st.sampled_from(["plain", "committed", "aborted"]))
            if kind == "plain":
                log.append(rows(number * 10, size))
                continue
            transaction = opened.transactions.begin()
            transaction.append("t", rows(number * 10, size))
            (transaction.commit if kind == "committed" else transaction.abort)()
        first = data.draw(st.integers(0, log.end_offset))
        frames = log.read(first, max_rows=data.draw(st.integers(1, 120)))
        with patch.object(joined_frames, "SMALL_ROWS", 6), patch.object(joined_frames, "JOINED_ROWS", 20):
            found = list(storage.joined(frames))
        assert same(frames, found)
        assert all(f.record_count <= 20 for f in found)
        assert all(isinstance(f, storage.Frame) for f in found if f.record_count == 1)


def test_neighbours_are_one_and_large_frames_stay() -> None:
    with quick(None) as opened:
        log = opened.create_topic("t", SCHEMA).partitions[0]
        for size in (1, 2, 2_048, 3, 4, 5):
            log.append(rows(0, size))
        found = list(storage.joined(log.read(0, max_rows=100_000)))
        assert [f.record_count for f in found] == [3, 2_048, 12]
        assert [f.is_compacted for f in found] == [False] * 3
        assert found[2].base_offset == 2_051 and found[2].next_offset == 2_063
        assert found[0].column("n").to_pylist() == [0, 0, 1]


def test_frames_of_another_schema_begin_anew() -> None:
    with quick(None) as opened:
        topic = opened.create_topic("t", SCHEMA)
        log = topic.partitions[0]
        log.append(rows(0, 1))
        log.append(rows(1, 1))
        wider = pa.schema([*SCHEMA, pa.field("more", pa.int64())])
        topic.evolve(wider)
        log.append(pa.RecordBatch.from_pylist([{"n": 2, "s": "row 2", "more": 7}], schema=wider))
        assert [f.schema.names for f in storage.joined(log.read(0))] == [["n", "s"], ["n", "s", "more"]]
