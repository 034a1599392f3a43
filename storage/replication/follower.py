"""The follower's half of the protocol: fetch, cut off what the leader's log does not have, store what it has.

A follower never cuts its log at its own high watermark (which lags behind the leader's), only where the logs part.
"""

from __future__ import annotations

from storage.replacing import replace
from storage.replication import epochs as ep
from storage.replication.epochs import EpochEnd
from storage.replication.messages import Diverging, Entry, Fenced, Fetch, Fetched, Stored
from storage.replication.state import Following, LogState, Outbox, Replica, Truncation


def follow(state: Replica, leader: int, epoch: int, out: Outbox) -> Replica:
    """Begin to follow the leader of an epoch."""
    return fetch(state, Following(leader, epoch, 0), out)


def fetch(state: Replica, role: Following, out: Outbox) -> Replica:
    """Ask the leader for what comes next."""
    state = replace(
        state,
        round=state.round + 1,
        role=replace(role, fetch_due_ms=state.clock.now_ms + state.settings.fetch_timeout_ms),
    )
    log = state.log
    message = Fetch(
        state.id, role.epoch, state.incarnation, state.round, log.end, log.last_epoch, log.synced, state.high_watermark
    )
    out.send(role.leader, message)
    return state


def on_tick(state: Replica, role: Following, out: Outbox) -> Replica:
    """Ask again when there was no answer."""
    return fetch(state, role, out) if state.clock.now_ms >= role.fetch_due_ms else state


def on_synced(state: Replica, role: Following, out: Outbox) -> Replica:
    """Tell the leader, to whom only synced records may count."""
    if role.validated and state.settings.commit_synced:
        out.send(role.leader, Stored(state.id, role.epoch, state.incarnation, state.log.end, state.log.synced))
    return state


def is_ours(state: Replica, role: Following, message: Fetched | Diverging | Fenced) -> bool:
    """Whether an answer is from the leader we follow, in its epoch, to this incarnation."""
    return (
        message.sender == role.leader
        and message.leader_epoch == role.epoch
        and message.incarnation == state.incarnation
    )


def on_fetched(state: Replica, role: Following, message: Fetched, out: Outbox) -> Replica:
    """Store the entries that continue our log; ask for more if this was the answer to our newest fetch.

    An answer to an older fetch is of use all the same: within an epoch the leader only sent what continues a prefix of
    its log, and our log is one.
    """
    if not is_ours(state, role, message):
        return state
    entries = continuing(state.log, message.entries)
    log = state.log.appended(entries) if entries else state.log
    out.appends.extend(entries)
    committed = min(message.high_watermark, log.end)
    if committed > state.high_watermark:
        out.committed = committed
        state = replace(state, high_watermark=committed)
    start = min(message.start_offset, state.high_watermark)
    if start > log.start:
        out.delete_before = start
        log = log.trimmed(start)
    role = replace(role, validated=True)
    state = replace(state, log=log, role=role)
    return fetch(state, role, out) if message.round == state.round or entries else state


def continuing(log: LogState, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Those of `entries` that come behind the log's end without a gap."""
    found: list[Entry] = []
    end = log.end
    for entry in entries:
        if entry.base_offset == end:
            found.append(entry)
            end = entry.next_offset
    return tuple(found)


def on_diverging(state: Replica, role: Following, message: Diverging, out: Outbox) -> Replica:
    """Cut our log where it leaves the leader's, and compare again.

    Counts only as the answer to the newest fetch: the log has not changed since, because every change is followed by a
    fetch.
    """
    if not is_ours(state, role, message) or message.round != state.round:
        return state
    log = state.log
    end = ep.cut_at(log.epochs, log.start, log.end, EpochEnd(message.epoch, message.end_offset))
    if end < message.start_offset or end < log.start:
        start = message.start_offset
        log = LogState(start, start, start)
        out.truncations.append(Truncation(start, start))
    else:
        log = log.truncated(end)
        out.truncations.append(Truncation(end))
    state = replace(state, log=log, high_watermark=max(log.start, min(state.high_watermark, log.end)))
    return fetch(state, role, out)


def on_fenced(state: Replica, role: Following, message: Fenced) -> Replica:
    """Our epoch is over: ask the controller at the next tick."""
    if message.sender != role.leader or message.incarnation != state.incarnation or message.leader_epoch <= role.epoch:
        return state
    return replace(state, heartbeat_due_ms=state.clock.now_ms)
