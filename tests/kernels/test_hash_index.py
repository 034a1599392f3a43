"""The hash tables against a Python dictionary, compiled and reference alike."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.kernels import COMPILED, hashing, reference
from tests.depth import rounds

MODULES = [pytest.param(hashing, id="chosen"), pytest.param(reference, id="reference")]


def expected_slots(known: dict[tuple[int, ...], int], codes: npt.NDArray[np.int64]) -> list[int]:
    """What a dictionary gives: new keys numbered in order of first appearance."""
    return [known.setdefault(tuple(row), len(known)) for row in codes.tolist()]


@pytest.mark.parametrize("module", MODULES)
@given(data=st.data(), width=st.integers(1, 3))
@settings(max_examples=rounds(12, 30), deadline=None)
def test_insert_find_take_compact_agree_with_a_dictionary(module: ModuleType, data: st.DataObject, width: int) -> None:
    index, known = module.HashIndex(width), {}
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        n, spread = data.draw(st.integers(0, 300)), data.draw(st.sampled_from([2, 20, 2**40, 2**63 - 1]))
        codes = rng.integers(-spread, spread, size=(n, width), dtype=np.int64)
        probe = rng.integers(-spread, spread, size=(20, width), dtype=np.int64)
        assert index.insert(codes).tolist() == expected_slots(known, codes)
        assert index.find(probe).tolist() == [known.get(tuple(row), -1) for row in probe.tolist()]
        assert index.size == len(known)
        assert [tuple(row) for row in index.keys().tolist()] == list(known)
        some = rng.integers(0, max(len(known), 1), size=5 if known else 0)
        assert np.array_equal(index.take(some), index.keys()[some])
        if data.draw(st.booleans()):
            keep = rng.random(len(known)) < 0.5
            moved = index.compact(keep)
            kept = [key for key, k in zip(known, keep.tolist(), strict=True) if k]
            assert moved.tolist() == [kept.index(key) if k else -1 for key, k in zip(known, keep.tolist(), strict=True)]
            known = {key: i for i, key in enumerate(kept)}


@pytest.mark.parametrize("module", MODULES)
@given(batches=st.lists(st.lists(st.binary(max_size=20), max_size=60), max_size=4))
@settings(max_examples=rounds(12, 30), deadline=None)
def test_byte_strings_agree_with_a_dictionary(module: ModuleType, batches: list[list[bytes]]) -> None:
    table: dict[bytes, int] = {}
    index = module.BytesTable()
    for i, strings in enumerate(batches):
        offsets = np.cumsum([0, *map(len, strings)], dtype=np.int32 if i % 2 else np.int64)
        data = np.frombuffer(b"".join(strings), dtype=np.uint8)
        absent = index.insert(offsets, data, add=False).tolist()
        assert absent == [table.get(s, -1) for s in strings]
        assert index.insert(offsets, data).tolist() == [table.setdefault(s, len(table)) for s in strings]
    codes = np.array([*table.values(), -1], dtype=np.int64)
    offsets, data = index.take(codes)
    raw = data.tobytes()
    assert [raw[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)] == [*table, b""]
    assert index.size == len(table)


@pytest.mark.parametrize("module", MODULES)
def test_wrong_width_is_refused(module: ModuleType) -> None:
    with pytest.raises(ValueError, match="expected 2 words"):
        module.HashIndex(2).insert(np.zeros((3, 1), dtype=np.int64))
    with pytest.raises(ValueError, match="at least 1"):
        module.HashIndex(0)


def test_many_keys_grow_the_table() -> None:
    keys = np.random.default_rng(1).permutation(200_000).astype(np.int64).reshape(-1, 1)
    index = hashing.HashIndex(1)
    assert np.array_equal(index.insert(keys), np.arange(200_000))
    assert np.array_equal(index.find(keys[::-1].copy()), np.arange(200_000)[::-1])
    assert index.nbytes >= 200_000 * 8


EXTREMES = st.sampled_from([-(2**63), 2**63 - 1, 0, 2**40])


@pytest.mark.parametrize("module", MODULES)
@given(
    width=st.integers(1, 2),
    runs=st.lists(
        st.tuples(st.integers(-300, 300), st.integers(0, 80), st.sampled_from([-3, -1, 0, 1, 2])) | EXTREMES,
        max_size=12,
    ),
)
@settings(max_examples=rounds(32, 80), deadline=None)
def test_keys_that_lie_densely_and_then_do_not(
    module: ModuleType, width: int, runs: list[tuple[int, int, int] | int]
) -> None:
    index, known = module.HashIndex(width), {}
    for run in runs:
        first, count, step = run if isinstance(run, tuple) else (run, 1, 0)
        words = [first + step * np.arange(count, dtype=np.int64), np.arange(count, dtype=np.int64) % 3]
        codes = np.ascontiguousarray(np.stack(words[:width], axis=1))
        assert index.find(codes).tolist() == [known.get(tuple(row), -1) for row in codes.tolist()]
        assert index.insert(codes).tolist() == expected_slots(known, codes)
    assert [tuple(row) for row in index.keys().tolist()] == list(known)


@pytest.mark.skipif(not COMPILED, reason="the references know no grid")
def test_dense_keys_need_less_room_and_sparse_ones_no_grid() -> None:
    counted, scattered = hashing.HashIndex(1), hashing.HashIndex(1)
    for first in range(0, 400_000, 1_000):
        counted.insert(np.arange(first, first + 1_000).reshape(-1, 1))
    scattered.insert(np.random.default_rng(1).integers(0, 2**62, 400_000).reshape(-1, 1))
    assert counted.dense and not scattered.dense
    assert 3 * counted.nbytes < scattered.nbytes
    few = hashing.HashIndex(1)
    few.insert((np.arange(200_000) // 100_000 * 1_000_000).reshape(-1, 1))
    assert not few.dense and few.nbytes < 131_072
