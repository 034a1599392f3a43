"""The rows a changelog adds up to, each in the place where it first came, changed in place by updates.

Only whole batches are handled.  Insertions cost an append until the first row goes; from then on rows are
found by fingerprints.  Rows beyond `rows_max` are forgotten, the oldest first, and only counted.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from repl.live.changes import DELETE, UPDATE_AFTER, UPDATE_BEFORE, Changes
from sqlengine.state.row_arena import RowArena
from sqlengine.state.row_chains import RowChains
from sqlengine.state.row_index import RowIndex

Ints = npt.NDArray[np.int64]
_Scalar = TypeVar("_Scalar", np.int64, np.float64)

ROWS_MAX = 1_000_000
_COMPACT_AT = 16_384
_PIECE_ROWS = 65_536
_NEVER = -1e18


class CurrentRows:
    """A multiset of rows with a stable order.

    A *place* is a position in that order; it holds the id of its row in the arena (-1: nothing any more), the
    id of the row it held before, and when it changed (seconds).
    """

    def __init__(self, schema: pa.Schema, rows_max: int = ROWS_MAX) -> None:
        self.schema = schema
        self.forgotten = 0
        self.unknown = 0
        self._rows_max = rows_max
        self._arena = RowArena(schema)
        self._index: RowIndex | None = None
        self._chains = RowChains()
        self._place_of = np.empty(0, np.int64)  # by arena row, -1 when dead
        self._row_at = np.empty(0, np.int64)  # by place
        self._before = np.empty(0, np.int64)
        self._changed = np.empty(0, np.float64)
        self._places = 0
        self._living = 0
        self._shown: Ints | None = None
        self._held: Changes | None = None

    @property
    def num_rows(self) -> int:
        """Rows that are kept."""
        return self._living

    @property
    def total_rows(self) -> int:
        """All rows, those that are only counted too."""
        return self._living + self.forgotten

    @property
    def append_only(self) -> bool:
        """Whether no row has ever gone."""
        return self._index is None

    # ------------------------------------------------------------ changes

    def apply(self, changes: Changes, now: float) -> None:
        """Take in changes that came at `now` (seconds).

        A row as it was before an update waits, if it comes last, for the row as it is after it.
        """
        changes = self._with_held(changes)
        start, count = 0, len(changes.kinds)
        while start < count:
            end = min(start + _PIECE_ROWS, count)
            if changes.kinds[end - 1] == UPDATE_BEFORE:
                end -= 1
            if end == start:
                break
            self._apply(changes.part(start, end), now)
            start = end
        self._held = changes.part(start, count) if start < count else None
        self._shown = None
        self._forget_oldest()
        self._compact_if_worth_it()

    def _with_held(self, changes: Changes) -> Changes:
        if self._held is None:
            return changes
        rows = pa.concat_batches([self._held.rows, changes.rows])
        return Changes(rows, np.concatenate([self._held.kinds, changes.kinds]))

    def _apply(self, changes: Changes, now: float) -> None:
        """First what comes, then what goes: a piece may hold a row's arrival and its end, in this order."""
        kinds = changes.kinds
        goes = (kinds == DELETE) | (kinds == UPDATE_BEFORE)
        if not goes.any():
            self._append(changes.rows, now)
            return
        self._need_index()
        come, gone = np.flatnonzero(~goes), np.flatnonzero(goes)
        first = self._arena.num_rows
        if len(come):
            self._add_rows(changes.rows.take(pa.array(come)))
        popped = self._remove(changes.rows.take(pa.array(gone)))
        parents = self._parents(kinds, come, gone, popped)
        self._settle(first, parents, popped, now)

    def _append(self, rows: pa.RecordBatch, now: float) -> None:
        """Only insertions: new places at the end."""
        first = self._arena.num_rows
        self._add_rows(rows)
        self._place_rows(np.arange(first, self._arena.num_rows), now)

    def _add_rows(self, rows: pa.RecordBatch) -> None:
        """Keep rows; they have no places yet."""
        first = self._arena.append(rows)
        self._place_of = _grown(self._place_of, self._arena.num_rows, -1)
        if self._index is not None:
            slots = self._index.insert(rows)
            self._chains.insert(slots, first, self._index.size)

    def _remove(self, rows: pa.RecordBatch) -> Ints:
        """int64[n]: the arena row that each row is, -1 where there is none; they are living no more."""
        assert self._index is not None
        slots = self._index.find(rows)
        at, found = self._chains.pop(slots, np.ones(len(slots), np.int64))
        popped = np.full(rows.num_rows, -1, np.int64)
        popped[at] = found
        missing = rows.num_rows - len(found)
        known = min(missing, self.forgotten)
        self.forgotten -= known
        self.unknown += missing - known
        return popped

    @staticmethod
    def _parents(kinds: npt.NDArray[np.int8], come: Ints, gone: Ints, popped: Ints) -> Ints:
        """int64[len(come)]: the arena row whose place each new row takes (that of the row before, in an
        update), or -1."""
        parents = np.full(len(come), -1, np.int64)
        paired = (kinds[come] == UPDATE_AFTER) & (come > 0)
        paired[paired] = kinds[come[paired] - 1] == UPDATE_BEFORE
        parents[paired] = popped[np.searchsorted(gone, come[paired] - 1)]
        return parents

    def _settle(self, first: int, parents: Ints, popped: Ints, now: float) -> None:
        """Give the new rows (from arena row `first` on) their places, and clear those of rows that went.

        `parents`: see _parents; `popped`: the rows that went.  A row that was updated several times within the piece
        inherits its place along the chain of its rows.
        """
        dead = popped[popped >= 0]
        new = np.arange(first, self._arena.num_rows)
        living = np.ones(len(new), bool)
        living[dead[dead >= first] - first] = False
        # Rows that came and went may be each other's parents (a to b and back to a). No living row leads there:
        # nobody is the parent of two.
        origin = new[living]
        while (again := (origin >= first) & (parents[np.maximum(origin - first, 0)] >= 0)).any():
            origin[again] = parents[origin[again] - first]
        old = dead[dead < first]
        self._row_at[self._place_of[old]] = -1
        self._living -= len(old)
        inherits = origin < first
        rows, heirs = new[living][inherits], origin[inherits]
        at = self._place_of[heirs]
        self._row_at[at] = rows
        self._before[at] = heirs
        self._changed[at] = now
        self._living += len(rows)
        self._place_of[old] = -1
        self._place_of[rows] = at
        added = ~inherits
        self._place_rows(new[living][added][np.argsort(origin[added])], now)

    def _place_rows(self, rows: Ints, now: float) -> None:
        """Places at the end for arena rows."""
        start, stop = self._places, self._places + len(rows)
        self._row_at = _grown(self._row_at, stop, -1)
        self._before = _grown(self._before, stop, -1)
        self._changed = _grown(self._changed, stop, _NEVER)
        self._row_at[start:stop] = rows
        self._before[start:stop] = -1
        self._changed[start:stop] = now
        self._place_of[rows] = np.arange(start, stop)
        self._places = stop
        self._living += len(rows)

    def _need_index(self) -> None:
        """Know the living rows by their fingerprints; only the first row that goes pays for those before."""
        if self._index is not None:
            return
        self._index = RowIndex()
        for at, first in enumerate(self._arena.starts[:-1]):
            chunk = self._arena.plain_chunk(at)
            slots = self._index.insert(chunk)
            slots[self._place_of[first : first + chunk.num_rows] < 0] = -1
            self._chains.insert(slots, first, self._index.size)

    # ------------------------------------------------------------ bounds

    def _forget_oldest(self) -> None:
        """Keep to `rows_max`, with some slack so that it is done rarely."""
        if self._living <= self._rows_max + self._rows_max // 4:
            return
        places = self._living_places()
        gone = places[: self._living - self._rows_max]
        self._place_of[self._row_at[gone]] = -1
        self._row_at[gone] = -1
        self._living -= len(gone)
        self.forgotten += len(gone)
        self._shown = None
        self._compact()

    def _compact_if_worth_it(self) -> None:
        dead = self._arena.num_rows - self._living
        if dead >= _COMPACT_AT and 2 * dead > self._arena.num_rows:
            self._compact()

    def _compact(self) -> None:
        """Drop dead rows and empty places."""
        keep = self._place_of[: self._arena.num_rows] >= 0
        new_row = self._arena.compact(keep)
        places = self._living_places()
        rows = new_row[self._row_at[places]]
        before = self._before[places]
        self._before = np.where(before >= 0, new_row[before], -1)
        self._changed = self._changed[places]
        self._row_at = rows
        self._places = len(places)
        self._place_of = np.full(self._arena.num_rows, -1, np.int64)
        self._place_of[rows] = np.arange(len(places))
        self._shown = None
        if self._index is not None:
            self._index, self._chains = None, RowChains()
            self._need_index()

    def _living_places(self) -> Ints:
        if self._shown is None:
            self._shown = np.flatnonzero(self._row_at[: self._places] >= 0)
        return self._shown

    # ------------------------------------------------------------ reading

    def take(self, positions: Ints) -> pa.RecordBatch:
        """Rows by their positions (0 = the first of those kept)."""
        return self._arena.take_batch(self._row_at[self._living_places()[positions]])

    def column(self, number: int) -> pa.Array:
        """All values of a column, in order."""
        return self._arena.take(self._row_at[self._living_places()], [number])[0]

    def table(self) -> pa.Table:
        """All rows that are kept, in order; later changes do not touch it."""
        rows = self._arena.take(self._row_at[self._living_places()])
        return pa.Table.from_arrays(rows, schema=self.schema)

    def changed_at(self, positions: Ints) -> npt.NDArray[np.float64]:
        """When the rows at these positions came or last changed, in seconds."""
        return self._changed[self._living_places()[positions]]

    def before(self, positions: Ints) -> tuple[npt.NDArray[np.bool_], pa.RecordBatch]:
        """(bool[n]: whether the row as it was before its last change is still known, n rows: that row or, where
        it is not known, the row itself)."""
        places = self._living_places()[positions]
        before = self._before[places]
        return before >= 0, self._arena.take_batch(np.where(before >= 0, before, self._row_at[places]))


def _grown(values: npt.NDArray[_Scalar], size: int, fill: float) -> npt.NDArray[_Scalar]:
    """`values`, or a longer copy for at least `size`; amortized over many small steps."""
    if len(values) >= size:
        return values
    longer = np.full(max(size, 2 * len(values), 1024), fill, values.dtype)
    longer[: len(values)] = values
    return longer
