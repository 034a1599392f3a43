"""What grows by appending, against lists: arrays with reserved addresses behind them, arenas, sides of joins."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.kernels import pages_reference
from sqlengine.state import growable, join_side, row_arena
from sqlengine.state.growable import Growable
from sqlengine.state.join_side import JoinSide
from sqlengine.state.key_columns import KeyColumns
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.row_arena import RowArena
from sqlengine.state.slot_arrays import SlotArrays
from tests.depth import rounds

SCHEMA = pa.schema([("k", pa.int64()), ("n", pa.int64())])


def rows(first: int, count: int) -> pa.RecordBatch:
    """Rows numbered from `first`, each with one of seven keys."""
    n = np.arange(first, first + count)
    return pa.RecordBatch.from_arrays([pa.array(n % 7), pa.array(n)], schema=SCHEMA)


@pytest.mark.parametrize("reserving", [True, False])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["grow", "append", "replace", "shorten"]), st.sampled_from([0, 3, 40, 90_000])),
        max_size=10,
    )
)
@settings(max_examples=rounds(16, 40), deadline=None)
def test_a_growable_is_a_list(reserving: bool, steps: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not reserving:
            patch.setattr(growable, "kernel", pages_reference)
        ours, theirs = Growable(-7), [0] * 0
        for number, (what, count) in enumerate(steps):
            values = np.arange(count) + number
            if what == "grow":
                theirs += [-7] * (count - len(theirs))
                ours.grow(count)
            elif what == "append":
                theirs += values.tolist()
                ours.append(values)
            elif what == "replace":
                theirs = values.tolist()
                ours.replace(values)
            else:
                kept = ours.values[len(theirs) // 2 :: 2]
                theirs = theirs[: len(theirs) // 2] + kept.tolist()
                ours.shorten(len(theirs) - len(kept), kept)
            assert ours.values.tolist() == theirs
            assert ours.size == len(theirs) and ours.nbytes >= 8 * len(theirs)


def test_what_is_there_does_not_move_when_a_large_array_grows() -> None:
    array = Growable()
    array.grow(500_000)[:] = 5
    before = array.values
    array.grow(5_000_000)
    if growable.kernel.reserve(1 << 22) is not None:
        assert np.shares_memory(before, array.values)
    assert (array.values[:500_000] == 5).all() and not array.values[500_000:].any()


def test_slot_arrays_grow_compact_and_come_back() -> None:
    arrays = SlotArrays(count=("i8", 0), seen=("u1", 1))
    for size in (5, 100, 400_000, 900_000):
        old = arrays.size
        arrays.grow(size)
        arrays["count"][old:size] = np.arange(old, size)
    keep = np.arange(900_000) % 3 == 0
    arrays.compact(keep)
    assert np.array_equal(arrays["count"], np.flatnonzero(keep)) and arrays["seen"].all()
    again = SlotArrays(count=("i8", 0), seen=("u1", 1))
    again.restore(arrays.rows(np.arange(arrays.size)))
    again.grow(300_001)
    assert np.array_equal(again["count"], [*np.flatnonzero(keep), 0])


@given(
    sizes=st.lists(st.integers(0, 40), max_size=60),
    full=st.integers(4, 64),
    fan_in=st.integers(2, 5),
    seed=st.integers(0, 99),
)
@settings(max_examples=rounds(24, 60), deadline=None)
def test_an_arena_keeps_rows_in_order_in_few_chunks(sizes: list[int], full: int, fan_in: int, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_arena, "FULL_CHUNK", full)
        patch.setattr(row_arena, "FAN_IN", fan_in)
        arena, count = RowArena(SCHEMA), 0
        for size in sizes:
            arena.append(rows(count, size))
            count += size
        chosen = np.random.default_rng(seed).integers(0, max(count, 1), 20 if count else 0)
        assert arena.take(chosen, [1])[0].to_pylist() == chosen.tolist()
        assert max((chunk.num_rows for chunk in arena.chunks), default=0) <= max(2 * full, 40)
        classes = 1 + int(np.ceil(np.log(full) / np.log(fan_in)))
        assert len(arena.chunks) <= classes * fan_in + 2 * count / full + 1


@given(
    steps=st.lists(st.tuples(st.sampled_from(["add", "look", "link"]), st.integers(1, 30)), max_size=30),
    at_once=st.integers(1, 9),
)
@settings(max_examples=rounds(32, 80), deadline=None)
def test_rows_are_found_while_they_are_linked_a_part_at_a_time(steps: list[tuple[str, int]], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(join_side, "LINK_AT_ONCE", at_once)
        keys = KeyColumns((0,), (pa.int64(),))
        side, index, count = JoinSide(SCHEMA, keys, False, None, False, None), KeyIndex([pa.int64()]), 0
        for what, size in steps:
            if what == "look":
                wanted = [pa.array([3, 11, 5])]
                pending = side.prepare(index, 1)
                found = [*side.probe(index.find(wanted))] + ([*side.scan(wanted, 3)] if pending else [])
                pairs = [(int(p), int(r)) for probe, row in found for p, r in zip(probe, row, strict=True)]
                assert sorted(pairs) == [(p, r) for p, k in ((0, 3), (2, 5)) for r in range(k, count, 7)]
                continue
            batch = rows(count, size)
            at_once_too = side.is_up_to_date(index, size) if what == "link" else False
            slots = index.insert(keys.of(batch), size) if at_once_too else None
            side.add(Delta(batch), slots, index.size, None)
            count += size
