"""Rows that a statement keeps until it writes all of them: in memory while they are few, then in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO

import pyarrow as pa

from sqlengine.errors import DiskFull

MEMORY_BYTES = 1 << 20
"""What is kept in memory. More would be slower: rows go to the file while the caches have them, and are mapped then."""


class Spool:
    """Batches of one schema, in the order in which they were added. A context manager: at its end they are gone."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self.num_rows = 0

    def add(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Keep more rows. DiskFull (53100) if there is no space for the file."""
        self._held += batches
        self._held_bytes += sum(batch.nbytes for batch in batches)
        self.num_rows += sum(batch.num_rows for batch in batches)
        if self._held_bytes > self._memory_bytes:
            self._spill()

    def _spill(self) -> None:
        """Move what is in memory to the file."""
        try:
            if self._file is None:
                self._file = tempfile.NamedTemporaryFile(prefix="sqlengine-", suffix=".arrow")  # noqa: SIM115
                self._writer = pa.ipc.new_file(self._file, self._held[0].schema)
            assert self._writer is not None
            for batch in self._held:
                self._writer.write_batch(batch)
        except OSError as error:
            raise DiskFull(
                f"rows could not be kept in a temporary file: {error.strerror or error}",
                hint="free space where temporary files are, or set TMPDIR to another place",
            ) from error
        self._held, self._held_bytes = [], 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows; nothing can be added any more once some were in a file."""
        if self._file is not None:
            if self._writer is not None:
                self._spill()
                self._writer.close()
                self._writer = None
                self._file.flush()
            with pa.memory_map(self._file.name) as mapped:
                reader = pa.ipc.open_file(mapped)
                for number in range(reader.num_record_batches):
                    yield reader.get_batch(number)
        yield from self._held

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held = []
        if self._file is not None:
            self._file.close()
