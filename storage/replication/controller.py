"""The controller of a partition as a pure step function: who is alive, and what follows from that.

    state, ready = step(state, event)

It knows replicas by registrations: each opening of a replica is an incarnation with a number of its own, which its
messages carry. The decisions themselves are `election`'s. What must survive a restart is in `saved(state)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.replacing import replace
from storage.replication import election
from storage.replication.election import Standing
from storage.replication.messages import (
    NOBODY,
    Answered,
    Decided,
    ElectUnclean,
    Event,
    Heartbeat,
    Integrity,
    Message,
    Metadata,
    ProposeIsr,
    Reassign,
    Refusal,
    Register,
    Registered,
    Resign,
    Send,
    SetMinInsync,
    Tick,
    Unregistered,
)
from storage.replication.state import UNREGISTERED, Clock, Settings

NO_LIFE = -1


@dataclass(frozen=True, slots=True)
class Registration:
    """One replica: its newest incarnation, whether that has announced what it found (`announced`) and is heard of
    (`alive`), when it was last heard of, and what it said then: which decisions it knew and how far its log went.
    """

    replica: int
    life: int = NO_LIFE
    incarnation: int = UNREGISTERED
    announced: bool = False
    alive: bool = False
    heard_ms: int = 0
    version: int = 0
    last_epoch: int = NOBODY
    log_end: int = 0


@dataclass(frozen=True, slots=True)
class Saved:
    """What a controller must not forget: the decisions, and the incarnations given out."""

    metadata: Metadata
    registrations: tuple[Registration, ...]


@dataclass(frozen=True, slots=True)
class Controller:
    """The controller of one partition. leaderless_ms, leaderless_version: since when nobody leads, if nobody does."""

    settings: Settings
    metadata: Metadata
    registrations: tuple[Registration, ...]
    leaderless_version: int
    leaderless_ms: int = 0
    clock: Clock = Clock()

    def of(self, replica: int) -> Registration:
        """The registration of a replica, an empty one if it never registered."""
        found = (known for known in self.registrations if known.replica == replica)
        return next(found, Registration(replica, heard_ms=self.clock.now_ms))

    def knowing(self, registration: Registration) -> Controller:
        """With `registration` in place of the replica's earlier one."""
        others = tuple(known for known in self.registrations if known.replica != registration.replica)
        return replace(self, registrations=(*others, registration))

    @property
    def standings(self) -> dict[int, Standing]:
        """What elections go by."""
        return {
            known.replica: Standing(
                known.incarnation,
                known.alive,
                known.version >= self.leaderless_version,
                known.last_epoch,
                known.log_end,
            )
            for known in self.registrations
        }


@dataclass(frozen=True, slots=True)
class ControllerReady:
    """What to do after a step: first `save` (durably, if not None), then send the messages."""

    save: Saved | None = None
    messages: tuple[Send, ...] = ()


def created(settings: Settings, replicas: tuple[int, ...], min_insync: int) -> Controller:
    """The controller of a new partition; save it before anything is sent."""
    registrations = tuple(Registration(replica) for replica in replicas)
    metadata = election.created(replicas, min_insync)
    return Controller(settings, metadata, registrations, metadata.version)


def saved(state: Controller) -> Saved:
    """What must survive; the same for states that differ in nothing that must."""
    kept = (
        replace(known, alive=False, heard_ms=0, version=0, last_epoch=NOBODY, log_end=0)
        for known in sorted(state.registrations, key=lambda known: known.replica)
    )
    return Saved(state.metadata, tuple(kept))


def reopened(settings: Settings, known: Saved, *, alone: bool = False) -> Controller:
    """A controller after a restart. `alone`: no replica has lived on without it (they share its process), so there
    is no leader until one is elected.
    """
    metadata = known.metadata
    if alone and metadata.leader != NOBODY:
        metadata = election.restarted(metadata, metadata.leader)
    return Controller(settings, metadata, known.registrations, metadata.version)


def forgotten(state: Controller, replica: int) -> Controller:
    """Without what is known of a replica that will never come again; one that is assigned is kept."""
    if replica in state.metadata.replicas:
        return state
    return replace(state, registrations=tuple(known for known in state.registrations if known.replica != replica))


def step(state: Controller, event: Event) -> tuple[Controller, ControllerReady]:
    """The controller after `event`, and what to do. TypeError for an event that is not for controllers."""
    before = state
    replies: list[Send] = []
    match event:
        case Tick():
            state = on_tick(state, event)
        case Register():
            state = on_register(state, event, replies)
        case Heartbeat():
            state = on_heartbeat(state, event, replies)
        case ProposeIsr():
            state = on_proposal(state, event, replies)
        case Resign():
            state = on_resign(state, event, replies)
        case Reassign() | SetMinInsync() | ElectUnclean():
            state = on_request(state, event, replies)
        case _:
            raise TypeError(f"the controller does not understand {type(event).__name__}")
    state = concluded(state, before)
    told = {send.to for send in replies if isinstance(send.message, Decided)}
    messages = [Send(send.to, current(state, send.message)) for send in replies]
    if state.metadata != before.metadata:
        messages += [
            decision(state, known) for known in state.registrations if known.alive and known.replica not in told
        ]
    must_save = state.metadata != before.metadata or saved(state) != saved(before)
    return state, ControllerReady(saved(state) if must_save else None, tuple(messages))


