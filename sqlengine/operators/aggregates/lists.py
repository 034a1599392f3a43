"""Aggregates that need every row of the group: array_agg, string_agg, and first/last/arg_min where rows can be deleted
or an ORDER BY decides.

Rows wait in a RowBag; results sort the touched groups' rows by ORDER BY and then by arrival.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.operators.aggregates.base import Accumulator, Inputs, Ints, Mask, Spec
from sqlengine.operators.base import State
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.row_bag import RowBag
from sqlengine.state.section import Sections
from sqlengine.state.sort_words import sort_order
from sqlengine.types import storage_type

Order = tuple[tuple[int, bool, bool], ...]


class KeptRows(Accumulator):
    """Base: every row of a group is kept.

    `columns`: the input columns kept, the value first; `order`: ORDER BY over positions in `columns`;
    `required`: positions in `columns` that must not be NULL."""

    def __init__(
        self,
        spec: Spec,
        columns: tuple[int, ...],
        kinds: list[pa.DataType],
        order: Order,
        required: tuple[int, ...],
    ) -> None:
        super().__init__(spec)
        self._columns = columns
        self._order = order
        self._required = required
        self._bag = RowBag([storage_type(k) for k in kinds])

    @property
    def nbytes(self) -> int:
        return self._bag.nbytes

    def update(self, slots: Ints, inputs: Inputs) -> None:
        keep: Mask | None = None
        for position in self._required:
            valid = inputs.valid(self._columns[position])
            if len(valid):
                keep = valid != 0 if keep is None else keep & (valid != 0)
        if keep is not None:
            rows = np.flatnonzero(keep)
            slots, inputs = slots[rows], inputs.take(rows)
        columns = [inputs.array(c) for c in self._columns]
        self._bag.apply(slots, columns, inputs.weights, inputs.arrivals)
        self._bag.reclaim(self.slots.size)

    def merge(self, slots: Ints, other: Self, other_slots: Ints) -> None:
        self._bag.merge(slots, other._bag, other_slots)

    def compact(self, keep: Mask, moved: Ints) -> None:
        super().compact(keep, moved)
        self._bag.compact(moved)

    def rows(self, slots: Ints) -> State:
        return {"slots": pa.table({"slot": pa.array(slots)})}

    def sections(self) -> Sections:
        return self._bag.sections()

    def restore(self, state: State) -> None:
        self.slots.grow(state["slots"].num_rows)
        self._bag.restore(state)

    def sorted_rows(self, slots: Ints) -> tuple[Ints, list[pa.Array]]:
        """(position in `slots`, the kept columns) of the living rows, in order within each slot."""
        position, rows = self._bag.rows(slots)
        columns = self._bag.values(rows)
        keys = [(columns[c], descending, nulls_first) for c, descending, nulls_first in self._order]
        order = sort_order([position], keys, self._bag.arrivals(rows))
        at = pa.array(order)
        return position[order], [c.take(at) for c in columns]

    def _sorted(self, slots: Ints) -> tuple[Ints, pa.Array]:
        """(position in `slots`, value) of the living rows, in order within each slot."""
        position, columns = self.sorted_rows(slots)
        return position, columns[0]


def _offsets(position: Ints, n: int) -> Ints:
    """int64[n + 1] list offsets of rows grouped by ascending position."""
    return np.searchsorted(position, np.arange(n + 1)).astype(np.int64)


class ArrayAgg(KeptRows):
    """All values as a list; NULL of no rows."""

    def result(self, slots: Ints) -> pa.Array:
        position, values = self._sorted(slots)
        offsets = _offsets(position, len(slots))
        some = np.diff(offsets) > 0
        return buffers.from_list_parts(offsets, buffers.wrap(values, self.type.value_type), self.type, some)


class StringAgg(KeptRows):
    """The texts joined by a separator; NULL of none."""

    def __init__(self, spec: Spec, columns: tuple[int, ...], kinds: list[pa.DataType], order: Order) -> None:
        super().__init__(spec, columns, kinds, order, required=(0,))
        self._separator = str(spec.call.constants[0]) if spec.call.constants else ""

    def result(self, slots: Ints) -> pa.Array:
        position, values = self._sorted(slots)
        offsets = _offsets(position, len(slots))
        some = np.diff(offsets) > 0
        texts = buffers.from_list_parts(offsets, values.cast(pa.string()), pa.list_(pa.string()), some)
        return pc.binary_join(texts, self._separator).cast(self.type)


class OrderedPick(KeptRows):
    """The value of the first row in order."""

    def __init__(
        self,
        spec: Spec,
        columns: tuple[int, ...],
        kinds: list[pa.DataType],
        order: Order,
        required: tuple[int, ...],
        last: bool,
    ) -> None:
        super().__init__(spec, columns, kinds, order, required)
        self._last = last

    def result(self, slots: Ints) -> pa.Array:
        position, values = self._sorted(slots)
        offsets = _offsets(position, len(slots))
        at = offsets[1:] - 1 if self._last else offsets[:-1]
        return buffers.wrap(values.take(pa.array(at, mask=np.diff(offsets) == 0)), self.type)


def _bag_columns(spec: Spec) -> tuple[tuple[int, ...], list[pa.DataType], Order]:
    """The value and the ORDER BY columns of a call, their types, and the order over their positions."""
    call = spec.call
    columns = (call.args[0], *(c for c, _, _ in call.order_by))
    order = tuple((i + 1, desc, first) for i, (_, desc, first) in enumerate(call.order_by))
    return columns, [spec.types[0], *spec.types[len(call.args) :]], order


def array_agg(spec: Spec) -> Accumulator:
    """array_agg(x [ORDER BY ...])."""
    return ArrayAgg(spec, *_bag_columns(spec), required=())


def string_agg(spec: Spec) -> Accumulator:
    """string_agg(x, separator [ORDER BY ...])."""
    return StringAgg(spec, *_bag_columns(spec))


def ordered_pick(spec: Spec, last: bool, skip_null: bool) -> Accumulator:
    """first or last, with ORDER BY or over an input that deletes."""
    return OrderedPick(spec, *_bag_columns(spec), required=(0,) if skip_null else (), last=last)


def ordered_arg(spec: Spec, largest: bool) -> Accumulator:
    """arg_min(x, by), arg_max(x, by): of equal `by` the row that arrived first."""
    return OrderedPick(spec, spec.call.args, list(spec.types[:2]), ((1, largest, False),), required=(0, 1), last=False)
