"""Segment: one file of frames, its mapping, its index and which of its frames have been checked.

A segment file has its full size from the start, as a hole: appends never change the file size, one mapping
serves all reads, and no mapped page ever lies beyond the end of the file, so readers cannot be killed by
SIGBUS. A file is only cut where no frame is (at the end of a sealed segment); dropping frames replaces the
file (see `log.truncate_to`).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from storage.env import Env, File
from storage.errors import CorruptLog
from storage.log.format import HEADER_SIZE, FrameHeader, frame_intact, header_version, unpack_header
from storage.log.index import SegmentIndex, load_index
from storage.log.segment_info import SegmentInfo, known

LOG_SUFFIX = ".log"
INDEX_SUFFIX = ".index"
PRODUCERS_SUFFIX = ".producers"


def segment_name(base_offset: int) -> str:
    """File name without suffix: the base offset, so that names sort as offsets do."""
    return f"{base_offset:020d}"


class Segment:
    """Frames from `base_offset` on. `index` covers all complete frames; `file` is open while the segment is
    written.
    """

    def __init__(self, env: Env, directory: str, base_offset: int) -> None:
        self.env = env
        self.base_offset = base_offset
        self.path = f"{directory}/{segment_name(base_offset)}{LOG_SUFFIX}"
        self.index_path = f"{directory}/{segment_name(base_offset)}{INDEX_SUFFIX}"
        # The producers that segments before this one knew, when those are dropped.
        self.producers_path = f"{directory}/{segment_name(base_offset)}{PRODUCERS_SUFFIX}"
        self.file: File | None = None
        self.capacity = 0
        self._index: SegmentIndex | None = None
        self._mapped: tuple[pa.Buffer, memoryview] | None = None
        # Held while the descriptor is used beside appends: a sync must not lose its file to a roll.
        self._file_lock = threading.Lock()
        self._checked = (0, 0)

    # --- opening and closing ---

    def open_for_append(self, capacity: int, index: SegmentIndex) -> None:
        """Open (or create) the file with at least `capacity` bytes; `index` covers the frames it holds."""
        file = self.env.open(self.path, create=True)
        self.capacity = max(capacity, file.size())
        if file.size() < self.capacity:
            file.resize(self.capacity)
        self.file = file
        self._index = index
        self._mapped = None

    def seal(self) -> None:
        """No more appends: give back the unused part of the file, but for an empty header, and close it."""
        with self._file_lock:
            if self.file is not None:
                self.file.resize(self.index.position + HEADER_SIZE)
        self.release()

    def release(self) -> None:
        """Close the file and leave it as it is."""
        with self._file_lock:
            if self.file is not None:
                self.file.close()
                self.file = None

    def enlarge(self, capacity: int) -> None:
        """Make room in a segment that has no frame yet."""
        assert self.file is not None and self.index.position == 0
        with self._file_lock:
            self.file.resize(capacity)
            self.capacity = capacity
            self._mapped = None

    def sync(self) -> None:
        """Make the frames durable."""
        with self._file_lock, self._opened() as file:
            file.sync()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[File]:
        """The open file, or the file opened for a moment; call with the file lock held."""
        if self.file is not None:
            yield self.file
            return
        file = self.env.open(self.path)
        try:
            yield file
        finally:
            file.close()

    def replaced_by_prefix(self, position: int, rest: Sequence[Any], capacity: int) -> Segment:
        """A segment of the same name with the bytes before `position` and then `rest`, ready for appends.

        The bytes are copied into a new file which then takes the name, so that mappings of the old one stay
        whole. The caller syncs the directory.
        """
        kept = Segment(self.env, self.path.rpartition("/")[0], self.base_offset)
        self.env.remove(self.index_path)
        temporary = f"{self.path}.tmp"
        self.env.remove(temporary)
        copy = self.env.open(temporary, create=True)
        try:
            copy.write(0, [self.data.slice(0, position), *rest])
            size = copy.size()
            copy.sync()
        finally:
            copy.close()
        self.env.rename(temporary, self.path)
        self.release()
        kept.open_for_append(max(capacity, size), kept.completed(SegmentIndex(kept.base_offset)))
        return kept

    def remove(self) -> None:
        """Remove the files; batches read from the mapping stay valid."""
        self.release()
        self.env.remove(self.path)
        self.env.remove(self.index_path)
        self.env.remove(self.producers_path)

    @property
    def index(self) -> SegmentIndex:
        """The index, loaded or rebuilt when first asked for."""
        if self._index is None:
            loaded = load_index(self.env, self.index_path)
            self._index = self.completed(loaded[0] if loaded else SegmentIndex(self.base_offset))
        return self._index

    @index.setter
    def index(self, index: SegmentIndex) -> None:
        """Replace the index by one that was checked or rebuilt."""
        self._index = index

    def info(self, state: str, durable_offset: int) -> SegmentInfo:
        """What the segment holds; see `SegmentInfo` for `state`."""
        index = self.index
        return SegmentInfo(
            self.base_offset,
            index.next_offset,
            index.position,
            state,
            index.next_offset <= durable_offset,
            known(index.max_timestamp_us),
            known(index.max_append_us),
            self.path,
        )

    def completed(self, index: SegmentIndex, end_offset: int | None = None) -> SegmentIndex:
        """`index` extended to all frames (before `end_offset`) by their headers.

        Needed when there is no index file, or when it is from before the last frames.
        """
        for _, header in self.walk(index.position, index.next_offset, end_offset):
            index.cover(header)
        return index

    # --- bytes ---

    @property
    def data(self) -> pa.Buffer:
        """The whole file, mapped read-only."""
        return self._mapping()[0]

    @property
    def view(self) -> memoryview:
        """The same bytes for fast header reads."""
        return self._mapping()[1]

    def _mapping(self) -> tuple[pa.Buffer, memoryview]:
        """The mapping, made when first asked for."""
        mapped = self._mapped
        if mapped is None:
            with self._file_lock, self._opened() as file:
                data = file.map(file.size())
            mapped = self._mapped = (data, memoryview(data))
        return mapped

    def write(self, pieces: Sequence[Any], header: FrameHeader, size: int) -> None:
        """Write a frame of `size` bytes at the end. On an error nothing of it counts; the caller decides whether to
        go on.
        """
        assert self.file is not None
        index = self.index
        position = index.position
        self.file.write(position, pieces)
        low, high = self._checked
        if high == position:
            self._checked = (low, position + size)
        index.cover(header, size)

    def forget_from(self, offset: int) -> None:
        """Let the frames from `offset` on, the last ones, not have been written."""
        self.index = SegmentIndex(self.base_offset)
        if offset > self.base_offset:
            self.index = self.completed(self.index, offset)
        self.clear_tail()

    def clear_tail(self) -> None:
        """Zero whatever lies beyond the last frame, so that no later reader mistakes it for one."""
        assert self.file is not None
        with self._file_lock:
            self.file.resize(self.index.position)
            self.file.resize(self.capacity)

    # --- frames ---

    def walk(
        self, position: int, next_offset: int | None = None, end_offset: int | None = None
    ) -> Iterator[tuple[int, FrameHeader]]:
        """(position, header) of each frame from `position` on, as long as headers follow without a gap.

        Readers of a log in use pass `end_offset`: no byte after the frame that reaches it is touched.
        """
        view = self.view
        while True:
            header = unpack_header(view, position)
            if header is None or (next_offset is not None and header.base_offset != next_offset):
                return
            if position + header.frame_size > len(view) or header.record_count == 0:
                return
            yield position, header
            position += header.frame_size
            next_offset = header.next_offset
            if end_offset is not None and next_offset >= end_offset:
                return

    def intact(self, position: int, header: FrameHeader) -> bool:
        """Whether the frame matches its checksum; computed once for neighbouring reads."""
        end = position + header.frame_size
        low, high = self._checked
        if low <= position and end <= high:
            return True
        if not frame_intact(self.data, position, header):
            return False
        if position == high:
            self._checked = (low, end)
        elif end == low:
            self._checked = (position, high)
        else:
            self._checked = (position, end)
        return True

    def forget_checks(self) -> None:
        """Let no frame count as checked."""
        self._checked = (0, 0)

    def missing(self, offset: int) -> CorruptLog:
        """The error for a file that is gone."""
        return CorruptLog("segment is missing", file=self.path, position=0, offset=offset)

    def first_damage(self) -> CorruptLog:
        """The error for a chain of headers that breaks too early; an earlier frame may be the damaged one."""
        position, offset = 0, self.base_offset
        for at, header in self.walk(0, offset):
            if not self.intact(at, header):
                return self.corrupt("frame does not match its checksum", at, offset)
            position, offset = at + header.frame_size, header.next_offset
        return self.corrupt("frame is missing or damaged", position, offset)

    def corrupt(self, reason: str, position: int, offset: int) -> CorruptLog:
        """The error for damage at `position`."""
        version = header_version(self.view, position)
        if version is not None and unpack_header(self.view, position) is None:
            reason = f"frame of unknown version {version} or flags"
        return CorruptLog(reason, file=self.path, position=position, offset=offset)
