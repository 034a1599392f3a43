"""What a consumer returns, and what it keeps of a partition that it reads. Must not know groups."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from storage.log.frame import Frame
from storage.log.log import Isolation, Log


class Received(NamedTuple):
    """Consecutive records of one partition."""

    topic: str
    partition: int
    frame: Frame

    @property
    def batch(self) -> pa.RecordBatch:
        """The rows, without a copy; decoded when first asked for."""
        return self.frame.batch

    @property
    def num_rows(self) -> int:
        """How many."""
        return self.frame.record_count

    @property
    def base_offset(self) -> int:
        """Offset of the first row."""
        return self.frame.base_offset

    @property
    def next_offset(self) -> int:
        """Offset after the last row: what to commit when all rows are done."""
        return self.frame.next_offset


class Reading:
    """A partition being read. `position` is the next record's offset, None until it is looked up."""

    __slots__ = ("_isolation", "committed", "log", "paused", "position")

    def __init__(self, log: Log, isolation: Isolation) -> None:
        """`committed` is the group's offset as far as this consumer knows."""
        self.log = log
        self._isolation = isolation
        self.position: int | None = None
        self.committed: int | None = None
        self.paused = False

    @property
    def end(self) -> int:
        """The offset after the last record that may be read now."""
        return self.log.readable_end(self._isolation)

    def has_rows(self, end: int) -> bool:
        """Whether a poll up to offset `end` would find something, or has to look where to read first."""
        return self.position is None or end > self.position or self.position > self.log.end_offset
