"""Capturing state for a checkpoint while ticks go on.

A section's changed rows are copied in small slices, the engine's lock held for a slice at a time; rows that change
meanwhile are copied again. When little is left, that is copied within one hold of the lock, which makes the whole the
state of one tick: copying before switching over, as virtual machines are moved (Clark et al., "Live migration of
virtual machines", 2005).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import field
from threading import RLock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.quick_dataclass import dataclass
from sqlengine.runtime.clock import Clock
from sqlengine.state.row_store import RowStore
from sqlengine.state.section import Positions, Section
from sqlengine.state.stored_section import Part, StoredSection, as_range, numbers, side_by_side, union
from storage import SnapshotWriter, TableWriter

Ints = npt.NDArray[np.int64]

SLICE_US = 2_000
"""A slice is to hold the lock for about so long."""
SETTLE_US = 6_000
"""One in which contents take in rows: a wait for the interpreter, which is in it, is to make none of them small."""
SETTLED_ROWS, SETTLED_ROWS_MAX, SETTLED_BYTES = 512, 65_536, 1 << 20
"""Rows that wait to be taken into contents: of the first slice, and at most."""
SETTLED_ROWS_MIN = 256
"""A slice has so many: each has its own costs."""
SLICE_ROWS, SLICE_ROWS_MAX = 1_024, 1 << 17
"""Rows of the first slice, when they are small, and at most."""
SLICE_BYTES = 1 << 20
"""Of the first slice."""
LEFT_ROWS_MAX, LEFT_BYTES_MAX = 8_192, 4 << 20
"""So many changed rows may be left for the last hold of the lock."""
FEW_ROWS = 64
"""Rows that are so few are taken to be small."""
WEIGHED_PLACES, WEIGHED_ROWS = 4, 4
"""So many rows at so many places tell how large those of a section are: memory that nobody has used lately is slow."""
ROUNDS_MAX = 4
"""Changed rows are copied at most so often before the last hold; what changes faster than it is copied ends there."""


@dataclass(slots=True)
class Kept:
    """What the last checkpoint has of a section."""

    stored: StoredSection
    generation: int


@dataclass(slots=True)
class SectionCapture:
    """One section on its way into a snapshot. `name`: begins its parts' names, which no snapshot has had; `known`: what
    is stored of it, None when that is of no use."""

    name: str
    section: Section
    known: Kept | None
    generation: int = -1
    size: int = 0
    parts: tuple[Part, ...] = ()
    absorbed: tuple[Part, ...] = ()
    columns: dict[str, list[str]] = field(default_factory=dict)
    serial: int = 0
    row_bytes: float | None = None

    def take(self) -> Positions:
        """The positions to write now; the lock is held. When rows have moved since the last call, or nothing is
        stored yet, all of them."""
        changed, size = self.section.changed, self.section.size()
        if self.generation != changed.generation:
            return self._begin(size)
        self.size = size
        return changed.take(size)

    def _begin(self, size: int) -> Positions:
        changed = self.section.changed
        self.generation, self.size = changed.generation, size
        positions = changed.take(size)
        every = self.known is None or self.known.generation != changed.generation
        stored = StoredSection(0) if self.known is None or every else self.known.stored
        absorbed = stored.absorbed(len(positions)) if len(positions) else 0
        self.absorbed = ()
        if every or absorbed is None:
            self.parts, self.columns = (), {}
            return range(size)
        cut = len(stored.parts) - absorbed
        self.parts, self.absorbed = stored.parts[:cut], stored.parts[cut:]
        self.columns = {name: list(c) for name, c in stored.columns.items()}
        return positions

    def with_absorbed(self, taken: Positions, rows_max: float = math.inf) -> Positions:
        """What was taken, and the positions of the parts that it is to be stored with, unless it becomes more than so
        many rows; needs no lock."""
        absorbed, self.absorbed = self.absorbed, ()
        if len(taken) + sum(part.size for part in absorbed) > rows_max:
            self.parts += absorbed
            return taken
        return union(taken, absorbed)

    @property
    def left(self) -> int:
        """Rows that would be written now; the lock is held."""
        changed, size = self.section.changed, self.section.size()
        return size if self.generation != changed.generation else changed.count(size)

    def weigh(self, rows: int) -> float:
        """About how many bytes so many rows are; the lock is held."""
        return rows * self.row_weight() if rows > FEW_ROWS else 0.0

    def row_weight(self) -> float:
        """About how many bytes a row is; the lock is held."""
        size = self.section.size()
        if self.row_bytes is None and size > FEW_ROWS:
            firsts = np.linspace(0, size - WEIGHED_ROWS, WEIGHED_PLACES).astype(np.int64)
            some = (firsts[:, None] + np.arange(WEIGHED_ROWS)).ravel()
            self.row_bytes = sum(table.nbytes for table in self.section.rows(some).values()) / len(some)
        return self.row_bytes or 0.0

    def next_name(self) -> str:
        """A name that no part of the section has had in this snapshot."""
        self.serial += 1
        return f"{self.name}.{self.serial}"

    def kept(self) -> Kept:
        """What the next checkpoint knows."""
        return Kept(StoredSection(self.size, self.parts, self.columns), self.generation)


class PartFile:
    """Positions of a section being written as a part."""

    def __init__(self, capture: SectionCapture, positions: Positions, writer: SnapshotWriter) -> None:
        self._capture = capture
        self._range = as_range(positions)
        self.positions = positions
        self._name = capture.next_name()
        self._snapshot = writer
        self._file: TableWriter | None = None

    def rows(self, chosen: Positions) -> pa.Table:
        """Some of the rows, copied; the lock is held."""
        positions = numbers(chosen)
        tables = self._capture.section.rows(positions)
        self._capture.columns = {name: table.column_names for name, table in tables.items()}
        written = self._range is None or not any(table.num_columns for table in tables.values())
        return side_by_side(tables, positions, written)

    def append(self, rows: pa.Table) -> None:
        """Write rows that were copied."""
        if self._file is None:
            self._file = self._snapshot.add(self._name, rows.schema)
        for batch in rows.to_batches():
            self._file.append(batch)

    def finish(self, whole: bool) -> None:
        """The part is one of the section's, or, when rows have moved meanwhile, it is not."""
        if self._file is not None:
            self._file.finish()
        if whole:
            positions = self.positions if self._range is None else self._range
            self._capture.parts = (*self._capture.parts, Part(self._name, positions))


