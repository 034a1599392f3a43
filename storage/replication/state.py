"""What a replica remembers between steps, and what a step asks its caller to do.

All of it is frozen; the log is known by its offsets and epochs only, its bytes are the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.replacing import replace
from storage.replication import epochs as ep
from storage.replication.epochs import Epochs
from storage.replication.messages import NOBODY, Entry, Fetched, Integrity, Member, Message, Metadata, Send

UNREGISTERED = 0
"""The incarnation of a replica that the controller does not know (yet)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in milliseconds of a replica and of its controller.

    commit_synced: a replica counts as having a record once it has synced it, else once it has written it. lag_limit_ms:
    a follower that was not caught up for so long leaves the ISR. session_timeout_ms: a replica not heard of for so long
    is taken for dead. election_wait_ms: how long an election waits for in-sync replicas that have not announced
    themselves. tick_max_ms: a tick moves the time by at most that, however far a clock jumps.
    """

    commit_synced: bool = True
    lag_limit_ms: int = 10_000
    fetch_timeout_ms: int = 500
    heartbeat_ms: int = 500
    session_timeout_ms: int = 6_000
    election_wait_ms: int = 1_000
    tick_max_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Milliseconds that passed between ticks (`now_ms`), and what the last tick said (`wall_ms`, None before one)."""

    now_ms: int = 0
    wall_ms: int | None = None

    def ticked(self, wall_ms: int, most_ms: int) -> Clock:
        """After a tick at `wall_ms`: time never goes back, and moves by `most_ms` at most."""
        passed = 0 if self.wall_ms is None else max(0, min(wall_ms - self.wall_ms, most_ms))
        return Clock(self.now_ms + passed, wall_ms)


@dataclass(frozen=True, slots=True)
class LogState:
    """Offsets of a log: the first kept, the next to be written, the first not synced; the epochs of its entries."""

    start: int = 0
    end: int = 0
    synced: int = 0
    epochs: Epochs = ()

    @property
    def last_epoch(self) -> int:
        """Epoch of the last entry, -1 if there is none."""
        return ep.last_epoch(self.epochs)

    def appended(self, entries: tuple[Entry, ...]) -> LogState:
        """With `entries` behind the last one."""
        return replace(self, end=entries[-1].next_offset, epochs=ep.after_entries(self.epochs, entries))

    def truncated(self, end: int) -> LogState:
        """With nothing from `end` on."""
        return replace(self, end=end, synced=min(self.synced, end), epochs=ep.before(self.epochs, end))

    def trimmed(self, start: int) -> LogState:
        """With nothing before `start`."""
        return replace(self, start=start, synced=max(self.synced, start), epochs=ep.since(self.epochs, start, self.end))


@dataclass(frozen=True, slots=True)
class Idle:
    """Neither leads nor follows: not registered, no leader known, or no longer among the replicas."""


