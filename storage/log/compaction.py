"""Compaction of a partition: the latest record of each key stays, with its offset.

A pass reads the keys of the dirty segments (those no pass has gone over), then goes over all sealed segments from the
oldest on and rewrites those that hold superseded records; small neighbours become one file. Frames keep the range of
offsets they cover, so the chain of frames has no gaps; a bitmap in the trailer says which offsets still have a record
(FORMAT.md section 3). Older segments are rewritten before newer ones: at every moment the log holds, for each key, its
latest record and no record that is older than one already gone. The active segment is never touched.

The algorithm is Kafka's (log cleaner, KIP-534 for the delete horizon of tombstones). Must not take a log's locks: what
is written here is put in place by the log (`storage.log.swap`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from storage.env import Env, File
from storage.log.format import (
    ALIGNMENT,
    FLAG_COMPACTED,
    FLAG_CONTROL,
    FLAG_TRANSACTIONAL,
    HEADER_SIZE,
    KIND_ARROW,
    NO_PRODUCER,
    FrameHeader,
    checksum,
    pack_header,
    padding,
)
from storage.log.frame import Frame
from storage.log.index import NO_TIMESTAMP, SegmentIndex
from storage.log.latest import LatestOffsets, Offsets, settle_tombstones
from storage.log.log import Pace, TopicContext
from storage.log.message import encode
from storage.log.segment import Segment
from storage.log.statistics import encode_statistics
from storage.log.stored_frame import horizon_of
from storage.log.swap import temporary_path
from storage.log.trailer import MAX_COMPACTED_SPAN, NO_HORIZON, encode_kept, kept_span

# Distinct keys of the dirty part looked at in one pass: what bounds its memory. The rest is left to the next pass.
MAX_KEYS = 8_000_000
# Bytes gathered before they are written.
_CHUNK_BYTES = 4 << 20


class Cleaned(NamedTuple):
    """What earlier passes did. offset: all records before it have been compared with all others before it.
    horizon_us: when the first tombstone among them may go, NO_HORIZON if there is none. reach: no record from it on has
    made an older one go.
    """

    offset: int
    horizon_us: int
    reach: int


class Frames(Protocol):
    """How a pass reads the log."""

    def __call__(self, segment: Segment, columns: list[str] | None) -> Iterator[tuple[int, Frame]]:
        """(position, frame) of every verified frame of a segment; columns a frame does not have are left out."""


@dataclass
class Rewritten:
    """A synced file that is to replace `segments`; without a change to their frames there is no need to."""

    segments: list[Segment]
    index: SegmentIndex
    removed: int
    changed: bool


class Pass:
    """One pass over a partition."""

    def __init__(self, context: TopicContext, directory: str, now_us: int) -> None:
        self._env: Env = context.env
        self._directory = directory
        self._rule = context.key_rule()
        self._config = context.config
        self._plans = context.plans
        self._now_us = now_us
        self._horizons: list[int] = []
        self._latest = np.zeros(0, np.int64)

    def run(
        self,
        segments: list[Segment],
        before: Cleaned,
        remembered: set[int],
        frames: Frames,
        replace: Callable[[Rewritten], bool],
        pace: Pace,
    ) -> tuple[int, Cleaned | None]:
        """(records removed, what is clean now, or None if the pass was stopped). `segments`: oldest first.

        remembered: base offsets of frames that idempotent producers may still repeat; those stay as frames.
        replace: puts a rewritten file in place; False if the log has changed meanwhile, which stops the pass.
        """
        dirty = [segment for segment in segments if segment.index.next_offset > before.offset]
        known, covered = self._latest_of(dirty, frames, pace)
        if known is None:
            return 0, None
        self._latest = known.offsets()
        removed = 0
        clean = [segment for segment in segments if segment.index.next_offset <= before.offset]
        for group in self._groups([*clean, *dirty[:covered]], before.offset):
            survivors = self._survivors(group, known, before.offset, frames)
            rewritten = self._rewrite(group, survivors, before.offset, remembered, frames, pace)
            if rewritten is None:
                return removed, None
            if rewritten.changed or len(group) > 1:
                if not replace(rewritten):
                    return removed, None
                removed += rewritten.removed
        end = dirty[covered - 1].index.next_offset if covered else before.offset
        return removed, Cleaned(end, min(self._horizons, default=NO_HORIZON), before.reach)

    # --- which records stay ---

    def _latest_of(self, dirty: list[Segment], frames: Frames, pace: Pace) -> tuple[LatestOffsets | None, int]:
        """(latest offsets of the keys of as many leading segments as memory allows, how many those are)."""
        known = LatestOffsets(self._rule)
        for number, segment in enumerate(dirty):
            if known.keys >= MAX_KEYS:
                return known, number
            self._add(known, segment, frames)
            if not pace(segment.index.position):
                return None, 0
        return known, len(dirty)

    def _add(self, known: LatestOffsets, segment: Segment, frames: Frames) -> None:
        """Take in the keys of a segment."""
        for _, frame in frames(segment, list(self._rule.columns)):
            if frame.record_count:
                known.add(frame.batch, frame.offsets())

    def _survivors(self, group: list[Segment], known: LatestOffsets, cleaned: int, frames: Frames) -> Offsets:
        """The offsets within a group that no later record supersedes, ascending."""
        offsets = self._latest
        clean = [segment for segment in group if segment.index.next_offset <= cleaned]
        if clean:
            latest = LatestOffsets(self._rule, known)
            for segment in clean:
                self._add(latest, segment, frames)
            offsets = latest.offsets()
        low, high = np.searchsorted(offsets, (group[0].base_offset, group[-1].index.next_offset))
        return offsets[low:high]

    def _groups(self, segments: list[Segment], cleaned: int) -> Iterator[list[Segment]]:
        """Neighbours of which about one segment's size will be left."""
        group: list[Segment] = []
        size = 0
        for segment in segments:
            left = self._left_of(segment, cleaned)
            if group and size + left > self._config.segment_bytes:
                yield group
                group, size = [], 0
            group.append(segment)
            size += left
        if group:
            yield group

    def _left_of(self, segment: Segment, cleaned: int) -> int:
        """Bytes a segment will have, if all its records are of one size."""
        index = segment.index
        if index.next_offset <= cleaned:
            return index.position
        low, high = np.searchsorted(self._latest, (segment.base_offset, index.next_offset))
        return int(index.position * (high - low) // max(index.next_offset - segment.base_offset, 1))

    # --- writing ---

    def _rewrite(
        self,
        group: list[Segment],
        survivors: Offsets,
        cleaned: int,
        remembered: set[int],
        frames: Frames,
        pace: Pace,
    ) -> Rewritten | None:
        """Write what stays of a group to its temporary file and sync it; None if the pass must stop."""
        path = temporary_path(self._directory, group[0].base_offset)
        self._env.remove(path)
        file = self._env.open(path, create=True)
        finished = False
        try:
            sink = _Sink(file, group[0].base_offset, remembered, pace)
            for segment in group:
                is_clean = segment.index.next_offset <= cleaned
                for position, frame in frames(segment, None):
                    self._put(sink, segment, position, frame, survivors, is_clean)
                if not pace(segment.index.position):
                    return None
            if not sink.finish():
                return None
            file.resize(sink.index.position + HEADER_SIZE)
            file.sync()
            finished = True
        finally:
            file.close()
            if not finished:
                self._env.remove(path)
        return Rewritten(group, sink.index, sink.removed, sink.changed)

    def _put(
        self, sink: _Sink, segment: Segment, position: int, frame: Frame, survivors: Offsets, is_clean: bool
    ) -> None:
        """Write what stays of one frame."""
        header = frame.header
        rows = frame.offsets()
        low, high = np.searchsorted(survivors, (header.base_offset, header.next_offset))
        keep = np.zeros(frame.record_count, dtype=bool)
        keep[np.searchsorted(rows, survivors[low:high])] = True
        horizon = self._apply_horizon(segment, position, frame, keep, is_clean)
        if header.record_count > MAX_COMPACTED_SPAN:
            keep[:] = True
        left = int(np.count_nonzero(keep))
        sink.removed += frame.record_count - left
        is_whole = left == frame.record_count and horizon == horizon_of(segment, position, header)
        # All transactions in reach are decided: what is left of them are frames like others.
        settled = _settled(header)
        if settled is not header or left < frame.record_count:
            sink.changed = True
        if not left:
            sink.drop(settled)
        elif is_whole and settled is header:
            sink.copy(segment.data.slice(position, header.frame_size), header)
        elif is_whole:
            sink.write([segment.data.slice(position + HEADER_SIZE, header.frame_size - HEADER_SIZE)], settled)
        else:
            sink.write(*self._shrunk(frame, rows, keep, horizon))
        if left and horizon != NO_HORIZON:
            self._horizons.append(horizon)

    def _apply_horizon(self, segment: Segment, position: int, frame: Frame, keep: Any, is_clean: bool) -> int:
        """See `settle_tombstones`; a frame of an earlier pass without a horizon is known to have none."""
        horizon = horizon_of(segment, position, frame.header)
        if not keep.any() or (is_clean and horizon == NO_HORIZON):
            return NO_HORIZON
        delay_us = self._config.delete_retention_ms * 1000
        return settle_tombstones(frame.batch, self._rule, keep, horizon, self._now_us, delay_us)

    def _shrunk(self, frame: Frame, rows: Offsets, keep: Any, horizon: int) -> tuple[list[Any], FrameHeader]:
        """The pieces and header of a frame with only the rows of `keep`; stamps, producer and span stay."""
        header = frame.header
        batch = frame.batch if keep.all() else frame.batch.filter(pa.array(keep))
        plan = self._plans[header.schema_id]
        payload = encode(batch, plan)
        statistics = encode_statistics(batch, plan) if self._config.statistics else b""
        trailer = encode_kept(kept_span(rows[keep] - header.base_offset, header.record_count), horizon, statistics)
        shrunk = _settled(header)._replace(
            flags=_settled(header).flags | FLAG_COMPACTED,
            payload_length=payload.length,
            trailer_units=len(trailer) // ALIGNMENT,
        )
        return [*payload.pieces, padding(payload.length), trailer], shrunk


class _Sink:
    """Frames on their way into the new file; neighbours without records become one."""

    def __init__(self, file: File, base_offset: int, remembered: set[int], pace: Pace) -> None:
        self.index = SegmentIndex(base_offset)
        self.removed = 0
        self.changed = False
        self._file = file
        self._remembered = remembered
        self._pace = pace
        self._pieces: list[Any] = []
        self._pending_bytes = 0
        self._written = 0
        self._empty: FrameHeader | None = None
        self._running = True

    def copy(self, frame: Any, header: FrameHeader) -> None:
        """A frame as it is."""
        self._flush_empty()
        self._add([frame], header)

    def write(self, body: list[Any], header: FrameHeader) -> None:
        """A frame that was made anew."""
        self._flush_empty()
        self._add([pack_header(header, checksum(body)), *body], header)

    def drop(self, header: FrameHeader) -> None:
        """A frame without records: its offsets, and what a producer must find again, stay."""
        empty = header._replace(
            flags=header.flags | FLAG_COMPACTED, payload_length=0, trailer_units=0, max_timestamp_us=NO_TIMESTAMP
        )
        if header.base_offset in self._remembered:
            self.write([], empty)
            return
        empty = empty._replace(producer_id=NO_PRODUCER, producer_epoch=-1, sequence=-1)
        last = self._empty
        if last is not None and last.leader_epoch == empty.leader_epoch and _fits(last, empty):
            self._empty = last._replace(
                record_count=last.record_count + empty.record_count,
                schema_id=empty.schema_id,
                append_timestamp_us=max(last.append_timestamp_us, empty.append_timestamp_us),
            )
            return
        self._flush_empty()
        self._empty = empty

    def finish(self) -> bool:
        """Write what is left; False if the pass must stop."""
        self._flush_empty()
        self._flush()
        return self._running

    def _flush_empty(self) -> None:
        """Write the pending frame without records."""
        if self._empty is not None:
            empty, self._empty = self._empty, None
            self._add([pack_header(empty, checksum([]))], empty)

    def _add(self, pieces: list[Any], header: FrameHeader) -> None:
        """Queue the pieces of a frame."""
        self.index.cover(header)
        self._pieces += pieces
        self._pending_bytes += header.frame_size
        if self._pending_bytes >= _CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Write what is queued."""
        if self._pieces:
            self._file.write(self._written, self._pieces)
            self._written += self._pending_bytes
            self._running = self._pace(self._pending_bytes) and self._running
            self._pieces, self._pending_bytes = [], 0


def _settled(header: FrameHeader) -> FrameHeader:
    """The header of a frame that counts without any marker; of a marker, that of a frame which has lost its records."""
    flags = header.flags & ~(FLAG_TRANSACTIONAL | FLAG_CONTROL)
    if flags == header.flags:
        return header
    kind = KIND_ARROW if header.flags & FLAG_CONTROL else header.kind
    return header._replace(flags=flags, kind=kind)


def _fits(first: FrameHeader, second: FrameHeader) -> bool:
    """Whether one frame can cover the offsets of two."""
    return first.record_count + second.record_count < 1 << 32
