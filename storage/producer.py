"""Producer: appends to topics in the background; rows sent at about the same time become one append.

The calls and their meaning are those of Kafka's idempotent producer. What differs, and why: batches are Arrow's and
are dealt to partitions by a hash of key columns, as the SQL layer deals rows; there is no network whose requests
could overtake each other, so there is one append in flight a partition and no limit of five; `flush` raises what
went wrong, since futures are easily dropped unseen; a producer with a name can ask after a crash how far it had come
(`stored_until`), which in Kafka takes a transaction.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple
from weakref import WeakKeyDictionary

import pyarrow as pa

from storage.config import BatchId
from storage.errors import (
    BufferFull,
    DiskFull,
    InvalidConfig,
    OutOfOrderSequence,
    ProducerFenced,
    StorageClosed,
    StorageError,
    TopicNotFound,
    TransactionFinished,
    TransactionInDoubt,
)
from storage.facade import Storage
from storage.log.log import Log
from storage.offsets.coordinator import GroupMember
from storage.partitioner import deal, partitions_by_key
from storage.topic import Topic
from storage.transactions.coordinator import DEFAULT_TIMEOUT_MS
from storage.transactions.transaction import Transaction

_SEQUENCE_MODULUS = 1 << 31
# A full disk is tried again this often, until the delivery timeout.
_RETRY_S = 0.1


class Delivered(NamedTuple):
    """Rows that are stored as durably as their topic promises, in a transaction written: `num_rows` from `base_offset`
    on.
    """

    topic: str
    partition: int
    base_offset: int
    num_rows: int


Delivery = Future[list[Delivered]]
"""Of one `send`: a `Delivered` for each partition that got rows, in the order of the partitions."""


@dataclass
class _Sent:
    """One `send` on its way: `missing` parts of it are not stored yet."""

    future: Delivery
    missing: int
    stored: list[Delivered] = field(default_factory=list)


@dataclass
class _Part:
    """The rows of a `send` for one partition."""

    log: Log
    batch: pa.RecordBatch
    schema_id: int
    sent: _Sent
    deadline_us: int
    transaction: Transaction | None


class Producer:
    """Sends batches to topics of `storage`. All methods may be called from any thread.

    name: of a producer that comes again after a restart; it has the same id with a higher epoch then, and an earlier
    one of the name that still runs is fenced (ProducerFenced), its transaction aborted. idempotent: appends carry id,
    epoch and sequence, so that one that is repeated is stored once. linger_ms: how long rows wait for others to go with
    them; also with 0 those that come while an append waits for the disk go together. An append has at most
    `batch_rows` rows unless they were sent so. buffer_bytes may be on their way; more has to wait, at most
    `max_block_ms` (BufferFull). delivery_timeout_ms: how long a full disk is tried again.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        name: str | None = None,
        idempotent: bool = True,
        linger_ms: int = 0,
        batch_rows: int = 65_536,
        buffer_bytes: int = 64 << 20,
        max_block_ms: int = 60_000,
        delivery_timeout_ms: int = 120_000,
    ) -> None:
        """Raises InvalidConfig."""
        if name is not None and not idempotent:
            raise InvalidConfig("a producer with a name is idempotent")
        if name == "" or min(linger_ms, max_block_ms, delivery_timeout_ms) < 0 or min(batch_rows, buffer_bytes) < 1:
            raise InvalidConfig("a producer's name must not be empty, its sizes positive, its times not negative")
        self.name = name
        self._storage = storage
        self._linger_s = linger_ms / 1000
        self._batch_rows = batch_rows
        self._buffer_bytes = buffer_bytes
        self._max_block_s = max_block_ms / 1000
        self._timeout_us = delivery_timeout_ms * 1000
        self._identity = storage.producers.acquire(name) if idempotent else None
        if name is not None:
            storage.transactions.fence(name)
        self._transaction: Transaction | None = None
        self._sequences: WeakKeyDictionary[Log, int] = WeakKeyDictionary()
        self._turns: dict[str, int] = {}
        self._condition = threading.Condition()
        self._queue: list[_Part] = []
        self._queued_rows = 0
        self._bytes = 0
        self._outstanding = 0
        self._flushing = 0
        self._failure: StorageError | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="storage-producer", daemon=True)
        self._thread.start()

    # --- sending ---

    def send(
        self,
        topic: str,
        rows: pa.RecordBatch | pa.Table,
        *,
        key: str | Sequence[str] | None = None,
        partition: int | None = None,
    ) -> Delivery:
        """Send rows of the topic's newest schema; returns at once, the future tells when they are stored.

        They go to `partition`, else each to the partition of its `key` (one or more columns; for a topic of keys and
        values its key, where there is one), else all to one partition, the next one each time. The future raises
        what the append raised; rows for other partitions may be stored all the same. Raises TopicNotFound,
        SchemaMismatch, InvalidConfig, BufferFull, StorageClosed, ProducerFenced.
        """
        target = self._storage.topic(topic)
        batch = rows if isinstance(rows, pa.RecordBatch) else _one_batch(rows)
        schema_id, batch = target.context.fitted(batch)
        placed = list(self._placed(target, batch, (key,) if isinstance(key, str) else key, partition))
        sent = _Sent(Future(), len(placed))
        sent.future.set_running_or_notify_cancel()
        if not placed:
            sent.future.set_result([])
            return sent.future
        deadline_us = self._storage.env.now_us() + self._timeout_us
        parts = [
            _Part(target.partitions[number], part, schema_id, sent, deadline_us, self._transaction)
            for number, part in placed
        ]
        self._enqueue(parts, batch)
        return sent.future

    def _placed(
        self, topic: Topic, batch: pa.RecordBatch, key: Sequence[str] | None, partition: int | None
    ) -> Iterable[tuple[int, pa.RecordBatch]]:
        """(partition, its rows)."""
        count = len(topic.partitions)
        if partition is not None and not 0 <= partition < count:
            raise TopicNotFound(f'topic "{topic.name}" has no partition {partition}')
        if partition is not None and key is not None:
            raise InvalidConfig("rows go to a partition by its number or by a key, not by both")
        for column in key or ():
            if column not in topic.schema.names:
                raise InvalidConfig(f'topic "{topic.name}" has no column "{column}"')
        if not batch.num_rows:
            return ()
        if key is None and partition is None and topic.is_bytes and batch.column("key").null_count < batch.num_rows:
            key = ("key",)
        if key and count > 1:
            return deal(batch, partitions_by_key([batch.column(name) for name in key], count), count)
        return [(self._next_turn(topic.name, count) if partition is None else partition, batch)]

    def _next_turn(self, topic: str, count: int) -> int:
        """The partition whose turn it is for rows without a key."""
        with self._condition:
            turn = self._turns.get(topic, 0)
            self._turns[topic] = turn + 1
            return turn % count

    def _enqueue(self, parts: list[_Part], batch: pa.RecordBatch) -> None:
        """Hand parts to the sender, when there is room."""
        size = sum(part.batch.nbytes for part in parts)
        with self._condition:
            if not self._condition.wait_for(lambda: self._has_room(size), self._max_block_s):
                raise BufferFull(
                    f"{self._bytes} bytes are on their way, no room for {size} more",
                    hint="send less at a time, or give the producer more buffer_bytes",
                )
            if self._closed:
                raise StorageClosed("the producer is closed")
            if isinstance(self._failure, ProducerFenced):
                raise self._failure
            self._queue += parts
            self._queued_rows += batch.num_rows
            self._bytes += size
            self._outstanding += len(parts)
            self._condition.notify_all()

    def _has_room(self, size: int) -> bool:
        """Whether so many bytes more may be on their way; one send alone always may."""
        return self._closed or not self._bytes or self._bytes + size <= self._buffer_bytes

    def flush(self) -> None:
        """Wait until everything sent is stored, or has failed; raises the first error since the last flush."""
        with self._condition:
            self._flushing += 1
            self._condition.notify_all()
            try:
                self._condition.wait_for(lambda: not self._outstanding)
            finally:
                self._flushing -= 1
            failure = self._failure
            if not isinstance(failure, ProducerFenced):
                self._failure = None
        if failure is not None:
            raise failure

    # --- transactions ---

    def begin(self, *, timeout_ms: int = DEFAULT_TIMEOUT_MS) -> None:
        """Begin a transaction: what is sent from now on, is seen together, when it is committed, or never.

        What was sent before is flushed first. timeout_ms: after so long it is aborted. Raises ProducerFenced,
        TransactionInDoubt (an earlier one of the producer's name is prepared), what `flush` raises.
        """
        if self._transaction is not None and self._transaction.phase == "open":
            raise TransactionInDoubt(f"transaction {self._transaction.id} is open", hint="commit or abort it first")
        self.flush()
        if self.name is not None and self._identity is not None:
            self._storage.producers.check_current(self.name, *self._identity)
        self._transaction = self._storage.transaction(self.name, timeout_ms=timeout_ms)

    def commit_offsets(self, group: str | GroupMember, positions: Mapping[tuple[str, int], int]) -> None:
        """Commit the offsets of records that the transaction was made of with it; see `Transaction.commit_offsets`."""
        self._current().commit_offsets(group, positions)

    def commit(self) -> None:
        """Wait for what was sent in the transaction, and commit it. Raises what `flush` and `Transaction.commit` raise;
        after an error of `flush` it is still to be aborted.
        """
        transaction = self._current()
        self.flush()
        transaction.commit()
        self._transaction = None

    def prepare(self) -> str:
        """`commit`, but for the decision: see `Transaction.prepare`."""
        transaction = self._current()
        self.flush()
        self._transaction = None
        return transaction.prepare()

    def abort(self) -> None:
        """Let nothing of the transaction count, whatever became of what was sent in it."""
        transaction = self._current()
        with self._condition:
            self._condition.wait_for(lambda: not self._outstanding)
            if not isinstance(self._failure, ProducerFenced):
                self._failure = None
        transaction.abort()
        self._transaction = None

    def _current(self) -> Transaction:
        """The transaction that was begun."""
        if self._transaction is None:
            raise TransactionFinished("the producer has no transaction", hint="begin one first")
        return self._transaction

    def close(self) -> None:
        """Flush, abort a transaction that is open, and stop; raises what `flush` raises. Closing twice is fine."""
        with self._condition:
            if self._closed:
                return
        try:
            if self._transaction is not None and self._transaction.phase == "open":
                self.abort()
            self.flush()
        finally:
            with self._condition:
                self._closed = True
                self._condition.notify_all()
            self._thread.join()

    def stored_until(self, topic: str, partition: int) -> int | None:
        """Offset after the last row that this producer, or an earlier one of its name, stored in a partition that
        holds it still or not; None if there is none. A program that finds its last row there knows where to go on.
        What was sent in transactions is not counted: `commit_offsets` is for how far those have come.
        """
        if self._identity is None:
            raise InvalidConfig("only an idempotent producer knows what it stored")
        logs = self._storage.topic(topic).partitions
        if not 0 <= partition < len(logs):
            raise TopicNotFound(f'topic "{topic}" has no partition {partition}')
        known = {each.id: each.last_offset + 1 for each in logs[partition].active_producers()}
        return known.get(self._identity[0])

    def __enter__(self) -> Producer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the sender's thread ---

    def _run(self) -> None:
        """Store what is queued, round by round, until the producer is closed and nothing is left."""
        held: list[_Part] = []
        while True:
            with self._condition:
                self._condition.wait_for(lambda: bool(self._queue) or self._closed, _RETRY_S if held else None)
                if not self._queue and not held and self._closed:
                    return
                self._condition.wait_for(self._is_due, self._linger_s)
                parts, self._queue, self._queued_rows = held + self._queue, [], 0
            held = self._store(parts)

    def _is_due(self) -> bool:
        """Whether to wait no longer for more rows."""
        return bool(self._flushing) or self._closed or self._queued_rows >= self._batch_rows

    def _store(self, parts: list[_Part]) -> list[_Part]:
        """Append parts, partition by partition, with one wait for all; returns those to try again."""
        by_log: dict[Log, deque[_Part]] = {}
        for part in parts:
            by_log.setdefault(part.log, deque()).append(part)
        written: list[tuple[Log, int, list[_Part]]] = []
        held: list[_Part] = []
        for log, waiting in by_log.items():
            for group in self._groups(waiting):
                held += self._write(log, group, written, again=bool(held and held[-1].log is log))
        self._storage.wait_durable(log for log, _, group in written if group[0].transaction is None)
        for log, base, group in written:
            self._acknowledge(log, base, group)
        return held

    def _groups(self, waiting: deque[_Part]) -> Iterator[list[_Part]]:
        """Parts that make one append: of one schema, at most `batch_rows` rows together."""
        while waiting:
            group = [waiting.popleft()]
            rows = group[0].batch.num_rows
            while (
                waiting
                and rows + waiting[0].batch.num_rows <= self._batch_rows
                and waiting[0].schema_id == group[0].schema_id
            ):
                rows += waiting[0].batch.num_rows
                group.append(waiting.popleft())
            yield group

    def _write(
        self, log: Log, group: list[_Part], written: list[tuple[Log, int, list[_Part]]], *, again: bool
    ) -> list[_Part]:
        """Append a group without waiting for it; returns it if it is to be tried again, as is what follows what
        must be tried again.
        """
        if again:
            return group
        try:
            batch = group[0].batch if len(group) == 1 else pa.concat_batches([part.batch for part in group])
            written.append((log, self._append(log, batch, group[0].transaction), group))
        except DiskFull as error:
            if self._storage.env.now_us() < group[0].deadline_us:
                return group
            self._finish(group, error)
        except Exception as error:
            self._finish(group, error)
        return []

    def _append(self, log: Log, batch: pa.RecordBatch, transaction: Transaction | None) -> int:
        """Write a batch with the next sequence number."""
        if transaction is not None:
            return transaction.write(log, batch)
        if self._identity is None:
            return log.write(batch)
        producer, epoch = self._identity
        if self.name is not None:
            self._storage.producers.check_current(self.name, producer, epoch)
        sequence = self._sequences.get(log, 0)
        try:
            base = log.write(batch, producer=BatchId(producer, epoch, sequence))
        except OutOfOrderSequence:
            # The partition was cut back behind what it had from us. Nothing is in flight, so a new epoch may begin,
            # as KIP-360 lets clients do.
            self._identity = self._storage.producers.acquire(self.name)
            self._sequences.clear()
            sequence = 0
            base = log.write(batch, producer=BatchId(*self._identity, 0))
        self._sequences[log] = (sequence + batch.num_rows) % _SEQUENCE_MODULUS
        return base

    def _acknowledge(self, log: Log, base: int, group: list[_Part]) -> None:
        """Wait for the rows of a group to be durable (most often they are) and tell their senders."""
        rows = sum(part.batch.num_rows for part in group)
        try:
            if group[0].transaction is None:  # else its commit waits
                log.acknowledge(base + rows)
        except Exception as error:
            self._finish(group, error)
            return
        self._storage.arrivals.signal()
        for part in group:
            part.sent.stored.append(Delivered(log.context.name, log.partition, base, part.batch.num_rows))
            base += part.batch.num_rows
        self._finish(group, None)

    def _finish(self, group: list[_Part], error: Exception | None) -> None:
        """Settle the parts of a group, and the futures of the sends that have no others."""
        done = []
        with self._condition:
            for part in group:
                part.sent.missing -= 1
                self._bytes -= part.batch.nbytes
                if error is not None or not part.sent.missing:
                    done.append(part.sent)
            if error is not None and not isinstance(self._failure, ProducerFenced):
                failure = error if isinstance(error, StorageError) else StorageError(str(error))
                self._failure = failure if isinstance(error, ProducerFenced) else self._failure or failure
        for sent in done:
            if sent.future.done():
                continue
            if error is not None:
                sent.future.set_exception(error)
            else:
                sent.future.set_result(sorted(sent.stored))
        with self._condition:
            self._outstanding -= len(group)
            self._condition.notify_all()


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    """A table's rows as one batch."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
