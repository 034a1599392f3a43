"""Row patterns: compiled and reference find the same matches, whatever the program and the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.kernels import choose, row_pattern_reference
from sqlengine.plan.match_program import compile_pattern
from sqlengine.sql.row_pattern import parse_row_pattern
from tests.depth import rounds

CHOSEN = choose("row_pattern", "row_pattern_reference")
PATTERNS = (
    "A", "A+ B", "A* B?", "A+? B+", "(A | B)+ C", "(A? B?)* C", "(A??)*", "^ A B*", "A B* $", "PERMUTE(A, B, C)",
    "A{2,3} {- B -}* C", "(A B | A C)+?", "((A B)* (B C)?)+", "() | A", "(A+ | B+)* C",
)  # fmt: skip


@given(
    pattern=st.sampled_from(PATTERNS),
    rows=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3)), max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=3),
    limits=st.tuples(st.sampled_from([0, 0, 2, 5]), st.integers(0, 60), st.integers(0, 2)),
    flags=st.tuples(st.booleans(), st.booleans()),
    skip=st.integers(0, 3),
    skip_to=st.integers(1, 7),
)
@settings(max_examples=rounds(200, 3000), deadline=None)
def test_compiled_and_reference_agree(
    pattern: str, rows: Any, cuts: Any, limits: Any, flags: Any, skip: int, skip_to: int
) -> None:
    names = {name: i for i, name in enumerate("abc")}
    made = compile_pattern(parse_row_pattern(pattern, 0), names, ("A", "B", "C"))
    program = np.array([made.ops, made.first, made.second], dtype=np.int32)
    kinds = np.array([kind for kind, _ in rows], dtype=np.int64)
    accepted = np.array([(kinds >> v) & 1 for v in range(3)], dtype=np.uint8).reshape(3, len(rows))
    times = np.cumsum(np.array([later for _, later in rows], dtype=np.int64))
    times[kinds == 7] = row_pattern_reference.NO_TIME
    bounds = sorted({0, len(rows), *(c for c in cuts if c < len(rows))}) if rows else [0]
    starts, ends = np.array(bounds[:-1], dtype=np.int64), np.array(bounds[1:], dtype=np.int64)
    froms = np.minimum(starts + skip, ends)
    begins = np.where(froms == starts, starts, -1)
    segments = np.stack([starts, ends, froms, begins])
    goal = np.array([(skip_to >> v) & 1 for v in range(3)], dtype=np.uint8)
    within, horizon, look = limits
    given_times = times if within else np.empty(0, dtype=np.int64)
    answers = [
        module.find_matches(program, accepted, segments, given_times, within, horizon, look, *flags, skip, goal)
        for module in (CHOSEN, row_pattern_reference)
    ]
    for one, other in zip(*answers, strict=True):
        assert np.array_equal(one, other), pattern
