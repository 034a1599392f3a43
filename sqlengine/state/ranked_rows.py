"""RankedRows: the rows of a ranking by partition, which of them its buffers hold, and the rank each is shown with.

Rows removed or beaten are marked dead and stay readable until `compact_if_worth_it`.  It must not know the order of
rows: the ranking operator sorts them and says which ones its buffers hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.state.growable import Growable
from sqlengine.state.key_index import KeyIndex
from sqlengine.state.row_arena import RowArena
from sqlengine.state.row_chains import RowChains
from sqlengine.state.row_index import RowIndex
from sqlengine.state.slot_lists import SlotLists

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
WORST = int(np.iinfo(np.int64).max)
COMPACT_AT = 16_384
"""Fewer dead rows than this are not worth a compaction."""


class RankedRows:
    """`retracting`: rows can be removed by value, and all rows of a partition can be listed."""

    def __init__(self, schema: pa.Schema, partition_types: Sequence[pa.DataType], retracting: bool) -> None:
        self.arena = RowArena(schema)
        self.slots = Growable()
        self.shown = Growable()
        """Per row: the rank it is shown with, 0 when it is not."""
        self.thresholds = Growable(WORST)
        """Per partition: a row whose first ORDER BY code is greater can not be shown."""
        self.partition_rows = Growable()
        """Per partition: living rows."""
        self.buffers = SlotLists()
        self._buffered = Growable()
        self._live = Growable()
        self._dead = 0
        self._partitions = KeyIndex(partition_types)
        self._members = RowChains() if retracting else None
        self._index = RowIndex() if retracting else None
        self._equal = RowChains()

    @property
    def num_rows(self) -> int:
        """Living rows."""
        return self.arena.num_rows - self._dead

    @property
    def num_bytes(self) -> int:
        """Approximate bytes held."""
        arrays = (self.slots, self.shown, self.thresholds, self.partition_rows, self.buffers, self._live, self._equal)
        index = 0 if self._index is None or self._members is None else self._index.nbytes + self._members.nbytes
        return self.arena.num_bytes + sum(a.nbytes for a in arrays) + self._partitions.nbytes + index

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
        self._live.append(np.ones(len(rows), dtype=np.int64))
        for marks in (self.shown, self._buffered):
            marks.grow(self.arena.num_rows)[first:] = 0
        np.add.at(self.partition_rows.values, slots, 1)
        if self._index is not None and self._members is not None:
            self._members.insert(slots, first, self._partitions.size)
            self._equal.insert(self._index.insert(batch), first, self._index.size)
        return rows

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
        self._dead += len(rows)
        np.subtract.at(self.partition_rows.values, self.slots.values[rows], 1)

    def alive(self, rows: Ints) -> Mask:
        """Which of the rows live."""
        return self._live.values[rows] != 0

    def buffered(self, rows: Ints) -> Mask:
        """Which of the rows a buffer holds."""
        return self._buffered.values[rows] != 0

    def of_partitions(self, slots: Ints) -> Ints:
        """All living rows of the partitions."""
        assert self._members is not None
        return self._members.rows(slots, self._live.values)[1]

    def set_buffers(self, slots: Ints, before: Ints, counts: Ints, rows: Ints) -> None:
        """Replace the buffers of `slots`, which held `before`, by counts[i] of `rows` each."""
        self._buffered.values[before] = 0
        self._buffered.values[rows] = 1
        self.buffers.put(slots, counts, rows)

    def compact_if_worth_it(self) -> None:
        """Reclaim dead rows, and partitions without rows, when they are the majority.  No buffer may hold dead rows."""
        if self._dead < COMPACT_AT or 2 * self._dead < self.arena.num_rows:
            return
        keep = self._live.values != 0
        new_row = self.arena.compact(keep)
        for marks in (self.slots, self.shown, self._buffered, self._live):
            marks.replace(marks.values[keep])
        self._dead = 0
        self.buffers.renumber_rows(new_row)
        if self._index is not None and self._members is not None:
            self._members.renumber_rows(new_row, self.arena.num_rows)
            self._equal.renumber_rows(new_row, self.arena.num_rows)
            new_slot = self._index.compact(self._equal.used_slots(self._index.size))
            self._equal.renumber_slots(new_slot, self._index.size)
        self._compact_partitions()

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

    def table(self) -> pa.Table:
        """The living rows in order of arrival."""
        table = pa.Table.from_batches(self.arena.chunks, schema=self.arena.schema)
        return table.filter(pa.array(self._live.values != 0)) if self._dead else table
