"""The `file` sink: part files in a directory, each visible as a whole or not at all.

Rows go to `.staging.tmp` as they come; `prepare` makes that `.part-<epoch>-0.<ext>.tmp`, synced to disk;
`commit` renames it to `part-<epoch>-0.<ext>`.  Both steps find their file by name, so a process that starts
again after a crash finishes what its predecessor prepared.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import numpy as np
import pyarrow as pa

from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.paths import unavailable
from sqlengine.connectors.file.writer import FileWriter, disk, sync
from sqlengine.errors import NotSupportedError

_STAGING = ".staging.tmp"
_EXTENSIONS = {"gzip": ".gz", "zstd": ".zst"}


class FileSink:
    """See connectors.base.Sink; takes inserts only."""

    def __init__(self, options: FileOptions, schema: pa.Schema) -> None:
        self.options = options
        self.schema = schema
        self._kind = options.format or "json"
        self._directory = os.path.expanduser(options.path)
        try:
            os.makedirs(self._directory, exist_ok=True)
        except OSError as error:
            raise unavailable(options.path, error) from None
        self._part: FileWriter | None = None

    def write(self, batch: pa.RecordBatch, weights: Any | None) -> None:
        """Stage rows; NotSupportedError (0A000) for deletions."""
        if weights is not None:
            counts = np.asarray(weights)
            if (counts < 0).any():
                raise NotSupportedError("the file sink cannot take deletions", hint="sink an append-only query")
            batch = batch.take(pa.array(np.repeat(np.arange(batch.num_rows), counts)))
        with disk(self.options.path):
            if self._part is None:
                self._part = FileWriter(
                    self._path(_STAGING), self._kind, self._compression(), self.schema, self.options
                )
            self._part.write(batch)

    def prepare(self, epoch: int) -> None:
        """Staged rows become the epoch's part on disk; what an earlier attempt at the epoch left is
        dropped."""
        temporary = self._path(f".{self._name(epoch)}.tmp")
        with disk(self.options.path):
            if self._part is None:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(temporary)
                return
            self._part.close()
            self._part = None
            os.replace(self._path(_STAGING), temporary)
            sync(self._directory)

    def commit(self, epoch: int) -> None:
        """The epoch's part gets its name."""
        temporary = self._path(f".{self._name(epoch)}.tmp")
        if os.path.exists(temporary):
            with disk(self.options.path):
                os.replace(temporary, self._path(self._name(epoch)))
                sync(self._directory)

    def close(self) -> None:
        """Drop what was staged but never prepared."""
        part, self._part = self._part, None
        if part is not None:
            with contextlib.suppress(OSError):  # what a full disk did not take is dropped anyway
                part.close()
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.remove(self._path(_STAGING))

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _name(self, epoch: int) -> str:
        return f"part-{epoch:010d}-0.{self._kind}{_EXTENSIONS.get(self._compression(), '')}"

    def _compression(self) -> str:
        known = self._kind in ("json", "csv") and self.options.compression != "auto"
        return self.options.compression if known else "none"
