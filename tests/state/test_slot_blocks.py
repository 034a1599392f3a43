"""Blocks of words by slot against a dictionary of lists."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.state.slot_blocks import NO_BLOCK, SlotBlocks
from tests.depth import rounds

SLOTS = 6
STEPS = st.lists(
    st.one_of(
        st.dictionaries(st.integers(0, SLOTS - 1), st.integers(1, 5), min_size=1),
        st.lists(st.booleans(), min_size=SLOTS, max_size=SLOTS),
        st.just("restart"),
    ),
    max_size=30,
)


@given(steps=STEPS)
@settings(max_examples=rounds(80, 200), deadline=None)
def test_blocks_keep_their_words_and_no_others(steps: list[dict[int, int] | list[bool] | str]) -> None:
    blocks, want = SlotBlocks(), [[] for _ in range(SLOTS)]
    blocks.grow(SLOTS)
    number = 0
    for step in steps:
        if isinstance(step, dict):
            slots = np.array(sorted(step))
            blocks.renew(slots, np.array([step[s] for s in slots.tolist()], dtype=np.int8))
            at, words = blocks.contents(slots)
            assert not words.any() and len(at) == sum(1 << level for level in step.values())
            for slot, level in step.items():
                want[slot] = list(range(number + 1, number + 1 + (1 << level)))
                number += 1 << level
                start = blocks.start[slot]
                blocks.words[start : start + (1 << level)] = want[slot]
        elif step == "restart":
            rows = blocks.rows(np.arange(SLOTS))
            blocks = SlotBlocks()
            blocks.restore(rows)
        else:
            blocks.compact(np.array(step))
            want = [w for w, keep in zip(want, step, strict=True) if keep]
            want += [[] for _ in range(SLOTS - len(want))]
            blocks.grow(SLOTS)
        at, words = blocks.contents(np.arange(SLOTS))
        assert [words[at == slot].tolist() for slot in range(SLOTS)] == want
        assert [level == NO_BLOCK for level in blocks.level[:SLOTS]] == [not w for w in want]


def test_room_given_up_is_used_again() -> None:
    blocks = SlotBlocks()
    blocks.grow(100)
    for turn in range(200):
        blocks.renew(np.arange(100), np.full(100, 2 + turn % 3, dtype=np.int8))
    assert blocks.nbytes < 100 * 16 * 8 * 4
