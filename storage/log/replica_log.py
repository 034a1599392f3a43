"""ReplicaLog: a partition's log in one of several directories, as the replication of it needs it.

Frames come whole, with the stamps, the epoch and the producer that they were first written with, and are given away
whole; readers see what the replication has found committed. Must not know other replicas.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from storage import checked
from storage.config import BatchId
from storage.env import Env, write_file
from storage.errors import CorruptFile
from storage.log import recovery
from storage.log.body import Body
from storage.log.durable_point import FILE_BYTES, DurablePoint, Point
from storage.log.epoch_starts import epoch_starts
from storage.log.file_log import FileLog
from storage.log.format import FrameHeader, frame_intact, unpack_header
from storage.log.log import Stamp, TopicContext
from storage.log.producers import ProducerTable, Saved
from storage.log.scan import base_offset, frames_between, segment_frames
from storage.log.segment import PRODUCERS_SUFFIX, Segment, segment_name


class RawFrame(NamedTuple):
    """A stored frame: its header and all of its bytes, header included."""

    header: FrameHeader
    data: pa.Buffer


class ReplicaLog(FileLog):
    """`FileLog` whose readers see the records before `committed`, which its owner moves."""

    def __init__(self, context: TopicContext, partition: int, directory: str) -> None:
        self.committed = 0
        super().__init__(context, partition, directory)

    def _open(self) -> None:
        """See `FileLog._open`; a log that begins without a segment may know producers all the same."""
        super()._open()
        kept = self._active.producers_path
        if self._end_offset == self._start_offset and self._env.exists(kept):
            self._producers = ProducerTable(checked.load_json(self._env, kept))

    @property
    def high_watermark(self) -> int:
        """See `Log.high_watermark`."""
        return min(self.committed, self._end_offset)

    @property
    def directory(self) -> str:
        """Where its files are."""
        return self._directory

    def is_there(self) -> bool:
        """Whether the file that appends go to still has its name: a file that was removed can be written for ever."""
        return bool(self._segments) and self._env.exists(self._active.path)

    def has_every_file(self) -> bool:
        """Whether the durable point and all segments still have their names."""
        segments = list(self._segments)
        paths = [f"{self._directory}/{recovery.DURABLE_FILE}", *(segment.path for segment in segments)]
        return bool(segments) and all(map(self._env.exists, paths))

    # --- writing ---

    def repeated(self, producer: BatchId | None, records: int) -> int | None:
        """Base offset of the earlier append that this one repeats, None if it is new; see `ProducerTable.check`."""
        with self._lock:
            self._require_writable()
            return self._repeated(producer, records)

    def next_header(self, body: Body, schema_id: int, records: int, stamp: Stamp) -> FrameHeader:
        """The header of a frame at the end of this log, of its `leader_epoch`."""
        return self._header(body.kind, schema_id, records, stamp, body.sizes)

    def marker(self, producer_id: int, epoch: int) -> FrameHeader | None:
        """The header of the marker of a settled transaction at the end of this log, None if it needs none."""
        with self._lock:
            for each in self._transactions.open():
                if (each.producer_id, each.epoch) == (producer_id, epoch):
                    return self._marker(each)
        return None

    def store(self, header: FrameHeader, pieces: list[Any]) -> None:
        """Write a frame at the end, as bytes-like pieces that begin with its header."""
        with self._lock:
            self._require_writable()
            self._require_next(header)
            self._write_frame(header, pieces)

    def store_raw(self, frames: bytes) -> None:
        """Write whole frames, one behind the other, at the end; CorruptFile if one is damaged or does not follow."""
        data = pa.py_buffer(frames)
        position = 0
        while position < data.size:
            header = unpack_header(memoryview(data), position)
            if header is None or not frame_intact(data, position, header):
                raise CorruptFile("a frame was damaged on its way to a replica", file=self._directory)
            with self._lock:
                self._require_writable()
                self._require_next(header)
                self._write_frame(header, [data.slice(position, header.frame_size)])
            position += header.frame_size

    def _require_next(self, header: FrameHeader) -> None:
        """CorruptFile unless a frame continues the log."""
        if header.base_offset != self._end_offset:
            raise CorruptFile(
                f"a frame of offset {header.base_offset} does not follow offset {self._end_offset}",
                file=self._directory,
            )

    # --- what other replicas ask for ---

    def raw_frames(self, offset: int, limit: int, max_bytes: int) -> list[RawFrame]:
        """The verified frames from `offset`, where one begins, that end at or before `limit`: so many that they have
        `max_bytes`, at least one if there is one. OffsetOutOfRange below the start, CorruptLog at damage.
        """
        return self._consistently(lambda segments: self._raw_frames(segments, offset, limit, max_bytes))

    def _raw_frames(self, segments: list[Segment], offset: int, limit: int, max_bytes: int) -> list[RawFrame]:
        """`raw_frames` over given segments."""
        self._check_range(offset, segments[0].base_offset, self._end_offset)
        found: list[RawFrame] = []
        size = 0
        for segment, position, header in frames_between(segments, offset, min(limit, self._end_offset)):
            size += header.frame_size
            if header.next_offset > limit or (found and size > max_bytes):
                break
            found.append(RawFrame(header, segment.data.slice(position, header.frame_size)))
        return found

    def check_again(self) -> None:
        """Let every frame be compared with its checksum when it is next read, as if it had not been read before."""
        for segment in self._segments:
            segment.forget_checks()

    def epoch_starts(self) -> list[tuple[int, int]]:
        """(epoch, offset of its first frame) of the frames kept, ascending."""
        return self._consistently(lambda segments: epoch_starts(segments, self._start_offset))

    def frame_start(self, offset: int) -> int:
        """First offset of the frame that holds `offset`; `offset` itself at the end of the log."""
        if offset >= self._end_offset:
            return self._end_offset
        return self._consistently(lambda segments: _frame_start(segments, offset))

    def producers_at(self, offset: int) -> Saved:
        """What the log knows of producers by the frames before that at `offset`, as `ProducerTable.save` has it."""
        return self._consistently(lambda segments: self._producers_at(segments, offset))

    def _producers_at(self, segments: list[Segment], offset: int) -> Saved:
        """`producers_at` over given segments."""
        number = max(bisect_right(segments, offset, key=base_offset) - 1, 0)
        table = recovery.producers_before(self._env, segments, number)
        for _, header in segments[number].walk(0, end_offset=offset) if offset > segments[number].base_offset else ():
            table.observe(header)
        return table.save()


def _frame_start(segments: Sequence[Segment], offset: int) -> int:
    """`ReplicaLog.frame_start` over given segments."""
    segment = segments[max(bisect_right(segments, offset, key=base_offset) - 1, 0)]
    return next(header.base_offset for _, header in segment_frames(segment, offset, offset + 1))


def begin_at(env: Env, directory: str, start: int, producers: Saved, keep: Sequence[str] = ()) -> None:
    """Empty the directory of a log, but for the files `keep`, and let the log begin at offset `start` with what is
    known of `producers` there. A crash on the way leaves an empty log or one that its owner takes for new.
    """
    env.mkdir(directory)
    env.sync_dir(directory.rpartition("/")[0])
    for name in env.list(directory):
        if name not in keep:
            env.remove(f"{directory}/{name}")
    if producers:
        name = f"{segment_name(start)}{PRODUCERS_SUFFIX}"
        write_file(env, f"{directory}/{name}", [checked.seal_json(ProducerTable(producers).save())])
    file = env.open(f"{directory}/{recovery.DURABLE_FILE}", create=True)
    try:
        file.resize(FILE_BYTES)
        DurablePoint(file).save(Point(start, start, 0, start))
        file.sync()
    finally:
        file.close()
    env.sync_dir(directory)
