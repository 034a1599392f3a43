"""INSERT INTO and INSERT OVERWRITE of Hive: tables over files, directories, and our own streams and tables.

A statement with several targets reads what its queries read once: all are planned first, each object's rows are
taken once, with the columns and partitions that any of them needs, and each query runs over them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from sqlengine import warehouse
from sqlengine.catalog.objects import CatalogObject, ColumnInfo, FileTable, Stream, Table
from sqlengine.errors import DatatypeMismatch, DuplicateColumn, InvalidDefinition, WrongObjectType
from sqlengine.expr.compile import compile_exprs
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.sql.hive.variables import DYNAMIC_PARTITION, PARTITION_MODE, Words
from sqlengine.statements.context import Context
from sqlengine.statements.followed_files import levelled
from sqlengine.statements.hive.found import (
    any_object,
    check_columns,
    local_path,
    partitions_of,
    spelt_values,
    stated_values,
    type_of_field,
)
from sqlengine.statements.hive.kafka import is_kafka_table, write_records
from sqlengine.statements.hive.rows import cast_to, refuse_in_transaction, write_files
from sqlengine.statements.planned_select import run_planned
from sqlengine.statements.select import run_snapshot
from sqlengine.statements.truncate import truncate
from sqlengine.statements.write import writable, write_rows


def insert(statement: ast.HiveInsert, context: Context) -> Result:
    """INSERT INTO | OVERWRITE with one target or several."""
    objects = [None if target.directory is not None else _target(context, target) for target in statement.targets]
    for target, obj in zip(statement.targets, objects, strict=True):
        if isinstance(obj, FileTable):
            _check_partition(context, obj, target)
    needed = [_is_needed(target, obj) for target, obj in zip(statement.targets, objects, strict=True)]
    answers = _answers(context, [t.query for t, is_needed in zip(statement.targets, needed, strict=True) if is_needed])
    written = 0
    for target, obj, is_needed in zip(statement.targets, objects, needed, strict=True):
        if is_needed:
            written += _write(context, target, obj, next(answers))
    return levelled(context, Result(f"INSERT 0 {written}", row_count=written))


def _target(context: Context, target: ast.InsertTarget) -> CatalogObject:
    with context.instance.lock:
        found = any_object(context, target.name)
    if isinstance(found, FileTable) and os.path.isfile(found.location):
        raise WrongObjectType(f'"{found.name}" is of one file, which is only read')
    if not isinstance(found, FileTable):
        found = writable(context, target.name)
        if target.partition or target.if_not_exists:
            raise InvalidDefinition(f'"{found.name}" has no partitions that are named in an INSERT')
        return found
    refuse_in_transaction(context, found)
    return found


def _check_partition(context: Context, table: FileTable, target: ast.InsertTarget) -> None:
    """PARTITION (...) fits the table, and dynamic partitions are allowed."""
    check_columns(table, target.partition)
    seen = {column for column, _, _ in target.partition}
    if len(seen) < len(target.partition):
        raise DuplicateColumn("a partition column is given twice")
    names = [name for name, _, _ in table.partition_columns]
    if target.partition and len(seen) < len(names):
        missing = next(name for name in names if name not in seen)
        raise InvalidDefinition(f'PARTITION has to name column "{missing}" as well', hint=", ".join(names))
    dynamic = [column for column, compare, _ in target.partition if not compare] if target.partition else names
    stated = tuple(test for test in target.partition if test[1])
    stated_values(table, stated, whole=False)
    words = Words.of(context.settings)
    if dynamic and words.configured(DYNAMIC_PARTITION) == "false":
        raise InvalidDefinition(
            f'partition column "{dynamic[0]}" has no value and dynamic partitions are off',
            hint=f"SET {DYNAMIC_PARTITION} = true",
        )
    if names and not stated and words.configured(PARTITION_MODE) == "strict":
        raise InvalidDefinition(
            "in strict mode at least one partition column needs a value", hint=f"SET {PARTITION_MODE} = nonstrict"
        )
    if target.if_not_exists and (dynamic or not target.overwrite):
        raise InvalidDefinition("IF NOT EXISTS is for INSERT OVERWRITE of a partition whose values are all stated")


def _is_needed(target: ast.InsertTarget, obj: CatalogObject | None) -> bool:
    """Whether there is anything to do: IF NOT EXISTS may find its partition there."""
    if not target.if_not_exists or not isinstance(obj, FileTable):
        return True
    values = spelt_values(obj, target.partition)
    return all(partition.values != values for partition in partitions_of(obj))


def _write(context: Context, target: ast.InsertTarget, obj: CatalogObject | None, rows: pa.Table) -> int:
    if target.directory is not None:
        return _write_directory(target, rows)
    if target.by_name:
        target = replace(target, columns=tuple(name.lower() for name in rows.schema.names))
        if len(set(target.columns)) < len(target.columns):
            raise DuplicateColumn("INSERT ... BY NAME: the query has two columns of one name")
    if isinstance(obj, FileTable):
        static = {column: value for column, compare, value in target.partition if compare}
        return write_files(
            context,
            obj,
            rows,
            overwrite=target.overwrite,
            static=static,
            if_not_exists=target.if_not_exists,
            named=target.columns,
        ).rows
    assert isinstance(obj, (Stream, Table))
    return _write_own(context, target, obj, rows)


def _write_own(context: Context, target: ast.InsertTarget, obj: Stream | Table, rows: pa.Table) -> int:
    """Into a stream or a table by key, with Hive's casts."""
    columns = {column.name: column for column in obj.stored_columns()}
    names = list(target.columns) or list(columns)
    if is_kafka_table(obj):  # what Kafka keeps of a record is given behind its columns, or left out
        columns = {column.name: column for column in obj.columns}
        names = list(columns) if not target.columns and rows.num_columns == len(columns) else names
    if len(names) != rows.num_columns:
        raise DatatypeMismatch(
            f'"{obj.name}" takes {len(names)} columns here, the query has {rows.num_columns}',
            hint="columns: " + ", ".join(names),
        )
    if target.overwrite:
        if isinstance(obj, Stream):
            raise WrongObjectType(f'stream "{obj.name}" only grows: it cannot be overwritten')
        truncate(ast.Truncate(kind="table", name=target.name), context)
    plain = rows.rename_columns([f"${i}" for i in range(rows.num_columns)])
    infos = [columns.get(name) or ColumnInfo(name, plain.schema.types[i]) for i, name in enumerate(names)]
    casts = compile_exprs([cast_to(plain, i, info) for i, info in enumerate(infos)])
    schema = pa.schema([(info.name, info.type) for info in infos])
    batches = [
        pa.RecordBatch.from_arrays(
            [
                values if info.limit is None else info.limit.cut(values)
                for info, values in zip(infos, casts(batch, context.instance.clock.now_us()), strict=True)
            ],
            schema=schema,
        )
        for batch in plain.to_batches()
    ]
    written = pa.Table.from_batches(batches, schema)
    if isinstance(obj, Stream) and is_kafka_table(obj):
        return write_records(context, obj, written)
    return write_rows(context, obj, written, names).num_rows


def _write_directory(target: ast.InsertTarget, rows: pa.Table) -> int:
    """INSERT OVERWRITE [LOCAL] DIRECTORY: text unless the statement says otherwise."""
    layout = target.layout
    stored = warehouse.stored_by_classes(layout.input_format).name if layout.input_format else layout.file_format
    path = local_path(target.directory or "")
    description = warehouse.describe(
        "directory",
        [(f"_col{i}", type_of_field(field), "") for i, field in enumerate(rows.schema)]
        if len(set(rows.schema.names)) < rows.num_columns
        else [(field.name, type_of_field(field), "") for field in rows.schema],
        path,
        file_format=stored or "textfile",
        serde_class=layout.serde,
        serde_properties=dict(layout.serde_properties),
    )
    return int(warehouse.write_directory(path, rows.to_batches(), description).rows)


# ---------------------------------------------------------------- answers


def _answers(context: Context, queries: Sequence[ast.Query]) -> Iterator[pa.Table]:
    """The answers of queries that read the same rows, one by one."""
    if len(queries) < 2 or any(query.rows is not None for query in queries):
        return (run_snapshot(context, query) if query.rows is None else query.rows for query in queries)
    return run_planned(context, queries)[0]
