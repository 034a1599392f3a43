"""The leader's half of the protocol: appends, followers' progress, the high watermark, changes of the ISR.

Commit rule: a record is committed when every replica that may be in the ISR has it, and the ISR has `min_insync`
members (the strict high watermark of KIP-966). "May be": a member whom the leader proposed counts from the moment of
the proposal on, because the controller may have agreed already.

A leader that a reassignment leaves out appends nothing more once all of the target are in sync, and resigns when it has
committed what it has: so whoever of them leads next has every record that a client waits for.
"""

from __future__ import annotations

from storage.replacing import replace
from storage.replication import epochs as ep
from storage.replication.messages import (
    CONTROLLER,
    NOBODY,
    Append,
    Appended,
    AppendRefused,
    Diverging,
    Entry,
    Fenced,
    Fetch,
    Fetched,
    Member,
    Metadata,
    ProposeIsr,
    Refusal,
    Resign,
    Stored,
    Trim,
)
from storage.replication.state import Idle, Leading, Outbox, Pending, Progress, Proposal, Read, Replica


def lead(state: Replica, epoch: int, out: Outbox) -> Replica:
    """Begin an epoch as its leader. What was known of followers in earlier epochs does not count."""
    role = Leading(epoch, state.log.end, state.clock.now_ms)
    return settle(replace(state, role=role), out)


def stand_down(state: Replica, role: Leading, out: Outbox) -> Replica:
    """Stop leading; whether the pending appends become committed is up to the next leader."""
    for append in role.pending:
        out.send(append.client, AppendRefused(state.id, append.request, Refusal.OUTCOME_UNKNOWN, state.leader))
    return replace(state, role=Idle())


def renew(state: Replica, role: Leading, out: Outbox) -> Replica:
    """Take newer metadata of the same epoch into account: it settles the proposal, and the ISR may be smaller."""
    metadata = known(state)
    proposal = role.proposal if role.proposal and role.proposal.version >= metadata.version else None
    progress = tuple(follower for follower in role.progress if follower.replica in metadata.replicas)
    role = replace(role, progress=progress)
    if role.proposal is not None and proposal is None and not is_granted(role.proposal, metadata):
        until_ms = state.clock.now_ms + state.settings.heartbeat_ms
        role = replace(role, refused=role.proposal.isr, refused_until_ms=until_ms)
    state = replace(state, role=replace(role, proposal=proposal))
    return settle(state, out)


def is_granted(proposal: Proposal, metadata: Metadata) -> bool:
    """Whether all that a proposal asked for are in the ISR."""
    return all(member.replica in metadata.isr for member in proposal.isr)


def known(state: Replica) -> Metadata:
    """The metadata; a replica has a role only since it has them."""
    assert state.metadata is not None
    return state.metadata


def role_of(state: Replica) -> Leading:
    """The role of a replica that leads."""
    assert isinstance(state.role, Leading)
    return state.role


# ---------------------------------------------------------------- appends


def on_append(state: Replica, role: Leading, message: Append, out: Outbox) -> Replica:
    """Write a client's batch; it is answered when it is committed."""
    if len(known(state).isr) < known(state).min_insync:
        refusal = AppendRefused(state.id, message.request, Refusal.NOT_ENOUGH_REPLICAS, state.id)
        out.send(message.sender, refusal)
        return state
    if is_leaving(state):
        out.send(message.sender, AppendRefused(state.id, message.request, Refusal.NOT_LEADER, NOBODY))
        return state
    entry = Entry(state.log.end, message.records, role.epoch, message.payload)
    out.appends.append(entry)
    pending = Pending(message.sender, message.request, entry.base_offset, entry.next_offset)
    role = replace(role, pending=(*role.pending, pending))
    return settle(replace(state, role=role, log=state.log.appended((entry,))), out)


def on_trim(state: Replica, message: Trim, out: Outbox) -> Replica:
    """Drop old records, committed ones only; followers do so when they hear of the new start."""
    start = min(message.offset, state.high_watermark)
    if start <= state.log.start:
        return state
    out.delete_before = start
    return settle(replace(state, log=state.log.trimmed(start)), out)


# ---------------------------------------------------------------- followers


