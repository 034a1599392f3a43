"""Log: one partition as callers see it, whatever holds the bytes.

The part that is the same for files and for memory: checking a batch against the topic's schema, idempotent
producers, timestamps, the acknowledgement. Must not touch files.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from storage.config import BYTES_SCHEMA, BatchId, TopicConfig
from storage.env import Env
from storage.errors import InvalidConfig, MissingKey, OffsetOutOfRange, SchemaMismatch, StorageError
from storage.log.arrivals import Arrivals
from storage.log.commit import GroupCommit
from storage.log.format import FLAG_CONTROL, FLAG_TRANSACTIONAL, KIND_ABORT, KIND_COMMIT, NO_BATCH_ID, FrameHeader
from storage.log.frame import Frame
from storage.log.index import NO_TIMESTAMP
from storage.log.latest import KeyRule, can_group
from storage.log.producers import ActiveProducer, ProducerTable
from storage.log.schema_plan import SchemaPlan, plan_schema
from storage.log.segment_info import SegmentInfo
from storage.log.transactions import OpenTransaction, TransactionTable

DEFAULT_MAX_ROWS = 65_536 * 4

Isolation = Literal["read_committed", "read_uncommitted"]
"""What a reader sees: only records that are final, or those of open and of aborted transactions too."""

Pace = Callable[[int], bool]
"""Told of bytes that were read or written, may wait; False when the work must end."""


def at_once(size: int) -> bool:
    """The pace of who does not wait."""
    return True


@dataclass
class TopicContext:
    """What the partitions of a topic share: environment, settings (replaced by ALTER), schemas by id, group
    commit, and where readers wait for records.
    """

    env: Env
    name: str
    config: TopicConfig
    commit: GroupCommit
    bytes_payload: bool = False
    schemas: list[pa.Schema] = field(default_factory=list)
    plans: list[SchemaPlan] = field(default_factory=list)
    arrivals: Arrivals = field(default_factory=Arrivals)

    def add_schema(self, schema: pa.Schema) -> int:
        """Register the next schema; returns its id."""
        self.plans.append(plan_schema(schema))
        self.schemas.append(schema)
        return len(self.schemas) - 1

    def fitted(self, batch: pa.RecordBatch) -> tuple[int, pa.RecordBatch]:
        """(schema id, `batch` under the newest schema); SchemaMismatch unless names and types agree.

        Nullability and metadata of the batch's own schema do not matter.
        """
        schema_id = len(self.schemas) - 1
        newest = self.schemas[schema_id]
        if batch.schema is newest or batch.schema.equals(newest, check_metadata=True):
            return schema_id, batch
        if not _same_columns(batch.schema, newest):
            raise SchemaMismatch(
                f'batch does not fit topic "{self.name}": {_difference(batch.schema, newest)}',
                hint="cast the batch, or evolve the topic's schema first",
            )
        return schema_id, pa.RecordBatch.from_arrays(batch.columns, schema=newest)

    def key_rule(self, config: TopicConfig | None = None) -> KeyRule:
        """What makes a record's key, by the settings in force or by others."""
        if self.bytes_payload:
            return KeyRule(("key",), "value")
        config = config or self.config
        return KeyRule(config.key_columns, config.tombstone)

    def check_config(self, config: TopicConfig, schema: pa.Schema | None = None) -> None:
        """InvalidConfig if a topic of `schema` (default: the newest) cannot be compacted as `config` asks."""
        if not config.compacts:
            return
        rule, schema = self.key_rule(config), schema or self.schemas[-1]
        if not rule.columns:
            raise InvalidConfig(
                f'topic "{self.name}" has no key to compact by', hint="name the columns that make a record's key"
            )
        for name in (*rule.columns, *([rule.tombstone] if rule.tombstone else [])):
            if name not in schema.names:
                raise InvalidConfig(f'topic "{self.name}" has no column "{name}" to compact by')
        for name in rule.columns:
            if not can_group(schema.field(name).type):
                raise InvalidConfig(f'column "{name}" of type {schema.field(name).type} cannot be a key')

    def require_keys(self, batch: pa.RecordBatch) -> None:
        """MissingKey unless every record of a batch for a compacted topic has a key."""
        for name in self.key_rule().columns:
            if batch.column(name).null_count:
                raise MissingKey(
                    f'topic "{self.name}" is compacted by "{name}", which is null in a record',
                    hint="give every record a key",
                )


