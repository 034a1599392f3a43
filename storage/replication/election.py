"""Decisions about a partition's metadata: who is in sync, who may lead, who leads, where it lies.

Pure functions from metadata to metadata; each that changes anything gives it the next version. A single controller
calls them today. A quorum could as well: it would agree on the order of the calls and nothing else.

Sources: Kafka's ISR; KIP-966 (eligible leader replicas, strict high watermark); KIP-903 (incarnations in proposals).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from storage.replacing import replace
from storage.replication.messages import NOBODY, Member, Metadata, ProposeIsr, Refusal


@dataclass(frozen=True, slots=True)
class Standing:
    """What an election goes by: whether a replica has announced itself and lives (`alive`), whether it is known to have
    stopped following the last leader (`ready`), and how far its log goes; a log that is ready stands still.
    """

    incarnation: int
    alive: bool
    ready: bool
    last_epoch: int
    log_end: int


Standings = Mapping[int, Standing]


def created(replicas: tuple[int, ...], min_insync: int) -> Metadata:
    """A new partition: all replicas are empty, hence in sync."""
    return Metadata(1, NOBODY, 0, replicas, replicas, (), (), (), min_insync, NOBODY)


def changed(metadata: Metadata, **changes: object) -> Metadata:
    """The next version, with `changes`."""
    return replace(metadata, version=metadata.version + 1, **changes)  # type: ignore[arg-type]


def only(members: tuple[int, ...], wanted: Collection[int]) -> tuple[int, ...]:
    """Those of `members` that are in `wanted`, in order."""
    return tuple(member for member in members if member in wanted)


def but(members: tuple[int, ...], unwanted: Collection[int]) -> tuple[int, ...]:
    """`members` without `unwanted`, in order."""
    return tuple(member for member in members if member not in unwanted)


def members(metadata: Metadata) -> tuple[int, ...]:
    """Who has every committed record, as far as it lost nothing: the ISR and the eligible."""
    return (*metadata.isr, *but(metadata.eligible, metadata.isr))


# ---------------------------------------------------------------- leaving


def eligible_after(
    metadata: Metadata, isr: tuple[int, ...], leader: int, lost: Collection[int] = ()
) -> tuple[int, ...]:
    """Who stays eligible when the ISR becomes `isr` and `leader` leads.

    Nothing is committed while the ISR is smaller than min_insync, and nothing without those who leave it while nobody
    leads: a leader of the past commits only with the ISR it knew. So they have every committed record for that long.
    """
    if leader != NOBODY and len(isr) >= metadata.min_insync:
        return ()
    return but(members(metadata), {*isr, *lost})


def fenced(metadata: Metadata, gone: Collection[int]) -> Metadata:
    """Replicas are taken for dead: they leave the ISR and do not lead."""
    if not only(metadata.isr, gone) and metadata.leader not in gone:
        return metadata
    isr = but(metadata.isr, gone)
    leader = NOBODY if metadata.leader in gone else metadata.leader
    return changed(
        metadata,
        isr=isr,
        eligible=eligible_after(metadata, isr, leader),
        leader=leader,
        suspects=only(metadata.suspects, members(metadata)),
    )


def restarted(metadata: Metadata, replica: int) -> Metadata:
    """A replica was opened again: it does not lead any more, because what it would write next may not be what it wrote
    in this epoch before.
    """
    return changed(metadata, leader=NOBODY) if metadata.leader == replica else metadata


def damaged(metadata: Metadata, replica: int) -> Metadata:
    """A replica lost what it had synced: it is no member any more."""
    if replica not in members(metadata) and metadata.leader != replica:
        return metadata
    isr = but(metadata.isr, (replica,))
    leader = NOBODY if metadata.leader == replica else metadata.leader
    return changed(
        metadata,
        isr=isr,
        eligible=eligible_after(metadata, isr, leader, (replica,)),
        suspects=but(metadata.suspects, (replica,)),
        leader=leader,
    )


def doubted(metadata: Metadata, replica: int) -> Metadata:
    """A replica may have lost what it had not synced. With a leader at work it simply leaves; without one it stays in
    doubt, because when all members are in doubt the longest of their logs is the best there is.
    """
    if replica not in members(metadata):
        return metadata
    if metadata.leader != NOBODY:
        return damaged(metadata, replica)
    return changed(metadata, suspects=(*but(metadata.suspects, (replica,)), replica))


# ---------------------------------------------------------------- electing


def elected(metadata: Metadata, standings: Standings, *, waited: bool) -> Metadata:
    """A leader for a partition without one, if there is one that loses nothing.

    The longest log of the living members wins (then the ISR before the eligible, then the order of the replicas): it
    has every committed record like the others, and more of what is not committed. While in-sync replicas are not
    ready the election waits, until `waited`.
    """
    if metadata.leader != NOBODY:
        return metadata
    awaited = metadata.isr or metadata.eligible
    if not waited and not all(is_ready(standings, replica) for replica in awaited):
        return metadata
    safe = safe_candidates(metadata, standings)
    if safe:
        return led_by(metadata, longest(metadata, standings, safe))
    everyone = members(metadata)
    if everyone and all(replica in metadata.suspects and is_ready(standings, replica) for replica in everyone):
        return led_at_a_loss(metadata, longest(metadata, standings, everyone))
    return metadata


def safe_candidates(metadata: Metadata, standings: Standings) -> tuple[int, ...]:
    """Members that lost nothing and are ready."""
    return tuple(replica for replica in but(members(metadata), metadata.suspects) if is_ready(standings, replica))


def is_ready(standings: Standings, replica: int) -> bool:
    """Whether a replica is alive and waits for a leader."""
    return replica in standings and standings[replica].alive and standings[replica].ready


def longest(metadata: Metadata, standings: Standings, candidates: tuple[int, ...]) -> int:
    """The candidate whose log goes furthest; the order of candidates breaks ties."""
    ordered = sorted(candidates, key=lambda r: (r not in metadata.isr, metadata.replicas.index(r)))
    return max(ordered, key=lambda r: (standings[r].last_epoch, standings[r].log_end))


def led_by(metadata: Metadata, leader: int) -> Metadata:
    """The next epoch, under a member that lost nothing. The ISR goes on; an eligible replica begins one of its own."""
    trusted = replace(metadata, isr=but(metadata.isr, metadata.suspects), suspects=())
    trusted = replace(trusted, eligible=but(metadata.eligible, metadata.suspects))
    isr = trusted.isr if leader in trusted.isr else (leader,)
    return changed(
        trusted,
        leader=leader,
        leader_epoch=metadata.leader_epoch + 1,
        isr=isr,
        eligible=eligible_after(trusted, isr, leader),
    )


def led_at_a_loss(metadata: Metadata, leader: int) -> Metadata:
    """The next epoch, under a replica that may lack committed records; its log is the partition's from now on."""
    epoch = metadata.leader_epoch + 1
    return changed(
        metadata, leader=leader, leader_epoch=epoch, isr=(leader,), eligible=(), suspects=(), unclean_epoch=epoch
    )