def on_fetch(state: Replica, role: Leading, message: Fetch, out: Outbox) -> Replica:
    """Compare the follower's log with ours, note how far it is, answer now or when there is something to say."""
    follower = recognised(state, role, message, out)
    if follower is None:
        return state
    log = state.log
    apart = ep.divergence(log.epochs, log.start, log.end, message.last_epoch, message.log_end)
    if apart is not None:
        reply = Diverging(
            state.id, role.epoch, message.incarnation, message.round, apart.epoch, apart.offset, state.log.start
        )
        out.send(message.sender, reply)
        return replace(state, role=role.knowing(follower))
    follower = advanced(state, follower, message.log_end, message.synced)
    follower = replace(
        follower,
        fetched_ms=state.clock.now_ms,
        end_at_fetch=log.end,
        high_watermark=message.high_watermark,
        waiting=message.round,
    )
    return settle(replace(state, role=role.knowing(follower)), out)


def on_stored(state: Replica, role: Leading, message: Stored, out: Outbox) -> Replica:
    """Note how far a follower is whose log is known to be a prefix of ours."""
    follower = recognised(state, role, message, out)
    if follower is None or follower.log_end < 0:
        return state
    follower = advanced(state, follower, message.log_end, message.synced)
    return settle(replace(state, role=role.knowing(follower)), out)


def recognised(state: Replica, role: Leading, message: Fetch | Stored, out: Outbox) -> Progress | None:
    """What is known of the sender, None if the message does not count: another epoch, an earlier incarnation, a
    stranger. A new incarnation begins anew: it may have lost what its predecessor had.
    """
    if message.leader_epoch != role.epoch:
        if message.leader_epoch < role.epoch:
            out.send(message.sender, Fenced(state.id, role.epoch, message.incarnation))
        return None
    if message.sender not in known(state).replicas:
        return None
    follower = role.of(message.sender)
    if follower is None or follower.incarnation < message.incarnation:
        return Progress(message.sender, message.incarnation, caught_up_ms=state.clock.now_ms)
    return follower if follower.incarnation == message.incarnation else None


def advanced(state: Replica, follower: Progress, log_end: int, synced: int) -> Progress:
    """A follower's log only grows within an epoch and an incarnation, so late messages say nothing new."""
    log_end, synced = max(follower.log_end, log_end), max(follower.synced, synced)
    caught_up_ms = follower.caught_up_ms
    if counted(state, log_end, synced) >= state.progress_offset:
        caught_up_ms = state.clock.now_ms
    elif counted(state, log_end, synced) >= follower.end_at_fetch:
        caught_up_ms = max(caught_up_ms, follower.fetched_ms)
    return replace(follower, log_end=log_end, synced=synced, caught_up_ms=caught_up_ms)


def counted(state: Replica, log_end: int, synced: int) -> int:
    """How far a replica's log counts for commits."""
    return min(log_end, synced) if state.settings.commit_synced else log_end


# ---------------------------------------------------------------- the high watermark


def settle(state: Replica, out: Outbox) -> Replica:
    """After any change: commit what can be committed, propose who has caught up, answer the fetches that wait."""
    state = commit(state, out)
    state = propose_caught_up(state, out)
    state = resign(state, out)
    return serve(state, out)


def commit(state: Replica, out: Outbox) -> Replica:
    """Move the high watermark to the offset that all members have; never back."""
    role = role_of(state)
    offset = committable(state, role)
    if offset <= state.high_watermark:
        return state
    out.committed = offset
    for append in role.pending:
        if append.next_offset <= offset:
            out.send(append.client, Appended(state.id, append.request, role.epoch, append.base_offset))
    pending = tuple(append for append in role.pending if append.next_offset > offset)
    return replace(state, high_watermark=offset, role=replace(role, pending=pending))


def committable(state: Replica, role: Leading) -> int:
    """The offset up to which every possible member has the log; -1 if the ISR is too small to commit."""
    if len(known(state).isr) < known(state).min_insync:
        return -1
    return min(offset_of(state, role, member) for member in possible_members(state, role))


def possible_members(state: Replica, role: Leading) -> set[int]:
    """The ISR as it is known, and whom an open proposal may have added to it."""
    proposed = () if role.proposal is None else role.proposal.isr
    return {*known(state).isr, *(member.replica for member in proposed)}


def offset_of(state: Replica, role: Leading, replica: int) -> int:
    """How far a member's log counts, -1 if it has not been compared with ours."""
    if replica == state.id:
        return state.progress_offset
    follower = role.of(replica)
    return -1 if follower is None else counted(state, follower.log_end, follower.synced)


# ---------------------------------------------------------------- the in-sync replicas


def on_tick(state: Replica, role: Leading, out: Outbox) -> Replica:
    """Repeat an open proposal, or propose an ISR without those who lag."""
    state = resign(state, out)
    role = role_of(state)
    if role.proposal is not None:
        return repeat(state, role, role.proposal, out) if state.clock.now_ms >= role.proposal.due_ms else state
    isr = known(state).isr
    staying = tuple(replica for replica in isr if replica == state.id or not is_lagging(state, role, replica))
    return propose(state, role, staying, out) if staying != isr else state


