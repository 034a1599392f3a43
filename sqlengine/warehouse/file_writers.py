"""Writers of whole files, one for each format. All bytes go through `Env`, and are on disk when a file is closed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidParameter, NotSupportedError, OutOfRange
from sqlengine.pgtext import list_parts
from sqlengine.warehouse.avro_files import avro, avro_schema, declared_schema, records
from sqlengine.warehouse.description import TableDescription
from sqlengine.warehouse.row_texts import as_bytes, line_writer
from sqlengine.warehouse.serdes import CSV
from sqlengine.warehouse.spark_csv import header_line
from storage.env import Env

_BUFFER_BYTES = 1 << 20
_SAMPLE_ROWS = 4096
_GROUP_ROWS = 1 << 20
_TEXT_CODECS = {"": "", "none": "", "gzip": ".gz", "bzip2": ".bz2", "zstd": ".zst"}
_PARQUET_CODECS = {"": "snappy", "uncompressed": "none", "none": "none", "snappy": "snappy", "gzip": "gzip",
                   "zstd": "zstd", "lz4": "lz4", "brotli": "brotli"}  # fmt: skip
_ORC_CODECS = {"": "zlib", "none": "uncompressed", "zlib": "zlib", "snappy": "snappy", "zstd": "zstd", "lz4": "lz4"}
_AVRO_CODECS = {"": "deflate", "null": "null", "uncompressed": "null", "none": "null", "deflate": "deflate",
                "bzip2": "bzip2"}  # fmt: skip
_EXTENSIONS = {
    "textfile": ".txt",
    "jsonfile": ".json",
    "csv": ".csv",
    "parquet": ".parquet",
    "orc": ".orc",
    "avro": ".avro",
}


class Sink(io.RawIOBase):
    """A new file as something to write to."""

    def __init__(self, env: Env, path: str) -> None:
        super().__init__()
        self._file = env.open(path, create=True)
        self._pending: list[bytes] = []
        self._size = 0
        self.position = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Append; a megabyte at a time reaches the file."""
        piece = bytes(data)
        self._pending.append(piece)
        self._size += len(piece)
        if self._size >= _BUFFER_BYTES:
            self.flush()
        return len(piece)

    def tell(self) -> int:
        """Bytes so far."""
        return self.position + self._size

    def flush(self) -> None:
        """Let the file have all bytes."""
        if self._pending:
            self._file.write(self.position, self._pending)
            self.position += self._size
            self._pending, self._size = [], 0

    def close(self) -> None:
        """Nothing of the file is lost from here on."""
        if self.closed:
            return
        try:
            self.flush()
            self._file.sync()
        finally:
            self._pending = []
            self._file.close()
            super().close()

    def discard(self) -> None:
        """Give the file up."""
        if not self.closed:
            self._pending = []
            self._file.close()
            super().close()


class Writer(Protocol):
    """A file being written."""

    def write(self, rows: pa.Table) -> None:
        """Append rows of the table's schema, without partition columns."""

    def finish(self) -> None:
        """Write what stands at the end of the format; the sink is closed by its owner."""


class _Parquet:
    """Columns are written with a dictionary where the first rows repeat their values: for others it costs as much as
    the rest of the encoding, and makes nothing smaller."""

    def __init__(self, sink: Sink, description: TableDescription, codec: str) -> None:
        self._sink = sink
        self._schema = description.schema
        self._codec = codec
        self._writer: Any = None

    def write(self, rows: pa.Table) -> None:
        self._opened(rows).write_table(rows, row_group_size=_GROUP_ROWS)

    def finish(self) -> None:
        self._opened(self._schema.empty_table()).close()

    def _opened(self, rows: pa.Table) -> Any:
        if self._writer is None:
            # pyarrow.parquet takes 40 ms to import and is needed for Parquet only
            import pyarrow.parquet as pq

            repeating = [path for f in self._schema for path in _repeating(f, rows.column(f.name))]
            self._writer = pq.ParquetWriter(
                self._sink, self._schema, compression=self._codec, use_dictionary=repeating or False
            )
        return self._writer


def _repeating(column: pa.Field, values: pa.ChunkedArray) -> list[str]:
    """The Parquet columns of a column that get a dictionary: nested ones all, others if a value comes twice on
    average."""
    if pa.types.is_nested(column.type):
        return _leaves(column.name, column.type)
    sample = values.slice(0, _SAMPLE_ROWS)
    return [column.name] if pc.count_distinct(sample).as_py() * 2 <= len(sample) else []


def _leaves(path: str, dtype: pa.DataType) -> list[str]:
    """The columns that Parquet makes of a nested one."""
    if pa.types.is_map(dtype):
        entry = f"{path}.key_value"
        return [*_leaves(f"{entry}.key", dtype.key_type), *_leaves(f"{entry}.value", dtype.item_type)]
    if pa.types.is_list(dtype):
        return _leaves(f"{path}.list.element", dtype.value_type)
    if pa.types.is_struct(dtype):
        return [leaf for f in dtype for leaf in _leaves(f"{path}.{f.name}", f.type)]
    return [path]


