"""Sequence checks of idempotent producers, per partition.

The rules are those of Kafka's KIP-98: a producer id writes with an epoch; an older epoch is fenced; within an
epoch sequence numbers count records without gaps, and a new epoch begins at 0; the last five batches are
remembered, so that a repeated one is answered with the offset it got the first time. A producer that is not
(or no longer) known may begin at any number, as since KIP-360. A producer is forgotten when it has appended
nothing for some time (Kafka's `producer.id.expiration.ms`), not when retention drops its last record: otherwise a
repetition after that would be stored twice.

Must not do I/O; the log saves and restores the table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any, NamedTuple

from storage.config import BatchId
from storage.errors import OutOfOrderSequence, ProducerFenced
from storage.log.format import FLAG_CONTROL, FLAG_TRANSACTIONAL, NO_PRODUCER, FrameHeader
from storage.log.transactions import TransactionTable

REMEMBERED_BATCHES = 5
_SEQUENCE_MODULUS = 1 << 31
# Time of the newest append in tables that were saved before there was one: not forgotten until it appends again.
_UNKNOWN_US = (1 << 63) - 1

Saved = list[Any] | dict[str, Any]
"""A table as JSON: a list of producers, or an object with them and the transactions, where there are any."""


class ActiveProducer(NamedTuple):
    """What a partition tells of a producer; `last_sequence` and `last_offset` are those of its newest record,
    `last_append_us` is None when it is not known.
    """

    id: int
    epoch: int
    last_sequence: int
    last_offset: int
    last_append_us: int | None


class _State:
    """One producer: epoch, (sequence, records, base offset) of its newest batches, time of the newest append."""

    __slots__ = ("batches", "epoch", "last_us")

    def __init__(self, epoch: int, last_us: int) -> None:
        self.epoch = epoch
        self.last_us = last_us
        self.batches: deque[tuple[int, int, int]] = deque(maxlen=REMEMBERED_BATCHES)

    def next_sequence(self) -> int:
        """Sequence number the next batch must carry."""
        sequence, records, _ = self.batches[-1]
        return (sequence + records) % _SEQUENCE_MODULUS

    def described(self, producer_id: int) -> ActiveProducer:
        """The producer as the world sees it."""
        _, records, base_offset = self.batches[-1]
        last_sequence = (self.next_sequence() - 1) % _SEQUENCE_MODULUS
        last_us = None if self.last_us == _UNKNOWN_US else self.last_us
        return ActiveProducer(producer_id, self.epoch, last_sequence, base_offset + records - 1, last_us)


class ProducerTable:
    """What a partition knows about its producers: the idempotent ones, and their `transactions`."""

    def __init__(self, saved: Saved | None = None) -> None:
        producers, transactions = (saved["producers"], saved) if isinstance(saved, dict) else (saved or [], None)
        self.transactions = TransactionTable(transactions)
        self._states: dict[int, _State] = {}
        for producer_id, epoch, batches, *last_us in producers:
            state = self._states[producer_id] = _State(epoch, *(last_us or [_UNKNOWN_US]))
            state.batches.extend(tuple(batch) for batch in batches)

    def save(self) -> Saved:
        """The table as JSON-able lists; the constructor's argument."""
        producers = [
            [pid, state.epoch, [list(b) for b in state.batches], *([state.last_us] * (state.last_us != _UNKNOWN_US))]
            for pid, state in sorted(self._states.items())
        ]
        transactions = self.transactions.save()
        return {"producers": producers, **transactions} if transactions else producers

    def remembered(self) -> set[int]:
        """Base offsets of the frames that a producer may still repeat."""
        return {base for state in self._states.values() for _, _, base in state.batches}

    def active(self) -> list[ActiveProducer]:
        """All producers known, by id."""
        return [state.described(pid) for pid, state in sorted(self._states.items())]

    def expire(self, before_us: int, keep: Collection[int] = ()) -> None:
        """Forget the producers whose newest append is older than `before_us`, but for those with an id in `keep`."""
        self._states = {pid: s for pid, s in self._states.items() if s.last_us >= before_us or pid in keep}

    def check(self, batch_id: BatchId, records: int) -> int | None:
        """Base offset of the earlier append if this one repeats it, None if it is the next one.

        Raises ProducerFenced for an older epoch, OutOfOrderSequence for a gap or a forgotten repetition.
        """
        state = self._states.get(batch_id.id)
        if state is None:
            return None
        if batch_id.epoch < state.epoch:
            raise ProducerFenced(
                f"producer {batch_id.id} with epoch {batch_id.epoch} is fenced by epoch {state.epoch}",
                hint="another instance of this producer has taken over",
            )
        if batch_id.epoch > state.epoch:
            return self._check_sequence(batch_id, 0)
        for sequence, known_records, base_offset in state.batches:
            if sequence == batch_id.sequence and known_records == records:
                return base_offset
        return self._check_sequence(batch_id, state.next_sequence())

    def observe(self, header: FrameHeader) -> None:
        """Remember an appended frame (also when reading frames back during recovery)."""
        if header.producer_id == NO_PRODUCER:
            return
        if header.flags & (FLAG_TRANSACTIONAL | FLAG_CONTROL):
            self.transactions.observe(header)
            if header.flags & FLAG_CONTROL:
                return
        state = self._states.get(header.producer_id)
        if state is None or state.epoch != header.producer_epoch:
            state = self._states[header.producer_id] = _State(header.producer_epoch, header.append_timestamp_us)
        state.batches.append((header.sequence, header.record_count, header.base_offset))
        state.last_us = header.append_timestamp_us

    @staticmethod
    def _check_sequence(batch_id: BatchId, expected: int) -> None:
        """Raise OutOfOrderSequence unless the producer is at `expected`."""
        if batch_id.sequence != expected:
            raise OutOfOrderSequence(
                f"producer {batch_id.id} sent sequence {batch_id.sequence}, expected {expected}",
                hint="a batch was lost before this one, or was sent too long ago to be recognised",
            )
