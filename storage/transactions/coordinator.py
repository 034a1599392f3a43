"""TransactionCoordinator: decides transactions, so that every partition of one agrees, whatever happens on the way.

Two-phase commit with presumed abort. A commit makes the records of all partitions durable (phase one), then its
decision (one record of the offset store's journal, with the consumer offsets that are part of it), then tells all
partitions at once, and writes a marker to each. Only the decision is waited for: a marker that is lost, or cannot be
written because the disk is full, is written later from the decision. A transaction without a decision is aborted when
the storage is opened; a prepared one waits for its owner.

What differs from Kafka (KIP-98, KIP-890, KIP-939), and why: coordinator and partitions live in one process, so nothing
that was sent can arrive late, a partition need not be registered before it is written to (its own frames tell which
transactions are open in it), and what readers see changes in all partitions at one moment (`cut`). Every transaction
has an (id, epoch) of its own; a name only says who fences whom. All methods may be called from any thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from storage.config import MAX_EPOCH
from storage.env import Env
from storage.errors import (
    DiskFull,
    InvalidConfig,
    LogFailed,
    ProducerFenced,
    StorageClosed,
    StorageError,
    TransactionAborted,
    TransactionInDoubt,
    TransactionNotFound,
)
from storage.log.arrivals import Arrivals
from storage.log.commit import GroupCommit
from storage.log.format import KIND_COMMIT
from storage.log.log import Isolation, Log
from storage.offsets.assignment import TopicPartition
from storage.offsets.coordinator import GroupCoordinator
from storage.offsets.store import Decision, OffsetStore
from storage.producer_ids import ProducerIds
from storage.transactions.transaction import OffsetCommit, Participation, State, Transaction

DEFAULT_TIMEOUT_MS = 60_000
_FORGET_AT = 64


class TransactionInfo(NamedTuple):
    """A transaction that is not finished. since_us: microseconds since 1970 UTC; `state` as `Transaction.phase`."""

    id: str
    name: str | None
    state: str
    since_us: int
    partitions: list[TopicPartition]


class TransactionCoordinator:
    """The transactions of one storage."""

    def __init__(
        self,
        env: Env,
        offsets: OffsetStore,
        groups: GroupCoordinator,
        producers: ProducerIds,
        partitions_of: Callable[[str], Sequence[Log]],
        commit: GroupCommit,
        arrivals: Arrivals,
    ) -> None:
        """`partitions_of` gives the logs of a topic, none for an unknown one."""
        self.groups = groups
        self.partitions_of = partitions_of
        self._env = env
        self._offsets = offsets
        self._producers = producers
        self._commit = commit
        self._arrivals = arrivals
        # Held for moments only; a transaction's own lock is never waited for with it.
        self._lock = threading.Lock()
        self._visibility = threading.Lock()
        self._states: dict[str, State] = {}
        # (id, epoch) that no partition has an open transaction of.
        self._free: list[tuple[int, int]] = []
        # Decided ones whose markers are not all written, and those whose markers are not all durable, by log.
        self._unmarked: list[State] = []
        self._marked: list[tuple[State, dict[Log, int]]] = []
        self._forget_at = _FORGET_AT
        # The partitions of committed transactions that are, or were not long ago, behind an open one somewhere, by id.
        self._committed: dict[str, dict[Log, Participation]] = {}
        self._closed = False

    # --- beginning ---

    def begin(self, name: str | None = None, *, timeout_ms: int = DEFAULT_TIMEOUT_MS) -> Transaction:
        """Begin a transaction, to be finished within `timeout_ms`: then whoever comes by aborts it.

        name: of an owner that has one transaction at a time. One of an earlier instance that is still open is aborted,
        and its calls raise ProducerFenced; if it is prepared, TransactionInDoubt is raised. Raises InvalidConfig.
        """
        if name == "" or timeout_ms < 1:
            raise InvalidConfig("a transaction's name must not be empty, its timeout_ms positive")
        self.expire()
        if name is not None:
            self.fence(name)
        producer, epoch = self._identity()
        now_us = self._env.now_us()
        state = State(f"{producer}.{epoch}", producer, epoch, name, now_us, now_us + timeout_ms * 1000)
        with self._lock:
            if self._closed:
                raise StorageClosed("the storage is closed")
            for other in self._states.values():
                if name is not None and other.name == name and not other.is_finished:
                    raise TransactionInDoubt(
                        f'transaction {other.id} of "{name}" is {other.phase}', hint="commit or abort it first"
                    )
            self._states[state.id] = state
        return Transaction(self, state)

    def fence(self, name: str) -> None:
        """Abort the open transaction of a name: whoever had it is replaced."""
        with self._lock:
            others = [state for state in self._states.values() if state.name == name]
        for state in others:
            with state.lock:
                if state.phase == "open":
                    state.failure = ProducerFenced(
                        f'transaction {state.id} of "{name}" is fenced',
                        hint="another owner of this name has taken over",
                    )
                    self._finish(state, committed=False)

    def _identity(self) -> tuple[int, int]:
        """An (id, epoch) that no transaction has or had."""
        with self._lock:
            if self._free:
                producer, epoch = self._free.pop()
                if epoch < MAX_EPOCH:
                    return producer, epoch + 1
        return self._producers.acquire()

    # --- deciding ---

    def prepare(self, state: State) -> None:
        """Phase one, and the note that the decision is the owner's; call with the transaction's lock held."""
        self._make_durable(state)
        self._decide(state, "prepared")
        state.phase, state.deadline_us = "prepared", None

    def commit(self, state: State) -> None:
        """See `Transaction.commit`; call with the transaction's lock held."""
        if state.phase == "open":
            self._make_durable(state)
        if state.written() or state.offsets or state.phase != "open":
            self._decide(state, "committed")
        self._finish(state, committed=True)

    def abort(self, state: State) -> None:
        """See `Transaction.abort`; call with the transaction's lock held."""
        if state.phase == "aborted":
            return
        if state.phase != "open":
            self._decide(state, "aborted")
        self._finish(state, committed=False)

    def check_time(self, state: State) -> None:
        """Abort a transaction that is open too long, and raise; call with its lock held."""
        if state.phase == "open" and state.deadline_us is not None and self._env.now_us() > state.deadline_us:
            limit_ms = (state.deadline_us - state.since_us) // 1000
            state.failure = TransactionAborted(
                f"transaction {state.id} was aborted: it was open for more than {limit_ms} ms",
                hint="commit earlier, or begin it with a longer timeout",
            )
            self._finish(state, committed=False)
        if state.failure is not None:
            raise state.failure

    def interrupted(self, state: State, error: BaseException) -> None:
        """An append was broken off (Ctrl-C, no memory), and may count or not: the transaction is aborted; call with its
        lock held.
        """
        state.failure = TransactionAborted(f"transaction {state.id} was aborted: an append was broken off ({error!r})")
        self._finish(state, committed=False)

    def _make_durable(self, state: State) -> None:
        """Phase one; on a failure the transaction is aborted."""
        try:
            self.check_time(state)
            self._commit.wait_durable(log for log, part in state.logs.items() if log.durable_offset < part.end_offset)
            for log, part in state.logs.items():
                if log.failure is not None or log.durable_offset < part.end_offset:
                    raise log.failure or LogFailed(f'topic "{log.context.name}" was closed or cut')
        except BaseException:
            if state.phase == "open":
                self._finish(state, committed=False)
            raise

    def _decide(self, state: State, outcome: str) -> None:
        """Write the decision. What is known not to be written leaves the transaction as it was if that was prepared,
        else aborts it; what may have been written leaves it in doubt.
        """
        refused: list[BaseException] = []

        def allowed() -> None:
            try:
                for each in state.offsets if outcome != "aborted" else []:
                    each.allowed()
            except BaseException as error:
                refused.append(error)
                raise

        decision: Decision = {
            "transaction": state.id,
            "state": outcome,
            "name": state.name,
            "since_us": state.since_us,
            "groups": [each.record for each in state.offsets if self._is_of_living(each)],
        }
        parts = state.written()
        if outcome == "committed" and len(parts) > 1:
            decision["partitions"] = [
                [log.context.name, log.partition, part.first_offset, part.end_offset] for log, part in parts.items()
            ]
        was_open = state.phase == "open"
        state.phase = "in doubt" if was_open else state.phase
        try:
            self._offsets.decide(decision, allowed=allowed)
        except BaseException as error:
            if was_open and (refused or isinstance(error, DiskFull)):
                self._finish(state, committed=False)
            raise

    def _is_of_living(self, commit: OffsetCommit) -> bool:
        """Whether the topics of an offset commit still exist."""
        return all(self.partitions_of(topic) for topic, _, _ in commit.record["positions"])

    # --- what follows ---

    def _finish(self, state: State, *, committed: bool) -> None:
        """What follows from a decision; call with the transaction's lock held. From the first step on, `mark` completes
        what is broken off.
        """
        with self._lock:
            if state not in self._unmarked:
                self._unmarked.append(state)
            state.phase = "committed" if committed else "aborted"
            self._states.pop(state.id, None)
        self.mark()

    def mark(self) -> None:
        """Show decisions to readers everywhere at one moment, write the markers that are missing, as far as the disk
        lets us, and now and then forget decisions that are in them. Anybody may do it, and do it again.
        """
        for state in list(self._unmarked):
            if not state.is_finished:
                continue
            self._show(state)
            ends = {log: self._marked_end(log, state) for log in tuple(state.logs)}
            if not any(end is None and log.failure is None for log, end in ends.items()):
                self._note_marked(state, ends)
        if len(self._marked) >= self._forget_at:  # seldom, for it looks at all of them
            self._forget()

    def _show(self, state: State) -> None:
        """Tell all partitions of a decision."""
        committed = state.phase == "committed"
        with self._visibility:
            if committed and state.is_own and len(parts := state.written()) > 1:
                self._committed[state.id] = parts
            for log in tuple(state.logs):
                log.settle(state.producer_id, state.epoch, committed)
        self._arrivals.signal()

    def _note_marked(self, state: State, ends: dict[Log, int | None]) -> None:
        """All markers are written that can be."""
        with self._lock:
            if state not in self._unmarked:  # another thread was faster
                return
            known = {log: end for log, end in ends.items() if end is not None}
            if len(known) == len(ends) and state.is_own:
                self._marked.append((state, known))
                self._free.append((state.producer_id, state.epoch))
            self._states.pop(state.id, None)
            self._unmarked.remove(state)

    def _marked_end(self, log: Log, state: State) -> int | None:
        """The offset after a transaction's marker, or one it is before; None if it cannot be written."""
        try:
            log.mark(state.producer_id, state.epoch)
        except StorageError:
            return None
        return log.end_offset

    def _forget(self) -> None:
        """Drop decisions whose markers are all durable, and whose records may all be read."""
        with self._visibility:
            self._limits()
            hidden = set(self._committed)
        with self._lock:
            known = {
                state.id
                for state, ends in self._marked
                if state.id not in hidden and all(log.durable_offset >= end for log, end in ends.items())
            }
            self._marked = [each for each in self._marked if each[0].id not in known]
            self._forget_at = 2 * len(self._marked) + _FORGET_AT
        if known:
            self._offsets.forget_decisions(known)

    # --- readers ---

    def cut(self, logs: Iterable[Log], isolation: Isolation = "read_committed") -> list[int]:
        """Up to where each of `logs` may be read, as of one moment: a transaction is in all of them or in none.

        A committed one can be behind the records of an open one in some partition; then the others stop before it, too.
        """
        with self._visibility:
            if isolation == "read_uncommitted":
                return [log.high_watermark for log in logs]
            ends = self._limits()
            return [_end(log, ends) for log in logs]

    def _limits(self) -> dict[Log, int]:
        """Where logs must be read less far than to their last stable offset; call with the visibility lock held."""
        ends: dict[Log, int] = {}
        changed = bool(self._committed)
        while changed:
            changed = False
            for parts in self._committed.values():
                is_seen = any(_end(log, ends) > part.first_offset for log, part in parts.items())
                if is_seen and not _is_below(parts, ends):
                    ends |= {log: min(_end(log, ends), part.first_offset) for log, part in parts.items()}
                    changed = True
        self._committed = {name: parts for name, parts in self._committed.items() if not _is_below(parts, ends)}
        return ends

    # --- care ---

    def expire(self) -> None:
        """Abort the transactions that are open too long and not in use at this moment."""
        now_us = self._env.now_us()
        with self._lock:
            late = [s for s in self._states.values() if s.deadline_us is not None and s.deadline_us < now_us]
        for state in late:
            if state.lock.acquire(blocking=False):
                try:
                    if state.phase == "open":
                        self.check_time(state)
                except TransactionAborted:
                    continue  # its owner will hear of it
                finally:
                    state.lock.release()

    def maintain(self, logs: Iterable[Log]) -> None:
        """What is to be done now and then; `logs` are all there are."""
        self.expire()
        self._adopt(logs)
        self.mark()
        self._forget()

    def unfinished(self) -> list[TransactionInfo]:
        """All transactions that are open, in doubt or prepared, oldest first."""
        with self._lock:
            states = [state for state in self._states.values() if not state.is_finished]
        return [
            TransactionInfo(
                state.id,
                state.name,
                state.phase,
                state.since_us,
                sorted(TopicPartition(log.context.name, log.partition) for log in state.written()),
            )
            for state in sorted(states, key=lambda state: (state.since_us, state.id))
        ]

    def prepared(self, transaction: str) -> Transaction:
        """The prepared transaction of that id, to commit or abort it; TransactionNotFound."""
        with self._lock:
            state = self._states.get(transaction)
        if state is None or state.phase not in ("prepared", "in doubt"):
            raise TransactionNotFound(f'no transaction "{transaction}" is prepared')
        return Transaction(self, state)

    def forget_topic(self, logs: Collection[Log]) -> None:
        """A topic is dropped: the transactions go on without it."""
        with self._lock:
            states = [*self._states.values(), *self._unmarked, *(state for state, _ in self._marked)]
        for state in states:
            with state.lock:
                state.logs = {log: part for log, part in state.logs.items() if log not in logs}
        with self._visibility:
            self._committed = {
                name: {log: part for log, part in parts.items() if log not in logs}
                for name, parts in self._committed.items()
            }

    def truncate(self, log: Log, offset: int) -> None:
        """`Log.truncate_to`, but what was decided of transactions that begin before `offset` stays: markers that go are
        written again, and the decisions are recorded until they are.
        """
        for name in self._committed_from(log, offset):
            self._offsets.decide(
                {"transaction": name, "state": "committed", "name": None, "since_us": self._env.now_us(), "groups": []}
            )
        log.truncate_to(offset)
        for each in log.open_transactions():
            if each.committed is not None:
                log.mark(each.producer_id, each.epoch)

    def _committed_from(self, log: Log, offset: int) -> list[str]:
        """The transactions whose commit is told by a marker from `offset` on."""
        found: list[str] = []
        while frames := log.read(offset, isolation="read_uncommitted") if offset < log.high_watermark else []:
            found += [str(f.transaction) for f in frames if f.ends_transaction and f.header.kind == KIND_COMMIT]
            offset = frames[-1].next_offset
        return found

    # --- opening and closing ---

    def recover(self, logs: Collection[Log], *, all_there: bool) -> None:
        """Finish what a crash left: write the markers of what is decided, abort what is not, keep what is prepared.

        all_there: no topic is missing for damage; otherwise decisions are kept until all of them are back.
        """
        decisions = self._decisions()
        for name, decision in decisions.items():
            if decision["state"] == "prepared":
                self._states[name] = _restored(name, decision)
        self._committed = {name: self._parts_of(each) for name, each in decisions.items() if _is_shared(each)}
        self._adopt(logs)
        with self._visibility:
            self._limits()
        for log in logs:
            with contextlib.suppress(StorageError):  # it has its error
                if log.failure is None and log.durable_offset < log.end_offset:
                    log.flush()
        with self._lock:
            is_done = not self._committed and not self._unmarked and not self._states
        if is_done and all_there and all(log.failure is None for log in logs):
            self._offsets.forget_decisions(decisions)

    def _decisions(self) -> dict[str, Decision]:
        """The decisions of the journal by transaction."""
        return {decision["transaction"]: decision for decision in self._offsets.decisions()}

    def _adopt(self, logs: Iterable[Log]) -> None:
        """Take over the transactions that are open in `logs` and that nobody here has begun: of an earlier process, in
        a partition that could perhaps not be read before.
        """
        found: dict[str, State] = {}
        for log in logs:
            for each in log.open_transactions():
                name = f"{each.producer_id}.{each.epoch}"
                if each.committed is None and not self._is_known(name, log, each.first_offset):
                    state = found.get(name) or found.setdefault(name, _restored(name, self._decisions().get(name)))
                    state.logs[log] = Participation(0, each.first_offset, log.end_offset)
        for state in found.values():
            with state.lock:
                self._finish(state, committed=state.phase == "committed")

    def _is_known(self, name: str, log: Log, first_offset: int) -> bool:
        """Whether a transaction is one of those at work here, of which `log` is a partition."""
        with self._lock:
            state = self._states.get(name) or next((each for each in self._unmarked if each.id == name), None)
            if state is not None:
                state.logs.setdefault(log, Participation(0, first_offset, log.end_offset))
        return state is not None

    def _parts_of(self, decision: Decision) -> dict[Log, Participation]:
        """The partitions of a committed transaction, as far as they are still there."""
        return {
            self.partitions_of(topic)[number]: Participation(0, first, end)
            for topic, number, first, end in decision.get("partitions", ())
            if number < len(self.partitions_of(topic))
        }

    def close(self) -> None:
        """Abort what is open: nobody can commit it any more."""
        with self._lock:
            self._closed = True
            states = list(self._states.values())
        for state in states:
            with state.lock:
                if state.phase == "open":
                    state.failure = TransactionAborted(f"transaction {state.id} was aborted: the storage was closed")
                    self._finish(state, committed=False)


def _end(log: Log, ends: Mapping[Log, int]) -> int:
    """Up to where a log may be read, if `ends` does not say."""
    return ends.get(log, log.last_stable_offset)


def _is_shared(decision: Decision) -> bool:
    """Whether a decision is a commit in several partitions."""
    return decision["state"] == "committed" and "partitions" in decision


def _is_below(parts: Mapping[Log, Participation], ends: Mapping[Log, int]) -> bool:
    """Whether all of a transaction may be read."""
    return all(min(part.end_offset, log.end_offset) <= _end(log, ends) for log, part in parts.items())


def _restored(transaction: str, decision: Decision | None) -> State:
    """A transaction as the journal has it; without a record it is aborted."""
    producer, _, epoch = transaction.partition(".")
    state = State(transaction, int(producer), int(epoch), None, 0, None, "aborted", is_own=False)
    if decision is not None:
        state.phase, state.name, state.since_us = decision["state"], decision["name"], decision["since_us"]
        state.offsets = [OffsetCommit(record, _anybody) for record in decision["groups"]]
    return state


def _anybody() -> None:
    """The check of offsets whose consumer is gone with its process: they were allowed when it prepared."""
