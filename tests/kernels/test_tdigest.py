"""t-digest kernels: compiled and reference leave the same centroids, few of them, and nothing is lost."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.kernels import choose, tdigest_reference
from tests.depth import rounds

CHOSEN = choose("tdigest", "tdigest_reference")
MODULES = [pytest.param(CHOSEN, id="chosen"), pytest.param(tdigest_reference, id="reference")]
MEANS = st.sampled_from([0.0, 1.0, 0.1, -1e308, 1e308, 5e-324]) | st.integers(-50, 50).map(float)
ROWS = st.lists(st.tuples(st.integers(0, 2), MEANS, st.integers(1, 9).map(float)), max_size=120)
TOP = 5
"""Sixteen centroids a block."""
COMPRESSION = 7.0


class Digests:
    """Three slots; the last has no block."""

    def __init__(self, module: ModuleType, top: int = TOP, compression: float = COMPRESSION) -> None:
        self.module, self.top, self.compression = module, top, compression
        size = 1 << top
        self.words = np.zeros(2 * size)
        self.start = np.array([0, size, 0])
        self.level = np.array([top, top, -1], dtype=np.int8)
        self.used, self.ordered = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
        self.low, self.high = np.full(3, math.inf), np.full(3, -math.inf)

    def add(self, slots: np.ndarray, means: np.ndarray, weights: np.ndarray) -> list[int]:
        bounds = (self.low, self.high)
        state = (self.words, self.start, self.level, self.used, self.ordered, *bounds)
        left = self.module.add(*state, slots, means, weights, self.top, self.compression)
        return left.tolist()  # type: ignore[no-any-return]

    def values_at(self, slots: list[int], ranks: list[list[float]]) -> list[list[float]]:
        state = (self.words, self.start, self.used, self.ordered, self.low, self.high)
        return self.module.values_at(*state, np.array(slots), np.array(ranks)).tolist()  # type: ignore[no-any-return]

    def centroids(self, slot: int) -> np.ndarray:
        return self.words[self.start[slot] :][: 2 * self.used[slot]].reshape(-1, 2)


def arrays(rows: list[tuple[int, float, float]], weighted: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    slots, means, weights = (
        np.array([r[i] for r in rows], dtype=k) for i, k in ((0, np.int64), (1, float), (2, float))
    )
    return slots, means, weights if weighted else np.empty(0)


@pytest.mark.parametrize("module", MODULES)
@given(rows=ROWS, weighted=st.booleans())
@settings(max_examples=rounds(40, 100), deadline=None)
def test_weights_add_up_and_centroids_stay_few(
    module: ModuleType, rows: list[tuple[int, float, float]], weighted: bool
) -> None:
    digests = Digests(module)
    assert digests.add(*arrays(rows, weighted)) == [i for i, r in enumerate(rows) if r[0] == 2]
    for slot in (0, 1):
        own = [(m, w if weighted else 1.0) for s, m, w in rows if s == slot]
        held = digests.centroids(slot)
        assert held[:, 1].sum() == sum(w for _, w in own)
        assert len(held) <= 16
        if own:
            assert (digests.low[slot], digests.high[slot]) == (min(own)[0], max(own)[0])
            assert held[:, 0].min() >= digests.low[slot] and held[:, 0].max() <= digests.high[slot]
        if len(own) <= 16:
            assert sorted(map(tuple, held.tolist())) == sorted(own)


@given(rows=ROWS, more=ROWS, weighted=st.booleans())
@settings(max_examples=rounds(60, 150), deadline=None)
def test_compiled_and_reference_agree_to_the_last_bit(
    rows: list[tuple[int, float, float]], more: list[tuple[int, float, float]], weighted: bool
) -> None:
    both = [Digests(CHOSEN), Digests(tdigest_reference)]
    for digests in both:
        digests.add(*arrays(rows, weighted))
    ranks = [[1.0, 2.0, 3.5, 9.0, 40.0, 1e6]] * 3
    assert both[0].values_at([1, 0, 2], ranks) == both[1].values_at([1, 0, 2], ranks)
    for digests in both:
        digests.add(*arrays(more, weighted))
    for slot in (0, 1):
        ones, others = (np.array(sorted(d.centroids(slot).tolist())) for d in both)
        assert ones.tolist() == others.tolist()
    assert both[0].values_at([0], ranks[:1]) == both[1].values_at([0], ranks[:1])


@pytest.mark.parametrize("module", MODULES)
def test_looking_does_not_change_what_comes_of_it(module: ModuleType) -> None:
    rng = np.random.default_rng(2)
    means = rng.normal(size=400)
    quiet, asked = Digests(module), Digests(module)
    for mean in means:
        row = np.zeros(1, dtype=np.int64), np.array([mean]), np.empty(0)
        quiet.add(*row)
        asked.add(*row)
        asked.values_at([0], [[3.0]])
    assert sorted(quiet.centroids(0).tolist()) == sorted(asked.centroids(0).tolist())


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("compression", [4.0, 20.0, 100.0])
def test_no_centroid_but_single_values_is_wider_than_the_scale_allows(module: ModuleType, compression: float) -> None:
    top = 1 + math.ceil(math.log2(2 * compression))
    digests = Digests(module, top, compression)
    n = 1 << (top - 1)
    means = np.random.default_rng(1).random(9 * n + 1)
    digests.add(np.zeros(len(means), dtype=np.int64), means, np.empty(0))
    held = digests.centroids(0)
    joined = held[: digests.ordered[0]]
    assert len(joined) <= compression + 1
    weights = joined[:, 1]
    upto = np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum()
    scale = compression / (2 * math.pi) * np.arcsin(np.clip(2 * upto - 1, -1, 1))
    assert (np.diff(scale)[weights > 1] <= 1 + 1e-9).all()


@pytest.mark.parametrize("module", MODULES)
def test_ranks_between_centroids_are_interpolated(module: ModuleType) -> None:
    digests = Digests(module)
    digests.add(np.array([0, 0, 0]), np.array([10.0, 0.0, 30.0]), np.array([5.0, 1.0, 4.0]))
    digests.high[0] = 36.0
    ranks = [[1.0, 2.5, 4.0, 8.5, 9.25, 10.0, 11.0]]
    assert digests.values_at([0], ranks) == [[0.0, 5.0, 10.0, 30.0, 33.0, 36.0, 36.0]]
    digests.add(np.array([1, 1]), np.array([-1e308, 1e308]), np.array([3.0, 3.0]))
    assert digests.values_at([1, 2], [[3.5], [1.0]]) == [[0.0], [0.0]]
