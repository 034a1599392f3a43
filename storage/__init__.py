"""A small, embeddable, Kafka-like log of Arrow batches: topics, partitions, offsets, snapshots.

Usable without the rest of the project, which it must not import:

    with storage.Storage.open("data") as s:
        clicks = s.create_topic("clicks", pa.schema([("user", pa.int64()), ("url", pa.string())]))
        clicks.partitions[0].append(batch)
        for frame in clicks.partitions[0].read(0):
            frame.batch

README.md in this folder has the map of the code; log/FORMAT.md describes the files.
"""

from storage.config import BYTES_SCHEMA, BatchId, TopicConfig
from storage.consumer import Consumer
from storage.env import Env, RealEnv, let_go_mapped
from storage.errors import (
    BatchTooLarge,
    BufferFull,
    ConsumerBusy,
    CorruptFile,
    CorruptLog,
    DirectoryInUse,
    DirectoryNeeded,
    DirectoryNotFound,
    DiskFull,
    GroupInUse,
    GroupNotFound,
    InvalidConfig,
    LogFailed,
    MemberFenced,
    MissingKey,
    OffsetOutOfRange,
    OutOfOrderSequence,
    ProducerFenced,
    ReadFailed,
    SchemaMismatch,
    StorageClosed,
    StorageError,
    StorageLocked,
    TopicExists,
    TopicNotFound,
    TransactionAborted,
    TransactionFinished,
    TransactionInDoubt,
    TransactionNotFound,
    UnknownVersion,
    UnsupportedConfig,
)
from storage.facade import Storage
from storage.log.frame import Frame
from storage.log.joined_frames import JoinedFrames, joined
from storage.log.log import Isolation, Log
from storage.log.producers import ActiveProducer
from storage.log.segment_info import SegmentInfo
from storage.log.statistics import ColumnStatistics
from storage.meta import MetaStore
from storage.offsets import places
from storage.offsets.assignment import TopicPartition
from storage.offsets.coordinator import GroupCoordinator, GroupMember, GroupPartition
from storage.offsets.places import Place
from storage.offsets.store import OffsetStore
from storage.partitioner import deal, partitions_by_key
from storage.producer import Delivered, Delivery, Producer
from storage.producer_ids import ProducerIds
from storage.reading import Received
from storage.snapshots.store import Snapshot, SnapshotStore, SnapshotWriter, StoredTable, TableWriter
from storage.topic import Topic
from storage.transactions.coordinator import TransactionCoordinator, TransactionInfo
from storage.transactions.transaction import Transaction

__all__ = [
    "ActiveProducer",
    "BYTES_SCHEMA",
    "BatchId",
    "BatchTooLarge",
    "BufferFull",
    "ColumnStatistics",
    "Consumer",
    "ConsumerBusy",
    "CorruptFile",
    "CorruptLog",
    "Delivered",
    "Delivery",
    "DirectoryInUse",
    "DirectoryNeeded",
    "DirectoryNotFound",
    "DiskFull",
    "Env",
    "Frame",
    "GroupCoordinator",
    "GroupInUse",
    "GroupMember",
    "GroupNotFound",
    "GroupPartition",
    "InvalidConfig",
    "Isolation",
    "JoinedFrames",
    "Log",
    "LogFailed",
    "MemberFenced",
    "MetaStore",
    "MissingKey",
    "OffsetOutOfRange",
    "OffsetStore",
    "OutOfOrderSequence",
    "Place",
    "Producer",
    "ProducerFenced",
    "ProducerIds",
    "ReadFailed",
    "RealEnv",
    "Received",
    "SchemaMismatch",
    "SegmentInfo",
    "Snapshot",
    "SnapshotStore",
    "SnapshotWriter",
    "Storage",
    "StorageClosed",
    "StorageError",
    "StorageLocked",
    "StoredTable",
    "TableWriter",
    "Topic",
    "TopicConfig",
    "TopicExists",
    "TopicNotFound",
    "TopicPartition",
    "Transaction",
    "TransactionAborted",
    "TransactionCoordinator",
    "TransactionFinished",
    "TransactionInDoubt",
    "TransactionInfo",
    "TransactionNotFound",
    "UnknownVersion",
    "UnsupportedConfig",
    "deal",
    "joined",
    "let_go_mapped",
    "partitions_by_key",
    "places",
]
