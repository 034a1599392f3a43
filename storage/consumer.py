"""Consumer: reads topics, alone or as a member of a group that shares the partitions.

The calls and their meaning are those of Kafka's consumer. What differs, and why: `poll` returns Arrow batches, not
records. There is no thread behind it: the group is told that the consumer lives by `poll` (also while it waits),
`commit` and `heartbeat`, so one timeout does the work of Kafka's `session.timeout.ms` and `max.poll.interval.ms`
(members live in one process: what fails is not the network but the code between two polls). A group without
committed offsets begins at the earliest record unless asked otherwise, and a partition that is added later is always
read from its beginning (Kafka loses what was written before the group saw it).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import TracebackType
from typing import get_args

from storage.errors import (
    ConsumerBusy,
    DiskFull,
    InvalidConfig,
    MemberFenced,
    OffsetOutOfRange,
    StorageClosed,
    StorageError,
    TopicNotFound,
)
from storage.facade import Storage
from storage.log.frame import Frame
from storage.log.log import DEFAULT_MAX_ROWS, Isolation, Log
from storage.offsets.assignment import ASSIGNORS, TopicPartition
from storage.offsets.coordinator import GroupMember, check_group_name
from storage.offsets.places import Place, at_timestamp, earliest, latest
from storage.reading import Reading, Received

RESETS = ("earliest", "latest", "error")
# A waiting consumer tells its group this often that it lives, and looks for partitions that changed hands.
_HEARTBEAT_S = 1.0

Listener = Callable[[list[TopicPartition]], object]
"""Told the partitions that a rebalance brought or took."""


class Consumer:
    """Reads `topics`, or given `partitions`; one thread at a time, except for `wakeup` and `heartbeat`.

    group: whose offsets are kept and among whose members the topics' partitions are shared; None reads everything
    and commits nothing. With `partitions` the consumer is no member: a group then only names the offsets.
    columns: which columns to read, in that order. auto_offset_reset: where to begin without a committed offset, or
    when retention has dropped it: "earliest", "latest", or "error" (OffsetOutOfRange). auto_commit commits what
    earlier polls returned, in `poll` every `auto_commit_interval_ms`, when partitions go away and when it closes;
    `commit_failure` is what kept the last of these from being stored, a full disk for instance.
    session_timeout_ms: a member that is silent for so long is put out; its next `poll` joins again from the last
    commit, its `commit` raises MemberFenced. assignor: "sticky", "range" or "round_robin", the same for the whole
    group. instance_id: a consumer that comes again under it takes over, without a rebalance, the partitions of the one
    before, whose calls then raise MemberFenced. isolation: "read_committed" (only what is final; the records of a
    transaction come when it is committed, in all partitions at the same time), or "read_uncommitted".
    on_assigned, on_revoked, on_lost: told which partitions came, are about to go (and may be committed still), and are
    gone because the member was put out.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        group: str | None = None,
        topics: Sequence[str] = (),
        partitions: Sequence[tuple[str, int]] = (),
        columns: list[str] | None = None,
        auto_offset_reset: str = "earliest",
        auto_commit: bool = True,
        auto_commit_interval_ms: int = 5_000,
        session_timeout_ms: int = 300_000,
        assignor: str = "sticky",
        client_id: str = "consumer",
        instance_id: str | None = None,
        isolation: Isolation = "read_committed",
        on_assigned: Listener | None = None,
        on_revoked: Listener | None = None,
        on_lost: Listener | None = None,
    ) -> None:
        """Raises TopicNotFound, InvalidConfig, GroupInUse."""
        self._storage = storage
        self._group = group
        self._topics = tuple(dict.fromkeys(topics))
        self._fixed = tuple(TopicPartition(*each) for each in partitions)
        self._columns = columns
        self._reset = auto_offset_reset
        self._auto_commit = auto_commit and group is not None
        self._interval_us = auto_commit_interval_ms * 1000
        self._timeout_ms = session_timeout_ms
        self._assignor = assignor
        self._client = client_id
        self._instance = instance_id
        self._isolation: Isolation = isolation
        self._listeners = {"assigned": on_assigned, "revoked": on_revoked, "lost": on_lost}
        self._lock = threading.RLock()
        self._readings: dict[TopicPartition, Reading] = {}
        self._first_counts: dict[str, int] = {}
        self._member: str | None = None
        self._changes = -1
        self._turn = 0
        self._woken = False
        self._closed = False
        self._check()
        self.commit_failure: StorageError | None = None
        self._committed_us = storage.env.now_us()
        if self._is_member:
            self._join()

    def _check(self) -> None:
        """Refuse settings that make no sense."""
        if bool(self._topics) == bool(self._fixed):
            raise InvalidConfig("a consumer needs either topics or partitions")
        if self._group is not None:
            check_group_name(self._group)
        if self._reset not in RESETS:
            raise InvalidConfig(f'auto_offset_reset must be one of {", ".join(RESETS)}, got "{self._reset}"')
        if self._isolation not in get_args(Isolation):
            raise InvalidConfig(f'isolation must be one of {", ".join(get_args(Isolation))}, got "{self._isolation}"')
        if self._assignor not in ASSIGNORS:
            raise InvalidConfig(f'assignor must be one of {", ".join(ASSIGNORS)}, got "{self._assignor}"')
        if self._timeout_ms <= 0 or self._interval_us < 0:
            raise InvalidConfig("session_timeout_ms must be positive, auto_commit_interval_ms not negative")
        for topic in self._topics:
            known = self._storage.topic(topic).schema.names
            for column in self._columns or ():
                if column not in known:
                    raise InvalidConfig(f'topic "{topic}" has no column "{column}"')
        for each in self._fixed:
            _log_of(self._storage, each)

    # --- reading ---

    def poll(self, max_rows: int = DEFAULT_MAX_ROWS, timeout_ms: int = 0) -> list[Received]:
        """Records from the positions on, at most `max_rows` rows together; waits up to `timeout_ms` for the first.

        Every partition that has records gets its share of the rows, what one does not use goes to the others, and
        the first one is another one each time. Changes of the group happen in here. Raises OffsetOutOfRange (with
        auto_offset_reset = "error"), CorruptLog and ReadFailed of a partition when no other has anything to give,
        MemberFenced when another consumer has taken over its instance.
        """
        if max_rows < 1:
            raise InvalidConfig(f"max_rows must be at least 1, got {max_rows}")
        with self._used():
            remaining_s = timeout_ms / 1000
            while True:
                self._commit_if_due()
                self._follow()
                self._storage.transactions.expire()  # one that its owner has left would keep its records from us
                found = self._fetch(max_rows)
                if found or remaining_s <= 0 or self._woken:
                    self._woken = False
                    return found
                slice_s = min(remaining_s, _HEARTBEAT_S, self._timeout_ms / 3000)
                if not self._storage.arrivals.wait_for(self._has_something, slice_s):
                    remaining_s -= slice_s

    def _has_something(self) -> bool:
        """Whether a waiting poll has anything to do."""
        if self._woken or self._hungry():
            return True
        return (
            self._group is not None
            and self._member is not None
            and self._changes != self._storage.groups.changes(self._group)
        )

    def _fetch(self, max_rows: int) -> list[Received]:
        """One round of reads, or several until there are `max_rows` rows or no more records."""
        found: list[Received] = []
        failure: StorageError | None = None
        self._turn += 1
        ends = self._hungry()
        hungry = list(ends)
        while hungry and max_rows > 0:
            still = []
            for place, each in enumerate(hungry):
                share = -(-max_rows // (len(hungry) - place))
                try:
                    frames = self._read(each, share, ends[each]) if share else []
                except StorageError as error:
                    failure = failure or error
                    continue
                max_rows -= sum(frame.record_count for frame in frames)
                found += [Received(each.topic, each.partition, frame) for frame in frames if frame.record_count]
                if frames and frames[-1].next_offset < ends[each]:
                    still.append(each)
            hungry = still
        if failure is not None and not found:
            raise failure
        return found

    def _in_turn(self) -> list[TopicPartition]:
        """The partitions, beginning with another one each time."""
        all_of_them = list(self._readings)
        start = self._turn % max(len(all_of_them), 1)
        return all_of_them[start:] + all_of_them[:start]

    def _hungry(self) -> dict[TopicPartition, int]:
        """The partitions that have something to read, and up to where, as of one moment."""
        partitions = [each for each in self._in_turn() if not self._readings[each].paused]
        ends = self._storage.transactions.cut((self._readings[each].log for each in partitions), self._isolation)
        return {each: end for each, end in zip(partitions, ends, strict=True) if self._readings[each].has_rows(end)}

    def _read(self, each: TopicPartition, max_rows: int, end: int) -> list[Frame]:
        """Frames from the position on, up to `end`; moves it."""
        reading = self._readings[each]
        position = self._located(each)
        try:
            frames = self._frames(reading.log, position, min(max_rows, end - position))
        except OffsetOutOfRange:
            # Retention or a truncation came between: the next look finds the position outside.
            position = self._located(each)
            frames = self._frames(reading.log, position, min(max_rows, end - position))
        reading.position = frames[-1].next_offset if frames else position
        return frames

    def _frames(self, log: Log, position: int, max_rows: int) -> list[Frame]:
        """A read, as this consumer asks for it."""
        return log.read(position, max_rows=max_rows, columns=self._columns, isolation=self._isolation)

    def _located(self, each: TopicPartition) -> int:
        """The position: where reading has come to, else the committed offset, else by auto_offset_reset."""
        reading = self._readings[each]
        log, position = reading.log, reading.position
        if position is None:
            position = reading.committed
        if position is None or not log.start_offset <= position <= log.end_offset:
            position = self._reset_position(each, position)
        reading.position = position
        return position

    def _reset_position(self, each: TopicPartition, position: int | None) -> int:
        """Where to begin when there is no position or none in the log."""
        log = self._readings[each].log
        if self._reset == "error":
            problem = "has no committed offset" if position is None else f"does not have the offset {position}"
            raise OffsetOutOfRange(
                f"partition {each} {problem}",
                hint=f"it has offsets {log.start_offset} to {log.end_offset}; seek, or set auto_offset_reset",
            )
        if self._reset == "latest" and not self._is_late(each):
            return self._readings[each].end
        return log.start_offset

    def _is_late(self, each: TopicPartition) -> bool:
        """Whether the partition was added after reading its topic began."""
        if self._is_member and self._group is not None:
            return self._storage.groups.is_late(self._group, each)
        return each.partition >= self._first_counts.get(each.topic, each.partition + 1)

    # --- the group ---

    @property
    def _is_member(self) -> bool:
        """Whether a group shares the topics' partitions with this consumer."""
        return self._group is not None and not self._fixed

    def _join(self) -> None:
        """Become a member."""
        assert self._group is not None
        self._member = self._storage.groups.join(
            self._group,
            self._topics,
            client=self._client,
            assignor=self._assignor,
            session_timeout_ms=self._timeout_ms,
            instance=self._instance,
        )

    def _follow(self) -> None:
        """Bring the partitions up to date with the group and the topics."""
        if self._is_member:
            self._follow_group()
        else:
            self._set(self._all_partitions())
        for each, reading in self._readings.items():
            log = _log_of(self._storage, each)
            if log is not reading.log:
                # The topic was dropped and made anew: nothing of the old position holds.
                self._readings[each] = self._opened(each, self._committed())

    def _all_partitions(self) -> list[TopicPartition]:
        """What a consumer without members beside it reads; partitions of dropped topics are left out."""
        counts = {topic: len(self._storage.partitions_of(topic)) for topic in self._topics}
        for topic, count in counts.items():
            self._first_counts.setdefault(topic, count)
        fixed = [each for each in self._fixed if each.partition < len(self._storage.partitions_of(each.topic))]
        return fixed or [TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)]

    def _follow_group(self) -> None:
        """Heartbeats until there is nothing to give up and nothing to take."""
        while True:
            partitions = self._beat()
            revoked = sorted(set(self._readings) - partitions)
            if revoked:
                self._tell("revoked", revoked)
                self._commit_by_itself(revoked)
            if not self._set(sorted(partitions)):
                return

    def _beat(self) -> frozenset[TopicPartition]:
        """One heartbeat; joins again if the session timed out. Returns what the member may have."""
        assert self._group is not None and self._member is not None
        groups = self._storage.groups
        try:
            self._changes = groups.changes(self._group)
            return groups.heartbeat(self._group, self._member, list(self._readings)).partitions
        except MemberFenced as error:
            self._lose()
            if not error.may_rejoin:
                raise
        self._join()
        assert self._member is not None
        return groups.heartbeat(self._group, self._member, []).partitions

    def _lose(self) -> None:
        """Forget everything: the partitions may be another's already."""
        lost, self._readings = sorted(self._readings), {}
        if lost:
            self._tell("lost", lost)

    def _set(self, partitions: Collection[TopicPartition]) -> bool:
        """Make these the partitions; True if any went away."""
        gone = set(self._readings) - set(partitions)
        new = [each for each in partitions if each not in self._readings]
        for each in gone:
            del self._readings[each]
        if new:
            committed = self._committed()
            self._readings |= {each: self._opened(each, committed) for each in new}
            self._tell("assigned", new)
        return bool(gone)

    def _opened(self, each: TopicPartition, committed: Mapping[TopicPartition, int]) -> Reading:
        """A partition at its committed offset; "latest" means the latest as of now."""
        reading = Reading(_log_of(self._storage, each), self._isolation)
        reading.committed = committed.get(each)
        if reading.committed is None and self._reset == "latest" and not self._is_late(each):
            reading.position = reading.end
        return reading

    def _tell(self, what: str, partitions: list[TopicPartition]) -> None:
        """Call a listener."""
        listener = self._listeners[what]
        if listener is not None:
            listener(partitions)

    @property
    def group_member(self) -> GroupMember:
        """Who commits this consumer's offsets: for `Transaction.commit_offsets`."""
        if self._group is None:
            raise InvalidConfig("a consumer without a group cannot commit")
        return GroupMember(self._group, self._member)

    def heartbeat(self) -> None:
        """Tell the group that the consumer lives, from any thread, while a long piece of work keeps it from polling.

        MemberFenced if it is too late.
        """
        if self._group is not None and self._member is not None:
            self._storage.groups.heartbeat(self._group, self._member, list(self._readings))

    # --- positions ---

    @property
    def assignment(self) -> list[TopicPartition]:
        """The partitions read now, sorted."""
        return sorted(self._readings)

    def position(self, topic: str, partition: int) -> int:
        """Offset of the next record that `poll` will return of the partition."""
        with self._used():
            return self._located(self._assigned(topic, partition))

    def positions(self) -> dict[TopicPartition, int]:
        """Positions of all assigned partitions."""
        with self._used():
            return {each: self._located(each) for each in self.assignment}

    def lag(self) -> dict[TopicPartition, int]:
        """How many readable records are still to come of each assigned partition."""
        with self._used():
            return {each: max(self._readings[each].end - self._located(each), 0) for each in self.assignment}

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read on from `offset`; outside the log auto_offset_reset decides, as for committed offsets."""
        if offset < 0:
            raise InvalidConfig(f"cannot seek to offset {offset}")
        with self._used():
            self._readings[self._assigned(topic, partition)].position = offset

    def seek_to_beginning(self, *partitions: tuple[str, int]) -> None:
        """Read on from the oldest record, in the given or all assigned partitions."""
        self._seek(earliest, partitions)

    def seek_to_end(self, *partitions: tuple[str, int]) -> None:
        """Read on from the next record that comes, in the given or all assigned partitions."""
        self._seek(latest, partitions)

    def seek_to_timestamp(self, timestamp_us: int, *partitions: tuple[str, int]) -> None:
        """Read on from the first record of that time (microseconds since 1970 UTC) or later, from the end if there
        is none. See `Log.offset_for_timestamp` for what a record's time is.
        """
        self._seek(at_timestamp(timestamp_us), partitions)

    def _seek(self, place: Place, partitions: Collection[tuple[str, int]]) -> None:
        """Go to a place."""
        with self._used():
            for each in [self._assigned(*each) for each in partitions] or self.assignment:
                reading = self._readings[each]
                reading.position = place(reading.log)

    def pause(self, *partitions: tuple[str, int]) -> None:
        """Let `poll` leave out the given or all assigned partitions; a partition that goes away forgets it."""
        self._set_paused(partitions, True)

    def resume(self, *partitions: tuple[str, int]) -> None:
        """Undo `pause`."""
        self._set_paused(partitions, False)

    @property
    def paused(self) -> list[TopicPartition]:
        """The partitions that `poll` leaves out."""
        return [each for each in self.assignment if self._readings[each].paused]

    def _set_paused(self, partitions: Collection[tuple[str, int]], paused: bool) -> None:
        """Pause or resume."""
        with self._used():
            for each in [self._assigned(*each) for each in partitions] or self.assignment:
                self._readings[each].paused = paused

    def _assigned(self, topic: str, partition: int) -> TopicPartition:
        """The partition, after a look at the group if it is not known; InvalidConfig if it is not assigned."""
        each = TopicPartition(topic, partition)
        if each not in self._readings:
            self._follow()
        if each not in self._readings:
            raise InvalidConfig(f"partition {each} is not assigned to this consumer")
        return each

    # --- commits ---

    def committed(self, topic: str, partition: int) -> int | None:
        """The group's committed offset of a partition."""
        return self._committed().get(TopicPartition(topic, partition))

    def _committed(self) -> dict[TopicPartition, int]:
        """All committed offsets of the group."""
        return self._storage.groups.committed(self._group) if self._group is not None else {}

    def commit(self, positions: Mapping[tuple[str, int], int] | None = None) -> None:
        """Store offsets of next records, durably and together: by (topic, partition), default all positions.

        Raises MemberFenced when a partition is no longer this member's, OffsetOutOfRange beyond the end.
        """
        if self._group is None:
            raise InvalidConfig("a consumer without a group cannot commit")
        with self._used():
            if positions is None:
                self._commit_positions(self.assignment)
                return
            chosen = {TopicPartition(*each): offset for each, offset in positions.items()}
            self._storage.groups.commit(self._group, self._member, chosen)
            self._note_committed(chosen)

    def _commit_positions(self, partitions: Collection[TopicPartition]) -> None:
        """Commit where reading has come to, where that is news, and a position in the log as it is."""
        assert self._group is not None
        news = {}
        for each in partitions:
            reading = self._readings[each]
            logs = self._storage.partitions_of(each.topic)
            same_log = each.partition < len(logs) and logs[each.partition] is reading.log
            position = reading.position
            if same_log and position not in (None, reading.committed) and position <= reading.log.end_offset:
                news[each] = position
        if news or self._member is not None:
            self._storage.groups.commit(self._group, self._member, news)
            self._note_committed(news)

    def _note_committed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Remember what is committed."""
        for each, offset in positions.items():
            if each in self._readings:
                self._readings[each].committed = offset

    def _commit_if_due(self) -> None:
        """Auto commit, when its interval is over."""
        now_us = self._storage.env.now_us()
        if not self._auto_commit or 0 <= now_us - self._committed_us < self._interval_us:
            return
        self._committed_us = now_us
        self._commit_by_itself(self.assignment)

    def _commit_by_itself(self, partitions: Collection[TopicPartition]) -> None:
        """Auto commit. What can be made good later does not keep records from being read: a full disk, and being put
        out of the group, which the heartbeat that follows finds, too.
        """
        self.commit_failure = None
        if not self._auto_commit:
            return
        try:
            self._commit_positions(partitions)
        except (DiskFull, MemberFenced) as error:
            self.commit_failure = error

    # --- lifetime ---

    def wakeup(self) -> None:
        """Let the `poll` that waits in another thread (or else the next one) return at once."""
        self._woken = True
        self._storage.arrivals.signal()

    def close(self, *, commit: bool = True) -> None:
        """Commit (if it does so by itself), and leave the group; an instance stays a member until its session
        times out or it comes again. Closing twice is fine.
        """
        if self._closed:
            return
        with self._used():
            try:
                self._leave(commit)
            except MemberFenced:
                self._lose()
            finally:
                self._closed = True

    def _leave(self, commit: bool) -> None:
        """Give everything back, also when it cannot be committed."""
        try:
            if self._readings and self._member is not None:
                self._tell("revoked", self.assignment)
            if commit and self._auto_commit:
                self._commit_positions(self.assignment)
        finally:
            if self._group is not None and self._member is not None and self._instance is None:
                self._storage.groups.leave(self._group, self._member)
        self._readings = {}

    @contextlib.contextmanager
    def _used(self) -> Iterator[None]:
        """Guard of everything that only one thread may do at a time; listeners may call back."""
        if not self._lock.acquire(blocking=False):
            raise ConsumerBusy("the consumer is in use by another thread", hint="use one consumer a thread")
        try:
            if self._closed:
                raise StorageClosed("the consumer is closed")
            yield
        finally:
            self._lock.release()

    def __enter__(self) -> Consumer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; after an error what the last poll returned is not committed: it may not be done."""
        self.close(commit=kind is None)


def _log_of(storage: Storage, each: TopicPartition) -> Log:
    """The log of a partition, or TopicNotFound."""
    logs = storage.partitions_of(each.topic)
    if each.partition >= len(logs):
        raise TopicNotFound(f'topic "{each.topic}" has no partition {each.partition}')
    return logs[each.partition]