class Copier:
    """Copies sections under a lock that others want, too. `pause` is called after each hold of the lock, with the time
    it took in seconds; a slice is `rows_max` rows at most."""

    def __init__(
        self, lock: RLock, clock: Clock, pause: Callable[[float], object] | None, rows_max: int = SLICE_ROWS_MAX
    ) -> None:
        self._rows_max = rows_max
        self._lock = lock
        self._clock = clock
        self._pause = pause
        self.longest_hold_us = 0
        self.settled_rows = min(SETTLED_ROWS, rows_max)
        """So many rows that wait are taken into contents in about the time of a slice."""

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """The lock; whoever waits for it is let through afterwards."""
        with self._lock:
            began_us = self._clock.now_us()
            yield
            held_us = self._clock.now_us() - began_us
        self.longest_hold_us = max(self.longest_hold_us, held_us)
        if self._pause is not None:
            self._pause(held_us / 1e6)

    def settle(self, store: RowStore) -> None:
        """Have contents take in what waits, slice by slice."""
        waiting = True
        while waiting:
            with self.hold():
                began_us = self._clock.now_us()
                waiting = store.settle_part(self.settled_rows, SETTLED_BYTES)
                took_us = self._clock.now_us() - began_us
                if waiting or took_us > SETTLE_US:  # else nothing says how long so many take
                    rows = min(self._rows_max, SETTLED_ROWS_MAX, _next_slice(self.settled_rows, took_us, SETTLE_US))
                    self.settled_rows = max(SETTLED_ROWS_MIN, rows)

    def copy(self, capture: SectionCapture, writer: SnapshotWriter) -> None:
        """Write what has changed, slice by slice."""
        with self.hold():
            weight, size = capture.row_weight(), capture.section.size()
        capture.section.changed.make_room(size)
        with self.hold():
            taken = capture.take()
        positions = capture.with_absorbed(taken)
        if not len(positions):
            return
        file, at, whole = PartFile(capture, positions, writer), 0, True
        slice_rows = min(SLICE_ROWS, self._rows_max, max(1, int(SLICE_BYTES / max(1.0, weight))))
        while whole and at < len(positions):
            chosen = positions[at : at + slice_rows]
            with self.hold():
                whole = capture.generation == capture.section.changed.generation
                began_us = self._clock.now_us()
                rows = file.rows(chosen) if whole else None
                slice_rows = min(self._rows_max, _next_slice(slice_rows, self._clock.now_us() - began_us))
            if rows is not None:
                file.append(rows)
            at += len(chosen)
        file.finish(whole)

    def rest(self, capture: SectionCapture, writer: SnapshotWriter) -> tuple[PartFile, pa.Table] | None:
        """What is left, copied but not yet written; the lock is held."""
        positions = capture.with_absorbed(capture.take(), LEFT_ROWS_MAX)
        if not len(positions):
            return None
        file = PartFile(capture, positions, writer)
        return file, file.rows(positions)


def _next_slice(rows: int, took_us: int, slice_us: int = SLICE_US) -> int:
    """Larger slices while they are quick, smaller ones when they are slow."""
    if 2 * took_us < slice_us:
        return min(SLICE_ROWS_MAX, rows * 2)
    return max(1, rows // 2) if took_us > slice_us else rows
