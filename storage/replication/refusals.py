"""Refusals in words: the error a client or an operator gets for each reason."""

from __future__ import annotations

from storage.errors import StorageError
from storage.replication.messages import Refusal


class NotLeader(StorageError):
    """An append came to a replica that does not lead the partition."""

    sqlstate = "55000"


class NotEnoughReplicas(StorageError):
    """Fewer replicas are in sync than min_insync_replicas; nothing was stored."""

    sqlstate = "55000"


class OutcomeUnknown(StorageError):
    """The leader lost its leadership before an append was committed; it may or may not be there."""

    sqlstate = "08007"


class InvalidAssignment(StorageError):
    """Replicas or min_insync_replicas that make no sense together."""

    sqlstate = "22023"


class NoElection(StorageError):
    """An unclean election was asked for where none is needed or possible."""

    sqlstate = "55000"


_ERRORS: dict[Refusal, tuple[type[StorageError], str, str]] = {
    Refusal.NOT_LEADER: (
        NotLeader,
        "this replica does not lead the partition",
        "send to the leader that is named, or try again when there is one",
    ),
    Refusal.NOT_ENOUGH_REPLICAS: (
        NotEnoughReplicas,
        "fewer replicas are in sync than min_insync_replicas asks for",
        "bring replicas back, or lower min_insync_replicas",
    ),
    Refusal.OUTCOME_UNKNOWN: (
        OutcomeUnknown,
        "the leader lost its leadership before the append was committed",
        "repeat it with the same producer sequence; it is stored once",
    ),
    Refusal.BAD_ASSIGNMENT: (
        InvalidAssignment,
        "replicas must be different, and not fewer than min_insync_replicas",
        "name each replica once",
    ),
    Refusal.BAD_MIN_INSYNC: (
        InvalidAssignment,
        "min_insync_replicas must be between 1 and the number of replicas",
        "add replicas first",
    ),
    Refusal.HAS_LEADER: (
        NoElection,
        "the partition has a leader, or will have one without loss",
        "an unclean election is for partitions whose safe replicas are all gone",
    ),
    Refusal.NO_REPLICA: (NoElection, "no replica of the partition is alive", "bring one back first"),
}


def refusal_error(reason: Refusal) -> StorageError:
    """The error for a reason other than NONE."""
    kind, message, hint = _ERRORS[reason]
    return kind(message, hint=hint)


def too_few_have_it() -> OutcomeUnknown:
    """The error of an append that was stored by fewer replicas than count."""
    return OutcomeUnknown(
        "replicas failed during the append, and fewer than min_insync_replicas have it",
        hint="it becomes committed when they are back; repeat it with the same producer sequence",
    )
