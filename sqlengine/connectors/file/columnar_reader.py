"""Reads one Parquet or Arrow IPC file (file or stream layout).

A position is {"part": row group or record batch, "row": rows of it read}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from sqlengine.connectors.base import BadRecord, Polled, Position
from sqlengine.connectors.columns import column_index
from sqlengine.connectors.file.paths import unavailable
from sqlengine.errors import DataCorrupted, DatatypeMismatch, UndefinedColumn, did_you_mean
from sqlengine.formats import encoder
from sqlengine.formats.base import assemble, snippet
from sqlengine.formats.text import cast_each
from sqlengine.types import to_sql


class _Parts(Protocol):
    """A file in parts that can be read one by one."""

    schema: pa.Schema
    count: int | None
    """None = found out by reading (the stream layout)."""

    def part(self, index: int) -> pa.RecordBatch | None:
        """Part `index`, None behind the last one."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class _Parquet:
    def __init__(self, path: str, columns: Callable[[pa.Schema], list[str]]) -> None:
        # pyarrow.parquet takes 40 ms to import and is needed for Parquet only
        import pyarrow.parquet as pq

        self._file = pq.ParquetFile(path, memory_map=True)
        self.schema = self._file.schema_arrow
        self.count: int | None = self._file.num_row_groups
        self._columns = columns(self.schema) if _is_clear(self.schema) else None  # else a name picks several

    def part(self, index: int) -> pa.RecordBatch | None:
        if index >= self._file.num_row_groups:
            return None
        return _one_batch(self._file.read_row_group(index, columns=self._columns, use_threads=False))

    def close(self) -> None:
        self._file.close()


class _IpcFile:
    def __init__(self, source: pa.MemoryMappedFile) -> None:
        self._source = source
        self._reader = pa.ipc.open_file(source)
        self.schema = self._reader.schema
        self.count: int | None = self._reader.num_record_batches

    def part(self, index: int) -> pa.RecordBatch | None:
        return self._reader.get_batch(index) if index < self._reader.num_record_batches else None

    def close(self) -> None:
        self._source.close()


class _IpcStream:
    def __init__(self, source: pa.MemoryMappedFile) -> None:
        self._source = source
        self._reader = pa.ipc.open_stream(source)
        self.schema = self._reader.schema
        self.count: int | None = None
        self._next = 0

    def part(self, index: int) -> pa.RecordBatch | None:
        batch = None
        while self._next <= index:
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                return None
            self._next += 1
        return batch

    def close(self) -> None:
        self._source.close()


def open_parts(path: str, kind: str, columns: Callable[[pa.Schema], list[str]] | None = None) -> Any:
    """The file's parts; `columns` picks which a Parquet file need read (default: all).

    Raises FileUnavailable (58P01), DataCorrupted (XX001) for a file that is not of its kind.
    """
    try:
        if kind == "parquet":
            return _Parquet(path, columns or (lambda schema: list(schema.names)))
        source = pa.memory_map(path)
        return _IpcFile(source) if source.read(6) == b"ARROW1" else _IpcStream(_rewound(source))
    except (pa.ArrowInvalid, pa.ArrowSerializationError) as error:
        raise DataCorrupted(f'file "{path}" is not a valid {kind} file: {error}') from None
    except OSError as error:
        raise unavailable(path, error) from None


def _rewound(source: pa.MemoryMappedFile) -> pa.MemoryMappedFile:
    source.seek(0)
    return source


class ColumnarReader:
    """See connectors.base.Reader."""

    def __init__(self, path: str, kind: str, schema: pa.Schema, position: Position | None) -> None:
        self._path, self._schema = path, schema
        self._parts = open_parts(path, kind, lambda found: [found.names[i] for i in _indexes(found, schema, path)])
        found = self._parts.schema
        indexes = _indexes(found, schema, path)
        self._columns: list[Any] = [found.names[i] for i in indexes] if _is_clear(found) else indexes
        self._part = 0 if position is None else int(position["part"])
        self._row = 0 if position is None else int(position["row"])
        self._current: pa.RecordBatch | None = None
        self._done = False

    def poll(self, max_rows: int, now_us: int) -> Polled:
        """See connectors.base.Reader."""
        rows = self._next_rows(max_rows)
        if rows is None:
            return Polled(None, self._position(), done=True)
        columns = [cast_each(_plain(rows.column(n)), f.type) for n, f in zip(self._columns, self._schema, strict=True)]

        def show(column: int, i: int) -> str:
            field = self._schema.field(column)
            value = snippet(str(rows.column(self._columns[column])[i].as_py()))
            return f'column "{field.name}": invalid value for type {to_sql(field.type)}: {value}'

        decoded = assemble(self._schema, columns, np.arange(rows.num_rows), [], show)
        bad = [BadRecord(_as_json(rows.slice(i, 1)), why, "22003", f"{self._path}:{i}") for i, why in decoded.bad]
        return Polled(decoded.batch if decoded.batch.num_rows else None, self._position(), bad, self._at_end())

    def progress(self) -> float | None:
        """The fraction of the parts read, where their number is known."""
        return None if self._parts.count is None else min(1.0, self._part / max(1, self._parts.count))

    def close(self) -> None:
        """Release the file."""
        self._current = None
        self._parts.close()

    def _next_rows(self, limit: int) -> pa.RecordBatch | None:
        while self._current is None or self._row >= self._current.num_rows:
            if self._current is not None:
                self._part, self._row = self._part + 1, 0
            self._current = self._read_part()
            if self._current is None:
                return None
        rows = self._current.slice(self._row, limit)
        self._row += rows.num_rows
        return rows

    def _read_part(self) -> pa.RecordBatch | None:
        try:
            return self._parts.part(self._part)  # type: ignore[no-any-return]
        except (pa.ArrowInvalid, OSError) as error:
            raise DataCorrupted(f'file "{self._path}", part {self._part}: {error}') from None

    def _at_end(self) -> bool:
        known = self._parts.count is not None and self._part == self._parts.count - 1
        return known and self._current is not None and self._row >= self._current.num_rows

    def _position(self) -> Position:
        return {"part": self._part, "row": self._row}


def _is_clear(schema: pa.Schema) -> bool:
    """Whether no name comes again."""
    return len(set(schema.names)) == len(schema.names)


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    if len(batches) == 1:
        return batches[0]
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in table.schema], schema=table.schema)


def _indexes(found: pa.Schema, wanted: pa.Schema, path: str) -> list[int]:
    """Which of the file's columns the declared ones are.

    Raises UndefinedColumn (42703), DatatypeMismatch (42804).
    """
    indexes = []
    for field in wanted:
        index = column_index(found.names, field.name)
        if index is None:
            hint = did_you_mean(field.name, found.names) or "columns: " + ", ".join(found.names)
            raise UndefinedColumn(f'file "{path}" has no column "{field.name}"', hint=hint)
        _check_cast(found.field(index).type, field, path)
        indexes.append(index)
    return indexes


def _check_cast(found: pa.DataType, wanted: pa.Field, path: str) -> None:
    try:
        _plain(pa.array([], found)).cast(wanted.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        raise DatatypeMismatch(
            f'column "{wanted.name}" of file "{path}" is of type {to_sql(found)} and cannot be {to_sql(wanted.type)}'
        ) from None


def _plain(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _as_json(row: pa.RecordBatch) -> bytes:
    return bytes(encoder("json", row.schema).encode(row)[0].as_py())
