"""RankedRows: rows by partition, a note about each, and which of them a ranking's buffers hold.

Rows removed or beaten are marked dead and stay readable until `compact_if_worth_it`.  It must not know the order of
rows: the ranking operator sorts them and says which ones its buffers hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.state.densifier import distinct_ascending
from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.row_arena import FULL_CHUNK, RowArena
from sqlengine.state.row_chains import RowChains
from sqlengine.state.row_index import RowIndex
from sqlengine.state.section import Changed, Section, Sections
from sqlengine.state.slot_lists import SlotLists

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
WORST = int(np.iinfo(np.int64).max)
REPLACE_AT = FULL_CHUNK
"""Batches of so many rows are a chunk of the arena for themselves, whose losers can be left out at once."""
COMPACT_AT = 16_384
"""Fewer dead rows than this are not worth a compaction."""
ROWS, LIVE = "rows", "live"


def living_of(state: Mapping[str, pa.Table]) -> pa.Table:
    """The living rows of what `RankedRows.sections` hold, in order of arrival."""
    rows, live = state[ROWS], state.get(LIVE)
    return rows if live is None or not live.num_rows else rows.filter(live.column(LIVE).cast(pa.bool_()))


def sides(delta: Delta) -> tuple[pa.RecordBatch, Ints, pa.RecordBatch]:
    """(rows that go, how many of each, rows that come, as often as they do) of a net change."""
    if delta.weights is None:
        return delta.batch.slice(0, 0), np.empty(0, dtype=np.int64), delta.batch
    gone, come = np.flatnonzero(delta.weights < 0), np.flatnonzero(delta.weights > 0)
    repeated = np.repeat(come, delta.weights[come])
    return delta.batch.take(pa.array(gone)), -delta.weights[gone], delta.batch.take(pa.array(repeated))


class RankedRows:
    """`retracting`: rows can be removed by value; `listed` (or retracting): all rows of a partition can be listed."""

    def __init__(
        self, schema: pa.Schema, partition_types: Sequence[pa.DataType], retracting: bool, listed: bool = False
    ) -> None:
        self.arena = RowArena(schema)
        self.slots = Growable()
        self.marks = Growable()
        """Per row: what its owner notes of it (the rank it is shown with, the place of its values), 0 at first."""
        self.thresholds = Growable(WORST)
        """Per partition: a row whose first ORDER BY code is greater can not be shown."""
        self.partition_rows = Growable()
        """Per partition: living rows."""
        self.buffers = SlotLists()
        self._buffered = Growable(0, np.uint8)
        self._live = Growable(1, np.uint8)
        self._dead = 0
        self._partitions = KeyIndex(partition_types)
        self._members = RowChains() if retracting or listed else None
        self._index = RowIndex() if retracting else None
        self._equal = RowChains()
        self._new, self._died = Changed(), Changed()

    @property
    def num_rows(self) -> int:
        """Living rows."""
        return self.arena.num_rows - self._dead

    @property
    def num_bytes(self) -> int:
        """Approximate bytes held."""
        arrays = (
            self.slots,
            self.marks,
            self.thresholds,
            self.partition_rows,
            self.buffers,
            self._buffered,
            self._live,
        )
        index = sum(part.nbytes for part in (self._index, self._members) if part is not None)
        return (
            self.arena.num_bytes + sum(a.nbytes for a in arrays) + self._partitions.nbytes + self._equal.nbytes + index
        )

    def slots_of(self, columns: Sequence[pa.Array], num_rows: int) -> Ints:
        """The rows' partitions, new ones included."""
        slots = self._partitions.insert(columns, num_rows)
        self.thresholds.grow(self._partitions.size)
        self.partition_rows.grow(self._partitions.size)
        return slots

    def add(self, batch: pa.RecordBatch, slots: Ints) -> Ints:
        """Append rows of these partitions; returns their ids."""
        first = self.arena.append(batch)
        rows = np.arange(first, first + batch.num_rows, dtype=np.int64)
        self.slots.append(slots)
        for marks in (self.marks, self._buffered, self._live):
            marks.grow(self.arena.num_rows)
        np.add.at(self.partition_rows.values, slots, 1)
        if self._members is not None:
            self._members.insert(slots, first, self._partitions.size)
        if self._index is not None:
            self._equal.insert(self._index.insert(batch), first, self._index.size)
        return rows

    def apply(self, delta: Delta, partition: Sequence[int]) -> tuple[Ints, Ints]:
        """Remove and add the rows of a net change; returns the ids of both."""
        gone, counts, come = sides(delta)
        removed = self.remove(gone, counts) if gone.num_rows else np.empty(0, dtype=np.int64)
        return removed, self.add(come, self.slots_of([come.column(c) for c in partition], come.num_rows))

    def remove(self, batch: pa.RecordBatch, counts: Ints) -> Ints:
        """Mark counts[i] rows equal to row i dead; returns their ids."""
        assert self._index is not None, "an append-only input never retracts"
        _, rows = self._equal.pop(self._index.find(batch), counts)
        assert len(rows) == int(counts.sum()), "a deletion names a row that is not there"
        self.kill(rows)
        return rows

    def kill(self, rows: Ints) -> None:
        """Mark living rows dead."""
        self._live.values[rows] = 0
        self._died.mark(rows)
        self._dead += len(rows)
        np.subtract.at(self.partition_rows.values, self.slots.values[rows], 1)

    def is_replaceable(self, rows: Ints) -> bool:
        """Whether the rows are many, the newest, and in chunks of their own: `replace_tail` costs nothing then."""
        newest = len(rows) >= REPLACE_AT and self.arena.num_rows == rows[0] + len(rows)
        return newest and self.arena.starts_chunk(int(rows[0]))

    def replace_tail(self, first: int, kept: Ints, batch: pa.RecordBatch) -> None:
        """Keep of the rows from `first` on (replaceable ones) only `kept` (ascending), whose values `batch` holds; they
        get the ids that follow the older rows'.  The others leave no trace, their partitions excepted."""
        assert self._members is None and self._index is None, "rows that are listed or looked up stay where they are"
        lost = np.ones(self.arena.num_rows - first, dtype=bool)
        lost[kept - first] = False
        np.subtract.at(self.partition_rows.values, self.slots.values[first:][lost], 1)
        self._new.cut(first)
        self._died.cut(first)
        self.arena.replace_from(first, batch)
        for marks in (self.slots, self.marks, self._buffered, self._live):
            marks.shorten(first, marks.values[kept])

    def forget(self, rows: Ints) -> None:
        """Mark living rows dead that are all the rows of their partitions."""
        slots = np.unique(self.slots.values[rows])
        _, before = self.buffers.get(slots)
        self.set_buffers(slots, before, np.zeros(len(slots), dtype=np.int64), np.empty(0, dtype=np.int64))
        self.thresholds.values[slots] = WORST
        self.kill(rows)

    def alive(self, rows: Ints) -> Mask:
        """Which of the rows live."""
        return self._live.values[rows] != 0

    def living(self) -> Ints:
        """All living rows, in order of arrival."""
        return np.flatnonzero(self._live.values)

    def buffered(self, rows: Ints) -> Mask:
        """Which of the rows a buffer holds."""
        return self._buffered.values[rows] != 0

    def partitions_of(self, rows: Ints) -> Ints:
        """The distinct partitions of the rows, ascending."""
        return distinct_ascending(self.slots.values[rows], self._partitions.size)

    def of_partitions(self, slots: Ints) -> Ints:
        """All living rows of the partitions."""
        assert self._members is not None
        return self._members.rows(slots, self._live.values)[1]

    def set_buffers(self, slots: Ints, before: Ints, counts: Ints, rows: Ints) -> None:
        """Replace the buffers of `slots`, which held `before`, by counts[i] of `rows` each."""
        self._buffered.values[before] = 0
        self._buffered.values[rows] = 1
        self.buffers.put(slots, counts, rows)

    def compact_if_worth_it(self) -> bool:
        """Reclaim dead rows, and partitions without rows, when they are the majority: True when rows have new ids.  No
        buffer may hold dead rows."""
        if self._dead < COMPACT_AT or 2 * self._dead < self.arena.num_rows:
            return False
        keep = self._live.values != 0
        self._new.renumbered()
        self._died.renumbered()
        new_row = self.arena.compact(keep)
        for marks in (self.slots, self.marks, self._buffered, self._live):
            marks.replace(marks.values[keep])
        self._dead = 0
        self.buffers.renumber_rows(new_row)
        if self._members is not None:
            self._members.renumber_rows(new_row, self.arena.num_rows)
        if self._index is not None:
            self._equal.renumber_rows(new_row, self.arena.num_rows)
            new_slot = self._index.compact(self._equal.used_slots(self._index.size))
            self._equal.renumber_slots(new_slot, self._index.size)
        self._compact_partitions()
        return True

    def _compact_partitions(self) -> None:
        used = self.partition_rows.values > 0
        if 2 * int(used.sum()) >= len(used):
            return
        new_slot = self._partitions.compact(used)
        self.slots.replace(new_slot[self.slots.values])
        self.buffers.keep_slots(used)
        for marks in (self.thresholds, self.partition_rows):
            marks.replace(marks.values[used])
        if self._members is not None:
            self._members.renumber_slots(new_slot, self._partitions.size)

    def sections(self) -> Sections:
        """The rows, dead ones included, and which of them live; `living_of` brings them together."""
        rows = Section(self._new, lambda: self.arena.num_rows, lambda at: {ROWS: self.arena.table(at)})
        live = Section(self._died, lambda: self.arena.num_rows if self._dead else 0, self._live_rows)
        return {ROWS: rows, LIVE: live}

    def _live_rows(self, rows: Ints) -> dict[str, pa.Table]:
        return {LIVE: pa.table({LIVE: pa.array(self._live.values[rows])})}

    def is_restored(self, num_rows: int) -> None:
        """All living rows of sections with so many are in."""
        self._new, self._died = Changed(), Changed()
        if num_rows != self.arena.num_rows or self._dead:
            self._new.renumbered()
            self._died.renumbered()
        self._new.begin(self.arena.num_rows)

    def table(self) -> pa.Table:
        """The living rows in order of arrival."""
        table = pa.Table.from_batches(self.arena.chunks, schema=self.arena.schema)
        return table.filter(pa.array(self._live.values != 0)) if self._dead else table