def elected_unclean(metadata: Metadata, standings: Standings) -> tuple[Metadata, Refusal]:
    """A leader at any price, as an operator asked: the longest log of all replicas that are ready."""
    if metadata.leader != NOBODY or safe_candidates(metadata, standings):
        return metadata, Refusal.HAS_LEADER
    ready = tuple(replica for replica in metadata.replicas if is_ready(standings, replica))
    if not ready:
        return metadata, Refusal.NO_REPLICA
    return led_at_a_loss(metadata, longest(metadata, standings, ready)), Refusal.NONE


# ---------------------------------------------------------------- joining


def proposed(metadata: Metadata, standings: Standings, proposal: ProposeIsr) -> Metadata:
    """The ISR that the leader wants, if it is the leader and knows the newest version.

    A replica joins only in the incarnation whose log the leader saw, and alive. A refusal takes a version, so that a
    late copy of the proposal cannot be granted after the leader has given it up.
    """
    current = (metadata.leader, metadata.leader_epoch, metadata.version)
    if (proposal.sender, proposal.leader_epoch, proposal.version) != current:
        return metadata
    isr = tuple(member.replica for member in proposal.isr)
    if proposal.sender not in isr or not all(may_join(metadata, standings, member) for member in proposal.isr):
        return changed(metadata)
    return changed(metadata, isr=isr, eligible=eligible_after(metadata, isr, metadata.leader))


def may_join(metadata: Metadata, standings: Standings, member: Member) -> bool:
    """Whether a proposed member is one already, or may become one."""
    if member.replica in metadata.isr:
        return True
    standing = standings.get(member.replica)
    is_same = standing is not None and standing.alive and standing.incarnation == member.incarnation
    return is_same and member.replica in metadata.replicas


# ---------------------------------------------------------------- what an operator asks for


def reassigned(metadata: Metadata, replicas: tuple[int, ...]) -> tuple[Metadata, Refusal]:
    """Begin to move the partition to `replicas`: the new ones are added at once and copy the log; the others leave
    when all of the new ones are in sync (`completed`). Naming other replicas meanwhile changes the goal.
    """
    if not replicas or len(set(replicas)) < len(replicas) or len(replicas) < metadata.min_insync or min(replicas) < 0:
        return metadata, Refusal.BAD_ASSIGNMENT
    if metadata.target == replicas or (not metadata.target and metadata.replicas == replicas):
        return metadata, Refusal.NONE
    return changed(metadata, replicas=(*metadata.replicas, *but(replicas, metadata.replicas)), target=replicas), (
        Refusal.NONE
    )


def completed(metadata: Metadata) -> Metadata:
    """The end of a reassignment whose target is in sync with a leader that stays."""
    return moved(metadata) if metadata.leader in metadata.target else metadata


def resigned(metadata: Metadata, leader: int, leader_epoch: int, version: int) -> Metadata:
    """The end of a reassignment whose leader does not stay: it says itself when it can go (`leader.resign`), because
    the target may be in sync without what the leader has appended and not yet committed.
    """
    is_current = (leader, leader_epoch, version) == (metadata.leader, metadata.leader_epoch, metadata.version)
    return moved(metadata) if is_current and leader not in metadata.target else metadata


def moved(metadata: Metadata) -> Metadata:
    """On the target alone, if all of it is in sync."""
    target = metadata.target
    if not target or but(target, metadata.isr):
        return metadata
    return changed(
        metadata,
        replicas=target,
        target=(),
        isr=only(metadata.isr, target),
        eligible=only(metadata.eligible, target),
        suspects=only(metadata.suspects, target),
        leader=metadata.leader if metadata.leader in target else NOBODY,
    )


def with_min_insync(metadata: Metadata, min_insync: int) -> tuple[Metadata, Refusal]:
    """Another `min_insync`; when that is lower the ISR may be large enough to commit without the eligible."""
    if not 1 <= min_insync <= len(metadata.target or metadata.replicas):
        return metadata, Refusal.BAD_MIN_INSYNC
    if min_insync == metadata.min_insync:
        return metadata, Refusal.NONE
    wanted = replace(metadata, min_insync=min_insync)
    return changed(wanted, eligible=eligible_after(wanted, metadata.isr, metadata.leader)), Refusal.NONE
