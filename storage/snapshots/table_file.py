"""A table as an Arrow IPC file that is durable and checked."""

from __future__ import annotations

from typing import Any

import google_crc32c
import pyarrow as pa

from storage.env import Env, File, let_go_mapped
from storage.errors import CorruptFile

CHECKED_BYTES = 16 << 20
"""A file is looked through in pieces of so many bytes, so that no more of it is in the process's memory."""


class TableFile:
    """A file that batches are added to. OSError."""

    def __init__(self, env: Env, path: str, schema: pa.Schema) -> None:
        self._file = env.open(path, create=True)
        self._sink = _ChecksummedSink(self._file)
        try:
            self._writer = pa.ipc.new_file(pa.PythonFile(self._sink, mode="w"), schema)
        except BaseException:
            self._file.close()
            raise

    def append(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        try:
            self._writer.write_batch(batch)
        except BaseException:
            self._file.close()
            raise

    def finish(self) -> tuple[int, int]:
        """Make it durable and close it; (bytes, CRC-32C)."""
        try:
            self._writer.close()
            self._file.sync()
        finally:
            self._file.close()
        return self._sink.size, self._sink.crc


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


def load_table(env: Env, path: str, num_bytes: int, crc: int) -> pa.Table:
    """Map a table's file after checking it; CorruptFile."""
    try:
        file = env.open(path)
    except FileNotFoundError:
        raise CorruptFile(f'file "{path}" is missing', file=path) from None
    try:
        data = file.map(file.size())
    finally:
        file.close()
    if data.size != num_bytes or _checksum(data) != crc:
        raise CorruptFile(f'file "{path}" does not match its checksum', file=path)
    return pa.ipc.open_file(data).read_all()


def _checksum(data: pa.Buffer) -> int:
    """CRC-32C of a mapping."""
    crc = 0
    for start in range(0, data.size, CHECKED_BYTES):
        crc = google_crc32c.extend(crc, data.slice(start, min(CHECKED_BYTES, data.size - start)))
        if data.size > CHECKED_BYTES:
            let_go_mapped()
    return crc
