"""SegmentedLog: a partition in segment files as its readers see it.

Readers take no lock: they see the segments and the high watermark as they were when the read began, and begin again
when what they met is explained by segments that were replaced meanwhile. Must not write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from storage.env import Env
from storage.errors import CorruptLog, ReadFailed, StorageClosed, StorageError
from storage.log.cleaner import Cleaner
from storage.log.durable_point import Point
from storage.log.format import FLAG_COMPACTED, FrameHeader
from storage.log.frame import Frame
from storage.log.log import Isolation, Log, TopicContext
from storage.log.scan import frames_between, frames_of_time
from storage.log.segment import Segment
from storage.log.segment_info import SegmentInfo
from storage.log.stored_frame import stored_frame

Result = TypeVar("Result")


class SegmentedLog(Log):
    """The segments, oldest first, of which the last is appended to, and why the log has stopped, if it has. Who writes
    it opens and replaces them.
    """

    keeps_statistics = True
    _cleaner: Cleaner

    def __init__(self, context: TopicContext, partition: int, directory: str) -> None:
        super().__init__(context, partition)
        self._env: Env = context.env
        self._directory = directory
        self._failure: StorageError | None = None
        self._closed = False
        self._segments: list[Segment] = []
        self._point = Point(0, 0, 0, 0)

    # --- positions ---

    @property
    def durable_offset(self) -> int:
        """See `Log.durable_offset`."""
        return self._point.offset

    @property
    def high_watermark(self) -> int:
        """See `Log.high_watermark`: what is durable, or with durability `os` what is written."""
        return self._end_offset if self.context.config.durability == "os" else self._point.offset

    @property
    def size_bytes(self) -> int:
        """See `Log.size_bytes`."""
        return sum(segment.index.position for segment in self._segments)

    @property
    def segment_count(self) -> int:
        """See `Log.segment_count`."""
        return len(self._segments)

    def segments(self) -> list[SegmentInfo]:
        """See `Log.segments`."""
        return self._consistently(self._described)

    def _described(self, segments: list[Segment]) -> list[SegmentInfo]:
        """`segments` over given ones."""
        clean, durable = self._cleaner.offset, self._point.offset
        states = ["compacted" if segment.index.next_offset <= clean else "sealed" for segment in segments[:-1]]
        return [segment.info(state, durable) for segment, state in zip(segments, [*states, "active"], strict=True)]

    @property
    def failure(self) -> StorageError | None:
        """Why the log no longer accepts appends, None while it does."""
        return self._failure

    def require_readable(self) -> None:
        """See `Log.require_readable`."""
        if self._failure is not None and not self._segments:
            raise self._failure

    @property
    def _active(self) -> Segment:
        """The segment that takes appends."""
        return self._segments[-1]

    # --- read ---

    def _frames(self, offset: int, max_rows: int, columns: list[str] | None, isolation: Isolation) -> list[Frame]:
        """See `Log.read`."""
        return self._consistently(lambda segments: self._read(segments, offset, max_rows, columns, isolation))

    def _read(
        self, segments: list[Segment], offset: int, max_rows: int, columns: list[str] | None, isolation: Isolation
    ) -> list[Frame]:
        """`read` over given segments; what comes before damage is returned, damage at the beginning raised."""
        end = self.readable_end(isolation)
        self._check_range(offset, self._start_offset, max(end, self._end_offset))
        end = min(end, offset + max_rows)
        frames: list[Frame] = []
        try:
            for segment, position, header in frames_between(segments, offset, end):
                frames.append(self._frame(segment, position, header, (offset, end), columns, isolation))
        except (CorruptLog, OSError):
            if not frames:
                raise
        return frames

    def _consistently(self, work: Callable[[list[Segment]], Result]) -> Result:
        """Run a read without a lock; again if what went wrong is explained by segments that were replaced.

        Reads go on after a failed write. Damage that is real stops appends.
        """
        while True:
            segments = self._segments
            if self._closed or not segments:
                raise self._failure or StorageClosed(f'topic "{self.context.name}" is closed')
            try:
                return work(segments)
            except (CorruptLog, OSError) as error:
                with self._lock:
                    if self._segments is segments and not self._closed:
                        raise self._read_failed(error) from error

    def _read_failed(self, error: CorruptLog | OSError) -> StorageError:
        """The error of a read that met damage or an operating system that refused."""
        if isinstance(error, CorruptLog):
            self._failure = self._failure or error
            return error
        return ReadFailed(f'reading "{self._directory}" failed: {error.strerror}')

    def _frame(
        self,
        segment: Segment,
        position: int,
        header: FrameHeader,
        bounds: tuple[int, int],
        columns: list[str] | None,
        isolation: Isolation = "read_committed",
    ) -> Frame:
        """The frame at `position`, cut to the offsets `bounds`."""
        hidden = header.flags > FLAG_COMPACTED and self._is_hidden(header, isolation)
        return stored_frame(segment, position, header, bounds, columns, self.context.schemas, hidden)

    def offset_for_timestamp(self, timestamp_us: int) -> int | None:
        """See `Log.offset_for_timestamp`."""
        return self._consistently(lambda segments: self._find_timestamp(segments, timestamp_us))

    def _find_timestamp(self, segments: list[Segment], timestamp_us: int) -> int | None:
        """`offset_for_timestamp` over given segments."""
        start, end = self._start_offset, self.last_stable_offset
        for segment, position, header in frames_of_time(segments, timestamp_us, start):
            if header.base_offset >= end:
                return None
            frame = self._frame(segment, position, header, (start, end), None)
            found = self._exact_timestamp_offset(frame, timestamp_us)
            if found is not None:
                return found
        return None
