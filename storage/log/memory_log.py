"""MemoryLog: a partition that keeps the batches themselves, for storages without a directory.

Nothing is encoded or copied; the interface and the errors are those of the file log. Must not do I/O.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from storage.errors import StorageClosed
from storage.log.format import FLAG_COMPACTED, KIND_ARROW, KIND_BYTES, FrameHeader
from storage.log.frame import Frame
from storage.log.latest import LatestOffsets, Offsets, settle_tombstones
from storage.log.log import Isolation, Log, Pace, Stamp, TopicContext, at_once
from storage.log.message import no_rows
from storage.log.producers import ProducerTable
from storage.log.retention import expired_count
from storage.log.schema_plan import plan_schema
from storage.log.segment_info import SegmentInfo, known
from storage.log.statistics import ColumnStatistics, decode_statistics, encode_statistics
from storage.log.stored_frame import empty_frame
from storage.log.trailer import NO_HORIZON
from storage.log.transactions import marked


class _Stored(NamedTuple):
    """One append, or what compaction left of it: `kept` are then the offsets of its rows, `horizon_us` is until when
    its tombstones stay.
    """

    header: FrameHeader
    batch: pa.RecordBatch
    kept: Offsets | None = None
    horizon_us: int = NO_HORIZON

    def statistics(self) -> dict[str, ColumnStatistics]:
        """Computed when asked for: there is no trailer to keep them in."""
        return decode_statistics(encode_statistics(self.batch, plan_schema(self.batch.schema)), self.batch.schema)


class MemoryLog(Log):
    """`Log` over a list of batches."""

    def __init__(self, context: TopicContext, partition: int) -> None:
        super().__init__(context, partition)
        self._stored: list[_Stored] = []
        self._bases: list[int] = []
        # Producers of the batches that were dropped at the start.
        self._dropped = ProducerTable()
        self._size = 0
        self._closed = False
        self._cleaned = 0

    @property
    def durable_offset(self) -> int:
        """See `Log.durable_offset`; memory has nothing more durable to offer."""
        return self._end_offset

    @property
    def high_watermark(self) -> int:
        """See `Log.high_watermark`."""
        return self._end_offset

    @property
    def size_bytes(self) -> int:
        """See `Log.size_bytes`: the Arrow size of the batches."""
        return self._size

    @property
    def segment_count(self) -> int:
        """See `Log.segment_count`."""
        return len(self._stored)

    def segments(self) -> list[SegmentInfo]:
        """See `Log.segments`: each append is one."""
        with self._lock:
            stored = list(self._stored)
        return [
            SegmentInfo(
                header.base_offset,
                header.next_offset,
                batch.get_total_buffer_size(),
                "memory",
                False,
                known(header.max_timestamp_us),
                known(header.append_timestamp_us),
                None,
            )
            for header, batch, *_ in stored
        ]

    def _write(self, batch: pa.RecordBatch, schema_id: int, stamp: Stamp) -> int:
        """See `Log._write`."""
        kind = KIND_BYTES if self.context.bytes_payload else KIND_ARROW
        size = batch.get_total_buffer_size()
        with self._lock:
            self._require_open()
            repeated = self._repeated(stamp.producer, batch.num_rows)
            if repeated is not None:
                return repeated
            header = self._header(kind, schema_id, batch.num_rows, stamp, (size, 0))
            self._keep(_Stored(header, batch))
            return header.base_offset

    def _write_marker(self, header: FrameHeader) -> None:
        """See `Log._write_marker`."""
        self._require_open()
        self._keep(_Stored(header, no_rows(self.context.schemas[header.schema_id])))

    def _keep(self, stored: _Stored) -> None:
        """Add an entry at the end."""
        self._producers.observe(stored.header)
        self._stored.append(stored)
        self._bases.append(stored.header.base_offset)
        self._size += stored.header.payload_length
        self._end_offset = stored.header.next_offset

    def expire_producers(self, before_us: int, keep: Collection[int] = ()) -> None:
        """See `Log.expire_producers`."""
        with self._lock:
            self._dropped.expire(before_us, keep)
            super().expire_producers(before_us, keep)

    def acknowledge(self, next_offset: int) -> None:
        """See `Log.acknowledge`: nothing to wait for."""

    def sync_now(self) -> None:
        """See `Log.sync_now`: nothing to do."""

    def flush(self) -> None:
        """See `Log.flush`: nothing to do."""

    def _frames(self, offset: int, max_rows: int, columns: list[str] | None, isolation: Isolation) -> list[Frame]:
        """See `Log.read`."""
        with self._lock:
            self._require_open()
            self._check_range(offset, self._start_offset, self._end_offset)
            limit = min(self.readable_end(isolation), offset + max_rows)
            first = max(bisect_right(self._bases, offset) - 1, 0)
            last = bisect_right(self._bases, limit - 1)
            found = self._stored[first:last] if limit > offset else []
            return [self._frame(stored, (offset, limit), columns, isolation) for stored in found]

    def _frame(
        self, stored: _Stored, bounds: tuple[int, int], columns: list[str] | None, isolation: Isolation
    ) -> Frame:
        """The part of an append within offsets `bounds` that a reader sees."""
        if self._is_hidden(stored.header, isolation):
            return empty_frame(stored.header, bounds, columns, self.context.schemas[stored.header.schema_id])
        return _frame(stored, *bounds, columns)

    def offset_for_timestamp(self, timestamp_us: int) -> int | None:
        """See `Log.offset_for_timestamp`."""
        with self._lock:
            for stored in self._stored:
                if stored.header.max_timestamp_us >= timestamp_us and stored.header.next_offset > self._start_offset:
                    bounds = (self._start_offset, self.last_stable_offset)
                    if stored.header.base_offset >= bounds[1]:
                        return None
                    frame = self._frame(stored, bounds, None, "read_committed")
                    found = self._exact_timestamp_offset(frame, timestamp_us)
                    if found is not None:
                        return found
        return None

    def truncate_to(self, offset: int) -> None:
        """See `Log.truncate_to`."""
        with self._lock:
            self._check_range(offset, max(self._start_offset, self._cleaned), self._end_offset)
            kept = self._stored[: bisect_right(self._bases, offset - 1)]
            if kept and kept[-1].header.next_offset > offset:
                last = kept.pop()
                shorter = _frame(last, last.header.base_offset, offset, None)
                header = last.header._replace(record_count=offset - last.header.base_offset)
                kept.append(last._replace(header=header, batch=shorter.batch))
            self._replace(kept)
            self._end_offset = offset

    def _replace(self, kept: list[_Stored]) -> None:
        """Make `kept` the whole content."""
        before, self._producers = self._producers, ProducerTable(self._dropped.save())
        outcomes = marked(stored.header for stored in self._stored)
        self._stored, self._bases, self._size = [], [], 0
        for stored in kept:
            self._keep(stored)
        self._transactions.inherit(before.transactions, outcomes)

    def delete_before(self, offset: int) -> None:
        """See `Log.delete_before`; whole batches are let go, a part of one when the rest goes too."""
        with self._lock:
            self._check_range(offset, 0, self._end_offset)
            self._start_offset = max(self._start_offset, offset)
            gone = 0
            while gone < len(self._stored) and self._stored[gone].header.next_offset <= self._start_offset:
                self._size -= self._stored[gone].header.payload_length
                self._dropped.observe(self._stored[gone].header)
                gone += 1
            del self._stored[:gone], self._bases[:gone]
            self._transactions.forget_before(self._start_offset)

    def apply_retention(self, now_ms: int) -> int:
        """See `Log.apply_retention`; every batch is a segment of its own."""
        with self._lock:
            stable = [s.header for s in self._stored if s.header.next_offset <= self.last_stable_offset]
            pieces = [(header.payload_length, header.append_timestamp_us) for header in stable]
            gone = expired_count(pieces, self._size, self.context.config, now_ms)
            if gone:
                self.delete_before(self._stored[gone - 1].header.next_offset)
            return gone

    @property
    def compacted_offset(self) -> int:
        """See `Log.compacted_offset`."""
        return self._cleaned

    def compact(self, now_ms: int, pace: Pace = at_once) -> int:
        """See `Log.compact`; every batch but the last is a sealed segment."""
        with self._lock:
            self._require_open()
            config, now_us = self.context.config, now_ms * 1000
            limit = self._end_offset if self.compaction_limit is None else self.compaction_limit
            first_open = self._transactions.first_open
            limit = limit if first_open is None else min(limit, first_open)
            newest = now_us - config.min_compaction_lag_ms * 1000
            sealed = 0
            for stored in self._stored[:-1] if config.compacts else []:
                header = stored.header
                young = header.next_offset > self._cleaned and header.append_timestamp_us > newest
                if header.next_offset > limit or young:
                    break
                sealed += 1
            return self._compact(sealed, now_us) if self._is_due(sealed, now_us) else 0

    def _is_due(self, sealed: int, now_us: int) -> bool:
        """Whether enough of the leading batches is dirty, or tombstones may go."""
        pieces = self._stored[:sealed]
        dirty = sum(s.header.payload_length for s in pieces if s.header.next_offset > self._cleaned)
        total = sum(s.header.payload_length for s in pieces)
        if any(s.horizon_us != NO_HORIZON and s.horizon_us <= now_us for s in pieces):
            return True
        return dirty > 0 and dirty >= self.context.config.min_dirty_ratio * total

    def _compact(self, sealed: int, now_us: int) -> int:
        """Leave the latest records of the first `sealed` batches."""
        latest = LatestOffsets(self.context.key_rule())
        pieces, rest = self._stored[:sealed], self._stored[sealed:]
        for stored in pieces:
            whole = self._whole(stored)
            if whole.record_count:
                latest.add(whole.batch, whole.offsets())
        survivors = latest.offsets()
        shrunk = [self._shrunk(stored, survivors, now_us) for stored in pieces]
        removed = sum(self._whole(a).record_count - b.batch.num_rows for a, b in zip(pieces, shrunk, strict=True))
        self._cleaned = pieces[-1].header.next_offset
        self._stored = [*shrunk, *rest]
        self._size = sum(stored.header.payload_length for stored in self._stored)
        return removed

    def _shrunk(self, stored: _Stored, survivors: Offsets, now_us: int) -> _Stored:
        """A batch with only the surviving rows."""
        whole = self._whole(stored)
        keep = np.isin(whole.offsets(), survivors)
        delay_us = self.context.config.delete_retention_ms * 1000
        horizon = settle_tombstones(whole.batch, self.context.key_rule(), keep, stored.horizon_us, now_us, delay_us)
        if keep.all() and stored.batch.num_rows == len(keep):
            return stored._replace(horizon_us=horizon)
        batch = whole.batch.filter(pa.array(keep, pa.bool_()))
        header = stored.header._replace(
            flags=stored.header.flags | FLAG_COMPACTED, payload_length=batch.get_total_buffer_size()
        )
        return _Stored(header, batch, whole.offsets()[keep], horizon)

    def _whole(self, stored: _Stored) -> Frame:
        """All of an append, unless it was aborted."""
        return self._frame(stored, (stored.header.base_offset, stored.header.next_offset), None, "read_committed")

    def close(self, *, flush: bool = True) -> None:
        """See `Log.close`: the batches are let go."""
        with self._lock:
            self._closed = True
            self._replace([])

    def _require_open(self) -> None:
        """Raise StorageClosed after `close`."""
        if self._closed:
            raise StorageClosed(f'topic "{self.context.name}" is closed')


def _frame(stored: _Stored, first: int, end: int, columns: list[str] | None) -> Frame:
    """The part of an append within offsets `first`..`end`."""
    header = stored.header
    low, high = max(first, header.base_offset), min(end, header.next_offset)
    return Frame(header, low, high, columns, functools.partial(_same, stored.batch), stored.statistics, stored.kept)


def _same(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch itself, as a frame's loader."""
    return batch
