"""approx_quantile over an input that only grows: t-digests, exact while a group is small.

The digest is that of kernels/tdigest.pyx.  Values are numbers, or dates and times as numbers; those beyond 2**53 are
rounded to doubles.  A group's digest depends on the order of its values, not on how they were split into batches, and
merging groups (panes, sessions, pieces of a tick) adds the centroids of one to those of the other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa

from sqlengine.kernels import choose, group
from sqlengine.operators.aggregates.base import NO_BYTES, Floats, Inputs, Ints, Mask, Spec
from sqlengine.operators.aggregates.block_accumulator import BlockAccumulator
from sqlengine.operators.aggregates.distributions import disc_ranks, listed
from sqlengine.operators.aggregates.sums import STRANGE_KINDS, Strange
from sqlengine.sql.approximate import quantiles_of
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.slot_blocks import NO_BLOCK
from sqlengine.types import storage_type

if TYPE_CHECKING:
    from sqlengine.kernels import tdigest_reference as kernel
else:
    kernel = choose("tdigest", "tdigest_reference")

_LEAST_LEVEL, _LEAST_TOP = 2, 4
_NO_FLOATS: Floats = np.empty(0)


class TDigest(BlockAccumulator):
    """`count`: finite values a slot; `low`, `high`: their bounds; infinities and NaN are counted apart (`Strange`)."""

    def __init__(self, spec: Spec) -> None:
        self._kind = storage_type(spec.types[0])
        self._floating = pa.types.is_floating(self._kind)
        strange = STRANGE_KINDS if self._floating else {}
        super().__init__(
            spec,
            used=("i8", 0),
            ordered=("i8", 0),
            count=("i8", 0),
            low=("f8", math.inf),
            high=("f8", -math.inf),
            **strange,
        )
        self._column = spec.call.args[0]
        self._asked = quantiles_of(spec.call.function, spec.call.constants)
        self._descending = bool(spec.call.order_by and spec.call.order_by[0][1])
        assert self._asked.accuracy is not None, "a share of the value is asked of the values themselves"
        self._compression = float(math.ceil(math.pi * self._asked.accuracy))
        self._top = max(_LEAST_TOP, 1 + math.ceil(math.log2(2 * self._compression)))
        self._strange = Strange(self) if self._floating else None

    def update(self, slots: Ints, inputs: Inputs) -> None:
        values, valid, weights = self._read(inputs), inputs.valid(self._column), inputs.weights
        keep = valid != 0 if len(valid) else None
        if self._strange is not None and not np.isfinite(values).all():
            self._strange.update(slots, values, valid, weights)
            finite = np.isfinite(values)
            keep = finite if keep is None else keep & finite
        if keep is not None:
            rows = np.flatnonzero(keep)
            slots, values = slots[rows], values[rows]
            weights = weights[rows] if len(weights) else weights
        group.count(self.slots["count"], slots, NO_BYTES, weights)
        self._add(slots, values, weights.astype(np.float64))

    def _read(self, inputs: Inputs) -> Floats:
        if pa.types.is_temporal(self._kind):
            return inputs.ints(self._column).astype(np.float64)
        return inputs.floats(self._column)

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        theirs = other.slots
        group.count(self.slots["count"], slots, NO_BYTES, theirs["count"][other_slots])
        at, words = other._blocks.contents(other_slots)
        centroids = words.view(np.float64).reshape(-1, 2)
        taken = np.flatnonzero(other._taken(at[::2], other_slots))
        means, weights = np.ascontiguousarray(centroids[taken].T)
        self._add(slots[at[::2][taken]], means, weights)
        np.minimum.at(self.slots["low"], slots, theirs["low"][other_slots])
        np.maximum.at(self.slots["high"], slots, theirs["high"][other_slots])
        if self._strange is not None and other._strange is not None:
            self._strange.merge(slots, other._strange, other_slots)

    def _taken(self, at: Ints, slots: Ints) -> Mask:
        """Which of the places of the slots' blocks hold centroids; `at`: each one's position in `slots`, ascending."""
        first = np.searchsorted(at, np.arange(len(slots)))
        return np.arange(len(at)) - first[at] < self.slots["used"][slots][at]

    def result(self, slots: Ints) -> pa.Array:
        count = self.slots["count"][slots]
        nan, up, down = self._strange_counts(slots)
        totals = count + nan + up + down
        ranks = disc_ranks(totals, np.array(self._asked.fractions), self._descending) + 1 - down[:, None]
        own, blocks = self.slots, self._blocks
        found = kernel.values_at(
            blocks.words.view(np.float64),
            blocks.start,
            own["used"],
            own["ordered"],
            own["low"],
            own["high"],
            slots,
            np.clip(ranks, 1, np.maximum(count, 1)[:, None]).astype(np.float64),
        )
        if self._strange is not None and self._strange.seen:
            above = ranks - count[:, None]
            found[above > 0] = np.inf
            found[above > up[:, None]] = np.nan
            found[ranks < 1] = -np.inf
        width, some = ranks.shape[1], totals > 0
        values = _typed(found.reshape(-1), self._kind, np.repeat(some, width))
        if self._asked.listed:
            return listed(values, width, self.type, some)
        return buffers.wrap(values, self.type)

    def _strange_counts(self, slots: Ints) -> tuple[Ints, Ints, Ints]:
        """How many NaN, infinity and -infinity there are."""
        if self._strange is None or not self._strange.seen:
            none = np.zeros(len(slots), dtype=np.int64)
            return none, none, none
        nan, up, down = (self.slots[name][slots] for name in Strange.NAMES)
        return nan, up, down

    def _add(self, slots: Ints, means: Floats, weights: Floats) -> None:
        """Add one centroid a row, of weight 1 without `weights`."""
        own, blocks = self.slots, self._blocks
        while True:
            left = kernel.add(
                blocks.words.view(np.float64),
                blocks.start,
                blocks.level,
                own["used"],
                own["ordered"],
                own["low"],
                own["high"],
                slots,
                means,
                weights,
                self._top,
                self._compression,
            )
            if not len(left):
                return
            slots, means, weights = slots[left], means[left], weights[left] if len(weights) else _NO_FLOATS
            self._widen(*np.unique(slots, return_counts=True))

    def _widen(self, slots: Ints, waiting: Ints) -> None:
        """Blocks with room for the centroids that wait, or of the greatest level."""
        level = self._blocks.level[slots].astype(np.int64)
        room = np.where(level == NO_BLOCK, 0, 1 << np.maximum(level, 0))
        needed = np.ceil(np.log2(room + 2.0 * waiting)).astype(np.int64)
        self._blocks.widen(slots, np.clip(needed, _LEAST_LEVEL, self._top).astype(np.int8))


def _typed(values: Floats, kind: pa.DataType, valid: Mask) -> pa.Array:
    """The values nearest to doubles in a number or time type."""
    if pa.types.is_floating(kind):
        return buffers.from_fixed(values.astype(f"f{kind.bit_width // 8}"), kind, valid)
    if pa.types.is_decimal(kind):
        most = np.nextafter(10.0 ** (kind.precision - kind.scale), 0.0)
        return pa.array(np.clip(values, -most, most), mask=~valid).cast(kind)
    bits = kind.bit_width
    code = "u" if pa.types.is_unsigned_integer(kind) else "i"
    least, above = (0.0, 2.0**bits) if code == "u" else (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1))
    whole = np.rint(np.clip(values, least, np.nextafter(above, 0.0)))
    return buffers.from_fixed(np.minimum(whole, above - 1).astype(f"{code}{bits // 8}"), kind, valid)
