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
from sqlengine.errors import DiskFull, NotSupportedError
from sqlengine.formats import encoder
from sqlengine.formats.encode import CsvEncoder
from sqlengine.formats.records import joined

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
        self._part: _Part | None = None

    def write(self, batch: pa.RecordBatch, weights: Any | None) -> None:
        """Stage rows; NotSupportedError (0A000) for deletions."""
        if weights is not None:
            counts = np.asarray(weights)
            if (counts < 0).any():
                raise NotSupportedError("the file sink cannot take deletions", hint="sink an append-only query")
            batch = batch.take(pa.array(np.repeat(np.arange(batch.num_rows), counts)))
        with _disk(self.options.path):
            if self._part is None:
                self._part = _Part(self._path(_STAGING), self._kind, self._compression(), self.schema, self.options)
            self._part.write(batch)

    def prepare(self, epoch: int) -> None:
        """Staged rows become the epoch's part on disk; what an earlier attempt at the epoch left is
        dropped."""
        temporary = self._path(f".{self._name(epoch)}.tmp")
        with _disk(self.options.path):
            if self._part is None:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(temporary)
                return
            self._part.close()
            self._part = None
            os.replace(self._path(_STAGING), temporary)
            _sync(self._directory)

    def commit(self, epoch: int) -> None:
        """The epoch's part gets its name."""
        temporary = self._path(f".{self._name(epoch)}.tmp")
        if os.path.exists(temporary):
            with _disk(self.options.path):
                os.replace(temporary, self._path(self._name(epoch)))
                _sync(self._directory)

    def close(self) -> None:
        """Drop what was staged but never prepared."""
        if self._part is not None:
            self._part.close()
            self._part = None
            os.remove(self._path(_STAGING))

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _name(self, epoch: int) -> str:
        return f"part-{epoch:010d}-0.{self._kind}{_EXTENSIONS.get(self._compression(), '')}"

    def _compression(self) -> str:
        known = self._kind in ("json", "csv") and self.options.compression != "auto"
        return self.options.compression if known else "none"


class _Part:
    """One file being written."""

    def __init__(self, path: str, kind: str, compression: str, schema: pa.Schema, options: FileOptions) -> None:
        self._path = path
        self._raw = open(path, "wb")  # noqa: SIM115 - stays open until the part is complete
        self._out: Any = self._raw
        if compression != "none":
            self._out = pa.CompressedOutputStream(pa.PythonFile(self._raw, mode="w"), compression)
        self._writer: Any = None
        self._encoder: Any = None
        if kind == "parquet":
            # pyarrow.parquet takes 40 ms to import and is needed for Parquet only
            import pyarrow.parquet as pq

            self._writer = pq.ParquetWriter(self._out, schema)
        elif kind == "arrow":
            self._writer = pa.ipc.new_file(self._out, schema)
        else:
            self._encoder = CsvEncoder(schema, options.csv()) if kind == "csv" else encoder("json", schema)
            if isinstance(self._encoder, CsvEncoder) and options.header:
                self._out.write(self._encoder.header() + b"\n")

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is not None:
            self._writer.write_batch(batch)
        elif batch.num_rows:
            self._out.write(joined(self._encoder.encode(batch)))
            self._out.write(b"\n")

    def close(self) -> None:
        """Complete the file and force it to disk."""
        if self._writer is not None:
            self._writer.close()
        self._out.close()
        self._raw.close()
        _sync(self._path)


@contextlib.contextmanager
def _disk(path: str) -> Any:
    """The operating system's complaints about writing as ours."""
    try:
        yield
    except OSError as error:
        if error.errno == 28:
            raise DiskFull(f'could not write to "{path}": no space left on device') from None
        raise unavailable(path, error) from None


def _sync(path: str) -> None:
    """Force a closed file or a directory to disk (a compressor closes its file itself, hence by name)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
