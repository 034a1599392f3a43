"""SnapshotStore: named sets of Arrow tables with a JSON manifest, written atomically; and one without files.

A snapshot is begun, its tables are added one after the other, each in as many batches as its writer likes, and it is
there when it is committed. A table of an earlier snapshot can be kept: it is not written again. The last two
snapshots are kept, so that damage to the newest does not lose everything. Must not interpret the manifest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

KEPT = 2
"""So many snapshots of a name are kept."""


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table that a snapshot has: where its bytes are, how many, and their CRC-32C."""

    file: str
    num_bytes: int
    crc: int


@dataclass(frozen=True)
class Snapshot:
    """`stored`: the tables as `SnapshotWriter.keep` takes them."""

    manifest: dict[str, Any]
    tables: Mapping[str, pa.Table]
    stored: Mapping[str, StoredTable] = field(default_factory=dict)


class TableWriter(ABC):
    """One table being written."""

    @abstractmethod
    def append(self, batch: pa.RecordBatch) -> None:
        """Add rows. Raises DiskFull, LogFailed."""

    @abstractmethod
    def finish(self) -> StoredTable:
        """No more rows; they are durable. Raises DiskFull, LogFailed."""


class SnapshotWriter(ABC):
    """A snapshot that is being written. One that fails is to be discarded; the older snapshots stay then."""

    @abstractmethod
    def add(self, table: str, schema: pa.Schema) -> TableWriter:
        """Begin a table; a second one of that name takes the first one's place. Raises DiskFull, LogFailed."""

    @abstractmethod
    def keep(self, table: str, stored: StoredTable) -> None:
        """Have a table that one of the kept snapshots has."""

    @abstractmethod
    def commit(self, manifest: dict[str, Any]) -> Mapping[str, StoredTable]:
        """The snapshot is there from now on, durably; its tables. Raises DiskFull, LogFailed."""

    @abstractmethod
    def discard(self) -> None:
        """Leave nothing behind."""


class SnapshotStore(ABC):
    """Snapshots by name; of a name one can be written at a time."""

    @abstractmethod
    def begin(self, name: str) -> SnapshotWriter:
        """A new snapshot of a name. Raises DiskFull, LogFailed."""

    @abstractmethod
    def latest(self, name: str) -> Snapshot | None:
        """The newest intact snapshot, None if none was written; CorruptFile if all are damaged."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove all snapshots of that name."""

    @abstractmethod
    def names(self) -> list[str]:
        """Names that have a snapshot, sorted."""

    def write(self, name: str, tables: Mapping[str, pa.Table], manifest: dict[str, Any]) -> None:
        """A snapshot of whole tables. Raises DiskFull, LogFailed; the older snapshots stay then."""
        writer = self.begin(name)
        try:
            for table_name, table in tables.items():
                added = writer.add(table_name, table.schema)
                for batch in table.to_batches():
                    added.append(batch)
                added.finish()
            writer.commit(manifest)
        except BaseException:
            writer.discard()
            raise


class MemorySnapshotStore(SnapshotStore):
    """Snapshots without files."""

    def __init__(self) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self.tables: dict[str, pa.Table] = {}

    def begin(self, name: str) -> SnapshotWriter:
        """See `SnapshotStore.begin`."""
        return _MemoryWriter(self, name)

    def latest(self, name: str) -> Snapshot | None:
        """See `SnapshotStore.latest`."""
        return self.snapshots.get(name)

    def delete(self, name: str) -> None:
        """See `SnapshotStore.delete`."""
        self.snapshots.pop(name, None)

    def names(self) -> list[str]:
        """See `SnapshotStore.names`."""
        return sorted(self.snapshots)


class _MemoryWriter(SnapshotWriter):
    """Keeps the tables of the last snapshot, which is all that `keep` may name."""

    def __init__(self, store: MemorySnapshotStore, name: str) -> None:
        self._store = store
        self._name = name
        self._tables: dict[str, pa.Table] = {}

    def add(self, table: str, schema: pa.Schema) -> TableWriter:
        """See `SnapshotWriter.add`."""
        return _MemoryTable(self._tables, table, schema)

    def keep(self, table: str, stored: StoredTable) -> None:
        """See `SnapshotWriter.keep`."""
        self._tables[table] = self._store.snapshots[self._name].tables[stored.file]

    def commit(self, manifest: dict[str, Any]) -> Mapping[str, StoredTable]:
        """See `SnapshotWriter.commit`."""
        stored = {name: StoredTable(name, table.nbytes, 0) for name, table in self._tables.items()}
        self._store.snapshots[self._name] = Snapshot(dict(manifest), self._tables, stored)
        return stored

    def discard(self) -> None:
        """See `SnapshotWriter.discard`."""


class _MemoryTable(TableWriter):
    def __init__(self, tables: dict[str, pa.Table], name: str, schema: pa.Schema) -> None:
        self._tables = tables
        self._name = name
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []

    def append(self, batch: pa.RecordBatch) -> None:
        """See `TableWriter.append`."""
        self._batches.append(batch)

    def finish(self) -> StoredTable:
        """See `TableWriter.finish`."""
        table = self._tables[self._name] = pa.Table.from_batches(self._batches, self._schema)
        return StoredTable(self._name, table.nbytes, 0)
