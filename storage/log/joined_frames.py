"""JoinedFrames: neighbouring small frames read as one, so that whoever works on them takes one step for all.

Must not do I/O, and must not decode a frame before one of its columns is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.log.frame import Frame
from storage.log.statistics import MIN_ROWS, ColumnStatistics

SMALL_ROWS = MIN_ROWS
"""Frames of as many rows are worth a step of their own: they have statistics, by which whole frames are left out."""

SMALL_BYTES = 1 << 20
"""So are frames of as many bytes: what is joined is copied."""

JOINED_ROWS = 1 << 16
"""Rows of frames that are joined, at most."""

JOINED_BYTES = 1 << 24
"""Stored bytes of frames that are joined, at most."""


class JoinedFrames:
    """The records of several frames of one schema; as `Frame`, but without statistics and without transactions.

    Columns are put together one by one, when they are first asked for.
    """

    __slots__ = ("_batch", "_columns", "_frames", "base_offset", "next_offset", "record_count")

    transaction: str | None = None

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.base_offset = frames[0].base_offset
        self.next_offset = frames[-1].next_offset
        self.record_count = sum(frame.record_count for frame in frames)
        self._frames = frames
        self._columns: dict[str, pa.Array] = {}
        self._batch: pa.RecordBatch | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns the frames were written with."""
        return self._frames[0].batch.schema

    def column(self, name: str) -> pa.Array:
        """One column of all rows. KeyError if the frames have none of that name."""
        found = self._columns.get(name)
        if found is None:
            index = self.schema.get_field_index(name)
            if index < 0:
                raise KeyError(name)
            found = self._columns[name] = pa.concat_arrays([frame.batch.column(index) for frame in self._frames])
        return found

    @property
    def batch(self) -> pa.RecordBatch:
        """All columns of all rows."""
        if self._batch is None:
            self._batch = pa.RecordBatch.from_arrays([self.column(n) for n in self.schema.names], schema=self.schema)
        return self._batch

    @property
    def statistics(self) -> dict[str, ColumnStatistics]:
        """None: to bring those of the frames together would take as long as to read the rows."""
        return {}

    @property
    def append_timestamp_us(self) -> int:
        """When the first frame was appended."""
        return self._frames[0].append_timestamp_us

    def append_timestamps_us(self) -> npt.NDArray[np.int64]:
        """int64[record_count]: when the frame of each row was appended."""
        stamps = np.array([frame.append_timestamp_us for frame in self._frames], dtype=np.int64)
        return np.repeat(stamps, [frame.record_count for frame in self._frames])

    @property
    def is_compacted(self) -> bool:
        """Whether some of the offsets from the first to the last may have no record."""
        return self.next_offset - self.base_offset != self.record_count

    @property
    def stored_rows(self) -> int:
        """Rows of the whole frames."""
        return sum(frame.stored_rows for frame in self._frames)

    def offsets(self) -> npt.NDArray[np.int64]:
        """int64[record_count]: the offset of each row."""
        return np.concatenate([frame.offsets() for frame in self._frames])


def joined(frames: Sequence[Frame]) -> Iterator[Frame | JoinedFrames]:
    """The same records in the same order, small frames next to each other together, whatever transactions they are of;
    frames without records are left out."""
    run: list[Frame] = []
    rows = size = 0
    for frame in frames:
        if not frame.record_count:
            continue
        payload = frame.header.payload_length
        fits = rows + frame.record_count <= JOINED_ROWS and size + payload <= JOINED_BYTES
        if run and not (fits and _is_small(frame) and frame.header.schema_id == run[0].header.schema_id):
            yield _together(run)
            run, rows, size = [], 0, 0
        if not _is_small(frame):
            yield frame
            continue
        run.append(frame)
        rows, size = rows + frame.record_count, size + payload
    if run:
        yield _together(run)


def _is_small(frame: Frame) -> bool:
    """Whether joining the frame with others is worth a copy."""
    return frame.record_count < SMALL_ROWS and frame.header.payload_length < SMALL_BYTES


def _together(run: list[Frame]) -> Frame | JoinedFrames:
    return run[0] if len(run) == 1 else JoinedFrames(run)
