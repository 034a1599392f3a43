"""sum and avg: 128-bit sums of whole numbers and decimals, compensated sums of floats.

Exact sums make the answer independent of the order of changes and of batching; a whole-number sum raises 22003 only
when the final value does not fit.  Floats use high + low pairs (see kernels/group.pyx), and infinities and NaN are
counted apart, so that they too can be retracted.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.errors import OutOfRange
from sqlengine.kernels import group
from sqlengine.operators.aggregates.base import NO_BYTES, NO_INTS, Accumulator, Floats, Inputs, Ints, Spec
from sqlengine.state import arrow_buffers as buffers

_MOST_DIGITS = 10**38


class _WideSum(Accumulator):
    """128-bit sums with the number of values; subclasses read their kind of input."""

    def __init__(self, spec: Spec, mean: bool) -> None:
        super().__init__(spec, low=("i8", 0), high=("i8", 0), count=("i8", 0))
        self._column = spec.call.args[0]
        self._mean = mean

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        low, high, count = (other.slots[n][other_slots] for n in ("low", "high", "count"))
        self._add(slots, low, high, NO_BYTES, NO_INTS, np.zeros_like(self.slots["count"]))
        group.count(self.slots["count"], slots, NO_BYTES, count)

    def _add(
        self, slots: Ints, low: Ints, high: Ints, valid: npt.NDArray[np.uint8], weights: Ints, count: Ints
    ) -> None:
        """Add 128-bit values; OutOfRange when a sum leaves 128 bits."""
        if group.sum_wide(self.slots["low"], self.slots["high"], count, slots, low, high, valid, weights):
            raise OutOfRange("numeric field overflow", detail="a sum exceeds 128 bits")

    def _as_floats(self, slots: Ints) -> Floats:
        """The sums as float64, rounded once."""
        low, high = self.slots["low"][slots], self.slots["high"][slots]
        big = high.astype(np.float64) * 2.0**64 + low.view(np.uint64).astype(np.float64)
        floats: Floats = np.where(high == low >> 63, low.astype(np.float64), big)
        return floats

    def _means(self, slots: Ints, scale: int) -> pa.Array:
        count = self.slots["count"][slots]
        sums = self._as_floats(slots) / 10.0**scale if scale else self._as_floats(slots)
        return buffers.from_fixed(sums / np.where(count == 0, 1, count), self.type, count != 0)


class IntSum(_WideSum):
    """sum and avg of whole numbers."""

    def update(self, slots: Ints, inputs: Inputs) -> None:
        column, own = self._column, self.slots
        values, valid = inputs.ints(column), inputs.valid(column)
        if pa.types.is_uint64(inputs.array(column).type):
            high = np.zeros_like(values)
            self._add(slots, values, high, valid, inputs.weights, own["count"])
            return
        group.sum_ints(own["low"], own["high"], own["count"], slots, values, valid, inputs.weights)

    def result(self, slots: Ints) -> pa.Array:
        if self._mean:
            return self._means(slots, 0)
        low, high, some = self.slots["low"][slots], self.slots["high"][slots], self.slots["count"][slots] != 0
        if (some & (high != low >> 63)).any():
            raise OutOfRange(
                "bigint out of range",
                detail="a sum of whole numbers does not fit in bigint",
                hint="cast the argument to numeric",
            )
        return buffers.from_ints(low, self.type, some)


class DecimalSum(_WideSum):
    """sum and avg of numeric(p, s)."""

    def update(self, slots: Ints, inputs: Inputs) -> None:
        words = buffers.fixed(inputs.array(self._column), "V16").view(np.int64).reshape(-1, 2)
        low, high = np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1])
        self._add(slots, low, high, inputs.valid(self._column), inputs.weights, self.slots["count"])

    def result(self, slots: Ints) -> pa.Array:
        if self._mean:
            return self._means(slots, self.spec.types[0].scale)
        low, high, some = self.slots["low"][slots], self.slots["high"][slots], self.slots["count"][slots] != 0
        for i in np.flatnonzero(some & (np.abs(self._as_floats(slots)) > 9.9e37)).tolist():
            if abs((int(high[i]) << 64) + int(low.view(np.uint64)[i])) >= _MOST_DIGITS:
                raise OutOfRange("numeric field overflow", detail="a sum has more than 38 digits")
        return buffers.from_fixed(np.stack([low, high], axis=1), self.type, some)


class Strange:
    """How many NaN, infinity and -infinity each slot holds; arrays exist once the first one was seen."""

    NAMES = ("nan", "up", "down")

    def __init__(self, accumulator: Accumulator) -> None:
        self._slots = accumulator.slots

    @property
    def seen(self) -> bool:
        """Whether there ever was one."""
        return bool(self._slots["strange"][0])

    def update(self, slots: Ints, values: Floats, valid: npt.NDArray[np.uint8], weights: Ints) -> None:
        """Count the rows' NaN and infinities."""
        self._slots["strange"][0] = 1
        kinds = (np.isnan(values), values == np.inf, values == -np.inf)
        for name, mask in zip(self.NAMES, kinds, strict=True):
            chosen = mask & (valid != 0) if len(valid) else mask
            group.count(self._slots[name], slots, chosen.view(np.uint8), weights)

    def merge(self, slots: Ints, other: Strange, other_slots: Ints) -> None:
        """Add other's counts."""
        if other.seen:
            self._slots["strange"][0] = 1
            for name in self.NAMES:
                group.count(self._slots[name], slots, NO_BYTES, other._slots[name][other_slots])

    def counts(self, slots: Ints) -> tuple[Any, Any, Any]:
        """(NaN, infinity, -infinity) present, a mask of the slots each."""
        nan, up, down = (self._slots[name][slots] != 0 for name in self.NAMES)
        return nan | (up & down), up, down


