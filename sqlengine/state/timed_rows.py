"""TimedRows: rows of one input of an as-of join, searchable by (key slot, time).

Equal rows are separate rows here, because of equal times the last that arrived counts.  Rows removed are marked dead
and stay readable until `compact`.  It must not know keys' values: slots come from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.state.growable import Growable
from sqlengine.state.row_arena import RowArena
from sqlengine.state.row_chains import RowChains
from sqlengine.state.row_index import RowIndex
from sqlengine.state.section import Changed, Section, Sections
from sqlengine.state.sorted_runs import SortedRuns

Ints = npt.NDArray[np.int64]
Entries = Callable[[pa.RecordBatch], tuple[Ints, Ints]]
"""The slots and times of rows."""
COMPACT_AT = 16_384
"""Fewer dead rows than this are not worth a compaction."""
ROWS, LIVE = "rows", "live"


class TimedRows:
    """`retracting`: rows can be removed by value."""

    def __init__(self, schema: pa.Schema, retracting: bool) -> None:
        self.arena = RowArena(schema)
        self.slots = Growable(-1)
        self.times = Growable()
        self.runs = SortedRuns()
        self._live = Growable()
        self._index = RowIndex() if retracting else None
        self._chains = RowChains()
        self._dead = 0
        self._new, self._died = Changed(), Changed()

    @property
    def num_rows(self) -> int:
        """Living rows."""
        return self.arena.num_rows - self._dead

    @property
    def num_bytes(self) -> int:
        """Approximate bytes held."""
        arrays = self.slots.nbytes + self.times.nbytes + self._live.nbytes + self.runs.nbytes + self._chains.nbytes
        return self.arena.num_bytes + arrays + (self._index.nbytes if self._index is not None else 0)

    def add(self, batch: pa.RecordBatch, slots: Ints, times: Ints) -> Ints:
        """Append rows; returns their ids."""
        return self._append(batch, slots, times, np.ones(batch.num_rows, dtype=np.int64))

    def _append(self, batch: pa.RecordBatch, slots: Ints, times: Ints, live: Ints) -> Ints:
        first = self.arena.append(batch)
        rows = np.arange(first, first + batch.num_rows, dtype=np.int64)
        self.slots.append(slots)
        self.times.append(times)
        self._live.append(live)
        self.runs.add(slots, times, rows)
        if self._index is not None:
            self._chains.insert(np.where(live != 0, self._index.insert(batch), -1), first, self._index.size)
        return rows

    def remove(self, batch: pa.RecordBatch, counts: Ints) -> Ints:
        """Mark counts[i] rows equal to row i dead, the last that came first; returns their ids."""
        assert self._index is not None, "an append-only input never retracts"
        _, rows = self._chains.pop(self._index.find(batch), counts)
        assert len(rows) == int(counts.sum()), "a deletion names a row that is not there"
        self.kill(rows)
        return rows

    def kill(self, rows: Ints) -> None:
        """Mark living rows dead."""
        self._live.values[rows] = 0
        self._died.mark(rows)
        self._dead += len(rows)

    def alive(self, rows: Ints) -> npt.NDArray[np.bool_]:
        """Which of the rows live."""
        return self._live.values[rows] != 0

    def nearest(self, slots: Ints, times: Ints, *, backward: bool, inclusive: bool) -> Ints:
        """See SortedRuns.nearest."""
        return self.runs.nearest(slots, times, self._live.values, backward=backward, inclusive=inclusive)

    def worth_compacting(self) -> bool:
        """True when dead rows are the majority."""
        return self._dead >= COMPACT_AT and 2 * self._dead >= self.arena.num_rows

    def compact(self) -> Ints:
        """Drop dead rows; returns old row id -> new row id (-1: dropped)."""
        keep = self._live.values != 0
        self._new.renumbered()
        self._died.renumbered()
        new_row = self.arena.compact(keep)
        for marks in (self.slots, self.times, self._live):
            marks.replace(marks.values[keep])
        self.runs.compact(new_row)
        self._dead = 0
        if self._index is not None:
            self._chains.renumber_rows(new_row, self.arena.num_rows)
            used = self._chains.used_slots(self._index.size)
            new_slot = self._index.compact(used)
            self._chains.renumber_slots(new_slot, self._index.size)
        return new_row

    def renumber_slots(self, new_slot: Ints) -> None:
        """Key slots were compacted, keeping their order."""
        self.slots.replace(new_slot[self.slots.values])
        self.runs.renumber_slots(new_slot)

    def sections(self, head: str) -> Sections:
        """Tables head.rows and head.live: the rows in order of arrival, dead ones included, and which of them live;
        the latter is empty while all do."""
        rows = Section(self._new, lambda: self.arena.num_rows, lambda at: {f"{head}.{ROWS}": self.arena.table(at)})
        live = Section(
            self._died, lambda: self.arena.num_rows if self._dead else 0, lambda at: {f"{head}.{LIVE}": self._lives(at)}
        )
        return {f"{head}.{ROWS}": rows, f"{head}.{LIVE}": live}

    def _lives(self, rows: Ints) -> pa.Table:
        return pa.table({LIVE: pa.array(self._live.values[rows].astype(np.uint8))})

    def restore(self, state: Mapping[str, pa.Table], head: str, entries: Entries) -> None:
        """Into one that is new: what the sections had, dead rows too; or the living ones as the table `head`, the form
        in which they were written before they had sections."""
        first, live = 0, state[f"{head}.{LIVE}"]
        whole = state.get(head, state[f"{head}.{ROWS}"])
        lives = np.ones(whole.num_rows, dtype=np.int64)
        lives[: live.num_rows] = live.column(LIVE).to_numpy()
        for batch in whole.to_batches():
            slots, times = entries(batch)
            self._append(batch, slots, times, lives[first : first + batch.num_rows])
            first += batch.num_rows
        self._dead = first - int(self._live.values.sum())
        self._new.begin(first)
        self._died.begin(first if self._dead else 0)
