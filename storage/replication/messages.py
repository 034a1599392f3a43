"""What replicas, their controller and clients say to one another: frozen plain values, never objects.

Every message can be turned into bytes (`codec`), so a transport may be a function call or a network. Offsets count
records; epochs, versions and incarnations only grow. Replicas have ids >= 0. This module must not decide anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

CONTROLLER = -1
"""The address of the controller."""
NOBODY = -1
"""The leader of a partition that has none, and the epoch of a log without entries."""


class Integrity(IntEnum):
    """What a replica knows of its log when it opens it.

    INTACT: everything it ever said it had is there. TAIL: what was not synced may be gone. DAMAGED: synced records are
    gone or unreadable; a new directory is DAMAGED too.
    """

    INTACT = 0
    TAIL = 1
    DAMAGED = 2


class Refusal(IntEnum):
    """Why an append or a request to the controller was not done; `refusals` says it in words."""

    NONE = 0
    NOT_LEADER = 1
    NOT_ENOUGH_REPLICAS = 2
    OUTCOME_UNKNOWN = 3
    BAD_ASSIGNMENT = 4
    BAD_MIN_INSYNC = 5
    HAS_LEADER = 6
    NO_REPLICA = 7


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame of the log: `records` offsets from `base_offset`, written by the leader of `leader_epoch`."""

    base_offset: int
    records: int
    leader_epoch: int
    payload: bytes

    @property
    def next_offset(self) -> int:
        """Offset of the first record after it."""
        return self.base_offset + self.records


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is decided about a partition.

    `version` grows with every decision, `leader_epoch` with every election. isr: the in-sync replicas, all of which
    have every committed record. eligible: replicas that left the ISR but have it all as well, because nothing was
    committed without them: the ISR was smaller than `min_insync` (KIP-966), or there was no leader. suspects: members
    of either that may have lost what they had not synced. target: the replicas wanted by a reassignment under way, ()
    without one. unclean_epoch: the newest epoch whose leader was not known to have all committed records, -1 if there
    was none.
    """

    version: int
    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    eligible: tuple[int, ...]
    suspects: tuple[int, ...]
    target: tuple[int, ...]
    min_insync: int
    unclean_epoch: int


@dataclass(frozen=True, slots=True)
class Member:
    """A replica in a proposal: its id and the incarnation whose log was seen to be caught up."""

    replica: int
    incarnation: int


# ---------------------------------------------------------------- what happens to a replica or the controller itself


@dataclass(frozen=True, slots=True)
class Tick:
    """The time, in milliseconds, of any clock; it may jump."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class Synced:
    """All records before `offset` of the log as it is now would survive a power failure.

    A sync that began before a truncation counts only up to where the log was cut.
    """

    offset: int


@dataclass(frozen=True, slots=True)
class Damaged:
    """Records from `offset` on cannot be read. `life` is a new one: see `Register`."""

    offset: int
    life: int


@dataclass(frozen=True, slots=True)
class Trim:
    """Retention: the leader may drop records before `offset`, where a frame begins, as far as they are committed."""

    offset: int


# ---------------------------------------------------------------- clients and the leader


@dataclass(frozen=True, slots=True)
class Append:
    """A client's batch of `records`; answered by Appended or AppendRefused with the same `request`."""

    sender: int
    request: int
    records: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """The batch is committed; its first record has `base_offset`."""

    sender: int
    request: int
    leader_epoch: int
    base_offset: int


@dataclass(frozen=True, slots=True)
class AppendRefused:
    """The batch was not stored, or (OUTCOME_UNKNOWN) it was and may or may not become committed."""

    sender: int
    request: int
    reason: Refusal
    leader: int


# ---------------------------------------------------------------- followers and their leader


@dataclass(frozen=True, slots=True)
class Fetch:
    """A follower asks for what comes after its log and says what it has.

    last_epoch: the epoch of its last entry, -1 for an empty log. `round` numbers its fetches.
    """

    sender: int
    leader_epoch: int
    incarnation: int
    round: int
    log_end: int
    last_epoch: int
    synced: int
    high_watermark: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A follower says what it has without asking for more."""

    sender: int
    leader_epoch: int
    incarnation: int
    log_end: int
    synced: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Entries for a follower, and how far the leader's log is committed and begins."""

    sender: int
    leader_epoch: int
    incarnation: int
    round: int
    high_watermark: int
    start_offset: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Diverging:
    """The follower's log is no prefix of the leader's: `epoch` is the newest of the leader's epochs not above the
    follower's last one and ends at `end_offset`; the leader's log begins at `start_offset` (KIP-101, KIP-595).
    """

    sender: int
    leader_epoch: int
    incarnation: int
    round: int
    epoch: int
    end_offset: int
    start_offset: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """The fetch was of an older epoch than the leader's."""

    sender: int
    leader_epoch: int
    incarnation: int


# ---------------------------------------------------------------- replicas and the controller


@dataclass(frozen=True, slots=True)
class Register:
    """A replica was opened. `life` differs from those of all earlier openings (and from those after `Damaged`)."""

    sender: int
    life: int


@dataclass(frozen=True, slots=True)
class Registered:
    """The replica of that life is known as `incarnation`."""

    life: int
    incarnation: int


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The controller no longer knows `incarnation`; the replica has to register again."""

    incarnation: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A replica lives, and knows the decisions up to `version`. The first one of an incarnation announces what was
    found when it was opened.
    """

    sender: int
    incarnation: int
    version: int
    integrity: Integrity
    log_end: int
    last_epoch: int


@dataclass(frozen=True, slots=True)
class ProposeIsr:
    """The leader of `leader_epoch` wants another ISR in place of that of `version`."""

    sender: int
    incarnation: int
    leader_epoch: int
    version: int
    isr: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Resign:
    """The leader of `leader_epoch`, which is not in the target of the reassignment of `version`, has committed all that
    it has and appends nothing more: it can be replaced.
    """

    sender: int
    incarnation: int
    leader_epoch: int
    version: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What the controller decided, for the replica's `incarnation`."""

    incarnation: int
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Reassign:
    """An operator wants the partition on `replicas`, the preferred leader first."""

    sender: int
    request: int
    replicas: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SetMinInsync:
    """An operator wants records committed only with so many replicas in sync."""

    sender: int
    request: int
    min_insync: int


@dataclass(frozen=True, slots=True)
class ElectUnclean:
    """An operator accepts the loss of committed records for having a leader again."""

    sender: int
    request: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The controller's answer to an operator."""

    request: int
    reason: Refusal


Message = (
    Append
    | Appended
    | AppendRefused
    | Fetch
    | Stored
    | Fetched
    | Diverging
    | Fenced
    | Register
    | Registered
    | Unregistered
    | Heartbeat
    | ProposeIsr
    | Resign
    | Decided
    | Reassign
    | SetMinInsync
    | ElectUnclean
    | Answered
)
Event = Message | Tick | Synced | Damaged | Trim


@dataclass(frozen=True, slots=True)
class Send:
    """A message and whom it is for."""

    to: int
    message: Message