class Stamp(NamedTuple):
    """What an append says about a batch besides its rows."""

    timestamp_us: int
    max_timestamp_us: int
    producer: BatchId | None
    flags: int = 0


class Log(ABC):
    """A partition: an append-only sequence of records, numbered from 0, readable up to the high watermark.

    All methods may be called from any thread. `leader_epoch` is written into new frames.
    `keeps_statistics`: frames' statistics are stored with them; else they are computed whenever asked for.
    """

    keeps_statistics = False

    def __init__(self, context: TopicContext, partition: int) -> None:
        self.context = context
        self.partition = partition
        self.leader_epoch = 0
        self._lock = threading.RLock()
        self._producers = ProducerTable()
        self._start_offset = 0
        self._end_offset = 0
        self.compaction_limit: int | None = None
        """Records from this offset on may still be cut off by their writer and are not compacted; None: no record."""

    # --- positions ---

    @property
    def start_offset(self) -> int:
        """Offset of the oldest record kept."""
        return self._start_offset

    @property
    def end_offset(self) -> int:
        """Offset the next record will get."""
        return self._end_offset

    @property
    @abstractmethod
    def durable_offset(self) -> int:
        """All records before it would survive a power failure."""

    @property
    @abstractmethod
    def high_watermark(self) -> int:
        """All records before it are acknowledged and may be read."""

    @property
    def last_stable_offset(self) -> int:
        """All records before it are final: the high watermark, or the first record of an open transaction."""
        end = self.high_watermark  # first: a transaction is known before its records can be below it
        unstable = self._transactions.unstable
        return end if unstable is None else min(end, max(unstable, self._start_offset))

    def readable_end(self, isolation: Isolation) -> int:
        """The offset after the last record that such a reader may see."""
        return self.last_stable_offset if isolation == "read_committed" else self.high_watermark

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes of all frames kept."""

    @property
    def failure(self) -> StorageError | None:
        """Why the log no longer accepts appends, None while it does."""
        return None

    def require_readable(self) -> None:
        """Raise why nothing of the log can be read: its positions mean nothing then. One in memory always can be."""
        return

    @property
    def segment_count(self) -> int:
        """Number of pieces that retention can drop."""
        return 1

    @abstractmethod
    def segments(self) -> list[SegmentInfo]:
        """What the pieces that retention can drop hold, oldest first."""

    # --- writing ---

    def append(
        self,
        batch: pa.RecordBatch,
        *,
        timestamp_us: int | None = None,
        producer: BatchId | None = None,
        max_timestamp_us: int | None = None,
    ) -> int:
        """Append a batch, wait until it is as durable as the topic asks, return the offset of its first row.

        timestamp_us: when it was appended (default: now). max_timestamp_us: the largest record timestamp
        (default: the `timestamp` column of a bytes topic, else timestamp_us). A batch without rows is not
        stored. Raises SchemaMismatch, DiskFull, LogFailed, CorruptLog, OutOfOrderSequence, ProducerFenced,
        BatchTooLarge.
        """
        base = self.write(batch, timestamp_us=timestamp_us, producer=producer, max_timestamp_us=max_timestamp_us)
        self.acknowledge(base + batch.num_rows)
        self.context.arrivals.signal()
        return base

    def write(
        self,
        batch: pa.RecordBatch,
        *,
        timestamp_us: int | None = None,
        producer: BatchId | None = None,
        max_timestamp_us: int | None = None,
        transactional: bool = False,
    ) -> int:
        """`append` without the wait: the rows are not readable (nor promised) before `acknowledge`.

        transactional: they are not stable before the transaction of `producer` (its id and epoch) is settled.
        """
        schema_id, batch = self.context.fitted(batch)
        if batch.num_rows == 0:
            return self._end_offset
        if self.context.config.compacts:
            self.context.require_keys(batch)
        now = self.context.env.now_us() if timestamp_us is None else timestamp_us
        if max_timestamp_us is None:
            max_timestamp_us = self._largest_timestamp(batch, now)
        flags = FLAG_TRANSACTIONAL if transactional else 0
        return self._write(batch, schema_id, Stamp(now, max_timestamp_us, producer, flags))

    @abstractmethod
    def _write(self, batch: pa.RecordBatch, schema_id: int, stamp: Stamp) -> int:
        """Store a checked batch of at least one row."""

    @abstractmethod
    def acknowledge(self, next_offset: int) -> None:
        """Return when all records before `next_offset` are as durable as the topic asks."""

    @abstractmethod
    def flush(self) -> None:
        """Make everything appended durable, whatever the topic's durability."""

    def _largest_timestamp(self, batch: pa.RecordBatch, default: int) -> int:
        """Largest value of a bytes topic's timestamp column, else `default`."""
        if not self.context.bytes_payload:
            return default
        largest = pc.max(batch.column("timestamp").cast(pa.int64())).as_py()
        return default if largest is None else largest

    def active_producers(self) -> list[ActiveProducer]:
        """The idempotent producers that the partition remembers, by id."""
        with self._lock:
            return self._producers.active()

    def expire_producers(self, before_us: int, keep: Collection[int] = ()) -> None:
        """Forget the producers that have appended nothing since `before_us`, but for those with an id in `keep`."""
        with self._lock:
            self._producers.expire(before_us, keep)

    # --- transactions ---

    @property
    def _transactions(self) -> TransactionTable:
        """What the partition knows of transactions."""
        return self._producers.transactions

    def open_transactions(self) -> list[OpenTransaction]:
        """The transactions that have records here but no marker, by producer id."""
        with self._lock:
            return self._transactions.open()

    def settle(self, producer_id: int, epoch: int, committed: bool) -> None:
        """The transaction is decided, durably: readers see its records, or never will. `mark` is to follow."""
        with self._lock:
            self._transactions.settle(producer_id, epoch, committed)

    def mark(self, producer_id: int, epoch: int) -> int | None:
        """Write the marker of a settled transaction, if it lacks one; returns the offset after it, None if it has its
        marker. It is not durable then: the decision is. Raises DiskFull, LogFailed, CorruptLog, StorageClosed.
        """
        with self._lock:
            for each in self._transactions.open():
                if (each.producer_id, each.epoch) == (producer_id, epoch):
                    assert each.committed is not None, "a marker follows a decision"
                    self._write_marker(self._marker(each))
                    return self._end_offset
        return None

    def _marker(self, settled: OpenTransaction) -> FrameHeader:
        """Header of a marker at the end; call with the lock held."""
        now = self.context.env.now_us()
        kind, schema_id = KIND_COMMIT if settled.committed else KIND_ABORT, len(self.context.schemas) - 1
        stamp = Stamp(now, NO_TIMESTAMP, None, FLAG_CONTROL)
        header = self._header(kind, schema_id, 1, stamp, (0, 0))
        return header._replace(producer_id=settled.producer_id, producer_epoch=settled.epoch)

    @abstractmethod
    def _write_marker(self, header: FrameHeader) -> None:
        """Store a frame without a body; call with the lock held."""

    def _repeated(self, producer: BatchId | None, records: int) -> int | None:
        """Base offset of the earlier append that this one repeats, None if it is new; call with the lock
        held.
        """
        return None if producer is None else self._producers.check(producer, records)

    def _header(self, kind: int, schema_id: int, records: int, stamp: Stamp, sizes: tuple[int, int]) -> FrameHeader:
        """Header of the next frame; `sizes` are payload bytes and trailer blocks. Call with the lock held."""
        batch_id = stamp.producer
        producer, epoch, sequence = (batch_id.id, batch_id.epoch, batch_id.sequence) if batch_id else NO_BATCH_ID
        # In the order of the fields: naming them costs more than all the rest of this function.
        return FrameHeader(
            kind,
            stamp.flags,
            schema_id,
            self._end_offset,
            records,
            *sizes,
            epoch,
            self.leader_epoch,
            producer,
            stamp.timestamp_us,
            stamp.max_timestamp_us,
            sequence,
            0,
        )

    # --- reading ---

    def read(
        self,
        offset: int,
        *,
        max_rows: int = DEFAULT_MAX_ROWS,
        columns: list[str] | None = None,
        isolation: Isolation = "read_committed",
    ) -> list[Frame]:
        """Frames of the records from `offset` to the last stable one (or, read_uncommitted, to the high watermark), of
        at most `max_rows` offsets together.

        Batches share memory with the log. `columns` restricts and orders their columns. An empty list means
        that there is nothing yet. In a compacted log offsets are missing, and frames may have no rows at all, as have
        markers and, read_committed, what was aborted: go on from `next_offset` of the last. Raises OffsetOutOfRange
        below the start or beyond the end, CorruptLog at a damaged frame.
        """
        return self._frames(offset, max_rows, columns, isolation)

    @abstractmethod
    def _frames(self, offset: int, max_rows: int, columns: list[str] | None, isolation: Isolation) -> list[Frame]:
        """See `read`."""

    @abstractmethod
    def offset_for_timestamp(self, timestamp_us: int) -> int | None:
        """First offset with a record timestamp >= `timestamp_us`, None if there is none.

        Exact for bytes topics; in other topics timestamps are known per batch, and the first row of the batch
        counts.
        """

    @abstractmethod
    def sync_now(self) -> None:
        """Make everything written so far durable; a failure is kept and raised by `acknowledge`."""

    # --- dropping ---

    @abstractmethod
    def truncate_to(self, offset: int) -> None:
        """Drop all records from `offset` on, durably. OffsetOutOfRange if it is outside the log."""

    @abstractmethod
    def delete_before(self, offset: int) -> None:
        """Drop all records before `offset`, durably; space is given back in whole segments."""

    @abstractmethod
    def apply_retention(self, now_ms: int) -> int:
        """Drop the oldest segments that the topic's retention no longer covers; returns how many."""

    @property
    @abstractmethod
    def compacted_offset(self) -> int:
        """Records before it may have made older ones of their key go: readers find gaps, and cannot be sure to have
        seen what is gone. The log cannot be truncated below it.
        """

    @abstractmethod
    def compact(self, now_ms: int, pace: Pace = at_once) -> int:
        """Go over the sealed part once if the settings ask for it and enough has come, and leave only the latest
        record of each key; returns how many records went.

        `pace` is told of bytes read and written; it may wait, and ends the work when it answers False. What is done
        by then stays done. Raises DiskFull (nothing is lost, the next call tries again), LogFailed, CorruptLog.
        """

    def configure(self, before: TopicConfig) -> None:
        """The topic's settings have changed: those in the context are in force, `before` were until now. Readers that
        wait look again.
        """
        self.context.arrivals.signal()

    @abstractmethod
    def close(self, *, flush: bool = True) -> None:
        """Flush (unless the log is to be removed) and release files."""

    def _is_hidden(self, header: FrameHeader, isolation: Isolation) -> bool:
        """Whether readers get nothing of a frame: it is a marker, or was aborted."""
        if header.flags & FLAG_CONTROL:
            return True
        aborts = isolation == "read_committed" and header.flags & FLAG_TRANSACTIONAL
        return bool(aborts) and self._transactions.is_aborted(header)

    def _check_range(self, offset: int, low: int, high: int) -> None:
        """Raise OffsetOutOfRange unless low <= offset <= high."""
        if not low <= offset <= high:
            raise OffsetOutOfRange(
                f'offset {offset} of partition {self.partition} of "{self.context.name}" is out of range',
                hint=f"the partition holds offsets {low} to {high}",
            )

    def _exact_timestamp_offset(self, frame: Frame, timestamp_us: int) -> int | None:
        """First offset of `frame` with a timestamp >= `timestamp_us`, given that its stored frame had one; None if
        that record is gone.
        """
        if not frame.record_count:
            return None
        stamps = frame.batch.column("timestamp").cast(pa.int64()) if self.context.bytes_payload else None
        if stamps is None or stamps.null_count == len(stamps):
            return int(frame.offsets()[0])
        row = pc.index(pc.greater_equal(stamps, timestamp_us), True).as_py()
        return int(frame.offsets()[row]) if row >= 0 else None


def bytes_context(env: Env, name: str, config: TopicConfig, commit: GroupCommit) -> TopicContext:
    """Context of a key/value topic."""
    context = TopicContext(env, name, config, commit, bytes_payload=True)
    context.add_schema(BYTES_SCHEMA)
    return context


def _same_columns(left: pa.Schema, right: pa.Schema) -> bool:
    """Whether names and types agree."""
    return bool(left.names == right.names and left.types == right.types)


def _difference(got: pa.Schema, want: pa.Schema) -> str:
    """The first difference between two schemas in words."""
    for number, (mine, theirs) in enumerate(zip(got, want, strict=False)):
        if mine.name != theirs.name or mine.type != theirs.type:
            return f"column {number + 1} is {mine.name} {mine.type}, expected {theirs.name} {theirs.type}"
    return f"it has {len(got)} columns, expected {len(want)}"
