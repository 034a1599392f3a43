"""Sorting inside segments: compiled and reference agree with Python's own stable sort."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.kernels import choose, sorting_reference
from tests.depth import rounds

MODULES = [
    pytest.param(choose("sorting", "sorting_reference"), id="chosen"),
    pytest.param(sorting_reference, id="reference"),
]
CODES = st.sampled_from([0, 1, 2, -1, 2**63 - 1, -(2**63)]) | st.integers(-1000, 1000)


@pytest.mark.parametrize("module", MODULES)
@given(rows=st.lists(st.tuples(st.integers(0, 3), CODES), max_size=300), spare=st.integers(0, 2))
@settings(max_examples=rounds(40, 100), deadline=None)
def test_rows_are_sorted_by_segment_then_code_then_place(
    module: ModuleType, rows: list[tuple[int, int]], spare: int
) -> None:
    segments, codes = (np.array([r[i] for r in rows], dtype=np.int64) for i in (0, 1))
    order, bounds = module.sort_segments(segments, 4 + spare, codes)
    assert order.tolist() == sorted(range(len(rows)), key=lambda i: (*rows[i], i))
    assert bounds.tolist() == [sum(r[0] < s for r in rows) for s in range(5 + spare)]
