"""Driver: the replicas of one partition in directories of this machine, and their controller, driven together.

Messages are function calls: `run` delivers them until all is quiet, in the thread that needs the outcome, so that an
append waits for no other thread. All time is made up: it passes only when replicas are missing (`_expel_missing`) or
are being looked for, because whether one works is known, not guessed from its silence. Must not make any decision that
is the protocol's, nor know of topics.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from storage.env import Env
from storage.errors import CorruptLog, OffsetOutOfRange, StorageError, translated
from storage.log.producers import Saved as ProducersSaved
from storage.replacing import replace
from storage.replication import controller as control
from storage.replication import union
from storage.replication.bystanders import Bystanders
from storage.replication.leader import is_leaving, possible_members
from storage.replication.local_replica import LocalReplica, Locate
from storage.replication.messages import (
    CONTROLLER,
    NOBODY,
    Answered,
    Append,
    Entry,
    Event,
    Member,
    Message,
    Metadata,
    ProposeIsr,
    Refusal,
    Send,
    Synced,
    Tick,
)
from storage.replication.refusals import refusal_error
from storage.replication.state import Leading, Read, Settings

CLIENT = -2
STEP_MS = 400
UNLIMITED = 1 << 62
READ_BYTES = 1 << 20


def settings_of(durability: str) -> Settings:
    """The protocol's settings for a topic: times are steps of the driver."""
    return Settings(
        commit_synced=durability != "os",
        lag_limit_ms=25 * STEP_MS,
        fetch_timeout_ms=STEP_MS,
        heartbeat_ms=STEP_MS,
        session_timeout_ms=5 * STEP_MS // 2,
        election_wait_ms=STEP_MS,
    )


