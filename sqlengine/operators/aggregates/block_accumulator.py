"""BlockAccumulator: an accumulator whose groups hold blocks of words of their own size, as sketches do."""

from __future__ import annotations

from sqlengine.operators.aggregates.base import Accumulator, Mask, Spec
from sqlengine.operators.base import State
from sqlengine.state.growable import Ints
from sqlengine.state.slot_blocks import SlotBlocks


class BlockAccumulator(Accumulator):
    """`_blocks`: a block of words a slot, beside the arrays of `kinds`."""

    def __init__(self, spec: Spec, **kinds: tuple[str, float]) -> None:
        super().__init__(spec, **kinds)
        self._blocks = SlotBlocks()

    @property
    def nbytes(self) -> int:
        return super().nbytes + self._blocks.nbytes

    def grow(self, size: int) -> None:
        super().grow(size)
        self._blocks.grow(size)

    def compact(self, keep: Mask, moved: Ints) -> None:
        super().compact(keep, moved)
        self._blocks.compact(keep)

    def rows(self, slots: Ints) -> State:
        return super().rows(slots) | {"blocks": self._blocks.rows(slots)}

    def restore(self, state: State) -> None:
        super().restore(state)
        self._blocks.restore(state["blocks"])
