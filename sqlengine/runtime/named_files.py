"""Files that a query names by format and path, as Spark does (parquet.`path`): what columns they have, and their rows.

A path is a file, a pattern of files, or a directory, whose sub-directories `name=value` are partitions as in a table.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa

from sqlengine import warehouse
from sqlengine.catalog.objects import ColumnInfo
from sqlengine.errors import FileUnavailable
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse import TableDescription

FORMATS = ("parquet", "orc", "csv", "json", "text", "avro")
"""Formats that may stand before a path."""


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """Files of one description; `paths`: these, or None for all of the description's directory."""

    description: TableDescription
    paths: tuple[str, ...] | None


def named_files(kind: str, path: str, options: Mapping[str, str] | None = None) -> NamedFiles:
    """The files of a format at a path; `options`: see `warehouse.files_schema`.

    Raises FileUnavailable (58P01) where nothing is, and what the formats raise.
    """
    place = warehouse.local_path(path)
    if os.path.isdir(place):
        partitions, first = warehouse.partitions_below(place)
        paths = None
        files = [first] if first is not None else []
    else:
        partitions, paths = [], tuple(sorted(p for p in glob.glob(place) if os.path.isfile(p)))
        files = list(paths)
    if not files:
        raise FileUnavailable(
            f'there are no files at "{path}"', hint="a file, a pattern such as dir/*.parquet or a directory is expected"
        )
    made = warehouse.describe_files(
        kind, files, place if paths is None else os.path.dirname(place), partitions, options
    )
    return NamedFiles(made, paths)


def columns_of_files(path: str) -> tuple[ColumnInfo, ...]:
    """The columns of files named `format:path`."""
    found = named_files(*_parts(path))
    return tuple(ColumnInfo(field.name, field.type) for field in found.description.row_schema)


def rows_of_named(path: str, check: Callable[[], None] | None = None) -> pa.Table:
    """The rows of files named `format:path`; `check` is called between pieces of them."""
    found = named_files(*_parts(path))
    batches = []
    for batch in _batches(found):
        if check is not None:
            check()
        batches.append(batch)
    return pa.Table.from_batches(batches, found.description.row_schema)


def _parts(path: str) -> tuple[str, str]:
    kind, _, place = path.partition(":")
    return kind, place


def _batches(found: NamedFiles) -> Iterator[pa.RecordBatch]:
    if found.paths is None:
        yield from warehouse.read_table(found.description)
        return
    for path in found.paths:
        yield from warehouse.read(path, found.description)
