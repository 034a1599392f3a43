"""Sequence checks of idempotent producers, per partition.

The rules are Kafka's: a producer id writes with an epoch; an older epoch is fenced; within an epoch sequence
numbers count records without gaps; the last five batches are remembered, so that a repeated one is answered
with the offset it got the first time. Must not do I/O; the log saves and restores the table.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from storage.config import Producer
from storage.errors import OutOfOrderSequence, ProducerFenced
from storage.log.format import NO_PRODUCER, FrameHeader

REMEMBERED_BATCHES = 5
_SEQUENCE_MODULUS = 1 << 31


class _State:
    """One producer: epoch, and (sequence, records, base offset) of its newest batches."""

    __slots__ = ("batches", "epoch")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.batches: deque[tuple[int, int, int]] = deque(maxlen=REMEMBERED_BATCHES)

    def next_sequence(self) -> int:
        """Sequence number the next batch must carry."""
        sequence, records, _ = self.batches[-1]
        return (sequence + records) % _SEQUENCE_MODULUS


class ProducerTable:
    """What a partition knows about its idempotent producers."""

    def __init__(self, saved: list[Any] | None = None) -> None:
        self._states: dict[int, _State] = {}
        for producer_id, epoch, batches in saved or []:
            state = self._states[producer_id] = _State(epoch)
            state.batches.extend(tuple(batch) for batch in batches)

    def save(self) -> list[Any]:
        """The table as JSON-able lists; the constructor's argument."""
        return [[pid, state.epoch, [list(b) for b in state.batches]] for pid, state in sorted(self._states.items())]

    def check(self, producer: Producer, records: int) -> int | None:
        """Base offset of the earlier append if this one repeats it, None if it is the next one.

        Raises ProducerFenced for an older epoch, OutOfOrderSequence for a gap or a forgotten repetition.
        """
        state = self._states.get(producer.id)
        if state is None:
            return None
        if producer.epoch < state.epoch:
            raise ProducerFenced(
                f"producer {producer.id} with epoch {producer.epoch} is fenced by epoch {state.epoch}",
                hint="another instance of this producer has taken over",
            )
        if producer.epoch > state.epoch:
            return self._check_sequence(producer, 0)
        for sequence, known_records, base_offset in state.batches:
            if sequence == producer.sequence and known_records == records:
                return base_offset
        return self._check_sequence(producer, state.next_sequence())

    def observe(self, header: FrameHeader) -> None:
        """Remember an appended frame (also when reading frames back during recovery)."""
        if header.producer_id == NO_PRODUCER:
            return
        state = self._states.get(header.producer_id)
        if state is None or state.epoch != header.producer_epoch:
            state = self._states[header.producer_id] = _State(header.producer_epoch)
        state.batches.append((header.sequence, header.record_count, header.base_offset))

    @staticmethod
    def _check_sequence(producer: Producer, expected: int) -> None:
        """Raise OutOfOrderSequence unless the producer is at `expected`."""
        if producer.sequence != expected:
            raise OutOfOrderSequence(
                f"producer {producer.id} sent sequence {producer.sequence}, expected {expected}",
                hint="a batch was lost before this one, or was sent too long ago to be recognised",
            )
