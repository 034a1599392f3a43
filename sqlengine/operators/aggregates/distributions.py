"""median, percentiles, mode and top k: the group's values as a multiset, sorted when a result is wanted.

All are exact; the "approximate" ones come here where values may be taken back, which sketches cannot do.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import pyarrow as pa

from sqlengine.errors import InvalidParameter
from sqlengine.operators.aggregates.base import Accumulator, Floats, Inputs, Ints, Mask, Spec
from sqlengine.operators.base import State
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.multiset import Changes, Multiset
from sqlengine.state.ranges import expand
from sqlengine.state.section import Sections
from sqlengine.state.sort_words import comparable_words
from sqlengine.types import storage_type


class KeptValues(Accumulator):
    """A multiset of the non-NULL values per group."""

    def __init__(self, spec: Spec, kind: pa.DataType, **kinds: tuple[str, float]) -> None:
        super().__init__(spec, **kinds)
        self._column = spec.call.args[0]
        self._values = Multiset([kind])

    @property
    def nbytes(self) -> int:
        return self._values.nbytes

    def update(self, slots: Ints, inputs: Inputs) -> None:
        valid, values, weights = inputs.valid(self._column), self._read(inputs), inputs.weights
        if len(valid):
            rows = np.flatnonzero(valid)
            slots, values = slots[rows], values.take(pa.array(rows))
            weights = weights[rows] if len(weights) else weights
        self._applied(self._values.apply(slots, [values], weights))

    def _applied(self, changes: Changes) -> None:
        """After rows or partial results were added."""
        self._values.reclaim(self.slots.size)

    def _read(self, inputs: Inputs) -> pa.Array:
        return inputs.array(self._column)

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        self._applied(self._values.merge(slots, other._values, other_slots))

    def compact(self, keep: Mask, moved: Ints) -> None:
        super().compact(keep, moved)
        self._values.compact(moved)

    def rows(self, slots: Ints) -> State:
        return {"slots": pa.table({"slot": pa.array(slots)})}

    def sections(self) -> Sections:
        return self._values.section("values")

    def restore(self, state: State) -> None:
        self.slots.grow(state["slots"].num_rows)
        self._values.restore(state["values"])

    def _sorted(self, slots: Ints) -> tuple[Ints, pa.Array, Ints]:
        """(position in `slots`, value, weight) sorted by position and value; weights are positive."""
        position, entries = self._values.entries(slots)
        alive = self._values.weights(entries) > 0
        position, entries = position[alive], entries[alive]
        values = self._values.values(entries)[0]
        order = np.lexsort((comparable_words(values), position))
        return position[order], values.take(pa.array(order)), self._values.weights(entries)[order]


class _Ranked:
    """Look-up of the k-th value of each slot in sorted weighted values."""

    def __init__(self, position: Ints, weights: Ints, n: int) -> None:
        self.totals = np.zeros(n, dtype=np.int64)
        np.add.at(self.totals, position, weights)
        self._upto = np.cumsum(weights)
        self._before = np.cumsum(self.totals) - self.totals

    def at(self, rank: Ints) -> Ints:
        """Entry that holds the value of 0-based rank rank[slot]; any entry for slots without values."""
        return np.searchsorted(self._upto, self._before + rank, side="right").astype(np.int64)


def _fraction(spec: Spec) -> float:
    """The percentile; InvalidParameter (22023) outside 0..1."""
    constant = spec.call.constants[0] if spec.call.constants else 0.5
    fraction = float(str(constant))
    if not 0.0 <= fraction <= 1.0:
        raise InvalidParameter(f"percentile value {fraction:g} is not between 0 and 1")
    return fraction


class PercentileCont(KeptValues):
    """Interpolated percentile as double precision."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, pa.float64())
        self._fraction = _fraction(spec)
        self._descending = bool(spec.call.order_by and spec.call.order_by[0][1])

    def _read(self, inputs: Inputs) -> pa.Array:
        return pa.array(inputs.floats(self._column))

    def result(self, slots: Ints) -> pa.Array:
        position, values, weights = self._sorted(slots)
        ranked = _Ranked(position, weights, len(slots))
        some = ranked.totals > 0
        if not some.any():
            return buffers.null_array(self.type, len(slots))
        most = np.maximum(ranked.totals - 1, 0)
        place = self._fraction * most
        first = np.floor(place).astype(np.int64)
        numbers: Floats = values.to_numpy()

        def number(rank: Ints) -> Floats:
            at = ranked.at(most - rank if self._descending else rank)
            return numbers[np.minimum(at, len(numbers) - 1)]

        here, behind = number(first), number(np.ceil(place).astype(np.int64))
        part = place - first
        return buffers.from_fixed(np.where(part == 0, here, here * (1.0 - part) + behind * part), self.type, some)


