"""CREATE TABLE and DROP TABLE as Hive has them: over files, or with a key as an ordinary table of ours."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pyarrow as pa

from sqlengine import types, warehouse
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import CatalogObject, FileTable, Table, View
from sqlengine.errors import (
    DuplicateColumn,
    DuplicateTable,
    FileUnavailable,
    InvalidDefinition,
    NotSupportedError,
    UndefinedColumn,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.runtime.file_tables import description_of
from sqlengine.runtime.stored_expressions import bind_over
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.drop import drop_alone, drop_object
from sqlengine.statements.hive.clustering import check_clustering, skewed_as_kept
from sqlengine.statements.hive.found import (
    any_object,
    column_infos,
    database,
    local_path,
    table_location,
    texts,
    type_of_column,
    type_of_field,
)
from sqlengine.statements.hive.kafka import create_kafka_table, is_kafka_table
from sqlengine.statements.hive.rows import write_files
from sqlengine.statements.hive.spark import with_source
from sqlengine.statements.select import run_snapshot
from sqlengine.statements.tables import create_table as create_own_table
from sqlengine.text_limits import limit_of
from sqlengine.warehouse.columnar import open_file

ColumnText = tuple[str, str, str]


def create_table(statement: ast.CreateFileTable, context: Context) -> Result:
    """CREATE [EXTERNAL | TEMPORARY | TRANSACTIONAL] TABLE with columns, LIKE another, or AS a query."""
    name = object_name(statement.name)
    with context.instance.lock:
        database(context, statement.name[0])
        existing = context.instance.catalog.find(statement.name)
    statement = with_source(statement)
    if existing is not None and statement.or_replace and _is_temporary_view(existing, context):
        with context.instance.lock:
            drop_object(context, existing, cascade=False)
        existing = None
    if existing is not None:
        if statement.if_not_exists:
            context.notice(f'relation "{existing.name}" already exists, skipping')
            return Result("CREATE TABLE")
        raise DuplicateTable(f'relation "{name}" already exists')
    if statement.layout.handler:
        return create_kafka_table(statement, context)
    if _is_keyed(statement):
        return _create_keyed(statement, context)
    rows = None if statement.query is None else run_snapshot(context, statement.query)
    table = _declared(statement, context, None if rows is None else rows.schema)
    return _make(statement, context, table, rows)


def _is_temporary_view(obj: CatalogObject, context: Context) -> bool:
    """Whether it is one of this session's, which CREATE OR REPLACE TEMPORARY VIEW may replace."""
    return isinstance(obj, FileTable) and context.instance.catalog.oid(obj.name) in context.temporary


def _is_keyed(statement: ast.CreateFileTable) -> bool:
    properties = {key.lower(): value.lower() for key, value in statement.properties}
    asked = properties.get("transactional") == "true" or "transactional" in statement.words
    return (asked or bool(statement.primary_key)) and "external" not in statement.words


def _make(statement: ast.CreateFileTable, context: Context, table: FileTable, rows: pa.Table | None) -> Result:
    """Enter the table; with rows, once they are written: a crash in between leaves no table."""
    catalog = context.instance.catalog
    with context.instance.lock:
        catalog.hold(table)
    try:
        count = 0
        if rows is not None:
            count = write_files(context, table, rows, overwrite=True).rows
        elif not table.is_external or not os.path.exists(table.location):
            make_directory(table.location)
        with context.instance.lock:
            catalog.add(table, replace_existing=True)
            if "temporary" in statement.words:
                context.temporary.append(catalog.oid(table.name))
    except BaseException:
        with context.instance.lock:
            catalog.release(table)
        raise
    return Result("CREATE TABLE") if rows is None else Result(f"SELECT {count}", row_count=count)


def make_directory(location: str) -> None:
    """The directory exists; FileUnavailable (58P01)."""
    try:
        os.makedirs(location, exist_ok=True)
    except OSError as error:
        raise FileUnavailable(f'could not make "{location}": {(error.strerror or str(error)).lower()}') from error


# ---------------------------------------------------------------- declaring


