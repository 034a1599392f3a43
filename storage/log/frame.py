"""Frame: what a read returns, one stored batch or a slice of it, decoded when first asked for.

Must not do I/O: the bytes are a slice of a mapping or a batch in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.log.format import FLAG_CONTROL, FLAG_TRANSACTIONAL, FrameHeader
from storage.log.statistics import ColumnStatistics


class Frame:
    """Records of one append, as many as compaction left.

    base_offset and next_offset are the offsets the frame covers, record_count the rows of `batch`: fewer when the log
    was compacted. The timestamps (microseconds), leader_epoch, producer_id and statistics are those of the stored
    frame, which may be longer when the read began or ended inside it.
    """

    __slots__ = (
        "_batch",
        "_columns",
        "_kept",
        "_load",
        "_load_statistics",
        "_skip",
        "base_offset",
        "header",
        "next_offset",
        "record_count",
    )

    def __init__(
        self,
        header: FrameHeader,
        first: int,
        end: int,
        columns: list[str] | None,
        load: Callable[[], pa.RecordBatch],
        load_statistics: Callable[[], dict[str, ColumnStatistics]],
        kept: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Records `first` <= offset < `end` of the stored frame, restricted to `columns` (None: all).

        `kept`: the ascending offsets of all its records if it was compacted.
        """
        self.header = header
        self.base_offset = first
        self.next_offset = end
        if kept is None:
            self._skip, self.record_count = first - header.base_offset, end - first
        else:
            self._skip, past = (int(place) for place in np.searchsorted(kept, (first, end)))
            self.record_count = past - self._skip
        self._kept = kept
        self._columns = columns
        self._load = load
        self._load_statistics = load_statistics
        self._batch: pa.RecordBatch | None = None

    @property
    def batch(self) -> pa.RecordBatch:
        """The rows, zero-copy. KeyError if a requested column is not in the frame's own schema."""
        batch = self._batch
        if batch is None:
            batch = self._load()
            if self._columns is not None:
                batch = batch.select(self._columns)
            if self.record_count != batch.num_rows:
                batch = batch.slice(self._skip, self.record_count)
            self._batch = batch
        return batch

    @property
    def statistics(self) -> dict[str, ColumnStatistics]:
        """Bounds per column name of the whole stored frame; columns without statistics are missing."""
        return self._load_statistics()

    @property
    def append_timestamp_us(self) -> int:
        """When the frame was appended."""
        return self.header.append_timestamp_us

    def append_timestamps_us(self) -> npt.NDArray[np.int64]:
        """int64[record_count]: when the frame of each row was appended."""
        return np.full(self.record_count, self.append_timestamp_us, dtype=np.int64)

    def column(self, name: str) -> pa.Array:
        """One column of the rows. KeyError if there is none of that name."""
        return self.batch.column(name)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the rows."""
        return self.batch.schema

    @property
    def max_timestamp_us(self) -> int:
        """Largest record timestamp of the stored frame."""
        return self.header.max_timestamp_us

    @property
    def leader_epoch(self) -> int:
        """Epoch of the leader that appended the frame."""
        return self.header.leader_epoch

    @property
    def producer_id(self) -> int:
        """Idempotent producer of the frame, -1 if none."""
        return self.header.producer_id

    @property
    def transaction(self) -> str | None:
        """Id of the transaction that the frame is part of, or ends; None if it is none's."""
        if not self.header.flags & (FLAG_TRANSACTIONAL | FLAG_CONTROL):
            return None
        return f"{self.header.producer_id}.{self.header.producer_epoch}"

    @property
    def ends_transaction(self) -> bool:
        """Whether the frame is a marker: it has no rows, and says that its transaction is committed or aborted."""
        return bool(self.header.flags & FLAG_CONTROL)

    @property
    def is_compacted(self) -> bool:
        """Whether some of the offsets the stored frame covers may have no record."""
        return self._kept is not None

    @property
    def stored_rows(self) -> int:
        """Rows of the whole stored frame, to which the statistics belong."""
        return self.header.record_count if self._kept is None else len(self._kept)

    def offsets(self) -> npt.NDArray[np.int64]:
        """int64[record_count]: the offset of each row."""
        if self._kept is None:
            return np.arange(self.base_offset, self.next_offset, dtype=np.int64)
        return self._kept[self._skip : self._skip + self.record_count]

    def __repr__(self) -> str:
        return f"Frame(offsets {self.base_offset}..{self.next_offset - 1}, {self.record_count} rows)"
