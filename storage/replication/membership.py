"""A replica and its controller: registering, heartbeats, taking on the role that was decided."""

from __future__ import annotations

from storage.replacing import replace
from storage.replication import follower, leader
from storage.replication.messages import (
    CONTROLLER,
    NOBODY,
    Damaged,
    Decided,
    Heartbeat,
    Integrity,
    Metadata,
    Register,
    Registered,
    Unregistered,
)
from storage.replication.state import UNREGISTERED, Following, Idle, Leading, Outbox, Replica, Truncation


def on_tick(state: Replica, out: Outbox) -> Replica:
    """Register until the controller answers; from then on send heartbeats."""
    return contact(state, out) if state.clock.now_ms >= state.heartbeat_due_ms else state


def contact(state: Replica, out: Outbox) -> Replica:
    """Say to the controller that this replica is here."""
    if state.incarnation == UNREGISTERED:
        out.send(CONTROLLER, Register(state.id, state.life))
    else:
        version = 0 if state.metadata is None else state.metadata.version
        log = state.log
        out.send(CONTROLLER, Heartbeat(state.id, state.incarnation, version, state.integrity, log.end, log.last_epoch))
    return replace(state, heartbeat_due_ms=state.clock.now_ms + state.settings.heartbeat_ms)


def on_registered(state: Replica, message: Registered, out: Outbox) -> Replica:
    """Announce what was found on opening. An answer to an earlier life of this replica does not count."""
    if message.life != state.life or state.incarnation != UNREGISTERED:
        return state
    return contact(replace(state, incarnation=message.incarnation), out)


def on_unregistered(state: Replica, message: Unregistered, out: Outbox) -> Replica:
    """Begin anew: the controller takes this replica for restarted, so it must not act on earlier decisions."""
    if message.incarnation != state.incarnation:
        return state
    return contact(replace(stand_down(state, out), incarnation=UNREGISTERED), out)


def on_damaged(state: Replica, message: Damaged, out: Outbox) -> Replica:
    """Count only what is before the damage, and tell the controller as if the replica had been opened like this."""
    state = stand_down(state, out)
    end = max(state.log.start, min(message.offset, state.log.end))
    state = replace(
        state,
        life=message.life,
        log=state.log.truncated(end),
        high_watermark=min(state.high_watermark, end),
        integrity=Integrity.DAMAGED,
        uncut=True,
        incarnation=UNREGISTERED,
    )
    return contact(state, out)


def stand_down(state: Replica, out: Outbox) -> Replica:
    """Give up the role."""
    if isinstance(state.role, Leading):
        return leader.stand_down(state, state.role, out)
    return replace(state, role=Idle())


def on_decided(state: Replica, message: Decided, out: Outbox) -> Replica:
    """Take newer metadata on. That they come at all means that the controller has heard the announcement."""
    if message.incarnation != state.incarnation or state.incarnation == UNREGISTERED:
        return state
    state = replace(state, integrity=Integrity.INTACT)
    known, metadata = state.metadata, message.metadata
    if known is not None and metadata.version < known.version:
        return state
    state = take_role(replace(state, metadata=metadata), metadata, out)
    if metadata.leader == NOBODY and (known is None or known.version < metadata.version):
        return contact(state, out)  # an election waits to hear how far our log goes now that it stands still
    return state


def take_role(state: Replica, metadata: Metadata, out: Outbox) -> Replica:
    """Lead, follow or stand by as `metadata` say; within an epoch the role goes on."""
    role, epoch = state.role, metadata.leader_epoch
    if state.id not in metadata.replicas or metadata.leader == NOBODY:
        return stand_down(state, out)
    if metadata.leader == state.id:
        if isinstance(role, Leading) and role.epoch == epoch:
            return leader.renew(state, role, out)
        return leader.lead(cut(stand_down(state, out), out), epoch, out)
    if isinstance(role, Following) and role.epoch == epoch:
        return state
    return follower.follow(cut(stand_down(state, out), out), metadata.leader, epoch, out)


def cut(state: Replica, out: Outbox) -> Replica:
    """Drop the records behind a damage, now that there is a leader without them."""
    if not state.uncut:
        return state
    out.truncations.append(Truncation(state.log.end))
    return replace(state, uncut=False)
