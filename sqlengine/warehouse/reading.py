"""Reads files and tables as batches of typed rows, by whatever SerDe the table has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from sqlengine.formats.base import batch_of
from sqlengine.formats.records import Spans
from sqlengine.warehouse.ahead import mapped
from sqlengine.warehouse.avro_files import read_avro
from sqlengine.warehouse.columnar import read_orc, read_parquet
from sqlengine.warehouse.delimited import Splitter, column, lines_of
from sqlengine.warehouse.description import BLOCK_OFFSET, FILE_NAME, VIRTUAL, Column, TableDescription
from sqlengine.warehouse.json_rows import JsonReader
from sqlengine.warehouse.layout import (
    NO_OVERRIDES,
    Overrides,
    Partition,
    data_files,
    find_partitions,
    prune,
    typed_value,
)
from sqlengine.warehouse.lines import Chunk, read_chunks
from sqlengine.warehouse.open_csv import CsvReader, csv_format
from sqlengine.warehouse.quick_text import QuickReader
from sqlengine.warehouse.regex_rows import RegexReader
from sqlengine.warehouse.serdes import AVRO, CSV, JSON, LAZY_SIMPLE, OPEN_CSV, ORC, PARQUET, REGEX
from sqlengine.warehouse.spark_csv import typed_reader
from sqlengine.warehouse.text_values import valid_text
from sqlengine.warehouse.visibility import shown

Where = Callable[[pa.RecordBatch], pa.Array]
"""A condition on partitions: one row of partition values each in, booleans out."""

Part = tuple[int, list[pa.Array], np.ndarray | None]
"""(number of rows, the wanted columns, where in the file each row begins, None when rows are counted instead)."""

Read = Callable[[Chunk], Part]


def read(
    path: str, description: TableDescription, columns: Sequence[str] | None = None, *, name: str = ""
) -> Iterator[pa.RecordBatch]:
    """The rows of one file. `columns`: of the table without its partition columns, or the virtual ones
    (`input__file__name`: of `name`, which is the path unless stated; `block__offset__inside__file`: the byte a line
    begins at in the decompressed text, in other files the row's number), all but the virtual ones by default.

    Raises UndefinedColumn (42703), FileUnavailable (58P01), DataCorrupted (XX001), DatatypeMismatch (42804) for a
    column of the file that cannot be the table's, NotSupportedError (0A000) without the package for Avro.
    """
    names = [c.lower() for c in columns] if columns is not None else [c.name for c in description.columns]
    wanted = [description.column(c) for c in names if c not in VIRTUAL]
    schema = pa.schema([pa.field(c, VIRTUAL[c]) if c in VIRTUAL else description.column(c).field for c in names])
    number = 0
    for rows, found, offsets in _rows(path, description, wanted, needs_offsets=BLOCK_OFFSET in names):
        by_name = dict(zip((c.name for c in wanted), found, strict=True))
        if FILE_NAME in names:
            by_name[FILE_NAME] = pa.repeat(f"file:{os.path.abspath(name or path)}", rows)
        if BLOCK_OFFSET in names:
            by_name[BLOCK_OFFSET] = pa.array(np.arange(number, number + rows) if offsets is None else offsets)
        number += rows
        yield batch_of(schema, [by_name[c] for c in names], rows)


def read_table(
    description: TableDescription,
    columns: Sequence[str] | None = None,
    *,
    overrides: Overrides = NO_OVERRIDES,
    where: Where | None = None,
    partitions: Sequence[Partition] | None = None,
    has_subdirectories: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The rows of a table, or of those partitions of it (`partitions`, or all) for which `where` is true; by default
    with all columns, partition columns last.

    They are those of one moment, that of the first batch: what is written, replaced or dropped meanwhile by this
    process is not seen. Raises as `read`.
    """
    names = [c.lower() for c in columns] if columns is not None else description.row_schema.names
    with shown(description.location) as view:
        with view.listing():
            found = list(partitions) if partitions is not None else find_partitions(description, overrides)
            if where is not None:
                found = prune(description, found, where)
            files = [(p, f.path) for p in found for f in data_files(p.location, has_subdirectories=has_subdirectories)]
        for partition, path in files:
            with view.opening(path) as actual:
                stored = overrides.describing(description, partition.values)
                batches = _with_partition(stored, names, partition, actual, path)
                first = next(batches, None)
            if first is not None:
                yield first
                yield from batches


def _with_partition(
    description: TableDescription, names: list[str], partition: Partition, path: str, name: str
) -> Iterator[pa.RecordBatch]:
    """The rows of one file with the partition's values."""
    keys = {column.name: i for i, column in enumerate(description.partition_columns)}
    own = [n for n in names if n not in keys]
    values = {
        n: typed_value(description.partition_columns[keys[n]].type, [partition.values[keys[n]]])[0]
        for n in names
        if n in keys
    }
    for batch in read(path, description, own, name=name):
        columns = [pa.repeat(values[n], batch.num_rows) if n in values else batch.column(n) for n in names]
        yield batch_of(pa.schema([(n, c.type) for n, c in zip(names, columns, strict=True)]), columns, batch.num_rows)


# ---------------------------------------------------------------- by SerDe


def _rows(path: str, description: TableDescription, wanted: Sequence[Column], *, needs_offsets: bool) -> Iterator[Part]:
    if description.serde in _FILES:
        for rows, columns in _FILES[description.serde](path, description, wanted):
            yield rows, columns, None
        return
    places = [description.columns.index(column) for column in wanted]
    chunks = read_chunks(
        path,
        header=description.count("skip.header.line.count"),
        footer=description.count("skip.footer.line.count"),
        encoding=description.row_format.encoding,
    )
    yield from mapped(_TEXTS[description.serde](description, places, needs_offsets), chunks)


def _lazy(description: TableDescription, places: list[int], needs_offsets: bool) -> Read:
    row_format = description.row_format
    quick = QuickReader(description.columns, places, row_format)

    def columns_of(chunk: Chunk) -> Part:
        columns = quick.read(chunk.data) if places and not needs_offsets and quick.is_usable else None
        if columns is not None:
            return len(columns[0]), columns, None
        lines = lines_of(chunk.data)
        splitter = Splitter(lines.data, row_format)
        fields = splitter.fields(lines, 0, places, len(description.columns))
        columns = [
            column(splitter, spans, missing, description.columns[place].type, row_format, 1)
            for place, (spans, missing) in zip(places, fields, strict=True)
        ]
        return len(lines), columns, lines.start + chunk.offset

    return columns_of


def _by_lines(read_lines: Callable[[Spans], list[pa.Array]]) -> Read:
    def columns_of(chunk: Chunk) -> Part:
        lines = lines_of(chunk.data)
        return len(lines), read_lines(lines), lines.start + chunk.offset

    return columns_of


def _csv(description: TableDescription, places: list[int], _: bool) -> Read:
    reader = CsvReader(csv_format(description), len(description.columns))
    return _by_lines(lambda lines: reader.columns(lines, places))


def _regex(description: TableDescription, places: list[int], _: bool) -> Read:
    reader = RegexReader(description)
    wanted = [(place, description.columns[place]) for place in places]
    return _by_lines(lambda lines: reader.columns(valid_text(lines.array()), wanted))


def _json(description: TableDescription, places: list[int], _: bool) -> Read:
    return _by_lines(lambda lines: JsonReader(description.columns, places).columns(lines.array()))


def _spark_csv(description: TableDescription, places: list[int], _: bool) -> Read:
    return _by_lines(typed_reader(description, places))


_FILES = {PARQUET: read_parquet, ORC: read_orc, AVRO: read_avro}
_TEXTS = {LAZY_SIMPLE: _lazy, OPEN_CSV: _csv, CSV: _spark_csv, REGEX: _regex, JSON: _json}
