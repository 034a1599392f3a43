"""Storage: all topics, consumer offsets, snapshots and metadata of one directory (or of memory). The
package's door.

Must not know SQL. One process at a time may have a directory open.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from types import TracebackType
from urllib.parse import quote, unquote
from uuid import UUID

import pyarrow as pa

from storage.compactor import Compactor
from storage.config import TopicConfig
from storage.env import Env, Lock, RealEnv, make_dir, read_file, write_file
from storage.errors import (
    CorruptFile,
    InvalidConfig,
    StorageClosed,
    StorageError,
    TopicExists,
    TopicNotFound,
    UnknownVersion,
    UnsupportedConfig,
    translated,
)
from storage.journal import FileJournal, MemoryJournal
from storage.log.arrivals import Arrivals
from storage.log.commit import GroupCommit
from storage.log.log import Log, TopicContext, bytes_context
from storage.meta import MetaStore
from storage.offsets.coordinator import GroupCoordinator
from storage.offsets.store import OffsetStore
from storage.producer_ids import ProducerIds
from storage.replication import departure, upkeep
from storage.replication.departure import Check
from storage.replication.directories import lock_directory, open_directories
from storage.replication.manager import DirectoryStatus, ReplicaStatus, Replication
from storage.replication.replicated_log import ReplicatedLog
from storage.replication.upkeep import Loss, Repair
from storage.snapshots.files import FileSnapshotStore
from storage.snapshots.store import MemorySnapshotStore, SnapshotStore
from storage.topic import Disk, FileTopic, MemoryTopic, Topic, create_directory, describe, load_topic
from storage.topic_files import FORMAT_MARK
from storage.transactions.coordinator import DEFAULT_TIMEOUT_MS, TransactionCoordinator
from storage.transactions.transaction import Transaction

_MAX_NAME_BYTES = 150
PRODUCER_EXPIRY_MS = 24 * 60 * 60 * 1000


class Storage:
    """An open storage. `damaged` maps names of topics whose description cannot be read to the error.

    All methods may be called from any thread. Use `Storage.open`, and close it (or use it as a context
    manager).
    """

    def __init__(
        self, env: Env, path: str | None, lock: Lock | None = None, replication: Replication | None = None
    ) -> None:
        self._env = env
        self._path = path
        self._lock_file = lock
        self._replication = replication
        self._disk = Disk(env) if replication is None else Disk(replication.directories.files, replication.open_log)
        self._mutex = threading.RLock()
        self._commit = GroupCommit(env.now_us)
        self.arrivals = Arrivals()
        self._compactor = Compactor(lambda: env.now_us() // 1000)
        self._topics: dict[str, Topic] = {}
        self._closed = False
        self.damaged: dict[str, CorruptFile] = {}
        self.offsets: OffsetStore
        self.groups: GroupCoordinator
        self.producers: ProducerIds
        self.snapshots: SnapshotStore
        self.meta: MetaStore
        self.transactions: TransactionCoordinator

    @property
    def env(self) -> Env:
        """The machine that the storage runs on."""
        return self._env

    @classmethod
    def open(cls, path: str | None, *, replicas: Sequence[str] | None = None, env: Env | None = None) -> Storage:
        """Open a directory, creating and recovering it as needed; None keeps everything in memory.

        replicas: further directories, to which everything is replicated. A storage that was opened with some knows
        them; naming others changes them. As long as one directory is left that was in sync, the others may be missing.

        Raises StorageLocked, UnknownVersion, CorruptFile (metadata or offsets), InvalidConfig (a directory of another
        storage). Damaged topics do not stop the others.
        """
        env = env or RealEnv()
        if path is None:
            if replicas:
                raise InvalidConfig("a storage in memory has no replicas", hint="name a directory for the storage too")
            storage = cls(env, None)
            storage.offsets = OffsetStore(MemoryJournal())
            storage.producers = ProducerIds(MemoryJournal())
            storage.snapshots = MemorySnapshotStore()
            storage.meta = MetaStore(MemoryJournal())
            storage._open_coordinators()
            return storage
        storage = cls._reached(env, path.rstrip("/") or "/", replicas)
        try:
            storage._open_directory()
        except BaseException:
            storage._release()
            raise
        return storage

    @classmethod
    def _reached(cls, env: Env, path: str, replicas: Sequence[str] | None) -> Storage:
        """A storage of directories that are made and locked."""
        with translated(f'directory "{path}"'):
            directories = open_directories(env, path, replicas)
            if directories is None:
                make_dir(env, path)
                return cls(env, path, lock_directory(env, path))
            path = env.absolute(path)
            return cls(env, path, replication=Replication(env, directories, path))

    def _open_directory(self) -> None:
        """Check the version, open the stores and all topics."""
        path, files = self._path, self._disk.files
        assert path is not None
        _check_version(files, path)
        self.meta = MetaStore(FileJournal(files, f"{path}/meta.journal"))
        self.offsets = OffsetStore(FileJournal(files, f"{path}/offsets.journal"))
        self.producers = ProducerIds(FileJournal(files, f"{path}/producers.journal"))
        self.snapshots = FileSnapshotStore(files, f"{path}/snapshots")
        self._open_coordinators()
        files.mkdir(self._topics_path)  # in all directories, whichever of them had it
        files.sync_dir(path)
        for entry in files.list(self._topics_path):
            self._open_entry(entry)
        all_there = not self.damaged and all(log.failure is None for log in self._logs())
        self.transactions.recover(self._logs(), all_there=all_there)
        if self._replication is not None:
            self._replication.start()

    def _open_coordinators(self) -> None:
        """Make what works on the stores."""
        self.groups = GroupCoordinator(self._env, self.offsets, self.partitions_of, self.arrivals)
        self.transactions = TransactionCoordinator(
            self._env, self.offsets, self.groups, self.producers, self.partitions_of, self._commit, self.arrivals
        )

    def _open_entry(self, entry: str) -> None:
        """Open one topic directory; remove it if it is what a crash left of a creation or a drop."""
        directory = f"{self._topics_path}/{entry}"
        if entry.endswith((".tmp", ".deleted")):
            self._disk.files.remove(directory)
            return
        try:
            topic = load_topic(self._env, directory, self._commit, self._disk)
        except CorruptFile as error:
            self.damaged[_name_of(entry)] = error
            return
        self._add_topic(topic)

    def _add_topic(self, topic: Topic) -> None:
        """Make an opened topic known."""
        topic.context.arrivals = self.arrivals
        self._topics[topic.name] = topic

    @property
    def _topics_path(self) -> str:
        """Directory of the topics."""
        return f"{self._path}/topics"

    # --- topics ---

    def create_topic(self, name: str, schema: pa.Schema | None, config: TopicConfig | None = None) -> Topic:
        """Create a topic for batches of `schema`, or with None for keys and values as bytes (BYTES_SCHEMA).

        Raises TopicExists, InvalidConfig, DiskFull, CorruptFile (a damaged topic has that name).
        """
        with self._mutex:
            self._require_open()
            _check_name(name)
            if name in self._topics:
                raise TopicExists(f'topic "{name}" already exists')
            if name in self.damaged:
                raise self.damaged[name]
            topic = self._make_topic(name, schema, self._with_factor(config or TopicConfig()))
            self._add_topic(topic)
            return topic

    def _make_topic(self, name: str, schema: pa.Schema | None, config: TopicConfig) -> Topic:
        """Build the topic in memory or on disk."""
        if schema is None:
            context = bytes_context(self._env, name, config, self._commit)
        else:
            context = TopicContext(self._env, name, config, self._commit)
            context.add_schema(schema)
        context.check_config(config)
        topic_id = str(UUID(bytes=self._env.random_bytes(16), version=4))
        created_ms = self._env.now_us() // 1000
        if self._path is None:
            return MemoryTopic(topic_id, created_ms, context)
        directory = f"{self._topics_path}/{_entry_of(name, topic_id)}"
        description = describe(topic_id, created_ms, context, config)
        with translated(f'topic "{name}"'):
            create_directory(self._disk.files, directory, description, schema)
        return FileTopic(topic_id, created_ms, context, directory, self._disk, is_new=True)

    def _with_factor(self, config: TopicConfig) -> TopicConfig:
        """The settings with a number of replicas; UnsupportedConfig if there are too few directories for them."""
        return config.with_factor(1 if self._replication is None else len(self._replication.directories.staying))

    def topic(self, name: str) -> Topic:
        """An existing topic; TopicNotFound, or the CorruptFile that keeps it from opening."""
        topic = self._topics.get(name)
        if topic is None:
            self._require_open()
            raise self.damaged.get(name) or TopicNotFound(f'topic "{name}" does not exist')
        return topic

    def partitions_of(self, name: str) -> Sequence[Log]:
        """The partitions of a topic, none if there is no such topic (or it is damaged)."""
        self._require_open()
        topic = self._topics.get(name)
        return topic.partitions if topic is not None else ()

    def topics(self) -> list[Topic]:
        """All topics by name."""
        with self._mutex:
            return [self._topics[name] for name in sorted(self._topics)]

    def drop_topic(self, name: str) -> None:
        """Remove a topic, its records and its committed offsets. Batches already read stay valid."""
        with self._mutex:
            topic = self.topic(name)
            self.transactions.forget_topic(topic.partitions)
            topic.close(flush=False)
            if isinstance(topic, FileTopic):
                with translated(f'topic "{name}"'):
                    gone = f"{topic.directory}.deleted"
                    files = self._disk.files
                    files.rename(topic.directory, gone)
                    files.sync_dir(self._topics_path)
                    files.remove(gone)
            del self._topics[name]
            self.offsets.forget_topic(name)
            self.arrivals.signal()

    def alter_topic(self, name: str, **changes: object) -> Topic:
        """Change settings (fields of TopicConfig) of a topic while it is in use; InvalidConfig if they make
        no sense.
        """
        with self._mutex:
            topic = self.topic(name)
            config = self._with_factor(topic.config.changed(changes))
            with translated(f'topic "{name}"'):
                topic.alter(config)
            self.arrivals.signal()
            return topic

    def _logs(self) -> list[Log]:
        """The partitions of all topics."""
        return [log for topic in self.topics() for log in topic.partitions]

    def truncate_topic(self, name: str) -> None:
        """Drop all records of a topic. Offsets go on from where they were, so committed positions stay
        meaningful.
        """
        for log in self.topic(name).partitions:
            log.delete_before(log.end_offset)

    def truncate(self, log: Log, offset: int) -> None:
        """Drop all records of a partition from `offset` on, durably. Transactions that begin before it stay decided:
        `Log.truncate_to` alone would take their markers, too.
        """
        self.transactions.truncate(log, offset)

    # --- records ---

    def append_many(
        self, batches: Sequence[tuple[Log, pa.RecordBatch]], *, timestamp_us: int | None = None
    ) -> list[int]:
        """Append to several partitions and wait once; returns the base offsets. `timestamp_us`: as of `Log.append`.

        Every record is durable when this returns. It is not a `transaction`: if a batch is refused, those
        before it stay.
        """
        bases = [log.write(batch, timestamp_us=timestamp_us) for log, batch in batches]
        self.wait_durable(log for log, _ in batches)
        for (log, batch), base in zip(batches, bases, strict=True):
            log.acknowledge(base + batch.num_rows)
        self.arrivals.signal()
        return bases

    def transaction(self, name: str | None = None, *, timeout_ms: int = DEFAULT_TIMEOUT_MS) -> Transaction:
        """Begin a transaction: appends to any partitions, and commits of consumer offsets, that are seen together or
        never. See `TransactionCoordinator.begin`.
        """
        self._require_open()
        return self.transactions.begin(name, timeout_ms=timeout_ms)

    def wait_durable(self, logs: Iterable[Log]) -> None:
        """Let what was written to the `logs` of durability `group` go through one fsync round; what came of it
        each log's `acknowledge` tells.
        """
        waiting = [log for log in logs if log.context.config.durability == "group"]
        self._commit.wait_durable(log for log in waiting if log.durable_offset < log.end_offset)

    def maintain(self) -> int:
        """Apply retention everywhere, flush topics of durability `os`, forget idempotent producers without a
        name that have appended nothing for a day, let compaction begin in the background; returns how many segments
        were dropped.

        To be called every now and then by whoever runs the storage. Stopped partitions are left alone, and one that
        stops here does not keep the others from their turn: it has its error.
        """
        dropped, named, logs = 0, self.producers.names(), self._logs()
        self.transactions.maintain(logs)
        for log in logs:
            if log.failure is None:
                try:
                    dropped += self._maintain(log, named)
                except StorageError:
                    if log.failure is None:
                        raise
        self._compactor.start(logs)
        return dropped

    def _maintain(self, log: Log, named: Collection[int]) -> int:
        """What is to be done for one partition; returns how many segments were dropped."""
        now_ms = self._env.now_us() // 1000
        dropped = log.apply_retention(now_ms)
        log.expire_producers((now_ms - PRODUCER_EXPIRY_MS) * 1000, named)
        if log.durable_offset < log.end_offset:  # durability os, and markers, which nobody waited for
            log.flush()
        return dropped

    def compact(self) -> int:
        """Compact every topic whose settings ask for it, now and as fast as it goes; returns the records removed."""
        logs = [log for log in self._logs() if log.failure is None]
        return sum(log.compact(self._env.now_us() // 1000) for log in logs)

    # --- replication ---

    def directories(self) -> list[DirectoryStatus]:
        """The directories of a replicated storage, none of another."""
        return [] if self._replication is None else self._replication.described_directories()

    def add_replica(self, path: str) -> None:
        """Replicate to one more directory from now on, which must be empty; topics get replicas there when their
        replication_factor is raised. Raises UnsupportedConfig for a storage that was opened without replicas,
        InvalidConfig, StorageLocked, DiskFull, LogFailed.
        """
        self._require_open()
        self._replicated().directories.add(path)

    def drop_replica(self, path: str, check: Check = lambda moved, partitions: None) -> StorageError | None:
        """Take a directory away: every partition that has a replica there gets one elsewhere, while appends go on, then
        this storage's files there are removed. Returns when that is done, with the reason if files were left there.

        check: see `departure.Check`; when it raises, or anything else does, the directory stays. Raises
        DirectoryNotFound, DirectoryInUse for `path` of `open`, UnsupportedConfig for the last one and while a topic
        needs as many as there are, DirectoryNeeded when a partition cannot get elsewhere, and the error of a replica
        that cannot be copied.
        """
        with self._mutex:
            self._require_open()
            replication = self._replicated()
            assert self._path is not None
            for error in self.damaged.values():  # where its records lie is not known
                raise error
            factors = {name: topic.config.replication_factor or 1 for name, topic in self._topics.items()}
            member = departure.begin(replication, path, self._path, factors)
        is_complete = False
        try:
            departure.move_partitions(replication, member, lambda *progress: self._check_open(check, *progress))
            with self._mutex:
                self._require_open()
                left = departure.complete(replication, member)
            is_complete = True
        finally:
            if not is_complete:
                departure.give_up(replication, member)
        return left

    def repair_topic(
        self, name: str, partition: int | None = None, check: Check = lambda done, partitions: None
    ) -> Repair:
        """Read every record of every replica of a topic, or of one partition, and bring back what is damaged or behind,
        now; see `upkeep.repair`. Raises TopicNotFound, UnsupportedConfig, what `check` raises, CorruptLog.
        """
        logs = [self._replicated_log(name, number) for number in self._numbers(name, partition)]
        return upkeep.repair(self._replicated(), logs, lambda *progress: self._check_open(check, *progress))

    def assign_replicas(self, name: str, partition: int, paths: Sequence[str]) -> None:
        """Begin to move a partition to other directories of this storage, while appends go on; see `upkeep.assign`."""
        log = self._replicated_log(name, partition)
        with self._mutex:
            upkeep.assign(self._replicated(), log, paths)

    def add_topic_replica(self, name: str, path: str) -> None:
        """Replicate a topic once more, to a directory of this storage: its replication factor is one more from now on.
        Raises TopicNotFound, InvalidConfig, UnsupportedConfig, and as `upkeep.change_number`.
        """
        self._change_replicas(name, path, 1)

    def drop_topic_replica(self, name: str, path: str) -> None:
        """Replicate a topic once less, not to that directory any more; see `add_topic_replica`."""
        self._change_replicas(name, path, -1)

    def _change_replicas(self, name: str, path: str, by: int) -> None:
        """One replica more or less of each partition, which are then as many as the topic's settings say."""
        with self._mutex:
            logs = [self._replicated_log(name, number) for number in self._numbers(name, None)]
            self._replicated().directories.named(path)
            factor = (self.topic(name).config.replication_factor or 1) + by
            self._with_factor(self.topic(name).config.changed({"replication_factor": factor}))
            upkeep.change_number(self._replicated(), logs, path, by)
            self.alter_topic(name, replication_factor=factor)

    def elect_unclean(self, name: str, partition: int) -> Loss:
        """Let a partition go on without its in-sync replicas, at the price of records that only they had. Raises
        NoElection while there is another way.
        """
        return upkeep.elect_unclean(self._replicated(), self._replicated_log(name, partition))

    def _numbers(self, name: str, partition: int | None) -> Sequence[int]:
        """The partitions meant."""
        return range(len(self.topic(name).partitions)) if partition is None else (partition,)

    def _replicated_log(self, name: str, partition: int) -> ReplicatedLog:
        """A partition of a topic; TopicNotFound, UnsupportedConfig if nothing is replicated."""
        self._require_open()
        self._replicated()
        logs = self.topic(name).partitions
        if not 0 <= partition < len(logs):
            raise TopicNotFound(
                f'topic "{name}" has no partition {partition}', hint=f"its partitions are 0 to {len(logs) - 1}"
            )
        log = logs[partition]
        assert isinstance(log, ReplicatedLog)
        return log

    def _check_open(self, check: Check, moved: int, partitions: int) -> None:
        """StorageClosed if somebody has closed the storage meanwhile, or what `check` raises."""
        self._require_open()
        check(moved, partitions)

    def _replicated(self) -> Replication:
        """The replication; UnsupportedConfig if there is none."""
        if self._replication is None:
            raise UnsupportedConfig(
                "this storage was opened without replicas", hint="open it with a list of directories as replicas first"
            )
        return self._replication

    def replicas(self) -> list[ReplicaStatus]:
        """Every replica of every partition of a replicated storage."""
        return [] if self._replication is None else self._replication.replicas()

    # --- lifetime ---

    def close(self) -> None:
        """Abort open transactions, flush everything and give the directory free. Closing twice is fine."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            self._compactor.stop()
            self.transactions.close()
            if self._replication is not None:
                self._replication.stop()
            errors = []
            for topic in self._topics.values():
                try:
                    topic.close()
                except StorageError as error:
                    errors.append(error)
            self._topics = {}
            self._release()
            if errors:
                raise errors[0]

    def _release(self) -> None:
        """Close the stores that were opened, and the lock."""
        for name in ("offsets", "producers", "meta"):
            store = getattr(self, name, None)
            if store is not None:
                store.close()
        if self._lock_file is not None:
            self._lock_file.release()
            self._lock_file = None
        if self._replication is not None:
            self._replication.stop()
            self._replication.release()

    def _require_open(self) -> None:
        """Raise StorageClosed after `close`."""
        if self._closed:
            raise StorageClosed("the storage is closed")

    def __enter__(self) -> Storage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_version(env: Env, path: str) -> None:
    """Write the format mark into a new directory, refuse an unknown one."""
    mark = f"{path}/FORMAT"
    if not env.exists(mark):
        write_file(env, mark, [FORMAT_MARK])
    found = read_file(env, mark)
    if found != FORMAT_MARK:
        text = found[:60].decode("ascii", "replace").strip()
        raise UnknownVersion(f'storage directory "{path}" has unknown format "{text}"', hint="use a newer version")


def _check_name(name: str) -> None:
    """Raise InvalidConfig for a name that cannot be a topic's."""
    if not name or len(quote(name, safe="").encode()) > _MAX_NAME_BYTES:
        raise InvalidConfig(f'topic name "{name[:60]}" is empty or too long')


def _entry_of(name: str, topic_id: str) -> str:
    """Directory name of a topic: readable, free of dots and slashes, unlike that of an earlier topic of that
    name.
    """
    return f"{quote(name, safe='').replace('.', '%2E')}-{topic_id[:8]}"


def _name_of(entry: str) -> str:
    """Topic name of a directory name."""
    return unquote(entry.rpartition("-")[0])
