"""Pairs of a join that come from two places come as one: each once, by position and then in arrival order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sqlengine.state.row_chains import by_probe

Pair = tuple[int, int]


def pieces(pairs: list[Pair], cuts: set[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """In pieces that end behind some positions."""
    piece: list[Pair] = []
    for place, pair in enumerate(pairs):
        piece.append(pair)
        is_whole = place + 1 == len(pairs) or pairs[place + 1][0] != pair[0]
        if is_whole and (pair[0] in cuts or place + 1 == len(pairs)):
            yield np.array([probe for probe, _ in piece]), np.array([row for _, row in piece])
            piece = []


rows_by_probe = st.dictionaries(st.integers(0, 12), st.integers(1, 3))
positions = st.sets(st.integers(0, 12))


@given(rows_by_probe, rows_by_probe, positions, positions)
def test_pairs_of_two_places(first: dict[int, int], second: dict[int, int], cuts: set[int], others: set[int]) -> None:
    earlier = [(probe, row) for probe in sorted(first) for row in range(first[probe])]
    later = [(probe, 100 + row) for probe in sorted(second) for row in range(second[probe])]
    found = [
        pair
        for probes, rows in by_probe(pieces(earlier, cuts), pieces(later, others))
        for pair in zip(probes.tolist(), rows.tolist(), strict=True)
    ]
    assert found == sorted(earlier + later)
