"""Healing: a partition of which replicas are damaged is repaired by one that is whole, or by what all have together.

A replica is cut where it is damaged and filled again by the leader, which is the protocol's way. So before anything is
cut, what the others have there is read: if no single one is whole, the log is put together of the frames that are
(`union`), and if something is lacking even then, everything stays as it is. Must not know of topics.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from storage.env import Env
from storage.errors import CorruptFile, CorruptLog, LogFailed, StorageError, translated
from storage.replication import election, union
from storage.replication.driver import READ_BYTES, UNLIMITED, Driver, error_of
from storage.replication.local_replica import LocalReplica, Locate, is_current, new_life
from storage.replication.messages import Damaged


class Healing(Driver):
    """`lacking`: offsets that no in-sync replica has whole, as far as is known. `is_held`: nobody leads because of
    them, and nothing is changed before another replica is there or somebody decides.
    """

    def __init__(
        self, env: Env, locate: Locate, in_use: Callable[[], Collection[int]], workers: ThreadPoolExecutor, name: str
    ) -> None:
        super().__init__(env, locate, in_use, workers, name)
        self.lacking: tuple[int, int] | None = None
        self.is_held = False
        self._in_vain: frozenset[int] = frozenset()  # replicas that were put together, and something was lacking

    # --- before anybody leads ---

    def _put_together(self) -> None:
        """While nobody leads and a replica that may is damaged, see whether another is whole before anything is copied
        from it: all of them are read through. If none is, one is made of what they have together, from which the others
        are filled. If that lacks anything, none of them takes part (`is_held`), so that nothing is cut off.
        """
        members = [self.replicas[number] for number in election.members(self.metadata) if number in self.replicas]
        members = [replica for replica in members if replica.is_live and self._is_current(replica)]
        self.is_held, self.lacking = False, None
        if not any(isinstance(replica.log.failure, CorruptFile) for replica in members):
            return
        try:
            copies = [union.read_copy(replica.place.env, replica.place.directory) for replica in members]
            alone = [union.plan([copy], copies) for copy in copies]
            if any(a.lacking is None and r.log.failure is None for a, r in zip(alone, members, strict=True)):
                return
            together_there = union.plan(copies, copies)
            if together_there.lacking is None:
                first = min(members, key=lambda replica: replica.log.failure is not None)
                self._replace_log(first, together_there, copies)
                return
        except (OSError, StorageError):  # each keeps its own error
            return
        self.lacking, self.is_held = together_there.lacking, True
        self._in_vain = frozenset(replica.id for replica in members)
        for replica in self.replicas.values():
            if replica.is_live:
                self._lose(replica, replica.log.failure or LogFailed("records are damaged, here or in other replicas"))

    def _try_held(self) -> None:
        """See whether a replica has come that may have what was lacking; one that was made anew cannot."""
        places = [(number, self._locate(number)) for number in election.members(self.metadata)]
        present = {n for n, place in places if place is not None and LocalReplica(place).kept() is not None}
        if not present <= self._in_vain:
            for number in present:
                self._open_replica(number, self._controller.of(number))
            self._put_together()

    def _replace_log(self, replica: LocalReplica, plan: union.Plan, copies: Sequence[union.Copy]) -> None:
        """Give a replica that has no role yet what all have together, and open it. OSError, StorageError."""
        replica.put_together(plan, copies)
        self._open_replica(replica.id, self._controller.of(replica.id))

    def _is_current(self, replica: LocalReplica) -> bool:
        """Whether a directory is the one that was last opened as this replica, and no older copy of it."""
        kept = replica.kept()
        return kept is not None and is_current(kept, self._controller.of(replica.id))

    def _go_on_with_the_beginning(self) -> None:
        """Let the records lead that come before those that no in-sync replica has whole. Raises StorageError."""
        for number in self._in_vain:
            self._open_replica(number, self._controller.of(number))
        members = [self.replicas[number] for number in sorted(self._in_vain) if self.replicas[number].is_live]
        if not members:
            raise next(replica.error for replica in self.replicas.values() if replica.error is not None)
        with translated(f"the replicas of {self.name}"):
            copies = [union.read_copy(replica.place.env, replica.place.directory) for replica in members]
            self._replace_log(members[0], union.plan(copies, copies), copies)
        self.is_held = False
        for replica in members[1:]:
            error = error_of(replica.open_before_damage, self._settings)
            if error is not None:
                self._lose(replica, error)
        self._tick()
        self._expel_missing()

    # --- while somebody leads ---

    def _found_damage(self, replica: LocalReplica, error: StorageError) -> bool:
        """Records of a replica cannot be read. If another can lead, this one is repaired by it; returns whether.

        It is cut where it is damaged: so what the other has there must be whole. If nobody's is, the log is put
        together of what all have; if that lacks anything, everything stays as it is.
        """
        is_in_sync = replica.id in self.metadata.isr
        if isinstance(error, CorruptLog) and is_in_sync and not self._has_whole_heir(replica, error.offset):
            if self._is_healed(replica):
                return True
            if self.lacking is not None:
                return False
        if not self._has_heir(replica):
            return False
        self._report_appends()
        if not isinstance(error, CorruptLog):
            self._lose(replica, error)
        else:
            self._step(replica, Damaged(error.offset, new_life(self._env)))
        return True

    def _has_whole_heir(self, leader: LocalReplica, offset: int) -> bool:
        """Whether another in-sync replica has all records from an offset on, and all of them can be read."""
        others = (r for r in self.replicas.values() if r is not leader and r.is_live and r.id in self.metadata.isr)
        return any(self._is_whole_from(other, offset) for other in others)

    def _is_whole_from(self, replica: LocalReplica, offset: int) -> bool:
        """Read a replica's log from an offset on, unless it was read through since it was opened."""
        log = replica.log
        if log.failure is not None or replica.live.uncut:
            return False
        if self._verified.get(replica.id) == UNLIMITED:
            return True
        try:
            at = log.frame_start(max(offset, log.start_offset))
            while at < log.end_offset:
                at = log.raw_frames(at, log.end_offset, READ_BYTES)[-1].header.next_offset
        except StorageError:  # its own error is found and told of when it is asked for these records
            return False
        return True

    def _is_healed(self, replica: LocalReplica) -> bool:
        """Put the log of an in-sync replica together of what all of them have, as far as it went; whether that was
        possible. The protocol hears nothing of it: the records are those that were there.
        """
        members = [self.replicas[number] for number in self.metadata.isr if number in self.replicas]
        members = [member for member in members if member.is_live and not member.live.uncut]
        present = frozenset(member.id for member in members)
        if replica not in members or present == self._in_vain:
            return False
        self._in_vain, self.lacking = frozenset(), None
        try:
            copies = [union.read_copy(member.place.env, member.place.directory) for member in members]
            plan = union.plan(copies, copies)
            if plan.lacking is not None:
                self.lacking, self._in_vain = plan.lacking, present
                return False
            if plan.end != replica.log.end_offset:
                return False
            replica.put_together(plan, copies)
            replica.reopen_log(self.committed)
        except (OSError, StorageError):  # it is repaired as if nobody had looked
            return False
        self._verified[replica.id] = UNLIMITED
        return True