class Driver(ABC):
    """`writers` are the replicas that frames are written to, the leader first; none while nobody leads. `counted` are
    those of them whose copies count for commits, `committed` is where the committed records end.

    Every method is to be called with `lock` held.
    """

    def __init__(
        self, env: Env, locate: Locate, in_use: Callable[[], Collection[int]], workers: ThreadPoolExecutor, name: str
    ) -> None:
        self.lock = threading.RLock()
        self.name = name
        self.writers: tuple[LocalReplica, ...] = ()
        self.counted: tuple[LocalReplica, ...] = ()
        self.committed = 0
        self.replicas: dict[int, LocalReplica] = {}
        self._env = env
        self._locate = locate
        self._bystanders = Bystanders(env, locate, in_use)
        self._workers = workers
        self._controller: control.Controller
        self._settings: Settings
        self._mail: deque[Send] = deque()
        self._deferred: dict[int, tuple[LocalReplica, Read]] = {}
        self._answers: dict[int, Refusal] = {}
        self._verified: dict[int, int] = {}
        self._request = 0
        self._now_ms = 0
        self._losses = 0
        self._unsettled = False
        self.is_unknown = False
        self._reopen: Callable[[], None] = lambda: None

    # --- opening and closing ---

    def open(
        self, settings: Settings, ids: Sequence[int], wanted: Sequence[int], min_insync: int, *, is_new: bool
    ) -> None:
        """Open on what the directories of `ids` hold. A partition that none of them knows begins on the replicas
        `wanted`, or where there are records from a time without replication; but if it is not new, and one that may
        know it cannot be used, it waits for that one (`is_unknown`).
        """
        self._settings = settings
        places = [place for place in map(self._locate, ids) if place is not None]
        absent = [number for number in ids if number not in {place.id for place in places}]
        found = {place.id: LocalReplica(place) for place in places}
        kept = [known.saved for known in (replica.kept() for replica in found.values()) if known is not None]
        known: control.Saved | None = None
        self.is_unknown = False
        if kept:
            known = max(kept, key=lambda s: (s.metadata.version, sum(r.incarnation for r in s.registrations)))
            self._controller = control.reopened(settings, known, alone=True)
        else:
            holders = [replica for replica in found.values() if replica.has_segments]
            first = (_longest(holders),) if holders else tuple(wanted)
            self.is_unknown = bool(absent) and not is_new and not holders
            if self.is_unknown:
                first, self._reopen = tuple(absent), lambda: self.open(settings, ids, wanted, min_insync, is_new=is_new)
            self._controller = control.created(settings, first, min_insync if not self.is_unknown else 1)
        registrations = {known.replica: known for known in known.registrations} if known else {}
        for replica in self.metadata.replicas:
            self._open_replica(replica, registrations.get(replica))
        # Logs that are to be deleted, because the partition has moved away from them.
        self.replicas |= {n: r for n, r in found.items() if n not in self.metadata.replicas and r.has_segments}
        if kept:
            self._put_together()
        self._start()

    @abstractmethod
    def _put_together(self) -> None:
        """Before anybody leads: see to it that what is copied from one replica to others is whole."""

    @abstractmethod
    def _found_damage(self, replica: LocalReplica, error: StorageError) -> bool:
        """Records of a replica cannot be read. If another can lead, this one is repaired by it; returns whether."""

    def _start(self) -> None:
        """Let everybody register, and a leader be elected."""
        self._tick()
        self.run()
        if not self.writers:
            self._expel_missing()
        for replica in self.writers:  # what came from the leader just now counts once it is synced
            replica.log.sync_now()
        self.run()

    def _open_replica(self, number: int, known: control.Registration | None) -> None:
        """Open a replica; one that cannot be opened has its error."""
        place = self._locate(number)
        if place is None:
            return
        replica = self.replicas[number] = LocalReplica(place)
        self._verified.pop(number, None)
        try:
            with translated(f'directory "{place.directory}"'):
                union.finish(place.env, place.directory)
            replica.open(self._settings, known)
        except StorageError as error:
            replica.lose(error, self._env.now_us())

    def close(self, *, flush: bool) -> list[StorageError]:
        """Close all logs; what went wrong, if it went wrong for all that are in sync."""
        errors, closed = [], 0
        saved = control.saved(self._controller)
        for replica in self.replicas.values():
            try:
                replica.close(saved, flush=flush)
            except StorageError as error:
                errors.append(error)
            else:
                closed += replica.id in self.metadata.isr
        self.writers = self.counted = ()
        return [] if closed else errors

    # --- what it is ---

    @property
    def metadata(self) -> Metadata:
        """What is decided."""
        return self._controller.metadata

    @property
    def leader(self) -> LocalReplica | None:
        """Who leads."""
        return self.writers[0] if self.writers else None

    @property
    def _leading(self) -> LocalReplica | None:
        """Who takes itself for the leader, whether or not the others are level with it."""
        return next((replica for replica in self.replicas.values() if replica.leads is not None), None)

    def _has_heir(self, leader: LocalReplica) -> bool:
        """Whether another replica can lead without loss."""
        return any(r.is_live and r.id in self.metadata.isr for r in self.replicas.values() if r is not leader)

    def advance(self) -> int:
        """Move `committed` to what all who count have, once that is noted beside their logs; returns it."""
        if self.writers and not self._unsettled:
            reached = self._reached()
            if self._is_noted(reached):
                self.committed = reached
            self.writers[0].log.committed = self.committed
        return self.committed

    def _reached(self) -> int:
        """Up to where the writers' records are committed."""
        reached = max(self.committed, self.writers[0].live.high_watermark)
        if len(self.metadata.isr) < self.metadata.min_insync:
            return reached
        logs = [replica.log for replica in self.counted]
        if self._settings.commit_synced:
            return max(reached, min(log.durable_offset for log in logs))
        return max(reached, min(log.end_offset for log in logs))

    def _is_noted(self, offset: int) -> bool:
        """Whether all who count have kept that the records before an offset are committed; who cannot is lost. Where
        one replica is enough, whoever leads can tell it by the logs alone.
        """
        metadata, losses = self.metadata, self._losses
        if metadata.min_insync == 1:
            return True
        errors = [error_of(replica.note_committed, metadata.leader_epoch, offset) for replica in self.counted]
        for replica, error in zip(self.counted, errors, strict=True):
            if error is not None and (replica.leads is None or self._has_heir(replica)):
                self._lose(replica, error)
        return losses == self._losses

    # --- the protocol ---

    def run(self, budget: int = 0) -> int:
        """Deliver everything until all is quiet. Replicas that are not in sync get at most about `budget` bytes;
        returns what is left of it.
        """
        self._unsettled = False
        budget = self._exchange(budget)
        if self._sync_for_leaving():
            budget = self._exchange(budget)
        self._note_roles()
        return budget

    def _exchange(self, budget: int) -> int:
        """Deliver everything, see `run`."""
        self._report_appends()
        self._deliver_all()
        while (number := self._next_deferred(budget)) is not None:
            leader, read = self._deferred.pop(number)
            budget -= self._answer(leader, read, READ_BYTES)
            self._deliver_all()
        return budget

    def _sync_for_leaving(self) -> bool:
        """Sync what a leader that the partition moves away from has appended, for which it stays; whether it does."""
        leader = self._leading
        if leader is None or not is_leaving(leader.live):
            return False
        members = [self.replicas[number] for number in self._possible_members() if number in self.replicas]
        for replica in members:
            if replica.is_live:
                replica.log.sync_now()
                error = replica.log.failure
                if error is not None and (replica is not leader or self._has_heir(leader)):
                    self._lose(replica, error)
        return True

    def _next_deferred(self, budget: int) -> int | None:
        """Whose fetch to answer: those who count have to be level at once, others as far as the budget goes."""
        counted = self._possible_members()
        waiting = [number for number in self._deferred if number in counted or budget > 0]
        return min(waiting, key=lambda number: number not in counted, default=None)

    def _possible_members(self) -> set[int]:
        """Who counts for commits by what the leader knows."""
        leader = self.replicas.get(self.metadata.leader)
        role = leader.leads if leader is not None else None
        return set(self.metadata.isr) if leader is None or role is None else possible_members(leader.live, role)

    def _report_appends(self) -> None:
        """Tell the protocol of the frames that `store` wrote and of what was synced since it last heard.

        Without the leader whose frames they were, those who have them begin another life with them.
        """
        leader = self._leading
        if leader is None:
            for replica in list(self.replicas.values()):
                if replica.is_usable and replica.log.end_offset > replica.live.log.end:
                    replica.reopen_state(self._settings)
        elif leader.log.end_offset > leader.live.log.end:
            self._step(leader, Append(CLIENT, 0, leader.log.end_offset - leader.live.log.end, b""))
        for replica in list(self.replicas.values()):
            if replica.is_usable:
                durable = replica.log.durable_offset
                if durable > replica.live.log.synced:
                    self._step(replica, Synced(durable))

    def _deliver_all(self) -> None:
        """Deliver messages until there are none. The controller gets its own together, and saves once for all."""
        while self._mail:
            petitions: list[Message] = []
            while self._mail:
                send = self._mail.popleft()
                replica = self.replicas.get(send.to)
                if send.to == CONTROLLER:
                    petitions.append(send.message)
                elif isinstance(send.message, Answered):
                    self._answers[send.message.request] = send.message.reason
                elif replica is not None and replica.is_live:
                    self._step(replica, send.message)
            self._decide([self._with_joiners_synced(petition) for petition in petitions])

    def _with_joiners_synced(self, petition: Message) -> Message:
        """A petition, once all whom it lets join have synced what they have: they may be left alone with it, and those
        whose places they take had. Who cannot is lost, and named in no incarnation, so that it does not join.
        """
        if not isinstance(petition, ProposeIsr):
            return petition
        unable = {
            m.replica for m in petition.isr if m.replica not in self.metadata.isr and not self._is_synced(m.replica)
        }
        isr = tuple(Member(m.replica, NOBODY) if m.replica in unable else m for m in petition.isr)
        return replace(petition, isr=isr)

    def _is_synced(self, number: int) -> bool:
        """Sync what a replica has; whether that was possible, and is in a directory that has not vanished."""
        replica = self.replicas.get(number)
        if replica is None or not replica.is_live:
            return False
        replica.log.sync_now()
        error = replica.log.failure or error_of(replica.check_present, every_file=True)
        if error is not None:
            self._lose(replica, error)
        return replica.is_live

    def _decide(self, events: Sequence[Event]) -> None:
        """Steps of the controller; what they decide is durable before anybody hears of it."""
        saved: control.Saved | None = None
        out: list[Send] = []
        unclean_epoch = self.metadata.unclean_epoch
        for event in events:
            self._controller, ready = control.step(self._controller, event)
            saved = ready.save or saved
            out += ready.messages
        if self.metadata.unclean_epoch != unclean_epoch:
            self._forget_committed()
        if saved is not None:
            self._save(saved)
        self._mail.extend(out)

    def _save(self, saved: control.Saved) -> None:
        """Keep decisions in all directories; a replica that cannot keep them is lost.

        Those that they call in sync must be able to tell what is committed from then on, should only one of them be
        left, and note it before anybody keeps the decisions. Who cannot is lost, but not for good: its life is kept.
        A life is kept by the replica itself before others know of it, who would take it for an old copy otherwise.
        """
        live = [replica for replica in self.replicas.values() if replica.is_live]
        metadata, failed = saved.metadata, {}
        if metadata.min_insync > 1:
            members = [replica for replica in live if replica.id in metadata.isr and not replica.live.uncut]
            failed = self._done_by(members, lambda replica: self._note_for(replica, metadata))
        reborn = [each for each in live if each.kept_life != each.live.life and each.is_registered(saved)]
        unkept = self._done_by(reborn, lambda replica: replica.save(saved))
        if unkept:
            for replica in unkept:
                known = replace(self._controller.of(replica.id), life=replica.kept_life)
                self._controller = self._controller.knowing(known)
            saved, reborn = control.saved(self._controller), []
        others = [replica for replica in live if replica not in reborn and replica not in unkept]
        failed |= unkept | self._done_by(others, lambda replica: replica.save(saved))
        for replica, error in failed.items():
            self._lose(replica, error)
        self._tell_bystanders(saved)

    def _tell_bystanders(self, saved: control.Saved) -> None:
        """Keep decisions where no replica takes part, once one of those in sync has kept them: nobody else could go on
        with them.
        """
        taking_part = {replica.id for replica in self.replicas.values() if replica.is_live}
        if not taking_part.isdisjoint(saved.metadata.isr):
            self._bystanders.tell(saved, taking_part)

    def _done_by(
        self, replicas: Sequence[LocalReplica], work: Callable[[LocalReplica], None]
    ) -> dict[LocalReplica, StorageError]:
        """Let replicas do something at the same time; who could not, and why."""
        outcomes = together([partial(error_of, work, replica) for replica in replicas], self._workers)
        return {replica: error for replica, error in zip(replicas, outcomes, strict=True) if error is not None}

    def _note_for(self, replica: LocalReplica, metadata: Metadata) -> None:
        """Let a replica keep what is committed, durably. Raises StorageError."""
        replica.note_committed(metadata.leader_epoch, max(self.committed, replica.live.high_watermark), sync=True)

    def _forget_committed(self) -> None:
        """What was committed is what the leader knows of, because an unclean election has given up the rest."""
        leader = self.replicas.get(self.metadata.leader)
        known = leader.live.high_watermark if leader is not None and leader.is_live else 0
        self.committed = min(self.committed, known)

    def _step(self, replica: LocalReplica, event: Event) -> None:
        """One step of a replica, and all it asks for."""
        try:
            ready = replica.step(event, self._producers_at)
        except (OffsetOutOfRange, CorruptLog):  # a cut that compaction or damage forbids
            self._begin_anew(replica)
            return
        except StorageError as error:
            self._lose(replica, error)
            return
        for read in ready.reads:
            self._deferred[read.to] = (replica, read)
            if self._is_level_with(read):
                del self._deferred[read.to]
                self._answer(replica, read, 0)
        self._mail.extend(ready.messages)

    def _is_level_with(self, read: Read) -> bool:
        """Whether a follower has all that it is to be sent: it was written to it beside the protocol."""
        follower = self.replicas.get(read.to)
        return (
            follower is not None
            and follower.is_live
            and follower.log.failure is None
            and follower.log.end_offset >= read.limit
            and not follower.live.uncut
        )

    def _producers_at(self, offset: int) -> ProducersSaved:
        """What the leader's log knows of producers at an offset."""
        leader = self._leading
        return [] if leader is None else leader.log.producers_at(offset)

    def _answer(self, leader: LocalReplica, read: Read, most: int) -> int:
        """Send entries to a follower; returns their bytes."""
        follower = self.replicas.get(read.to)
        role = leader.leads
        if follower is None or not follower.is_live or role is None or role.epoch != read.reply.leader_epoch:
            return 0
        if self._is_level_with(read):
            there = () if read.offset >= read.limit else (_stored(read, role.epoch),)
            self._mail.append(Send(read.to, replace(read.reply, entries=there)))
            return 0
        try:
            frames = leader.log.raw_frames(read.offset, read.limit, most) if read.offset < read.limit else []
        except OffsetOutOfRange:  # old records were dropped since; the next fetch is told so
            return 0
        except StorageError as error:
            self._found_damage(leader, error)
            return 0
        if frames and frames[0].header.base_offset != read.offset:
            self._begin_anew(follower)  # compaction has joined frames over the end of what it has
            return 0
        entries = tuple(
            Entry(f.header.base_offset, f.header.record_count, f.header.leader_epoch, f.data.to_pybytes())
            for f in frames
        )
        self._mail.append(Send(read.to, replace(read.reply, entries=entries)))
        return sum(frame.data.size for frame in frames)

    def _begin_anew(self, replica: LocalReplica) -> None:
        """Fill a replica from the first record on."""
        try:
            replica.open_anew(self._settings)
        except StorageError as error:
            self._lose(replica, error)
            return
        self._tick_replica(replica)

    def _note_roles(self) -> None:
        """Who is written to from now on. Readers look at `writers` without the lock: it is replaced in one go."""
        writers, counted = self._roles()
        for replica in writers:
            replica.log.leader_epoch = self.metadata.leader_epoch
        missing = any(not r.is_live for r in self.replicas.values() if r.id in self.metadata.isr)
        self._unsettled = not writers and missing
        self.counted, self.writers = counted, writers
        self.advance()

    def _roles(self) -> tuple[tuple[LocalReplica, ...], tuple[LocalReplica, ...]]:
        """(the leader and who is level with it, those of them who count); nobody if one who counts is not level, or
        while the leader takes nothing more because the partition moves away.
        """
        leader = self.replicas.get(self.metadata.leader)
        role = leader.leads if leader is not None else None
        if leader is None or role is None or role.epoch != self.metadata.leader_epoch or is_leaving(leader.live):
            return (), ()
        end = leader.log.end_offset
        writers = (leader, *(replica for replica in self.replicas.values() if _is_level(replica, role, end)))
        members = possible_members(leader.live, role)
        counted = tuple(replica for replica in writers if replica.id in members)
        return (writers, counted) if len(counted) == len(members) else ((), ())

    # --- time ---

    def _tick(self) -> None:
        """Let a step of time pass: for the controller first, then for everybody who works."""
        self._now_ms += STEP_MS
        self._decide([Tick(self._now_ms)])
        for replica in list(self.replicas.values()):
            self._tick_replica(replica)

    def _tick_replica(self, replica: LocalReplica) -> None:
        """Tell a replica the time."""
        if replica.is_live:
            self._step(replica, Tick(self._now_ms))

    def _expel_missing(self) -> None:
        """Let so much time pass that who does not work is taken for dead and another leads, if one can."""
        before = -1
        while before != self._losses:  # others may be found missing on the way
            before = self._losses
            for _ in range(4):
                self.run()
                self._tick()
            self.run()

    def _lose(self, replica: LocalReplica, error: StorageError) -> None:
        """Take a replica out; the controller finds that out by its silence."""
        replica.lose(error, self._env.now_us())
        self._losses += 1
        self._deferred.pop(replica.id, None)
        self._unsettled = True

    def _ask(self, make: Callable[[int], Message]) -> None:
        """Ask the controller, and raise its refusal."""
        self._report_appends()
        self._request += 1
        self._mail.append(Send(CONTROLLER, make(self._request)))
        self.run()
        reason = self._answers.pop(self._request, Refusal.NONE)
        if reason is not Refusal.NONE:
            raise refusal_error(reason)