def _declared(statement: ast.CreateFileTable, context: Context, answer: pa.Schema | None) -> FileTable:
    if statement.like is not None:
        return _like(statement, context)
    columns, partitions = _columns(statement, answer)
    layout = statement.layout
    stored = warehouse.stored_by_classes(layout.input_format).name if layout.input_format else layout.file_format
    location = local_path(statement.location) if statement.location else table_location(context, statement.name)
    description = warehouse.describe(
        statement.name[-1],
        columns,
        location,
        partition_columns=partitions,
        file_format=stored or "textfile",
        serde_class=layout.serde,
        serde_properties=dict(layout.serde_properties),
        properties=dict(statement.properties),
        is_external="external" in statement.words,
        comment=statement.comment,
        bucket_columns=statement.buckets.columns,
        num_buckets=statement.buckets.number,
    )
    for column in statement.columns:
        if column.default is not None:
            bind_over(column.default, ())
    if statement.buckets.number:
        context.notice("rows are not placed by CLUSTERED BY: it is kept, and files are written as without it")
    table = FileTable(
        name=object_name(statement.name),
        columns=column_infos(description, statement.columns),
        comment=statement.comment or None,
        created_us=context.instance.clock.now_us(),
        sql=statement.text,
        location=location,
        hive_columns=texts(description.columns),
        partition_columns=texts(description.partition_columns),
        file_format=description.file_format,
        serde=layout.serde,
        serde_properties=dict(description.serde_properties),
        properties=dict(description.properties),
        is_external=description.is_external,
        bucket_columns=description.bucket_columns,
        num_buckets=description.num_buckets,
        sort_columns=statement.buckets.sorted,
        skewed=skewed_as_kept(statement.skewed),
    )
    check_clustering(table)
    return context.owned(table)


def _columns(statement: ast.CreateFileTable, answer: pa.Schema | None) -> tuple[list[ColumnText], list[ColumnText]]:
    """Columns and partition columns: as stated, else as the query or file has them; partition columns of AS SELECT are
    columns of the query, which come last."""
    if statement.like_file is not None:
        answer = _schema_of_file(*statement.like_file)
    if answer is None:
        return [_text(c) for c in statement.columns], [_text(c) for c in statement.partition_columns]
    if statement.columns:
        raise InvalidDefinition("CREATE TABLE AS SELECT cannot state columns", hint="name them in the query")
    for name in answer.names:
        if answer.names.count(name) > 1:
            raise DuplicateColumn(f'column "{name}" specified more than once', hint="give one of them an alias")
    found = [(field.name.lower(), type_of_field(field), "") for field in answer]
    if not statement.partition_columns or statement.like_file is not None:
        return found, [_text(column) for column in statement.partition_columns]
    wanted = [column.name for column in statement.partition_columns]
    names = [name for name, _, _ in found]
    for name in wanted:
        if name not in names:
            raise UndefinedColumn(f'the query has no column "{name}" to partition by', hint=did_you_mean(name, names))
    if names[-len(wanted) :] != wanted:
        raise InvalidDefinition("partition columns are the last columns of the query, in the order of PARTITIONED BY")
    return found[: -len(wanted)], found[-len(wanted) :]


def _schema_of_file(kind: str, path: str) -> pa.Schema:
    """The columns of a file of the format that LIKE FILE names."""
    stored = warehouse.stored_as(kind).name
    if stored == "parquet":
        import pyarrow.parquet as pq  # takes 40 ms, and few statements need it

        with open_file(local_path(path), "Parquet", pq.ParquetFile) as file:
            return file.schema_arrow
    if stored == "orc":
        import pyarrow.orc as orc  # for ORC only

        return open_file(local_path(path), "ORC", orc.ORCFile).schema
    raise NotSupportedError(f"CREATE TABLE ... LIKE FILE {kind} is not supported", hint="PARQUET and ORC are")


def _text(column: ast.HiveColumn) -> ColumnText:
    if column.type_text is None:
        raise InvalidDefinition(f'column "{column.name}" needs a type', position=column.position)
    return column.name, column.type_text, column.comment