@dataclass(frozen=True, slots=True)
class Following:
    """Copies the log of `leader`. validated: its log was a prefix of the leader's in this epoch."""

    leader: int
    epoch: int
    fetch_due_ms: int
    validated: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """What the leader knows of a follower in its epoch.

    log_end is -1 before the follower's log was found to be a prefix of the leader's. waiting: the fetch to be answered
    when there is news, None if there is none. fetched_ms, end_at_fetch: when it last fetched and where the leader's
    log ended then; a follower that has come so far since was caught up at that time.
    """

    replica: int
    incarnation: int
    log_end: int = -1
    synced: int = -1
    caught_up_ms: int = 0
    fetched_ms: int = 0
    end_at_fetch: int = 0
    high_watermark: int = 0
    waiting: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """An append that is not yet committed."""

    client: int
    request: int
    base_offset: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of the ISR of `version` the controller was asked for. It may be done already, or be done any time
    until a newer version is heard of.
    """

    version: int
    isr: tuple[Member, ...]
    due_ms: int


@dataclass(frozen=True, slots=True)
class Leading:
    """Leads in `epoch`, in which the log began at `begin_offset`. refused: the ISR that the controller did not grant
    last, which is not asked for again before `refused_until_ms`: asking at once would not end. resigned: the version of
    the metadata by which it has resigned, which is repeated at `resign_due_ms`.
    """

    epoch: int
    begin_offset: int
    since_ms: int
    progress: tuple[Progress, ...] = ()
    pending: tuple[Pending, ...] = ()
    proposal: Proposal | None = None
    refused: tuple[Member, ...] = ()
    refused_until_ms: int = 0
    resigned: int = NOBODY
    resign_due_ms: int = 0

    def of(self, replica: int) -> Progress | None:
        """What is known of a follower."""
        return next((known for known in self.progress if known.replica == replica), None)

    def knowing(self, progress: Progress) -> Leading:
        """With `progress` in place of what was known of that follower."""
        others = tuple(known for known in self.progress if known.replica != progress.replica)
        return replace(self, progress=(*others, progress))


Role = Idle | Following | Leading


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica of one partition.

    life, incarnation: see `messages.Register`. integrity: what is still to be announced. uncut: the real log goes on
    behind `log.end` with records that cannot be trusted; they are cut off when the replica gets a role, not before,
    because until then nobody is known to have them. high_watermark: records before it are known to be committed.
    """

    id: int
    settings: Settings
    life: int
    log: LogState
    integrity: Integrity = Integrity.INTACT
    high_watermark: int = 0
    uncut: bool = False
    clock: Clock = Clock()
    incarnation: int = UNREGISTERED
    heartbeat_due_ms: int = 0
    round: int = 0
    metadata: Metadata | None = None
    role: Role = Idle()

    @property
    def progress_offset(self) -> int:
        """How far this replica's own log counts for commits."""
        return self.log.synced if self.settings.commit_synced else self.log.end

    @property
    def is_removed(self) -> bool:
        """Whether the partition has been moved away from this replica, so that its log can be deleted."""
        return self.metadata is not None and self.id not in self.metadata.replicas

    @property
    def leader(self) -> int:
        """Whom this replica takes for the leader."""
        return NOBODY if self.metadata is None else self.metadata.leader


def opened(
    replica: int,
    settings: Settings,
    *,
    life: int,
    log: LogState,
    integrity: Integrity = Integrity.INTACT,
    high_watermark: int = 0,
) -> Replica:
    """A replica as it begins. `high_watermark` is what was known when it was last saved, 0 if nothing was.

    `log` ends where it cannot be trusted any more. The caller gives the same `integrity` at every opening until a step
    leaves `integrity` INTACT: only then the controller has heard of it.
    """
    known = max(log.start, min(high_watermark, log.end))
    return Replica(replica, settings, life, log, integrity, known, uncut=integrity == Integrity.DAMAGED)


# ---------------------------------------------------------------- what a step asks for


@dataclass(frozen=True, slots=True)
class Truncation:
    """Drop all records from `end` on; or, if `start` is given, everything, and let the log begin there."""

    end: int
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """Send `reply` to `to`, with the entries from `offset` on (whole frames, as many as the caller finds right, at
    least one if there is one) before `limit`.
    """

    to: int
    offset: int
    limit: int
    reply: Fetched


@dataclass(frozen=True, slots=True)
class Ready:
    """What to do after a step, in this order: truncations, appends, deletions of old records, reads, messages.

    committed: the new high watermark if it moved. Nothing of it may be left out, and a step must not be made before
    the appends and truncations of the one before it are in the log (they need not be synced).
    """

    truncations: tuple[Truncation, ...] = ()
    appends: tuple[Entry, ...] = ()
    delete_before: int | None = None
    reads: tuple[Read, ...] = ()
    messages: tuple[Send, ...] = ()
    committed: int | None = None


@dataclass(slots=True)
class Outbox:
    """Collects a Ready within one step."""

    truncations: list[Truncation] = field(default_factory=list)
    appends: list[Entry] = field(default_factory=list)
    delete_before: int | None = None
    reads: list[Read] = field(default_factory=list)
    messages: list[Send] = field(default_factory=list)
    committed: int | None = None

    def send(self, to: int, message: Message) -> None:
        """Add a message."""
        self.messages.append(Send(to, message))

    def ready(self) -> Ready:
        """All that was collected."""
        return Ready(
            tuple(self.truncations),
            tuple(self.appends),
            self.delete_before,
            tuple(self.reads),
            tuple(self.messages),
            self.committed,
        )
