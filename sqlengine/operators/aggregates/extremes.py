"""min and max: a running extreme per group; over an input that can delete, the group's values as a multiset beside it.

Types with order-preserving words (numbers, dates, times) compare as int64 in one kernel.  Others (text, decimals) are
ranked per batch against the touched groups' current extremes.  A deletion makes a group look through its values only
when it took away the last copy of the extreme itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import pyarrow as pa

from sqlengine.kernels import group
from sqlengine.operators.aggregates.base import NO_BYTES, Accumulator, Inputs, Ints, Mask, Spec
from sqlengine.operators.base import State
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.densifier import Densifier
from sqlengine.state.multiset import Changes, Multiset
from sqlengine.state.order_codes import has_order_codes, order_codes
from sqlengine.state.section import Sections
from sqlengine.state.sort_words import comparable_words, from_order_codes
from sqlengine.state.value_store import ValueStore
from sqlengine.types import storage_type


class _Extreme(Accumulator):
    """What the two kinds of types share: the multiset, and which slots must look through it."""

    def __init__(self, spec: Spec, largest: bool, **kinds: tuple[str, float]) -> None:
        super().__init__(spec, seen=("u1", 0), **kinds)
        self._column = spec.call.args[0]
        self._largest = largest
        self._storage = storage_type(spec.types[0])
        self._values = None if spec.append_only else Multiset([self._storage])

    @property
    def nbytes(self) -> int:
        return self.slots.nbytes + (self._values.nbytes if self._values else 0)

    def update(self, slots: Ints, inputs: Inputs) -> None:
        valid, values = inputs.valid(self._column), inputs.array(self._column)
        if self._values is None:
            self._improve(slots, values, valid)
            return
        rows = np.flatnonzero(valid) if len(valid) else None
        weights = inputs.weights
        if rows is not None:
            slots, values = slots[rows], values.take(pa.array(rows))
            weights = weights[rows] if len(weights) else weights
        self._changed(self._values, self._values.apply(slots, [values], weights))

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        if self._values is not None and other._values is not None:
            self._changed(self._values, self._values.merge(slots, other._values, other_slots))
            return
        some = other.slots["seen"][other_slots] != 0
        self._improve(slots[some], other._best(other_slots[some]), NO_BYTES)

    def _changed(self, values: Multiset, changes: Changes) -> None:
        """Entries came to life or died: improve with the former, look again where the extreme itself died."""
        born = changes.entries[(changes.before <= 0) & (changes.after > 0)]
        died = changes.entries[(changes.before > 0) & (changes.after <= 0)]
        if len(died):
            stale = np.unique(self._stale(values.slots(died), values.values(died)[0]))
            self.slots["seen"][stale] = 0
            position, entries = values.entries(stale)
            alive = values.weights(entries) > 0
            self._improve(stale[position[alive]], values.values(entries[alive])[0], NO_BYTES)
        if len(born):
            self._improve(values.slots(born), values.values(born)[0], NO_BYTES)
        values.reclaim(self.slots.size)

    def _improve(self, slots: Ints, values: pa.Array, valid: np.ndarray) -> None:
        raise AssertionError("of the subclass")

    def _stale(self, slots: Ints, values: pa.Array) -> Ints:
        """The slots whose current extreme equals the value given for them."""
        raise AssertionError("of the subclass")

    def _best(self, slots: Ints) -> pa.Array:
        """The extremes of slots that have one."""
        raise AssertionError("of the subclass")

    def compact(self, keep: Mask, moved: Ints) -> None:
        super().compact(keep, moved)
        if self._values is not None:
            self._values.compact(moved)

    def sections(self) -> Sections:
        return self._values.section("values") if self._values is not None else {}

    def restore(self, state: State) -> None:
        super().restore(state)
        if self._values is not None:
            self._values.restore(state["values"])


class WordExtreme(_Extreme):
    """Extremes as order codes."""

    def __init__(self, spec: Spec, largest: bool) -> None:
        super().__init__(spec, largest, best=("i8", 0))

    def _improve(self, slots: Ints, values: pa.Array, valid: np.ndarray) -> None:
        group.improve(self.slots["best"], self.slots["seen"], slots, order_codes(values), valid, self._largest)

    def _stale(self, slots: Ints, values: pa.Array) -> Ints:
        return slots[(order_codes(values) == self.slots["best"][slots]) & (self.slots["seen"][slots] != 0)]

    def _best(self, slots: Ints) -> pa.Array:
        return from_order_codes(self.slots["best"][slots], self._storage)

    def result(self, slots: Ints) -> pa.Array:
        words, seen = self.slots["best"][slots], self.slots["seen"][slots] != 0
        return buffers.wrap(from_order_codes(words, self._storage, seen), self.type)


class RankExtreme(_Extreme):
    """Extremes of types that only compare as values: kept in a value store."""

    def __init__(self, spec: Spec, largest: bool) -> None:
        super().__init__(spec, largest)
        self._store = ValueStore(self._storage)
        self._densify = Densifier()

    @property
    def nbytes(self) -> int:
        return super().nbytes + self._store.nbytes

    def grow(self, size: int) -> None:
        super().grow(size)
        self._store.grow(size)

    def _improve(self, slots: Ints, values: pa.Array, valid: np.ndarray) -> None:
        if len(valid):
            rows = np.flatnonzero(valid)
            slots, values = slots[rows], values.take(pa.array(rows))
        if not len(slots) or pa.types.is_null(values.type):
            return
        touched, local = self._densify(slots, self.slots.size)
        had = np.flatnonzero(self.slots["seen"][touched])
        candidates = pa.concat_arrays([self._store.get(touched[had]), values])
        best, seen = np.zeros(len(touched), dtype=np.int64), np.zeros(len(touched), dtype=np.uint8)
        at = np.concatenate([had, local])
        better = group.improve(best, seen, at, comparable_words(candidates), NO_BYTES, self._largest)
        won = np.flatnonzero(better[len(had) :])
        winners = np.full(len(touched), -1, dtype=np.int64)
        winners[local[won]] = won
        changed = np.flatnonzero(winners >= 0)
        self._store.set(touched[changed], values.take(pa.array(winners[changed])))
        self.slots["seen"][touched[changed]] = 1

    def _stale(self, slots: Ints, values: pa.Array) -> Ints:
        both = comparable_words(pa.concat_arrays([self._store.get(slots), values]))
        return slots[(both[: len(slots)] == both[len(slots) :]) & (self.slots["seen"][slots] != 0)]

    def _best(self, slots: Ints) -> pa.Array:
        return self._store.get(slots)

    def result(self, slots: Ints) -> pa.Array:
        seen = pa.array(self.slots["seen"][slots] != 0)
        values = self._store.get(slots)
        if pa.types.is_null(values.type):
            return buffers.null_array(self.type, len(slots))
        return buffers.wrap(values.filter(seen).take(_places(seen)), self.type)

    def compact(self, keep: Mask, moved: Ints) -> None:
        super().compact(keep, moved)
        self._store.compact(keep)

    def rows(self, slots: Ints) -> State:
        return super().rows(slots) | {"best": self._store.rows(slots)}

    def restore(self, state: State) -> None:
        for _ in self.restored(state):
            pass

    def restored(self, state: State) -> Iterator[None]:
        super().restore(state)
        yield from self._store.restored(state["best"])


def _places(seen: pa.Array) -> pa.Array:
    """Where each seen row stands among the seen ones; NULL for the others."""
    mask = np.asarray(seen.to_numpy(zero_copy_only=False))
    return pa.array(np.cumsum(mask, dtype=np.int64) - 1, mask=~mask)


def extreme_of(spec: Spec, largest: bool) -> Accumulator:
    """The accumulator of min or max for the argument's type."""
    return (WordExtreme if has_order_codes(storage_type(spec.types[0])) else RankExtreme)(spec, largest)
