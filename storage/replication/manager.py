"""Replication: the replicated partitions of a storage, where their replicas lie, the thread that looks after them."""

from __future__ import annotations

import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from storage.env import Env
from storage.errors import StorageError
from storage.log.format import checksum
from storage.log.log import TopicContext
from storage.log.replica_log import ReplicaLog
from storage.replication.directories import Directories
from storage.replication.driver import settings_of
from storage.replication.local_replica import Place
from storage.replication.marks import MARK
from storage.replication.partition import Partition
from storage.replication.replicated_log import ReplicatedLog

TEND_SECONDS = 0.5
TEND_BYTES = 4 << 20
"""Read from one replica and written to another while appends to the partition wait."""


class ReplicaStatus(NamedTuple):
    """One replica of a partition. role: leader, follower, or none. state: in sync, catching up, or offline. `lag`: how
    many committed records it lacks. end_offset and lag are None when it is offline.
    """

    topic: str
    partition: int
    directory: str
    role: str
    state: str
    in_sync: bool
    leader_epoch: int
    end_offset: int | None
    lag: int | None
    error: str | None


class DirectoryStatus(NamedTuple):
    """One directory of the storage; `error` says why it is not in use."""

    path: str
    in_use: bool
    error: str | None


class Replication:
    """Opens partitions over the directories, and keeps a thread that repairs."""

    def __init__(self, env: Env, directories: Directories, root: str) -> None:
        self.directories = directories
        self._env = env
        self._root = root
        self._workers = ThreadPoolExecutor(4, thread_name_prefix="storage-replica")
        self._logs: list[ReplicatedLog] = []
        self._mutex = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self.error: StorageError | None = None
        self._thread = threading.Thread(target=self._run, name="storage-replication", daemon=True)

    # --- partitions ---

    def open_log(self, context: TopicContext, number: int, directory: str, is_new: bool) -> ReplicatedLog:
        """The log of a partition, which has just been made or not; `directory` is where it would be in the first
        directory.
        """
        below = directory[len(self._root) :]

        def locate(replica: int) -> Place | None:
            path = self.directories.path(replica)
            if path is None or not self._env.exists(f"{path}/{MARK}"):
                return None
            return Place(replica, self._env, path + below, lambda place: ReplicaLog(context, number, place))

        name = f'partition {number} of topic "{context.name}"'
        partition = Partition(self._env, locate, lambda: self.directories.usable, self._workers, name)
        config = context.config
        with partition.lock:
            partition.open(
                settings_of(config.durability),
                list(self.directories.members),
                self._assigned(below, number, config.replication_factor or 1),
                config.min_insync_replicas,
                is_new=is_new,
            )
            self._replace_departed(partition)
        log = ReplicatedLog(context, number, partition, self.set_factor)
        with self._mutex:
            self._logs = [known for known in self._logs if not known.is_closed]
            self._logs.append(log)
        return log

    def open_logs(self) -> list[ReplicatedLog]:
        """The partitions that are in use."""
        with self._mutex:
            return [log for log in self._logs if not log.is_closed]

    def _assigned(self, below: str, number: int, factor: int) -> list[int]:
        """Directories for a new partition: the usable ones first, beginning where the name says, so that leaders are
        spread.
        """
        usable = self.directories.taking or self.directories.usable
        first = (checksum([below.rpartition("/")[0].encode()]) + number) % len(usable)
        others = [member for member in self.directories.staying if member not in usable]
        return [*usable[first:], *usable[:first], *others][:factor]

    def _replace_departed(self, partition: Partition) -> None:
        """Give a partition other replicas for those whose directories are no longer the storage's."""
        members = self.directories.members
        wanted = partition.metadata.target or partition.metadata.replicas
        if all(replica in members for replica in wanted) or not partition.writers:
            return
        staying = [replica for replica in wanted if replica in members]
        spare = [replica for replica in members if replica not in wanted]
        chosen = [*staying, *spare][: len(wanted)]
        if len(chosen) >= partition.metadata.min_insync:
            partition.reassign(chosen)

    def set_factor(self, log: ReplicatedLog, factor: int) -> None:
        """Begin to give a partition so many replicas: those in sync stay first. One in a directory that is being
        dropped does not count, and stays until that has seen to it. Raises InvalidAssignment.
        """
        partition, staying = log.replication, self.directories.staying
        with partition.lock:
            metadata = partition.metadata
            wanted = metadata.target or metadata.replicas
            leaving = [replica for replica in wanted if replica in self.directories.members and replica not in staying]
            current = [replica for replica in wanted if replica not in leaving]
            if len(current) == factor:
                return
            leader = [metadata.leader] if metadata.leader in current else []
            in_sync = [replica for replica in current if replica in metadata.isr and replica not in leader]
            behind = [replica for replica in current if replica not in metadata.isr and replica not in leader]
            usable = [replica for replica in self.directories.taking if replica not in current]
            others = [replica for replica in staying if replica not in [*current, *usable]]
            order = [*leader, *in_sync, *behind, *usable, *others]
            partition.reassign([*order[:factor], *leaving])
        self.wake()

    # --- the thread ---

    def start(self) -> None:
        """Begin to look after the replicas."""
        self._thread.start()

    def wake(self) -> None:
        """Let the thread look after everything now."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread; call before the logs are closed."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def release(self) -> None:
        """Give the directories free."""
        self._workers.shutdown()
        self.directories.release()

    def _run(self) -> None:
        """Tend everything, at once again while something is behind."""
        more = False
        while not self._stopping:
            self._wake.wait(0 if more else TEND_SECONDS)
            self._wake.clear()
            more = self.tend()

    def tend(self) -> bool:
        """Look after every directory and every partition once; True if there is more to copy."""
        more = False
        self.tend_directories()
        with self._mutex:
            logs = list(self._logs)
        for log in logs:
            if self._stopping:
                return False
            more |= log.tend(TEND_BYTES)
        return more

    def tend_directories(self) -> None:
        """Look after every directory once."""
        try:
            self.directories.tend()
        except StorageError as error:  # no directory is left that takes the marks; the next round tries again
            self.error = error

    # --- what it looks like ---

    def replicas(self) -> list[ReplicaStatus]:
        """Every replica of every partition, by topic, partition and directory."""
        found = [status for log in self.open_logs() for status in self.statuses(log)]
        return sorted(found, key=lambda status: status[:3])

    def statuses(self, log: ReplicatedLog, chosen: Collection[int] | None = None) -> list[ReplicaStatus]:
        """The replicas of one partition, all or the chosen."""
        partition = log.replication
        with partition.lock:
            numbers = partition.metadata.replicas
            return [self._status(log, partition, n) for n in numbers if chosen is None or n in chosen]

    def _status(self, log: ReplicatedLog, partition: Partition, number: int) -> ReplicaStatus:
        """One replica."""
        metadata, replica = partition.metadata, partition.replicas.get(number)
        member = self.directories.members.get(number)
        is_live = replica is not None and replica.is_live
        end = replica.log.end_offset if replica is not None and is_live else None
        error = (member.error if member is not None else None) or (replica.error if replica is not None else None)
        in_sync = number in metadata.isr and is_live
        return ReplicaStatus(
            log.context.name,
            log.partition,
            member.path if member is not None else "",
            ("leader" if number == metadata.leader else "follower") if is_live else "none",
            "offline" if not is_live else "in sync" if in_sync else "catching up",
            in_sync,
            metadata.leader_epoch,
            end,
            None if end is None else max(partition.committed - end, 0),
            None if error is None else str(error),
        )

    def described_directories(self) -> list[DirectoryStatus]:
        """Every directory, by its id."""
        return [
            DirectoryStatus(member.path, member.error is None, None if member.error is None else str(member.error))
            for member in self.directories.members.values()
        ]
