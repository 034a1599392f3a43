"""first, last, any_value, arg_min and arg_max over an input that only grows: the winning row's value per group.

The winner is the row with the least (greatest) order word; first and last order by arrival.  Of equal words the row
that arrived first wins, or the latest where the last row is asked for.  Inputs that can delete, and orders without
words, go to `lists.OrderedPick`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import pyarrow as pa

from sqlengine.kernels import group
from sqlengine.operators.aggregates.base import NO_BYTES, Accumulator, Bytes, Inputs, Ints, Mask, Spec
from sqlengine.operators.base import State
from sqlengine.quick_dataclass import dataclass
from sqlengine.state.order_codes import order_codes
from sqlengine.state.value_store import ValueStore

_FIRST_OF_ALL, _LAST_OF_ALL = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Rule:
    """Who wins: `by` is the ordering input column (None: arrival); `largest`: its greatest value instead of its least;
    `latest`: of equal ones the last to arrive; `skip_null_value`, `skip_null_by`: rows that take no part;
    `null_by_last`: where a NULL `by` sorts, when it takes part."""

    by: int | None = None
    largest: bool = False
    latest: bool = False
    skip_null_value: bool = False
    skip_null_by: bool = False
    null_by_last: bool = True


class Pick(Accumulator):
    """The value (first argument) of the row that wins by `rule`."""

    def __init__(self, spec: Spec, rule: Rule) -> None:
        super().__init__(spec, seen=("u1", 0), word=("i8", 0), arrival=("i8", 0))
        self._value = spec.call.args[0]
        self._rule = rule
        self._store = ValueStore(self.type)

    @property
    def nbytes(self) -> int:
        return self.slots.nbytes + self._store.nbytes

    def grow(self, size: int) -> None:
        super().grow(size)
        self._store.grow(size)

    def update(self, slots: Ints, inputs: Inputs) -> None:
        rows = self._improve(slots, self._words(inputs), inputs.arrivals, self._eligible(inputs))
        if len(rows):
            self._store.set(slots[rows], inputs.array(self._value).take(pa.array(rows)))

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        word, arrival, seen = (other.slots[n][other_slots] for n in ("word", "arrival", "seen"))
        rows = self._improve(slots, word, arrival, seen)
        if len(rows):
            self._store.set(slots[rows], other._store.get(other_slots[rows]))

    def result(self, slots: Ints) -> pa.Array:
        return self._store.get(slots)

    def compact(self, keep: Mask, moved: Ints) -> None:
        super().compact(keep, moved)
        self._store.compact(keep)

    def rows(self, slots: Ints) -> State:
        return super().rows(slots) | {"values": self._store.rows(slots)}

    def restore(self, state: State) -> None:
        for _ in self.restored(state):
            pass

    def restored(self, state: State) -> Iterator[None]:
        super().restore(state)
        yield from self._store.restored(state["values"])

    def _words(self, inputs: Inputs) -> Ints:
        """The order word of each row."""
        if self._rule.by is None:
            return inputs.arrivals
        words, valid = order_codes(inputs.array(self._rule.by)), inputs.valid(self._rule.by)
        if not len(valid):
            return words
        return np.where(valid != 0, words, _LAST_OF_ALL if self._rule.null_by_last else _FIRST_OF_ALL)

    def _eligible(self, inputs: Inputs) -> Bytes:
        """Rows that may win."""
        rule = self._rule
        by = inputs.valid(rule.by) if rule.skip_null_by and rule.by is not None else NO_BYTES
        own = inputs.valid(self._value) if rule.skip_null_value else NO_BYTES
        if len(by) and len(own):
            return by & own
        return by if len(by) else own

    def _improve(self, slots: Ints, words: Ints, arrivals: Ints, valid: Bytes) -> Ints:
        """Positions of the final winner of each slot that got a new one."""
        best, ties, seen = self.slots["word"], self.slots["arrival"], self.slots["seen"]
        rule = self._rule
        better = group.improve_pair(best, ties, seen, slots, words, arrivals, valid, rule.largest, rule.latest)
        rows = np.flatnonzero(better)
        if len(rows) < 2:
            return rows
        _, last = np.unique(slots[rows][::-1], return_index=True)
        winners: Ints = rows[len(rows) - 1 - last]
        return winners
