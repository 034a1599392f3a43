"""DISTINCT: any aggregate over the values a group holds at least once.

A multiset of (group, arguments) turns weighted rows into the moments a value first appears or finally vanishes; only
those reach the inner accumulator, as +1 and -1.  count(DISTINCT x) is then a plain count of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np
import pyarrow as pa

from sqlengine.masks import present
from sqlengine.operators.aggregates.base import NO_BYTES, Accumulator, Bytes, Inputs, Ints, Mask, Spec
from sqlengine.operators.base import State
from sqlengine.state.multiset import Changes, Multiset
from sqlengine.state.section import Sections
from sqlengine.types import storage_type


class Appearances(Inputs):
    """The inner accumulator's view of changed entries: columns are decoded only when asked for."""

    def __init__(self, values: Multiset, entries: Ints, signs: Ints, arrival: int, nulls: bool) -> None:
        super().__init__([], len(entries), signs, arrival)
        self._source = values
        self._entries = entries
        self._nulls = nulls
        self._decoded: list[pa.Array] | None = None

    def array(self, column: int) -> pa.Array:
        if self._decoded is None:
            self._decoded = self._source.values(self._entries)
        return self._decoded[column]

    def valid(self, column: int) -> Bytes:
        if not self._nulls:
            return NO_BYTES
        values = self.array(column)
        if not values.null_count:
            return NO_BYTES
        return present(values).view(np.uint8)

    def take(self, rows: Ints) -> Inputs:
        columns = [self.array(i).take(pa.array(rows)) for i in range(len(self._source.types))]
        return Inputs(columns, len(rows), self.weights[rows], self.arrivals[rows])


class Distinct(Accumulator):
    """Wraps the accumulator of the same call; `keep_nulls`: NULL is a value too (array_agg)."""

    def __init__(self, spec: Spec, inner: Accumulator, keep_nulls: bool) -> None:
        super().__init__(spec)
        self._columns = spec.call.args
        self._values = Multiset([storage_type(t) for t in spec.types[: len(spec.call.args)]])
        self._inner = inner
        self._keep_nulls = keep_nulls
        self._arrivals = 0

    @property
    def nbytes(self) -> int:
        return self._values.nbytes + self._inner.nbytes

    def grow(self, size: int) -> None:
        super().grow(size)
        self._inner.grow(size)

    def update(self, slots: Ints, inputs: Inputs) -> None:
        if not self._keep_nulls:
            keep = NO_BYTES
            for column in self._columns:
                valid = inputs.valid(column)
                keep = valid if not len(keep) else keep & valid if len(valid) else keep
            if len(keep):
                rows = np.flatnonzero(keep)
                slots, inputs = slots[rows], inputs.take(rows)
        columns = [inputs.array(c) for c in self._columns]
        self._pass_on(self._values.apply(slots, columns, inputs.weights))

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        self._pass_on(self._values.merge(slots, other._values, other_slots))

    def _pass_on(self, changes: Changes) -> None:
        """Tell the inner accumulator which values appeared and which vanished."""
        signs = (changes.after > 0).astype(np.int64) - (changes.before > 0)
        turned = np.flatnonzero(signs)
        if len(turned):
            entries = changes.entries[turned]
            news = Appearances(self._values, entries, signs[turned], self._arrivals, self._keep_nulls)
            self._arrivals += len(turned)
            self._inner.update(self._values.slots(entries), news)
        self._values.reclaim(self.slots.size)

    def result(self, slots: Ints) -> pa.Array:
        return self._inner.result(slots)

    def compact(self, keep: Mask, moved: Ints) -> None:
        super().compact(keep, moved)
        self._values.compact(moved)
        self._inner.compact(keep, moved)

    def rows(self, slots: Ints) -> State:
        return {"slots": pa.table({"slot": pa.array(slots)})}

    def sections(self) -> Sections:
        return self._values.section("values")

    def restore(self, state: State) -> None:
        self.grow(state["slots"].num_rows)
        table = state["values"]
        self._values.restore(table)
        entries = np.arange(self._values.size, dtype=np.int64)
        held = self._values.weights(entries)
        self._pass_on(Changes(entries, np.zeros_like(held), held))


def inner_spec(spec: Spec) -> Spec:
    """The call over the distinct arguments alone: argument i is column i, ORDER BY refers to arguments.

    Without ORDER BY lists come sorted by value, NULL last, as PostgreSQL's do.
    """
    call = spec.call
    order = tuple((call.args.index(c), desc, first) for c, desc, first in call.order_by)
    if not order and call.args:
        order = ((0, False, False),)
    kinds = spec.types[: len(call.args)]
    types = (*kinds, *(kinds[c] for c, _, _ in order))
    changed = replace(call, args=tuple(range(len(call.args))), order_by=order, distinct=False)
    return Spec(changed, types, append_only=False)