class _Orc:
    """An empty ORC file cannot be made by its writer alone, so the schema is written with no rows first."""

    def __init__(self, sink: Sink, description: TableDescription, codec: str) -> None:
        # ORC's writer is needed for ORC only
        import pyarrow.orc as orc

        self._sink = sink
        self._writer = orc.ORCWriter(sink, compression=codec)
        self._empty = description.schema.empty_table()
        self._is_empty = True

    def write(self, rows: pa.Table) -> None:
        self._is_empty = False
        _check_moments(rows)
        # Arrow's ORC writer takes the fields of a sliced struct from its beginning
        self._writer.write(rows.take(pa.array(np.arange(rows.num_rows))))

    def finish(self) -> None:
        if self._is_empty:
            self._writer.write(self._empty)
        self._writer.close()


def _check_moments(rows: pa.Table) -> None:
    """What Arrow could not read back from an ORC file must not get into one."""
    for column in rows.columns:
        for values in column.chunks:
            for moments in _moments_in(values):
                try:
                    moments.cast(pa.timestamp("ns"))
                except pa.ArrowInvalid:
                    raise OutOfRange(
                        "timestamps in ORC files lie between 1677 and 2262", hint="Parquet and text files hold others"
                    ) from None


def _moments_in(values: pa.Array) -> Iterator[pa.Array]:
    """The timestamps of a column, inside of nested values as well."""
    dtype = values.type
    if pa.types.is_timestamp(dtype):
        yield values.cast(pa.timestamp("us"))
    elif pa.types.is_struct(dtype):
        for part in values.flatten():
            yield from _moments_in(part)
    elif pa.types.is_nested(dtype):
        yield from _moments_in(list_parts(values)[1])


class _Text:
    def __init__(self, sink: Sink, description: TableDescription, codec: str) -> None:
        self._lines = line_writer(description)
        self._encoding = description.row_format.encoding
        self._out: Any = sink
        self._compressed = None
        if codec not in ("", "none"):
            self._compressed = pa.CompressedOutputStream(
                pa.PythonFile(sink, mode="w"), {"bzip2": "bz2"}.get(codec, codec)
            )
            self._out = self._compressed
        if description.serde == CSV:
            self._out.write(header_line(description))

    def write(self, rows: pa.Table) -> None:
        for batch in rows.to_batches(max_chunksize=1 << 17):
            self._out.write(as_bytes(self._lines(batch), self._encoding))

    def finish(self) -> None:
        if self._compressed is not None:
            self._compressed.close()


class _Avro:
    def __init__(self, sink: Sink, description: TableDescription, codec: str) -> None:
        package = avro()
        schema = declared_schema(description) or avro_schema(description.columns, description.name)
        self._names = {field["name"].lower(): field["name"] for field in schema["fields"]}
        self._writer = package.write.Writer(sink, package.parse_schema(schema), codec)
        self._refused = (ValueError, TypeError, KeyError, AttributeError)

    def write(self, rows: pa.Table) -> None:
        named = rows.rename_columns([self._names.get(name, name) for name in rows.schema.names])
        for batch in named.to_batches(max_chunksize=10_000):
            for record in records(batch):
                try:
                    self._writer.write(record)
                except self._refused as error:
                    raise InvalidParameter(f'a row does not fit "avro.schema.literal": {error}') from None

    def finish(self) -> None:
        self._writer.flush()


_WRITERS: dict[str, tuple[Callable[[Sink, TableDescription, str], Writer], dict[str, str], str]] = {
    "textfile": (_Text, {name: name for name in _TEXT_CODECS}, "output.compression"),
    "csv": (_Text, {name: name for name in _TEXT_CODECS}, "output.compression"),
    "jsonfile": (_Text, {name: name for name in _TEXT_CODECS}, "output.compression"),
    "parquet": (_Parquet, _PARQUET_CODECS, "parquet.compression"),
    "orc": (_Orc, _ORC_CODECS, "orc.compress"),
    "avro": (_Avro, _AVRO_CODECS, "avro.output.codec"),
}


def codec_of(description: TableDescription, compression: str = "") -> str:
    """How files of a table are compressed: as stated, else as its property says (parquet.compression, orc.compress,
    avro.output.codec; output.compression for text). InvalidParameter (22023) for a codec that the format has not."""
    _, codecs, name = _WRITERS[description.file_format]
    wanted = (compression or description.option(name)).lower()
    if wanted not in codecs:
        raise InvalidParameter(
            f'compression "{wanted}" is not there for files stored as {description.file_format}',
            hint="there are: " + ", ".join(codec for codec in codecs if codec),
        )
    return codecs[wanted]


def extension(description: TableDescription, codec: str) -> str:
    """What the names of the table's files end with."""
    is_text = description.file_format in ("textfile", "jsonfile", "csv")
    return _EXTENSIONS[description.file_format] + (_TEXT_CODECS[codec] if is_text else "")


def open_writer(sink: Sink, description: TableDescription, codec: str) -> Writer:
    """A writer of the table's format; NotSupportedError (0A000) for one that only reads."""
    try:
        return _WRITERS[description.file_format][0](sink, description, codec)
    except pa.ArrowNotImplementedError as error:
        raise NotSupportedError(f"files stored as {description.file_format} cannot hold this: {error}") from None
