"""EXPORT and IMPORT TABLE: a directory with the data and a description of the table, `_metadata`.

    target/_metadata
    target/data/...                     of a table without partitions
    target/ds=2024-01-01/hr=11/...      of a partitioned one

The directories are Hive's; `_metadata` is JSON of our own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from sqlengine.errors import (
    DataCorrupted,
    DatatypeMismatch,
    DuplicateObject,
    FileUnavailable,
    ObjectNotReady,
)
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.commit import Commit, disk
from sqlengine.warehouse.description import TableDescription, local_path
from sqlengine.warehouse.description_json import from_json, to_json
from sqlengine.warehouse.file_writers import Sink
from sqlengine.warehouse.layout import NO_OVERRIDES, Overrides, Partition, data_files, find_partitions, partition_name
from sqlengine.warehouse.operations import copied
from sqlengine.warehouse.visibility import shown
from storage.env import Env

METADATA = "_metadata"
_VERSION = 1
_DATA = "data"


@dataclass(frozen=True, slots=True)
class Exported:
    """What a directory holds: a description whose location is the directory, and the partitions in it."""

    description: TableDescription
    partitions: tuple[Partition, ...]


def export_table(
    description: TableDescription, target: str, partitions: Sequence[Partition], env: Env | None = None
) -> Exported:
    """Copy these partitions to a directory. ObjectNotReady (55000) unless it is empty or missing."""
    target = os.path.abspath(local_path(target))
    if os.path.isdir(target) and os.listdir(target):
        raise ObjectNotReady(f'directory "{target}" is not empty', hint="EXPORT writes to a new or empty directory")
    placed = [Partition(p.values, f"{target}/{_place(description, p)}") for p in partitions]
    with shown(description.location) as view, Commit(target, env) as commit, disk(target):
        with view.listing():
            files = [
                (file.path, new.location + file.path[len(old.location) :])
                for old, new in zip(partitions, placed, strict=True)
                for file in data_files(old.location, has_subdirectories=True)
            ]
        for source, place in files:
            with view.opening(source) as actual:
                commit.move(copied(commit, actual, target), place)
        for partition in placed:
            commit.make(partition.location)
        text = json.dumps({
            "version": _VERSION,
            "table": to_json(description),
            "partitions": [list(partition.values) for partition in partitions],
        }, indent=1)  # fmt: skip
        with Sink(commit.env, commit.new_file(target, METADATA)) as sink:
            sink.write(text.encode())
        commit.finish()
    return Exported(description.at(target), tuple(placed))


def _place(description: TableDescription, partition: Partition) -> str:
    return partition_name([c.name for c in description.partition_columns], partition.values) or _DATA


def read_export(source: str) -> Exported:
    """What was exported to a directory. FileUnavailable (58P01) when it has no `_metadata`, DataCorrupted (XX001) when
    that cannot be read."""
    source = os.path.abspath(local_path(source))
    try:
        with pa.OSFile(f"{source}/{METADATA}") as file:
            found = json.loads(file.read())
        if found["version"] != _VERSION:
            raise DataCorrupted(f'"{source}/{METADATA}" is of an unknown version')
        description = from_json(found["table"], source)
        values = [tuple(each) for each in found["partitions"]]
    except FileNotFoundError:
        raise FileUnavailable(f'"{source}" holds no exported table', hint=f"there is no {METADATA}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataCorrupted(f'"{source}/{METADATA}" cannot be read: {error}') from None
    partitions = [Partition(each, "") for each in values]
    return Exported(description, tuple(replace(p, location=f"{source}/{_place(description, p)}") for p in partitions))


def import_table(
    exported: Exported, target: TableDescription, overrides: Overrides = NO_OVERRIDES, env: Env | None = None
) -> list[Partition]:
    """Copy what was exported into a table; the partitions there are now. DatatypeMismatch (42804) when it differs in
    its columns or format, DuplicateObject (42710) when the table has one of the partitions, or has rows and no
    partitions."""
    source = exported.description
    alike = (source.row_schema, len(source.partition_columns), source.file_format, source.serde)
    if alike != (target.row_schema, len(target.partition_columns), target.file_format, target.serde):
        raise DatatypeMismatch(f'what was exported differs from table "{target.name}" in its columns or format')
    known = {p.values: p for p in find_partitions(target, overrides)}
    placed = []
    for partition in exported.partitions:
        there = known.get(partition.values)
        if there is not None and (partition.values or data_files(there.location)):
            what = f'partition "{_place(target, partition)}" of' if partition.values else "rows of"
            raise DuplicateObject(f'{what} table "{target.name}" exists')
        name = partition_name([c.name for c in target.partition_columns], partition.values)
        placed.append(Partition(partition.values, f"{target.location}/{name}" if name else target.location))
    with Commit(target.location, env) as commit, disk(target.location):
        for old, new in zip(exported.partitions, placed, strict=True):
            commit.make(new.location)
            for file in data_files(old.location, has_subdirectories=True):
                commit.move(copied(commit, file.path, new.location), new.location + file.path[len(old.location) :])
        commit.finish()
    return placed
