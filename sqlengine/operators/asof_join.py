"""AsofJoin: each left row with the one right row of equal keys that is nearest in time.

Two ways: corrected as either side changes (CorrectedAsof), or settled (asof_settle.py), where left rows wait for the
right watermark and leave once.  A tick's changes are applied together in `advance`, so a correction
within a tick is never seen.  This file must not know how runs are searched: state/sorted_runs.py does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.asof_settle import SettledAsof
from sqlengine.operators.asof_shape import LEFT, RIGHT, AsofShape
from sqlengine.operators.base import Operator, State, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.plan import nodes
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.section import Sections
from sqlengine.state.timed_rows import TimedRows

Ints = npt.NDArray[np.int64]
FOREVER = int(np.iinfo(np.int64).max)


class AsofJoinOperator(Operator):
    """See nodes.AsofJoin; rows with a NULL key or time never match and are answered at once."""

    def __init__(self, node: nodes.AsofJoin) -> None:
        self.schema = node.schema
        self._shape = AsofShape(node)
        self._way: SettledAsof | CorrectedAsof
        self._way = SettledAsof(self._shape) if node.settle else CorrectedAsof(self._shape)

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        whole, lonely = self._shape.split_nulls(delta, port)
        if whole.num_rows:
            self._way.take(whole, port)
        return lonely

    def advance(self, times: Times) -> Delta | None:
        return self._way.advance(times)

    def output_watermark(self, times: Times) -> int:
        return self._way.output_watermark(times)

    def state_size(self) -> Mapping[str, int]:
        return self._way.state_size()

    def sections(self) -> Sections:
        return self._way.sections()

    def rest(self) -> State:
        return self._way.rest()

    def restore(self, state: State) -> None:
        self._way.restore(state)


class CorrectedAsof:
    """Keeps both sides and, per left row, the right row it is joined with now."""

    def __init__(self, shape: AsofShape) -> None:
        self._shape = shape
        self._clear()

    def _clear(self) -> None:
        """No rows."""
        self._index = KeyIndex(self._shape.key_types)
        self._sides = tuple(
            TimedRows(schema, retracting)
            for schema, retracting in zip(self._shape.schemas, self._shape.retracting, strict=True)
        )
        self._match = Growable(-1)
        self._pending: tuple[list[Delta], list[Delta]] = ([], [])

    def take(self, delta: Delta, port: int) -> None:
        """Note a part of the tick's changes."""
        self._pending[port].append(delta)

    def advance(self, times: Times) -> Delta | None:
        """Apply the tick's net changes; returns the net change of the output."""
        left, right = (consolidate(concat(pending)) for pending in self._pending)
        self._pending = ([], [])
        out: list[Delta] = []
        if right is not None:
            changed = self._apply_right(right)
        if left is not None:
            self._remove_left(left, out)
        if right is not None:
            self._correct(*changed, out)
        if left is not None:
            self._add_left(left, out)
        self._compact()
        return concat(out)

    def output_watermark(self, times: Times) -> int:
        """Corrections carry old times, as the node's properties say."""
        return times.watermark_us

    def _apply_right(self, delta: Delta) -> tuple[Ints, Ints]:
        """Remove and add right rows; returns the (slots, times) where something changed."""
        side = self._sides[RIGHT]
        gone, come = _split(delta)
        slots, stamps = [], []
        if gone is not None:
            rows = side.remove(gone.batch, -gone.weight_array())
            slots.append(side.slots.values[rows])
            stamps.append(side.times.values[rows])
        if come is not None:
            batch = _repeated(come)
            slots.append(self._slots(batch, RIGHT))
            stamps.append(self._shape.times(batch, RIGHT))
            side.add(batch, slots[-1], stamps[-1])
        return np.concatenate(slots), np.concatenate(stamps)

    def _slots(self, batch: pa.RecordBatch, port: int) -> Ints:
        return self._index.insert(self._shape.keys(batch, port), batch.num_rows)

    def _correct(self, slots: Ints, times: Ints, out: list[Delta]) -> None:
        """Look the left rows around the changed right rows up again."""
        left, right = self._sides
        neighbour = right.nearest(slots, times, backward=not self._shape.backward, inclusive=False)
        limit = np.where(neighbour >= 0, right.times.values[neighbour], FOREVER if self._shape.backward else -FOREVER)
        if self._shape.backward:
            rows = left.runs.between(slots, times, np.minimum(limit, FOREVER - 1) + 1)
        else:
            rows = left.runs.between(slots, limit, times + 1)
        rows = rows[left.alive(rows)]
        match = self._nearest(left.slots.values[rows], left.times.values[rows])
        moved = match != self._match.values[rows]
        rows, match = rows[moved], match[moved]
        self._emit(rows, self._match.values[rows], -1, out)
        self._emit(rows, match, 1, out)
        self._match.values[rows] = match

    def _nearest(self, slots: Ints, times: Ints) -> Ints:
        shape = self._shape
        return self._sides[RIGHT].nearest(slots, times, backward=shape.backward, inclusive=not shape.strict)

    def _remove_left(self, delta: Delta, out: list[Delta]) -> None:
        gone, _ = _split(delta)
        if gone is not None:
            rows = self._sides[LEFT].remove(gone.batch, -gone.weight_array())
            self._emit(rows, self._match.values[rows], -1, out)

    def _add_left(self, delta: Delta, out: list[Delta]) -> None:
        _, come = _split(delta)
        if come is None:
            return
        batch = _repeated(come)
        slots, times = self._slots(batch, LEFT), self._shape.times(batch, LEFT)
        rows = self._sides[LEFT].add(batch, slots, times)
        self._match.append(self._nearest(slots, times))
        self._emit(rows, self._match.values[rows], 1, out)

    def _emit(self, rows: Ints, match: Ints, weight: int, out: list[Delta]) -> None:
        """Left rows with their right rows (-1: none)."""
        left, right = self._sides
        found = match >= 0
        if found.any():
            own = left.arena.take(rows[found])
            out.append(self._shape.joined(own, right.arena.take(match[found]), weight))
        if not found.all() and self._shape.outer:
            out.append(self._shape.alone(left.arena.take_batch(rows[~found]), weight))

    def _compact(self) -> None:
        """Reclaim dead rows and keys without rows when they are the majority."""
        left, right = self._sides
        which = [side.worth_compacting() for side in self._sides]
        if which[RIGHT]:
            new_row = right.compact()
            match = self._match.values
            match[match >= 0] = new_row[match[match >= 0]]
        if which[LEFT]:
            new_row = left.compact()
            self._match.replace(self._match.values[new_row >= 0])
        if any(which):
            self._compact_keys()

    def _compact_keys(self) -> None:
        used = np.zeros(self._index.size, dtype=bool)
        for side in self._sides:
            used[side.slots.values] = True
        if 2 * int(used.sum()) < len(used):
            new_slot = self._index.compact(used)
            for side in self._sides:
                side.renumber_slots(new_slot)

    def state_size(self) -> Mapping[str, int]:
        """Rows and bytes of both sides."""
        rows = sum(side.num_rows for side in self._sides)
        return {"rows": rows, "bytes": sum(side.num_bytes for side in self._sides) + self._index.nbytes}

    def sections(self) -> Sections:
        """Both sides' rows; matches follow from them."""
        return {**self._sides[LEFT].sections("left"), **self._sides[RIGHT].sections("right")}

    def rest(self) -> State:
        """Nothing else."""
        return {}

    def restore(self, state: State) -> None:
        """Hold the snapshot's rows."""
        self._clear()
        for port, name in ((RIGHT, "right"), (LEFT, "left")):
            self._sides[port].restore(state, name, partial(self._entries, port))
        left = self._sides[LEFT]
        self._match.append(self._nearest(left.slots.values, left.times.values))

    def _entries(self, port: int, batch: pa.RecordBatch) -> tuple[Ints, Ints]:
        """(slots, times) of a side's rows."""
        return self._slots(batch, port), self._shape.times(batch, port)


def _split(delta: Delta) -> tuple[Delta | None, Delta | None]:
    """(deletions, insertions) of a consolidated delta."""
    if delta.weights is None:
        return None, delta
    gone = np.flatnonzero(delta.weights < 0)
    come = np.flatnonzero(delta.weights > 0)
    return (delta.take(gone) if len(gone) else None), (delta.take(come) if len(come) else None)


def _repeated(delta: Delta) -> pa.RecordBatch:
    """Rows of positive weight, each as often as its weight says."""
    if delta.weights is None or int(delta.weights.max()) == 1:
        return delta.batch
    return delta.batch.take(pa.array(np.repeat(np.arange(delta.num_rows), delta.weights)))
