"""The hash tables while they grow a step at a time: many segments, keys leaving the grid, chosen collisions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.kernels import COMPILED, hashing, reference
from tests.depth import rounds

Ints = npt.NDArray[np.int64]
KEYS = 150_000
"""Some twenty segments."""


def unfinished(hashes: npt.NDArray[np.uint64]) -> Ints:
    """The one-word keys that MurmurHash3's finaliser turns into these hashes: its steps undone, last first."""
    h = hashes.copy()
    with np.errstate(over="ignore"):
        h ^= h >> np.uint64(33)
        h *= np.uint64(pow(0xC4CEB9FE1A85EC53, -1, 2**64))
        h ^= h >> np.uint64(33)
        h *= np.uint64(pow(0xFF51AFD7ED558CCD, -1, 2**64))
        h ^= h >> np.uint64(33)
    return h.view(np.int64)


@pytest.mark.parametrize("width", [1, 2])
def test_a_table_of_many_segments_agrees_with_the_reference(width: int) -> None:
    rng = np.random.default_rng(width)
    ours, theirs = hashing.HashIndex(width), reference.HashIndex(width)
    pool = rng.integers(-(2**62), 2**62, size=(KEYS, width))
    for size in (10, 70_000, 1, 1_000, 200_000):
        codes = pool[rng.integers(0, KEYS, size)]
        assert np.array_equal(ours.insert(codes), theirs.insert(codes))
        assert np.array_equal(ours.find(pool), theirs.find(pool))
    keep = rng.random(ours.size) < 0.3
    assert np.array_equal(ours.compact(keep), theirs.compact(keep))
    assert np.array_equal(ours.find(pool), theirs.find(pool))
    assert np.array_equal(ours.insert(pool), theirs.insert(pool))
    assert np.array_equal(ours.keys(), theirs.keys())


def test_byte_strings_in_many_segments_agree_with_the_reference() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = hashing.BytesTable(), reference.BytesTable()
    for size in (100, 60_000, 1_000, 90_000):
        lengths = rng.integers(3, 9, size)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        data = rng.integers(0, 256, offsets[-1]).astype(np.uint8)
        assert np.array_equal(ours.insert(offsets, data, False), theirs.insert(offsets, data, False))
        assert np.array_equal(ours.insert(offsets, data), theirs.insert(offsets, data))
    codes = rng.permutation(ours.size)
    for own, other in zip(ours.take(codes), theirs.take(codes), strict=True):
        assert np.array_equal(own, other)


@pytest.mark.skipif(not COMPILED, reason="the references have no segments")
def test_keys_chosen_to_share_a_segment_are_found_and_do_not_take_the_memory() -> None:
    count = 60_000
    order = np.random.default_rng(4).permutation(count).astype(np.uint64)
    keys = unfinished((order << np.uint64(32)) | np.uint64(0xABCD << 48)).reshape(-1, 1)
    index = hashing.HashIndex(1)
    for start in range(0, count, 7_000):
        part = keys[start : start + 7_000]
        assert np.array_equal(index.insert(part), np.arange(start, start + len(part)))
    assert np.array_equal(index.find(keys), np.arange(count))
    others = np.random.default_rng(5).integers(2**40, 2**62, (50_000, 1))
    assert (index.find(others) == -1).all()
    assert np.array_equal(index.insert(others), np.arange(count, count + len(others)))
    assert np.array_equal(index.find(keys), np.arange(count))
    assert index.nbytes < 64_000_000


@given(data=st.data(), width=st.integers(1, 2), leave_at=st.integers(0, 60_000))
@settings(max_examples=rounds(10, 25), deadline=None)
def test_keys_on_their_way_out_of_the_grid_agree_with_the_reference(
    data: st.DataObject, width: int, leave_at: int
) -> None:
    ours, theirs = hashing.HashIndex(width), reference.HashIndex(width)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))

    def keys_around(count: int, first: int) -> Ints:
        words = [first + np.arange(count, dtype=np.int64), np.arange(count, dtype=np.int64) % 3]
        return np.ascontiguousarray(np.stack(words[:width], axis=1))

    dense, far = keys_around(leave_at, -5), keys_around(30, 2**40)
    assert np.array_equal(ours.insert(dense), theirs.insert(dense))
    for _ in range(data.draw(st.integers(1, 12))):
        some = [dense[rng.integers(0, max(leave_at, 1), 20)] if leave_at else far, far[rng.integers(0, 30, 5)]]
        some.append(keys_around(20, data.draw(st.sampled_from([-30, leave_at - 10, leave_at + 50, 2**50]))))
        codes = np.ascontiguousarray(rng.permutation(np.concatenate(some)))
        assert np.array_equal(ours.find(codes), theirs.find(codes))
        assert np.array_equal(ours.insert(codes), theirs.insert(codes))
        if data.draw(st.integers(0, 9)) == 0:
            keep = rng.random(ours.size) < 0.7
            assert np.array_equal(ours.compact(keep), theirs.compact(keep))
    assert np.array_equal(ours.keys(), theirs.keys())
    assert np.array_equal(ours.find(dense), theirs.find(dense))


@pytest.mark.skipif(not COMPILED, reason="the references know no grid")
def test_keys_counted_up_and_down_stay_in_the_grid() -> None:
    index = hashing.HashIndex(1)
    keys = np.concatenate([np.arange(0, 300_000), np.arange(-1, -100_000, -1)]).reshape(-1, 1)
    for start in range(0, len(keys), 1_000):
        index.insert(keys[start : start + 1_000])
    assert index.dense
    assert np.array_equal(index.find(keys), np.arange(len(keys)))
