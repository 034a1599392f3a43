"""Plain values callers hand to the log: topic settings, producer identity, the schema of key/value topics.

Must not do I/O; validation of values lives here so that every way of making a config checks it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from storage.errors import InvalidConfig, UnsupportedConfig

DURABILITIES = ("group", "os", "sync")
CLEANUPS = ("delete", "compact", "compact,delete")

MAX_REPLICAS = 32

# What the frame header has room for; a producer that would pass it gets a new id.
MAX_EPOCH = (1 << 15) - 1

# Payload kind `bytes`: what a Kafka record is, as Arrow columns. Row timestamps are microseconds since 1970
# UTC.
BYTES_SCHEMA = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("timestamp", pa.timestamp("us")),
        ("headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
    ]
)

_MIN_SEGMENT_BYTES = 4096
_MAX_SEGMENT_BYTES = 1 << 40


@dataclass(frozen=True)
class TopicConfig:
    """Settings of a topic. All can be changed later; partitions can only grow.

    replication_factor: on how many of the storage's directories each partition lies; None stands for all of them when
    the topic is created. min_insync_replicas: records are committed when so many replicas, and all that are in sync,
    have them.
    durability: `group` acknowledges after an fsync shared with other appenders, `sync` after one of its own,
    `os` once the operating system has the bytes (a power failure may lose the last ones, a process crash does
    not). retention_ms counts from the append, not from the record's own timestamp, so replayed history is not
    dropped at once; None keeps everything. retention_bytes is per partition. cleanup: `delete` applies both,
    `compact` keeps the latest record of each key instead, `compact,delete` does both.

    For compaction: key_columns make a record's key (of a topic of bytes it is `key`). A record whose value in the
    column `tombstone` is NULL or negative says that its key is gone (of a topic of bytes: `value`); it stays for
    delete_retention_ms after it was compacted first. Records younger than min_compaction_lag_ms are left alone, and
    nothing is done until segments not yet compacted hold min_dirty_ratio of the bytes.
    """

    partitions: int = 1
    replication_factor: int | None = None
    min_insync_replicas: int = 1
    durability: str = "group"
    retention_ms: int | None = None
    retention_bytes: int | None = None
    cleanup: str = "delete"
    segment_bytes: int = 128 << 20
    statistics: bool = True
    key_columns: tuple[str, ...] = ()
    tombstone: str | None = None
    delete_retention_ms: int = 86_400_000
    min_compaction_lag_ms: int = 0
    min_dirty_ratio: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "key_columns", tuple(self.key_columns))
        _check(self.partitions >= 1, "partitions must be at least 1", self.partitions)
        _check(self.partitions <= 65_536, "partitions must be at most 65536", self.partitions)
        _check(self.durability in DURABILITIES, "durability must be group, os or sync", self.durability)
        _check(self.cleanup in CLEANUPS, "cleanup must be delete, compact or compact,delete", self.cleanup)
        _check(self.retention_ms is None or self.retention_ms >= 0, "retention_ms is negative", self.retention_ms)
        _check(
            self.retention_bytes is None or self.retention_bytes >= 0,
            "retention_bytes is negative",
            self.retention_bytes,
        )
        _check(
            _MIN_SEGMENT_BYTES <= self.segment_bytes <= _MAX_SEGMENT_BYTES,
            f"segment_bytes must be between {_MIN_SEGMENT_BYTES} and {_MAX_SEGMENT_BYTES}",
            self.segment_bytes,
        )
        for name in ("delete_retention_ms", "min_compaction_lag_ms"):
            _check(getattr(self, name) >= 0, f"{name} is negative", getattr(self, name))
        _check(0 <= self.min_dirty_ratio <= 1, "min_dirty_ratio must be between 0 and 1", self.min_dirty_ratio)
        factor = self.replication_factor
        _check(factor is None or factor >= 1, "replication_factor must be at least 1", factor)
        most = factor if factor is not None else MAX_REPLICAS
        _check(
            1 <= self.min_insync_replicas <= most,
            f"min_insync_replicas must be between 1 and {'the replication factor' if factor is None else factor}",
            self.min_insync_replicas,
        )

    @property
    def compacts(self) -> bool:
        """Whether the latest record of each key is what is kept."""
        return self.cleanup != "delete"

    @property
    def deletes(self) -> bool:
        """Whether retention by time and size applies."""
        return self.cleanup != "compact"

    def with_factor(self, directories: int) -> TopicConfig:
        """With a number of replicas, all `directories` unless one was given; InvalidConfig if that is less than
        min_insync_replicas, UnsupportedConfig if it is more than there are directories.
        """
        factor = directories if self.replication_factor is None else self.replication_factor
        if factor > directories:
            count = "one directory" if directories == 1 else f"{directories} directories"
            raise UnsupportedConfig(
                f"replication factor {factor} needs as many directories, this storage has {count}",
                hint="open the storage with more directories as replicas",
            )
        return dataclasses.replace(self, replication_factor=factor)

    def changed(self, changes: dict[str, Any]) -> TopicConfig:
        """A copy with `changes` applied; InvalidConfig for unknown names, bad values, fewer partitions."""
        known = {field.name for field in dataclasses.fields(self)}
        for name in changes:
            if name not in known:
                raise InvalidConfig(f'unknown topic setting "{name}"', hint=f"settings are {', '.join(sorted(known))}")
        config = dataclasses.replace(self, **changes)
        _check(config.partitions >= self.partitions, "partitions cannot be taken away", config.partitions)
        return config


@dataclass(frozen=True)
class BatchId:
    """Identity of an idempotent append: producer id, its epoch, and the sequence number of the batch's first
    record.

    Sequence numbers count records per (producer, partition) from 0 and wrap after 2^31 - 1, as in Kafka.
    """

    id: int
    epoch: int
    sequence: int

    def __post_init__(self) -> None:
        _check(0 <= self.id < 1 << 63, "a producer id must be between 0 and 2^63 - 1", self.id)
        _check(0 <= self.epoch <= MAX_EPOCH, f"a producer epoch must be between 0 and {MAX_EPOCH}", self.epoch)
        _check(0 <= self.sequence < 1 << 31, "a sequence number must be between 0 and 2^31 - 1", self.sequence)


def _check(holds: bool, rule: str, value: object) -> None:
    """Raise InvalidConfig that names the rule and the value."""
    if not holds:
        raise InvalidConfig(f"{rule}, got {value!r}")