def concluded(state: Controller, before: Controller) -> Controller:
    """What follows from any change: the end of a reassignment, an election."""
    metadata = election.completed(state.metadata)
    if metadata.leader == NOBODY:
        if before.metadata.leader != NOBODY:
            state = replace(state, leaderless_ms=state.clock.now_ms, leaderless_version=metadata.version)
        waited = state.clock.now_ms - state.leaderless_ms >= state.settings.election_wait_ms
        metadata = election.elected(metadata, state.standings, waited=waited)
    return replace(state, metadata=metadata)


def decision(state: Controller, known: Registration) -> Send:
    """The metadata for a replica."""
    return Send(known.replica, Decided(known.incarnation, state.metadata))


def current(state: Controller, message: Message) -> Message:
    """A reply with the metadata as they are at the end of the step."""
    return replace(message, metadata=state.metadata) if isinstance(message, Decided) else message


def on_tick(state: Controller, event: Tick) -> Controller:
    """Take for dead who was not heard of for the session timeout."""
    state = replace(state, clock=state.clock.ticked(event.now_ms, state.settings.tick_max_ms))
    gone = {
        known.replica
        for known in state.registrations
        if state.clock.now_ms - known.heard_ms > state.settings.session_timeout_ms
    }
    if not gone:
        return state
    registrations = tuple(
        replace(known, alive=False) if known.replica in gone else known for known in state.registrations
    )
    return replace(state, registrations=registrations, metadata=election.fenced(state.metadata, gone))


def on_register(state: Controller, event: Register, replies: list[Send]) -> Controller:
    """Give an opening of a replica its incarnation; repeated, it is the same one. It counts once it has announced what
    it found.
    """
    known = state.of(event.sender)
    if known.life != event.life:
        known = Registration(event.sender, event.life, known.incarnation + 1, heard_ms=state.clock.now_ms)
        state = replace(state.knowing(known), metadata=election.restarted(state.metadata, event.sender))
    replies.append(Send(event.sender, Registered(event.life, known.incarnation)))
    return state


def on_heartbeat(state: Controller, event: Heartbeat, replies: list[Send]) -> Controller:
    """Note that a replica lives; the first heartbeat of an incarnation says what it may have lost."""
    known = state.of(event.sender)
    if known.incarnation != event.incarnation:
        replies.append(Send(event.sender, Unregistered(event.incarnation)))
        return state
    metadata = state.metadata
    if not known.announced and event.integrity == Integrity.DAMAGED:
        metadata = election.damaged(metadata, event.sender)
    elif not known.announced and event.integrity == Integrity.TAIL:
        metadata = election.doubted(metadata, event.sender)
    known = replace(
        known,
        announced=True,
        alive=True,
        heard_ms=state.clock.now_ms,
        version=event.version,
        last_epoch=event.last_epoch,
        log_end=event.log_end,
    )
    replies.append(Send(event.sender, Decided(known.incarnation, metadata)))
    return replace(state.knowing(known), metadata=metadata)


def on_proposal(state: Controller, event: ProposeIsr, replies: list[Send]) -> Controller:
    """Grant or refuse another ISR; the leader learns it from the metadata."""
    known = state.of(event.sender)
    if known.incarnation != event.incarnation or not known.announced:
        return state
    metadata = election.proposed(state.metadata, state.standings, event)
    replies.append(Send(event.sender, Decided(known.incarnation, metadata)))
    return replace(state, metadata=metadata)


def on_resign(state: Controller, event: Resign, replies: list[Send]) -> Controller:
    """Let a leader go that the partition moves away from."""
    known = state.of(event.sender)
    if known.incarnation != event.incarnation or not known.announced:
        return state
    metadata = election.resigned(state.metadata, event.sender, event.leader_epoch, event.version)
    replies.append(Send(event.sender, Decided(known.incarnation, metadata)))
    return replace(state, metadata=metadata)


def on_request(state: Controller, event: Reassign | SetMinInsync | ElectUnclean, replies: list[Send]) -> Controller:
    """Do what an operator asks, or say why not."""
    metadata, reason = requested(state, event)
    replies.append(Send(event.sender, Answered(event.request, reason)))
    state = replace(state, metadata=metadata)
    for replica in metadata.replicas:  # new ones have the session timeout from now on
        state = state.knowing(state.of(replica))
    return state


def requested(state: Controller, event: Reassign | SetMinInsync | ElectUnclean) -> tuple[Metadata, Refusal]:
    """The decision on a request."""
    match event:
        case Reassign():
            return election.reassigned(state.metadata, event.replicas)
        case SetMinInsync():
            return election.with_min_insync(state.metadata, event.min_insync)
        case ElectUnclean():
            return election.elected_unclean(state.metadata, state.standings)