def _is_level(replica: LocalReplica, role: Leading, end: int) -> bool:
    """Whether a replica follows in the leader's epoch, and is known to have all of the leader's log, up to `end`."""
    known = role.of(replica.id)
    return (
        replica.follows(role.epoch)
        and replica.log.end_offset == end == replica.live.log.end
        and known is not None
        and (known.incarnation, known.log_end) == (replica.live.incarnation, end)
    )


def _longest(replicas: Sequence[LocalReplica]) -> int:
    """The id of the replica with most records."""
    ends = {replica.id: replica.records() for replica in replicas}
    return max(ends, key=lambda number: (ends[number] or -1, -number))


def _stored(read: Read, epoch: int) -> Entry:
    """All that is asked for as one entry, for a replica that has it already."""
    return Entry(read.offset, read.limit - read.offset, epoch, b"")


def error_of(work: Callable[..., object], *arguments: object, **options: object) -> StorageError | None:
    """What went wrong with some work, None if it was done."""
    try:
        work(*arguments, **options)
    except StorageError as error:
        return error
    return None


def together(work: Sequence[Callable[[], Any]], workers: ThreadPoolExecutor) -> list[Any]:
    """The results of waiting for the disk several times at once."""
    if len(work) < 2:
        return [each() for each in work]
    futures = [workers.submit(each) for each in work[1:]]
    return [work[0](), *(future.result() for future in futures)]