def disc_ranks(totals: Ints, fractions: Floats, descending: bool) -> Ints:
    """The 0-based rank of the first value whose share of `totals` values reaches each fraction, int64[n, fractions]."""
    several = totals[:, None]
    rank = np.maximum(np.ceil(fractions * several).astype(np.int64) - 1, 0)
    return np.maximum(several - 1 - rank, 0) if descending else rank


def listed(values: pa.Array, width: int, dtype: pa.DataType, some: Mask) -> pa.Array:
    """A list of `width` values for each slot, NULL where not `some`."""
    offsets = np.cumsum([0, *np.where(some, width, 0)])
    kept = values.filter(pa.array(np.repeat(some, width)))
    return buffers.from_list_parts(offsets, buffers.wrap(kept, dtype.value_type), dtype, some)


class PercentileDisc(KeptValues):
    """The first value whose share of the group reaches the percentile; a list of several."""

    def __init__(self, spec: Spec, fractions: tuple[float, ...] = (), several: bool = False) -> None:
        super().__init__(spec, storage_type(spec.types[0]))
        self._fractions = np.array(fractions or (_fraction(spec),))
        self._several = several
        self._descending = bool(spec.call.order_by and spec.call.order_by[0][1])

    def result(self, slots: Ints) -> pa.Array:
        position, values, weights = self._sorted(slots)
        ranked = _Ranked(position, weights, len(slots))
        ranks = disc_ranks(ranked.totals, self._fractions, self._descending)
        width, some = ranks.shape[1], ranked.totals > 0
        at = np.stack([ranked.at(ranks[:, i]) for i in range(width)], axis=1).reshape(-1)
        found = values.take(pa.array(at, mask=np.repeat(~some, width)))
        return listed(found, width, self.type, some) if self._several else buffers.wrap(found, self.type)


class MostFrequent(KeptValues):
    """The k most frequent values, the most frequent first; of equally frequent ones the least first."""

    def __init__(self, spec: Spec, k: int, **kinds: tuple[str, float]) -> None:
        super().__init__(spec, storage_type(spec.types[0]), **kinds)
        self._k = k

    def result(self, slots: Ints) -> pa.Array:
        position, values, weights = self._sorted(slots)
        order = np.lexsort((np.arange(len(position)), -weights, position))
        ends = np.searchsorted(position, np.arange(len(slots) + 1))
        sizes = np.minimum(np.diff(ends), self._k)
        _, at = expand(ends[:-1], ends[:-1] + sizes - 1)
        offsets = np.cumsum([0, *sizes])
        items = buffers.wrap(values.take(pa.array(order[at])), self.type.value_type)
        return buffers.from_list_parts(offsets, items, self.type, sizes > 0)


class Mode(KeptValues):
    """The most frequent value; of equally frequent ones the least."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, storage_type(spec.types[0]))

    def result(self, slots: Ints) -> pa.Array:
        position, values, weights = self._sorted(slots)
        order = np.lexsort((np.arange(len(position)), -weights, position))
        first = np.searchsorted(position[order], np.arange(len(slots) + 1))
        none = np.diff(first) == 0
        chosen = np.where(none, 0, order[np.minimum(first[:-1], max(len(order) - 1, 0))] if len(order) else 0)
        return buffers.wrap(values.take(pa.array(chosen, mask=none)), self.type)
