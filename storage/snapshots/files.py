"""FileSnapshotStore: snapshots as directories of Arrow IPC files, checked when read.

A snapshot appears under its final name only when all of its files are durable. Its manifest names its files, those it
shares with an earlier snapshot in that one's directory; of a snapshot that is no longer kept such files stay, and its
manifest goes (FORMAT.md, section 8).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from storage import checked
from storage.env import Env, make_dir
from storage.errors import NO_SPACE, CorruptFile, DiskFull, LogFailed
from storage.snapshots.store import KEPT, Snapshot, SnapshotStore, SnapshotWriter, StoredTable, TableWriter
from storage.snapshots.table_file import TableFile, load_table

MANIFEST = "manifest.json"


class FileSnapshotStore(SnapshotStore):
    """Snapshots in `directory`/<name>/<number>/."""

    def __init__(self, env: Env, directory: str) -> None:
        self._env = env
        self._directory = directory
        make_dir(env, directory)

    def begin(self, name: str) -> SnapshotWriter:
        """See `SnapshotStore.begin`."""
        with translated(name):
            return _FileWriter(self._env, name, self._home(name))

    def latest(self, name: str) -> Snapshot | None:
        """See `SnapshotStore.latest`. Tables are mapped, not read into memory."""
        home = self._home(name)
        numbers = complete(self._env, home)
        newest_error: CorruptFile | None = None
        for number in reversed(numbers):
            try:
                return self._load(home, number)
            except CorruptFile as error:
                newest_error = newest_error or error
        if not numbers and numbered(self._env, home):
            newest_error = CorruptFile(f'all snapshots in "{home}" lack their manifests', file=home)
        if newest_error is not None:
            raise newest_error
        return None

    def _load(self, home: str, number: str) -> Snapshot:
        """One snapshot; CorruptFile if any byte of it is wrong."""
        description = checked.load_json(self._env, f"{home}/{number}/{MANIFEST}")
        stored, tables = {}, {}
        for entry in description["files"]:
            at = StoredTable(f"{entry.get('in', number)}/{entry['file']}", entry["bytes"], entry["crc"])
            stored[entry["table"]] = at
            tables[entry["table"]] = load_table(self._env, f"{home}/{at.file}", at.num_bytes, at.crc)
        return Snapshot(description["manifest"], tables, stored)

    def delete(self, name: str) -> None:
        """See `SnapshotStore.delete`."""
        home = self._home(name)
        for number in complete(self._env, home):
            self._env.remove(f"{home}/{number}/{MANIFEST}")
        self._env.remove(home)
        self._env.sync_dir(self._directory)

    def names(self) -> list[str]:
        """See `SnapshotStore.names`."""
        homes = self._env.list(self._directory)
        stored = [entry for entry in homes if complete(self._env, f"{self._directory}/{entry}")]
        return sorted(bytes.fromhex(e[1:]).decode() if e[0] == "%" else e for e in stored)

    def _home(self, name: str) -> str:
        """Directory of a name; a name that is not plain is written in hexadecimal."""
        plain = name and quote(name, safe="") == name and name[0].isalnum() and len(name) < 100
        return f"{self._directory}/{name if plain else '%' + name.encode().hex()}"


class _FileWriter(SnapshotWriter):
    """Writes below a temporary name; `commit` gives it the final one."""

    def __init__(self, env: Env, name: str, home: str) -> None:
        self._env = env
        self._name = name
        self._home = home
        numbers = numbered(env, home)
        self._number = f"{int(numbers[-1]) + 1 if numbers else 1:020d}"
        self._temporary = f"{home}/{self._number}.tmp"
        self._files = 0
        self._stored: dict[str, StoredTable] = {}
        make_dir(env, home)
        env.remove(self._temporary)
        env.mkdir(self._temporary)

    def add(self, table: str, schema: pa.Schema) -> TableWriter:
        """See `SnapshotWriter.add`."""
        file = f"{self._files}.arrow"
        self._files += 1
        with translated(self._name):
            return _Added(self, table, file, TableFile(self._env, f"{self._temporary}/{file}", schema))

    def added(self, table: str, file: str, num_bytes: int, crc: int) -> StoredTable:
        """A table is whole."""
        stored = self._stored[table] = StoredTable(f"{self._number}/{file}", num_bytes, crc)
        return stored

    def keep(self, table: str, stored: StoredTable) -> None:
        """See `SnapshotWriter.keep`."""
        self._stored[table] = stored

    def commit(self, manifest: dict[str, Any]) -> Mapping[str, StoredTable]:
        """See `SnapshotWriter.commit`."""
        with translated(self._name):
            entries = [self._entry(table, stored) for table, stored in self._stored.items()]
            self._remove_unused()
            file = self._env.open(f"{self._temporary}/{MANIFEST}", create=True)
            try:
                file.write(0, [checked.seal(json.dumps({"manifest": manifest, "files": entries}).encode())])
                file.sync()
            finally:
                file.close()
            self._env.sync_dir(self._temporary)
            self._env.rename(self._temporary, f"{self._home}/{self._number}")
            self._env.sync_dir(self._home)
            drop_unkept(self._env, self._home)
        return self._stored

    def _entry(self, table: str, stored: StoredTable) -> dict[str, Any]:
        number, _, file = stored.file.partition("/")
        own = {} if number == self._number else {"in": number}
        return {"table": table, **own, "file": file, "bytes": stored.num_bytes, "crc": stored.crc}

    def _remove_unused(self) -> None:
        """Files of tables that others took the place of."""
        used = {stored.file for stored in self._stored.values()}
        for file in self._env.list(self._temporary):
            if f"{self._number}/{file}" not in used:
                self._env.remove(f"{self._temporary}/{file}")

    def discard(self) -> None:
        """See `SnapshotWriter.discard`."""
        with contextlib.suppress(OSError):  # what is left is a stray that the next snapshot removes
            self._env.remove(self._temporary)


class _Added(TableWriter):
    """A table of a `_FileWriter`."""

    def __init__(self, owner: _FileWriter, table: str, name: str, file: TableFile) -> None:
        self._owner = owner
        self._table = table
        self._name = name
        self._file = file

    def append(self, batch: pa.RecordBatch) -> None:
        """See `TableWriter.append`."""
        with translated(self._table):
            self._file.append(batch)

    def finish(self) -> StoredTable:
        """See `TableWriter.finish`."""
        with translated(self._table):
            num_bytes, crc = self._file.finish()
        return self._owner.added(self._table, self._name, num_bytes, crc)


def numbered(env: Env, home: str) -> list[str]:
    """Directories of snapshots, complete or kept for their files, by number."""
    return sorted(entry for entry in env.list(home) if entry.isdigit())


def complete(env: Env, home: str) -> list[str]:
    """Directories of the complete snapshots by number."""
    return [number for number in numbered(env, home) if env.exists(f"{home}/{number}/{MANIFEST}")]


def drop_unkept(env: Env, home: str) -> None:
    """Remove all but the newest snapshots and what those share with older ones. OSError; the next time goes on."""
    kept = complete(env, home)[-KEPT:]
    used: dict[str, set[str]] = {}
    for number in kept:
        with contextlib.suppress(CorruptFile):  # a damaged one is of no use, and keeps nothing
            for entry in checked.load_json(env, f"{home}/{number}/{MANIFEST}")["files"]:
                used.setdefault(entry.get("in", number), set()).add(entry["file"])
    for number in numbered(env, home):
        if number in kept:
            continue
        directory = f"{home}/{number}"
        env.remove(f"{directory}/{MANIFEST}")
        if number not in used:
            env.remove(directory)
            continue
        for file in set(env.list(directory)) - used[number]:
            env.remove(f"{directory}/{file}")


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Errors of the system as DiskFull and LogFailed."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFull(f'no space left on device for snapshot "{name}"', hint="free space and repeat") from error
        raise LogFailed(f'writing snapshot "{name}" failed: {error.strerror}') from error
