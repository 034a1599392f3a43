"""LocalReplica: one replica of a partition in a directory of this machine: its log, its protocol state, its state file.

Performs on the log what a step of the protocol asks for. Must not know the other replicas.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from storage.env import Env, make_dir
from storage.errors import CorruptFile, LogFailed, StorageError, translated
from storage.log import recovery
from storage.log.producers import Saved as ProducersSaved
from storage.log.recovery import DURABLE_FILE
from storage.log.replica_log import ReplicaLog, begin_at
from storage.log.segment import LOG_SUFFIX
from storage.replication import machine, union
from storage.replication.committed_note import COMMITTED_FILE, CommittedNote
from storage.replication.controller import NO_LIFE, Registration, Saved
from storage.replication.epochs import EpochStart
from storage.replication.messages import Entry, Event, Integrity
from storage.replication.state import (
    UNREGISTERED,
    Following,
    Leading,
    LogState,
    Ready,
    Replica,
    Settings,
    Truncation,
    opened,
)
from storage.replication.state_file import STATE_FILE, Kept, StateFile

RETRY_US = 1_000_000
"""A replica that was lost, or a directory that could not keep decisions, is tried again after this time."""
_KEPT_FILES = (STATE_FILE, COMMITTED_FILE)
"""What stays in the directory when the log in it is replaced."""


@dataclass(frozen=True)
class Place:
    """Where a replica is: its id, the directory of the partition's log, and how such a log is opened."""

    id: int
    env: Env
    directory: str
    open_log: Callable[[str], ReplicaLog]


Locate = Callable[[int], Place | None]
"""The place of a replica by its id, None if its directory cannot be used now."""


