"""What a client sent to a log, and whether what is read from it is that."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

import storage
from storage.replication.refusals import NotEnoughReplicas
from tests.storage.conftest import SCHEMA

MOST_ROWS = 100
NOT_STORED = (storage.DiskFull, NotEnoughReplicas)
"""Errors that say that nothing was stored."""


class Violation(AssertionError):
    """Something does not hold."""


@dataclass(frozen=True)
class Batch:
    """Rows that say whose they are: number * MOST_ROWS and on."""

    number: int
    rows: pa.RecordBatch
    producer: storage.BatchId | None


@dataclass
class History:
    """Batches by number, ascending as they were sent: `known` ones have an offset, `unsure` ones may be there, all
    others are not. An idempotent client repeats a batch until it knows.
    """

    idempotent: bool
    known: dict[int, int] = field(default_factory=dict)
    unsure: set[int] = field(default_factory=set)
    was_unsure: bool = False
    sizes: dict[int, int] = field(default_factory=dict)
    promised: int = 0
    """What is before it must never go."""
    again: Batch | None = None
    sequence: int = 0
    failures: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    kept_records: set[int] = field(default_factory=set)

    # --- appends ---

    def sent(self, rng: random.Random) -> Batch:
        """The batch that is sent now; until more is known of it, it may be there."""
        if self.again is None:
            number, size = len(self.sizes), rng.choice((1, 5, 5, 60))
            values = range(number * MOST_ROWS, number * MOST_ROWS + size)
            rows = pa.RecordBatch.from_arrays([pa.array(values), pa.array([f"row {v}" for v in values])], schema=SCHEMA)
            producer = storage.BatchId(1, 0, self.sequence) if self.idempotent else None
            self.sizes[number] = size
            self.again = Batch(number, rows, producer)
        batch = self.again
        if not self.idempotent:
            self.again = None
        self.was_unsure = batch.number in self.unsure
        self.unsure.add(batch.number)
        return batch

    def acknowledged(self, batch: Batch, base: int) -> None:
        """A batch is stored at an offset."""
        before = max(self.known.values(), default=-1)
        if base <= before:
            raise Violation(f"batch {batch.number} was stored at offset {base}, not behind {before}")
        self.known[batch.number] = base
        self.unsure.discard(batch.number)
        self.again = None
        self.sequence += batch.rows.num_rows
        self.promised = base + batch.rows.num_rows

    def failed(self, batch: Batch, error: storage.StorageError) -> None:
        """An append raised an error."""
        self.failures += 1
        if isinstance(error, NOT_STORED) and not self.was_unsure:
            self.unsure.discard(batch.number)

    def doubt_from(self, offset: int) -> None:
        """What is at or behind an offset may be gone."""
        self.promised = min(self.promised, offset)
        for number, base in list(self.known.items()):
            if base + self.sizes[number] > offset:
                del self.known[number]
                self.unsure.add(number)
        if self.idempotent:  # the log has forgotten the last ones, so their producer begins anew without them
            self.again, self.sequence = None, 0
            self.idempotent = False

    # --- what is read ---

    def check(self, log: storage.Log, *, was_restarted: bool = False) -> None:
        """Read everything. What was unsure is decided by a restart."""
        found = batches_in(values_of(log), self.sizes)
        for number, base in self.known.items():
            if found.get(number) != base:
                raise Violation(f"batch {number} of offset {base} is at {found.get(number)}: {found}")
        for number in found.keys() - self.known.keys():
            if number not in self.unsure:
                raise Violation(f"batch {number} was not stored, and is at {found[number]}")
        if was_restarted:
            self.decide(found)

    def decide(self, found: dict[int, int]) -> None:
        """After a restart what is there stays, and what is not there is gone unless it is sent again."""
        again = {self.again.number} if self.again is not None else set()
        for number in self.unsure - again:
            if number in found:
                self.known[number] = found[number]
        self.known = dict(sorted(self.known.items()))
        self.unsure &= again

    # --- the journal ---

    def next_record(self) -> dict[str, Any]:
        """A record for the journal."""
        self.records.append({"number": len(self.records)})
        return self.records[-1]

    def check_journal(self, found: list[dict[str, Any]]) -> None:
        """All acknowledged records are there, in order, and others that were sent."""
        numbers = [record["number"] for record in found]
        if numbers != sorted(set(numbers)) or not set(numbers) <= set(range(len(self.records))):
            raise Violation(f"the journal has {numbers}")
        lacking = self.kept_records - set(numbers)
        if lacking:
            raise Violation(f"the journal lacks {lacking}")


def values_of(log: storage.Log) -> list[int]:
    """Column n of everything readable."""
    offset, values = log.start_offset, []
    while frames := log.read(offset, max_rows=500):
        if frames[0].base_offset != offset:
            raise Violation(f"a read at {offset} began at {frames[0].base_offset}")
        for frame in frames:
            values += frame.batch.column("n").to_pylist()
            texts = frame.batch.column("s").to_pylist()
            if texts != [f"row {n}" for n in values[len(values) - len(texts) :]]:
                raise Violation(f"wrong data at offset {frame.base_offset}")
        offset = frames[-1].next_offset
    return values


def batches_in(values: list[int], sizes: dict[int, int]) -> dict[int, int]:
    """Offset of each batch, by number; they must be whole and in order."""
    found: dict[int, int] = {}
    offset = 0
    while offset < len(values):
        number = values[offset] // MOST_ROWS
        size = sizes.get(number, 0)
        if found and number <= max(found):
            raise Violation(f"batch {number} comes twice or too late, at offset {offset}")
        if size == 0 or values[offset : offset + size] != list(range(number * MOST_ROWS, number * MOST_ROWS + size)):
            raise Violation(f"batch {number} is not whole at offset {offset}")
        found[number] = offset
        offset += size
    return found
