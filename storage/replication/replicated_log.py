"""ReplicatedLog: a partition kept in several directories, as callers of the log see it.

Reads come from the leader's log, appends go to all replicas; a replica that fails is left behind and the others go on.
Must not know the protocol: `partition` drives it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import pyarrow as pa

from storage.config import TopicConfig
from storage.errors import CorruptLog, LogFailed, ReadFailed, StorageClosed, StorageError
from storage.log.body import encode_body
from storage.log.format import FrameHeader, checksum, pack_header
from storage.log.frame import Frame
from storage.log.log import Isolation, Log, Pace, Stamp, TopicContext, at_once
from storage.log.producers import ActiveProducer
from storage.log.replica_log import ReplicaLog
from storage.log.segment_info import SegmentInfo
from storage.log.transactions import OpenTransaction
from storage.replication.driver import settings_of
from storage.replication.local_replica import LocalReplica
from storage.replication.partition import Lives, Partition
from storage.replication.refusals import NotEnoughReplicas, too_few_have_it

Result = TypeVar("Result")
Assign = Callable[["ReplicatedLog", int], None]


class ReplicatedLog(Log):
    """`Log` over the replicas of an opened `Partition`."""

    keeps_statistics = True

    def __init__(self, context: TopicContext, number: int, partition: Partition, assign: Assign) -> None:
        """`assign` begins to give the partition another number of replicas."""
        super().__init__(context, number)
        self._assign = assign
        self.replication = partition
        self._lock = partition.lock
        self._closed = False
        self._settled: dict[tuple[int, int], bool] = {}
        self._last: ReplicaLog | None = None
        self._durable_offset = 0
        self._moved()

    def _moved(self) -> None:
        """Note which log is the leader's; call with the lock held."""
        leader = self.replication.leader
        if leader is not None and leader.log is not self._last:
            self._last = leader.log
            for (producer_id, epoch), committed in self._settled.items():
                leader.log.settle(producer_id, epoch, committed)

    @property
    def _leading(self) -> ReplicaLog:
        """The leader's log, for reading; the error of who is to blame if there is none."""
        if self._closed:
            raise StorageClosed(f'topic "{self.context.name}" is closed')
        writers = self.replication.writers
        if writers:
            return writers[0].log
        with self._lock:
            return self.replication.require_leader().log

    def _shown(self, of: Callable[[ReplicaLog], int], otherwise: int = 0) -> int:
        """A figure of the leader's log, of the last leader's if nobody leads."""
        writers = self.replication.writers
        log = writers[0].log if writers else self._last
        return of(log) if log is not None else otherwise

    # --- positions ---

    @property
    def start_offset(self) -> int:
        """See `Log.start_offset`."""
        return self._shown(lambda log: log.start_offset)

    @property
    def end_offset(self) -> int:
        """See `Log.end_offset`."""
        return self._shown(lambda log: log.end_offset)

    @property
    def durable_offset(self) -> int:
        """See `Log.durable_offset`: in all replicas that count; while nobody leads, as far as was known before. What is
        committed is durable, but for durability `os`.
        """
        counted, committed = self.replication.counted, self.replication.committed
        if counted:
            self._durable_offset = min(replica.log.durable_offset for replica in counted)
            return self._durable_offset
        return committed if self.context.config.durability != "os" else min(self._durable_offset, committed)

    @property
    def high_watermark(self) -> int:
        """See `Log.high_watermark`: what is committed."""
        return self.replication.committed

    @property
    def last_stable_offset(self) -> int:
        """See `Log.last_stable_offset`."""
        return self._shown(lambda log: log.last_stable_offset)

    @property
    def size_bytes(self) -> int:
        """See `Log.size_bytes`: of one replica."""
        return self._shown(lambda log: log.size_bytes)

    @property
    def segment_count(self) -> int:
        """See `Log.segment_count`."""
        return self._shown(lambda log: log.segment_count)

    def segments(self) -> list[SegmentInfo]:
        """See `Log.segments`: of the leader's files."""
        return self._from_leader(lambda log: log.segments())

    @property
    def failure(self) -> StorageError | None:
        """See `Log.failure`."""
        writers = self.replication.writers
        if writers:
            return writers[0].log.failure
        with self._lock:
            try:
                return self.replication.require_leader().log.failure
            except StorageError as error:
                return error

    def require_readable(self) -> None:
        """See `Log.require_readable`."""
        self._leading.require_readable()

    # --- append ---

    def _write(self, batch: pa.RecordBatch, schema_id: int, stamp: Stamp) -> int:
        """See `Log._write`. The bytes are computed once; the appending thread writes them to each replica itself:
        handing a write into the page cache to another thread takes longer than the write.
        """
        body = encode_body(self.context, batch, schema_id)
        is_tried = False
        with self._lock:
            while True:
                self._require_open()
                try:
                    leader = self.replication.require_writers()[0].log
                except NotEnoughReplicas as error:
                    raise too_few_have_it() if is_tried else error from None
                repeated = leader.repeated(stamp.producer, batch.num_rows)
                if repeated is not None:
                    return repeated
                header = leader.next_header(body, schema_id, batch.num_rows, stamp)
                if self.replication.store(header, [pack_header(header, body.crc), *body.pieces]):
                    break
                is_tried = True
                self._moved()
            self.replication.advance()
        return header.base_offset

    def acknowledge(self, next_offset: int) -> None:
        """See `Log.acknowledge`."""
        durability = self.context.config.durability
        if next_offset > self.replication.committed:
            if durability == "group":
                self.context.commit.wait_durable([self])
            elif durability == "sync":
                self.sync_now()
        self.confirm(next_offset)

    def confirm(self, next_offset: int) -> None:
        """Raise an error unless all records before `next_offset` are committed."""
        if next_offset <= self.replication.committed:
            return
        with self._lock:
            try:
                self.replication.require_writers()
            except NotEnoughReplicas as error:
                raise too_few_have_it() from error
            if next_offset > self.replication.committed:
                self.sync_now()  # a replica failed during the sync, and others count now
            if next_offset > self.replication.committed:
                raise self.failure or LogFailed(f'records of topic "{self.context.name}" could not be made durable')

    def flush(self) -> None:
        """See `Log.flush`."""
        self._require_open()
        end = self.end_offset
        self.sync_now()
        with self._lock:
            self.replication.require_leader()
            for replica in self.replication.writers:
                if replica.log.durable_offset < end:
                    replica.log.flush()
            self.replication.advance()

    def sync_now(self) -> None:
        """See `Log.sync_now`."""
        self.replication.sync()
        with self._lock:
            self._moved()

    def active_producers(self) -> list[ActiveProducer]:
        """See `Log.active_producers`."""
        return self._leading.active_producers()

    def expire_producers(self, before_us: int, keep: Collection[int] = ()) -> None:
        """See `Log.expire_producers`."""
        with self._lock:
            for replica in self.replication.replicas.values():
                if replica.is_live:
                    replica.log.expire_producers(before_us, keep)

    # --- transactions ---

    def open_transactions(self) -> list[OpenTransaction]:
        """See `Log.open_transactions`; none that could be settled if nobody leads."""
        return [] if self.failure is not None else self._from_leader(lambda log: log.open_transactions())

    def settle(self, producer_id: int, epoch: int, committed: bool) -> None:
        """See `Log.settle`. Every replica hears of it, and is told again if it leads before the marker is written."""
        with self._lock:
            self._settled[producer_id, epoch] = committed
            for replica in self.replication.replicas.values():
                if replica.is_live:
                    replica.log.settle(producer_id, epoch, committed)

    def mark(self, producer_id: int, epoch: int) -> int | None:
        """See `Log.mark`."""
        with self._lock:
            self._require_open()
            leader = self.replication.require_writers()[0].log
            header = leader.marker(producer_id, epoch)
            if header is not None:
                self._write_marker(header)
                self.replication.advance()
            self._settled.pop((producer_id, epoch), None)
            return None if header is None else self.end_offset

    def _write_marker(self, header: FrameHeader) -> None:
        """See `Log._write_marker`; if the leader fails, the next one gets the marker."""
        while not self.replication.store(header, [pack_header(header, checksum([]))]):
            self._moved()
            leader = self.replication.require_writers()[0].log
            header = header._replace(base_offset=leader.end_offset, leader_epoch=leader.leader_epoch)

    # --- read ---

    def _frames(self, offset: int, max_rows: int, columns: list[str] | None, isolation: Isolation) -> list[Frame]:
        """See `Log.read`."""
        return self._from_leader(lambda log: log.read(offset, max_rows=max_rows, columns=columns, isolation=isolation))

    def offset_for_timestamp(self, timestamp_us: int) -> int | None:
        """See `Log.offset_for_timestamp`."""
        return self._from_leader(lambda log: log.offset_for_timestamp(timestamp_us))

    def _from_leader(self, work: Callable[[ReplicaLog], Result]) -> Result:
        """Read from the leader's log; when that is damaged or gone, from that of the next leader."""
        while True:
            log = self._leading
            try:
                return work(log)
            except (CorruptLog, ReadFailed, LogFailed, StorageClosed) as error:
                with self._lock:
                    if self._closed or not self.replication.handle_damage(log, error):
                        raise
                    self._moved()

    # --- drop ---

    def truncate_to(self, offset: int) -> None:
        """See `Log.truncate_to`."""
        with self._lock:
            self._require_open()
            log = self.replication.require_leader().log
            self._check_range(offset, max(log.start_offset, log.compacted_offset), log.end_offset)
            if offset < log.end_offset:
                self.replication.truncate(offset)
                self._moved()

    def delete_before(self, offset: int) -> None:
        """See `Log.delete_before`."""
        self.flush()
        with self._lock:
            self._require_open()
            self._check_range(offset, 0, self.replication.committed)
            if offset > self.start_offset:
                self.replication.trim(offset)
                self._moved()

    def apply_retention(self, now_ms: int) -> int:
        """See `Log.apply_retention`."""
        gone, target = self._leading.expired(now_ms)
        if gone:
            self.delete_before(target)
        return gone

    @property
    def compacted_offset(self) -> int:
        """See `Log.compacted_offset`."""
        return self._shown(lambda log: log.compacted_offset)

    def compact(self, now_ms: int, pace: Pace = at_once) -> int:
        """See `Log.compact`: each replica compacts its own files, and only what is committed."""
        with self._lock:
            self._require_open()
            committed = self.replication.committed
            limit = committed if self.compaction_limit is None else min(committed, self.compaction_limit)
            logs = [replica.log for replica in self.replication.writers]
        removed = 0
        for log in logs:
            log.compaction_limit = limit
            found = log.compact(now_ms, pace)
            removed = found if log is logs[0] else removed
        return removed

    # --- settings and lifetime ---

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def tend(self, budget: int) -> bool:
        """See `Partition.tend`; readers that wait are woken if that has made records readable."""
        with self._lock:
            if self._closed:
                return False
            before = self.replication.committed
            more = self.replication.tend(budget)
            self._moved()
        if self.replication.committed > before:
            self.context.arrivals.signal()
        return more

    def lives(self) -> Lives:
        """See `Partition.lives`."""
        with self._lock:
            return self.replication.lives()

    def examine(self) -> Lives:
        """See `Partition.examine`; returns the lives before it."""
        with self._lock:
            self._require_open()
            before = self.replication.lives()
            self.replication.examine()
        return before

    def try_again(self) -> None:
        """See `Partition.try_again`."""
        with self._lock:
            self.replication.try_again()

    def assign(self, replicas: Sequence[int]) -> None:
        """See `Partition.reassign`."""
        with self._lock:
            self._require_open()
            self.replication.reassign(replicas)
            self._moved()

    def elect_unclean(self) -> LocalReplica:
        """See `Partition.elect_unclean`."""
        with self._lock:
            self._require_open()
            leader = self.replication.elect_unclean()
            self._moved()
        self.context.arrivals.signal()
        return leader

    def vacate(self, replica: int, others: Sequence[int]) -> bool:
        """See `Partition.vacate`, for as many replicas as the topic asks for."""
        with self._lock:
            if self._closed:
                return True
            before = self.replication.committed
            try:
                return self.replication.vacate(replica, others, self.context.config.replication_factor or 1)
            finally:
                self._moved()
                if self.replication.committed > before:
                    self.context.arrivals.signal()

    def configure(self, before: TopicConfig) -> None:
        """See `Log.configure`. Replicas that are new get the records by and by. Raises InvalidAssignment."""
        config = self.context.config
        with self._lock:
            if config.durability != before.durability:
                self.replication.configure(settings_of(config.durability))
            if config.min_insync_replicas <= before.min_insync_replicas:
                self.replication.set_min_insync(config.min_insync_replicas)
            if config.replication_factor not in (None, before.replication_factor):
                self._assign(self, config.replication_factor or 1)
            self.replication.set_min_insync(config.min_insync_replicas)
            self._moved()

    def _require_open(self) -> None:
        """StorageClosed after `close`."""
        if self._closed:
            raise StorageClosed(f'topic "{self.context.name}" is closed')

    def close(self, *, flush: bool = True) -> None:
        """See `Log.close`."""
        if flush and not self._closed and self.replication.writers:
            self.replication.sync()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            errors = self.replication.close(flush=flush)
        if errors and flush:
            raise errors[0]
