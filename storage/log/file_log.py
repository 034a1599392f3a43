"""FileLog: a partition in a directory of segment files.

Life of an append: encode and checksum outside the lock; under the lock check the sequence, write at the end
of the active segment; then wait for the fsync round that the topic's durability asks for. Readers take no
lock: they see the segments and the high watermark as they were when the read began.
"""

from __future__ import annotations

import contextlib
import threading
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from storage.env import File
from storage.errors import (
    NO_SPACE,
    CorruptFile,
    CorruptLog,
    DiskFull,
    LogFailed,
    StorageClosed,
    StorageError,
)
from storage.log import recovery
from storage.log.body import encode_body
from storage.log.cleaner import Cleaner
from storage.log.compaction import Rewritten
from storage.log.durable_point import DurablePoint, Point
from storage.log.format import FLAG_TRANSACTIONAL, FrameHeader, checksum, pack_header
from storage.log.frame import Frame
from storage.log.index import SegmentIndex, load_index, save_index
from storage.log.log import Pace, Stamp, TopicContext, at_once
from storage.log.producers import ProducerTable
from storage.log.retention import expired_count
from storage.log.scan import base_offset, segment_frames
from storage.log.segment import Segment
from storage.log.segmented_log import SegmentedLog
from storage.log.stored_frame import cut_at
from storage.log.swap import swap, temporary_path
from storage.log.transactions import marked


