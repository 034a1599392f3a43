"""stddev and variance: first and second moments about the group's first value, in compensated sums.

Moments about a value of the data cancel little, they merge (by moving one side's origin to the other's), and they can
be retracted, which Welford's recurrence cannot without loss; all of it in double-double arithmetic (kernels/pairs.py),
so that an outlier that was taken back leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.errors import OutOfRange
from sqlengine.kernels import group, pairs
from sqlengine.operators.aggregates.base import NO_BYTES, Accumulator, Floats, Inputs, Ints, Spec
from sqlengine.operators.aggregates.sums import STRANGE_KINDS, Strange
from sqlengine.state import arrow_buffers as buffers

_SUMS = ("first", "first_low", "second", "second_low")

NOISE = 2.0**-98
"""Less than so much of the second moment, or of the largest square that was ever in it, is rounding in the last bits of
a pair: neither an origin far from the values that are left (the first value may have been taken back) nor an outlier
that is gone must give equal values a spread."""


class Moments(Accumulator):
    """`sample`: divide by n - 1 (NULL of fewer than two values) rather than n; `root`: the standard deviation."""

    def __init__(self, spec: Spec, sample: bool, root: bool) -> None:
        kinds: dict[str, tuple[str, float]] = dict.fromkeys((*_SUMS, "shift", "peak"), ("f8", 0))
        super().__init__(spec, shifted=("u1", 0), count=("i8", 0), **kinds, **STRANGE_KINDS)
        self._column = spec.call.args[0]
        self._sample = sample
        self._root = root
        self._strange = Strange(self)

    def update(self, slots: Ints, inputs: Inputs) -> None:
        own, values, valid = self.slots, inputs.floats(self._column), inputs.valid(self._column)
        strange = group.moments(
            own["shift"],
            own["shifted"],
            own["count"],
            own["first"],
            own["first_low"],
            own["second"],
            own["second_low"],
            slots,
            values,
            valid,
            inputs.weights,
        )
        if strange:
            self._strange.update(slots, values, valid, inputs.weights)
        if len(inputs.weights):
            with np.errstate(over="ignore", invalid="ignore"):
                squares = (values - own["shift"][slots]) ** 2
            counted = np.isfinite(squares) if not len(valid) else np.isfinite(squares) & (valid != 0)
            np.maximum.at(own["peak"], slots, np.where(counted, squares, 0.0))

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        own, theirs = self.slots, {n: a[other_slots] for n, a in other.slots.arrays.items()}
        self._strange.merge(slots, other._strange, other_slots)
        new = (own["shifted"][slots] == 0) & (theirs["shifted"] != 0)
        own["shift"][slots[new]] = theirs["shift"][new]
        own["shifted"][slots[new]] = 1
        count = theirs["count"].astype(np.float64)
        if self._strange.seen:
            count -= sum(theirs[n] for n in Strange.NAMES)
        group.count(own["count"], slots, NO_BYTES, theirs["count"])
        moved = np.where(theirs["shifted"] != 0, theirs["shift"], own["shift"][slots])
        d = pairs.two_sum(moved, -own["shift"][slots])
        n = (count, np.zeros_like(count))
        first, second = _pair(theirs, "first"), _pair(theirs, "second")
        cross = pairs.multiply(d, pairs.add(pairs.add(first, first), pairs.multiply(n, d)))
        with np.errstate(over="ignore", invalid="ignore"):
            moves = np.nan_to_num(d[0] * d[0] * count, nan=0.0, posinf=0.0)
        np.maximum.at(own["peak"], slots, np.maximum(theirs["peak"], moves))
        for name, news in (
            ("first", pairs.add(first, pairs.multiply(n, d))),
            ("second", pairs.add(second, cross)),
        ):
            group.add_pairs(own[name], own[f"{name}_low"], slots, *news)

    def result(self, slots: Ints) -> pa.Array:
        own = self.slots
        count = own["count"][slots]
        n = np.maximum(count, 1).astype(np.float64)
        first, second = (_pair({k: own[k][slots] for k in _SUMS}, name) for name in ("first", "second"))
        with np.errstate(over="ignore", invalid="ignore"):
            rest = pairs.add(second, pairs.negate(pairs.divide(pairs.multiply(first, first), n)))
            spread = rest[0] + rest[1]
            noise = np.maximum(second[0], own["peak"][slots]) * NOISE
            spread = np.where(np.isfinite(spread) & (spread <= noise), 0.0, spread)
        if not np.isfinite(spread[count != 0]).all():
            raise OutOfRange("value out of range: overflow", detail="a variance exceeds double precision")
        divisor = np.maximum(n - 1, 1.0) if self._sample else n
        answer: Floats = np.sqrt(spread / divisor) if self._root else spread / divisor
        if self._strange.seen:
            nan, up, down = self._strange.counts(slots)
            answer = np.where(nan | up | down, np.nan, answer)
        return buffers.from_fixed(answer, self.type, count > (1 if self._sample else 0))


def _pair(arrays: Mapping[str, npt.NDArray[np.float64]], name: str) -> pairs.Pair:
    """A paired sum out of named arrays, normalised."""
    return pairs.two_sum(arrays[name], arrays[f"{name}_low"])
