"""Partition: a replicated partition: appends to all of its replicas, failures and repairs, what operators ask for.

Appends do not go through the protocol one by one. While the leader and all replicas that count are equally long, a
frame is written to each of them (`store`), which is what the protocol would do; it hears of the frames together, as
one append, before anything else happens (`Driver.run`). Must not know of topics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.errors import CorruptLog, DirectoryNeeded, DiskFull, LogFailed, StorageError
from storage.log.format import FrameHeader
from storage.log.replica_log import ReplicaLog
from storage.replacing import replace
from storage.replication import controller as control
from storage.replication.driver import CLIENT, READ_BYTES, UNLIMITED, error_of, together
from storage.replication.healing import Healing
from storage.replication.local_replica import RETRY_US, LocalReplica
from storage.replication.messages import (
    ElectUnclean,
    Fetched,
    Reassign,
    Refusal,
    Send,
    SetMinInsync,
    Trim,
)
from storage.replication.refusals import refusal_error, too_few_have_it
from storage.replication.state import Settings

Lives = dict[int, int]
"""The life (see `messages.Register`) of replicas by their ids."""


class NoReplica(StorageError):
    """No replica that is known to have every committed record can be used now."""

    sqlstate = "55000"


class Partition(Healing):
    """Every method but `sync` is to be called with `lock` held."""

    @property
    def is_whole(self) -> bool:
        """Whether all replicas take part in sync, and no move is under way."""
        metadata = self.metadata
        return (
            not self._unsettled
            and not metadata.target
            and set(metadata.isr) == set(self.replicas)
            and all(replica.is_live for replica in self.replicas.values())
            and set(metadata.replicas) == set(self.replicas)
        )

    def require_leader(self) -> LocalReplica:
        """Who leads; NoReplica, or the error of the replica that is to blame, when nobody does."""
        if self._unsettled:
            self.run()
            if not self.writers:
                self._expel_missing()
        if not self.writers:
            raise self.absence()
        return self.writers[0]

    def absence(self) -> StorageError:
        """Why nobody leads."""
        errors = [replica.error for replica in self.replicas.values() if replica.error is not None]
        if len(self.metadata.replicas) == 1 and errors:
            return errors[0]
        reasons = "; ".join(str(error) for error in errors) or "their directories are not there"
        if self.lacking is not None:
            first, end = self.lacking
            reasons = f"none has the records from offset {first} to {end - 1} whole: {reasons}"
        return NoReplica(
            f"no in-sync replica of {self.name} can be used: {reasons}",
            hint="bring back a directory that was in sync; the others are filled from it",
        )

    def require_writers(self) -> tuple[LocalReplica, ...]:
        """The replicas to write to; NotEnoughReplicas if too few are in sync."""
        self.require_leader()
        if len(self.metadata.isr) < self.metadata.min_insync:
            raise refusal_error(Refusal.NOT_ENOUGH_REPLICAS)
        return self.writers

    # --- appends ---

    def store(self, header: FrameHeader, pieces: list[Any]) -> bool:
        """Write a frame to all writers; False if the leader failed and whoever leads now does not have it.

        Raises the leader's error when nobody can take its place, OutcomeUnknown when the frame was stored by too few.
        """
        failed: dict[LocalReplica, StorageError] = {}
        leader = self.writers[0]
        try:
            for replica in self.writers:
                try:
                    replica.log.store(header, pieces)
                    replica.check_present()
                except StorageError as error:
                    failed[replica] = error
                    if replica is leader:
                        break
        except BaseException:
            self._unsettled = True
            raise
        return not failed or self._stored_in_part(leader, failed, header.next_offset)

    def _stored_in_part(self, leader: LocalReplica, failed: dict[LocalReplica, StorageError], end: int) -> bool:
        """`store` of a frame that ends at `end`, when some replicas failed."""
        if leader in failed and not self._has_heir(leader):
            raise failed[leader]
        self.run()  # what the leader wrote must be known to the others before it goes
        for replica, error in failed.items():
            self._lose(replica, error)
        self._expel_missing()
        if leader in failed and self.require_leader().log.end_offset < end:
            return False
        if len(self.metadata.isr) < self.metadata.min_insync:
            raise too_few_have_it()
        return True

    def sync(self) -> None:
        """Sync the log of every writer, all at the same time; who fails is lost. To be called without the lock."""
        writers = self.writers
        together([replica.log.sync_now for replica in writers], self._workers)
        with self.lock:
            failed = [replica for replica in writers if replica.is_live and replica.log.failure is not None]
            if failed:
                self._lose_failed(failed)
            self.advance()

    def _lose_failed(self, failed: Sequence[LocalReplica]) -> None:
        """Take replicas out whose logs have stopped; the leader only if another can take its place."""
        self.run()
        for replica in failed:
            error = replica.log.failure
            if replica.is_live and error is not None and (replica.leads is None or self._has_heir(replica)):
                self._lose(replica, error)
        if any(not replica.is_live for replica in failed):
            self._expel_missing()

    def handle_damage(self, log: ReplicaLog, error: StorageError) -> bool:
        """A reader of `log` met an error; True if another replica leads now, so that reading again may succeed."""
        leader = self.leader
        if leader is None or leader.log is not log:
            return leader is not None
        if not self._found_damage(leader, error):
            return False
        self._expel_missing()
        return self.leader is not None

    def tend(self, budget: int) -> bool:
        """Look after the replicas: notice who has vanished, open again who was lost, fill who is behind, by at most
        about `budget` bytes. True if there is more to fill, or to read.
        """
        if self.is_unknown:
            self._reopen()
            return False
        if self.is_held:
            self._try_held()
        if self.is_held:
            return False
        self._notice()
        self._tell_bystanders(control.saved(self._controller))
        if self.is_whole:
            return self._verify(budget)
        now_us = self._env.now_us()
        metadata = self.metadata
        for number in metadata.replicas:
            replica = self.replicas.get(number)
            due = replica is None or (not replica.is_live and abs(now_us - replica.lost_us) >= RETRY_US)
            if due and self._locate(number) is not None:
                self._open_replica(number, self._controller.of(number))
        if not self.writers:
            self._put_together()
        self._tick()
        left = self.run(budget)
        self._sync_followers()
        self._remove_departed()
        if not self.writers:
            self._expel_missing()
        is_unread = any(self._verified.get(number, 0) < self.committed for number in self.replicas)
        return (bool(self._deferred) and left <= 0) or (self.is_whole and is_unread)

    def _sync_followers(self) -> None:
        """Sync what was copied to replicas that do not count yet, which they do once it is."""
        behind = [r for r in self.replicas.values() if r.is_live and r not in self.counted and not r.live.uncut]
        for replica in behind:
            replica.log.sync_now()
        if behind:
            self.run()

    def _notice(self) -> None:
        """Lose who cannot be written any more."""
        self.run()
        for replica in list(self.replicas.values()):
            if not replica.is_live or replica.live.uncut:
                continue
            error = error_of(replica.check_present, every_file=True) or replica.log.failure
            replica.renew_note()
            if self._locate(replica.id) is None:
                error = error or LogFailed("the directory is not in use")
            if isinstance(error, CorruptLog):
                self._found_damage(replica, error)
            elif error is not None and (replica.leads is None or self._has_heir(replica)):
                self._lose(replica, error)
        if self._unsettled:
            self._expel_missing()

    def _verify(self, budget: int) -> bool:
        """Read on in the records of each replica that nobody has read since it was opened, about `budget` bytes, so
        that damage is found while there is a replica to repair it from; True if there is more.
        """
        for replica in list(self.replicas.values()):
            log = replica.log
            at = max(self._verified.get(replica.id, 0), log.start_offset)
            while at < self.committed and budget > 0:
                try:
                    frames = log.raw_frames(log.frame_start(at), self.committed, READ_BYTES)
                except StorageError as error:
                    if not self._found_damage(replica, error):
                        self._verified[replica.id] = UNLIMITED
                    self.run()
                    return True
                if not frames:
                    break
                at = self._verified[replica.id] = frames[-1].header.next_offset
                budget -= sum(frame.data.size for frame in frames)
            if budget <= 0:
                return True
            self._verified[replica.id] = UNLIMITED
        return False

    def _remove_departed(self) -> None:
        """Delete the logs of replicas that the partition has moved away from, once somebody leads without them and has
        synced what they may have synced.
        """
        departed = [number for number in self.replicas if number not in self.metadata.replicas]
        if not departed or not self.writers:
            return
        for replica in self.writers:
            replica.log.sync_now()
            if replica.log.failure is not None:
                return
        for number in departed:
            replica = self.replicas.pop(number)
            error = error_of(replica.delete)
            if error is not None:
                replica.error = error

    # --- what operators ask for ---

    def lives(self) -> Lives:
        """The life of each replica that takes part."""
        return {number: replica.live.life for number, replica in self.replicas.items() if replica.is_live}

    def examine(self) -> None:
        """Let every record be read again by `tend`."""
        self._verified.clear()
        self._in_vain = frozenset()
        for replica in self.replicas.values():
            if replica.is_live:
                replica.log.check_again()

    def try_again(self) -> None:
        """Let lost replicas be opened again at once."""
        for replica in self.replicas.values():
            replica.lost_us = min(replica.lost_us, self._env.now_us() - RETRY_US)

    def is_live(self, number: int) -> bool:
        """Whether a replica takes part."""
        return number in self.replicas and self.replicas[number].is_live

    def elect_unclean(self) -> LocalReplica:
        """Let the longest log lead, although it may lack committed records; returns the leader. Raises NoElection.

        Of a log that is damaged what is before the damage counts; of damaged ones that were in sync, what is before the
        first record that none of them has.
        """
        if self.is_held:
            self._go_on_with_the_beginning()
            return self.require_leader()
        self._expel_missing()
        for replica in list(self.replicas.values()):
            if replica.is_live and replica.has_more_than_counts and not self.writers:
                error = error_of(replica.open_before_damage, self._settings)
                if error is not None:
                    self._lose(replica, error)
                else:
                    self._tick_replica(replica)
        self.run()
        self._ask(lambda request: ElectUnclean(CLIENT, request))
        return self.require_leader()

    def reassign(self, replicas: Sequence[int]) -> None:
        """Begin to move to other replicas, the preferred leader first. Raises InvalidAssignment.

        Nobody is given up for one that has vanished and is still taken to be in sync.
        """
        self._notice()
        self._ask(lambda request: Reassign(CLIENT, request, tuple(replicas)))

    def vacate(self, replica: int, others: Sequence[int], count: int) -> bool:
        """A step of the way from a replica to `count` replicas on `others`, those that it has and then the first of the
        list; True when nothing of it is left.

        Nobody leaves, least of all a leader, before all of the new ones have every record, also those that are not
        committed yet and that an appender waits for. Raises DirectoryNeeded, NoReplica, the error of a leader that
        cannot be copied.
        """
        self._remove_departed()  # of an earlier way that was given up as well, with the error that ended it
        if replica not in self.metadata.replicas:
            return replica not in self.replicas
        leader = self.require_leader()
        if leader.log.failure is not None:
            raise leader.log.failure
        wanted = self.metadata.target or self.metadata.replicas
        having = sorted((r for r in wanted if r in others), key=lambda r: r != leader.id)
        goal = (*having, *(r for r in others if r not in wanted))[:count]
        self._require_able(goal, count)
        if not set(goal) <= set(self.metadata.replicas):
            self.reassign((*goal, *(r for r in wanted if r not in goal)))
        self._notice()
        if self._can_do_with(goal):
            self.sync()  # what the one that leaves had synced, all others must have synced
        if self._can_do_with(goal):
            self.reassign(goal)
            self._remove_departed()
        return replica not in self.metadata.replicas and replica not in self.replicas

    def _can_do_with(self, goal: Sequence[int]) -> bool:
        """Whether replicas are in sync and have every record that any replica has."""
        return set(goal) <= {writer.id for writer in self.writers} & set(self.metadata.isr)

    def _require_able(self, goal: Sequence[int], count: int) -> None:
        """DirectoryNeeded if the replicas of `goal` are too few, DiskFull if one has no space for its copy."""
        if len(goal) < count:
            raise DirectoryNeeded(
                f"{self.name} needs {count} directories, and of those that stay {len(goal)} can be used",
                hint="bring a lost directory back or add one, or lower replication_factor by ALTER TOPIC",
            )
        for replica in (self.replicas[number] for number in goal if number in self.replicas):
            if isinstance(replica.error, DiskFull):
                raise replica.error

    def forget(self, replica: int) -> None:
        """Keep nothing of a replica whose directory is no longer the storage's."""
        self._controller = control.forgotten(self._controller, replica)

    def set_min_insync(self, number: int) -> None:
        """Raises InvalidAssignment."""
        self._ask(lambda request: SetMinInsync(CLIENT, request, number))

    def configure(self, settings: Settings) -> None:
        """Other settings; what was appended so far has been synced by then."""
        self._report_appends()
        self._settings = settings
        self._controller = replace(self._controller, settings=settings)
        for replica in self.replicas.values():
            if replica.state is not None:
                replica.state = replace(replica.state, settings=settings)
        self.run()

    def trim(self, offset: int) -> None:
        """Drop the records before `offset`, all of which are committed, in every replica that is in step."""
        leader = self.require_leader()
        self._in_vain = frozenset()
        self._report_appends()
        self._step(leader, Trim(leader.log.frame_start(offset)))
        if not leader.is_live:
            self._expel_missing()
            return
        role, start = leader.leads, leader.live.log.start
        if role is not None:
            for replica in self.writers[1:]:
                news = Fetched(
                    leader.id, role.epoch, replica.live.incarnation, -1, leader.live.high_watermark, start, ()
                )
                self._mail.append(Send(replica.id, news))
        for replica in self.writers:
            error = error_of(replica.log.delete_before, offset)
            if error is not None and (replica is not leader or self._has_heir(replica)):
                self._lose(replica, error)
            elif error is not None:
                raise error
        self.run()
        if self._unsettled:
            self._expel_missing()

    def truncate(self, offset: int) -> None:
        """Take back all records from `offset` on, as their writer asks: every replica cuts its log and begins another
        life, so that another epoch begins, by which replicas that are not here now find out what was taken back.
        """
        self.run()
        for replica in list(self.replicas.values()):
            if not replica.is_live or replica.live.uncut:
                continue
            error = None
            if replica.log.end_offset > offset:
                error = error_of(replica.log.truncate_to, offset)
            error = error or error_of(replica.reopen_state, self._settings)
            if error is not None:
                self._lose(replica, error)
        self.committed = min(self.committed, offset)
        self._deferred.clear()
        self._start()
