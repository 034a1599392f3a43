"""SnapshotStore: named sets of Arrow tables with a JSON manifest, written atomically, checked when read.

A snapshot is a directory: it appears under its final name only when all of its files are durable. The last
two are kept, so that damage to the newest does not lose everything. Must not interpret the manifest.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import quote

import google_crc32c
import pyarrow as pa

from storage import checked
from storage.env import Env, File, make_dir
from storage.errors import NO_SPACE, CorruptFile, DiskFull, LogFailed

KEPT = 2
_MANIFEST = "manifest.json"

Snapshot = tuple[dict[str, Any], dict[str, pa.Table]]


class SnapshotStore(ABC):
    """Snapshots by name; numbers rise with every write."""

    @abstractmethod
    def write(self, name: str, tables: dict[str, pa.Table], manifest: dict[str, Any]) -> None:
        """Store a snapshot, durably and atomically. Raises DiskFull, LogFailed; the older snapshots stay
        then.
        """

    @abstractmethod
    def latest(self, name: str) -> Snapshot | None:
        """(manifest, tables) of the newest intact snapshot, None if none was written; CorruptFile if all are
        damaged.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove all snapshots of that name."""

    @abstractmethod
    def names(self) -> list[str]:
        """Names that have a snapshot, sorted."""


class MemorySnapshotStore(SnapshotStore):
    """Snapshots without files."""

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}

    def write(self, name: str, tables: dict[str, pa.Table], manifest: dict[str, Any]) -> None:
        """See `SnapshotStore.write`."""
        self._snapshots[name] = (dict(manifest), dict(tables))

    def latest(self, name: str) -> Snapshot | None:
        """See `SnapshotStore.latest`."""
        return self._snapshots.get(name)

    def delete(self, name: str) -> None:
        """See `SnapshotStore.delete`."""
        self._snapshots.pop(name, None)

    def names(self) -> list[str]:
        """See `SnapshotStore.names`."""
        return sorted(self._snapshots)


class FileSnapshotStore(SnapshotStore):
    """Snapshots in `directory`/<name>/<number>/."""

    def __init__(self, env: Env, directory: str) -> None:
        self._env = env
        self._directory = directory
        make_dir(env, directory)

    def write(self, name: str, tables: dict[str, pa.Table], manifest: dict[str, Any]) -> None:
        """See `SnapshotStore.write`."""
        home = self._home(name)
        numbers = self._numbers(home)
        final = f"{home}/{(numbers[-1] + 1 if numbers else 1):020d}"
        try:
            self._write_files(home, final, tables, manifest)
        except OSError as error:
            with contextlib.suppress(OSError):  # what is left is a stray that the next write removes
                self._env.remove(final + ".tmp")
            if error.errno in NO_SPACE:
                raise DiskFull(
                    f'no space left on device for snapshot "{name}"', hint="free space and repeat"
                ) from error
            raise LogFailed(f'writing snapshot "{name}" failed: {error.strerror}') from error
        for number in numbers[: -(KEPT - 1)]:
            self._env.remove(f"{home}/{number:020d}")

    def _write_files(self, home: str, final: str, tables: dict[str, pa.Table], manifest: dict[str, Any]) -> None:
        """Write everything under a temporary name, make it durable, then give it the final name."""
        temporary = final + ".tmp"
        make_dir(self._env, home)
        self._env.remove(temporary)
        self._env.mkdir(temporary)
        files = []
        for number, (table_name, table) in enumerate(tables.items()):
            size, crc = _write_table(self._env, f"{temporary}/{number}.arrow", table)
            files.append({"table": table_name, "file": f"{number}.arrow", "bytes": size, "crc": crc})
        file = self._env.open(f"{temporary}/{_MANIFEST}", create=True)
        try:
            file.write(0, [checked.seal_json({"manifest": manifest, "files": files})])
            file.sync()
        finally:
            file.close()
        self._env.sync_dir(temporary)
        self._env.rename(temporary, final)
        self._env.sync_dir(home)

    def latest(self, name: str) -> Snapshot | None:
        """See `SnapshotStore.latest`. Tables are mapped, not read into memory."""
        home = self._home(name)
        newest_error: CorruptFile | None = None
        for number in reversed(self._numbers(home)):
            try:
                return self._load(f"{home}/{number:020d}")
            except CorruptFile as error:
                newest_error = newest_error or error
        if newest_error is not None:
            raise newest_error
        return None

    def _load(self, directory: str) -> Snapshot:
        """One snapshot; CorruptFile if any byte of it is wrong."""
        description = checked.load_json(self._env, f"{directory}/{_MANIFEST}")
        tables = {}
        for entry in description["files"]:
            tables[entry["table"]] = _load_table(self._env, f"{directory}/{entry['file']}", entry)
        return description["manifest"], tables

    def delete(self, name: str) -> None:
        """See `SnapshotStore.delete`."""
        home = self._home(name)
        for number in self._numbers(home):
            self._env.remove(f"{home}/{number:020d}")
        self._env.remove(home)
        self._env.sync_dir(self._directory)

    def names(self) -> list[str]:
        """See `SnapshotStore.names`."""
        stored = [entry for entry in self._env.list(self._directory) if self._numbers(f"{self._directory}/{entry}")]
        return sorted(bytes.fromhex(e[1:]).decode() if e[0] == "%" else e for e in stored)

    def _home(self, name: str) -> str:
        """Directory of a name; a name that is not plain is written in hexadecimal."""
        plain = name and quote(name, safe="") == name and name[0].isalnum() and len(name) < 100
        return f"{self._directory}/{name if plain else '%' + name.encode().hex()}"

    def _numbers(self, home: str) -> list[int]:
        """Numbers of the complete snapshots, ascending."""
        return sorted(int(entry) for entry in self._env.list(home) if entry.isdigit())


class _ChecksummedSink:
    """A writable file object over `File` that keeps size and CRC-32C of what went through."""

    closed = False

    def __init__(self, file: File) -> None:
        self._file = file
        self.size = 0
        self.crc = 0

    def write(self, data: Any) -> int:
        """Append `data`."""
        piece = pa.py_buffer(data).slice(0)
        self._file.write(self.size, [piece])
        self.crc = google_crc32c.extend(self.crc, piece)
        self.size += piece.size
        return int(piece.size)

    def flush(self) -> None:
        """Nothing is buffered."""


def _write_table(env: Env, path: str, table: pa.Table) -> tuple[int, int]:
    """Write a table as a durable Arrow IPC file; returns (bytes, CRC-32C)."""
    file = env.open(path, create=True)
    try:
        sink = _ChecksummedSink(file)
        with pa.ipc.new_file(pa.PythonFile(sink, mode="w"), table.schema) as writer:
            writer.write_table(table)
        file.sync()
    finally:
        file.close()
    return sink.size, sink.crc


def _load_table(env: Env, path: str, entry: dict[str, Any]) -> pa.Table:
    """Map a table's file after checking it against the manifest."""
    try:
        file = env.open(path)
    except FileNotFoundError:
        raise CorruptFile(f'file "{path}" is missing', file=path) from None
    try:
        data = file.map(file.size())
    finally:
        file.close()
    if data.size != entry["bytes"] or google_crc32c.value(data.slice(0)) != entry["crc"]:
        raise CorruptFile(f'file "{path}" does not match its checksum', file=path)
    return pa.ipc.open_file(data).read_all()