class LocalReplica:
    """A replica that works (`state` is not None), or one that does not (`error` says why, `lost_us` since when).
    `kept_life`: the life that its directory tells of.
    """

    def __init__(self, place: Place) -> None:
        self.id = place.id
        self.place = place
        self._file = StateFile(place.env, place.directory)
        self._note = CommittedNote(place.env, place.directory)
        self._log: ReplicaLog | None = None
        self.state: Replica | None = None
        self.kept_life = NO_LIFE
        self.error: StorageError | None = None
        self.lost_us = 0

    # --- opening ---

    def kept(self) -> Kept | None:
        """What the directory says of the replication, None if it says nothing (readable)."""
        try:
            return self._file.load()
        except OSError:
            return None

    @property
    def has_segments(self) -> bool:
        """Whether anything was ever appended, or could have been, to a log in the directory."""
        return any(name.endswith(LOG_SUFFIX) for name in self.place.env.list(self.place.directory))

    @property
    def _has_point(self) -> bool:
        """Whether the directory has a durable point."""
        return self.place.env.exists(f"{self.place.directory}/{DURABLE_FILE}")

    def records(self) -> int | None:
        """Where the log in the directory ends, None if there is none that can be read."""
        if not self._has_point:
            return None
        log = self.place.open_log(self.place.directory)
        end = log.end_offset if log.failure is None else None
        log.close(flush=False)
        return end

    def open(self, settings: Settings, known: Registration | None) -> None:
        """Open the log, or make it. `known`: the registration of the last opening, None for a new partition.

        Raises StorageError if the directory cannot be used now. A damaged log opens as an empty one that must not be
        written before another replica leads: nothing is changed on disk until then.
        """
        env, directory = self.place.env, self.place.directory
        has_point = self._has_point
        is_new = not has_point and not self.has_segments
        with translated(f'directory "{directory}"'):
            if is_new:
                begin_at(env, directory, 0, [], keep=_KEPT_FILES)
        log = self.place.open_log(directory)
        if log.failure is not None and not isinstance(log.failure, CorruptFile):
            raise log.failure
        self._log = log
        found = LogState()
        # Without its durable point nothing tells whether a log began where it begins now: it counts as empty.
        is_cut = not has_point and not is_new and log.start_offset > 0
        if log.failure is None and not is_cut:
            with contextlib.suppress(CorruptFile):  # it has become the log's failure
                found = log_state(log)
        kept = self.kept()
        self.kept_life = NO_LIFE if kept is None else kept.life
        self._begin(settings, found, _integrity(log, settings, kept, known, is_missing=not has_point))
        self.error = log.failure

    def _begin(self, settings: Settings, log: LogState, integrity: Integrity) -> None:
        """Another life, on a log."""
        life, known = new_life(self.place.env), self._note.known(log)
        self.state = opened(self.id, settings, life=life, log=log, integrity=integrity, high_watermark=known)

    def put_together(self, plan: union.Plan, copies: Sequence[union.Copy]) -> None:
        """Give it the log that the replicas have together. OSError, StorageError."""
        self._release()
        with translated(f'directory "{self.place.directory}"'):
            union.put_in_place(self.place.env, self.place.directory, plan, copies, _KEPT_FILES, self.place.open_log)

    def reopen_log(self, committed: int) -> None:
        """Go on with a log that has the same records. CorruptLog, LogFailed."""
        log = self.place.open_log(self.place.directory)
        log.committed, log.leader_epoch = committed, self.log.leader_epoch
        self._log = log
        if log.failure is not None:
            raise log.failure
        self.error = None

    def open_anew(self, settings: Settings) -> None:
        """Throw the log away and begin with an empty one, which is filled by another replica."""
        self._begin_at(0, [])
        self._begin(settings, LogState(), Integrity.DAMAGED)

    def open_before_damage(self, settings: Settings) -> None:
        """Begin another life on what is before the first damage. Nothing else of the log is used again."""
        self._release()
        self._end_before_damage()
        found = log_state(self.log) if self.log.failure is None else LogState()
        self._begin(settings, found, Integrity.DAMAGED)
        self.error = self.log.failure

    def _end_before_damage(self) -> None:
        """Open a log that is closed as what is before its first damage."""
        env, directory = self.place.env, self.place.directory
        with translated(f'directory "{directory}"'):
            recovery.end_before_damage(env, directory)
        self._log = self.place.open_log(directory)

    def reopen_state(self, settings: Settings) -> None:
        """Begin another life on the log as it is, because its owner has cut it."""
        self._begin(settings, log_state(self.log), self.live.integrity)

    # --- what it is ---

    @property
    def is_live(self) -> bool:
        """Whether it takes part."""
        return self.state is not None

    @property
    def has_more_than_counts(self) -> bool:
        """Whether there are records in a log that is damaged, or may lack its beginning."""
        return isinstance(self.log.failure, CorruptFile) or (
            self.live.uncut and self.log.end_offset > self.live.log.end
        )

    @property
    def is_usable(self) -> bool:
        """Whether it takes part with a log that can be written."""
        return self.is_live and self.log.failure is None and not self.live.uncut

    @property
    def live(self) -> Replica:
        """The protocol state of a replica that takes part."""
        assert self.state is not None
        return self.state

    @property
    def log(self) -> ReplicaLog:
        """The log of a replica that has been opened."""
        assert self._log is not None
        return self._log

    @property
    def leads(self) -> Leading | None:
        """Its role if it leads."""
        role = self.state.role if self.state is not None else None
        return role if isinstance(role, Leading) else None

    def follows(self, epoch: int) -> bool:
        """Whether it follows the leader of `epoch`."""
        role = self.state.role if self.state is not None else None
        return isinstance(role, Following) and role.epoch == epoch

    # --- working ---

    def step(self, event: Event, producers_at: Callable[[int], ProducersSaved]) -> Ready:
        """Take a step and do to the log what it asks for; reads and messages are left to the caller.

        producers_at: what is known of producers where a log begins anew. Raises StorageError when the log cannot
        follow: the replica has to be taken out then.
        """
        self.state, ready = machine.step(self.live, event)
        for truncation in ready.truncations:
            self._truncate(truncation, producers_at)
        for entry in ready.appends:
            self._append(entry)
        if ready.delete_before is not None:
            self.log.delete_before(min(ready.delete_before, self.log.end_offset))
        return ready

    def _truncate(self, truncation: Truncation, producers_at: Callable[[int], ProducersSaved]) -> None:
        """Cut the log, or let it begin anew at an offset. OffsetOutOfRange if compaction forbids the cut."""
        if truncation.start is not None:
            self._begin_at(truncation.start, producers_at(truncation.start))
            return
        if self.log.failure is not None or truncation.end < self.log.start_offset:
            self._keep_before(truncation.end)
        if truncation.end < self.log.end_offset:
            self.log.truncate_to(truncation.end)
        self.error = None

    def _keep_before(self, end: int) -> None:
        """Open a log that is damaged, or may lack its beginning, again as what is before that, which goes to `end` at
        least. StorageError if less is left: opened once more, the log counts as empty then.
        """
        start = self.live.log.start
        if end == start:
            self._begin_at(start, [])
            return
        self._release()
        self._log = self.place.open_log(self.place.directory)
        if self._log.failure is not None:
            self._end_before_damage()
        if self._log.failure is not None:
            raise self._log.failure
        if self._log.frame_start(self._log.start_offset) > start or self._log.end_offset < end:
            raise LogFailed(f'directory "{self.place.directory}" has less than was known of it')

    def _begin_at(self, start: int, producers: ProducersSaved) -> None:
        """Throw everything away; the next record has the offset `start`."""
        self._release()
        env, directory = self.place.env, self.place.directory
        with translated(f'directory "{directory}"'):
            begin_at(env, directory, start, producers, keep=_KEPT_FILES)
        self._log = self.place.open_log(directory)
        if self._log.failure is not None:
            raise self._log.failure
        self.error = None

    def _append(self, entry: Entry) -> None:
        """Store frames, unless they are there: an appender writes to all replicas before the protocol hears of it."""
        if entry.next_offset <= self.log.end_offset:
            return
        self.log.store_raw(entry.payload)

    def save(self, saved: Saved, *, closed: bool = False) -> None:
        """Keep the controller's decisions beside the log, durably. Raises StorageError.

        A life is kept once it is registered: with decisions that do not know it, it would pass for an old copy's.
        """
        is_known = self.kept_life == NO_LIFE or self.is_registered(saved)
        kept = Kept(saved, self.live.life if is_known else self.kept_life, self.live.integrity, closed)
        with translated(f'directory "{self.place.directory}"'):
            self._file.save(kept)
        self.kept_life = kept.life

    def is_registered(self, saved: Saved) -> bool:
        """Whether decisions know its life."""
        return any((known.replica, known.life) == (self.id, self.live.life) for known in saved.registrations)

    def note_committed(self, epoch: int, offset: int, sync: bool = False) -> None:
        """Keep that records before `offset` are committed in the log of the leader of `epoch`. Raises StorageError."""
        self._note.save(epoch, offset, sync=sync)

    def renew_note(self) -> None:
        """Let what is committed be noted anew if the note has been removed."""
        self._note.renew()

    def check_present(self, *, every_file: bool = False) -> None:
        """LogFailed if the directory was removed under the open log. every_file: or any of its segments, or the durable
        point, without which the log will be taken for damaged when it is opened again.
        """
        is_there = self.log.has_every_file() if every_file else self.log.is_there()
        if self.log.failure is None and not is_there:
            raise LogFailed(
                f'directory "{self.place.directory}" has vanished',
                hint="it is made again and filled by the other replicas",
            )

    # --- leaving ---

    def lose(self, error: StorageError, now_us: int) -> None:
        """Take no part any more, because of `error`."""
        self.state = None
        self.error, self.lost_us = error, now_us
        self._release()

    def _release(self) -> None:
        """Close the log without writing anything."""
        self._note.release()
        if self._log is not None:
            with contextlib.suppress(StorageError, OSError):
                self._log.close(flush=False)

    def close(self, saved: Saved, *, flush: bool) -> None:
        """Close the log in order, and say so beside it. Raises what went wrong."""
        if self.state is None:
            return
        try:
            self.log.close(flush=flush)
            if flush:
                self._note.sync()
        finally:
            self._note.release()
        if flush and self.log.failure is None and not self.live.settings.commit_synced:
            self.save(saved, closed=True)
        self.state = None

    def delete(self) -> None:
        """Remove the log, because the partition has moved away, of which its state tells. Raises StorageError."""
        self._release()
        self.state = None
        env, directory = self.place.env, self.place.directory
        with translated(f'directory "{directory}"'):
            for name in env.list(directory):
                if name != STATE_FILE:
                    env.remove(f"{directory}/{name}")


