"""GROUP BY without windows: one accumulator row per group, what a tick changes emitted at its end.

A group exists while the weights of its rows add up to more than 0.  Without keys there is one group that always has a
row, from the first `advance` on even over no input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.kernels import group
from sqlengine.operators.aggregates.aggregate_set import AggregateSet
from sqlengine.operators.aggregates.base import NO_BYTES, NO_INTS, Inputs
from sqlengine.operators.base import NUMBERS, ChosenKeys, Operator, State, Times, numbers_of, of_numbers
from sqlengine.operators.changes import replacement
from sqlengine.operators.forgetting import Forgetting
from sqlengine.operators.touched_groups import TouchedGroups
from sqlengine.plan.nodes import GroupAggregate
from sqlengine.state.densifier import Densifier
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.section import Changed, Section, Sections

Ints = npt.NDArray[np.int64]


class GroupAggregateOperator(Operator):
    """Keeps `node.keys` and one AggregateSet slot per group."""

    net = True

    def __init__(self, node: GroupAggregate) -> None:
        self.node = node
        self.schema = node.schema
        source = node.input.schema
        self._index = KeyIndex([source.field(k).type for k in node.keys])
        self._aggregates = AggregateSet(node.aggregates, source, node.input.append_only)
        self._weights = Growable()
        self._densify = Densifier()
        self._touched = TouchedGroups()
        self._changed = Changed()
        self._forgetting = Forgetting(node.forget)
        self._arrived = 0
        self._announced = bool(node.keys)
        if not node.keys:
            self._index.insert([], 1)
            self._grow()

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        delta = self._forgetting.in_time(delta)
        if not delta.num_rows:
            return None
        slots = self._index.insert([delta.batch.column(k) for k in self.node.keys], delta.num_rows)
        self._grow()
        weights = NO_INTS if delta.weights is None else delta.weights
        if not self.node.aggregates and self.node.input.append_only:
            return self._new_keys(slots)
        touched, _ = self._densify(slots, self._index.size)
        self._changed.mark(touched)
        self._touched.note(touched, self._index.size, self._exist, self._aggregates.results)
        group.count(self._weights.values, slots, NO_BYTES, weights)
        inputs = Inputs(delta.batch.columns, delta.num_rows, weights, self._arrived)
        self._aggregates.update(slots, inputs)
        self._arrived += delta.num_rows
        return None

    def _exist(self, slots: Ints) -> npt.NDArray[np.bool_]:
        """Which groups have a row in the output."""
        if not self.node.keys:
            return np.full(len(slots), self._announced)
        return self._weights.values[slots] > 0

    def advance(self, times: Times) -> Delta | None:
        change = self.settle()
        self._forgetting.advance(times.watermark_us)
        self._reclaim()
        return change

    def settle(self) -> Delta | None:
        """What rows have changed; the one group without keys is told of at the first occasion."""
        if not self._announced and not self._touched:
            self._touched.note(np.zeros(1, dtype=np.int64), 1, self._exist, self._aggregates.results)
        if not self._touched:
            return None
        touched, had, old = self._touched.take()
        self._announced = True
        has = self._exist(touched)
        keys = self._index.columns(touched) if self.node.keys else []
        return replacement(self.schema, keys, old, self._aggregates.results(touched), had, has)

    def present(self) -> list[Delta] | None:
        if self.node.forget is not None or self._touched:
            return None
        slots = np.flatnonzero(self._exist(np.arange(self._index.size))).astype(np.int64)
        if not len(slots):
            return []
        keys = self._index.columns(slots) if self.node.keys else []
        columns = [*keys, *self._aggregates.results(slots)]
        return [Delta(pa.RecordBatch.from_arrays(columns, schema=self.schema))]

    def take_late(self) -> list[pa.RecordBatch]:
        return self._forgetting.take_late()

    def state_size(self) -> Mapping[str, int]:
        size = self._index.nbytes + self._aggregates.nbytes + self._weights.nbytes
        return {"rows": int(np.count_nonzero(self._weights.values > 0)), "bytes": size}

    def sections(self) -> Sections:
        groups = Section(self._changed, lambda: self._index.size, self._rows)
        return {"groups": groups, **self._aggregates.sections()}

    def _rows(self, slots: Ints) -> State:
        keys = self._index.rows(slots).append_column("$weight", pa.array(self._weights.values[slots]))
        return {"keys": keys, **self._aggregates.rows(slots)}

    def rest(self) -> State:
        numbers = {
            "arrived": self._arrived,
            "announced": int(self._announced),
            "horizon_us": self._forgetting.horizon_us,
        }
        return {NUMBERS: of_numbers(numbers), **self._aggregates.rest()}

    def restore(self, state: State) -> None:
        for _ in self._restored(state):
            pass

    def continue_in_parts(self, state: State) -> Iterator[None]:
        return self._restored(self.completed(state))

    def _restored(self, state: State) -> Iterator[None]:
        keys, numbers = state["keys"], numbers_of(state[NUMBERS])
        self._arrived, self._announced = numbers["arrived"], numbers["announced"] == 1
        self._forgetting.horizon_us = numbers["horizon_us"]
        self._index.restore(keys)
        yield
        self._weights.replace(keys.column("$weight").to_numpy())
        yield from self._aggregates.restored(state, self._index.size)
        self._changed.begin(self._index.size)
        yield

    def _grow(self) -> None:
        self._weights.grow(self._index.size)
        self._aggregates.grow(self._index.size)

    def _new_keys(self, slots: Ints) -> Delta | None:
        """DISTINCT over inserted rows: keys that were absent; nothing else can change."""
        touched, _ = self._densify(slots, self._index.size)
        self._changed.mark(touched)
        born = touched[self._weights.values[touched] <= 0]
        group.count(self._weights.values, slots, NO_BYTES, NO_INTS)
        if not len(born):
            return None
        return Delta(pa.RecordBatch.from_arrays(self._index.columns(born), schema=self.schema))

    def _reclaim(self) -> None:
        """Forget dead groups once they are the majority and many or large (between ticks, when deletions have met their
        rows), and those whose time has passed."""
        if self._forgetting.is_due(self._index.size):
            self._compact()
            self._forgetting.looked(self._index.size)
        if self.node.input.append_only:
            return
        dead = int(np.count_nonzero(self._weights.values == 0))
        if self._aggregates.worth_compacting(dead):
            self._compact()

    def keep(self, chosen: ChosenKeys) -> None:
        self._drop_all_but(chosen(self._index.columns()))

    def _compact(self) -> None:
        if not self.node.keys:
            return
        keep = self._weights.values != 0
        if self.node.forget is not None:
            at = self.node.keys.index(self.node.forget.column)
            keep &= ~self._forgetting.gone(self._index.decode(self._index.words(), [at])[0])
        self._drop_all_but(keep)

    def _drop_all_but(self, keep: npt.NDArray[np.bool_]) -> None:
        if keep.all():
            return
        self._changed.renumbered()
        moved = self._index.compact(keep)
        self._weights.replace(self._weights.values[keep])
        self._aggregates.compact(keep, moved)
