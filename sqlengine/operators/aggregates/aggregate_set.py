"""AggregateSet: all aggregate calls of one operator over the same group slots, FILTER clauses applied.

It must not know keys nor windows: slots are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from sqlengine.operators.aggregates import accumulator
from sqlengine.operators.aggregates.base import Inputs, Ints, Mask
from sqlengine.operators.base import State
from sqlengine.plan.nodes import AggregateCall
from sqlengine.state.section import Sections, below
from sqlengine.state.spill import breathe

COMPACT_ABOVE, COMPACT_BYTES = 1024, 1 << 20
"""Dead slots are kept until they are the majority, and there are so many of them or so much is held."""


class AggregateSet:
    """`schema`: of the input rows; `append_only`: rows are never deleted."""

    def __init__(self, calls: Sequence[AggregateCall], schema: pa.Schema, append_only: bool) -> None:
        self._calls = tuple(calls)
        self._schema = schema
        self._append_only = append_only
        self.parts = [accumulator(c, schema, append_only) for c in self._calls]
        self.size = 0

    def fresh(self) -> AggregateSet:
        """An empty set of the same calls, for partial results to be merged."""
        return AggregateSet(self._calls, self._schema, self._append_only)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(p.nbytes for p in self.parts)

    def worth_compacting(self, dead: int) -> bool:
        """Whether to forget `dead` slots now."""
        return 2 * dead > self.size and (dead > COMPACT_ABOVE or self.nbytes > COMPACT_BYTES)

    def grow(self, size: int) -> None:
        """Slots up to `size` exist from now on, empty."""
        self.size = max(size, self.size)
        for part in self.parts:
            part.grow(size)

    def update(self, slots: Ints, inputs: Inputs) -> None:
        """Apply weighted rows to their groups."""
        filtered: dict[int, tuple[Ints, Inputs]] = {}
        for call, part in zip(self._calls, self.parts, strict=True):
            breathe()
            if call.filter is None:
                part.update(slots, inputs)
                continue
            if call.filter not in filtered:
                mask = inputs.array(call.filter).fill_null(False)
                rows = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
                filtered[call.filter] = slots[rows], inputs.take(rows)
            part.update(*filtered[call.filter])

    def merge(self, slots: Ints, other: AggregateSet, other_slots: Ints) -> None:
        """Add the state of other's `other_slots[i]` to slot `slots[i]`; slots may repeat."""
        for part, theirs in zip(self.parts, other.parts, strict=True):
            part.merge(slots, theirs, other_slots)

    def results(self, slots: Ints) -> list[pa.Array]:
        """One array per call: its value of each slot."""
        found = []
        for part in self.parts:
            found.append(part.result(slots))
            breathe()
        return found

    def compact(self, keep: Mask, moved: Ints) -> None:
        """Keep the slots where `keep` is true; `moved[old]` is the new slot or -1."""
        self.size = int(keep.sum())
        for part in self.parts:
            part.compact(keep, moved)

    def rows(self, slots: Ints) -> State:
        """The state by slot: tables a<call>.<part> with a row for each of these slots."""
        return {f"a{i}.{name}": t for i, p in enumerate(self.parts) for name, t in p.rows(slots).items()}

    def sections(self) -> Sections:
        """State with positions of its own: sections a<call>.<part>."""
        return {n: s for i, p in enumerate(self.parts) for n, s in below(f"a{i}.", p.sections()).items()}

    def rest(self) -> State:
        """State without positions: tables a<call>.<part>."""
        return {f"a{i}.{name}": t for i, p in enumerate(self.parts) for name, t in p.rest().items()}

    def restore(self, state: State, size: int) -> None:
        """Replace all state by the tables of all of it, of `size` slots."""
        for _ in self.restored(state, size):
            pass

    def restored(self, state: State, size: int) -> Iterator[None]:
        """`restore`, with a stop behind each large part."""
        fresh = self.fresh()
        self.parts, self.size = fresh.parts, 0
        for i, part in enumerate(self.parts):
            prefix = f"a{i}."
            yield from part.restored({n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)})
        self.grow(size)