def is_lagging(state: Replica, role: Leading, replica: int) -> bool:
    """Whether a follower has not been caught up for longer than the limit."""
    return state.clock.now_ms - caught_up_ms(role, replica) > state.settings.lag_limit_ms


def caught_up_ms(role: Leading, replica: int) -> int:
    """When a follower last had all there was; a follower never heard of has the lag limit from the epoch's begin on."""
    follower = role.of(replica)
    return role.since_ms if follower is None else max(role.since_ms, follower.caught_up_ms)


def propose_caught_up(state: Replica, out: Outbox) -> Replica:
    """Ask for followers to join the ISR that have everything committed and all of earlier epochs, and do not lag."""
    role = role_of(state)
    if role.proposal is not None:
        return state
    needed = max(state.high_watermark, role.begin_offset)
    isr = known(state).isr
    joining = sorted(
        follower.replica
        for follower in role.progress
        if follower.replica not in isr
        and offset_of(state, role, follower.replica) >= needed
        and not is_lagging(state, role, follower.replica)
    )
    if not joining or is_refused(state, role, (*isr, *joining)):
        return state
    return propose(state, role, (*isr, *joining), out)


def is_refused(state: Replica, role: Leading, isr: tuple[int, ...]) -> bool:
    """Whether the controller has just refused that ISR."""
    return state.clock.now_ms < role.refused_until_ms and role.refused == members_of(state, role, isr)


def members_of(state: Replica, role: Leading, isr: tuple[int, ...]) -> tuple[Member, ...]:
    """Replicas with the incarnations whose logs we know."""
    return tuple(Member(replica, incarnation_of(state, role, replica)) for replica in isr)


def propose(state: Replica, role: Leading, isr: tuple[int, ...], out: Outbox) -> Replica:
    """Ask the controller for an ISR; one proposal at a time."""
    return repeat(state, role, Proposal(known(state).version, members_of(state, role, isr), 0), out)


def incarnation_of(state: Replica, role: Leading, replica: int) -> int:
    """The incarnation whose log we know; 0 for a member that has not fetched in this epoch."""
    if replica == state.id:
        return state.incarnation
    follower = role.of(replica)
    return 0 if follower is None else follower.incarnation


def repeat(state: Replica, role: Leading, proposal: Proposal, out: Outbox) -> Replica:
    """Send a proposal (again)."""
    out.send(CONTROLLER, ProposeIsr(state.id, state.incarnation, role.epoch, proposal.version, proposal.isr))
    proposal = replace(proposal, due_ms=state.clock.now_ms + state.settings.heartbeat_ms)
    return replace(state, role=replace(role, proposal=proposal))


# ---------------------------------------------------------------- the end of a reassignment


def is_leaving(state: Replica) -> bool:
    """Whether the partition moves away from this leader, and all whom it moves to are in sync."""
    target = known(state).target
    return bool(target) and state.id not in target and set(target) <= set(known(state).isr)


def resign(state: Replica, out: Outbox) -> Replica:
    """Offer to go, again and again, when this leader is leaving and nobody needs it any more."""
    role, version = role_of(state), known(state).version
    if not is_leaving(state) or state.high_watermark < state.log.end:
        return state
    if role.resigned == version and state.clock.now_ms < role.resign_due_ms:
        return state
    out.send(CONTROLLER, Resign(state.id, state.incarnation, role.epoch, version))
    due_ms = state.clock.now_ms + state.settings.heartbeat_ms
    return replace(state, role=replace(role, resigned=version, resign_due_ms=due_ms))


# ---------------------------------------------------------------- answers to fetches


def serve(state: Replica, out: Outbox) -> Replica:
    """Answer the waiting fetches for which there is news: entries, or a higher high watermark."""
    role = role_of(state)
    for follower in role.progress:
        if follower.waiting is None or not has_news(state, follower):
            continue
        reply = Fetched(
            state.id,
            role.epoch,
            follower.incarnation,
            follower.waiting,
            state.high_watermark,
            state.log.start,
            (),
        )
        out.reads.append(Read(follower.replica, follower.log_end, state.log.end, reply))
        role = role.knowing(replace(follower, waiting=None))
    return state if role is state.role else replace(state, role=role)


def has_news(state: Replica, follower: Progress) -> bool:
    """Whether a follower does not know all we could tell it."""
    return follower.log_end < state.log.end or follower.high_watermark < min(state.high_watermark, follower.log_end)