STRANGE_KINDS: dict[str, tuple[str, float]] = dict.fromkeys((*Strange.NAMES, "strange"), ("i8", 0))


class FloatSum(Accumulator):
    """sum and avg of floats."""

    def __init__(self, spec: Spec, mean: bool) -> None:
        super().__init__(spec, high=("f8", 0), low=("f8", 0), count=("i8", 0), **STRANGE_KINDS)
        self._column = spec.call.args[0]
        self._mean = mean
        self._strange = Strange(self)

    def update(self, slots: Ints, inputs: Inputs) -> None:
        own, values, valid = self.slots, inputs.floats(self._column), inputs.valid(self._column)
        if group.sum_floats(own["high"], own["low"], own["count"], slots, values, valid, inputs.weights):
            self._strange.update(slots, values, valid, inputs.weights)

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        high, low, count = (other.slots[n][other_slots] for n in ("high", "low", "count"))
        group.add_pairs(self.slots["high"], self.slots["low"], slots, high, low)
        group.count(self.slots["count"], slots, NO_BYTES, count)
        self._strange.merge(slots, other._strange, other_slots)

    def result(self, slots: Ints) -> pa.Array:
        count = self.slots["count"][slots]
        with np.errstate(over="ignore", invalid="ignore"):
            sums = self.slots["high"][slots] + self.slots["low"][slots]
        if not np.isfinite(sums[count != 0]).all():
            raise OutOfRange("value out of range: overflow", detail="a sum of floats exceeds double precision")
        if self._strange.seen:
            nan, up, down = self._strange.counts(slots)
            sums = np.where(nan, np.nan, np.where(up, np.inf, np.where(down, -np.inf, sums)))
        if self._mean:
            sums = sums / np.where(count == 0, 1, count)
        return buffers.from_fixed(sums, self.type, count != 0)


def sum_of(spec: Spec, mean: bool) -> Accumulator:
    """The accumulator of sum (or avg, with `mean`) for the argument's type."""
    dtype = spec.types[0]
    if pa.types.is_integer(dtype):
        return IntSum(spec, mean)
    return DecimalSum(spec, mean) if pa.types.is_decimal128(dtype) else FloatSum(spec, mean)
