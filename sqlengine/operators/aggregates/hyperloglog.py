"""approx_count_distinct over an input that only grows: HyperLogLog, exact while a group is small.

Registers and their use are those of Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal
cardinality estimation algorithm" (2007), over 64-bit hashes; the estimate is the improved raw estimator of Ertl, "New
cardinality estimation algorithms for HyperLogLog sketches" (2017, algorithm 6), which has no bias to correct at any
size.  A group's different hashes are kept themselves until they would need more room than the registers (as Heule,
Nunkesser and Hall's HyperLogLog++ does, 2013).  What is kept depends on the set of values alone: not on their order,
nor on how they were split into batches or merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa

from sqlengine.kernels import choose
from sqlengine.operators.aggregates.base import Floats, Inputs, Ints, Spec
from sqlengine.operators.aggregates.block_accumulator import BlockAccumulator
from sqlengine.sql.approximate import precision_of
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.fingerprint import fingerprints
from sqlengine.state.slot_blocks import NO_BLOCK, Words

if TYPE_CHECKING:
    from sqlengine.kernels import hyperloglog_reference as kernel
else:
    kernel = choose("hyperloglog", "hyperloglog_reference")

_DENSE = -1
"""`used` of a slot that has registers instead of hashes."""
_UNKNOWN = -1
_WORD_REGISTERS_LOG2 = 3
"""Eight registers a word."""


class HyperLogLog(BlockAccumulator):
    """`used`: how many different hashes a slot's block holds (see kernels/hyperloglog.pyx); `answer`: the estimate of
    registers, until they may have changed: a view that shows changes asks for it before and after each batch."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, used=("i8", 0), answer=("i8", _UNKNOWN))
        self._column = spec.call.args[0]
        self._precision = precision_of(spec.call.function, spec.call.constants)
        self._top = self._precision - _WORD_REGISTERS_LOG2

    def update(self, slots: Ints, inputs: Inputs) -> None:
        valid, values = inputs.valid(self._column), inputs.array(self._column)
        if pa.types.is_null(values.type):
            return
        if len(valid):
            rows = np.flatnonzero(valid)
            slots, values = slots[rows], values.take(pa.array(rows))
        hashes = np.ascontiguousarray(fingerprints([values], len(values))[:, 0]).view(np.uint64)
        self._insert(slots, np.maximum(hashes, 1))

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        dense = other.slots["used"][other_slots] == _DENSE
        sparse = other_slots[~dense]
        at, hashes = other._blocks.contents(sparse)
        taken = np.flatnonzero(hashes)
        self._insert(slots[~dense][at[taken]], hashes[taken])
        if dense.any():
            slots, other_slots = slots[dense], other_slots[dense]
            self.slots["answer"][slots] = _UNKNOWN
            self._to_registers(np.unique(slots))
            mine, theirs = self._blocks, other._blocks
            kernel.merge(mine.words, mine.start, slots, theirs.words, theirs.start, other_slots, self._precision)

    def result(self, slots: Ints) -> pa.Array:
        counts, known = self.slots["used"][slots], self.slots["answer"]
        dense = slots[counts == _DENSE]
        asked, blocks = dense[known[dense] == _UNKNOWN], self._blocks
        registers = kernel.histograms(blocks.words, blocks.start, asked, self._precision)
        known[asked] = np.rint(estimate(registers, self._precision)).astype(np.int64)
        counts[counts == _DENSE] = known[dense]
        return buffers.from_ints(counts, self.type)

    def _insert(self, slots: Ints, hashes: Words) -> None:
        """Add one hash a row."""
        self.slots["answer"][slots] = _UNKNOWN
        while len(left := self._put(slots, hashes)):
            slots, hashes = slots[left], hashes[left]
            self._widen(*np.unique(slots, return_counts=True))

    def _put(self, slots: Ints, hashes: Words) -> Ints:
        """The rows whose slots have no room for them."""
        blocks = self._blocks
        return kernel.insert(
            blocks.words, blocks.start, blocks.level, self.slots["used"], slots, hashes, self._precision
        )

    def _widen(self, slots: Ints, waiting: Ints) -> None:
        """Tables twice as large, or four times where many hashes wait (some may be equal); registers for the slots
        whose table has the size of those."""
        level = self._blocks.level[slots].astype(np.int64)
        full = level == self._top
        self._to_registers(slots[full])
        step = np.where(waiting > 2 << np.maximum(level, 0), 2, 1)
        wider = np.where(level == NO_BLOCK, 1, np.minimum(level + step, self._top))
        self._renew(slots[~full], wider[~full], used=0)

    def _to_registers(self, slots: Ints) -> None:
        slots = slots[self.slots["used"][slots] != _DENSE]
        self._renew(slots, np.full(len(slots), self._top), used=_DENSE)

    def _renew(self, slots: Ints, levels: Ints, used: int) -> None:
        """Blocks of other sizes with the same hashes in them."""
        at, hashes = self._blocks.contents(slots)
        taken = np.flatnonzero(hashes)
        self._blocks.renew(slots, levels.astype(np.int8))
        self.slots["used"][slots] = used
        left = self._put(slots[at[taken]], hashes[taken])
        assert not len(left), "a wider table has room for what was in the narrower one"


def estimate(registers: Ints, precision: int) -> Floats:
    """The number of different hashes that filled registers: int64[n, 66 - precision] counts of each value."""
    size, last = 1 << precision, 65 - precision
    z = size * _tau(1.0 - registers[:, last] / size)
    for value in range(last - 1, 0, -1):
        z = 0.5 * (z + registers[:, value])
    z += size * _sigma(registers[:, 0] / size)
    with np.errstate(divide="ignore"):
        found: Floats = size * size / (2.0 * np.log(2.0)) / z
    return found


def _sigma(x: Floats) -> Floats:
    """x + the sum over k of x**(2**k) * 2**(k - 1); infinite at 1."""
    total, weight = x.copy(), 1.0
    with np.errstate(under="ignore"):
        while True:
            x = x * x
            before = total
            total = total + np.where(x == 1.0, np.inf, x) * weight
            weight += weight
            if (total == before).all():
                return total


def _tau(x: Floats) -> Floats:
    """(1 - x - the sum over k of (1 - x**(2**-k))**2 * 2**-k) / 3; 0 at 0 and 1."""
    edge = (x == 0.0) | (x == 1.0)
    total, weight = 1.0 - x, 1.0
    while True:
        x = np.sqrt(x)
        before = total
        weight *= 0.5
        total = total - (1.0 - x) ** 2 * weight
        if (total == before).all():
            return np.where(edge, 0.0, total / 3.0)
