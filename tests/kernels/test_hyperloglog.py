"""HyperLogLog kernels: compiled and reference leave the same words, and these are what the sets of hashes say."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.kernels import choose, hyperloglog_reference
from tests.depth import rounds

MODULES = [
    pytest.param(choose("hyperloglog", "hyperloglog_reference"), id="chosen"),
    pytest.param(hyperloglog_reference, id="reference"),
]
HASHES = st.sampled_from([1, 2, 3, 2**63, 2**64 - 1, 2**58, 2**57]) | st.integers(1, 2**64 - 1)
ROWS = st.lists(st.tuples(st.integers(0, 2), HASHES), max_size=60)
PRECISION = 6
LEVEL = 3
"""Blocks of eight words: tables of six hashes, or 64 registers."""
START = np.array([0, 8, 16])


def arrays(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([r[0] for r in rows], dtype=np.int64), np.array([r[1] for r in rows], dtype=np.uint64)


@pytest.mark.parametrize("module", MODULES)
@given(rows=ROWS)
@settings(max_examples=rounds(40, 100), deadline=None)
def test_tables_take_different_hashes_until_full(module: ModuleType, rows: list[tuple[int, int]]) -> None:
    words, used = np.zeros(24, dtype=np.uint64), np.zeros(3, dtype=np.int64)
    level = np.array([LEVEL, LEVEL, -1], dtype=np.int8)
    left = module.insert(words, START, level, used, *arrays(rows), PRECISION)
    held: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    refused = []
    for i, (slot, value) in enumerate(rows):
        if value not in held[slot]:
            if slot == 2 or len(held[slot]) == 6:
                refused.append(i)
            else:
                held[slot].add(value)
    assert left.tolist() == refused
    assert used.tolist() == [len(held[s]) for s in range(3)]
    assert [set(words[8 * s : 8 * s + 8].tolist()) - {0} for s in range(3)] == list(held.values())


@pytest.mark.parametrize("module", MODULES)
@given(rows=ROWS, others=ROWS)
@settings(max_examples=rounds(40, 100), deadline=None)
def test_registers_keep_the_greatest_rank(
    module: ModuleType, rows: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    def filled(some: list[tuple[int, int]]) -> np.ndarray:
        words, used = np.zeros(24, dtype=np.uint64), np.full(3, -1)
        level = np.full(3, LEVEL, dtype=np.int8)
        assert not len(module.insert(words, START, level, used, *arrays(some), PRECISION))
        return words

    def expected(some: list[tuple[int, int]]) -> list[list[int]]:
        registers = [[0] * 64 for _ in range(3)]
        for slot, value in some:
            bits = f"{value:064b}"
            rank = (bits[PRECISION:] + "1").index("1") + 1
            registers[slot][int(bits[:PRECISION], 2)] = max(rank, registers[slot][int(bits[:PRECISION], 2)])
        return registers

    words = filled(rows)
    assert words.view(np.uint8).reshape(3, 64).tolist() == expected(rows)
    places = np.array([0, 1, 2, 2])
    module.merge(words, START, places, filled(others), START, np.array([0, 1, 0, 2]), PRECISION)
    moved = [(s, v) for s, v in others if s != 2] + [(2, v) for s, v in others if s != 1]
    want = expected(rows + moved)
    assert words.view(np.uint8).reshape(3, 64).tolist() == want
    counts = module.histograms(words, START, np.array([2, 0]), PRECISION)
    assert counts.tolist() == [np.bincount(want[s], minlength=60).tolist() for s in (2, 0)]
