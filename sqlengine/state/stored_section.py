"""How a section lies in a checkpoint's files, and how its rows are put together again.

A section is a list of parts, each a table of rows for some positions; of a position the last part that has it counts. A
part whose positions follow one another has none written; else they are its first column, `$at`. The columns of the
section's tables stand side by side, named `table.column`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.quick_dataclass import dataclass
from sqlengine.state.row_arena import RowArena
from sqlengine.state.section import Positions

Ints = npt.NDArray[np.int64]
AT = "$at"
FAN_IN = 4
"""So many parts of about one size become one."""
GATHERED_ROWS = 1 << 18
"""So many rows are put together at once..."""
KEPT_ROWS = 1 << 14
"""...or so many where they are put elsewhere because memory is short."""


@dataclass(frozen=True, slots=True)
class Part:
    """`name`: of its table in the snapshot; `positions`: a range, or ascending numbers."""

    name: str
    positions: Positions

    @property
    def size(self) -> int:
        """Rows."""
        return len(self.positions)


@dataclass(frozen=True, slots=True)
class StoredSection:
    """`size`: positions; `columns`: the columns' names of each of its tables."""

    size: int
    parts: tuple[Part, ...] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def absorbed(self, changed: int) -> int | None:
        """How many of the last parts are to be written again beside `changed` rows; None: everything is.

        Parts of one size class are brought together when there are FAN_IN of them, so that there are few and a row is
        written again a few times (a log-structured merge); everything is when half of what is stored is out of date.
        """
        if 2 * (sum(part.size for part in self.parts[1:]) + changed) > self.size:
            return None
        count, rows = 0, changed
        while True:
            run = 0
            while run < len(self.parts) - 1 - count and self.parts[-1 - count - run].size <= FAN_IN * rows:
                run += 1
            if run < FAN_IN - 1:
                return count
            rows += sum(part.size for part in self.parts[len(self.parts) - count - run : len(self.parts) - count])
            count += run

    def to_json(self) -> dict[str, object]:
        """For a manifest; positions that are no range are in the part's table."""
        parts = [
            {"table": part.name, "first": part.positions.start if isinstance(part.positions, range) else None}
            for part in self.parts
        ]
        return {"size": self.size, "columns": dict(self.columns), "parts": parts}


def as_range(positions: Positions) -> range | None:
    """The positions (at least one) when they follow one another."""
    if isinstance(positions, range):
        return positions
    first = int(positions[0])
    return range(first, first + len(positions)) if positions[-1] - first + 1 == len(positions) else None


def union(positions: Positions, parts: Sequence[Part]) -> Positions:
    """Positions and those of parts, ascending."""
    if not parts:
        return positions
    # Runs that are in order already; and the sort, unlike a set of them, lets other threads go on.
    every = np.sort(np.concatenate([numbers(positions), *(numbers(part.positions) for part in parts)]), kind="stable")
    return every[np.concatenate([[True], every[1:] != every[:-1]])]


def numbers(positions: Positions) -> Ints:
    """The positions as numbers; NumPy alone would look at a range's one by one."""
    return np.arange(positions.start, positions.stop) if isinstance(positions, range) else positions


def side_by_side(tables: Mapping[str, pa.Table], positions: Ints, written: bool) -> pa.Table:
    """A section's tables for some positions as rows of a part, with the positions or without."""
    at = [pa.chunked_array([pa.array(positions)])] if written else []
    columns = at + [column for table in tables.values() for column in table.columns]
    fields = [pa.field(AT, pa.int64())] if written else []
    fields += [pa.field(f"{name}.{each.name}", each.type) for name, table in tables.items() for each in table.schema]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def from_json(entry: Mapping[str, object], tables: Mapping[str, pa.Table]) -> StoredSection:
    """The inverse of `StoredSection.to_json`; `tables`: the snapshot's."""
    parts = []
    assert isinstance(entry["parts"], list) and isinstance(entry["columns"], dict) and isinstance(entry["size"], int)
    for part in entry["parts"]:
        table, first = tables[part["table"]], part["first"]
        at = table.column(AT).to_numpy() if first is None else range(first, first + table.num_rows)
        parts.append(Part(part["table"], at))
    return StoredSection(entry["size"], tuple(parts), entry["columns"])


def put_together(
    stored: StoredSection,
    tables: Mapping[str, pa.Table],
    kept: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
) -> dict[str, pa.Table]:
    """The section's tables, all positions in order; `tables`: the snapshot's. `kept` puts rows that have to
    be brought together elsewhere."""
    parts = [_without_at(tables[part.name]) for part in stored.parts]
    if not parts:
        return {}
    whole = pa.concat_tables(parts)
    if not _in_order(stored):
        whole = _gathered(stored, whole, kept)
    out, first = {}, 0
    for name, columns in stored.columns.items():
        own = range(first, first + len(columns))
        arrays = [whole.column(i) for i in own]
        out[name] = pa.Table.from_arrays(arrays, names=list(columns)) if columns else _no_columns(stored.size)
        first += len(columns)
    return out


def _no_columns(num_rows: int) -> pa.Table:
    """A table of nothing but rows."""
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(pa.array([{}] * num_rows, pa.struct([])))])


def _without_at(table: pa.Table) -> pa.Table:
    return table.remove_column(0) if table.column_names[:1] == [AT] else table


def _in_order(stored: StoredSection) -> bool:
    """Whether the parts' rows are the positions one after the other."""
    end = 0
    for part in stored.parts:
        if not isinstance(part.positions, range) or part.positions.start != end:
            return False
        end = part.positions.stop
    return True


def _gathered(
    stored: StoredSection, whole: pa.Table, kept: Callable[[pa.RecordBatch], pa.RecordBatch] | None
) -> pa.Table:
    """The last row of each position."""
    latest, first = np.full(stored.size, -1, dtype=np.int64), 0
    for part in stored.parts:
        at = slice(part.positions.start, part.positions.stop) if isinstance(part.positions, range) else part.positions
        latest[at] = np.arange(first, first + part.size)
        first += part.size
    assert not len(latest) or latest.min() >= 0, "every position has been written"
    if kept is not None and len(whole.schema):
        pieces = (latest[at : at + KEPT_ROWS] for at in range(0, stored.size, KEPT_ROWS))
        batches = [kept(batch) for piece in pieces for batch in whole.take(pa.array(piece)).to_batches()]
        return pa.Table.from_batches(batches, whole.schema)
    arena = RowArena(whole.schema)
    for batch in whole.to_batches():
        arena.append(batch)
    pieces = (latest[at : at + GATHERED_ROWS] for at in range(0, stored.size, GATHERED_ROWS))
    return pa.Table.from_batches([arena.take_batch(piece) for piece in pieces], whole.schema)