def stand_by(place: Place, saved: Saved) -> None:
    """Keep decisions in a directory in which the partition has no replica, durably. Raises StorageError."""
    env, directory = place.env, place.directory
    with translated(f'directory "{directory}"'):
        if not env.exists(directory) and env.exists(directory.rpartition("/")[0]):
            make_dir(env, directory)
        file = StateFile(env, directory)
        file.load()
        file.save(Kept(saved, NO_LIFE, Integrity.INTACT, closed=False))


def new_life(env: Env) -> int:
    """A number that no other opening has."""
    return int.from_bytes(env.random_bytes(8), "little") >> 2


def log_state(log: ReplicaLog) -> LogState:
    """What the protocol has to know of a log."""
    start = log.frame_start(log.start_offset)
    epochs = tuple(EpochStart(*known) for known in log.epoch_starts())
    return LogState(start, log.end_offset, max(log.durable_offset, start), epochs)


def is_current(kept: Kept, known: Registration) -> bool:
    """Whether a directory is the one that was last opened as this replica, and no older copy of it: it tells of the
    life that is registered; or of a later one that nobody else kept, because its own note was thought to have failed.
    """
    if known.life in (NO_LIFE, kept.life):
        return True
    own = (r.incarnation for r in kept.saved.registrations if (r.replica, r.life) == (known.replica, kept.life))
    return max(own, default=UNREGISTERED) >= known.incarnation


def _integrity(
    log: ReplicaLog, settings: Settings, kept: Kept | None, known: Registration | None, *, is_missing: bool
) -> Integrity:
    """What is to be said of a log that is opened: see `messages.Integrity`. is_missing: of its durable point.

    Of what may be an older copy of the directory all that counts is what is compared with the leader.
    """
    if log.failure is not None:
        return Integrity.DAMAGED
    if known is None:
        return Integrity.INTACT
    if is_missing or kept is None or not is_current(kept, known):
        return Integrity.DAMAGED
    if not settings.commit_synced and not kept.closed:
        return max(kept.integrity, Integrity.TAIL)
    return kept.integrity