def _like(statement: ast.CreateFileTable, context: Context) -> FileTable:
    """The columns and files of another table, none of its rows; without `like` given files, in the usual place."""
    assert statement.like is not None
    with context.instance.lock:
        source = any_object(context, statement.like)
    location = local_path(statement.location) if statement.location else table_location(context, statement.name)
    layout = statement.layout
    made: dict[str, Any] = {
        "name": object_name(statement.name),
        "location": location,
        "is_external": "external" in statement.words,
        "comment": statement.comment or None,
        "sql": statement.text,
        "created_us": context.instance.clock.now_us(),
    }
    if isinstance(source, FileTable):
        copied = replace(
            source,
            **made,
            properties=dict(statement.properties),
            located=(),
            hidden=(),
            formats=(),
            statistics={},
            grants=None,
        )
        if layout != ast.FileLayout():
            stated = warehouse.stored_as(layout.file_format) if layout.file_format else None
            copied = replace(
                copied,
                file_format=stated.name if stated is not None else "textfile",
                serde=layout.serde,
                serde_properties=dict(layout.serde_properties),
            )
        description_of(copied)
        return context.owned(copied)
    columns = tuple(
        ast.HiveColumn(column.name, type_of_column(column), not_null=column.not_null) for column in source.columns
    )
    return _declared(replace(statement, like=None, columns=columns), context, None)


# ---------------------------------------------------------------- tables with keys


def _create_keyed(statement: ast.CreateFileTable, context: Context) -> Result:
    """A transactional table, or one with a primary key: its rows can be changed, so it is one of ours."""
    if statement.partition_columns and statement.query is not None:
        raise NotSupportedError("a partitioned transactional table AS SELECT is not supported")
    if statement.location:
        raise InvalidDefinition("a transactional table has no files to give a LOCATION to")
    if statement.like is not None or statement.like_file is not None:
        raise NotSupportedError("a transactional table LIKE another is not supported", hint="state its columns")
    columns = (*statement.columns, *statement.partition_columns)
    definitions = tuple(
        ast.ColumnDef(
            name=column.name,
            type_name=_own_type(_text(column)[1]),
            not_null=column.not_null or column.name in statement.primary_key,
            default_text=column.default,
            position=column.position,
        )
        for column in columns
    )
    made = ast.CreateTable(
        name=statement.name,
        columns=definitions,
        primary_key=statement.primary_key,
        query=statement.query,
        temporary="temporary" in statement.words,
        text=statement.text,
        position=statement.position,
    )
    result = create_own_table(made, context)
    if statement.comment:
        with context.instance.lock:
            catalog = context.instance.catalog
            catalog.update(catalog.get_as(Table, statement.name), comment=statement.comment)
    return result


def _own_type(text: str) -> str:
    """Hive's type as one of our own SQL."""
    limit = limit_of(text)
    return types.to_sql(warehouse.parse_type(text).arrow, types.HIVE_TINYINT) if limit is None else limit.sql


# ---------------------------------------------------------------- dropping


def drop_table(statement: ast.DropTable, context: Context) -> Result:
    """DROP TABLE: one that does not exist is none to complain about (hive.exec.drop.ignorenonexistent). Views over it
    stay, as in Hive, and can be read again when there is such a table again; what is kept up to date goes before it."""
    with context.instance.lock:
        found: CatalogObject | None = context.instance.catalog.find(statement.name)
        if found is None:
            context.notice(f'table "{object_name(statement.name)}" does not exist, skipping')
            return Result("DROP TABLE")
        if not isinstance(found, (FileTable, Table)) and not is_kafka_table(found):
            raise WrongObjectType(
                f'"{found.name}" is not a table', hint=f"it is a {found.kind}: use DROP {found.kind.upper()}"
            )
        over = context.instance.catalog.dependents(found.name)
        if any(not isinstance(obj, View) for obj in over):
            drop_object(context, found, cascade=False)
        else:
            drop_alone(context, found)
            for view in reversed(over):
                context.notice(f'view "{view.name}" stays, and needs a table "{found.name}" to be read')
    return Result("DROP TABLE")