class FileLog(SegmentedLog):
    """`Log` over segment files. Opening never raises for damaged data: every use of the log then does."""

    def __init__(self, context: TopicContext, partition: int, directory: str) -> None:
        super().__init__(context, partition, directory)
        self._sync_lock = threading.Lock()
        self._unsynced: list[Segment] = []
        self._begun = self._begun_synced = 0  # segments, in all and when the directory was last synced
        self._is_listed = False  # whether the directory was synced since it was opened: a killed process may not have
        self._point_file: File | None = None
        self._compaction_lock = threading.Lock()
        self._cuts = 0  # how often segments were given up: what a compaction was reading may be gone then
        self._cleaner = Cleaner(context, directory, self._whole_frames, self._replace)
        try:
            self._point_file = self._env.open(f"{directory}/{recovery.DURABLE_FILE}", create=True)
            self._durable = DurablePoint(self._point_file)
            self._open()
        except CorruptFile as error:
            self._failure = error
        except OSError as error:
            self._fail(f"opening failed: {error.strerror}")

    def _open(self) -> None:
        """Recover the directory and make the last segment ready for appends."""
        found = recovery.recover(self._env, self._directory, self._durable)
        self._point, self._producers = found.point, found.producers
        self._start_offset, self._end_offset = found.point.start_offset, found.end_offset
        self._segments = found.segments
        self._cleaner.load(found.point.offset)
        self._transactions.close_before(self._cleaner.reach)
        if not self._segments:
            self._add_segment(self.context.config.segment_bytes)
            return
        active = self._active
        index = active.index
        active.open_for_append(max(self.context.config.segment_bytes, index.position), index)
        active.clear_tail()
        self._unsynced = found.scanned
        self.sync_now()

    # --- append ---

    def _write(self, batch: pa.RecordBatch, schema_id: int, stamp: Stamp) -> int:
        """See `Log._write`."""
        body = encode_body(self.context, batch, schema_id)
        with self._lock:
            self._require_writable()
            repeated = self._repeated(stamp.producer, batch.num_rows)
            if repeated is not None:
                return repeated
            header = self._header(body.kind, schema_id, batch.num_rows, stamp, body.sizes)
            self._write_frame(header, [pack_header(header, body.crc), *body.pieces])
            return header.base_offset

    def _write_marker(self, header: FrameHeader) -> None:
        """See `Log._write_marker`."""
        self._require_writable()
        self._write_frame(header, [pack_header(header, checksum([]))])

    def _write_frame(self, header: FrameHeader, pieces: list[Any]) -> None:
        """Put a frame at the end of the log, in a new segment if it does not fit; call with the lock held."""
        active, size = self._active, header.frame_size
        if active.index.position + size > active.capacity:
            self._roll(size)
            active = self._active
        if header.flags & FLAG_TRANSACTIONAL:  # before its records can be below the high watermark
            self._transactions.observe(header)
        try:
            active.write(pieces, header, size)
            self._end_offset = header.next_offset
            self._producers.observe(header)
        except OSError as error:
            self._transactions.cancel(header)
            raise self._write_failed(error, active) from error
        except BaseException:
            self._interrupted(header, active)
            raise

    def _interrupted(self, header: FrameHeader, active: Segment) -> None:
        """Make sense of an append that Ctrl-C (or a lack of memory) broke off: it counts wholly or not at all."""
        if self._end_offset == header.next_offset:
            self._producers.observe(header)
            return
        self._transactions.cancel(header)
        active.forget_from(header.base_offset)

    def _write_failed(self, error: OSError, active: Segment) -> StorageError:
        """Roll a failed append back if only space was missing; otherwise stop the log."""
        if error.errno not in NO_SPACE:
            return self._fail(f"write failed: {error.strerror}")
        try:
            active.clear_tail()
        except OSError as second:
            return self._fail(f"rolling back a write to a full disk failed: {second.strerror}")
        return self._disk_full()

    def _disk_full(self) -> DiskFull:
        """The error of an append that found no space."""
        return DiskFull(
            f'no space left on device for topic "{self.context.name}"',
            hint="free space or lower the retention; reads continue, and appends when there is space again",
        )

    def _fail(self, reason: str) -> LogFailed:
        """Stop the log: nothing more is appended until it has been opened, and so recovered, again."""
        where = f'partition {self.partition} of topic "{self.context.name}"'
        failure = LogFailed(f"{where} stopped: {reason}", hint="open the storage again once the disk is in order")
        self._failure = self._failure or failure
        return failure

    def _require_writable(self) -> None:
        """Raise the log's failure, or StorageClosed."""
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise StorageClosed(f'topic "{self.context.name}" is closed')

    # --- segments ---

    def _add_segment(self, capacity: int) -> None:
        """Begin a segment at the end offset."""
        segment = Segment(self._env, self._directory, self._end_offset)
        try:
            segment.open_for_append(capacity, SegmentIndex(self._end_offset))
        except OSError as error:
            try:
                segment.remove()
            except OSError as second:
                raise self._fail(f"removing a segment that was not begun failed: {second.strerror}") from error
            raise self._no_room(error) from error
        self._segments = [*self._segments, segment]
        self._begun += 1

    def _no_room(self, error: OSError) -> StorageError:
        """The error of a file that could not be made or made larger, before anything was written to it."""
        return self._disk_full() if error.errno in NO_SPACE else self._fail(f"{error.strerror}")

    def _roll(self, frame_size: int) -> None:
        """Seal the active segment and begin one with room for a frame; call with the lock held."""
        active, capacity = self._active, max(self.context.config.segment_bytes, frame_size)
        if active.index.position == 0:
            try:
                active.enlarge(capacity)
            except OSError as error:
                raise self._no_room(error) from error
            return
        self._unsynced = [*self._unsynced, active]
        self._add_segment(capacity)
        try:
            active.seal()
        except OSError as error:
            raise self._fail(f"sealing a segment failed: {error.strerror}") from error
        self._save_index(active)

    def _save_index(self, segment: Segment) -> None:
        """Write a segment's index file with the producers as they are now (its frames are the newest)."""
        # The file is derived: if it cannot be written now, the next start rebuilds it from the frames.
        with contextlib.suppress(OSError):
            save_index(self._env, segment.index_path, segment.index, self._producers.save())

    # --- durability ---

    def acknowledge(self, next_offset: int) -> None:
        """See `Log.acknowledge`."""
        durability = self.context.config.durability
        if durability == "os" or next_offset <= self._point.offset:
            return
        if durability == "group":
            self.context.commit.wait_durable([self])
        else:
            self.sync_now()
        self.confirm(next_offset)

    def confirm(self, next_offset: int) -> None:
        """Raise the log's failure unless all records before `next_offset` are durable."""
        if next_offset > self._point.offset and self.context.config.durability != "os":
            raise self._failure or StorageClosed(f'topic "{self.context.name}" was truncated during the append')

    def flush(self) -> None:
        """See `Log.flush`."""
        self._require_writable()
        end = self._end_offset
        self.sync_now()
        if self._failure is not None and self._point.offset < end:
            raise self._failure

    def sync_now(self) -> None:
        """Sync all that was written so far and move the durable point; a failure stops the log and is kept in it."""
        with self._sync_lock:
            self._sync()

    def _sync(self) -> None:
        """`sync_now` with the sync lock held."""
        with self._lock:
            sealed, begun = self._unsynced, self._begun
            active, end = self._active if self._segments else None, self._end_offset
            position = active.index.position if active else 0
        new_files = begun != self._begun_synced
        if active is None or self._failure is not None or (end == self._point.offset and not new_files):
            return
        try:
            for segment in sealed:
                segment.sync()
            active.sync()
            if new_files or not self._is_listed:
                self._env.sync_dir(self._directory)
                self._begun_synced, self._is_listed = begun, True
        except OSError as error:
            self._fail(f"fsync failed: {error.strerror}")
            return
        self._move_point(Point(self._start_offset, active.base_offset, position, end))
        with self._lock:
            self._unsynced = [segment for segment in self._unsynced if segment not in sealed]

    def _move_point(self, point: Point) -> None:
        """Publish a durable point and note it on disk."""
        with self._lock:
            if point.offset > self._end_offset:
                return
            try:
                self._durable.save(point)
            except OSError as error:
                # The note may lag behind: a later start then verifies more than it needed to.
                if error.errno not in NO_SPACE:
                    self._fail(f"write failed: {error.strerror}")
                    return
            self._point = point

    def _persist_point(self, point: Point) -> None:
        """Move the durable point and wait until the note itself is durable; call with both locks held."""
        try:
            self._durable.save(point, sync=True)
        except OSError as error:
            raise self._fail(f"write failed: {error.strerror}") from error
        self._point = point

    # --- drop ---

    def truncate_to(self, offset: int) -> None:
        """See `Log.truncate_to`. Batches already read stay valid: their file is replaced, not cut."""
        with self._sync_lock, self._lock:
            self._require_writable()
            self._check_range(offset, max(self._start_offset, self._cleaner.reach), self._end_offset)
            if offset == self._end_offset:
                return
            try:
                self._truncate(offset)
            except OSError as error:
                raise self._fail(f"truncation failed: {error.strerror}") from error

    def _truncate(self, offset: int) -> None:
        """Lower the durable point first, so that a crash on the way is not taken for corruption; then drop
        frames.
        """
        self._cuts += 1
        number = bisect_right(self._segments, offset, key=base_offset) - 1
        segment = self._segments[number]
        position, base, rest = cut_at(segment, offset, self.context.schemas, self.context.plans)
        outcomes = marked(header for each in self._segments[number:] for _, header in each.walk(0) if header.flags)
        if base < self._point.offset:
            self._persist_point(Point(self._start_offset, segment.base_offset, position, base))
        for later in reversed(self._segments[number + 1 :]):
            later.remove()
        kept = segment.replaced_by_prefix(position, rest, self.context.config.segment_bytes)
        self._env.sync_dir(self._directory)
        self._segments = [*self._segments[:number], kept]
        self._unsynced = [s for s in self._unsynced if s.base_offset < segment.base_offset]
        before, self._producers = self._producers, recovery.producers_before(self._env, self._segments, number)
        for _, header in kept.walk(0):
            self._producers.observe(header)
        self._transactions.close_before(self._cleaner.reach)
        self._transactions.inherit(before.transactions, outcomes)
        self._end_offset = offset
        self._sync()

    def delete_before(self, offset: int) -> None:
        """See `Log.delete_before`."""
        self.flush()
        with self._sync_lock, self._lock:
            self._require_writable()
            self._check_range(offset, 0, self._point.offset)
            if offset <= self._start_offset:
                return
            try:
                self._delete(offset)
            except OSError as error:
                raise self._fail(f"deletion failed: {error.strerror}") from error

    def _delete(self, offset: int) -> None:
        """Note the new start durably, then remove the segments that end at or below it."""
        if offset == self._end_offset:
            self._begin_empty()
        gone = [s for s in self._segments[:-1] if s.index.next_offset <= offset]
        producers = recovery.producers_before(self._env, self._segments, len(gone))
        kept = not gone or self._keep_producers(self._segments[len(gone)], producers)
        self._persist_point(self._point._replace(start_offset=offset))
        self._start_offset = offset
        self._transactions.forget_before(offset)
        self._cuts += 1
        self._segments = self._segments[len(gone) :]
        self._unsynced = [s for s in self._unsynced if s not in gone]
        for segment in gone:
            segment.remove()
        if not kept:
            self._keep_producers(self._segments[0], producers)

    def _keep_producers(self, segment: Segment, table: ProducerTable) -> bool:
        """Note the producers at the start of `segment`; False if there is no space for it, which must not keep
        records from being dropped.
        """
        try:
            recovery.keep_producers(self._env, segment, table)
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            return False
        return True

    def _begin_empty(self) -> None:
        """Roll to an empty segment, so that all that is full can go."""
        if self._active.index.position:
            self._roll(0)
            self._env.sync_dir(self._directory)
        self._point = Point(self._start_offset, self._active.base_offset, 0, self._end_offset)

    def apply_retention(self, now_ms: int) -> int:
        """See `Log.apply_retention`. The active segment goes too when all of it is too old."""
        gone, target = self.expired(now_ms)
        if gone:
            self.delete_before(target)
        return gone

    def expired(self, now_ms: int) -> tuple[int, int]:
        """(how many segments retention no longer covers, the offset behind the last of them)."""
        with self._lock:
            self._require_writable()
            indexes = [s.index for s in self._segments if s.index.position]
            pieces = [(i.position, i.max_append_us) for i in indexes if i.next_offset <= self.last_stable_offset]
            gone = expired_count(pieces, self.size_bytes, self.context.config, now_ms)
        return gone, indexes[gone - 1].next_offset if gone else 0

    # --- compaction ---

    @property
    def compacted_offset(self) -> int:
        """See `Log.compacted_offset`."""
        return self._cleaner.reach

    def compact(self, now_ms: int, pace: Pace = at_once) -> int:
        """See `Log.compact`."""
        with self._compaction_lock:
            with self._lock:
                self._require_writable()
                sealed, limit, cuts = self._segments[:-1], self._point.offset, self._cuts
                remembered, first_open = self._producers.remembered(), self._transactions.first_open
            limit = min(each for each in (limit, first_open, self.compaction_limit) if each is not None)
            if self.context.config.compacts:
                self.flush()  # the markers of what is decided, without which its frames could not be told apart
            try:
                return self._cleaner.run(
                    sealed, limit, remembered, now_ms * 1000, lambda n: pace(n) and not self._closed
                )
            except (CorruptLog, OSError) as error:
                raise self._compaction_failed(cuts, error) from error

    def _compaction_failed(self, cuts: int, error: CorruptLog | OSError) -> StorageError:
        """The error of a broken compaction. Nothing is wrong with a log that gave up segments meanwhile."""
        if self._closed or self._cuts != cuts:
            return StorageClosed(f'topic "{self.context.name}" was closed or cut while it was compacted')
        if isinstance(error, CorruptLog):
            return self._read_failed(error)
        return self._disk_full() if error.errno in NO_SPACE else self._fail(f"compaction failed: {error.strerror}")

    def _whole_frames(self, segment: Segment, columns: list[str] | None) -> Iterator[tuple[int, Frame]]:
        """See `Frames of storage.log.compaction`."""
        for position, header in segment_frames(segment, segment.base_offset, segment.index.next_offset):
            names = self.context.schemas[header.schema_id].names
            known = None if columns is None else [name for name in columns if name in names]
            bounds = (header.base_offset, header.next_offset)
            yield position, self._frame(segment, position, header, bounds, known)

    def _replace(self, rewritten: Rewritten) -> bool:
        """Put a compacted file in the place of its segments; False if those are no longer what the log holds."""
        old = rewritten.segments
        loaded = load_index(self._env, old[-1].index_path)
        with self._sync_lock, self._lock:
            self._require_writable()
            at = next((i for i, segment in enumerate(self._segments) if segment is old[0]), None)
            if at is None or self._segments[at : at + len(old)] != old:
                self._env.remove(temporary_path(self._directory, old[0].base_offset))
                return False
            # The note of the durable point may be behind, and must not name a segment that is no longer there.
            self._persist_point(self._point)
            try:
                swap(self._env, self._directory, [segment.base_offset for segment in old])
            except OSError as error:
                raise self._fail(f"compaction failed: {error.strerror}") from error
            new = Segment(self._env, self._directory, old[0].base_offset)
            new.index = rewritten.index
            self._segments = [*self._segments[:at], new, *self._segments[at + len(old) :]]
            self._unsynced = [segment for segment in self._unsynced if segment not in old]
        if loaded is not None and loaded[0].next_offset == rewritten.index.next_offset:
            # The file is derived: without it the next start walks the frames.
            with contextlib.suppress(OSError):
                save_index(self._env, new.index_path, new.index, loaded[1])
        return True

    def close(self, *, flush: bool = True) -> None:
        """See `Log.close`. Leaves an index beside the last segment, so the next start need not walk it."""
        failed_before = self._failure
        if flush and not self._closed:
            self.sync_now()
        with self._sync_lock, self._lock:
            if self._closed:
                return
            self._closed = True
            if flush and self._segments and self._failure is None:
                # Cutting the unused end off is a courtesy: the next start would do it.
                with contextlib.suppress(OSError):
                    self._active.seal()
                self._save_index(self._active)
            for segment in self._segments[-1:]:
                segment.release()
            if self._point_file is not None:
                self._point_file.close()
        if self._failure is not None and self._failure is not failed_before:
            raise self._failure
