"""Scatter kernels: compiled and reference agree with each other and with plain Python sums."""

from __future__ import annotations

import math
from fractions import Fraction
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.kernels import group, group_reference
from tests.depth import rounds

MODULES = [pytest.param(group, id="chosen"), pytest.param(group_reference, id="reference")]
SLOTS = 5
ALL_VALID, ONES = np.empty(0, dtype=np.uint8), np.empty(0, dtype=np.int64)

BIG = st.sampled_from([0, 1, -1, 7, 2**63 - 1, -(2**63), 2**40])
ROWS = st.lists(st.tuples(st.integers(0, SLOTS - 1), BIG, st.booleans(), st.integers(-3, 3).filter(bool)), max_size=40)


def arrays(rows: list[tuple[int, int, bool, int]]) -> tuple[npt.NDArray[np.int64], ...]:
    """Slots, values, validity and weights."""
    kinds = (np.int64, np.int64, np.uint8, np.int64)
    return tuple(np.array([r[i] for r in rows], dtype=k) for i, k in enumerate(kinds))


def zeros(dtype: type = np.int64) -> npt.NDArray[np.generic]:
    return np.zeros(SLOTS, dtype=dtype)


def joined(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> list[int]:
    return [(h << 64) + u for h, u in zip(high.tolist(), low.view(np.uint64).tolist(), strict=True)]


@pytest.mark.parametrize("module", MODULES)
@given(rows=ROWS)
@settings(max_examples=rounds(24, 60), deadline=None)
def test_sums_are_exact(module: ModuleType, rows: list[tuple[int, int, bool, int]]) -> None:
    slots, values, valid, weights = arrays(rows)
    low, high, counts = zeros(), zeros(), zeros()
    module.sum_ints(low, high, counts, slots, values, valid, weights)
    kept = [r for r in rows if r[2]]
    assert joined(low, high) == [sum(v * w for s, v, _, w in kept if s == k) for k in range(SLOTS)]
    assert counts.tolist() == [sum(w for s, _, _, w in kept if s == k) for k in range(SLOTS)]
    plain = zeros()
    module.count(plain, slots, valid, weights)
    assert plain.tolist() == counts.tolist()
    module.count(plain, slots, ALL_VALID, ONES)
    assert (plain - counts).tolist() == [sum(r[0] == k for r in rows) for k in range(SLOTS)]


@pytest.mark.parametrize("module", MODULES)
def test_wide_sums_report_overflow(module: ModuleType) -> None:
    low, high, counts = zeros(), zeros(), zeros()
    one, top = np.array([1]), np.array([2**62])
    assert not module.sum_wide(low, high, counts, one, np.array([5]), top, ALL_VALID, ONES)
    assert module.sum_wide(low, high, counts, one, np.array([5]), top, ALL_VALID, ONES)


FLOATS = st.floats(-1e16, 1e16) | st.sampled_from([0.1, 0.2, 1e16, 1.0, math.inf, math.nan])


@given(rows=st.lists(st.tuples(st.integers(0, SLOTS - 1), FLOATS), max_size=40))
@settings(max_examples=rounds(24, 60), deadline=None)
def test_float_sums_are_nearly_exact_and_equal_in_both(rows: list[tuple[int, float]]) -> None:
    slots, values = (
        np.array([r[0] for r in rows], dtype=np.int64),
        np.array([r[1] for r in rows], dtype=np.float64),
    )
    answers = []
    for module in (group, group_reference):
        high, low, counts = zeros(np.float64), zeros(np.float64), zeros()
        strange = module.sum_floats(high, low, counts, slots, values, ALL_VALID, ONES)
        assert strange == sum(not math.isfinite(v) for _, v in rows)
        module.add_pairs(high, low, slots, np.ones(len(rows)), np.zeros(len(rows)))
        answers.append((high.tolist(), low.tolist(), counts.tolist()))
        for k in range(SLOTS):
            exact = sum((Fraction(v) for s, v in rows if s == k and math.isfinite(v)), Fraction(counts[k].item()))
            assert high[k] + low[k] == pytest.approx(float(exact), rel=1e-15, abs=1e-14)
    assert answers[0] == answers[1]


@given(rows=ROWS, largest=st.booleans())
@settings(max_examples=rounds(16, 40), deadline=None)
def test_the_two_agree(rows: list[tuple[int, int, bool, int]], largest: bool) -> None:
    slots, values, valid, weights = arrays(rows)
    answers = []
    for module in (group, group_reference):
        best, seen = zeros(), zeros(np.uint8)
        promising = module.promising(best, slots, values, largest)
        assert promising.tolist() == [i for i, v in enumerate(values) if (v > 0 if largest else v < 0)]
        better = module.improve(best, seen, slots, values, valid, largest)
        assert not len(valid) or not valid[module.promising(best, slots, values, largest)].any()
        pair = [zeros(), zeros(), zeros(np.uint8)]
        won = module.improve_pair(*pair, slots, values, np.arange(len(slots)), valid, largest, True)
        moments = [zeros(np.float64) for _ in range(5)]
        shifted, counts = zeros(np.uint8), zeros()
        module.moments(moments[0], shifted, counts, *moments[1:], slots, values.astype(float), valid, weights)
        distinct, local = module.densify(slots, zeros() - 1, 0)
        assert np.array_equal(distinct[local], slots)
        answers.append([x.tolist() for x in (best, seen, better, won, *pair, *moments, shifted, counts, distinct)])
    assert answers[0] == answers[1]
    for k in range(SLOTS):
        own = [v for s, v, ok, _ in rows if ok and s == k]
        assert answers[0][0][k] == ((max(own) if largest else min(own)) if own else 0)


@given(rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=30), gap=st.integers(1, 5))
@settings(max_examples=rounds(24, 60), deadline=None)
def test_runs_never_join_what_a_gap_parts(rows: list[tuple[int, int]], gap: int) -> None:
    keys, times = (np.array([r[i] for r in rows], dtype=np.int64) for i in range(2))
    exact, *_ = group_reference.assign_sessions(keys, 3, times, gap)
    runs, run_keys, firsts, lasts = group.assign_sessions(keys, 3, times, gap)
    order = np.lexsort((firsts, run_keys))
    for module in (group, group_reference):
        sessions = module.merge_runs(run_keys[order], firsts[order], lasts[order], gap)
        of_run = np.empty(len(run_keys), dtype=np.int64)
        of_run[order] = sessions
        pairs = set(zip(of_run[runs].tolist(), exact.tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    for run in range(len(run_keys)):
        members = np.flatnonzero(runs == run)
        assert len(set(exact[members].tolist())) == 1
        assert set(keys[members].tolist()) == {run_keys[run]}
        assert (firsts[run], lasts[run]) == (times[members].min(), times[members].max())
