"""The replication protocol of one partition as a pure step function; no I/O, no clock, no randomness, no waiting.

    state, ready = step(state, event)

An event is a message or what happened to the replica itself (`messages`); `ready` says what to do (`state.Ready`). The
same events give the same steps, so that a seeded simulation can play any history, and a transport can be anything.
"""

from __future__ import annotations

from storage.replacing import replace
from storage.replication import follower, leader, membership
from storage.replication.messages import (
    Append,
    AppendRefused,
    Damaged,
    Decided,
    Diverging,
    Event,
    Fenced,
    Fetch,
    Fetched,
    Refusal,
    Registered,
    Stored,
    Synced,
    Tick,
    Trim,
    Unregistered,
)
from storage.replication.state import Following, Leading, Outbox, Ready, Replica


def step(state: Replica, event: Event) -> tuple[Replica, Ready]:
    """The replica after `event`, and what to do. Messages that are late, doubled or for another role change nothing.

    Raises TypeError for an event that is not for replicas.
    """
    out = Outbox()
    match event:
        case Tick():
            state = on_tick(state, event, out)
        case Synced():
            state = on_synced(state, event, out)
        case Damaged():
            state = membership.on_damaged(state, event, out)
        case Registered():
            state = membership.on_registered(state, event, out)
        case Unregistered():
            state = membership.on_unregistered(state, event, out)
        case Decided():
            state = membership.on_decided(state, event, out)
        case Append() | Fetch() | Stored() | Trim():
            state = to_leader(state, event, out)
        case Fetched() | Diverging() | Fenced():
            state = to_follower(state, event, out)
        case _:
            raise TypeError(f"a replica does not understand {type(event).__name__}")
    return state, out.ready()


def on_tick(state: Replica, event: Tick, out: Outbox) -> Replica:
    """Let time pass: heartbeats, then what the role has to do."""
    state = replace(state, clock=state.clock.ticked(event.now_ms, state.settings.tick_max_ms))
    state = membership.on_tick(state, out)
    if isinstance(state.role, Leading):
        return leader.on_tick(state, state.role, out)
    if isinstance(state.role, Following):
        return follower.on_tick(state, state.role, out)
    return state


def on_synced(state: Replica, event: Synced, out: Outbox) -> Replica:
    """Note what is synced, and let it count."""
    synced = min(event.offset, state.log.end)
    if synced <= state.log.synced:
        return state
    state = replace(state, log=replace(state.log, synced=synced))
    if isinstance(state.role, Leading):
        return leader.settle(state, out)
    if isinstance(state.role, Following):
        return follower.on_synced(state, state.role, out)
    return state


def to_leader(state: Replica, event: Append | Fetch | Stored | Trim, out: Outbox) -> Replica:
    """What only a leader can do; a client is told when this is none."""
    role = state.role
    if not isinstance(role, Leading):
        if isinstance(event, Append):
            out.send(event.sender, AppendRefused(state.id, event.request, Refusal.NOT_LEADER, state.leader))
        return state
    match event:
        case Append():
            return leader.on_append(state, role, event, out)
        case Fetch():
            return leader.on_fetch(state, role, event, out)
        case Stored():
            return leader.on_stored(state, role, event, out)
        case Trim():
            return leader.on_trim(state, event, out)


def to_follower(state: Replica, event: Fetched | Diverging | Fenced, out: Outbox) -> Replica:
    """What only a follower can use."""
    role = state.role
    if not isinstance(role, Following):
        return state
    match event:
        case Fetched():
            return follower.on_fetched(state, role, event, out)
        case Diverging():
            return follower.on_diverging(state, role, event, out)
        case Fenced():
            return follower.on_fenced(state, role, event)
