"""Planted faults: the machine with one rule broken. The simulation must find each of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from storage.replication import election, follower, leader, membership
from storage.replication import epochs as ep
from storage.replication.election import Standings
from storage.replication.epochs import EpochEnd
from storage.replication.messages import (
    NOBODY,
    Append,
    Diverging,
    Fetch,
    Integrity,
    Member,
    Metadata,
    ProposeIsr,
    Stored,
)
from storage.replication.state import Following, Leading, LogState, Outbox, Progress, Replica, Truncation
from tests.replication import world


@dataclass(frozen=True)
class Mutation:
    """`replacement` in place of `module.name`, and what rule that breaks."""

    breaks: str
    module: Any
    name: str
    replacement: Any

    @property
    def id(self) -> str:
        return self.breaks.replace(" ", "-")


# ---------------------------------------------------------------- commits


def commit_by_majority(state: Replica, role: Leading) -> int:
    offsets = sorted(leader.offset_of(state, role, r) for r in leader.possible_members(state, role))
    return offsets[(len(offsets) - 1) // 2 + (len(offsets) + 1) % 2]


def commit_alone(state: Replica, role: Leading) -> int:
    return state.progress_offset


def commit_below_min_insync(state: Replica, role: Leading) -> int:
    return min(leader.offset_of(state, role, r) for r in leader.possible_members(state, role))


def forget_the_proposed(state: Replica, role: Leading) -> set[int]:
    return set(leader.known(state).isr)


def assume_the_proposal_granted(state: Replica, role: Leading) -> set[int]:
    return {m.replica for m in role.proposal.isr} if role.proposal else set(leader.known(state).isr)


def count_what_is_written(state: Replica, log_end: int, synced: int) -> int:
    return log_end


# ---------------------------------------------------------------- epochs, fencing


def accept_any_epoch(state: Replica, role: Leading, message: Fetch | Stored, out: Outbox) -> Progress | None:
    return role.of(message.sender) or Progress(message.sender, message.incarnation)


def keep_progress_of_the_dead(state: Replica, role: Leading, message: Fetch | Stored, out: Outbox) -> Progress | None:
    if message.leader_epoch != role.epoch:
        return None
    known = role.of(message.sender)
    return (
        Progress(message.sender, message.incarnation)
        if known is None
        else replace(known, incarnation=message.incarnation)
    )


def never_diverging(epochs: Any, start: int, end: int, other_epoch: int, other_end: int) -> EpochEnd | None:
    return EpochEnd(NOBODY, end) if other_end > end or other_end < start else None


def cut_at_own_high_watermark(state: Replica, role: Following, message: Diverging, out: Outbox) -> Replica:
    if not follower.is_ours(state, role, message) or message.round != state.round:
        return state
    end = max(state.log.start, min(state.high_watermark, message.end_offset))
    out.truncations.append(Truncation(end))
    return follower.fetch(replace(state, log=state.log.truncated(end)), role, out)


def cut_at_late_answers(state: Replica, role: Following, message: Diverging, out: Outbox) -> Replica:
    return real_on_diverging(state, role, replace(message, round=state.round), out)


def restart_keeps_the_epoch(metadata: Metadata, replica: int) -> Metadata:
    return metadata


# ---------------------------------------------------------------- what was noted before an opening


def note_counts_for_all_records(log: LogState, epoch: int, offset: int) -> int:
    return log.end


# ---------------------------------------------------------------- elections and the ISR


def elect_anyone(metadata: Metadata, standings: Standings) -> tuple[int, ...]:
    return tuple(r for r in metadata.replicas if election.is_ready(standings, r))


def everyone_stays_eligible(
    metadata: Metadata, isr: tuple[int, ...], leader: int, lost: Collection[int] = ()
) -> tuple[int, ...]:
    return election.but(election.members(metadata), {*isr, *lost})


def trust_the_damaged(metadata: Metadata, replica: int) -> Metadata:
    return metadata


def grant_any_incarnation(metadata: Metadata, standings: Standings, member: Member) -> bool:
    return member.replica in metadata.replicas


def grant_old_versions(metadata: Metadata, standings: Standings, proposal: ProposeIsr) -> Metadata:
    if proposal.sender != metadata.leader:
        return metadata
    isr = tuple(m.replica for m in proposal.isr if m.replica in metadata.replicas)
    return election.changed(metadata, isr=isr, eligible=election.eligible_after(metadata, isr, metadata.leader))


def join_before_caught_up(state: Replica, out: Outbox) -> Replica:
    role = state.role
    assert isinstance(role, Leading)
    isr = leader.known(state).isr
    joining = [p.replica for p in role.progress if p.replica not in isr]
    return state if role.proposal or not joining else leader.propose(state, role, (*isr, *joining), out)


def complete_at_once(metadata: Metadata) -> Metadata:
    if not metadata.target or metadata.leader == NOBODY:
        return metadata
    t = metadata.target
    return election.changed(
        metadata, replicas=t, target=(), isr=t, leader=metadata.leader if metadata.leader in t else NOBODY
    )


def complete_without_the_leader(metadata: Metadata) -> Metadata:
    return metadata if metadata.leader == NOBODY else election.moved(metadata)


def resign_at_once(state: Replica, out: Outbox) -> Replica:
    resigned = real_resign(replace(state, high_watermark=state.log.end), out)
    return replace(resigned, high_watermark=state.high_watermark)


def append_while_leaving(state: Replica, role: Leading, message: Append, out: Outbox) -> Replica:
    metadata = leader.known(state)
    staying = replace(state, metadata=replace(metadata, target=()))
    return replace(real_on_append(staying, role, message, out), metadata=metadata)


def never_cut_damage(state: Replica, out: Outbox) -> Replica:
    return replace(state, uncut=False)


def announce_intact(state: Replica, out: Outbox) -> Replica:
    return real_contact(replace(state, integrity=Integrity.INTACT), out)


real_contact = membership.contact
real_on_append = leader.on_append
real_resign = leader.resign
real_on_diverging = follower.on_diverging

MUTATIONS = (
    Mutation("commit by majority", leader, "committable", commit_by_majority),
    Mutation("commit what the leader has", leader, "committable", commit_alone),
    Mutation("commit below min_insync", leader, "committable", commit_below_min_insync),
    Mutation("commit without the proposed", leader, "possible_members", forget_the_proposed),
    Mutation("take a proposal for granted", leader, "possible_members", assume_the_proposal_granted),
    Mutation("commit what is not synced", leader, "counted", count_what_is_written),
    Mutation("listen to other epochs", leader, "recognised", accept_any_epoch),
    Mutation("count what a former incarnation had", leader, "recognised", keep_progress_of_the_dead),
    Mutation("compare offsets without epochs", ep, "divergence", never_diverging),
    Mutation("cut at the own high watermark", follower, "on_diverging", cut_at_own_high_watermark),
    Mutation("cut at answers of the past", follower, "on_diverging", cut_at_late_answers),
    Mutation("lead on after a restart", election, "restarted", restart_keeps_the_epoch),
    Mutation("elect whoever lives", election, "safe_candidates", elect_anyone),
    Mutation("keep all eligible", election, "eligible_after", everyone_stays_eligible),
    Mutation("take all records for committed", world, "still_committed", note_counts_for_all_records),
    Mutation("trust the damaged", election, "damaged", trust_the_damaged),
    Mutation("let any incarnation join", election, "may_join", grant_any_incarnation),
    Mutation("grant proposals of old versions", election, "proposed", grant_old_versions),
    Mutation("join before catching up", leader, "propose_caught_up", join_before_caught_up),
    Mutation("leave before the others have it", election, "completed", complete_at_once),
    Mutation("let a leader go before the others have it", election, "completed", complete_without_the_leader),
    Mutation("resign before all is committed", leader, "resign", resign_at_once),
    Mutation("append while leaving", leader, "on_append", append_while_leaving),
    Mutation("keep records behind a damage", membership, "cut", never_cut_damage),
    Mutation("say nothing of what was lost", membership, "contact", announce_intact),
)
