"""Transaction: appends to any partitions, and commits of consumer offsets, that are seen together or never.

What its owner calls. The decision, and what follows from it, is the coordinator's. Must not know topics' directories.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

import pyarrow as pa

from storage.config import BatchId
from storage.errors import StorageError, TopicNotFound, TransactionFinished
from storage.log.log import Log
from storage.offsets.assignment import TopicPartition
from storage.offsets.coordinator import GroupCoordinator, GroupMember
from storage.offsets.store import group_record

_SEQUENCE_MODULUS = 1 << 31


@dataclass
class Participation:
    """A partition in a transaction: the next sequence number, the offsets of its first record there and after its last
    one.
    """

    sequence: int = 0
    first_offset: int = 0
    end_offset: int = 0


@dataclass
class OffsetCommit:
    """Consumer offsets that become valid with the transaction; `allowed` raises if they must not any more."""

    record: dict[str, Any]
    allowed: Callable[[], None]


@dataclass(eq=False)
class State:
    """What the coordinator knows of a transaction. `name`: see `TransactionCoordinator.begin`; `phase`: open, in doubt
    (a commit was broken off), prepared, committed or aborted; `failure`: why somebody else aborted it; `is_own`: this
    process began it, so no partition that is out of reach can know its (id, epoch).
    """

    id: str
    producer_id: int
    epoch: int
    name: str | None
    since_us: int
    deadline_us: int | None
    phase: str = "open"
    is_own: bool = True
    failure: StorageError | None = None
    logs: dict[Log, Participation] = field(default_factory=dict)
    offsets: list[OffsetCommit] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to decide."""
        return self.phase in ("committed", "aborted")

    def written(self) -> dict[Log, Participation]:
        """The partitions that got records."""
        return {log: part for log, part in dict(self.logs).items() if part.end_offset}


class Coordinator(Protocol):
    """What a transaction asks of its coordinator, with its lock held."""

    @property
    def groups(self) -> GroupCoordinator:
        """The consumer groups."""

    def partitions_of(self, topic: str) -> Sequence[Log]:
        """The logs of a topic, none for an unknown one."""

    def check_time(self, state: State) -> None:
        """Raise if it is open too long."""

    def interrupted(self, state: State, error: BaseException) -> None:
        """An append was broken off, and may count or not."""

    def prepare(self, state: State) -> None:
        """See `Transaction.prepare`."""

    def commit(self, state: State) -> None:
        """See `Transaction.commit`."""

    def abort(self, state: State) -> None:
        """See `Transaction.abort`."""


class Transaction:
    """An open transaction. All methods may be called from any thread.

    As a context manager it commits at the end, and aborts after an error, also one that leaves the commit in doubt;
    with `prepare` in it, it stays prepared.
    """

    def __init__(self, coordinator: Coordinator, state: State) -> None:
        self._coordinator = coordinator
        self._state = state

    @property
    def id(self) -> str:
        """By which a prepared transaction is committed or aborted, also after a restart. No two are the same."""
        return self._state.id

    @property
    def phase(self) -> str:
        """open, in doubt, prepared, committed or aborted."""
        return self._state.phase

    def append(self, topic: str, batch: pa.RecordBatch, *, partition: int = 0) -> int:
        """Append a batch; returns the offset of its first row. Nobody reads it before the commit.

        Raises what `Log.append` raises, after which the transaction goes on without the batch; TopicNotFound,
        TransactionAborted, ProducerFenced, TransactionFinished.
        """
        self._require_open()
        logs = self._coordinator.partitions_of(topic)
        if not 0 <= partition < len(logs):
            raise TopicNotFound(
                f'topic "{topic}" has no partition {partition}' if logs else f'topic "{topic}" does not exist'
            )
        return self.write(logs[partition], batch)

    def write(self, log: Log, batch: pa.RecordBatch, *, timestamp_us: int | None = None) -> int:
        """`append` to a given partition; `timestamp_us` as of `Log.append`."""
        state = self._state
        with state.lock:
            self._require_open()
            self._coordinator.check_time(state)
            part = state.logs.setdefault(log, Participation())  # before it is one: whatever happens, it is told
            batch_id = BatchId(state.producer_id, state.epoch, part.sequence)
            try:
                base = log.write(batch, timestamp_us=timestamp_us, producer=batch_id, transactional=True)
                if batch.num_rows:
                    part.first_offset = part.first_offset if part.end_offset else base
                    part.sequence = (part.sequence + batch.num_rows) % _SEQUENCE_MODULUS
                    part.end_offset = base + batch.num_rows
            except StorageError:
                raise
            except BaseException as error:
                self._coordinator.interrupted(state, error)
                raise
            return base

    def commit_offsets(
        self, group: str | GroupMember, positions: Mapping[tuple[str, int], int], *, reserved: bool = False
    ) -> None:
        """Commit the offsets of next records to read, by (topic, partition), with the transaction: what was read and
        what was made of it then count together. `group`: a name, or `Consumer.group_member`; `reserved`: the name may
        be one that no consumer can have.

        Raises MemberFenced, GroupInUse, TopicNotFound, OffsetOutOfRange; the first two also at the commit.
        """
        who = GroupMember(group) if isinstance(group, str) else group
        chosen = {TopicPartition(*each): offset for each, offset in positions.items()}
        state = self._state
        with state.lock:
            self._require_open()
            allowed = self._coordinator.groups.commit_check(who, chosen, reserved=reserved)
            allowed()
            if chosen:
                record = group_record(who.group, {(each.topic, each.partition): at for each, at in chosen.items()})
                state.offsets.append(OffsetCommit(record, allowed))

    def prepare(self) -> str:
        """Make the transaction durable but leave the decision open: it stays prepared, over restarts too, until its
        owner commits or aborts it. Returns its id. Raises as `commit` does.
        """
        with self._state.lock:
            self._require_open()
            self._coordinator.prepare(self._state)
            return self._state.id

    def commit(self) -> None:
        """Let all appends and offsets count, together and durably (whatever the durability of the topics).

        Raises TransactionAborted, ProducerFenced, MemberFenced, DiskFull, LogFailed, after which the transaction is
        aborted; or, if the decision itself could not be written, in doubt until the storage is opened again.
        """
        with self._state.lock:
            if self._state.phase not in ("prepared", "in doubt"):
                self._require_open()
            self._coordinator.commit(self._state)

    def abort(self) -> None:
        """Let nothing of it count. Aborting twice is fine."""
        with self._state.lock:
            if self._state.phase == "committed":
                self._require_open()
            self._coordinator.abort(self._state)

    def _require_open(self) -> None:
        """Raise unless the transaction is open."""
        state = self._state
        if state.phase != "open":
            raise state.failure or TransactionFinished(f"transaction {state.id} is {state.phase}")

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            if self.phase in ("open", "in doubt"):
                # If it cannot be, it stays in doubt, for the reason that is on its way already.
                with contextlib.suppress(StorageError):
                    self.abort()
        elif self.phase == "open" or self._state.failure is not None:
            self.commit()
