"""Writes whole files of any format: the part files of the sink, and the one file of a COPY."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from sqlengine.connectors.file.options import FileOptions
from sqlengine.connectors.file.paths import compression_of, format_of, unavailable
from sqlengine.errors import DiskFull, NotSupportedError
from sqlengine.formats import encoder
from sqlengine.formats.csv_format import listed_columns
from sqlengine.formats.encode import CsvEncoder
from sqlengine.formats.options import parse
from sqlengine.formats.records import joined
from sqlengine.types import INTERVAL


class FileWriter:
    """One file being written, in one of the formats; `close` completes it and forces it to disk."""

    def __init__(self, path: str, kind: str, compression: str, schema: pa.Schema, options: FileOptions) -> None:
        check_writable(kind, compression, schema)
        self._path = path
        self._raw = open(path, "wb")  # noqa: SIM115 - stays open until the part is complete
        self._out: Any = self._raw
        if compression != "none" and kind in ("json", "csv"):
            self._out = pa.CompressedOutputStream(pa.PythonFile(self._raw, mode="w"), compression)
        self._writer: Any = None
        self._encoder: Any = None
        if kind == "parquet":
            # pyarrow.parquet takes 40 ms to import and is needed for Parquet only
            import pyarrow.parquet as pq

            codec = "snappy" if compression == "none" else compression
            self._writer = pq.ParquetWriter(self._out, schema, compression=codec)
        elif kind == "arrow":
            how = pa.ipc.IpcWriteOptions(compression=None if compression == "none" else compression)
            self._writer = pa.ipc.new_file(self._out, schema, options=how)
        else:
            self._encoder = _csv(schema, options) if kind == "csv" else encoder("json", schema)
            if isinstance(self._encoder, CsvEncoder) and options.header:
                self._out.write(self._encoder.header() + b"\n")

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        if self._writer is not None:
            self._writer.write_batch(batch)
        elif batch.num_rows:
            self._out.write(joined(self._encoder.encode(batch)))
            self._out.write(b"\n")

    def close(self) -> None:
        """Complete the file and force it to disk."""
        try:
            if self._writer is not None:
                self._writer.close()
            self._out.close()
        finally:
            self._raw.close()
        sync(self._path)


def _csv(schema: pa.Schema, options: FileOptions) -> CsvEncoder:
    quoted = listed_columns(options.force_quote, schema.names)
    return CsvEncoder(schema, options.csv(), quoted, options.escape or None)


def check_writable(kind: str, compression: str, schema: pa.Schema) -> None:
    """NotSupportedError (0A000) for a column that pyarrow cannot write, or a compression it does not have."""
    for f in schema:
        if kind == "parquet" and f.type == INTERVAL:
            raise NotSupportedError(
                f'column "{f.name}" of type interval cannot be written as Parquet', hint="cast it to text"
            )
    if kind == "arrow" and compression == "gzip":
        raise NotSupportedError("Arrow files cannot be compressed with gzip", hint="compression = 'zstd'")


def write_table(rows: pa.Table, path: Path, options: Mapping[str, str]) -> None:
    """Write rows as one file: see write_batches."""
    write_batches(rows.schema, rows.to_batches(), path, options)


def write_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path, options: Mapping[str, str]) -> None:
    """Write rows as one file, whole or not at all: a temporary file beside it that is renamed when complete.

    `options`: those of the file connector (`null` is `null_string`); the format is the stated one or the
    extension's. Raises InvalidParameter (22023), FileUnavailable (58P01), DiskFull (53100).
    """
    named = {("null_string" if name.lower() == "null" else name): text for name, text in options.items()}
    parsed = parse(FileOptions, {"path": str(path), **named}, "COPY")
    if not parsed.is_utf8:
        raise NotSupportedError("files are written in UTF8 alone", hint='leave option "encoding" out')
    temporary = path.with_name(f".{path.name}.tmp")
    kind, compression = format_of(str(path), parsed), compression_of(str(path), parsed)
    with disk(str(path)):
        try:
            with contextlib.closing(FileWriter(str(temporary), kind, compression, schema, parsed)) as writer:
                for batch in batches:
                    writer.write(batch)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(str(path.parent))


@contextlib.contextmanager
def disk(path: str) -> Iterator[None]:
    """The operating system's complaints about writing as ours."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(f'could not write to "{path}": no space left on device') from None
        raise unavailable(path, error) from None


def sync(path: str) -> None:
    """Force a closed file or a directory to disk (a compressor closes its file itself, hence by name)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
