"""INSERT INTO and INSERT OVERWRITE: rows into a table's partitions, or into a directory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pyarrow as pa

from sqlengine.errors import (
    DatatypeMismatch,
    InvalidDefinition,
    InvalidParameter,
    InvalidText,
    UndefinedColumn,
    did_you_mean,
)
from sqlengine.quick_dataclass import dataclass
from sqlengine.warehouse.casting import as_hive
from sqlengine.warehouse.commit import Commit, disk
from sqlengine.warehouse.description import Column, TableDescription, check, local_path
from sqlengine.warehouse.layout import (
    NO_OVERRIDES,
    Overrides,
    Values,
    data_files,
    find_partitions,
    partition_at,
    typed_value,
)
from sqlengine.warehouse.partition_rows import FILE_BYTES, HELD_BYTES, PartitionRows
from sqlengine.warehouse.value_texts import to_texts
from storage.env import Env

APPEND, OVERWRITE = "append", "overwrite"
StaticPartition = Mapping[str, str | None]
"""Partition column -> text of its value, None for NULL: the part of PARTITION (...) that states values."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a statement has written. `partitions`: those it touched, a replaced one without rows included;
    `was_there`: IF NOT EXISTS found the partition, and nothing was done."""

    rows: int
    files: int
    partitions: tuple[Values, ...]
    was_there: bool = False


def write_rows(
    description: TableDescription,
    batches: Iterable[pa.RecordBatch],
    *,
    mode: str = APPEND,
    static: StaticPartition | None = None,
    overrides: Overrides = NO_OVERRIDES,
    if_not_exists: bool = False,
    compression: str = "",
    file_bytes: int = FILE_BYTES,
    held_bytes: int = HELD_BYTES,
    env: Env | None = None,
) -> Written:
    """Write rows wholly or not at all. Columns count by position: the table's, then those partition columns that
    `static` does not state, in the table's order; values become the table's types, NULL where they do not fit.

    `mode` "overwrite" replaces what is in the partitions that get rows, and in the one that `static` states wholly
    (or the table, when it is not partitioned) also without any. `file_bytes` bounds files, about; `held_bytes` what
    waits in memory.

    Raises DatatypeMismatch (42804) for another number of columns or a type that cannot become the column's,
    UndefinedColumn (42703) and InvalidDefinition (42P17) for `static`, InvalidText (22P02) for a stated value that
    is none of its type, NotSupportedError (0A000) for RegexSerDe, DiskFull (53100), FileUnavailable (58P01).
    """
    if mode not in (APPEND, OVERWRITE):
        raise InvalidParameter(f'mode "{mode}" is neither "{APPEND}" nor "{OVERWRITE}"')
    fixed = static_values(description, static or {})
    dynamic = [c for i, c in enumerate(description.partition_columns) if i not in fixed]
    if if_not_exists:
        if dynamic or not fixed:
            raise InvalidDefinition("IF NOT EXISTS needs a partition whose values are all stated")
        values = tuple(fixed.values())
        if any(partition.values == values for partition in find_partitions(description, overrides)):
            return Written(0, 0, (values,), was_there=True)
    columns = (*description.columns, *dynamic)
    with Commit(description.location, env) as commit, disk(description.location):
        rows = PartitionRows(
            commit,
            description,
            lambda values: partition_at(description, values, overrides).location,
            lambda values: overrides.describing(description, values),
            compression=compression,
            file_bytes=file_bytes,
            held_bytes=held_bytes,
        )
        with rows:
            if not dynamic:
                commit.make(rows.target(tuple(fixed.values())).directory)
            for batch in batches:
                rows.add(conformed(batch, columns, description.name), len(dynamic), list(fixed.items()))
            rows.split(len(dynamic), list(fixed.items()))
            rows.finish()
        commit.finish((lambda: _replace(commit, rows)) if mode == OVERWRITE else None)
    written = sum(target.rows for target in rows.targets.values())
    return Written(written, sum(t.files for t in rows.targets.values()), tuple(rows.targets))


def _replace(commit: Commit, rows: PartitionRows) -> None:
    """What is in the partitions that were written goes."""
    for target in rows.targets.values():
        for file in data_files(target.directory, has_subdirectories=True):
            commit.take(file.path)


def write_directory(
    directory: str,
    batches: Iterable[pa.RecordBatch],
    description: TableDescription,
    *,
    compression: str = "",
    env: Env | None = None,
) -> Written:
    """INSERT OVERWRITE [LOCAL] DIRECTORY: rows as files of a table of that description, which may have no partition
    columns; what was in the directory goes. Raises as `write_rows`."""
    if description.partition_columns:
        raise InvalidDefinition("a directory has no partitions")
    placed = replace(description, location=os.path.abspath(local_path(directory)))
    check(placed)
    return write_rows(placed, batches, mode=OVERWRITE, compression=compression, env=env)


def static_values(description: TableDescription, static: StaticPartition) -> dict[int, str | None]:
    """Place among the partition columns -> text, in the columns' order; texts as the column's type writes them (`01`
    of an int is `1`). Stated columns come before the others, as in Hive."""
    names = [column.name for column in description.partition_columns]
    given = {name.lower(): text for name, text in static.items()}
    for name in given:
        if name not in names:
            hint = did_you_mean(name, names) or ("partition columns: " + ", ".join(names) if names else None)
            raise UndefinedColumn(f'table "{description.name}" has no partition column "{name}"', hint=hint)
    found = {i: _spelt(description.partition_columns[i], given[name]) for i, name in enumerate(names) if name in given}
    if list(found) != list(range(len(found))):
        raise InvalidDefinition(
            "partition columns with values come before those without", hint="in the order of PARTITIONED BY"
        )
    return found


def _spelt(column: Column, text: str | None) -> str | None:
    if not text:
        return None
    value = typed_value(column.type, [text])
    if value.null_count:
        raise InvalidText(f'invalid value for partition column "{column.name}" of type {column.type}: "{text}"')
    spelt: str = to_texts(value)[0].as_py()
    return spelt


def conformed(batch: pa.RecordBatch, columns: tuple[Column, ...], table: str) -> pa.RecordBatch:
    """A batch with the columns' names and types, by position; DatatypeMismatch (42804)."""
    if batch.num_columns != len(columns):
        raise DatatypeMismatch(
            f'table "{table}" takes {len(columns)} columns here, the rows have {batch.num_columns}',
            hint="columns: " + ", ".join(column.name for column in columns),
        )
    made = []
    for column, values in zip(columns, batch.columns, strict=True):
        try:
            made.append(as_hive(values, column.type))
        except DatatypeMismatch:
            raise DatatypeMismatch(
                f'column "{column.name}" is of type {column.type} but the rows have {values.type}'
            ) from None
    return pa.RecordBatch.from_arrays(made, schema=pa.schema([column.field for column in columns]))
