"""Journal: a small durable sequence of JSON records in one file, for what is not record data (catalog,
offsets).

Every append is fsynced before it returns. A torn last record is dropped on opening; damage anywhere else is
refused, never dropped: the file may hold the only description of a user's tables. FORMAT.md section 6.
"""

from __future__ import annotations

import contextlib
import json
import struct
import threading
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from storage.env import Env, File, write_file
from storage.errors import NO_SPACE, CorruptFile, DiskFull, LogFailed, StorageError
from storage.log.durable_point import FILE_BYTES, DurablePoint, Point
from storage.log.format import checksum

_RECORD = struct.Struct("<4sIII")
_MAGIC = b"SEJ1"
_ALIGN = 8


class Journal(ABC):
    """Append-only JSON records."""

    @abstractmethod
    def append(self, record: dict[str, Any]) -> None:
        """Add a record, durably. Raises DiskFull, LogFailed; TypeError if it is not JSON."""

    @abstractmethod
    def replay(self) -> list[dict[str, Any]]:
        """All records, oldest first."""

    @abstractmethod
    def rewrite(self, records: list[dict[str, Any]]) -> None:
        """Atomically replace all records."""

    @abstractmethod
    def close(self) -> None:
        """Release the file."""


class MemoryJournal(Journal):
    """A journal without a file; records are kept as JSON text, as independent as those on disk."""

    def __init__(self) -> None:
        self._records: list[str] = []

    def append(self, record: dict[str, Any]) -> None:
        """See `Journal.append`."""
        self._records.append(json.dumps(record))

    def replay(self) -> list[dict[str, Any]]:
        """See `Journal.replay`."""
        return [json.loads(text) for text in self._records]

    def rewrite(self, records: list[dict[str, Any]]) -> None:
        """See `Journal.rewrite`."""
        self._records = [json.dumps(record) for record in records]

    def close(self) -> None:
        """See `Journal.close`."""


class FileJournal(Journal):
    """A journal in the file `path`; CorruptFile if a durable record is damaged."""

    def __init__(self, env: Env, path: str) -> None:
        self._env = env
        self._path = path
        self._lock = threading.Lock()
        self._failure: StorageError | None = None
        env.remove(path + ".tmp")
        if not env.exists(path):
            write_file(env, path, [bytes(FILE_BYTES)])
        self._attach()
        self._records = self._recover()

    def _attach(self) -> None:
        """Open the file."""
        self._file: File = self._env.open(self._path)
        self._durable = DurablePoint(self._file)
        self._end = FILE_BYTES

    def _recover(self) -> list[str]:
        """Read all records; cut a torn last one off."""
        try:
            contents = _contents(self._file, self._path)
        except CorruptFile:
            self._file.close()
            raise
        self._end = contents.end
        if self._file.size() > self._end:
            self._file.resize(self._end)
        return contents.texts

    def append(self, record: dict[str, Any]) -> None:
        """See `Journal.append`."""
        text = json.dumps(record)
        with self._lock:
            if self._failure is not None:
                raise self._failure
            data = _pack(text, len(self._records))
            try:
                self._file.write(self._end, [data])
                self._file.sync()
                self._durable.save(Point(0, 0, self._end + len(data), len(self._records) + 1))
            except OSError as error:
                raise self._append_failed(error) from error
            self._end += len(data)
            self._records.append(text)

    def _append_failed(self, error: OSError) -> StorageError:
        """Take a failed append back if only space was missing; otherwise stop the journal."""
        if error.errno in NO_SPACE:
            try:
                self._file.resize(self._end)
                self._file.sync()  # it must not come back after a crash
            except OSError as second:
                error = second
            else:
                return DiskFull(f'no space left on device for "{self._path}"', hint="free space and repeat")
        self._failure = LogFailed(f'writing "{self._path}" failed: {error.strerror}', hint="open the storage again")
        return self._failure

    def replay(self) -> list[dict[str, Any]]:
        """See `Journal.replay`."""
        with self._lock:
            return [json.loads(text) for text in self._records]

    def rewrite(self, records: list[dict[str, Any]]) -> None:
        """See `Journal.rewrite`. On a failure the old records stay."""
        texts = [json.dumps(record) for record in records]
        with self._lock:
            if self._failure is not None:
                raise self._failure
            pieces = [_pack(text, number) for number, text in enumerate(texts)]
            try:
                write_file(self._env, self._path, [bytes(FILE_BYTES), *pieces])
            except OSError as error:
                if error.errno in NO_SPACE:
                    raise DiskFull(
                        f'no space left on device for "{self._path}"', hint="free space and repeat"
                    ) from error
                raise self._append_failed(error) from error
            self._file.close()
            self._attach()
            self._end, self._records = FILE_BYTES + sum(map(len, pieces)), texts
            self._durable.save(Point(0, 0, self._end, len(texts)))

    def close(self) -> None:
        """See `Journal.close`."""
        with self._lock:
            self._file.close()
            self._failure = self._failure or LogFailed(f'"{self._path}" is closed')


class Contents(NamedTuple):
    """What a journal's file has: the records' texts, where the last one ends, and whether a part of another follows."""

    texts: list[str]
    end: int
    is_torn: bool


def examine(env: Env, path: str) -> Contents:
    """Read a journal's file, without changing it. CorruptFile if a durable record is damaged, OSError."""
    with contextlib.closing(env.open(path)) as file:
        return _contents(file, path)


def _contents(file: File, path: str) -> Contents:
    """All whole records; CorruptFile if damage is not at the very end."""
    known = DurablePoint(file).load()
    data = file.read(0, file.size())
    texts: list[str] = []
    end = FILE_BYTES
    while (text := _parse(data, end, len(texts))) is not None:
        texts.append(text)
        end += _padded(_RECORD.size + len(text.encode()))
    is_lost = known is not None and end < known.position
    if is_lost or _anything_after(data, end):
        raise CorruptFile(f'file "{path}" is corrupt at position {end}', file=path, position=end)
    return Contents(texts, end, any(data[end:]))


def _anything_after(data: bytes, end: int) -> bool:
    """Whether a whole record follows the end: appends are synced one by one, so damage before one is no torn tail."""
    return any(
        _parse(data, position, None) is not None
        for position in range(end + _ALIGN, len(data), _ALIGN)
        if data.startswith(_MAGIC, position)
    )


def _padded(size: int) -> int:
    """`size` rounded up to the record alignment."""
    return (size + _ALIGN - 1) & -_ALIGN


def _pack(text: str, number: int) -> bytes:
    """The bytes of record `number`."""
    payload = text.encode()
    tail = struct.pack("<II", len(payload), number) + payload
    record = _MAGIC + struct.pack("<I", checksum([tail])) + tail
    return record + bytes(-len(record) % _ALIGN)


def _parse(data: bytes, position: int, number: int | None) -> str | None:
    """Text of the record at `position`, None if there is no whole one (of that number, if given)."""
    if position + _RECORD.size > len(data):
        return None
    magic, crc, length, stored_number = _RECORD.unpack_from(data, position)
    end = position + _RECORD.size + length
    if magic != _MAGIC or end > len(data) or checksum([data[position + 8 : end]]) != crc:
        return None
    if number is not None and stored_number != number:
        return None
    return data[position + _RECORD.size : end].decode()
